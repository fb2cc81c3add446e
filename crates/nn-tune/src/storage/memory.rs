//! Studies in the memory of the process.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Record, Storage, StorageError};

/// Studies in the memory of the process. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    records: Arc<Mutex<Vec<Record>>>,
    /// How many have been read by this clone.
    read: usize,
}

impl InMemory {
    /// Without studies.
    pub fn new() -> Self {
        InMemory::default()
    }
}

impl Storage for InMemory {
    fn read(&mut self) -> Result<Vec<Record>, StorageError> {
        let records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let new = records[self.read..].to_vec();
        self.read = records.len();
        Ok(new)
    }

    fn update(
        &mut self,
        change: &mut dyn FnMut(Vec<Record>) -> Vec<Record>,
    ) -> Result<Vec<Record>, StorageError> {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        let added = change(records[self.read..].to_vec());
        records.extend_from_slice(&added);
        self.read = records.len();
        Ok(added)
    }
}
