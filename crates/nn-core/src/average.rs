//! The exponentially weighted average.

use std::sync::Arc;

use crate::{Arena, ParamLayout, RangeError, Real, check_range};

/// The exponentially weighted average with bias correction, of numbers, of slices, or of all parameters of a network.
///
/// Vₜ = β·Vₜ₋₁ + (1 − β)·θₜ with V₀ = 0, read as Vₜ/(1 − βᵗ). The division takes out the share that the zero at the
/// beginning has in V: the weights (1 − β)·βⁱ of the t values sum to 1 − βᵗ. What is kept is the corrected average
/// itself, by the same recurrence divided by 1 − βᵗ,
///
/// v ← v + (1 − β)/(1 − βᵗ)·(θₜ − v),
///
/// so that reading costs nothing and the average of a constant series is that constant to the last bit.
///
/// β lies in [0, 1). The average reaches back over about 1/(1 − β) values, its [`window`](Self::window); β = 0 is the
/// last value alone.
///
/// ```
/// use nn_core::ExponentialAverage;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut loss = ExponentialAverage::new(0.9)?;
/// assert_eq!(loss.value(), None);
/// for x in [5.0, 4.0] {
///     loss.update(x);
/// }
/// // V = 0.9·(0.1·5) + 0.1·4 = 0.85, and 0.85/(1 − 0.9²) = 4.47…
/// assert!((loss.raw() - 0.85).abs() < 1e-15);
/// assert!((loss.value().unwrap() - 0.85 / 0.19).abs() < 1e-15);
///
/// let mut weights = ExponentialAverage::for_len(0.5, 2)?;
/// weights.update(&[1.0f32, 4.0]);
/// weights.update(&[4.0, 1.0]);
/// assert_eq!(weights.value(), [3.0, 2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Kingma and Ba 2015, "Adam: a method for stochastic optimization", section 3.
#[derive(Clone, Debug, PartialEq)]
pub struct ExponentialAverage<V = f64> {
    beta: f64,
    count: u64,
    value: V,
}

impl<V> ExponentialAverage<V> {
    /// An average that goes on from the corrected value that `count` numbers have given, as it was saved.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn resume(beta: f64, count: u64, value: V) -> Result<Self, RangeError> {
        check_range("ExponentialAverage", "beta", beta, "[0, 1)", (0.0..1.0).contains(&beta))?;
        Ok(ExponentialAverage { beta, count, value })
    }

    /// The factor β.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The number of values so far, t.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number of values over which the average reaches back, 1/(1 − β): those before have a share of 1/e.
    pub fn window(&self) -> f64 {
        1.0 / (1.0 - self.beta)
    }

    /// What V is divided by, 1 − βᵗ; 0 before the first value.
    pub fn correction(&self) -> f64 {
        1.0 - self.beta.powf(self.count as f64)
    }

    /// Counts one more value and gives its share in the average, (1 − β)/(1 − βᵗ): for those who move the average there
    /// themselves, as several threads do.
    pub fn next_share(&mut self) -> f64 {
        self.count += 1;
        (1.0 - self.beta) / self.correction()
    }
}

impl ExponentialAverage {
    /// The average of numbers.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn new(beta: f64) -> Result<Self, RangeError> {
        Self::resume(beta, 0, 0.0)
    }

    /// Takes in one more number.
    pub fn update(&mut self, x: f64) {
        let share = self.next_share();
        self.value += share * (x - self.value);
    }

    /// The corrected average V/(1 − βᵗ); none before the first number.
    pub fn value(&self) -> Option<f64> {
        (self.count > 0).then_some(self.value)
    }

    /// The average without correction, V; 0 before the first number.
    pub fn raw(&self) -> f64 {
        self.value * self.correction()
    }
}

impl<F: Real> ExponentialAverage<Vec<F>> {
    /// The average of slices of this length, element by element.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn for_len(beta: f64, len: usize) -> Result<Self, RangeError> {
        Self::resume(beta, 0, vec![F::zero(); len])
    }

    /// Takes in one more slice.
    ///
    /// # Panics
    /// When its length is another.
    #[track_caller]
    pub fn update(&mut self, values: &[F]) {
        let share = self.next_share();
        lerp(&mut self.value, values, F::from_f64(share));
    }

    /// The corrected average V/(1 − βᵗ); zeros before the first slice.
    pub fn value(&self) -> &[F] {
        &self.value
    }
}

impl<F: Real> ExponentialAverage<Arena<F>> {
    /// The average of all parameters of a network; running statistics, which are averages already, are copied.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn for_layout(beta: f64, layout: &Arc<ParamLayout>) -> Result<Self, RangeError> {
        Self::resume(beta, 0, Arena::zeros(Arc::clone(layout)))
    }

    /// Takes in one more set of parameters: [`Arena::as_slice`], or any slice that reaches to the end of the last
    /// parameter.
    ///
    /// # Panics
    /// When the slice is shorter.
    #[track_caller]
    pub fn update(&mut self, values: &[F]) {
        let share = self.next_share();
        lerp_params(&mut self.value, values, F::from_f64(share));
    }

    /// The corrected average V/(1 − βᵗ); zeros before the first parameters.
    pub fn value(&self) -> &Arena<F> {
        &self.value
    }

    /// The corrected average, for writing: for example to exchange it with the parameters for a while.
    pub fn value_mut(&mut self) -> &mut Arena<F> {
        &mut self.value
    }
}

/// Moves `values` a share of the way towards `target`: v ← v + share·(target − v), and v ← target for a share of 1.
///
/// One step of every average: exponential (a constant share), cumulative (1/n).
///
/// # Panics
/// When the lengths differ.
///
/// ```
/// let mut v = [0.0f32, 8.0];
/// nn_core::lerp(&mut v, &[4.0, 0.0], 0.25);
/// assert_eq!(v, [1.0, 6.0]);
/// ```
#[track_caller]
pub fn lerp<F: Real>(values: &mut [F], target: &[F], share: F) {
    let (len, other) = (values.len(), target.len());
    assert_eq!(len, other, "lerp: slices of {len} and {other} elements");
    if share == F::one() {
        return values.copy_from_slice(target);
    }
    for (v, &t) in values.iter_mut().zip(target) {
        *v += share * (t - *v);
    }
}

/// Moves all parameters of a network a share of the way towards `target`, as [`lerp`] does; running statistics, which
/// are averages already, are copied.
///
/// `target` is the [`Arena::as_slice`] of the same layout, or any slice that reaches to the end of the last
/// parameter.
///
/// # Panics
/// When the slice is shorter.
#[track_caller]
pub fn lerp_params<F: Real>(values: &mut Arena<F>, target: &[F], share: F) {
    let layout = Arc::clone(values.layout());
    for spec in layout.params() {
        let share = if spec.role.is_trained() { share } else { F::one() };
        lerp(&mut values.as_mut_slice()[spec.range()], &target[spec.range()], share);
    }
}

#[cfg(test)]
mod tests {
    use super::{ExponentialAverage, lerp};
    use crate::{Arena, ParamLayout, Role};
    use std::sync::Arc;

    const BETAS: [f64; 5] = [0.0, 0.5, 0.9, 0.999, 0.999_999];

    #[test]
    fn a_constant_series_is_exact() {
        for beta in BETAS {
            let mut average = ExponentialAverage::new(beta).unwrap();
            let mut slice = ExponentialAverage::for_len(beta, 3).unwrap();
            for t in 1..200 {
                average.update(0.1);
                slice.update(&[0.1f32, -7.3, 1e-30]);
                assert_eq!(average.value(), Some(0.1), "β = {beta}, t = {t}");
                assert_eq!(slice.value(), [0.1, -7.3, 1e-30], "β = {beta}, t = {t}");
            }
        }
    }

    #[test]
    fn is_the_weighted_sum() {
        for beta in BETAS {
            let series: Vec<f64> = (0..300).map(|t| (t as f64 * 0.7).sin() + 2.0).collect();
            let mut average = ExponentialAverage::new(beta).unwrap();
            let (mut v, mut power) = (0.0, 1.0);
            for (t, &x) in series.iter().enumerate() {
                average.update(x);
                let by_definition: f64 =
                    (0..=t).map(|i| (1.0 - beta) * beta.powi(i as i32) * series[t - i]).sum();
                v = beta * v + (1.0 - beta) * x;
                power *= beta;
                assert!((average.raw() - by_definition).abs() < 1e-9, "β = {beta}, t = {t}");
                assert!((average.raw() - v).abs() < 1e-9, "β = {beta}, t = {t}");
                let corrected = v / (1.0 - power);
                assert!((average.value().unwrap() - corrected).abs() < 1e-8, "β = {beta}, t = {t}");
            }
            assert_eq!(average.count(), 300);
        }
    }

    #[test]
    fn a_saved_average_goes_on_with_the_same_bits() {
        let mut average = ExponentialAverage::new(0.97).unwrap();
        (0..50).for_each(|t| average.update(f64::from(t).cos()));
        let mut resumed = ExponentialAverage::resume(0.97, 50, average.value().unwrap()).unwrap();
        for x in [1.0, -3.0, 0.5] {
            average.update(x);
            resumed.update(x);
        }
        assert_eq!(average, resumed);
    }

    #[test]
    fn averages_what_is_trained_and_copies_the_rest() {
        let mut layout = ParamLayout::new();
        layout.add("weight", &[3], Role::Weight).unwrap();
        layout.add("running_mean", &[2], Role::RunningStatistic).unwrap();
        let layout = Arc::new(layout);
        let mut average = ExponentialAverage::for_layout(0.5, &layout).unwrap();
        let mut values = Arena::<f64>::zeros(layout);
        for x in [1.0, 4.0] {
            values.get_mut("weight").unwrap().fill(x);
            values.get_mut("running_mean").unwrap().fill(x);
            average.update(values.as_slice());
        }
        assert_eq!(average.value().get("weight").unwrap(), ndarray::arr1(&[3.0; 3]).into_dyn());
        assert_eq!(average.value().get("running_mean").unwrap(), ndarray::arr1(&[4.0; 2]).into_dyn());
    }

    #[test]
    fn beta_is_checked() {
        for beta in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            let message = ExponentialAverage::new(beta).unwrap_err().to_string();
            assert_eq!(message, format!("ExponentialAverage: beta must lie in [0, 1), got {beta}"));
        }
        let window = ExponentialAverage::new(0.98).unwrap().window();
        assert!((window - 50.0).abs() < 1e-9);
    }

    #[test]
    #[should_panic(expected = "lerp: slices of 2 and 3 elements")]
    fn lengths_must_agree() {
        lerp(&mut [0.0, 0.0], &[1.0, 1.0, 1.0], 0.5);
    }
}
