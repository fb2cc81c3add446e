//! `f64`.

use super::elementary::{self, Format, polynomial, polynomial_split};
use super::{Real, normal};

/// The bits of √½.
const SQRT_HALF: u64 = 0x3fe6_a09e_667f_3bcd;
/// 2⁵².
const TWO_52: f64 = 4503599627370496.0;
/// Coefficients of (eʳ − 1 − r)/r².
const EXP: [f64; 11] = [
    0.5,
    0.1666666666666667,
    0.041666666666666685,
    0.008333333333326134,
    0.0013888888888874409,
    0.00019841269874821657,
    2.480158734731142e-5,
    2.755725539913555e-6,
    2.7557252942598964e-7,
    2.5105217368864027e-8,
    2.0921578145226033e-9,
];
/// Coefficients of (eʳ − 1 − r)/r², fewer, for `exp_nonpositive`.
const EXP_SHORT: [f64; 10] = [
    0.5000000000000001,
    0.16666666666666674,
    0.04166666666662412,
    0.008333333333322215,
    0.0013888888917214907,
    0.00019841269886560522,
    2.4801521294555535e-5,
    2.7557242375794526e-6,
    2.7620088956413373e-7,
    2.5110033494829413e-8,
];
/// Coefficients of (ln((1 + s)/(1 − s)) − 2s)/s³, in s².
const LN: [f64; 7] = [
    0.666666666666667,
    0.39999999999898506,
    0.2857142862637176,
    0.22222211077356488,
    0.18182892888110683,
    0.15331607985676352,
    0.14617736113689472,
];
/// Coefficients of erf(x)/x − 1, in x².
const ERF_SMALL: [f64; 12] = [
    0.12837916709551256,
    -0.3761263890318355,
    0.11283791670945251,
    -0.026866170643275948,
    0.005223977607421783,
    -0.0008548325989637971,
    0.00012055295319290478,
    -1.4924744649230197e-5,
    1.6447517598529282e-6,
    -1.6209175924119628e-7,
    1.3722978623257976e-8,
    -7.801196985792455e-10,
];
/// Coefficients of −ln(1 − erf(2 + t)).
const ERF_LARGE: [f64; 18] = [
    5.364941264616636,
    4.418160805994413,
    0.9237508418239426,
    0.016465118137390287,
    -0.0035707563478113735,
    0.0007323993779914027,
    -0.0001353093308083976,
    2.0706470481584465e-5,
    -1.9521868631240217e-6,
    -2.0372696326638695e-7,
    1.7317171452754623e-7,
    -5.769641964417437e-8,
    1.3989981495666345e-8,
    -2.6094893244276353e-9,
    2.5687714979422343e-10,
    7.153177344123694e-11,
    -3.6619917179114254e-11,
    4.864866146640238e-12,
];

impl Real for f64 {
    const NAME: &'static str = "f64";
    const EPSILON: Self = f64::EPSILON;
    const MAX: Self = f64::MAX;
    const MIN_POSITIVE: Self = f64::MIN_POSITIVE;
    const INFINITY: Self = f64::INFINITY;
    const NAN: Self = f64::NAN;

    #[inline(always)]
    fn from_f64(x: f64) -> Self {
        x
    }

    #[inline(always)]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline(always)]
    fn from_usize(n: usize) -> Self {
        n as f64
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        self.to_bits()
    }

    #[inline(always)]
    fn abs(self) -> Self {
        f64::abs(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn floor(self) -> Self {
        f64::floor(self)
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
        f64::is_finite(self)
    }

    #[inline(always)]
    fn is_nan(self) -> bool {
        f64::is_nan(self)
    }

    #[inline]
    fn powi(self, n: i32) -> Self {
        f64::powi(self, n)
    }

    #[inline]
    fn powf(self, y: Self) -> Self {
        f64::powf(self, y)
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
        normal::of_word_double(word)
    }
}

impl Format for f64 {
    const SHIFT: Self = 6755399441055744.0;
    const BIASED_SHIFT: Self = 6755399441056767.0;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2_HIGH: Self = 6.931_471_803_691_238e-1;
    const LN_2_LOW: Self = 1.908_214_929_270_587_7e-10;
    const EXP_MAX: Self = 709.782712893384;
    const EXP_NORMAL: Self = -708.0;
    const EXP_FLUSH: Self = -708.396_418_532_264;
    const EXP_ZERO: Self = -745.2;
    const EXP_M1_MIN: Self = -38.0;
    const EXP_M1_TINY: Self = 1e-17;
    const TANH_MAX: Self = 20.0;
    const ERF_MAX: Self = 6.0;
    const HALF: Self = 0.5;
    const TWO: Self = 2.0;
    const SQRT_2_M1: Self = std::f64::consts::SQRT_2 - 1.0;
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
        let s = f / (2.0 + f);
        let square = s * s;
        s * (0.5 * f * f + square * polynomial(square, LN))
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
        f64::from_bits(self.to_bits().wrapping_add(shifted.to_bits() << 52))
    }

    #[inline(always)]
    fn power_of_two(biased: Self) -> Self {
        f64::from_bits(biased.to_bits() << 52)
    }

    #[inline(always)]
    fn split(self) -> (Self, Self) {
        // The bits of √½ are subtracted, so that the exponent field counts from √½ instead of from 1. It is kept
        // positive by 1024 and made a number as the low bits of 2⁵².
        let distance = self.to_bits().wrapping_sub(SQRT_HALF);
        let m = f64::from_bits((distance & 0x000f_ffff_ffff_ffff).wrapping_add(SQRT_HALF));
        let e = distance.wrapping_add(1 << 62) >> 52;
        (m, f64::from_bits(e | TWO_52.to_bits()) - (TWO_52 + 1024.0))
    }

    #[inline(always)]
    fn with_sign_of(self, sign: Self) -> Self {
        self.copysign(sign)
    }
}
