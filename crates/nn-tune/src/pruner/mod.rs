//! Which trials are stopped since they are not promising.

use std::fmt::Debug;

use crate::{Direction, Trial, Verdict};

/// Decides which trials are stopped since they are not promising.
pub trait Pruner: Debug + Send + Sync {
    /// Whether a trial is to go on, after what it reported last.
    fn verdict(&self, direction: Direction, trials: &[Trial], trial: &Trial) -> Verdict;
}

/// Stops none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoPruner;

impl Pruner for NoPruner {
    fn verdict(&self, _: Direction, _: &[Trial], _: &Trial) -> Verdict {
        Verdict::Continue
    }
}
