//! The lock of a journal: a file beside it that only one can make.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::{StorageError, worker_name};

/// How the lock of a [`Journal`](super::Journal) is made. Both are the file `PATH.lock`, so that they exclude each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lock {
    /// A symbolic link, as Optuna's `JournalFileSymlinkLock`: works on NFS from version 2. The default, except on Windows.
    Symlink,
    /// A file that is made anew, as Optuna's `JournalFileOpenLock`: works on NFS from version 3, and on Windows without
    /// privileges.
    Open,
}

impl Default for Lock {
    fn default() -> Self {
        if cfg!(unix) { Lock::Symlink } else { Lock::Open }
    }
}

/// The longest pause between two attempts.
const PAUSE: Duration = Duration::from_millis(100);

/// A lock that is held; it is released when this is dropped.
#[derive(Debug)]
pub(super) struct Held {
    path: PathBuf,
    made: Option<SystemTime>,
}

impl Held {
    /// Waits until nobody has the lock of `target`, an absolute path. One that has not changed for `grace` is of a worker
    /// that died, and is removed.
    pub(super) fn acquire(target: &Path, lock: Lock, grace: Duration) -> Result<Held, StorageError> {
        let path = with_suffix(target, ".lock");
        let mut pause = Duration::from_millis(1);
        let mut seen = (None, Instant::now());
        loop {
            match make(target, &path, lock) {
                Ok(()) => return Ok(Held { made: made(&path), path }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(StorageError::File { path, action: "cannot lock", source }),
            }
            // Optuna looks at the time of what the link points to.
            let change = (made(&path), fs::metadata(target).and_then(|file| file.modified()).ok());
            if seen.0 != Some(change) {
                seen = (Some(change), Instant::now());
            } else if seen.1.elapsed() > grace {
                remove(&path, change.0);
                pause = Duration::from_millis(1);
            }
            thread::sleep(pause);
            pause = (2 * pause).min(PAUSE);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        remove(&self.path, self.made);
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

fn make(target: &Path, path: &Path, lock: Lock) -> io::Result<()> {
    match lock {
        #[cfg(unix)]
        Lock::Symlink => std::os::unix::fs::symlink(target, path),
        #[cfg(windows)]
        Lock::Symlink => std::os::windows::fs::symlink_file(target, path),
        _ => OpenOptions::new().write(true).create_new(true).open(path).map(drop),
    }
}

/// When a lock was made, which tells it from others.
fn made(path: &Path) -> Option<SystemTime> {
    fs::symlink_metadata(path).and_then(|lock| lock.modified()).ok()
}

/// Removes a lock, unless it is another one by now: by renaming it first, which only one can do.
fn remove(path: &Path, of: Option<SystemTime>) {
    if of.is_none() || made(path) != of {
        return;
    }
    let aside = with_suffix(path, &format!("{}.rename", worker_name()));
    if fs::rename(path, &aside).is_ok() {
        let _ = fs::remove_file(aside);
    }
}
