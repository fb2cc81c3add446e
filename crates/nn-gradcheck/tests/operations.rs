//! The check of operations finds the errors that operations have.

use ndarray::{ArrayD, IxDyn, Zip};
use nn_core::{Grad, Io, Memory, Mode, Op, Outline, Real, ShapeError, Step, View, ViewMut};
use nn_gradcheck::properties::{Case, binary, check_operation, prove, prove_function};
use nn_gradcheck::strategies::{Laid, Layout, laid, shapes, within};
use nn_gradcheck::{GradCheck, Verdict};
use proptest::prelude::*;

/// The product of two arrays of one shape, and what may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Product {
    Right,
    TwiceTooLarge,
    Sign,
    IgnoresAccumulate,
    AlwaysAccumulates,
    NeedsBothGradients,
    ForgetsToDeclareInput,
    AssumesContiguous,
    NotLinear,
    ReadsScratch,
    LeavesOutputUnwritten,
    InaccurateInSingle,
}

impl<F: Real> Op<F> for Product {
    fn name(&self) -> &'static str {
        "product"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = Outline::new(inputs[0], 2).scratch(1);
        let forgets = *self == Product::ForgetsToDeclareInput;
        Ok(outline.reads_inputs(if forgets { &[0] } else { &[0, 1] }))
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, memory: Memory<'_, F>) {
        if *self == Product::AssumesContiguous {
            let elements = (0..output.len()).map(|i| {
                let at = |x: &View<'_, F>| x.as_slice_memory_order().map_or(F::zero(), |x| x[i]);
                at(&inputs[0]) * at(&inputs[1])
            });
            output.iter_mut().zip(elements.collect::<Vec<_>>()).for_each(|(y, x)| *y = x);
            return;
        }
        let scratch = if *self == Product::ReadsScratch { memory.scratch[0] } else { F::zero() };
        let single = *self == Product::InaccurateInSingle && F::NAME == "f32";
        let factor = F::from_f64(if single { 1.001 } else { 1.0 });
        let first = usize::from(*self == Product::LeavesOutputUnwritten);
        let products = inputs[0].iter().zip(&inputs[1]).map(|(&a, &b)| factor * a * b + scratch);
        output.iter_mut().zip(products).skip(first).for_each(|(y, product)| *y = product);
    }

    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        if *self == Product::NeedsBothGradients && d_inputs.iter().any(|d| !d.is_needed()) {
            for d in d_inputs {
                if let Some((mut target, _)) = d.target() {
                    target.fill(F::zero());
                }
            }
            return;
        }
        let factor = match self {
            Product::TwiceTooLarge => 2.0,
            Product::Sign => -1.0,
            _ => 1.0,
        };
        for (i, d) in d_inputs.iter_mut().enumerate() {
            let Some((mut target, accumulate)) = d.target() else { continue };
            let add = match self {
                Product::IgnoresAccumulate => false,
                Product::AlwaysAccumulates => true,
                _ => accumulate,
            };
            Zip::from(&mut target).and(&d_output).and(&io.input(1 - i)).for_each(|t, &dy, &x| {
                let dy = if *self == Product::NotLinear { dy * dy } else { dy };
                let gradient = F::from_f64(factor) * dy * x;
                *t = if add { *t + gradient } else { gradient };
            });
        }
    }
}

fn inputs(layout: Layout) -> Vec<Laid> {
    let a = ArrayD::from_shape_fn(IxDyn(&[2, 3]), |i| 0.5 + i[0] as f64 - 0.3 * i[1] as f64);
    let b = a.mapv(|x| 1.0 / (x + 2.0));
    vec![Laid::new(a.view(), layout), Laid::new(b.view(), Layout::C)]
}

#[test]
fn the_right_product_is_sound() {
    let inputs = inputs(Layout::Reversed);
    let views: Vec<_> = inputs.iter().map(Laid::view).collect();
    let report = GradCheck::new().check_op(&Product::Right, &Step::default(), &views, &[]).unwrap();
    report.assert_sound();
    assert!(report.relative_error() < 1e-11, "{report}");
    let report = GradCheck::new().check_op(&Product::Right, &Step::default(), &views, &[0]).unwrap();
    assert_eq!(report.rows().iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["input 1"]);
}

#[test]
fn wrong_gradients_are_wrong() {
    let inputs = inputs(Layout::C);
    let views: Vec<_> = inputs.iter().map(Laid::view).collect();
    for bad in [Product::TwiceTooLarge, Product::Sign, Product::NotLinear] {
        let report = GradCheck::new().check_op(&bad, &Step::default(), &views, &[]).unwrap();
        assert_eq!(report.verdict(), Verdict::Wrong, "{bad:?}");
    }
}

#[test]
fn each_property_catches_its_error() {
    let check = |op: Product| {
        let case = Case::new(op, inputs(Layout::Strided));
        check_operation(&case.layouts(Layout::Padded, Layout::Fortran, Layout::Rotated))
    };
    let error = check(Product::Right).unwrap().unwrap();
    assert!(error < 1e-11, "{error:e}");
    for (op, reason) in [
        (Product::TwiceTooLarge, "the gradient is not that of differences"),
        (Product::Sign, "the gradient is not that of differences"),
        (Product::IgnoresAccumulate, "accumulated gradient of input 0"),
        (Product::AlwaysAccumulates, "memory that holds other rubbish: gradient of input 0"),
        (Product::NeedsBothGradients, "skipping the gradient of input 0: gradient of input 1"),
        (Product::AssumesContiguous, "other memory layouts: output"),
        (Product::NotLinear, "linearity of the gradient of input 0"),
        (Product::ReadsScratch, "memory that holds other rubbish: output"),
        (Product::LeavesOutputUnwritten, "memory that holds other rubbish: output"),
        (Product::InaccurateInSingle, "the output in f32"),
    ] {
        let message = check(op).unwrap_err().to_string();
        assert!(message.contains(reason), "{op:?}: {message}");
    }
}

#[test]
#[should_panic(expected = "backward reads input 1, which its outline does not declare")]
fn an_undeclared_input_is_not_there() {
    let _ = check_operation(&Case::new(Product::ForgetsToDeclareInput, inputs(Layout::C)));
}

fn cases(op: Product) -> impl Strategy<Value = Case> {
    let two = |shape: Vec<usize>| (laid(within(shape.clone(), -2.0, 2.0)), laid(within(shape, -2.0, 2.0)));
    shapes(0..=3, 4).prop_flat_map(two).prop_map(move |(a, b)| Case::new(op, vec![a, b]))
}

#[test]
fn proving() {
    let proof = prove("product", cases(Product::Right));
    assert!(proof.cases > 200 && proof.median < 1e-11 && proof.largest < 1e-9, "{proof}");
}

#[test]
#[should_panic(expected = "product: the gradient is not that of differences")]
fn proving_fails_for_what_is_wrong() {
    let _ = prove("product", cases(Product::Sign));
}

#[test]
fn proving_in_one_line() {
    prove("product", binary(|| Product::Right));
}

#[test]
#[should_panic(expected = "input 0: it is 2 times the right gradient")]
fn a_failed_proof_says_what_is_suspected() {
    let _ = prove("product", binary(|| Product::TwiceTooLarge));
}

/// y = x·s with a running statistic s, which training moves half-way to the mean of x; and what may be wrong with it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scaled {
    Right,
    DoesNotSayThatItMoves,
    MovesByTheGradientToo,
    IgnoresAccumulate,
    MovesInEvaluation,
}

impl<F: Real> Op<F> for Scaled {
    fn name(&self) -> &'static str {
        "scaled"
    }

    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let outline = Outline::new(inputs[0], 2).reads_inputs(&[0, 1]);
        Ok(if *self == Scaled::DoesNotSayThatItMoves { outline } else { outline.moves(&[1]) })
    }

    fn forward(&self, _: &Step, inputs: &[View<'_, F>], mut output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let scale = inputs[1].sum();
        output.zip_mut_with(&inputs[0], |y, &x| *y = scale * x);
    }

    fn backward(
        &self,
        step: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        d_output: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let scale = io.input(1).sum();
        if let Some((mut dx, accumulate)) = d_inputs[0].target() {
            dx.zip_mut_with(&d_output, |dx, &dy| *dx = scale * dy + if accumulate { *dx } else { F::zero() });
        }
        if let Some((mut change, accumulate)) = d_inputs[1].target() {
            let x = io.input(0);
            let mean = x.sum() / F::from_usize(x.len());
            let mut moved = F::from_f64(0.5) * (scale - mean);
            if step.mode == Mode::Eval && *self != Scaled::MovesInEvaluation {
                moved = F::zero();
            }
            if *self == Scaled::MovesByTheGradientToo {
                moved += d_output.sum();
            }
            let present = accumulate && *self != Scaled::IgnoresAccumulate;
            change.mapv_inplace(|x| moved + if present { x } else { F::zero() });
        }
    }
}

#[test]
fn of_running_statistics_no_derivative_is_demanded_but_all_else_is() {
    let scale = Laid::filled(&[], 0.9, Layout::C);
    let check = |op: Scaled, mode| {
        let inputs = vec![inputs(Layout::Strided).swap_remove(0), scale.clone()];
        let case = Case::new(op, inputs).step(Step { mode, ..Step::default() });
        check_operation(&if mode == Mode::Eval { case.constant(&[1]) } else { case })
    };
    for mode in [Mode::Train, Mode::Eval] {
        assert!(check(Scaled::Right, mode).unwrap().unwrap() < 1e-11);
    }
    for (op, mode, reason) in [
        (Scaled::DoesNotSayThatItMoves, Mode::Train, "linearity of the gradient of input 1"),
        (Scaled::MovesByTheGradientToo, Mode::Train, "the change of running statistic 1"),
        (Scaled::IgnoresAccumulate, Mode::Train, "accumulated gradient of input 1"),
        (Scaled::MovesInEvaluation, Mode::Eval, "the gradient of constant input 1"),
    ] {
        let message = check(op, mode).unwrap_err().to_string();
        assert!(message.contains(reason), "{op:?}: {message}");
    }
    let inputs = [inputs(Layout::C).swap_remove(0), scale];
    let views: Vec<_> = inputs.iter().map(Laid::view).collect();
    let report = GradCheck::new().check_op(&Scaled::Right, &Step::default(), &views, &[]).unwrap();
    report.assert_sound();
    assert_eq!(report.rows().iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["input 0"]);
}

/// Vectors in any memory layout.
fn vectors() -> impl Strategy<Value = Vec<Laid>> {
    let two = |n: usize| (laid(within(vec![n], -2.0, 2.0)), laid(within(vec![n], -2.0, 2.0)));
    (0..6usize).prop_flat_map(two).prop_map(|(a, b)| vec![a, b])
}

/// The outer product of two vectors: its gradients are dy·b and dyᵀ·a.
fn outer(x: &[View<'_, f64>]) -> ArrayD<f64> {
    let (rows, columns) = (x[0].len(), x[1].len());
    ArrayD::from_shape_fn(IxDyn(&[rows, columns]), |i| x[0][i[0]] * x[1][i[1]])
}

fn outer_gradients(x: &[View<'_, f64>], dy: View<'_, f64>) -> Vec<ArrayD<f64>> {
    let mut gradients: Vec<ArrayD<f64>> = x.iter().map(|x| ArrayD::zeros(x.raw_dim())).collect();
    for (i, &d) in dy.indexed_iter() {
        gradients[0][i[0]] += d * x[1][i[1]];
        gradients[1][i[1]] += d * x[0][i[0]];
    }
    gradients
}

#[test]
fn functions_are_proven_too() {
    let proof = prove_function("outer", vectors(), outer, outer_gradients);
    assert!(proof.cases > 200 && proof.largest < 1e-9, "{proof}");
}

#[test]
fn each_property_of_functions_catches_its_error() {
    type Backward = fn(&[View<'_, f64>], View<'_, f64>) -> Vec<ArrayD<f64>>;
    let table: [(Backward, &str); 4] = [
        (|x, dy| outer_gradients(x, dy).iter().map(|g| -g).collect(), "input 0: it has the wrong sign"),
        (|x, dy| outer_gradients(x, dy.mapv(|d| d * d).view()), "linearity of the gradient of input 0"),
        (|x, dy| outer_gradients(x, dy)[..1].to_vec(), "their gradients [["),
        (
            |x, dy| {
                let rows = dy.shape()[0];
                let assumed = dy.as_slice_memory_order().map(<[f64]>::to_vec);
                let dy = assumed.map(|dy| ArrayD::from_shape_vec(IxDyn(&[rows, rows]), dy).unwrap());
                outer_gradients(x, dy.unwrap_or_else(|| ArrayD::zeros(IxDyn(&[rows, rows]))).view())
            },
            "other memory layouts: gradient of input 0",
        ),
    ];
    for (backward, reason) in table {
        let proof = std::panic::catch_unwind(|| prove_function("outer", vectors(), outer, backward));
        let panic = proof.expect_err(reason);
        let message = panic.downcast_ref::<String>().expect("a message");
        assert!(message.contains(reason), "{message}");
    }
}
