//! `f32`.

use super::elementary::{self, Format, polynomial, polynomial_split};
use super::{Real, normal};

/// The bits of √½.
const SQRT_HALF: u32 = 0x3f35_04f3;
/// Coefficients of (eʳ − 1 − r)/r².
const EXP: [f32; 6] = [0.5, 0.16666667, 0.041666467, 0.008333286, 0.0013933652, 0.00019907574];
/// Coefficients of (eʳ − 1 − r)/r², fewer, for `exp_nonpositive`.
const EXP_SHORT: [f32; 5] = [0.5, 0.16666576, 0.041666374, 0.008363181, 0.0013941115];
/// Coefficients of (ln(1 + f) − f + f²/2)/f³.
const LN: [f32; 9] = [
    0.3333333,
    -0.2499998,
    0.20000689,
    -0.16669151,
    0.14251155,
    -0.12396697,
    0.11634663,
    -0.11659951,
    0.073325604,
];
/// Coefficients of erf(x)/x − 1, in x².
const ERF_SMALL: [f32; 7] =
    [0.12837917, -0.37612626, 0.112836, -0.026854444, 0.0051895357, -0.0008020844, 7.88913e-5];
/// Coefficients of −ln(1 − erf(2 + t)).
const ERF_LARGE: [f32; 7] =
    [5.364941, 4.4181595, 0.9237531, 0.01648727, -0.003543683, 0.00071272504, -0.00018557136];

impl Real for f32 {
    const NAME: &'static str = "f32";
    const EPSILON: Self = f32::EPSILON;
    const MAX: Self = f32::MAX;
    const MIN_POSITIVE: Self = f32::MIN_POSITIVE;
    const INFINITY: Self = f32::INFINITY;
    const NAN: Self = f32::NAN;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x as f32
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self as f64
    }

    #[inline(always)]
    fn from_usize(n: usize) -> Self {
        n as f32
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        u64::from(self.to_bits())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f32::abs(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn floor(self) -> Self {
        f32::floor(self)
    }

    #[inline(always)]
    fn sign(self) -> Self {
        if self > 0.0 {
            1.0
        } else if self < 0.0 {
            -1.0
        } else {
            self * 0.0
        }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        if self > other || self.is_nan() { self } else { other }
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        if self < other || self.is_nan() { self } else { other }
    }

    #[inline(always)]
    fn is_finite(self) -> bool {
        f32::is_finite(self)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f32::is_nan(self)
    }

    #[inline]
    fn powi(self, n: i32) -> Self {
        f32::powi(self, n)
    }

    #[inline]
    fn powf(self, y: Self) -> Self {
        f32::powf(self, y)
    }

    #[inline(always)]
    fn exp(self) -> Self {
        elementary::exp(self)
    }

    #[inline(always)]
    fn exp_nonpositive(self) -> Self {
        elementary::exp_nonpositive(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        elementary::ln(self)
    }

    #[inline(always)]
    fn ln_1p(self) -> Self {
        elementary::ln_1p(self)
    }

    #[inline(always)]
    fn ln_1p_unit(self) -> Self {
        elementary::ln_1p_unit(self)
    }

    #[inline(always)]
    fn exp_m1(self) -> Self {
        elementary::exp_m1(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        elementary::tanh(self)
    }

    #[inline(always)]
    fn sigmoid(self) -> Self {
        elementary::sigmoid(self)
    }

    #[inline(always)]
    fn erf(self) -> Self {
        elementary::erf(self)
    }

    #[inline(always)]
    fn standard_normal(word: u32) -> Self {
        normal::of_word_single(word)
    }
}

impl Format for f32 {
    const SHIFT: Self = 12582912.0;
    const BIASED_SHIFT: Self = 12583039.0;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2_HIGH: Self = 355.0 / 512.0;
    const LN_2_LOW: Self = -0.00021219444;
    const EXP_MAX: Self = 88.722_83;
    const EXP_NORMAL: Self = -86.0;
    const EXP_FLUSH: Self = -87.336_54;
    const EXP_ZERO: Self = -104.0;
    const EXP_M1_MIN: Self = -18.0;
    const EXP_M1_TINY: Self = 1e-8;
    const TANH_MAX: Self = 9.1;
    const ERF_MAX: Self = 4.0;
    const HALF: Self = 0.5;
    const TWO: Self = 2.0;
    const SQRT_2_M1: Self = std::f32::consts::SQRT_2 - 1.0;
    const LIFT: Self = 64.0;
    const LOWER: Self = 1.0 / 18446744073709551616.0;

    #[inline(always)]
    fn exp_tail(r: Self) -> Self {
        polynomial(r, EXP)
    }

    #[inline(always)]
    fn exp_tail_short(r: Self, square: Self) -> Self {
        polynomial_split(r, square, EXP_SHORT)
    }

    #[inline(always)]
    fn ln_tail(f: Self) -> Self {
        f * f * f * polynomial(f, LN)
    }

    #[inline(always)]
    fn ln_tail_split(f: Self) -> Self {
        let square = f * f;
        f * square * polynomial_split(f, square, LN)
    }

    #[inline(always)]
    fn erf_small(square: Self) -> Self {
        polynomial(square, ERF_SMALL)
    }

    #[inline(always)]
    fn erf_large(t: Self) -> Self {
        polynomial(t, ERF_LARGE)
    }

    #[inline(always)]
    fn scale(self, shifted: Self) -> Self {
        f32::from_bits(self.to_bits().wrapping_add(shifted.to_bits() << 23))
    }

    #[inline(always)]
    fn power_of_two(biased: Self) -> Self {
        f32::from_bits(biased.to_bits() << 23)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // The bits of √½ are subtracted, so that the exponent field counts from √½ instead of from 1.
        let distance = self.to_bits().wrapping_sub(SQRT_HALF);
        let m = f32::from_bits((distance & 0x007f_ffff).wrapping_add(SQRT_HALF));
        (m, (distance.cast_signed() >> 23) as f32)
    }

    #[inline(always)]
    fn with_sign_of(self, sign: Self) -> Self {
        self.copysign(sign)
    }
}
