//! Known values, invariants, memory layouts and refusals of the most used losses.

use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn, ShapeBuilder, Slice, array};
use nn_core::{Evaluated, Grad, Io, Memory, Op, Real, Step, View, evaluate};
use nn_loss::{BinaryCrossEntropyWithLogits, MeanSquaredError, Reduction, SoftmaxCrossEntropy};

const REDUCTIONS: [Reduction; 3] = [Reduction::Mean, Reduction::Sum, Reduction::None];

/// A loss with its two inputs.
type Case<F> = (Box<dyn Op<F>>, ArrayD<F>, ArrayD<F>);

/// The most used losses with a reduction, and inputs that suit them, larger than the blocks in which they work.
fn all<F: Real>(reduction: Reduction) -> Vec<Case<F>> {
    let wave = |shape: &[usize], scale: f64| {
        let mut i = 0.0;
        ArrayD::from_shape_simple_fn(IxDyn(shape), || {
            i += 1.0;
            F::from_f64(scale * f64::sin(i * i))
        })
    };
    let probabilities = wave(&[31, 3, 17], 1.0).mapv(|x| x * x);
    let classes = ArrayD::from_shape_fn(IxDyn(&[150]), |i| F::from_usize(i[0] * i[0] % 11));
    vec![
        (Box::new(SoftmaxCrossEntropy::new().reduction(reduction)), wave(&[150, 11], 4.0), classes),
        (
            Box::new(BinaryCrossEntropyWithLogits::new().reduction(reduction)),
            wave(&[31, 3, 17], 5.0),
            probabilities,
        ),
        (
            Box::new(MeanSquaredError::new().reduction(reduction)),
            wave(&[31, 3, 17], 2.0),
            wave(&[17, 3, 31], 1.0).into_shape_with_order(IxDyn(&[31, 3, 17])).unwrap(),
        ),
    ]
}

fn run<F: Real>(op: &dyn Op<F>, a: View<'_, F>, b: View<'_, F>) -> (ArrayD<F>, Vec<ArrayD<F>>) {
    let (step, inputs) = (Step::default(), [a, b]);
    let mut evaluated: Evaluated<F> = evaluate(op, &step, &inputs).unwrap();
    let mut k = 0;
    let d = evaluated.output.mapv(|_| {
        k += 1;
        F::from_usize(k % 5 + 1)
    });
    let gradients = evaluated.backward(op, &step, &inputs, d.view());
    (evaluated.output, gradients)
}

fn assert_close(a: f64, b: f64, tolerance: f64) {
    assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} is not {b}");
}

#[test]
fn softmax_cross_entropy_of_known_values() {
    // softmax(ln 1, ln 2, ln 5) = (1, 2, 5)/8.
    let logits = array![[1f64, 2.0, 5.0], [1.0, 2.0, 5.0]].ln() + array![[0.0], [7.0]];
    let classes = array![1.0, 2.0];
    let (first, second) = (4f64.ln(), 1.6f64.ln());
    let loss = SoftmaxCrossEntropy::new();
    let dz = array![[0.125, -0.75, 0.625], [0.125, 0.25, -0.375]];
    for (reduction, cost, weight) in [
        (Reduction::Mean, (first + second) / 2.0, 0.5),
        (Reduction::Sum, first + second, 1.0),
        (Reduction::None, first + second, 1.0),
    ] {
        let (got, gradient) = loss.clone().reduction(reduction).loss_and_gradient(&logits, &classes).unwrap();
        assert_close(got, cost, 1e-15);
        assert!((gradient - &dz * weight).iter().all(|e| e.abs() < 1e-15));
    }
    let each = loss.clone().reduction(Reduction::None).loss(&logits, &classes).unwrap();
    assert_eq!(each.shape(), [2]);
    assert_close(each[0], first, 1e-15);
    assert_close(each[1], second, 1e-15);
}

#[test]
fn long_rows_are_added_up_to_the_last_class() {
    for classes in [255, 256, 300, 1003, 5000] {
        let z = Array2::from_shape_fn((2, classes), |(i, j)| f64::sin((i + j * j) as f64));
        let t = array![0.0, (classes - 1) as f64];
        let e = z.mapv(f64::exp);
        let softmax = &e / &e.sum_axis(Axis(1)).insert_axis(Axis(1));
        let loss = SoftmaxCrossEntropy::new().reduction(Reduction::Sum);
        let (cost, dz) = loss.loss_and_gradient(&z, &t).unwrap();
        assert_close(cost, -(softmax[[0, 0]] * softmax[[1, classes - 1]]).ln(), 1e-14);
        let mut expected = softmax;
        expected[[0, 0]] -= 1.0;
        expected[[1, classes - 1]] -= 1.0;
        assert!((dz - expected).iter().all(|d| d.abs() < 1e-15), "{classes}");
        // The largest logit is found in the last place too.
        let mut far = Array2::zeros((1, classes));
        far[[0, classes - 1]] = 1e4;
        assert_eq!(loss.loss(&far, &array![0.0]).unwrap()[[]], 1e4, "{classes}");
    }
}

#[test]
fn binary_cross_entropy_of_known_values() {
    // σ(ln 3) = 3/4.
    let z = array![[0.0, 3f64.ln(), -3f64.ln()]];
    let t = array![[0.5, 1.0, 0.25]];
    let each = [2f64.ln(), (4.0f64 / 3.0).ln(), 4f64.ln() * 0.25 + (4.0f64 / 3.0).ln() * 0.75];
    let loss = BinaryCrossEntropyWithLogits::new();
    let (cost, dz) = loss.loss_and_gradient(&z, &t).unwrap();
    assert_close(cost, each.iter().sum::<f64>() / 3.0, 1e-15);
    assert!((dz * 3.0 - array![[0.0, -0.25, 0.0]]).iter().all(|e: &f64| e.abs() < 1e-15));
    let none = loss.clone().reduction(Reduction::None).loss(&z, &t).unwrap();
    assert_eq!(none.shape(), [1, 3]);
    none.iter().zip(each).for_each(|(&a, b)| assert_close(a, b, 1e-15));
}

#[test]
fn mean_squared_error_of_known_values() {
    let (y, t) = (array![[1.0, 2.0], [4.0, -1.0]], array![[0.0, 2.0], [1.0, 1.0]]);
    let (cost, dy) = MeanSquaredError::new().loss_and_gradient(&y, &t).unwrap();
    assert_eq!((cost, dy), (14.0 / 4.0, array![[0.5, 0.0], [1.5, -1.0]]));
    let (cost, dy) = MeanSquaredError::new().reduction(Reduction::Sum).loss_and_gradient(&y, &t).unwrap();
    assert_eq!((cost, dy), (14.0, array![[2.0, 0.0], [6.0, -4.0]]));
    let each = MeanSquaredError::new().reduction(Reduction::None).loss(&y, &t).unwrap();
    assert_eq!(each, array![[1.0, 0.0], [9.0, 4.0]].into_dyn());
}

#[test]
fn gradients_of_the_targets() {
    let (z, t) = (array![1.5, -2.0].into_dyn(), array![0.25, 1.0].into_dyn());
    let (_, d) = run::<f64>(&BinaryCrossEntropyWithLogits::new(), z.view(), t.view());
    assert_eq!(d[1], array![-1.5, 2.0].into_dyn()); // −z·2/2
    let (_, d) = run::<f64>(&MeanSquaredError::new(), z.view(), t.view());
    assert_eq!(d[1], array![-2.5, 6.0].into_dyn());
    let (_, d) = run::<f64>(
        &SoftmaxCrossEntropy::new(),
        z.insert_axis(Axis(1)).view(),
        array![0.0, 0.0].into_dyn().view(),
    );
    assert_eq!(d[1], array![0.0, 0.0].into_dyn());
}

#[test]
fn a_constant_added_to_the_logits_changes_nothing() {
    let z = Array2::from_shape_fn((5, 4), |(i, j)| ((i * 4 + j) * 7 % 16) as f64 / 4.0);
    let t = array![0.0, 3.0, 1.0, 1.0, 2.0];
    let loss = SoftmaxCrossEntropy::new();
    let reference = loss.loss_and_gradient(&z, &t).unwrap();
    for c in [1.0, -64.0, 1024.0] {
        assert_eq!(loss.loss_and_gradient(&(&z + c), &t).unwrap(), reference); // the sums are exact
    }
    for row in reference.1.rows() {
        assert!(row.sum().abs() < 1e-16);
    }
}

#[test]
fn softmax_of_two_classes_is_logistic_regression() {
    let z = Array1::linspace(-30.0, 30.0, 61);
    let t = Array1::from_shape_fn(61, |i| (i % 2) as f64);
    let mut two = Array2::zeros((61, 2));
    two.column_mut(1).assign(&z);
    let (binary, dz) = BinaryCrossEntropyWithLogits::new().loss_and_gradient(&z, &t).unwrap();
    let (softmax, d_two) = SoftmaxCrossEntropy::new().loss_and_gradient(&two, &t).unwrap();
    assert_close(softmax, binary, 1e-15);
    assert!((&d_two.column(1) - &dz).iter().all(|e| e.abs() < 1e-16));
}

fn stays_finite<F: Real>() {
    let big = F::from_f64(1e4);
    let logits = array![[big, -big, F::zero()], [-big, -big, -big]];
    let (cost, dz) =
        SoftmaxCrossEntropy::new().loss_and_gradient(&logits, &array![F::one(), F::zero()]).unwrap();
    assert_close(cost.to_f64(), (2e4 + 3f64.ln()) / 2.0, F::EPSILON.to_f64());
    assert_eq!(dz.row(0), array![F::from_f64(0.5), F::from_f64(-0.5), F::zero()]);
    let (cost, dz) = BinaryCrossEntropyWithLogits::new()
        .loss_and_gradient(&array![big, -big, big], &array![F::zero(), F::zero(), F::one()])
        .unwrap();
    assert_close(cost.to_f64(), 1e4 / 3.0, F::EPSILON.to_f64());
    assert_eq!(dz, array![F::one() / F::from_f64(3.0), F::zero(), F::zero()]);
}

#[test]
fn extreme_logits_stay_finite() {
    stays_finite::<f32>();
    stays_finite::<f64>();
}

#[test]
fn small_losses_keep_their_relative_accuracy() {
    let z = array![40.0f64];
    let cost = BinaryCrossEntropyWithLogits::new().loss(&z, &array![1.0]).unwrap();
    assert!((cost[[]] / (-40f64).exp() - 1.0).abs() < 1e-15);
}

/// The same values in other memory layouts: columns first, all axes reversed, every other element of a larger array.
fn layouts<F: Real>(x: &ArrayD<F>) -> Vec<ArrayD<F>> {
    let mut columns = ArrayD::zeros(x.raw_dim().f());
    columns.assign(x);
    let mut reversed = x.clone();
    let mut wide = ArrayD::zeros(x.shape().iter().map(|n| 2 * n).collect::<Vec<_>>());
    for axis in (0..x.ndim()).map(Axis) {
        reversed.invert_axis(axis);
        wide.slice_axis_inplace(axis, Slice::new(0, None, 2));
    }
    reversed.assign(x);
    wide.assign(x);
    vec![columns, reversed, wide]
}

#[test]
fn gradients_overwrite_accumulate_and_skip_in_any_layout() {
    for reduction in REDUCTIONS {
        for (op, a, b) in all::<f64>(reduction) {
            let shapes = [a.shape(), b.shape()];
            let outline = op.infer(&shapes).unwrap();
            let (mut saved, mut output) = (vec![f64::NAN; outline.saved], ArrayD::zeros(&outline.shape[..]));
            let mut scratch = vec![f64::NAN; outline.scratch];
            let (step, inputs) = (Step::default(), [a.view(), b.view()]);
            op.forward(
                &step,
                &inputs,
                output.view_mut(),
                Memory { saved: &mut saved, scratch: &mut scratch },
            );
            let kept: Vec<_> = (0..2).map(|i| outline.reads_input[i].then(|| inputs[i].view())).collect();
            let d_output = ArrayD::from_elem(&outline.shape[..], 0.5);
            let mut backward = |d_inputs: &mut [Grad<'_, f64>]| {
                let memory = Memory { saved: &mut saved, scratch: &mut scratch };
                op.backward(&step, &Io::new(&kept, None), memory, d_output.view(), d_inputs);
            };
            let (mut da, mut db) =
                (ArrayD::from_elem(a.shape(), f64::NAN), ArrayD::from_elem(b.shape(), f64::NAN));
            backward(&mut [Grad::Overwrite(da.view_mut()), Grad::Overwrite(db.view_mut())]);
            assert!(da.iter().chain(&db).all(|d| d.is_finite()), "{} {reduction:?}", op.name());
            for (mut a, mut b) in layouts(&(&da * 0.0 + 1.0)).into_iter().zip(layouts(&(&db * 0.0 + 1.0))) {
                backward(&mut [Grad::Accumulate(a.view_mut()), Grad::Skip]);
                backward(&mut [Grad::Skip, Grad::Accumulate(b.view_mut())]);
                assert_eq!((a, b), (&da + 1.0, &db + 1.0), "{} {reduction:?}", op.name());
            }
            for (mut a, mut b) in layouts(&(&da * f64::NAN)).into_iter().zip(layouts(&(&db * f64::NAN))) {
                backward(&mut [Grad::Overwrite(a.view_mut()), Grad::Overwrite(b.view_mut())]);
                assert_eq!((&a, &b), (&da, &db), "{} {reduction:?}", op.name());
            }
        }
    }
}

#[test]
fn reductions_agree() {
    for ((mean, sum), none) in
        all::<f64>(Reduction::Mean).iter().zip(all(Reduction::Sum)).zip(all::<f64>(Reduction::None))
    {
        let value =
            |(op, a, b): &Case<f64>| evaluate(&**op, &Step::default(), &[a.view(), b.view()]).unwrap().output;
        let (mean, sum, none) = (value(mean), value(&sum), value(&none));
        assert_close(none.sum(), sum[[]], 1e-14);
        assert_close(mean[[]] * none.len() as f64, sum[[]], 1e-14);
    }
}

#[test]
fn single_precision_agrees_with_double() {
    for reduction in REDUCTIONS {
        for ((single, a, b), (double, _, _)) in all::<f32>(reduction).into_iter().zip(all::<f64>(reduction)) {
            let (y, d) = run(&*single, a.view(), b.view());
            let widen = |x: &ArrayD<f32>| x.mapv(f64::from);
            let (exact, exact_d) = run(&*double, widen(&a).view(), widen(&b).view());
            // Operands of magnitude up to 5 and gradients up to 50, a few roundings each.
            for (y, exact) in y.iter().zip(&exact) {
                assert_close(f64::from(*y), *exact, 2e-6);
            }
            for (d, exact) in d.iter().flatten().zip(exact_d.iter().flatten()) {
                assert_close(f64::from(*d), *exact, 2e-6);
            }
        }
    }
}

/// A loss, the shapes of its inputs, and what it says of them.
type Refusal<'a> = (&'a dyn Op<f32>, &'a [&'a [usize]], &'a str);

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let softmax: &dyn Op<f32> = &SoftmaxCrossEntropy::new();
    let binary: &dyn Op<f32> = &BinaryCrossEntropyWithLogits::new();
    let squared: &dyn Op<f32> = &MeanSquaredError::new();
    let table: [Refusal<'_>; 8] = [
        (softmax, &[&[2, 3]], "softmax_cross_entropy: expected 2 inputs, got 1"),
        (
            softmax,
            &[&[6], &[6]],
            "softmax_cross_entropy: input 0 must be logits [cases, classes, ...], got shape [6]",
        ),
        (
            softmax,
            &[&[2, 3], &[3]],
            "softmax_cross_entropy: shapes [2, 3] and [3] do not fit: one class for each row of logits",
        ),
        (
            softmax,
            &[&[0, 3], &[0]],
            "softmax_cross_entropy: input 0 must be a batch that is not empty, got shape [0, 3]",
        ),
        (
            softmax,
            &[&[3, 0], &[3]],
            "softmax_cross_entropy: input 0 must be a batch that is not empty, got shape [3, 0]",
        ),
        (
            binary,
            &[&[2, 3], &[2]],
            "binary_cross_entropy_with_logits: shapes [2, 3] and [2] do not fit: predictions and targets have the same shape",
        ),
        (
            squared,
            &[&[2], &[2, 1]],
            "mean_squared_error: shapes [2] and [2, 1] do not fit: predictions and targets have the same shape",
        ),
        (
            squared,
            &[&[0, 5], &[0, 5]],
            "mean_squared_error: input 0 must be a batch that is not empty, got shape [0, 5]",
        ),
    ];
    for (op, shapes, message) in table {
        assert_eq!(op.infer(shapes).unwrap_err().to_string(), message);
    }
}

#[test]
fn targets_out_of_range_are_refused() {
    let logits = Array2::<f32>::zeros((4, 10));
    for (bad, shown) in [
        (10.0, "10"),
        (-1.0, "-1"),
        (0.5, "0.5"),
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (-0.25, "-0.25"),
    ] {
        let error = SoftmaxCrossEntropy::new().loss(&logits, &array![9.0, 0.0, 1.0, bad]).unwrap_err();
        let expected =
            format!("softmax_cross_entropy: input 1 holds {shown} at [3], expected a class from 0 to 9");
        assert_eq!(error.to_string(), expected);
    }
    for (bad, shown) in [(1.5f32, "1.5"), (-0.5, "-0.5"), (f32::NAN, "NaN")] {
        let mut t = Array2::<f32>::ones((4, 10));
        t[[2, 7]] = bad;
        for t in [t.view(), t.t().as_standard_layout().t()] {
            let error = BinaryCrossEntropyWithLogits::new().loss(&logits, &t).unwrap_err();
            let expected = format!(
                "binary_cross_entropy_with_logits: input 1 holds {shown} at [2, 7], expected a probability from 0 to 1"
            );
            assert_eq!(error.to_string(), expected);
        }
    }
    assert!(Op::<f32>::has_check(&SoftmaxCrossEntropy::new()));
    assert!(Op::<f32>::has_check(&BinaryCrossEntropyWithLogits::new()));
}

#[test]
#[should_panic(expected = "softmax_cross_entropy: input 1 holds 3, expected a class from 0 to 2")]
fn an_unchecked_class_out_of_range_panics() {
    let inputs = [array![[0.0f32, 1.0, 2.0]].into_dyn(), array![3.0].into_dyn()];
    let memory = Memory { saved: &mut [0.0; 4], scratch: &mut [0.0; 3] };
    let mut output = ArrayD::zeros(&[][..]);
    SoftmaxCrossEntropy::new().forward(
        &Step::default(),
        &[inputs[0].view(), inputs[1].view()],
        output.view_mut(),
        memory,
    );
}

#[test]
fn negative_zero_is_class_zero() {
    let loss = SoftmaxCrossEntropy::new().loss(&array![[0.0f32, 1.0]], &array![-0.0]);
    assert!(loss.is_ok());
}
