//! The scalars: `f32` and `f64`, with elementary functions that vectorise.

mod double;
mod elementary;
mod normal;
mod single;

pub use normal::normal_quantile;

use std::fmt::{Debug, Display, LowerExp};
use std::iter::Sum;
use std::ops::Neg;

use ndarray::ScalarOperand;
use num_traits::NumAssign;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A floating-point type to compute in: `f32` to train, `f64` to check gradients, through the same code.
///
/// The elementary functions ([`exp`](Real::exp), [`ln`](Real::ln), [`tanh`](Real::tanh), …) are branch-free
/// polynomials that the compiler vectorises when they stand in a loop, which `f32::exp` is not. They use no fused
/// multiply-add, so that every instruction set gives the same bits. NaN comes out where NaN goes in. The largest
/// error of each is given in units in the last place (ULP) and holds for both formats unless said otherwise; it was
/// measured against values of 60 digits, in `f32` against `f64`.
pub trait Real:
    sealed::Sealed
    + NumAssign
    + Neg<Output = Self>
    + Sum
    + ScalarOperand
    + Copy
    + Default
    + PartialOrd
    + Debug
    + Display
    + LowerExp
    + Send
    + Sync
    + 'static
{
    /// `"f32"` or `"f64"`.
    const NAME: &'static str;
    /// Distance from 1 to the next larger number.
    const EPSILON: Self;
    /// The largest finite number.
    const MAX: Self;
    /// The smallest positive normal number.
    const MIN_POSITIVE: Self;
    /// Positive infinity.
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;

    /// The nearest number to an `f64`.
    fn from_f64(x: f64) -> Self;
    /// The number as `f64`, exactly.
    fn to_f64(self) -> f64;
    /// The nearest number to a count.
    fn from_usize(n: usize) -> Self;
    /// The bits, zero-extended; for comparing to the bit.
    fn bits(self) -> u64;

    /// |x|.
    fn abs(self) -> Self;
    /// √x, correctly rounded.
    fn sqrt(self) -> Self;
    /// The largest whole number that is not above x.
    fn floor(self) -> Self;
    /// −1, 0 or 1 as x is below, equal to or above 0; NaN for NaN. (Unlike `f64::signum`, 0 gives 0.)
    fn sign(self) -> Self;
    /// The larger of two numbers; NaN if either is.
    fn max(self, other: Self) -> Self;
    /// The smaller of two numbers; NaN if either is.
    fn min(self, other: Self) -> Self;
    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// Not a number.
    fn is_nan(self) -> bool;
    /// xⁿ by the standard library; scalar.
    fn powi(self, n: i32) -> Self;
    /// xʸ by the standard library; scalar.
    fn powf(self, y: Self) -> Self;

    /// eˣ, within 1 ULP; subnormal results are right too. e^(−∞) = 0, e^∞ = ∞.
    fn exp(self) -> Self;
    /// eˣ for x ≤ 0, within 1.1 ULP in `f32` and 1 ULP in `f64`; the fast [`exp`](Self::exp) of softmax and the logistic function.
    ///
    /// Below the least normal number it is 0. e^(−∞) = 0. Of x > 0 no value is promised.
    fn exp_nonpositive(self) -> Self;
    /// The natural logarithm, within 1 ULP, also of subnormal numbers. ln ±0 = −∞, ln ∞ = ∞, ln x = NaN for x < 0.
    fn ln(self) -> Self;
    /// ln(1 + x), within 1 ULP, near 0 too. −∞ for x = −1, NaN below; ±0 stays ±0.
    fn ln_1p(self) -> Self;
    /// ln(1 + x) for 0 ≤ x ≤ 1, within 1.5 ULP; the fast [`ln_1p`](Self::ln_1p) of ln(1 + e⁻ᵗ), without a division in
    /// `f32`. Of x outside \[0, 1\] no value is promised.
    fn ln_1p_unit(self) -> Self;
    /// eˣ − 1, near 0 too, within 1.5 ULP in `f32` and 2 ULP in `f64`. ±0 stays ±0.
    fn exp_m1(self) -> Self;
    /// The hyperbolic tangent (e²ˣ − 1)/(e²ˣ + 1), within 2.5 ULP; never beyond ±1. ±0 stays ±0.
    fn tanh(self) -> Self;
    /// The logistic function 1/(1 + e⁻ˣ), within 2.5 ULP in `f32` and 2 ULP in `f64`, in the left tail too, where
    /// it falls to the least subnormal number before it is 0.
    fn sigmoid(self) -> Self;
    /// The error function 2/√π ∫₀ˣ e^(−t²) dt, within 1.5 ULP; never beyond ±1. ±0 stays ±0.
    fn erf(self) -> Self;

    /// The standard normal number that a random word stands for: Φ⁻¹((word + ½)/2³²), at most 6.34 in magnitude, and
    /// opposite for opposite words. The relative error is below 5·10⁻⁷ in `f32` and 10⁻¹⁵ in `f64`.
    ///
    /// ```
    /// use nn_core::Real;
    ///
    /// // A quarter of all numbers lies below −0.674.
    /// assert!((f32::standard_normal(1 << 30) + 0.6744898).abs() < 1e-6);
    /// ```
    fn standard_normal(word: u32) -> Self;
}
