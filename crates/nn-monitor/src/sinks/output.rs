//! A file that is written through a buffer, whose errors name it.

use std::fmt::Arguments;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::SinkError;

#[derive(Debug)]
pub(super) struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    /// Opens a file as `options` say, in a folder that is created if it is not there.
    pub(super) fn open(path: &Path, options: &OpenOptions) -> Result<Self, SinkError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(|error| SinkError::create(folder, error))?;
        }
        let file = options.open(path).map_err(|error| SinkError::create(path, error))?;
        Ok(Output { path: path.to_owned(), file: BufWriter::new(file) })
    }

    /// An empty file, in place of any that is there.
    pub(super) fn create(path: &Path) -> Result<Self, SinkError> {
        Self::open(path, OpenOptions::new().write(true).create(true).truncate(true))
    }

    /// A file that is written on after its first `length` bytes; what follows them is removed.
    pub(super) fn resume(path: &Path, length: u64) -> Result<Self, SinkError> {
        let output = Self::open(path, OpenOptions::new().append(true).create(true))?;
        output.file.get_ref().set_len(length).map_err(|error| SinkError::write(path, error))?;
        Ok(output)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        self.file.write_all(bytes).map_err(|error| SinkError::write(&self.path, error))
    }

    pub(super) fn write_text(&mut self, text: Arguments<'_>) -> Result<(), SinkError> {
        self.file.write_fmt(text).map_err(|error| SinkError::write(&self.path, error))
    }

    pub(super) fn flush(&mut self) -> Result<(), SinkError> {
        self.file.flush().map_err(|error| SinkError::write(&self.path, error))
    }
}

/// The length of the first lines of a file for which `keep` holds; a last line that was cut off is none. 0
/// where there is no file.
pub(super) fn length_of_lines(path: &Path, mut keep: impl FnMut(&str) -> bool) -> Result<u64, SinkError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(SinkError::read(path, error)),
    };
    let (mut file, mut line, mut length) = (BufReader::new(file), Vec::new(), 0);
    loop {
        line.clear();
        file.read_until(b'\n', &mut line).map_err(|error| SinkError::read(path, error))?;
        let Some((b'\n', text)) = line.split_last() else { return Ok(length) };
        if !keep(&String::from_utf8_lossy(text)) {
            return Ok(length);
        }
        length += line.len() as u64;
    }
}
