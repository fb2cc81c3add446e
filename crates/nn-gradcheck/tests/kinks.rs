//! A ReLU at zero is a kink and not a bug.

use ndarray::{Array1, Array2, array};
use nn_core::{Grad, Io, Memory, Op, Outline, Real, ShapeError, Step, View, ViewMut};
use nn_gradcheck::{GradCheck, Stencil, Suspicion, Verdict};

fn relu(x: f64) -> f64 {
    x.max(0.0)
}

/// Samples, and weights that put the first sample's unit at zero exactly.
fn unit() -> (Array2<f64>, Array1<f64>) {
    (array![[1.0, 2.0], [0.5, -0.75], [1.5, 1.0]], array![0.5, -0.25])
}

/// J = Σ relu(x·w)², smooth, or without the square, not.
fn gradient(x: &Array2<f64>, w: &Array1<f64>, at_zero: f64) -> Array1<f64> {
    let slope = |z: f64| {
        if z > 0.0 {
            1.0
        } else if z == 0.0 {
            at_zero
        } else {
            0.0
        }
    };
    x.t().dot(&x.dot(w).mapv(slope))
}

#[test]
fn a_relu_at_zero_is_a_kink() {
    let (x, w) = unit();
    for stencil in [Stencil::central(1e-7).unwrap(), Stencil::five_point(1e-3).unwrap(), Stencil::Automatic] {
        // Any subgradient is as good as any other.
        for at_zero in [0.0, 0.25, 1.0] {
            let dw = gradient(&x, &w, at_zero);
            let check = GradCheck::new().stencil(stencil);
            let report = check.check_array("w", &w, &dw, |w| x.dot(&w).mapv(relu).sum());
            report.assert_sound();
            assert_eq!(report.rows()[0].kinks.len(), 2, "{stencil:?}: {report}");
            let table = report.to_string();
            assert!(
                table.contains(" kink\n") && table.contains("\nw: kinks, not bugs, at [0]: slope"),
                "{table}"
            );
        }
    }
}

#[test]
fn a_wrong_gradient_at_a_kink_is_still_wrong() {
    let (x, w) = unit();
    let dw = 2.0 * gradient(&x, &w, 1.0);
    let report = GradCheck::new().check_array("w", &w, &dw, |w| x.dot(&w).mapv(relu).sum());
    assert_eq!((report.verdict(), report.rows()[0].kinks.len()), (Verdict::Wrong, 0), "{report}");
}

#[test]
fn a_kink_does_not_hide_a_bug_elsewhere() {
    let theta = [0.0, 1.0, -2.0];
    let cost = |t: &[f64]| relu(t[0]) + t[1] * t[1] + t[2].powi(3);
    let report = GradCheck::new().check_fn(cost, &theta, &[0.0, 4.0, 24.0]);
    let row = &report.rows()[0];
    assert_eq!((row.verdict, row.kinks[0].index.as_slice()), (Verdict::Wrong, &[0][..]));
    let kink = &row.kinks[0];
    assert!(kink.left.abs() < 1e-8 && (kink.right - 1.0).abs() < 1e-8 && kink.analytic == 0.0);
    // The error is recognised although the kink hides one element of it.
    assert!(
        matches!(row.suspicion, Some(Suspicion::Factor { factor, .. }) if (factor - 2.0).abs() < 1e-6),
        "{report}"
    );
    assert_eq!(row.worst.as_ref().unwrap().index, [2]);
}

#[test]
fn a_maximum_of_equal_numbers_is_a_kink() {
    let cost = |t: &[f64]| t.iter().copied().fold(f64::MIN, f64::max) + t[0];
    let report = GradCheck::new().check_fn(cost, &[1.0, 1.0], &[2.0, 0.0]);
    report.assert_sound();
    assert_eq!(report.rows()[0].kinks.len(), 2);
}

#[derive(Debug)]
struct Absolute;

impl<F: Real> Op<F> for Absolute {
    fn name(&self) -> &'static str {
        "absolute"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(inputs[0], 1).reads_inputs(&[0]))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, _: Memory<'_, F>) {
        output.zip_mut_with(&inputs[0], |y, &x| *y = x.abs());
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let Some((mut target, accumulate)) = d_inputs[0].target() else { return };
        if !accumulate {
            target.fill(F::zero());
        }
        let slope = io.input(0).mapv(|x| if x < F::zero() { -F::one() } else { F::one() });
        target += &(slope * d_output);
    }
}

#[test]
fn operations_have_kinks_too() {
    let x = array![0.5, 0.0, -1.0].into_dyn();
    let report = GradCheck::new().check_op(&Absolute, &Step::default(), &[x.view()], &[]).unwrap();
    report.assert_sound();
    assert_eq!(report.rows()[0].kinks[0].index, [1]);
}
