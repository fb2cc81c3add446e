//! Successive halving at several paces.

use nn_core::{RangeError, check_range};

use super::{Pruner, Reported, SuccessiveHalving, first_length};
use crate::{Trial, Verdict};

/// Hyperband: trials are divided among brackets, each a [`SuccessiveHalving`] of its own that leaves out one more of the
/// first rungs.
///
/// There are ⌊log_η(R/r)⌋ + 1 brackets; of n brackets, bracket b has a share of the trials in proportion to
/// ⌈n·ηⁿ⁻¹⁻ᵇ/(n − b)⌉. Which one a trial belongs to follows from the name of the study and its number, as with Optuna.
///
/// # Source
/// Li et al. 2018, "Hyperband: a novel bandit-based approach to hyperparameter optimization", algorithm 1; Optuna's
/// `HyperbandPruner`, with the same defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hyperband {
    min_resource: u64,
    max_resource: Option<u64>,
    reduction_factor: u64,
    bootstrap_count: usize,
}

impl Hyperband {
    /// With the defaults.
    pub fn new() -> Self {
        Hyperband { min_resource: 1, max_resource: None, reduction_factor: 3, bootstrap_count: 0 }
    }

    /// r, the step of the first rung of the first bracket: 1.
    ///
    /// # Errors
    /// When it is 0.
    pub fn min_resource(self, min_resource: u64) -> Result<Self, RangeError> {
        check(min_resource, "min_resource", "[1, ∞)", 1)?;
        Ok(Hyperband { min_resource, ..self })
    }

    /// R, the number of steps of a whole trial; below r no trial is stopped. Without it, it is one more than the last step of the first complete
    /// trial; until then no trial is stopped.
    ///
    /// # Errors
    /// When it is 0.
    pub fn max_resource(self, max_resource: u64) -> Result<Self, RangeError> {
        check(max_resource, "max_resource", "[1, ∞)", 1)?;
        Ok(Hyperband { max_resource: Some(max_resource), ..self })
    }

    /// η, as of [`SuccessiveHalving`]: 3.
    ///
    /// # Errors
    /// When it is below 2.
    pub fn reduction_factor(self, reduction_factor: u64) -> Result<Self, RangeError> {
        check(reduction_factor, "reduction_factor", "[2, ∞)", 2)?;
        Ok(Hyperband { reduction_factor, ..self })
    }

    /// The first so many trials at each rung are stopped there: 0.
    #[must_use]
    pub fn bootstrap_count(self, bootstrap_count: usize) -> Self {
        Hyperband { bootstrap_count, ..self }
    }

    /// How many trials of a round belong to each bracket, once it is known how long a trial is.
    fn brackets(&self, trials: &[Trial]) -> Option<Vec<u64>> {
        let longest = self.max_resource.or_else(|| Some(first_length(trials)?.saturating_add(1)))?;
        let ratio = longest as f64 / self.min_resource as f64;
        // With Optuna's rounding, so that workers of both agree.
        let count = (ratio.ln() / (self.reduction_factor as f64).ln()).floor() as i32 + 1;
        let count = u32::try_from(count).ok().filter(|&count| count > 0)?;
        let share = |bracket: u32| {
            let rungs = count - bracket;
            let round = u64::from(count).saturating_mul(self.reduction_factor.saturating_pow(rungs - 1));
            round.div_ceil(u64::from(rungs))
        };
        Some((0..count).map(share).collect())
    }

    /// The bracket of the trial and the trials that compete in it.
    fn bracket(&self, reported: &Reported<'_>) -> Option<(SuccessiveHalving, Vec<Trial>)> {
        let brackets = self.brackets(reported.trials)?;
        let own = place(reported.study, reported.trial.number, &brackets);
        let competing = |trial: &&Trial| place(reported.study, trial.number, &brackets) == own;
        let halving = SuccessiveHalving::new()
            .min_resource(self.min_resource)
            .and_then(|halving| halving.reduction_factor(self.reduction_factor))
            .expect("the ranges are the same")
            .min_early_stopping_rate(own)
            .bootstrap_count(self.bootstrap_count);
        Some((halving, reported.trials.iter().filter(competing).cloned().collect()))
    }
}

impl Default for Hyperband {
    fn default() -> Self {
        Hyperband::new()
    }
}

impl Pruner for Hyperband {
    fn verdict(&self, reported: &Reported<'_>) -> Verdict {
        self.bracket(reported).map_or(Verdict::Continue, |(halving, trials)| {
            halving.verdict(&Reported { trials: &trials, ..*reported })
        })
    }

    fn notes(&self, reported: &Reported<'_>) -> Vec<(String, f64)> {
        self.bracket(reported)
            .map_or(vec![], |(halving, trials)| halving.notes(&Reported { trials: &trials, ..*reported }))
    }
}

fn check(value: u64, field: &'static str, range: &'static str, low: u64) -> Result<(), RangeError> {
    check_range("Hyperband", field, value as f64, range, value >= low)
}

/// The bracket of a trial.
fn place(study: &str, number: u64, brackets: &[u64]) -> u32 {
    let total = brackets.iter().fold(0, |total: u64, &share| total.saturating_add(share));
    let mut n = u64::from(crc32(format!("{study}_{number}").as_bytes())) % total;
    for (bracket, &share) in (0..).zip(brackets) {
        if n < share {
            return bracket;
        }
        n -= share;
    }
    unreachable!("{n} is left of less than the sum of the shares")
}

/// CRC-32 as of zip files: the polynomial 0x04c11db7, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::{Hyperband, crc32, place};

    #[test]
    fn checksum_of_the_standard_check() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn brackets_of_the_paper() {
        // R = 81, η = 3: five brackets of the paper's table 1, which has 81, 34, 15, 8 and 5 trials in them.
        let brackets = Hyperband::new().max_resource(81).unwrap().brackets(&[]).unwrap();
        assert_eq!(brackets, [81, 34, 15, 8, 5]);
        let mut counts = [0; 5];
        (0..14_300).for_each(|number| counts[place("study", number, &brackets) as usize] += 1);
        for (count, share) in counts.into_iter().zip(&brackets) {
            let expected = 100.0 * *share as f64;
            assert!((f64::from(count) - expected).abs() < 5.0 * expected.sqrt(), "{counts:?}");
        }
    }
}
