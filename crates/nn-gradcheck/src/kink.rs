//! Kinks: where the derivatives from the left and from the right differ.

use crate::numeric::{ROUNDING, Stencil};

/// An element at which the cost has a kink, such as the weight that puts a ReLU at zero.
///
/// There is no derivative at a kink, only one from either side; an analytic gradient that lies between them (a
/// subgradient) is not a bug.
#[derive(Clone, Debug, PartialEq)]
pub struct Kink {
    /// Its place in the parameter, one number per axis.
    pub index: Vec<usize>,
    /// The difference quotient to the left.
    pub left: f64,
    /// The difference quotient to the right.
    pub right: f64,
    /// The analytic gradient.
    pub analytic: f64,
}

/// The difference quotients to the left and to the right of `x` when these show a kink within reach of the stencil
/// and `analytic` lies between them.
///
/// In a smooth function the two differ by h·f″, which grows with the step h; at a kink they differ by the same at
/// every step. So a difference that grows less than 2.5 times when the step grows 4 times is one.
pub(crate) fn kink(
    stencil: Stencil,
    x: f64,
    analytic: f64,
    difference: &mut dyn FnMut(f64, f64) -> (f64, f64),
) -> Option<(f64, f64)> {
    let step = (2.0 * stencil.reach(x)).max(1e-6 * x.abs().max(1.0));
    let (left, right, noise) = sides(x, step, difference);
    let (left_far, right_far, _) = sides(x, 4.0 * step, difference);
    let (jump, jump_far) = (right - left, right_far - left_far);
    let is_kink = jump.abs() > 10.0 * noise && jump_far.abs() < 2.5 * jump.abs() && jump * jump_far > 0.0;
    let slack = (jump_far - jump).abs() + 2.0 * noise + 1e-6 * left.abs().max(right.abs());
    let between = left.min(right) - slack <= analytic && analytic <= left.max(right) + slack;
    (is_kink && between).then_some((left, right))
}

/// The quotients to either side, and how much of their difference may be rounding.
fn sides(x: f64, step: f64, difference: &mut dyn FnMut(f64, f64) -> (f64, f64)) -> (f64, f64, f64) {
    let (rise, high) = difference(x + step, x);
    let (fall, low) = difference(x, x - step);
    (fall / step, rise / step, ROUNDING * (high + low) / step)
}

#[cfg(test)]
mod tests {
    use super::kink;
    use crate::numeric::Stencil;

    fn sides(f: fn(f64) -> f64, x: f64, analytic: f64, stencil: Stencil) -> Option<(f64, f64)> {
        kink(stencil, x, analytic, &mut |a, b| (f(a) - f(b), f(a).abs() + f(b).abs()))
    }

    #[test]
    fn kinks_are_told_from_curvature() {
        let relu: fn(f64) -> f64 = |x| x.max(0.0);
        type Case = (fn(f64) -> f64, f64, f64, bool);
        let table: [Case; 11] = [
            (relu, 0.0, 0.0, true),
            (relu, 0.0, 1.0, true),
            (relu, 0.0, 0.3, true),
            (relu, 0.0, 1.5, false),
            (relu, 0.0, -1.0, false),
            (relu, 3e-8, 1.0, true),
            (relu, -3e-8, 0.0, true),
            (relu, 0.5, 0.0, false),
            (|x| 3.0 + x.abs() + x.exp(), 0.0, 0.0, true),
            (|x| (5.0 * x).exp(), 1.0, 0.0, false),
            (|x| 100.0 * x * x, 0.0, 1.0, false),
        ];
        for (i, (f, x, analytic, expected)) in table.into_iter().enumerate() {
            let found = sides(f, x, analytic, Stencil::central(1e-7).unwrap());
            assert_eq!(found.is_some(), expected, "case {i}: {found:?}");
        }
        for stencil in
            [Stencil::five_point(1e-3).unwrap(), Stencil::forward(1e-8).unwrap(), Stencil::Automatic]
        {
            let (left, right) = sides(relu, 0.0, 0.0, stencil).unwrap();
            assert_eq!((left, right), (0.0, 1.0), "{stencil:?}");
            assert_eq!(sides(f64::sin, 0.7, 1.0, stencil), None, "{stencil:?}");
        }
    }

    #[test]
    fn what_is_not_finite_is_no_kink() {
        assert_eq!(sides(|x| 1.0 / x, 0.0, 0.0, Stencil::Automatic), None);
        assert_eq!(sides(|x| x.max(0.0), 0.0, f64::NAN, Stencil::Automatic), None);
    }
}
