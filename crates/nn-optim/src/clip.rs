//! Clipping of gradients.

use nn_core::{RangeError, Real, check_range};
use nn_ops::simd::dispatch;
use nn_ops::sum_squares;

use crate::{Values, ValuesMut, elements};

/// What PyTorch adds to the norm before it divides by it.
const EPSILON: f64 = 1e-6;

/// The Euclidean norm of the gradient of all trained parameters together, √Σ gᵢ², summed in a fixed order.
///
/// NaN where any element is NaN, else infinite where any is. Squares that overflow do no harm.
///
/// ```
/// assert_eq!(nn_optim::global_norm(&[3.0f32, -4.0]), 5.0);
/// assert!((nn_optim::global_norm(&[3e30f32, -4e30]) / 5e30 - 1.0).abs() < 1e-7);
/// ```
pub fn global_norm<G: Values + ?Sized>(g: &G) -> f64 {
    let (layout, g) = (g.layout(), g.read());
    let trained =
        || layout.params().iter().filter(|spec| spec.role.is_trained()).map(|spec| &g[spec.range()]);
    norm(trained)
}

/// The norm of the elements of all parts.
pub(crate) fn norm<'a, F: Real, I: Iterator<Item = &'a [F]>>(parts: impl Fn() -> I) -> f64 {
    let total: f64 = parts().map(|part| sum_squares(part).to_f64()).sum();
    if total.is_finite() {
        return total.sqrt();
    }
    let largest = parts().map(largest).fold(0.0, Real::max);
    if !largest.is_finite() {
        return largest;
    }
    let square = |x: &F| (x.to_f64() / largest).powi(2);
    largest * parts().flatten().map(square).sum::<f64>().sqrt()
}

/// The largest magnitude: NaN if any element is NaN, 0 for none.
pub(crate) fn largest<F: Real>(x: &[F]) -> f64 {
    dispatch(
        #[inline(always)]
        || {
            let (whole, rest) = x.as_chunks::<32>();
            let mut lanes = [F::zero(); 32];
            for chunk in whole {
                for (lane, x) in lanes.iter_mut().zip(chunk) {
                    *lane = lane.max(x.abs());
                }
            }
            lanes.iter().chain(rest).fold(F::zero(), |largest, x| largest.max(x.abs())).to_f64()
        },
    )
}

/// PyTorch's min(1, limit/(norm + 10⁻⁶)), and 1 for a norm that is not finite.
fn coefficient(limit: f64, norm: f64) -> f64 {
    if norm.is_finite() { (limit / (norm + EPSILON)).min(1.0) } else { 1.0 }
}

fn scale<F: Real>(g: &mut [F], coefficient: f64) {
    if coefficient < 1.0 {
        let coefficient = F::from_f64(coefficient);
        elements::update(
            g,
            #[inline(always)]
            move |x| x * coefficient,
        );
    }
}

/// Refuses a limit outside (0, ∞).
fn check_limit(owner: &'static str, limit: f64) -> Result<(), RangeError> {
    check_range(owner, "limit", limit, "(0, ∞)", limit > 0.0 && limit.is_finite())
}

/// Clips each element of a gradient: g ← min(max(g, −limit), limit). The limit lies in (0, ∞).
///
/// ```
/// use nn_optim::ClipValue;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut g = [0.5f32, -8.0];
/// assert_eq!(ClipValue::new(2.0)?.apply(&mut g), 8.0);
/// assert_eq!(g, [0.5, -2.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Mikolov 2012, "Statistical language models based on neural networks"; `torch.nn.utils.clip_grad_value_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipValue {
    limit: f64,
}

impl ClipValue {
    /// With this limit.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn new(limit: f64) -> Result<Self, RangeError> {
        check_limit("ClipValue", limit)?;
        Ok(ClipValue { limit })
    }

    /// Clips the gradient and returns its largest magnitude before, the norm that this bounds.
    ///
    /// A gradient that holds an infinity or NaN is left as it is, and that is returned: what then becomes of the step
    /// is for a [`Guard`](crate::Guard) to decide. (PyTorch would clip an infinity and keep a NaN.)
    pub fn apply<G: ValuesMut + ?Sized>(&self, g: &mut G) -> f64 {
        let (layout, mut before) = (g.layout(), 0.0);
        let limit = <G::Elem as Real>::from_f64(self.limit);
        g.modify(&mut |g| {
            let trained = || layout.params().iter().filter(|spec| spec.role.is_trained());
            before = trained().map(|spec| largest(&g[spec.range()])).fold(0.0, Real::max);
            if before.is_finite() && before > self.limit {
                for spec in trained() {
                    elements::update(
                        &mut g[spec.range()],
                        #[inline(always)]
                        move |x| x.min(limit).max(-limit),
                    );
                }
            }
        });
        before
    }
}

/// Clips the norm of each parameter's gradient by itself: g ← g·min(1, limit/(‖g‖ + 10⁻⁶)). The limit lies in (0, ∞).
///
/// ```
/// use nn_optim::ClipNorm;
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut g = [3.0f64, -4.0];
/// assert_eq!(ClipNorm::new(1.0)?.apply(&mut g), 5.0);
/// assert!((g[0] - 0.6).abs() < 1e-6 && (g[1] + 0.8).abs() < 1e-6);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1, for each
/// parameter (`clipnorm` of Keras); the coefficient is that of `torch.nn.utils.clip_grad_norm_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipNorm {
    limit: f64,
}

impl ClipNorm {
    /// With this limit.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn new(limit: f64) -> Result<Self, RangeError> {
        check_limit("ClipNorm", limit)?;
        Ok(ClipNorm { limit })
    }

    /// Clips the gradient and returns the largest of the parameters' norms before.
    ///
    /// A parameter's gradient with a norm that is not finite is left as it is, and that norm is returned (NaN before
    /// infinity).
    pub fn apply<G: ValuesMut + ?Sized>(&self, g: &mut G) -> f64 {
        let (layout, mut before) = (g.layout(), 0.0);
        g.modify(&mut |g| {
            for spec in layout.params().iter().filter(|spec| spec.role.is_trained()) {
                let g = &mut g[spec.range()];
                let norm = norm(|| std::iter::once(&*g));
                before = Real::max(before, norm);
                scale(g, coefficient(self.limit, norm));
            }
        });
        before
    }
}

/// Clips the norm of the gradient of all parameters together: g ← g·min(1, limit/(‖g‖ + 10⁻⁶)). The limit lies in
/// (0, ∞).
///
/// [`coefficient`](ClipGlobalNorm::coefficient) gives the factor alone, to be applied on the way:
///
/// ```
/// use nn_optim::{ClipGlobalNorm, Optimizer, Sgd, global_norm};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let clip = ClipGlobalNorm::new(1.0)?;
/// let (mut w, mut g) = ([0.0f64, 0.0], [3.0f64, -4.0]);
/// let factor = clip.coefficient(global_norm(&g));
/// Optimizer::new(Sgd::new(1.0)?).step_scaled(&mut w, &g, factor); // no pass of its own over g
/// assert!((w[0] + 0.6).abs() < 1e-6 && (w[1] - 0.8).abs() < 1e-6);
///
/// assert_eq!(clip.apply(&mut g), 5.0);
/// assert_eq!(w, [-g[0], -g[1]]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1; the
/// coefficient is that of `torch.nn.utils.clip_grad_norm_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClipGlobalNorm {
    limit: f64,
}

impl ClipGlobalNorm {
    /// With this limit.
    ///
    /// # Errors
    /// When it is outside (0, ∞).
    pub fn new(limit: f64) -> Result<Self, RangeError> {
        check_limit("ClipGlobalNorm", limit)?;
        Ok(ClipGlobalNorm { limit })
    }

    /// The factor min(1, limit/(norm + 10⁻⁶)) for a gradient of this norm; 1 for a norm that is not finite.
    pub fn coefficient(&self, norm: f64) -> f64 {
        coefficient(self.limit, norm)
    }

    /// Clips the gradient and returns its norm before.
    ///
    /// A gradient with a norm that is not finite is left as it is, and that norm is returned: what then becomes of the
    /// step is for a [`Guard`](crate::Guard) to decide.
    pub fn apply<G: ValuesMut + ?Sized>(&self, g: &mut G) -> f64 {
        let (layout, norm) = (g.layout(), global_norm(g));
        let coefficient = self.coefficient(norm);
        g.modify(&mut |g| {
            for spec in layout.params().iter().filter(|spec| spec.role.is_trained()) {
                scale(&mut g[spec.range()], coefficient);
            }
        });
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::largest;

    #[test]
    fn the_largest_is_found_wherever_it_stands() {
        for at in 0..70 {
            let mut x: Vec<f32> = (0..70).map(|i| (i as f32).sin()).collect();
            x[at] = -2.5;
            assert_eq!(largest(&x), 2.5, "{at}");
            x[at] = f32::NEG_INFINITY;
            assert_eq!(largest(&x), f64::INFINITY, "{at}");
            x[at] = f32::NAN;
            assert!(largest(&x).is_nan(), "{at}");
        }
        assert_eq!(largest::<f32>(&[]), 0.0);
    }
}
