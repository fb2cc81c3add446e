//! Mixing of samples: mixup and CutMix.

use ndarray::{ArrayRef, Axis, Dimension, Slice, Zip};
use nn_core::{RangeError, Real, StreamRng, check_range};
use rand::Rng;

/// How a batch was mixed, for metrics and for losses of class numbers: λ·loss(ŷ, yᵢ) + (1 − λ)·loss(ŷ, y of its
/// partner).
#[derive(Clone, Debug, PartialEq)]
pub struct Mixed {
    /// The share λ of each sample itself.
    pub lambda: f64,
    /// For each sample, the number of the sample that it was mixed with: a permutation.
    pub partners: Vec<usize>,
}

/// Mixup: each sample becomes a weighted mean of itself and another, and so does its target.
///
/// x̃ᵢ = λxᵢ + (1 − λ)x_π(i), ỹᵢ = λyᵢ + (1 − λ)y_π(i), with one λ ~ Beta(α, α) and one permutation π for the batch.
///
/// - Inputs `[samples, …]` and soft (one-hot) targets `[samples, …]`, changed in place.
/// - `alpha` α in \[0, ∞): 0 means λ = 1, which changes nothing; 1 is uniform; the paper takes 0.1 to 0.4 for
///   ImageNet. An infinity or NaN spreads to the partner.
///
/// ```
/// use ndarray::array;
/// use nn_core::Streams;
/// use nn_regularize::Mixup;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (mut x, mut y) = (array![[1.0], [5.0]], array![[1.0, 0.0], [0.0, 1.0]]);
/// let mixed = Mixup::new(0.4)?.apply(&mut Streams::new(42).rng("mixup", 7), &mut x, &mut y);
/// assert!(y.rows().into_iter().all(|row| (row.sum() - 1.0f64).abs() < 1e-15));
/// assert!((0.0..=1.0).contains(&mixed.lambda));
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Zhang, Cissé, Dauphin and Lopez-Paz 2018, "mixup: beyond empirical risk minimization", section 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mixup {
    alpha: f64,
}

impl Mixup {
    /// With this α.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(alpha: f64) -> Result<Self, RangeError> {
        check_range("Mixup", "alpha", alpha, "[0, ∞)", (0.0..f64::INFINITY).contains(&alpha))?;
        Ok(Mixup { alpha })
    }

    /// Mixes a batch and its targets in place, drawing from this generator.
    ///
    /// # Panics
    /// When inputs and targets differ in their first axis, or have none.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension, E: Dimension>(
        &self,
        rng: &mut StreamRng,
        x: &mut ArrayRef<F, D>,
        y: &mut ArrayRef<F, E>,
    ) -> Mixed {
        let samples = samples("mixup", x, y);
        let mixed = Mixed { lambda: symmetric_beta(rng, self.alpha), partners: permutation(rng, samples) };
        mixed.mix(x);
        mixed.mix(y);
        mixed
    }
}

impl Mixed {
    /// Replaces each place i on the first axis by λ times itself plus (1 − λ) times that of its partner, in place.
    /// λ = 1 changes nothing, to the bit.
    ///
    /// # Panics
    /// When the first axis has another length than the partners.
    #[track_caller]
    pub fn mix<F: Real, D: Dimension>(&self, values: &mut ArrayRef<F, D>) {
        let expected = self.partners.len();
        let fits = values.ndim() > 0 && values.len_of(Axis(0)) == expected;
        assert!(fits, "mixing: expected {expected} samples, got shape {:?}", values.shape());
        if self.lambda == 1.0 {
            return;
        }
        let (own, other) = (F::from_f64(self.lambda), F::from_f64(1.0 - self.lambda));
        let before = values.to_owned().into_dyn();
        for (mut sample, &partner) in values.view_mut().into_dyn().outer_iter_mut().zip(&self.partners) {
            let partner = before.index_axis(Axis(0), partner);
            Zip::from(&mut sample).and(&partner).for_each(|x, &p| *x = own * *x + other * p);
        }
    }
}

/// CutMix: a rectangle of each image is replaced by that of another, and the target is mixed by area.
///
/// λ₀ ~ Beta(α, α); the rectangle has the sides ⌊W√(1 − λ₀)⌋ and ⌊H√(1 − λ₀)⌋, halved and rounded down on each side of a
/// uniform centre, and is cut off at the border. The targets are mixed with λ = 1 − area/(W·H), the share of the image
/// that is left: ỹᵢ = λyᵢ + (1 − λ)y_π(i). One rectangle and one permutation π serve the batch.
///
/// - Inputs `[samples, …, height, width]` and soft (one-hot) targets `[samples, …]`, changed in place.
/// - `alpha` α in \[0, ∞): 0 means λ = 1, which changes nothing; the paper takes 1.
///
/// # Source
/// Yun, Han, Oh, Chun, Choe and Yoo 2019, "CutMix: regularization strategy to train strong classifiers with localizable
/// features", section 3.1 and algorithm A1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CutMix {
    alpha: f64,
}

impl CutMix {
    /// With this α.
    ///
    /// # Errors
    /// When it is outside \[0, ∞).
    pub fn new(alpha: f64) -> Result<Self, RangeError> {
        check_range("CutMix", "alpha", alpha, "[0, ∞)", (0.0..f64::INFINITY).contains(&alpha))?;
        Ok(CutMix { alpha })
    }

    /// Mixes a batch and its targets in place, drawing from this generator. The λ returned is that of the exact area.
    ///
    /// # Panics
    /// When inputs and targets differ in their first axis, or the inputs have fewer than three.
    #[track_caller]
    pub fn apply<F: Real, D: Dimension, E: Dimension>(
        &self,
        rng: &mut StreamRng,
        x: &mut ArrayRef<F, D>,
        y: &mut ArrayRef<F, E>,
    ) -> Mixed {
        let samples = samples("cut_mix", x, y);
        let axes = x.ndim();
        assert!(axes >= 3, "cut_mix: expected [samples, …, height, width], got shape {:?}", x.shape());
        let (height, width) = (x.len_of(Axis(axes - 2)), x.len_of(Axis(axes - 1)));
        let cut = (1.0 - symmetric_beta(rng, self.alpha)).sqrt();
        let partners = permutation(rng, samples);
        let (top, bottom) = side(rng, height, cut);
        let (left, right) = side(rng, width, cut);
        let area = (bottom - top) * (right - left);
        let lambda = if area == 0 { 1.0 } else { 1.0 - area as f64 / (height * width) as f64 };
        let mixed = Mixed { lambda, partners };
        if area > 0 {
            let mut x = x.view_mut().into_dyn();
            x.slice_axis_inplace(Axis(axes - 2), Slice::from(top..bottom));
            x.slice_axis_inplace(Axis(axes - 1), Slice::from(left..right));
            let before = x.to_owned();
            for (mut sample, &partner) in x.outer_iter_mut().zip(&mixed.partners) {
                sample.assign(&before.index_axis(Axis(0), partner));
            }
        }
        mixed.mix(y);
        mixed
    }
}

/// The ends of a side of the rectangle, `cut` of the length of the image and cut off at its border.
fn side(rng: &mut StreamRng, length: usize, cut: f64) -> (usize, usize) {
    let half = (length as f64 * cut) as usize / 2;
    let center = below(rng, length);
    (center.saturating_sub(half), (center + half).min(length))
}

/// The length of the first axis of both.
#[track_caller]
fn samples<F: Real, D: Dimension, E: Dimension>(name: &str, x: &ArrayRef<F, D>, y: &ArrayRef<F, E>) -> usize {
    let (of_x, of_y) = (x.shape(), y.shape());
    let fits = !of_x.is_empty() && of_x.first() == of_y.first();
    assert!(fits, "{name}: inputs {of_x:?} and targets {of_y:?} must have the same number of samples");
    of_x[0]
}

/// A whole number below `bound`, 0 for a bound of 0; its bias is below `bound`·2⁻⁶⁴.
fn below(rng: &mut StreamRng, bound: usize) -> usize {
    ((u128::from(rng.next_u64()) * bound as u128) >> 64) as usize
}

/// A uniform permutation: Fisher and Yates.
fn permutation(rng: &mut StreamRng, len: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..len).collect();
    for i in (1..len).rev() {
        order.swap(i, below(rng, i + 1));
    }
    order
}

/// A number from Beta(α, α); 1 for α = 0.
fn symmetric_beta(rng: &mut StreamRng, alpha: f64) -> f64 {
    if alpha == 0.0 {
        return 1.0;
    }
    let difference = ln_gamma_variate(rng, alpha) - ln_gamma_variate(rng, alpha);
    // For α below 10⁻³⁰⁰ both may be −∞: then λ is 0 or 1, and 1 changes nothing.
    if difference.is_nan() { 1.0 } else { 1.0 / (1.0 + (-difference).exp()) }
}

/// The logarithm of a number from Gamma(a, 1), so that small a do not underflow.
///
/// Marsaglia and Tsang 2000, "A simple method for generating gamma variables", section 2; for a < 1 their note at the
/// end, g(a) = g(a + 1)·u^(1/a).
fn ln_gamma_variate(rng: &mut StreamRng, a: f64) -> f64 {
    let d = if a < 1.0 { a + 1.0 } else { a } - 1.0 / 3.0;
    let c = 1.0 / (9.0 * d).sqrt();
    let ln_unit = |rng: &mut StreamRng| ((f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0).ln();
    loop {
        let z = f64::standard_normal(rng.next_u32());
        let v = (1.0 + c * z).powi(3);
        if v > 0.0 && ln_unit(rng) < z * z / 2.0 + d * (1.0 - v + v.ln()) {
            let ln = (d * v).ln();
            return if a < 1.0 { ln + ln_unit(rng) / a } else { ln };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{permutation, symmetric_beta};
    use nn_core::Streams;

    #[test]
    fn beta_has_its_moments() {
        let mut rng = Streams::new(3).rng("beta", 0);
        for alpha in [1e-3, 0.2, 0.5, 1.0, 2.0, 30.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| symmetric_beta(&mut rng, alpha)).collect();
            let count = draws.len() as f64;
            let mean = draws.iter().sum::<f64>() / count;
            let variance = draws.iter().map(|x| (x - 0.5).powi(2)).sum::<f64>() / count;
            let expected: f64 = 0.25 / (2.0 * alpha + 1.0);
            // Five standard errors of the mean; the variance of squares in [0, ¼] is at most a quarter of their mean.
            assert!((mean - 0.5).abs() < 5.0 * (expected / count).sqrt(), "α = {alpha}: mean {mean}");
            let error = 5.0 * (expected / 4.0 / count).sqrt();
            assert!((variance - expected).abs() < error, "α = {alpha}: {variance} for {expected}");
        }
    }

    /// Beta(1, 1) is uniform, and P(λ < x) = x²(3 − 2x) for Beta(2, 2): the largest distance of the distribution
    /// functions, against the bound of Kolmogorov and Smirnov at 10⁻⁶.
    #[test]
    fn beta_has_its_distribution() {
        type Law = fn(f64) -> f64;
        let arcsine: Law = |x| 2.0 / std::f64::consts::PI * x.sqrt().asin();
        let laws: [(f64, Law); 3] = [(0.5, arcsine), (1.0, |x| x), (2.0, |x| x * x * (3.0 - 2.0 * x))];
        for (alpha, law) in laws {
            let mut rng = Streams::new(5).rng("beta", 1);
            let mut draws: Vec<f64> = (0..20_000).map(|_| symmetric_beta(&mut rng, alpha)).collect();
            draws.sort_by(f64::total_cmp);
            let count = draws.len() as f64;
            let distance = draws.iter().enumerate().fold(0.0, |far: f64, (i, &x)| {
                far.max((law(x) - i as f64 / count).abs()).max((law(x) - (i + 1) as f64 / count).abs())
            });
            assert!(distance * count.sqrt() < 2.7, "α = {alpha}: {distance}");
        }
    }

    #[test]
    fn all_permutations_come_equally_often() {
        let mut counts = std::collections::HashMap::new();
        let mut rng = Streams::new(4).rng("permutation", 0);
        for _ in 0..24_000 {
            *counts.entry(permutation(&mut rng, 4)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 24);
        // Each 1000 ± 5 standard deviations of 31.
        assert!(counts.values().all(|&n| (845..1155).contains(&n)), "{counts:?}");
    }
}
