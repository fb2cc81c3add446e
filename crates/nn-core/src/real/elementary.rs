//! Elementary functions, written once for both formats: selects instead of branches, no tables, no calls.
//!
//! Reduction of the argument and its bookkeeping follow fdlibm (Sun Microsystems 1993: `e_exp.c`, `e_log.c`,
//! `s_log1p.c`) and Cephes (Moshier 1989: `expf.c`, `logf.c`). The polynomials are minimax fits of our own, made
//! by `tests/data/make_coefficients.py`; what they approximate is said at [`Format`].
//!
//! Conversions between floating-point and whole numbers go through additions of a large constant, since casts that
//! saturate do not vectorise well: x + 1.5·2ᵖ⁻¹ holds the whole number nearest to x in its lowest bits.

use super::Real;

/// What the functions need to know of a floating-point format with a significand of p bits.
pub(super) trait Format: Real {
    /// 1.5·2ᵖ⁻¹: added to a number, it leaves the nearest whole number in the lowest bits.
    const SHIFT: Self;
    /// `SHIFT` and the bias of the exponent.
    const BIASED_SHIFT: Self;
    /// log₂ e.
    const LOG2_E: Self;
    /// The upper bits of ln 2: few enough that their product with any exponent is exact.
    const LN_2_HIGH: Self;
    /// ln 2 − `LN_2_HIGH`.
    const LN_2_LOW: Self;
    /// The largest x for which eˣ is finite.
    const EXP_MAX: Self;
    /// Below this x, eˣ may be subnormal.
    const EXP_NORMAL: Self;
    /// Below this x, eˣ is not a normal number.
    const EXP_FLUSH: Self;
    /// From here down, eˣ is 0.
    const EXP_ZERO: Self;
    /// From here down, eˣ − 1 is −1.
    const EXP_M1_MIN: Self;
    /// Below this magnitude, eˣ − 1 is x.
    const EXP_M1_TINY: Self;
    /// From here on, tanh x is 1.
    const TANH_MAX: Self;
    /// From here on, erf x is 1.
    const ERF_MAX: Self;

    /// ½.
    const HALF: Self;
    /// 2.
    const TWO: Self;
    /// √2 − 1.
    const SQRT_2_M1: Self;
    /// 64.
    const LIFT: Self;
    /// 2⁻⁶⁴.
    const LOWER: Self;

    /// (eʳ − 1 − r)/r² for |r| ≤ ½ ln 2.
    fn exp_tail(r: Self) -> Self;
    /// The same with a polynomial of one degree less, from r and r².
    fn exp_tail_short(r: Self, square: Self) -> Self;
    /// ln(1 + f) − f + f²/2 for √½ ≤ 1 + f ≤ √2.
    fn ln_tail(f: Self) -> Self;
    /// The same with a shorter chain of operations, where the format has one.
    fn ln_tail_split(f: Self) -> Self {
        Self::ln_tail(f)
    }
    /// erf(x)/x − 1 for 0 ≤ x ≤ 1, from x².
    fn erf_small(square: Self) -> Self;
    /// −ln(1 − erf(2 + t)) for −1 ≤ t ≤ `ERF_MAX` − 2.
    fn erf_large(t: Self) -> Self;

    /// y·2ⁿ for `shifted` = n + `SHIFT`, where y and the result are normal numbers.
    fn scale(self, shifted: Self) -> Self;
    /// 2ⁿ, a normal number, for `biased` = n + `BIASED_SHIFT`.
    fn power_of_two(biased: Self) -> Self;
    /// For x normal and positive: (m, e) with x = m·2ᵉ and √½ ≤ m < √2.
    fn split(self) -> (Self, Self);
    /// This magnitude with the sign of another number.
    fn with_sign_of(self, sign: Self) -> Self;
}

/// The value of Σ cₖ·xᵏ by Horner's rule.
#[inline(always)]
pub(super) fn polynomial<F: Real, const N: usize>(x: F, c: [F; N]) -> F {
    let mut sum = c[N - 1];
    for k in (0..N - 1).rev() {
        sum = sum * x + c[k];
    }
    sum
}

/// The same with a chain of operations half as long: even and odd powers by themselves, each in x².
#[inline(always)]
pub(super) fn polynomial_split<F: Real, const N: usize>(x: F, square: F, c: [F; N]) -> F {
    let (mut last, mut before) = (c[N - 1], c[N - 2]);
    for k in (0..N - 2).rev() {
        // The sum that ends in c[k + 2] takes up c[k].
        (last, before) = (before, last * square + c[k]);
    }
    before + last * x
}

/// (n + `SHIFT`, r) with x = n·ln 2 + r and |r| ≤ ½ ln 2.
#[inline(always)]
fn reduce<F: Format>(x: F) -> (F, F) {
    let shifted = x * F::LOG2_E + F::SHIFT;
    let n = shifted - F::SHIFT;
    (shifted, x - n * F::LN_2_HIGH - n * F::LN_2_LOW)
}

/// eʳ − 1 for |r| ≤ ½ ln 2.
#[inline(always)]
fn exp_m1_reduced<F: Format>(r: F) -> F {
    r + r * r * F::exp_tail(r)
}

#[inline(always)]
pub(super) fn exp<F: Format>(x: F) -> F {
    let inside = if x < F::EXP_ZERO { F::EXP_ZERO } else { x };
    let low = x < F::EXP_NORMAL;
    let (shifted, r) = reduce(inside);
    let y = F::one() + exp_m1_reduced(r);
    // Towards the subnormal numbers, 2ⁿ is applied as 2ⁿ⁺⁶⁴·2⁻⁶⁴, so that it rounds once.
    let y = y.scale(shifted + if low { F::LIFT } else { F::zero() });
    let y = y * if low { F::LOWER } else { F::one() };
    let y = if x > F::EXP_MAX { F::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// With one select, at the end, where no other step waits for it.
#[inline(always)]
pub(super) fn exp_nonpositive<F: Format>(x: F) -> F {
    let biased = x * F::LOG2_E + F::BIASED_SHIFT;
    let n = biased - F::BIASED_SHIFT;
    let r = x - n * F::LN_2_HIGH - n * F::LN_2_LOW;
    let square = r * r;
    let y = (F::one() + (r + square * F::exp_tail_short(r, square))) * F::power_of_two(biased);
    if x < F::EXP_FLUSH { F::zero() } else { y }
}

/// eˣ − 1 for `EXP_M1_MIN` ≤ x ≤ `EXP_MAX`.
///
/// 2ⁿ·(eʳ − 1) + (2ⁿ − 1), halved throughout since 2ⁿ may be the first power of two beyond the format.
#[inline(always)]
fn exp_m1_inside<F: Format>(x: F) -> F {
    let (shifted, r) = reduce(x);
    let half = F::HALF.scale(shifted);
    let y = (half * exp_m1_reduced(r) + (half - F::HALF)) * F::TWO;
    if x.abs() < F::EXP_M1_TINY { x } else { y }
}

#[inline(always)]
pub(super) fn exp_m1<F: Format>(x: F) -> F {
    let inside = if x < F::EXP_M1_MIN { F::EXP_M1_MIN } else { x };
    let y = exp_m1_inside(inside);
    let y = if x > F::EXP_MAX { F::INFINITY } else { y };
    if x.is_nan() { x } else { y }
}

/// ln(m·2ᵉ) + c for a c that is small beside ln m, or beside 1 if e is not 0.
#[inline(always)]
fn ln_joined<F: Format>(m: F, e: F, c: F) -> F {
    let f = m - F::one();
    let square = F::HALF * f * f;
    e * F::LN_2_HIGH - ((square - (F::ln_tail(f) + (e * F::LN_2_LOW + c))) - f)
}

/// ln x for a normal positive x.
#[inline(always)]
pub(super) fn ln_normal<F: Format>(x: F) -> F {
    let (m, e) = x.split();
    ln_joined(m, e, F::zero())
}

#[inline(always)]
pub(super) fn ln<F: Format>(x: F) -> F {
    let low = x < F::MIN_POSITIVE;
    // 2⁶⁴ lifts every subnormal number into the normal range.
    let lifted = x * if low { F::one() / F::LOWER } else { F::one() };
    let (m, e) = lifted.split();
    let y = ln_joined(m, e - if low { F::LIFT } else { F::zero() }, F::zero());
    ln_limits(x, y)
}

/// y = ln x where x is positive and finite, and the limits elsewhere.
#[inline(always)]
fn ln_limits<F: Format>(x: F, y: F) -> F {
    let y = if x == F::INFINITY { x } else { y };
    let y = if x == F::zero() { -F::INFINITY } else { y };
    if x >= F::zero() { y } else { F::NAN }
}

#[inline(always)]
pub(super) fn ln_1p<F: Format>(x: F) -> F {
    let u = F::one() + x;
    // 1 + x = u + c exactly (Knuth's two-sum), and ln(u + c) = ln u + c/u up to rounding.
    let back = u - F::one();
    let c = (F::one() - (u - back)) + (x - back);
    let (m, e) = u.split();
    let y = ln_limits(u, ln_joined(m, e, c / u));
    // Keeps −0, and infinity, of which c is no number.
    if x == F::zero() || x == F::INFINITY { x } else { y }
}

/// ln(1 + f), where f is x, or (x − 1)/2 and ln 2 is added; from x = ½ on, f is exact.
#[inline(always)]
pub(super) fn ln_1p_unit<F: Format>(x: F) -> F {
    let upper = x > F::SQRT_2_M1;
    let f = if upper { F::HALF * (x - F::one()) } else { x };
    let high = if upper { F::LN_2_HIGH } else { F::zero() };
    let low = if upper { F::LN_2_LOW } else { F::zero() };
    let square = F::HALF * f * f;
    high + (f + (F::ln_tail_split(f) + (low - square)))
}

/// (e^(2|x|) − 1)/(e^(2|x|) + 1), with the sign of x.
#[inline(always)]
pub(super) fn tanh<F: Format>(x: F) -> F {
    let a = x.abs();
    let a = if a > F::TANH_MAX { F::TANH_MAX } else { a };
    let t = exp_m1_inside(a + a);
    let y = (t / (t + F::TWO)).with_sign_of(x);
    if x.is_nan() { x } else { y }
}

/// 1/(1 + e⁻ˣ) where x ≥ 0 and eˣ/(1 + eˣ) below, so that no small result is a difference.
#[inline(always)]
pub(super) fn sigmoid<F: Format>(x: F) -> F {
    let t = exp(-x.abs());
    let above = if x < F::zero() { t } else { F::one() };
    above / (F::one() + t)
}

/// x + x·p(x²) for |x| ≤ 1; beyond, 1 − e⁻ᵛ with v = −ln erfc |x| from a polynomial (after Juffa 2014).
#[inline(always)]
pub(super) fn erf<F: Format>(x: F) -> F {
    let a = x.abs();
    let a = if a > F::ERF_MAX { F::ERF_MAX } else { a };
    let small = a + a * F::erf_small(a * a);
    let (shifted, r) = reduce(-F::erf_large(a - F::TWO));
    let large = F::one() - (F::one() + exp_m1_reduced(r)).scale(shifted);
    let y = (if a > F::one() { large } else { small }).with_sign_of(x);
    if x.is_nan() { x } else { y }
}
