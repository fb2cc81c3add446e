//! Costs that are not deterministic.

use crate::diagnosis::{Suspicion, is_rounding};
use crate::report::Row;
use crate::verdict::Verdict;

/// How often the cost is evaluated at the point.
const EVALUATIONS: usize = 4;

/// A function of one argument that gives every evaluation the same random numbers: the way to check a network whose
/// dropout is on.
///
/// Each call works on a fresh generator from `generator`, so it draws the masks that the call before drew. Take the
/// analytic gradient with such a generator too, for it is to be the gradient under that mask. Where an array is handed
/// over by value, as to [`GradCheck::check_array`](crate::GradCheck::check_array), make the generator inside the cost.
///
/// ```
/// use nn_core::{StreamRng, Streams};
/// use nn_gradcheck::{GradCheck, held};
/// use rand::RngExt;
///
/// // J = Σ (mask·w)², each weight kept with probability ½ and doubled then.
/// let mask = |rng: &mut StreamRng| [(); 4].map(|()| if rng.random::<f64>() < 0.5 { 2.0 } else { 0.0 });
/// let generator = || Streams::new(7).rng("dropout", 0);
/// let w = [1.0, -2.0, 0.5, 3.0];
/// let kept = mask(&mut generator());
/// let dw: [f64; 4] = std::array::from_fn(|i| 2.0 * kept[i] * kept[i] * w[i]);
/// let cost = held(generator, |w: &[f64], rng| {
///     let mask = mask(rng);
///     (0..4).map(|i| (mask[i] * w[i]).powi(2)).sum()
/// });
/// GradCheck::new().check_fn(cost, &w, &dw).assert_sound();
/// ```
pub fn held<R, A: ?Sized, T>(
    generator: impl Fn() -> R,
    mut f: impl FnMut(&A, &mut R) -> T,
) -> impl FnMut(&A) -> T {
    move |x| f(x, &mut generator())
}

/// Two values that the cost gave at the same point, if it is not deterministic.
pub(crate) fn drift(mut cost: impl FnMut() -> f64) -> Option<(f64, f64)> {
    let first = cost();
    let differs = |other: &f64| other.to_bits() != first.to_bits() && !(other.is_nan() && first.is_nan());
    (1..EVALUATIONS).map(|_| cost()).find(differs).map(|second| (first, second))
}

/// Says so of every parameter: differences of two draws are no derivatives. Rounding that varies is blamed only for
/// what is not sound.
pub(crate) fn blame(rows: &mut [Row], (first, second): (f64, f64)) {
    let small = is_rounding(first, second);
    for row in rows.iter_mut().filter(|row| !row.shape.contains(&0)) {
        if !small {
            row.verdict = Verdict::Wrong;
            row.kinks.clear();
        }
        if row.verdict < Verdict::Sound {
            row.suspicion = Some(Suspicion::NotDeterministic { first, second });
        }
    }
}
