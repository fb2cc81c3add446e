//! What every loss does with bad input: hyperparameters and values out of range, shapes that do not fit, nothing at
//! all, NaN and infinities.

use ndarray::{Array1, Array2, Array3, ArrayD, IxDyn, arr0, array};
use nn_core::{EvaluateError, Op, RangeError, Step, evaluate};
use nn_loss::{
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CosineEmbedding, Ctc, Dice, GaussianNll, Hinge, Huber,
    KlDivergence, MultiMargin, PoissonNll, Reduction, SigmoidFocal, SmoothL1, SoftTargetCrossEntropy,
    SoftmaxCrossEntropy, SoftmaxFocal, SquaredHinge, TripletMargin,
};

#[test]
fn an_infinite_logit_is_a_certain_answer() {
    let inf = f64::INFINITY;
    let loss = SoftmaxCrossEntropy::new();
    let (cost, dz) = loss.loss_and_gradient(&array![[0.0, -inf, 0.0]], &array![2.0]).unwrap();
    assert_eq!((cost, dz), (2f64.ln(), array![[0.5, 0.0, -0.5]]));
    assert_eq!(loss.loss(&array![[0.0, -inf]], &array![1.0]).unwrap()[[]], inf);
    let soft = SoftTargetCrossEntropy::new();
    let (cost, dz) = soft.loss_and_gradient(&array![[0.0, -inf]], &array![[1.0, 0.0]]).unwrap();
    assert_eq!((cost, dz), (0.0, array![[0.0, 0.0]]));
    let kl = KlDivergence::new().loss(&array![-inf, 0.0], &array![0.0, 1.0]).unwrap();
    assert_eq!(kl[[]], 0.0);
    let kl = KlDivergence::new().log_target();
    let (cost, dx) = kl.loss_and_gradient(&array![-inf, 0.0], &array![-inf, 0.0]).unwrap();
    assert_eq!((cost, dx), (0.0, array![0.0, -0.5]));

    let (z, t) = (array![inf, -inf, inf, -inf, -inf, 0.0], array![1.0, 0.0, 0.0, 1.0, 0.5, 0.0]);
    let dz = array![0.0, 0.0, 1.0, -1.0, -0.5, 0.5];
    let binary = BinaryCrossEntropyWithLogits::new();
    let positive = |q: f64| binary.clone().positive_weight(ArrayD::from_elem(IxDyn(&[]), q)).unwrap();
    for loss in [binary.clone(), positive(1.0)] {
        let loss = loss.reduction(Reduction::None);
        assert_eq!(loss.loss(&z, &t).unwrap(), array![0.0, 0.0, inf, inf, inf, 2f64.ln()].into_dyn());
        assert_eq!(loss.loss_and_gradient(&z, &t).unwrap(), (inf, dz.clone()));
    }
    let (z, t) = (array![inf, -inf], array![1.0, 0.0]);
    for loss in [positive(0.0), positive(3.0)] {
        assert_eq!(loss.loss_and_gradient(&z, &t).unwrap(), (0.0, array![0.0, 0.0]));
    }
    for focal in [SigmoidFocal::default(), SigmoidFocal::new(0.5, 0.7).unwrap()] {
        assert_eq!(focal.loss_and_gradient(&z, &t).unwrap(), (0.0, array![0.0, 0.0]));
        assert_eq!(focal.loss(&array![inf], &array![0.0]).unwrap()[[]], inf);
    }
}

#[test]
fn an_infinite_vector_is_far_from_all() {
    let inf = f64::INFINITY;
    let (near, far) = (array![[1.0, 2.0]], array![[inf, 2.0]]);
    let loss = TripletMargin::new();
    assert_eq!(loss.loss(&near, &far, &near).unwrap()[[]], inf);
    let (cost, gradients) = loss.loss_and_gradients(&near, &near, &far).unwrap();
    assert_eq!((cost, gradients), (0.0, [(); 3].map(|()| array![[0.0, 0.0]])));
    let (x, t) = (array![[inf, 1.0], [1.0, inf]], array![0.0, 0.0]);
    let scores = MultiMargin::new().reduction(Reduction::None).loss(&x, &t).unwrap();
    assert_eq!(scores, array![0.0, inf].into_dyn());
}

#[test]
fn hyperparameters_out_of_range_name_themselves() {
    let one = |x: f64| ArrayD::from_elem(IxDyn(&[1]), x);
    let table: Vec<(Option<RangeError>, &str)> = vec![
        (Huber::new(-1.0).err(), "Huber: delta must lie in (0, inf), got -1"),
        (Huber::new(f64::NAN).err(), "Huber: delta must lie in (0, inf), got NaN"),
        (Huber::new(f64::INFINITY).err(), "Huber: delta must lie in (0, inf), got inf"),
        (SmoothL1::new(-0.5).err(), "SmoothL1: beta must lie in [0, inf), got -0.5"),
        (MultiMargin::new().power(0).err(), "MultiMargin: power must lie in {1, 2}, got 0"),
        (MultiMargin::new().margin(f64::NAN).err(), "MultiMargin: margin must lie in (-inf, inf), got NaN"),
        (
            MultiMargin::new().class_weights(&[1.0, -2.0]).err(),
            "MultiMargin: class_weights must lie in [0, inf), got -2",
        ),
        (PoissonNll::new().epsilon(0.0).err(), "PoissonNll: epsilon must lie in (0, inf), got 0"),
        (GaussianNll::new().epsilon(-1e-6).err(), "GaussianNll: epsilon must lie in (0, inf), got -0.000001"),
        (SigmoidFocal::new(1.5, 2.0).err(), "SigmoidFocal: alpha must lie in [0, 1], got 1.5"),
        (SigmoidFocal::new(0.5, -2.0).err(), "SigmoidFocal: gamma must lie in [0, inf), got -2"),
        (SoftmaxFocal::new(f64::NAN).err(), "SoftmaxFocal: gamma must lie in [0, inf), got NaN"),
        (
            SoftmaxFocal::default().class_weights(&[f64::INFINITY]).err(),
            "SoftmaxFocal: class_weights must lie in [0, inf), got inf",
        ),
        (Dice::new(0.0).err(), "Dice: smooth must lie in (0, inf), got 0"),
        (CosineEmbedding::new().margin(1.5).err(), "CosineEmbedding: margin must lie in [-1, 1], got 1.5"),
        (TripletMargin::new().margin(0.0).err(), "TripletMargin: margin must lie in (0, inf), got 0"),
        (TripletMargin::new().norm(0.5).err(), "TripletMargin: norm must lie in [1, inf), got 0.5"),
        (
            SoftmaxCrossEntropy::new().label_smoothing(1.1).err(),
            "SoftmaxCrossEntropy: label_smoothing must lie in [0, 1], got 1.1",
        ),
        (
            SoftmaxCrossEntropy::new().class_weights(&[f64::NAN]).err(),
            "SoftmaxCrossEntropy: class_weights must lie in [0, inf), got NaN",
        ),
        (
            SoftTargetCrossEntropy::new().label_smoothing(-0.1).err(),
            "SoftTargetCrossEntropy: label_smoothing must lie in [0, 1], got -0.1",
        ),
        (
            SoftTargetCrossEntropy::new().class_weights(&[-1.0]).err(),
            "SoftTargetCrossEntropy: class_weights must lie in [0, inf), got -1",
        ),
        (
            BinaryCrossEntropy::new().weight(one(-3.0)).err(),
            "BinaryCrossEntropy: weight must lie in [0, inf), got -3",
        ),
        (
            BinaryCrossEntropyWithLogits::new().weight(one(-3.0)).err(),
            "BinaryCrossEntropyWithLogits: weight must lie in [0, inf), got -3",
        ),
        (
            BinaryCrossEntropyWithLogits::new().positive_weight(one(f64::NAN)).err(),
            "BinaryCrossEntropyWithLogits: positive_weight must lie in [0, inf), got NaN",
        ),
    ];
    for (error, message) in table {
        assert_eq!(error.expect(message).to_string(), message);
    }
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let softmax = SoftmaxCrossEntropy::new().class_weights(&[1.0; 3]).unwrap();
    let error = Op::<f32>::infer(&softmax, &[&[2, 4], &[2]]).unwrap_err().to_string();
    assert_eq!(error, "softmax_cross_entropy: shapes [2, 4] and [3] do not fit: one weight for each class");
    let binary = BinaryCrossEntropyWithLogits::new().positive_weight(ArrayD::ones(IxDyn(&[3]))).unwrap();
    let error = Op::<f32>::infer(&binary, &[&[2, 4], &[2, 4]]).unwrap_err().to_string();
    let expected = "binary_cross_entropy_with_logits: shapes [2, 4] and [3] do not fit: weights can be broadcast to \
                    the predictions";
    assert_eq!(error, expected);
}

#[test]
fn targets_out_of_range_are_refused() {
    let y = array![[0.5, 0.5], [0.5, 0.5]];
    let bad = |x: f64| array![[1.0, 1.0], [1.0, x]];
    let place = |error: EvaluateError| error.to_string();
    let table = [
        (Hinge::new().loss(&y, &bad(0.0)), "hinge: input 1 holds 0 at [1, 1], expected -1 or 1"),
        (
            SquaredHinge::new().loss(&y, &bad(2.0)),
            "squared_hinge: input 1 holds 2 at [1, 1], expected -1 or 1",
        ),
        (
            KlDivergence::new().loss(&y, &bad(-0.5)),
            "kl_divergence: input 1 holds -0.5 at [1, 1], expected a probability, not below 0",
        ),
        (
            PoissonNll::new().loss(&y, &bad(-1.0)),
            "poisson_nll: input 1 holds -1 at [1, 1], expected a count, not below 0",
        ),
        (
            GaussianNll::new().loss(&y, &y, &bad(-1.0)),
            "gaussian_nll: input 2 holds -1 at [1, 1], expected a variance, not below 0",
        ),
        (
            BinaryCrossEntropy::new().loss(&bad(1.5), &y),
            "binary_cross_entropy: input 0 holds 1.5 at [1, 1], expected a probability from 0 to 1",
        ),
        (
            SigmoidFocal::default().loss(&y, &bad(-1.0)),
            "sigmoid_focal: input 1 holds -1 at [1, 1], expected a probability from 0 to 1",
        ),
        (
            SoftTargetCrossEntropy::new().loss(&y, &bad(1.5)),
            "soft_target_cross_entropy: input 1 holds 1.5 at [1, 1], expected a probability from 0 to 1",
        ),
        (
            SoftmaxFocal::default().loss(&y, &array![0.0, 2.0]),
            "softmax_focal: input 1 holds 2 at [1], expected a class from 0 to 1",
        ),
        (
            MultiMargin::new().loss(&y, &array![0.5, 1.0]),
            "multi_margin: input 1 holds 0.5 at [0], expected a class from 0 to 1",
        ),
        (
            SoftmaxCrossEntropy::new().ignore_index(-1).loss(&y, &array![-1.0, -2.0]),
            "softmax_cross_entropy: input 1 holds -2 at [1], expected a class from 0 to 1, or -1 for none",
        ),
        (
            CosineEmbedding::new().loss(&y, &y, &array![1.0, 0.0]),
            "cosine_embedding: input 2 holds 0 at [1], expected -1 or 1",
        ),
    ];
    for (result, message) in table {
        assert_eq!(place(result.unwrap_err()), message);
    }
}

#[test]
fn negative_rates_have_no_likelihood() {
    let cost =
        |rate: f64, count: f64| PoissonNll::new().rates().loss(&array![rate], &array![count]).unwrap()[[]];
    assert!(cost(-1.0, 2.0).is_nan() && cost(-1.0, 0.0).is_nan());
    assert_eq!(cost(0.0, 0.0), 0.0);
}

#[test]
fn a_batch_of_which_all_is_ignored_costs_nothing() {
    let (z, t) = (array![[1.0, f64::NAN], [3.0, 4.0]], array![-100.0, -100.0]);
    for reduction in [Reduction::Mean, Reduction::Sum, Reduction::None] {
        let loss = SoftmaxCrossEntropy::new().ignore_index(-100).reduction(reduction);
        for loss in [loss.clone(), loss.label_smoothing(0.1).unwrap()] {
            assert_eq!(loss.loss_and_gradient(&z, &t).unwrap(), (0.0, Array2::zeros((2, 2))));
        }
    }
    let weightless = SoftmaxCrossEntropy::new().class_weights(&[0.0, 1.0]).unwrap();
    let (cost, dz) = weightless.loss_and_gradient(&array![[1.0, 2.0]], &array![0.0]).unwrap();
    assert_eq!((cost, dz), (0.0, Array2::zeros((1, 2))));
}

#[test]
fn what_is_ignored_does_not_count() {
    let (z, t) = (array![[1.0, 2.0], [0.5, -3.0], [3.0, 1.0]], array![0.0, -1.0, 1.0]);
    let kept = (array![[1.0, 2.0], [3.0, 1.0]], array![0.0, 1.0]);
    for smoothing in [0.0, 0.2] {
        let loss = SoftmaxCrossEntropy::new().label_smoothing(smoothing).unwrap();
        let loss = loss.class_weights(&[0.5, 2.0]).unwrap().ignore_index(-1);
        let (cost, dz) = loss.loss_and_gradient(&z, &t).unwrap();
        let (expected, d_kept) = loss.loss_and_gradient(&kept.0, &kept.1).unwrap();
        assert_eq!(cost, expected);
        assert_eq!((dz.row(0), dz.row(2)), (d_kept.row(0), d_kept.row(1)));
        assert_eq!(dz.row(1), array![0.0, 0.0]);
    }
}

#[test]
fn a_class_without_samples_is_no_trouble() {
    let (z, t) = (array![[1.0, 2.0, 0.5], [0.5, -3.0, 0.0]], array![0.0, 1.0]);
    let loss = |weight: f64| {
        let loss = SoftmaxCrossEntropy::new().class_weights(&[1.0, 2.0, weight]).unwrap();
        loss.loss_and_gradient(&z, &t).unwrap()
    };
    assert_eq!(loss(0.0), loss(1000.0));
    let nothing = Array3::zeros((1, 2, 4));
    let (cost, dp) = Dice::default().loss_and_gradient(&nothing, &nothing).unwrap();
    assert_eq!(cost, 0.0);
    assert!(dp.iter().all(|d: &f64| d.is_finite()));
}

#[test]
fn limits_of_gradients_of_targets() {
    let step = Step::default();
    let gradient = |op: &dyn Op<f64>, x: f64, t: f64| {
        let inputs = [arr0(x).into_dyn(), arr0(t).into_dyn()];
        let views = [inputs[0].view(), inputs[1].view()];
        let mut evaluated = evaluate(op, &step, &views).unwrap();
        evaluated.backward(op, &step, &views, arr0(1.0).into_dyn().view())[1][[]]
    };
    assert_eq!(gradient(&BinaryCrossEntropy::new(), 0.0, 1.0), 100.0);
    assert_eq!(gradient(&BinaryCrossEntropy::new(), 1.0, 1.0), -100.0);
    assert_eq!(gradient(&KlDivergence::new(), -1.0, 0.0), f64::NEG_INFINITY);
    assert_eq!(gradient(&KlDivergence::new().log_target(), -1.0, f64::NEG_INFINITY), 0.0);
    assert_eq!(gradient(&PoissonNll::new().full(), 3.0, 0.0), -3.0);
}

/// One frame after another, all classes alike.
fn spoken(frames: usize) -> Array3<f64> {
    Array3::from_elem((frames, 1, 3), -3f64.ln())
}

#[test]
fn ctc_of_targets_that_are_too_long() {
    // A repeated label needs a blank between.
    for (labels, enough) in [([1.0, 2.0, 1.0], 3), ([1.0, 1.0, 2.0], 4), ([2.0, 2.0, 2.0], 5)] {
        let targets = Array2::from_shape_vec((1, 3), labels.to_vec()).unwrap();
        let run = |loss: Ctc, frames: usize| {
            let lengths = (Array1::from_elem(1, frames as f64), array![3.0]);
            loss.loss_and_gradient(&spoken(6), &targets, &lengths.0, &lengths.1).unwrap()
        };
        // There is one path: all emissions are 1/3.
        let (cost, gradient) = run(Ctc::new(), enough);
        assert!((cost - enough as f64 * 3f64.ln() / 3.0).abs() < 1e-14, "{cost}");
        assert!((gradient.sum() + enough as f64 / 3.0).abs() < 1e-14);
        let (cost, gradient) = run(Ctc::new(), enough - 1);
        assert_eq!(cost, f64::INFINITY);
        for (t, frame) in gradient.outer_iter().enumerate() {
            assert!(frame.iter().all(|d| if t < enough - 1 { d.is_nan() } else { *d == 0.0 }));
        }
        assert_eq!(run(Ctc::new().zero_infinity(), enough - 1), (0.0, Array3::zeros((6, 1, 3))));
    }
}

#[test]
fn ctc_of_nothing() {
    let cost = |frames: f64, labels: f64| {
        Ctc::new().loss(&spoken(2), &array![[1.0]], &array![frames], &array![labels]).unwrap()[[]]
    };
    assert_eq!(cost(0.0, 0.0), 0.0);
    assert_eq!(cost(0.0, 1.0), f64::INFINITY);
    assert!((cost(2.0, 0.0) - 2.0 * 3f64.ln()).abs() < 1e-15);
}

#[test]
fn ctc_refuses_lengths_and_labels_out_of_range() {
    let cost = |target: f64, frames: f64, labels: f64| {
        let result = Ctc::new().loss(&spoken(2), &array![[1.0, target]], &array![frames], &array![labels]);
        result.map(|_| ()).map_err(|error| error.to_string())
    };
    let refused = |text: &str| Err(format!("ctc: input {text}"));
    assert_eq!(cost(0.0, 2.0, 1.0), Ok(())); // what stands behind the labels does not matter
    assert_eq!(cost(f64::NAN, 2.0, 1.0), Ok(()));
    let label = "expected a label from 0 to 2 other than the blank 0";
    assert_eq!(cost(0.0, 2.0, 2.0), refused(&format!("1 holds 0 at [0, 1], {label}")));
    assert_eq!(cost(3.0, 2.0, 2.0), refused(&format!("1 holds 3 at [0, 1], {label}")));
    assert_eq!(cost(1.0, 3.0, 2.0), refused("2 holds 3 at [0], expected a whole number from 0 to 2"));
    assert_eq!(cost(1.0, 2.0, 2.5), refused("3 holds 2.5 at [0], expected a whole number from 0 to 2"));
    let shapes: [&[usize]; 4] = [&[2, 1, 3], &[1, 2], &[1], &[1]];
    let error = Op::<f32>::infer(&Ctc::new().blank(3), &shapes).unwrap_err().to_string();
    assert!(error.contains("of which 3 is the blank, got shape [2, 1, 3]"), "{error}");
}
