//! Whether the best trial sits on an edge of the space.

use std::fmt;

use super::rank::ranked;
use crate::domain::decimals;
use crate::{Direction, Domain, Scale, Space, Trial, TrialState, Value};

/// The part of the scale at either end that counts as the edge.
const EDGE: f64 = 0.05;

/// The best trial sits on an edge of the range of a hyperparameter: there may be better beyond.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgeWarning {
    /// The hyperparameter.
    pub name: String,
    /// Its value in the best trial.
    pub value: Value,
    /// Its range.
    pub range: Domain,
    /// The range to try instead: as wide on the same scale, around the best value.
    pub suggested: Domain,
}

impl fmt::Display for EdgeWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EdgeWarning { name, value, range, suggested } = self;
        write!(f, "`{name}`: the best, {value}, is on the edge of {range}; try {suggested}")
    }
}

/// A warning for each hyperparameter of which the best complete trial has a value on an edge of the range: of a continuum,
/// in its first or last 5 % on the scale; of several values, the first or the last.
///
/// Some ends are no edges, since nothing is beyond them: 0 of a linear scale, 1 of a linear one from 0 or more, and 0 or 1
/// at the lower end of whole numbers. Choices have no edges.
///
/// ```
/// use nn_tune::sampler::edge_warnings;
/// use nn_tune::{Direction, Outcome, Params, Random, Space, Study};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1e-2)?;
/// let study = Study::new("edge", Direction::Minimize, space, Random::new(1))?;
/// study.enqueue(Params::new().with("learning_rate", 0.01))?;
/// study.tell(study.ask()?.number, Outcome::Complete(0.3))?;
/// let warnings = edge_warnings(study.space(), study.direction(), &study.trials()?);
/// assert_eq!(
///     warnings[0].to_string(),
///     "`learning_rate`: the best, 0.01, is on the edge of a number from 0.0001 to 0.01 (log); \
///      try a number from 0.001 to 0.1 (log)"
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn edge_warnings(space: &Space, direction: Direction, trials: &[Trial]) -> Vec<EdgeWarning> {
    let complete = trials.iter().filter(|trial| trial.state == TrialState::Complete);
    let Some(best) = ranked(direction, complete).first().copied() else { return vec![] };
    let warning = |(name, value): (&str, &Value)| {
        let range = &space.parameter(name)?.domain;
        let is_low = edge(range, value)?;
        if is_limit(range, is_low) {
            return None;
        }
        let suggested = around(range, value)?;
        Some(EdgeWarning { name: name.to_owned(), value: value.clone(), range: range.clone(), suggested })
    };
    best.params.iter().filter_map(warning).collect()
}

/// Whether the value is at the lower edge or at the upper one.
fn edge(range: &Domain, value: &Value) -> Option<bool> {
    if let Domain::Choice { .. } = range {
        return None;
    }
    let (is_low, is_high) = match range.cardinality() {
        Some(count) => {
            let position = range.position(value)?;
            (position == 0, position + 1 == count)
        }
        None => {
            let place = range.to_unit(value)?;
            (place <= EDGE, place >= 1.0 - EDGE)
        }
    };
    (is_low || is_high).then_some(is_low)
}

/// Whether nothing is beyond an end of a range.
fn is_limit(range: &Domain, is_low: bool) -> bool {
    match *range {
        Domain::Float { low, high, scale: Scale::Linear, .. } => {
            let end = if is_low { low } else { high };
            end == 0.0 || (end == 1.0 && low >= 0.0)
        }
        Domain::Int { low, high, .. } => {
            if is_low {
                low == 0 || low == 1
            } else {
                high == 0 || high == i64::MAX
            }
        }
        Domain::PowersOfTwo { low, high } => {
            if is_low {
                low == 0
            } else {
                high == MOST
            }
        }
        Domain::Float { .. } | Domain::Choice { .. } => false,
    }
}

/// The exponent of the largest power of two that is a value.
const MOST: u32 = 62;

/// A range as wide as this one around a value, not beyond a limit.
fn around(range: &Domain, value: &Value) -> Option<Domain> {
    match *range {
        Domain::Float { low, high, scale, step } => {
            let (from, to) = shifted(scale, low, high, value.as_f64()?);
            let [from, to] = match step {
                // The same steps, further on.
                Some(step) => {
                    [from, to].map(|x| round_like(low + ((x - low) / step).round() * step, low, step))
                }
                None => [from, to].map(|x| rounded(scale, x, to - from)),
            };
            let [from, to] = match scale {
                Scale::Log => [from, to],
                _ => [from, to].map(|x| limit(low, high, x)),
            };
            let is_range = from < to && (to - from).is_finite();
            is_range.then_some(Domain::Float { low: from, high: to, scale, step })
        }
        Domain::Int { low, high, scale, step } => {
            let (from, to) = shifted(scale, low as f64, high as f64, value.as_f64()?);
            let least = match (scale, low) {
                (Scale::Log, _) => step,
                (_, ..0) => i64::MIN,
                _ => low.min(1),
            };
            let snap = |x: f64| {
                let steps = ((x - low as f64) / step as f64).round() as i64;
                low.saturating_add(steps.saturating_mul(step))
            };
            let [from, to] = [from, to].map(|x| snap(rounded(scale, x, to - from)));
            let up = (least.saturating_sub(from).max(0) as u64).div_ceil(step.unsigned_abs());
            let from = from.saturating_add(step.saturating_mul(i64::try_from(up).ok()?));
            let aligned = to.abs_diff(from).is_multiple_of(step.unsigned_abs());
            (from < to && aligned).then_some(Domain::Int { low: from, high: to, scale, step })
        }
        Domain::PowersOfTwo { low, high } => {
            let power = value.as_i64().and_then(i64::checked_ilog2)?;
            let half = (high - low).div_ceil(2);
            Some(Domain::PowersOfTwo { low: power.saturating_sub(half), high: (power + half).min(MOST) })
        }
        Domain::Choice { .. } => None,
    }
}

/// As wide on the scale, with a number in the middle.
fn shifted(scale: Scale, low: f64, high: f64, middle: f64) -> (f64, f64) {
    let half = 0.5 * (scale.forward(high) - scale.forward(low));
    let middle = scale.forward(middle);
    (scale.backward(middle - half), scale.backward(middle + half))
}

/// With two digits of the width of the range, or of the number itself where its scale is logarithmic and it is smaller;
/// of its distance to 1 where that is what the scale is of.
fn rounded(scale: Scale, x: f64, width: f64) -> f64 {
    let digits = |x: f64, of: f64| {
        let exponent = 1 - of.abs().log10().floor() as i32;
        let unit = 10.0_f64.powi(exponent.abs());
        let whole = if exponent > 0 { (x * unit).round() / unit } else { (x / unit).round() * unit };
        if whole.is_finite() { whole } else { x }
    };
    match scale {
        Scale::Linear => digits(x, width),
        Scale::Log => digits(x, width.min(x)),
        Scale::OneMinusLog => {
            let distance = digits(1.0 - x, width.min(1.0 - x));
            round_like(1.0 - distance, distance, distance)
        }
    }
}

/// With the decimals that two others are written with.
fn round_like(x: f64, one: f64, other: f64) -> f64 {
    let decimals = decimals(one).max(decimals(other));
    format!("{x:.decimals$}").parse().unwrap_or(x)
}

/// Not below 0 where all were 0 or more, nor above 1 where all were at most 1 and 0 or more.
fn limit(low: f64, high: f64, x: f64) -> f64 {
    match (low >= 0.0, high <= 1.0) {
        (true, true) => x.clamp(0.0, 1.0),
        (true, false) => x.max(0.0),
        _ => x,
    }
}
