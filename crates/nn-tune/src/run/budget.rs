//! How long a study goes on.

use std::time::Duration;

/// How long a study goes on: until it has so many trials, for so long, or for so many epochs, whichever comes first.
///
/// ```
/// use std::time::Duration;
/// use nn_tune::Budget;
///
/// let budget = Budget::trials(100).or_time(Duration::from_secs(3600));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    trials: Option<u64>,
    time: Option<Duration>,
    epochs: Option<u64>,
}

impl Budget {
    /// Until so many trials of the study have been begun, those of earlier runs and of other workers among them. All
    /// of them end as they would.
    pub fn trials(trials: u64) -> Self {
        Budget { trials: Some(trials), ..Budget::default() }
    }

    /// For so long from the beginning of this run. Then trials that run are stopped at their next report, as pruned.
    pub fn time(time: Duration) -> Self {
        Budget { time: Some(time), ..Budget::default() }
    }

    /// Until so many reports have been made in the study by earlier runs and this one. Then trials that run are stopped
    /// at their next report, as pruned.
    pub fn epochs(epochs: u64) -> Self {
        Budget { epochs: Some(epochs), ..Budget::default() }
    }

    /// Also until so many trials have been begun.
    #[must_use]
    pub fn or_trials(self, trials: u64) -> Self {
        Budget { trials: Some(trials), ..self }
    }

    /// Also for so long.
    #[must_use]
    pub fn or_time(self, time: Duration) -> Self {
        Budget { time: Some(time), ..self }
    }

    /// Also until so many reports have been made.
    #[must_use]
    pub fn or_epochs(self, epochs: u64) -> Self {
        Budget { epochs: Some(epochs), ..self }
    }

    pub(super) fn trials_at_most(&self) -> Option<u64> {
        self.trials
    }

    pub(super) fn most_trials(&self) -> u64 {
        self.trials.unwrap_or(u64::MAX)
    }

    pub(super) fn is_used_up(&self, elapsed: Duration, reports: u64) -> bool {
        self.time.is_some_and(|time| elapsed >= time) || self.epochs.is_some_and(|epochs| reports >= epochs)
    }

    /// How long it will still go on at the pace so far: `ended` trials and `reported` reports in `elapsed`, of `begun`
    /// and `reports` in the whole study.
    pub(super) fn time_left(
        &self,
        elapsed: Duration,
        begun: u64,
        ended: u64,
        reports: u64,
        reported: u64,
    ) -> Option<Duration> {
        let pace =
            |left: u64, done: u64| (done > 0).then(|| elapsed.mul_f64((left as f64 / done as f64).min(1e6)));
        // Those that run are taken to be half done.
        let trials = self.trials.and_then(|trials| pace(trials.saturating_sub(begun) + 1, ended + 1));
        let epochs = self.epochs.and_then(|epochs| pace(epochs.saturating_sub(reports), reported));
        let time = self.time.map(|time| time.saturating_sub(elapsed));
        [trials.filter(|_| ended > 0), epochs, time].into_iter().flatten().min()
    }
}
