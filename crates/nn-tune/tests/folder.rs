//! A folder for the files of one test.

use std::fs;
use std::path::PathBuf;

use nn_tune::storage::Journal;
use nn_tune::{Direction, Random, Space, Study, StudyError};

/// A folder that is removed at the end.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("nn-tune-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("study.log")
    }

    pub(crate) fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    pub(crate) fn journal(&self) -> Journal {
        Journal::new(self.file()).unwrap()
    }

    pub(crate) fn open(&self, space: Space) -> Result<Study, StudyError> {
        Study::open(self.journal(), "study", Direction::Minimize, space, Random::new(1))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
