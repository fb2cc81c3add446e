//! From the whole space to the region around the best points.

use std::collections::BTreeMap;

use nn_core::{RangeError, check_range};

use super::rank::ranked;
use super::{QuasiRandom, Sampler};
use crate::{Direction, Domain, Parameter, Params, Space, Trial, TrialState, Value};

/// From coarse to fine: a round of trials in the whole space, then round after round in a window around the best.
///
/// On the scale of each hyperparameter, the window is as wide as the `keep` best trials of the rounds before lie apart, at
/// least shrink^r of the range in round r, and its middle is half-way between the best trial and the middle of those
/// trials. Of choices it has those of the best trials. So it moves with the best and grows where they lie apart, but never
/// leaves the range; where the best is at an edge of the range, an [`EdgeWarning`](super::EdgeWarning) says so. Within a
/// window, the points are [quasi-random](QuasiRandom). After 16 rounds, when the window is small, the search begins anew in
/// the whole space, without regard to the rounds before, since the best may be elsewhere.
///
/// # Source
/// The idea: Ng 2017, "Improving deep neural networks", week 3, "Tuning process". The windows are our own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CoarseToFine {
    points: QuasiRandom,
    first: u64,
    later: u64,
    keep: usize,
    shrink: f64,
}

/// The number of rounds after which the search begins anew.
const ROUNDS: u64 = 16;

/// The part of the space in which a round looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// The round, from 0.
    pub round: u64,
    /// The number of its first trial.
    pub first: u64,
    /// Where it looks, by hyperparameter.
    pub regions: BTreeMap<String, Region>,
}

/// The part of a hyperparameter in which a round looks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Region {
    /// Numbers.
    Range {
        /// The lowest.
        low: Value,
        /// The highest.
        high: Value,
        /// Where it begins on the scale of the hyperparameter, from 0 to 1.
        from: f64,
        /// Where it ends there.
        to: f64,
    },
    /// Choices.
    Choices(Vec<Value>),
}

impl CoarseToFine {
    /// With this seed: a first round of 16 trials, later ones of 8, the best 4, a shrink of 0.65.
    pub fn new(seed: u64) -> Self {
        CoarseToFine { points: QuasiRandom::new(seed), first: 16, later: 8, keep: 4, shrink: 0.65 }
    }

    /// With so many trials in the first round and in each later one. Powers of two, the first a multiple of the later
    /// one, lie most evenly. Default: 16 and 8.
    ///
    /// # Errors
    /// When one of them is 0.
    pub fn rounds(self, first: u64, later: u64) -> Result<Self, RangeError> {
        check_range("CoarseToFine", "first", first as f64, "[1, ∞)", first >= 1)?;
        check_range("CoarseToFine", "later", later as f64, "[1, ∞)", later >= 1)?;
        Ok(CoarseToFine { first, later, ..self })
    }

    /// Around so many of the best trials. Default: 4.
    ///
    /// # Errors
    /// When it is 0.
    pub fn keep(self, keep: usize) -> Result<Self, RangeError> {
        check_range("CoarseToFine", "keep", keep as f64, "[1, ∞)", keep >= 1)?;
        Ok(CoarseToFine { keep, ..self })
    }

    /// How fast the least width of the window shrinks from round to round. Default: 0.65.
    ///
    /// # Errors
    /// Outside (0, 1].
    pub fn shrink(self, shrink: f64) -> Result<Self, RangeError> {
        check_range("CoarseToFine", "shrink", shrink, "(0, 1]", shrink > 0.0 && shrink <= 1.0)?;
        Ok(CoarseToFine { shrink, ..self })
    }

    /// The windows of all rounds that these trials have begun.
    pub fn windows(&self, space: &Space, direction: Direction, trials: &[Trial]) -> Vec<Window> {
        let Some(last) = trials.iter().map(|trial| trial.number).max() else { return vec![] };
        (0..=self.round_of(last)).map(|round| self.window(space, direction, trials, round)).collect()
    }

    /// The round of a trial.
    fn round_of(&self, number: u64) -> u64 {
        let (search, trial) = (number / self.trials_of_a_search(), number % self.trials_of_a_search());
        search * ROUNDS + trial.checked_sub(self.first).map_or(0, |later| later / self.later + 1)
    }

    fn trials_of_a_search(&self) -> u64 {
        self.first.saturating_add(self.later.saturating_mul(ROUNDS - 1))
    }

    fn window(&self, space: &Space, direction: Direction, trials: &[Trial], round: u64) -> Window {
        let (begin, rounds) = (round / ROUNDS * self.trials_of_a_search(), round % ROUNDS);
        let first = if rounds == 0 { begin } else { begin + self.first + (rounds - 1) * self.later };
        let before =
            |trial: &&Trial| (begin..first).contains(&trial.number) && trial.state == TrialState::Complete;
        let best = ranked(direction, trials.iter().filter(before));
        let best = &best[..best.len().min(self.keep)];
        let least = self.shrink.powi(rounds as i32);
        let region = |parameter: &Parameter| {
            let values: Vec<&Value> =
                best.iter().filter_map(|trial| trial.params.value(&parameter.name)).collect();
            (parameter.name.clone(), region(&parameter.domain, &values, least))
        };
        Window { round, first, regions: space.parameters().iter().map(region).collect() }
    }
}

/// Around these values, the best first, and at least so wide; everything when none is in the domain.
fn region(domain: &Domain, values: &[&Value], least: f64) -> Region {
    let places: Vec<f64> = values.iter().filter_map(|value| domain.to_unit(value)).collect();
    if let Domain::Choice { choices } = domain {
        let is_kept = |choice: &&Value| places.is_empty() || values.iter().any(|value| value.is_same(choice));
        return Region::Choices(choices.iter().filter(is_kept).cloned().collect());
    }
    let Some(best) = places.first() else { return range(domain, 0.0, 1.0) };
    let [from, to] = [places.iter().copied().fold(1.0, f64::min), places.iter().copied().fold(0.0, f64::max)];
    let middle = 0.5 * (best + 0.5 * (from + to));
    let half = 0.5 * (to - from).max(least);
    range(domain, (middle - half).max(0.0), (middle + half).min(1.0))
}

/// The part of a domain between two places on its scale; where there are several values, of whole ones.
fn range(domain: &Domain, from: f64, to: f64) -> Region {
    let [low, high] = [from, to].map(|place| domain.from_unit(place));
    let [from, to] = match (domain.part(&low), domain.part(&high)) {
        (Some([from, _]), Some([_, to])) => [from, to],
        _ => [from, to],
    };
    Region::Range { low, high, from, to }
}

impl Region {
    /// The value at a place between 0 and 1 of it.
    fn value(&self, domain: &Domain, u: f64) -> Value {
        match self {
            Region::Range { from, to, .. } => domain.from_unit(from + u * (to - from)),
            Region::Choices(choices) => choices[(u * choices.len() as f64) as usize].clone(),
        }
    }
}

impl Sampler for CoarseToFine {
    fn sample(&self, space: &Space, direction: Direction, trials: &[Trial], number: u64) -> Params {
        let window = self.window(space, direction, trials, self.round_of(number));
        space.point_by_number(|i, parameter| {
            let u = self.points.coordinate(i, &parameter.name, number);
            window.regions[&parameter.name].value(&parameter.domain, u)
        })
    }
}
