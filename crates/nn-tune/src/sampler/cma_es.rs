//! Covariance matrix adaptation.

use nn_core::Streams;
use rand::{Rng, RngExt};

use super::cma::Cma;
use super::rank::ranked;
use super::{Sampler, normal};
use crate::{Direction, Parameter, Params, Space, Trial, TrialState};

/// The first standard deviation, in parts of the range.
const STEP: f64 = 1.0 / 6.0;
/// How often a point outside the space is drawn anew before it is moved to the border.
const DRAWS: usize = 100;
/// The standard deviation below which the search begins anew.
const COLLAPSED: f64 = 1e-10;

/// Covariance matrix adaptation evolution strategy, CMA-ES, for spaces of numbers: a normal distribution that moves to
/// where good points are, and takes the shape of the valley there.
///
/// It works on the scales of the hyperparameters, each from 0 to 1, beginning in the middle with a standard deviation of
/// 1/6. Of n numbers, 4 + ⌊3·ln n⌋ trials are a generation, after each of which the distribution changes.
///
/// - A generation is the next so many trials with an objective, in the order of their numbers; pruned trials rank behind
///   complete ones. Trials that fail take no part. Trials that run are not waited for: what was drawn from an earlier
///   distribution, at random, or by hand is taken in as well, if it is far off as if it were nearer.
/// - A point outside the range is drawn anew, up to 100 times; then it is moved to the border.
/// - Whole numbers and steps are rounded. Where less than one in n·λ draws (λ being the size of a generation) would be
///   another value than that of the mean, one in n·λ is moved to the value beside it.
/// - When all standard deviations are below 10⁻¹⁰ of the range, it begins anew at a random place with twice the size of
///   generations (IPOP).
/// - Choices, and hyperparameters that are there only under a condition, are drawn at random each time.
///
/// # Source
/// Hansen 2016, "The CMA evolution strategy: a tutorial" (arXiv:1604.00772); trials from elsewhere: Hansen 2011,
/// "Injecting external solutions into CMA-ES" (arXiv:1110.4181); whole numbers: Hamano, Saito, Nomura and Shirakawa 2022,
/// "CMA-ES with margin" (arXiv:2205.13482), of which this takes the least probability, not the change of the
/// distribution; beginning anew: Auger and Hansen 2005, "A restart CMA evolution strategy with increasing population
/// size".
///
/// ```
/// use nn_tune::sampler::CmaEs;
/// use nn_tune::{Direction, Outcome, Space, Study};
///
/// let space = Space::new().uniform("x", -3.0, 3.0)?.uniform("y", -3.0, 3.0)?;
/// let study = Study::new("cma-es", Direction::Minimize, space, CmaEs::new(1))?;
/// for _ in 0..120 {
///     let trial = study.ask()?;
///     let [x, y]: [f64; 2] = [trial.params.get("x")?, trial.params.get("y")?];
///     study.tell(trial.number, Outcome::Complete((x + y - 1.0).powi(2) + 50.0 * (x - y).powi(2)))?;
/// }
/// assert!(study.best()?.and_then(|best| best.value()).unwrap() < 0.01);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CmaEs {
    streams: Streams,
}

impl CmaEs {
    /// With this seed.
    pub fn new(seed: u64) -> Self {
        CmaEs { streams: Streams::new(seed) }
    }

    /// The distribution after all generations that are complete.
    fn distribution(&self, axes: &[&Parameter], direction: Direction, trials: &[Trial]) -> Cma {
        let place = |trial: &Trial| -> Option<Vec<f64>> {
            axes.iter().map(|axis| axis.domain.to_unit(trial.params.value(&axis.name)?)).collect()
        };
        let told = |trial: &&Trial| matches!(trial.state, TrialState::Complete | TrialState::Pruned);
        let mut seen: Vec<&Trial> =
            trials.iter().filter(told).filter(|trial| place(trial).is_some()).collect();
        seen.sort_by_key(|trial| trial.number);
        let mut population = Cma::population(axes.len());
        let mut cma = Cma::new(vec![0.5; axes.len()], STEP, population);
        let mut restarts = 0;
        let mut left = seen.as_slice();
        while let Some((generation, rest)) = left.split_at_checked(population) {
            let generation = ranked(direction, generation.iter().copied());
            cma.update(&generation.into_iter().filter_map(place).collect::<Vec<_>>());
            if cma.extent().is_nan() || cma.extent() < COLLAPSED {
                let mut rng = self.streams.rng("restart", restarts);
                let mean = axes.iter().map(|_| rng.random()).collect();
                population *= 2;
                restarts += 1;
                cma = Cma::new(mean, STEP, population);
            }
            left = rest;
        }
        cma
    }
}

impl Sampler for CmaEs {
    fn sample(&self, space: &Space, direction: Direction, trials: &[Trial], number: u64) -> Params {
        let axes: Vec<&Parameter> = space.parameters().iter().filter(is_axis).collect();
        let places = if axes.is_empty() {
            vec![]
        } else {
            let cma = self.distribution(&axes, direction, trials);
            draw(&cma, &axes, &mut self.streams.rng("CMA-ES", number))
        };
        let mut places = places.into_iter();
        space.point(|parameter, _| {
            let place = if is_axis(&parameter) { places.next() } else { None };
            let at_random = || self.streams.rng(&parameter.name, number).random();
            parameter.domain.from_unit(place.unwrap_or_else(at_random))
        })
    }
}

/// Whether the distribution is over a hyperparameter: a number that is always there.
fn is_axis(parameter: &&Parameter) -> bool {
    parameter.domain.choices().is_none() && parameter.conditions.is_empty()
}

/// A point, from 0 to 1 of all axes.
fn draw(cma: &Cma, axes: &[&Parameter], rng: &mut impl Rng) -> Vec<f64> {
    let inside = |point: &Vec<f64>| point.iter().all(|x| (0.0..=1.0).contains(x));
    let mut point = cma.draw(rng);
    for _ in 1..DRAWS {
        if inside(&point) {
            break;
        }
        point = cma.draw(rng);
    }
    point.iter_mut().for_each(|x| *x = x.clamp(0.0, 1.0));
    let least = 1.0 / (axes.len() * Cma::population(axes.len())) as f64;
    for (i, axis) in axes.iter().enumerate() {
        if let Some(beside) = beside(cma, axis, i, least, rng) {
            point[i] = beside;
        }
    }
    point
}

/// The place of a value beside that of the mean, with a probability of `least` where a draw is less probable than that to
/// be anywhere but at the value of the mean.
fn beside(cma: &Cma, axis: &Parameter, i: usize, least: f64, rng: &mut impl Rng) -> Option<f64> {
    let (mean, deviation) = (cma.mean()[i], cma.deviation(i));
    let value = axis.domain.from_unit(mean.clamp(0.0, 1.0));
    let [low, high] = axis.domain.cell(&value)?;
    let stays = normal::mass((low - mean) / deviation, (high - mean) / deviation);
    if 1.0 - stays >= least || rng.random::<f64>() >= least {
        return None;
    }
    let position = axis.domain.position(&value)?;
    let last = axis.domain.cardinality()?.checked_sub(1)?;
    let up = if position == 0 { true } else { position < last && rng.random() };
    let position = if up { (position + 1).min(last) } else { position - 1 };
    axis.domain.to_unit(&axis.domain.nth(position))
}
