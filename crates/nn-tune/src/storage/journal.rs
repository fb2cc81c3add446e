//! Studies in a file: Optuna's journal.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::lock::Held;
use super::{Lock, Record, Storage, StorageError, record};

/// Studies in a file that several processes read and write, on one machine or on a shared file system: the journal of
/// `optuna.storages.JournalStorage(JournalFileBackend(path))`, format and lock, so that Python's workers share studies with
/// Rust's, and `optuna-dashboard path` shows them.
///
/// Each record is a line of JSON. The records of one change are written at once and are on the disk before the next
/// worker writes; readers do not lock. A last line that was torn, since its writer was killed or the disk was full, is cut
/// before the next is written; no other line is ever changed.
///
/// - What JSON has no numbers for is written bare, as Python does: `NaN`, `Infinity`, `-Infinity`. In attributes, which are
///   [`serde_json::Value`]s, they are read as texts.
/// - Times have microseconds; those without an offset from UTC, of Optuna before 3.2, are read as UTC.
/// - The lock is the file `PATH.lock`. One that does not change for the grace period, 30 seconds, is of a worker that died,
///   and is removed, as Optuna does.
///
/// ```no_run
/// use nn_tune::storage::Journal;
/// use nn_tune::{Direction, Random, Space, Study};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0)?;
/// let study = Study::open(Journal::new("study.log")?, "mnist", Direction::Minimize, space, Random::new(1))?;
/// # Ok::<(), nn_tune::StudyError>(())
/// ```
///
/// # Source
/// `optuna/storages/journal` of Optuna 5.0.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
    lock: Lock,
    grace: Duration,
    /// How many bytes have been read, and how many lines they are.
    read: (u64, u64),
}

impl Journal {
    /// The journal in a file, which is made when it is not there.
    ///
    /// # Errors
    /// When it cannot be read or made.
    pub fn new(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        let given = path.as_ref();
        let fail = |action| move |source| StorageError::File { path: given.to_owned(), action, source };
        // A link that is relative would point elsewhere from the folder of the lock.
        let path = std::path::absolute(given).map_err(fail("no path"))?;
        let made = OpenOptions::new().append(true).create_new(true).open(&path);
        match made {
            Ok(file) => file.sync_all().map_err(fail("cannot make"))?,
            Err(_) if path.exists() => {
                let file = fs::metadata(&path).map_err(fail("cannot read"))?;
                if file.is_dir() {
                    return Err(fail("cannot read")(io::ErrorKind::IsADirectory.into()));
                }
            }
            Err(error) => return Err(fail("cannot make")(error)),
        }
        Ok(Journal { path, lock: Lock::default(), grace: Duration::from_secs(30), read: (0, 0) })
    }

    /// With another kind of lock than a symbolic link.
    #[must_use]
    pub fn lock(self, lock: Lock) -> Self {
        Journal { lock, ..self }
    }

    /// How long a lock may stay before it counts as that of a worker that died: 30 seconds, as in Optuna. Longer than any
    /// sampler takes and any disk is busy.
    #[must_use]
    pub fn grace_period(self, grace: Duration) -> Self {
        Journal { grace, ..self }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn fail(&self, action: &'static str) -> impl Fn(io::Error) -> StorageError {
        move |source| StorageError::File { path: self.path.clone(), action, source }
    }

    /// The lines that were added since the last time, what stands after the last of them, and their end.
    fn lines(&self, file: &mut File) -> Result<(Vec<u8>, Vec<u8>), StorageError> {
        let length = file.metadata().map_err(self.fail("cannot read"))?.len();
        if length < self.read.0 {
            return Err(StorageError::Line {
                path: self.path.clone(),
                line: self.read.1,
                problem: "this and lines before it have been removed since they were read".to_owned(),
            });
        }
        let mut lines = vec![];
        file.seek(SeekFrom::Start(self.read.0)).map_err(self.fail("cannot read"))?;
        file.read_to_end(&mut lines).map_err(self.fail("cannot read"))?;
        let end = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let tail = lines.split_off(end);
        Ok((lines, tail))
    }

    /// The records of whole lines, after which these count as read.
    fn records(&mut self, lines: &[u8]) -> Result<Vec<Record>, StorageError> {
        let mut records = vec![];
        let mut line = self.read.1;
        for text in lines.split_inclusive(|byte| *byte == b'\n') {
            line += 1;
            let record = record::read(text.trim_ascii_end()).map_err(|problem| StorageError::Line {
                path: self.path.clone(),
                line,
                problem,
            })?;
            records.extend(record);
        }
        self.read = (self.read.0 + lines.len() as u64, line);
        Ok(records)
    }

    /// Cuts the beginning of a line after the last, or ends the line when it is whole.
    fn mend(&mut self, file: &mut File, mut tail: Vec<u8>) -> Result<Vec<Record>, StorageError> {
        if tail.is_empty() {
            return Ok(vec![]);
        }
        if let Err(problem) = record::read(&tail) {
            // Of a file that is no journal, nothing is cut.
            if !is_torn(&tail) {
                let (path, line) = (self.path.clone(), self.read.1 + 1);
                return Err(StorageError::Line { path, line, problem });
            }
            file.set_len(self.read.0).map_err(self.fail("cannot cut a torn line"))?;
            return Ok(vec![]);
        }
        file.write_all(b"\n").map_err(self.fail("cannot end a line"))?;
        tail.push(b'\n');
        self.records(&tail)
    }

    /// Adds lines: all or, when the disk is full, none.
    fn append(&self, file: &mut File, lines: &str) -> Result<(), StorageError> {
        let written = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = file.set_len(self.read.0);
            return Err(self.fail("cannot write")(error));
        }
        let end = file.stream_position().map_err(self.fail("cannot write"))?;
        if end == self.read.0 + lines.len() as u64 {
            return Ok(());
        }
        let taken = "another worker has written at the same time, since the lock was held for longer than its grace period";
        Err(self.fail("cannot tell what was written")(io::Error::other(taken)))
    }
}

/// Whether this can be the beginning of a record, or what a power failure makes of one.
fn is_torn(tail: &[u8]) -> bool {
    let begins = tail.iter().zip(b"{\"op_code\":").all(|(a, b)| a == b);
    begins || tail.iter().all(|byte| *byte == 0)
}

impl Storage for Journal {
    fn read(&mut self) -> Result<Vec<Record>, StorageError> {
        let mut file = File::open(&self.path).map_err(self.fail("cannot read"))?;
        let (lines, _) = self.lines(&mut file)?;
        self.records(&lines)
    }

    fn update(
        &mut self,
        change: &mut dyn FnMut(Vec<Record>) -> Vec<Record>,
    ) -> Result<Vec<Record>, StorageError> {
        let _held = Held::acquire(&self.path, self.lock, self.grace)?;
        let open = OpenOptions::new().read(true).append(true).open(&self.path);
        let mut file = open.map_err(self.fail("cannot write"))?;
        let (lines, tail) = self.lines(&mut file)?;
        let before = self.read;
        let mut records = self.records(&lines)?;
        match self.mend(&mut file, tail) {
            Ok(mended) => records.extend(mended),
            Err(error) => {
                self.read = before;
                return Err(error);
            }
        }
        let added = change(records);
        if !added.is_empty() {
            let lines: String = added.iter().map(record::write).collect();
            self.append(&mut file, &lines)?;
            self.read.0 += lines.len() as u64;
            self.read.1 += added.len() as u64;
        }
        Ok(added)
    }
}
