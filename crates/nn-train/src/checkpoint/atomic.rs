//! Files that are there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// What the names of unfinished files end in.
const UNFINISHED: &str = ".unfinished";

/// Writes a file so that, whenever the process or the machine stops, the old content or the new is there: into a
/// temporary file beside it, which is synced and renamed; then the folder is synced.
pub(super) fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let unfinished = beside(path);
    let written = write_synced(&unfinished, content).and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = written {
        // The file may not even have been created; what counts is the first error.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    sync_folder(path)
}

fn write_synced(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(path.file_name().unwrap_or_default());
    name.push(UNFINISHED);
    path.with_file_name(name)
}

/// Makes a rename or a removal in the folder of a file last.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Elsewhere a folder cannot be opened as a file.
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Removes what an interrupted process left unfinished in a folder.
pub(super) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(UNFINISHED)) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}
