//! Plans kept per batch size and mode.

use std::collections::HashMap;

use nn_core::{Mode, Real};

use crate::{Plan, RecordError};

/// The plans of one network, one per batch size and mode, so that a short last batch costs one more recording and
/// no more.
#[derive(Debug)]
pub struct Plans<F: Real> {
    plans: HashMap<(usize, Mode), Plan<F>>,
}

impl<F: Real> Default for Plans<F> {
    fn default() -> Self {
        Plans { plans: HashMap::new() }
    }
}

impl<F: Real> Plans<F> {
    /// No plans yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The plan for this batch size and mode; `record` makes it when it is asked for the first time.
    ///
    /// # Errors
    /// Those of `record`.
    pub fn get<E: From<RecordError>>(
        &mut self,
        batch: usize,
        mode: Mode,
        record: impl FnOnce() -> Result<Plan<F>, E>,
    ) -> Result<&mut Plan<F>, E> {
        use std::collections::hash_map::Entry;
        match self.plans.entry((batch, mode)) {
            Entry::Occupied(present) => Ok(present.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(record()?)),
        }
    }

    /// The number of plans.
    pub fn len(&self) -> usize {
        self.plans.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }
}
