//! Accuracy of the elementary functions in units in the last place, and their limits.

use nn_core::Real;

/// One elementary function: its name, itself, a reference in `f64`, and the largest error in ULP that its
/// documentation states for `f32` and for `f64`.
struct Function {
    name: &'static str,
    single: fn(f32) -> f32,
    double: fn(f64) -> f64,
    reference: fn(f64) -> f64,
    bounds: (f64, f64),
}

fn functions() -> [Function; 7] {
    let f = |name, single, double, reference, bounds| Function { name, single, double, reference, bounds };
    [
        f("exp", <f32 as Real>::exp, <f64 as Real>::exp, f64::exp, (1.0, 1.0)),
        f("ln", <f32 as Real>::ln, <f64 as Real>::ln, f64::ln, (1.0, 1.0)),
        f("ln_1p", <f32 as Real>::ln_1p, <f64 as Real>::ln_1p, f64::ln_1p, (1.0, 1.0)),
        f("exp_m1", <f32 as Real>::exp_m1, <f64 as Real>::exp_m1, f64::exp_m1, (1.5, 2.0)),
        f("tanh", <f32 as Real>::tanh, <f64 as Real>::tanh, f64::tanh, (2.5, 2.5)),
        f("sigmoid", <f32 as Real>::sigmoid, <f64 as Real>::sigmoid, logistic, (2.5, 2.0)),
        // `f64::erf` of the standard library is not stable; ours is held to high precision below.
        f("erf", <f32 as Real>::erf, <f64 as Real>::erf, <f64 as Real>::erf, (1.5, 1.5)),
    ]
}

fn logistic(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The error of `y`, whose exact value is `exact`, in units in the last place of `f32`.
fn ulp_single(y: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if y == nearest || (y.is_nan() && nearest.is_nan()) {
        return 0.0;
    }
    if y.is_nan() || exact.is_nan() {
        return f64::INFINITY;
    }
    let unit =
        f64::from(nearest.abs().max(f32::MIN_POSITIVE).next_up() - nearest.abs().max(f32::MIN_POSITIVE));
    (f64::from(y) - exact).abs() / unit
}

/// The error of `y`, whose exact value is `nearest` and `off` units in the last place.
fn ulp_double(y: f64, nearest: f64, off: f64) -> f64 {
    if y.is_nan() || y.is_sign_negative() != nearest.is_sign_negative() {
        return f64::INFINITY;
    }
    let steps = i128::from(y.to_bits()) - i128::from(nearest.to_bits());
    (steps as f64 - if nearest < 0.0 { -off } else { off }).abs()
}

/// The points of `data/math_f64.txt` of one function: x, the nearest number to f(x), and what is missing in ULP.
fn points(text: &'static str, name: &str) -> Vec<(f64, f64, f64)> {
    let number = |field: &str| f64::from_bits(u64::from_str_radix(field, 16).unwrap());
    text.lines()
        .skip_while(|line| *line != name)
        .skip(1)
        .map_while(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [x, y, off] => Some((number(x), number(y), off.parse::<f64>().unwrap() / 100.0)),
            _ => None,
        })
        .collect()
}

#[test]
fn single_precision_against_double() {
    for f in functions() {
        let mut worst = (0.0, 0.0f32);
        for bits in (0..=u32::MAX).step_by(997) {
            let x = f32::from_bits(bits);
            let error = ulp_single((f.single)(x), (f.reference)(f64::from(x)));
            if error > worst.0 {
                worst = (error, x);
            }
        }
        println!("f32 {}: {:.3} ULP at {:e}", f.name, worst.0, worst.1);
        assert!(worst.0 <= f.bounds.0, "{} is {} ULP off at {:e}", f.name, worst.0, worst.1);
    }
}

#[test]
fn double_precision_against_sixty_digits() {
    let text = include_str!("data/math_f64.txt");
    for f in functions() {
        let points = points(text, f.name);
        assert_eq!(points.len(), 200, "{}", f.name);
        let mut worst = (0.0, 0.0);
        for (x, y, off) in points {
            let error = ulp_double((f.double)(x), y, off);
            if error > worst.0 {
                worst = (error, x);
            }
        }
        println!("f64 {}: {:.3} ULP at {:e}", f.name, worst.0, worst.1);
        assert!(worst.0 <= f.bounds.1, "{} is {} ULP off at {:e}", f.name, worst.0, worst.1);
    }
}

/// A function that keeps its promise on part of the line: itself, the reference, its name in the table of points, the
/// part, and the largest error in ULP that its documentation states.
type Part<F> = (fn(F) -> F, fn(f64) -> f64, &'static str, [F; 2], f64);

#[test]
fn functions_of_part_of_the_line() {
    let single: [Part<f32>; 2] = [
        (Real::exp_nonpositive, f64::exp, "exp", [-87.336, 0.0], 1.1),
        (Real::ln_1p_unit, f64::ln_1p, "ln_1p", [0.0, 1.0], 1.5),
    ];
    for (f, reference, name, [low, high], bound) in single {
        let inside = (0..=u32::MAX).step_by(97).map(f32::from_bits).filter(|x| (low..=high).contains(x));
        let errors = inside.chain([low, high]).map(|x| (ulp_single(f(x), reference(f64::from(x))), x));
        let worst = errors.fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
        println!("f32 {name} on [{low}, {high}]: {:.3} ULP at {:e}", worst.0, worst.1);
        assert!(worst.0 <= bound, "{name} is {} ULP off at {:e}", worst.0, worst.1);
    }
    let double: [Part<f64>; 2] = [
        (Real::exp_nonpositive, f64::exp, "exp", [-708.3, 0.0], 1.0),
        (Real::ln_1p_unit, f64::ln_1p, "ln_1p", [0.0, 1.0], 1.5),
    ];
    let text = include_str!("data/math_f64.txt");
    for (f, reference, name, [low, high], bound) in double {
        let points: Vec<_> = points(text, name).into_iter().filter(|p| (low..=high).contains(&p.0)).collect();
        assert!(points.len() > 20, "{name}");
        for (x, y, off) in points {
            let error = ulp_double(f(x), y, off);
            assert!(error <= bound, "{name} is {error} ULP off at {x:e}");
        }
        for i in 0..=1 << 20 {
            let x = low + (high - low) * f64::from(i) / f64::from(1 << 20);
            let error = ulp_double(f(x), reference(x), 0.0);
            assert!(error <= bound + 1.0, "{name} is {error} ULP off the standard library at {x:e}");
        }
    }
}

/// Below the least normal number, e^x of a non-positive x falls to 0 and stays there; NaN stays NaN, whatever its bits.
#[test]
fn the_fast_exponential_ends_in_zero() {
    fn ends<F: Real>(least_normal: f64, nans: impl Iterator<Item = F>) {
        for i in 0..10_000 {
            let x = F::from_f64(least_normal * (1.0 + f64::from(i) / 1000.0));
            assert_eq!(x.exp_nonpositive(), F::zero(), "{x:e}");
        }
        assert_eq!([-F::INFINITY, -F::MAX].map(F::exp_nonpositive), [F::zero(); 2]);
        assert_eq!([F::zero(), -F::zero()].map(F::exp_nonpositive), [F::one(); 2]);
        assert_eq!(F::zero().ln_1p_unit().bits(), F::zero().bits());
        for nan in nans {
            assert!(nan.exp_nonpositive().is_nan() && nan.ln_1p_unit().is_nan());
        }
    }
    let payloads = || (1..1 << 22).step_by(511);
    ends(-87.336_56, payloads().map(|p| f32::from_bits(0x7f80_0000 | p)));
    ends(-708.396_42, payloads().map(|p| f64::from_bits(0xfff0_0000_0000_0000 | u64::from(p) << 20 | 1)));
}

/// A dense sweep, since a wrong exponent or constant may show on a small part of the range only. The standard
/// library is itself up to an ULP off.
#[test]
fn double_precision_against_the_standard_library() {
    for f in functions() {
        for bits in (0..=u64::MAX).step_by(1 << 42) {
            let x = f64::from_bits(bits ^ bits >> 23);
            let (y, expected) = ((f.double)(x), (f.reference)(x));
            let error = if y.is_nan() && expected.is_nan() { 0.0 } else { ulp_double(y, expected, 0.0) };
            assert!(error <= f.bounds.1 + 2.0, "{}({x:e}) is {y:e}, expected {expected:e}", f.name);
        }
    }
}

/// A function, and pairs of x and the exact f(x).
type Limits<'a, F> = (&'a str, fn(F) -> F, &'a [(F, F)]);

fn limits<F: Real>(max_exp: F, past_exp: F) {
    let (zero, one, inf, nan) = (F::zero(), F::one(), F::INFINITY, F::NAN);
    let half = F::from_f64(0.5);
    let least = F::MIN_POSITIVE * F::EPSILON;
    let table: [Limits<'_, F>; 7] = [
        (
            "exp",
            F::exp,
            &[
                (-inf, zero),
                (inf, inf),
                (zero, one),
                (-zero, one),
                (past_exp, inf),
                (F::MAX, inf),
                (-F::MAX, zero),
            ],
        ),
        (
            "ln",
            F::ln,
            &[(zero, -inf), (-zero, -inf), (inf, inf), (one, zero), (-one, nan), (-inf, nan), (-least, nan)],
        ),
        (
            "ln_1p",
            F::ln_1p,
            &[
                (-one, -inf),
                (inf, inf),
                (zero, zero),
                (-zero, -zero),
                (least, least),
                (-least, -least),
                (-inf, nan),
                (-F::MAX, nan),
            ],
        ),
        (
            "exp_m1",
            F::exp_m1,
            &[
                (-inf, -one),
                (inf, inf),
                (zero, zero),
                (-zero, -zero),
                (least, least),
                (-least, -least),
                (past_exp, inf),
                (-F::MAX, -one),
            ],
        ),
        (
            "tanh",
            F::tanh,
            &[
                (-inf, -one),
                (inf, one),
                (zero, zero),
                (-zero, -zero),
                (least, least),
                (F::MAX, one),
                (-F::MAX, -one),
            ],
        ),
        (
            "sigmoid",
            F::sigmoid,
            &[(-inf, zero), (inf, one), (zero, half), (-zero, half), (F::MAX, one), (-F::MAX, zero)],
        ),
        (
            "erf",
            F::erf,
            &[
                (-inf, -one),
                (inf, one),
                (zero, zero),
                (-zero, -zero),
                (least, least),
                (F::MAX, one),
                (-F::MAX, -one),
            ],
        ),
    ];
    for (name, f, cases) in table {
        assert!(f(nan).is_nan(), "{name}(NaN)");
        assert!(f(-nan).is_nan(), "{name}(-NaN)");
        for &(x, y) in cases {
            let same = f(x).bits() == y.bits() || (f(x).is_nan() && y.is_nan());
            assert!(same, "{} {name}({x:e}) is {:e}, expected {y:e}", F::NAME, f(x));
        }
    }
    assert!(max_exp.exp().is_finite() && max_exp.exp_m1().is_finite());
}

#[test]
fn limits_are_exact() {
    let (x, y) = (88.722_83f32, 709.782712893384f64);
    limits(x, x.next_up());
    limits(y, y.next_up());
}

#[test]
fn a_payload_stays_not_a_number() {
    for f in functions() {
        for payload in 1..2000u32 {
            assert!((f.single)(f32::from_bits(0x7f80_0000 | payload)).is_nan(), "{}", f.name);
            assert!(
                (f.double)(f64::from_bits(0xfff0_0000_0000_0000 | u64::from(payload))).is_nan(),
                "{}",
                f.name
            );
        }
    }
}
