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

/// Covariance matrix adaptation evolution strategy, CMA-ES, for spaces of numbers: a normal distribution that moves
/// to where good points are, and takes the shape of the valley there.
///
/// It works on the scales of the hyperparameters, each from 0 to 1, beginning in the middle with a standard deviation
/// of 1/6. Of n numbers, 4 + ⌊3·ln n⌋ trials are a generation, after each of which the distribution changes.
///
/// - A generation is the next so many trials with an objective, in the order of their numbers; pruned trials rank
///   behind complete ones. Trials that fail take no part. Trials that run are not waited for: what was drawn from an
///   earlier distribution, at random, or by hand is taken in as well, if it is far off as if it were nearer.
/// - A point outside the range is drawn anew, up to 100 times; then it is moved to the border.
/// - Whole numbers and steps are rounded. Their standard deviation stays so wide that the values on either side of
///   that of the mean have the probability of one in n·λ draws each, λ being the size of a generation.
/// - When all standard deviations are below 10⁻¹⁰ of the range, which they are not of whole numbers, it begins anew
///   at a random place with twice the size of generations (IPOP).
/// - Choices, and hyperparameters that are there only under a condition, are drawn at random each time.
///
/// # Source
/// Hansen 2016, "The CMA evolution strategy: a tutorial" (arXiv:1604.00772); trials from elsewhere: Hansen 2011,
/// "Injecting external solutions into CMA-ES" (arXiv:1110.4181); whole numbers: Hamano, Saito, Nomura and Shirakawa
/// 2022, "CMA-ES with margin" (arXiv:2205.13482), of which this takes the least probability, but changes the
/// covariance; beginning anew: Auger and Hansen 2005, "A restart CMA evolution strategy with increasing population
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
            let quantile = normal::upper_quantile(1.0 / (axes.len() * population) as f64);
            let least = axes.iter().zip(cma.mean());
            let least: Vec<f64> = least.map(|(axis, &mean)| least_deviation(axis, mean, quantile)).collect();
            cma.widen(&least);
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
            draw(&cma, &mut self.streams.rng("CMA-ES", number))
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
    parameter.domain.bounds().is_some() && parameter.conditions.is_empty()
}

/// A point, from 0 to 1 of all axes.
fn draw(cma: &Cma, rng: &mut impl Rng) -> Vec<f64> {
    let inside = |point: &Vec<f64>| point.iter().all(|x| (0.0..=1.0).contains(x));
    let mut point = cma.draw(rng);
    for _ in 1..DRAWS {
        if inside(&point) {
            break;
        }
        point = cma.draw(rng);
    }
    point.into_iter().map(|x| x.clamp(0.0, 1.0)).collect()
}

/// The least standard deviation of an axis, such that the values on both sides of that of the mean have at least the
/// probability of one in n·λ draws each.
fn least_deviation(axis: &Parameter, mean: f64, quantile: f64) -> f64 {
    let value = axis.domain.from_unit(mean.clamp(0.0, 1.0));
    let Some([low, high]) = axis.domain.part(&value) else { return 0.0 };
    let below = if low > 0.0 { mean - low } else { 0.0 };
    let above = if high < 1.0 { high - mean } else { 0.0 };
    below.max(above) / quantile
}
