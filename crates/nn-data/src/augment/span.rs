//! Ranges to draw from.

use std::ops::RangeInclusive;

use nn_core::{RangeError, check_range};

use super::OWNER;

/// A range of numbers, ends included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Span {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Span {
    /// Always this number.
    pub(super) const fn only(value: f64) -> Self {
        Span { low: value, high: value }
    }

    /// A range whose ends both lie `inside`.
    pub(super) fn new(
        field: &'static str,
        range: RangeInclusive<f64>,
        inside: &'static str,
        fits: impl Fn(f64) -> bool,
    ) -> Result<Self, RangeError> {
        let (low, high) = range.into_inner();
        for end in [low, high] {
            check_range(OWNER, field, end, inside, fits(end))?;
        }
        check_range(OWNER, field, high, "[beginning of the range, ∞)", high >= low)?;
        Ok(Span { low, high })
    }

    /// The number that a random word stands for.
    pub(super) fn at(self, word: u32) -> f64 {
        self.low + (self.high - self.low) * unit(word)
    }
}

/// A number in (0, 1).
pub(super) fn unit(word: u32) -> f64 {
    (f64::from(word) + 0.5) / 4_294_967_296.0
}

/// A whole number below `bound`, which is at most 2¹⁷; its bias is below `bound`·2⁻³².
pub(super) fn below(word: u32, bound: usize) -> usize {
    ((u64::from(word) * bound as u64) >> 32) as usize
}

pub(super) fn check_probability(field: &'static str, probability: f64) -> Result<(), RangeError> {
    check_range(OWNER, field, probability, "[0, 1]", (0.0..=1.0).contains(&probability))
}
