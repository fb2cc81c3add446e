//! Parzen estimators: densities made of a kernel around each point that was seen.

use std::f64::consts::TAU;
use std::iter;

use rand::{Rng, RngExt};

use super::normal;
use crate::{Domain, Params, Space, Value};

/// The weight of the prior, beside a mean weight of 1 of the other kernels.
const PRIOR: f64 = 2.0;
/// No kernel of numbers is narrower than this part of the range.
const NARROWEST: f64 = 0.01;
/// The part of the scale below which a value counts as a point.
const POINT: f64 = 1e-9;

/// A density over a space: a mixture of kernels, one around each point that was seen and one, the prior, over the whole
/// space.
///
/// A kernel is a product over the hyperparameters:
///
/// - of numbers, a normal distribution on the scale of the hyperparameter, cut off at the ends of the range; where the
///   values are no continuum, its probability of the part of the scale that a value has;
/// - of choices, 1/(n + 1) for each of them and 1 more for the one that was seen, divided by the sum, of n points;
/// - the prior's, where the point has no value or one outside the range.
///
/// The standard deviation of a number is its distance to the next number that was seen, the farther one of the two, but
/// not below `narrowest`(n) of n points. The prior has its mean in the middle and a standard deviation as wide as the
/// range; of choices, it has equal parts.
///
/// # Source
/// Watanabe 2023, "Tree-structured Parzen estimator: understanding its algorithm components and their roles for better
/// empirical performance" (arXiv:2304.11127), section 3.3; kernels over several hyperparameters: Falkner, Klein and
/// Hutter 2018, "BOHB: robust and efficient hyperparameter optimization at scale".
#[derive(Debug)]
pub(super) struct Parzen {
    /// The weights of the kernels, which sum to 1; the prior is the last.
    weights: Vec<f64>,
    ln_weights: Vec<f64>,
    /// The kernels of each hyperparameter of the space.
    kernels: Vec<Kernels>,
}

/// The kernels of one hyperparameter.
#[derive(Debug)]
enum Kernels {
    Numbers(Numbers),
    /// The probabilities of all choices by the first kernel, then those by the second.
    Choices {
        count: usize,
        probabilities: Vec<f64>,
    },
}

/// Normal distributions, cut off at 0 and 1.
#[derive(Debug)]
struct Numbers {
    means: Vec<f64>,
    deviations: Vec<f64>,
    /// What is left of each after the cut.
    masses: Vec<f64>,
    /// ln(√(2π)·deviation·mass).
    ln_norms: Vec<f64>,
    /// The first kernel that is the same as this one; none in a continuum.
    same: Vec<usize>,
}

impl Parzen {
    /// Around points of these weights.
    pub(super) fn new(space: &Space, points: &[(&Params, f64)], narrowest: impl Fn(usize) -> f64) -> Self {
        let mut weights: Vec<f64> = points.iter().map(|&(_, weight)| weight).chain([PRIOR]).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let kernels = space.parameters().iter().map(|parameter| {
            let domain = &parameter.domain;
            let values = points.iter().map(|(params, _)| params.value(&parameter.name));
            match domain {
                Domain::Choice { choices } => {
                    let seen: Vec<_> = values.map(|value| domain.position(value?)).collect();
                    Kernels::choices(choices.len(), &seen)
                }
                _ => {
                    let places: Vec<_> = values.map(|value| domain.to_unit(value?)).collect();
                    Kernels::Numbers(Numbers::new(&places, domain.cardinality().is_some(), &narrowest))
                }
            }
        });
        let ln_weights = weights.iter().map(|weight| weight.ln()).collect();
        Parzen { kernels: kernels.collect(), weights, ln_weights }
    }

    /// A point of the space at random.
    pub(super) fn draw(&self, space: &Space, rng: &mut impl Rng) -> Params {
        let kernel = pick(&self.weights, rng);
        let mut point = Params::new();
        for (parameter, kernels) in space.parameters().iter().zip(&self.kernels) {
            if parameter.is_active(&point) {
                point.insert(&parameter.name, kernels.draw(kernel, &parameter.domain, rng));
            }
        }
        point
    }

    /// The logarithm of the density at a point, over the hyperparameters that are there, on their scales from 0 to 1.
    /// Where the values are no continuum, it is of their probability.
    pub(super) fn ln_density(&self, space: &Space, point: &Params) -> f64 {
        let mut sums = self.ln_weights.clone();
        for (parameter, kernels) in space.parameters().iter().zip(&self.kernels) {
            if let Some(value) = point.value(&parameter.name) {
                kernels.add_ln_density(&parameter.domain, value, &mut sums);
            }
        }
        let highest = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        highest + sums.iter().map(|sum| (sum - highest).exp()).sum::<f64>().ln()
    }
}

/// Which of several it is, of these probabilities.
fn pick(probabilities: &[f64], rng: &mut impl Rng) -> usize {
    let mut left: f64 = rng.random();
    let passes = |probability: &f64| {
        left -= probability;
        left < 0.0
    };
    probabilities.iter().position(passes).unwrap_or(probabilities.len() - 1)
}

impl Kernels {
    fn choices(count: usize, seen: &[Option<u64>]) -> Self {
        let each = 1.0 / (seen.len() + 1) as f64;
        let total = 1.0 + count as f64 * each;
        let mut probabilities = Vec::with_capacity((seen.len() + 1) * count);
        for &seen in seen.iter().chain([&None]) {
            match seen {
                Some(seen) => probabilities.extend(
                    (0..count as u64).map(|choice| (each + f64::from(u8::from(choice == seen))) / total),
                ),
                None => probabilities.extend(iter::repeat_n(1.0 / count as f64, count)),
            }
        }
        Kernels::Choices { count, probabilities }
    }

    fn draw(&self, kernel: usize, domain: &Domain, rng: &mut impl Rng) -> Value {
        match self {
            Kernels::Numbers(numbers) => domain.from_unit(numbers.draw(kernel, rng)),
            Kernels::Choices { count, probabilities } => {
                domain.nth(pick(&probabilities[kernel * count..][..*count], rng) as u64)
            }
        }
    }

    /// Adds to the sum of each kernel the logarithm of its density at a value.
    fn add_ln_density(&self, domain: &Domain, value: &Value, sums: &mut [f64]) {
        match self {
            Kernels::Choices { count, probabilities } => {
                if let Some(choice) = domain.position(value) {
                    let of_choice = probabilities.iter().skip(choice as usize).step_by(*count);
                    sums.iter_mut().zip(of_choice).for_each(|(sum, p)| *sum += p.ln());
                }
            }
            Kernels::Numbers(numbers) => match domain.part(value) {
                Some([low, high]) if high - low >= POINT => numbers.add_ln_mass([low, high], sums),
                _ => {
                    if let Some(x) = domain.to_unit(value) {
                        numbers.add_ln_density(x, sums);
                    }
                }
            },
        }
    }
}

impl Numbers {
    /// Around these places; with `cells`, values are parts of the scale.
    fn new(places: &[Option<f64>], cells: bool, narrowest: impl Fn(usize) -> f64) -> Self {
        let means: Vec<f64> = places.iter().map(|place| place.unwrap_or(0.5)).chain([0.5]).collect();
        let mut deviations = vec![1.0; means.len()];
        for (i, deviation) in deviations_of(places, narrowest) {
            deviations[i] = deviation;
        }
        let kernels = || means.iter().zip(&deviations);
        let masses: Vec<f64> = kernels()
            .map(|(mean, deviation)| normal::mass(-mean / deviation, (1.0 - mean) / deviation))
            .collect();
        let ln_norms = deviations.iter().zip(&masses).map(|(d, mass)| (TAU.sqrt() * d * mass).ln()).collect();
        let same = if cells { first_same(&means, &deviations) } else { vec![] };
        Numbers { means, deviations, masses, ln_norms, same }
    }

    /// A number from 0 to 1. Of draws without the cut, at least a third lie there.
    fn draw(&self, kernel: usize, rng: &mut impl Rng) -> f64 {
        loop {
            let x = self.means[kernel] + self.deviations[kernel] * normal::draw(rng);
            if (0.0..=1.0).contains(&x) {
                return x;
            }
        }
    }

    fn add_ln_density(&self, x: f64, sums: &mut [f64]) {
        let kernels = self.means.iter().zip(&self.deviations).zip(&self.ln_norms);
        for (sum, ((mean, deviation), ln_norm)) in sums.iter_mut().zip(kernels) {
            let z = (x - mean) / deviation;
            *sum -= 0.5 * z * z + ln_norm;
        }
    }

    /// Adds the logarithms of the probabilities of a part of the scale. Those of kernels that are the same are computed
    /// once.
    fn add_ln_mass(&self, [low, high]: [f64; 2], sums: &mut [f64]) {
        let mut ln_masses = vec![0.0; sums.len()];
        for (i, sum) in sums.iter_mut().enumerate() {
            if self.same[i] == i {
                let (mean, deviation) = (self.means[i], self.deviations[i]);
                let mass = normal::mass((low - mean) / deviation, (high - mean) / deviation);
                ln_masses[i] = (mass / self.masses[i]).ln();
            }
            *sum += ln_masses[self.same[i]];
        }
    }
}

/// The standard deviation of the kernel around each place that there is.
fn deviations_of(places: &[Option<f64>], narrowest: impl Fn(usize) -> f64) -> Vec<(usize, f64)> {
    let place = |(i, place): (usize, &Option<f64>)| Some((i, (*place)?));
    let mut seen: Vec<(usize, f64)> = places.iter().enumerate().filter_map(place).collect();
    seen.sort_by(|a, b| a.1.total_cmp(&b.1));
    let lowest = narrowest(seen.len()).max(NARROWEST);
    if let [(i, x)] = seen[..] {
        return vec![(i, x.max(1.0 - x).max(lowest))];
    }
    let gaps: Vec<f64> = seen.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    let before = iter::once(&0.0).chain(&gaps);
    let after = gaps.iter().chain([&0.0]);
    let wider = before.zip(after).map(|(before, after)| before.max(*after).clamp(lowest, 1.0));
    seen.iter().map(|&(i, _)| i).zip(wider).collect()
}

/// For each kernel, the first with the same mean and deviation.
fn first_same(means: &[f64], deviations: &[f64]) -> Vec<usize> {
    let key = |i: usize| (means[i].to_bits(), deviations[i].to_bits());
    let mut order: Vec<usize> = (0..means.len()).collect();
    order.sort_by_key(|&i| (key(i), i));
    let mut same = vec![0; means.len()];
    for kernels in order.chunk_by(|&a, &b| key(a) == key(b)) {
        kernels.iter().for_each(|&i| same[i] = kernels[0]);
    }
    same
}

#[cfg(test)]
mod tests {
    use nn_core::Streams;

    use super::{Parzen, deviations_of};
    use crate::{Params, Space, SpaceError, Value};

    /// A density around three points, of which the last lacks the hyperparameter or has it outside the range.
    fn parzen(space: &Space, units: [f64; 2]) -> Parzen {
        let name = &space.parameters()[0].name;
        let domain = &space.parameters()[0].domain;
        let points = units.map(|u| Params::new().with(name, domain.from_unit(u)));
        let outside = Params::new().with(name, -1e9);
        let points = [(&points[0], 1.5), (&points[1], 0.5), (&outside, 1.0)];
        Parzen::new(space, &points, |n| 1.0 / (n as f64 + 2.0))
    }

    fn domains() -> Result<Vec<Space>, SpaceError> {
        Ok(vec![
            Space::new().uniform("x", -5.0, 10.0)?,
            Space::new().log_uniform("x", 1e-5, 1.0)?,
            Space::new().one_minus_log_uniform("x", 0.9, 0.999)?,
            Space::new().uniform_step("x", 0.0, 1.0, 0.05)?,
            Space::new().integer("x", -3, 12)?,
            Space::new().log_integer("x", 1, 100)?,
            Space::new().powers_of_two("x", 8, 512)?,
            Space::new().choice("x", ["a", "b", "c"])?,
            Space::new().boolean("x")?,
        ])
    }

    #[test]
    fn densities_integrate_to_one() -> Result<(), SpaceError> {
        for space in domains()? {
            for units in [[0.01, 0.3], [0.5, 0.5], [0.2, 0.99]] {
                let (parzen, domain) = (parzen(&space, units), &space.parameters()[0].domain);
                let density = |value: Value| parzen.ln_density(&space, &Params::new().with("x", value)).exp();
                let total: f64 = match domain.cardinality() {
                    Some(count) => (0..count).map(|i| density(domain.nth(i))).sum(),
                    None => (0..2000)
                        .map(|i| density(domain.from_unit((f64::from(i) + 0.5) / 2000.0)) / 2000.0)
                        .sum(),
                };
                assert!((total - 1.0).abs() < 1e-6, "{domain} around {units:?}: {total}");
            }
        }
        Ok(())
    }

    #[test]
    fn densities_of_two_hyperparameters_integrate_to_one_and_are_no_product() -> Result<(), SpaceError> {
        let space = Space::new().uniform("x", 0.0, 1.0)?.uniform("y", 0.0, 1.0)?;
        let at = |x: f64, y: f64| Params::new().with("x", x).with("y", y);
        let [a, b] = [at(0.2, 0.2), at(0.8, 0.8)];
        let parzen = Parzen::new(&space, &[&a, &a, &a, &b, &b, &b].map(|point| (point, 1.0)), |_| 0.1);
        let density = |x: f64, y: f64| parzen.ln_density(&space, &at(x, y)).exp();
        let grid = |i: usize| (i as f64 + 0.5) / 100.0;
        let total: f64 = (0..10_000).map(|i| density(grid(i / 100), grid(i % 100)) / 1e4).sum();
        assert!((total - 1.0).abs() < 1e-4, "{total}");
        assert!(density(0.2, 0.2) > 1.5 * density(0.2, 0.8), "x and y go together");
        Ok(())
    }

    #[test]
    fn draws_are_of_the_density() -> Result<(), SpaceError> {
        for space in domains()? {
            let (parzen, domain) = (parzen(&space, [0.1, 0.7]), &space.parameters()[0].domain);
            let mut rng = Streams::new(3).rng("draws", 0);
            let draws = 20_000;
            let mut below = [0.0; 10];
            for _ in 0..draws {
                let point = parzen.draw(&space, &mut rng);
                let u =
                    point.value("x").and_then(|value| domain.to_unit(value)).expect("a value of the domain");
                below
                    .iter_mut()
                    .enumerate()
                    .filter(|(i, _)| u <= (*i as f64 + 1.0) / 10.0)
                    .for_each(|(_, n)| *n += 1.0);
            }
            for (i, count) in below.iter().enumerate() {
                let end = (i as f64 + 1.0) / 10.0;
                let mass = |value: Value| parzen.ln_density(&space, &Params::new().with("x", value)).exp();
                let expected: f64 = match domain.cardinality() {
                    Some(values) => (0..values)
                        .map(|i| domain.nth(i))
                        .filter(|value| domain.to_unit(value).is_some_and(|u| u <= end))
                        .map(mass)
                        .sum(),
                    None => (0..1000)
                        .map(|k| mass(domain.from_unit(end * (f64::from(k) + 0.5) / 1000.0)) * end / 1000.0)
                        .sum(),
                };
                let got = count / f64::from(draws);
                // Four standard deviations of 20,000 draws.
                assert!(
                    (got - expected).abs() < 0.015,
                    "{domain}: {got} draws up to {end}, expected {expected}"
                );
            }
        }
        Ok(())
    }

    #[test]
    fn a_kernel_is_a_truncated_normal_distribution() -> Result<(), SpaceError> {
        // Of one point at 0.2 of 0 to 1, its kernel 0.8 wide with a weight of 1, the prior's weight being 2:
        // from scipy.stats import truncnorm as t
        // (t.logpdf(x, -.2/.8, .8/.8, .2, .8), t.logpdf(x, -.5, .5, .5, 1)), mixed by logaddexp; SciPy 1.17.1.
        let space = Space::new().uniform("x", 0.0, 1.0)?;
        let point = Params::new().with("x", 0.2);
        let parzen = Parzen::new(&space, &[(&point, 1.0)], |_| 0.01);
        for (x, expected) in KERNEL {
            let got = parzen.ln_density(&space, &Params::new().with("x", x));
            assert!((got - expected).abs() < 1e-12, "at {x}: {got}, expected {expected}");
        }
        Ok(())
    }

    const KERNEL: [(f64, f64); 4] = [
        (0.0, -0.021161272105448548),
        (0.2, 0.04088566366426094),
        (0.55, 0.03628590859173392),
        (1.0, -0.17191242383194855),
    ];

    #[test]
    fn kernels_are_as_wide_as_the_wider_gap() {
        let deviations = |places: &[Option<f64>]| {
            let mut deviations = deviations_of(places, |_| 0.05);
            deviations.sort_by_key(|&(i, _)| i);
            deviations
        };
        assert_eq!(deviations(&[]), []);
        assert_eq!(deviations(&[None, Some(0.25)]), [(1, 0.75)]);
        let three = deviations(&[Some(0.5), Some(0.375), None, Some(1.0)]);
        assert_eq!(three, [(0, 0.5), (1, 0.125), (3, 0.5)]);
        assert_eq!(deviations(&[Some(0.5), Some(0.5)]), [(0, 0.05), (1, 0.05)], "not narrower than told");
    }
}
