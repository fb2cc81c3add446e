//! Values and gradients of PyTorch 2.15 at random and edge inputs, made by `fixtures/make_losses.py`.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn, arr0, array};
use nn_core::{Op, Real, Step, evaluate};
use nn_loss::{
    BinaryCrossEntropy, BinaryCrossEntropyWithLogits, CosineEmbedding, Ctc, Dice, GaussianNll, Hinge, Huber,
    KlDivergence, LogCosh, MeanAbsoluteError, MeanSquaredError, MultiMargin, PoissonNll, Reduction,
    SigmoidFocal, SmoothL1, SoftTargetCrossEntropy, SoftmaxCrossEntropy, SoftmaxFocal, SquaredHinge,
    TripletMargin,
};

const WEIGHTS: [f64; 5] = [0.5, 1.0, 2.0, 0.0, 1.25];

/// The loss of a case with a reduction.
fn loss<F: Real>(case: &str, r: Reduction) -> Box<dyn Op<F>> {
    let softmax = || SoftmaxCrossEntropy::new().reduction(r);
    let soft = || SoftTargetCrossEntropy::new().reduction(r);
    let with_logits = || BinaryCrossEntropyWithLogits::new().reduction(r);
    let binary = || BinaryCrossEntropy::new().reduction(r);
    let multi_margin = || MultiMargin::new().reduction(r);
    let kl = || KlDivergence::new().reduction(r);
    let poisson = || PoissonNll::new().reduction(r);
    let gaussian = || GaussianNll::new().reduction(r);
    let triplet = || TripletMargin::new().reduction(r);
    let ctc = || Ctc::new().reduction(r);
    let weight = || array![[0.5], [2.0], [1.0], [0.0]].into_dyn();
    let positive = array![1.0, 3.0, 0.5, 2.0, 0.0].into_dyn();
    match case {
        "ce" | "ce_extreme" | "ce_infinite" => Box::new(softmax()),
        "ce_weights" => Box::new(softmax().class_weights(&WEIGHTS).unwrap()),
        "ce_ignore" => Box::new(softmax().ignore_index(-1)),
        "ce_ignore_class" => Box::new(softmax().class_weights(&WEIGHTS).unwrap().ignore_index(1)),
        "ce_one_class" => Box::new(softmax().label_smoothing(0.5).unwrap()),
        "ce_smoothing" | "ce_extreme_smoothing" | "ce_infinite_smoothing" => {
            Box::new(softmax().label_smoothing(0.1).unwrap())
        }
        "ce_everything" => {
            let loss = softmax().class_weights(&WEIGHTS).unwrap();
            Box::new(loss.ignore_index(-1).label_smoothing(0.3).unwrap())
        }
        "ce_places" => Box::new(softmax().class_weights(&WEIGHTS).unwrap().label_smoothing(0.1).unwrap()),
        "soft" | "soft_places" | "soft_extreme" => Box::new(soft()),
        "soft_everything" => Box::new(soft().class_weights(&WEIGHTS).unwrap().label_smoothing(0.2).unwrap()),
        "bce_logits" | "bce_logits_edge" | "bce_logits_infinite" => Box::new(with_logits()),
        "bce_logits_weights" => {
            Box::new(with_logits().weight(weight()).unwrap().positive_weight(positive).unwrap())
        }
        "bce" | "bce_edge" => Box::new(binary()),
        "bce_weights" => Box::new(binary().weight(weight()).unwrap()),
        "mse" | "mse_edge" | "mse_infinite" => Box::new(MeanSquaredError::new().reduction(r)),
        "mae" | "mae_edge" | "mae_infinite" => Box::new(MeanAbsoluteError::new().reduction(r)),
        "huber" => Box::new(Huber::new(0.75).unwrap().reduction(r)),
        "huber_edge" | "huber_infinite" => Box::new(Huber::new(0.5).unwrap().reduction(r)),
        "smooth_l1" => Box::new(SmoothL1::new(0.75).unwrap().reduction(r)),
        "smooth_l1_edge" | "smooth_l1_infinite" => Box::new(SmoothL1::new(0.5).unwrap().reduction(r)),
        "smooth_l1_zero" => Box::new(SmoothL1::new(0.0).unwrap().reduction(r)),
        "log_cosh" | "log_cosh_edge" => Box::new(LogCosh::new().reduction(r)),
        "hinge" | "hinge_edge" | "hinge_infinite" => Box::new(Hinge::new().reduction(r)),
        "squared_hinge" | "squared_hinge_edge" => Box::new(SquaredHinge::new().reduction(r)),
        "multi_margin" => Box::new(multi_margin()),
        "multi_margin_squared" => {
            let loss = multi_margin().power(2).unwrap().margin(0.5).unwrap();
            Box::new(loss.class_weights(&WEIGHTS).unwrap())
        }
        "multi_margin_edge" => Box::new(multi_margin().margin(0.0).unwrap()),
        "kl" | "kl_edge" | "kl_infinite" => Box::new(kl()),
        "kl_batch_mean" if r == Reduction::Mean => Box::new(kl().batch_mean()),
        "kl_batch_mean" => Box::new(kl()),
        "kl_log_target" if r == Reduction::Mean => Box::new(kl().log_target().batch_mean()),
        "kl_log_target" => Box::new(kl().log_target()),
        "poisson" | "poisson_infinite" => Box::new(poisson()),
        "poisson_full" => Box::new(poisson().full()),
        "poisson_rates" => Box::new(poisson().rates().full().epsilon(1e-3).unwrap()),
        "poisson_edge" => Box::new(poisson().rates()),
        "gaussian" | "gaussian_infinite" => Box::new(gaussian()),
        "gaussian_full" => Box::new(gaussian().full()),
        "gaussian_edge" => Box::new(gaussian().epsilon(1e-3).unwrap()),
        "sigmoid_focal" | "sigmoid_focal_edge" => Box::new(SigmoidFocal::default().reduction(r)),
        "sigmoid_focal_root" => Box::new(SigmoidFocal::new(0.5, 0.5).unwrap().unbalanced().reduction(r)),
        "softmax_focal" | "softmax_focal_edge" => Box::new(SoftmaxFocal::default().reduction(r)),
        "softmax_focal_weights" => {
            Box::new(SoftmaxFocal::new(1.5).unwrap().class_weights(&WEIGHTS).unwrap().reduction(r))
        }
        "dice" => Box::new(Dice::new(1.0).unwrap().reduction(r)),
        "dice_squared" => Box::new(Dice::default().squared().reduction(r)),
        "dice_edge" => Box::new(Dice::default().reduction(r)),
        "cosine" => Box::new(CosineEmbedding::new().margin(0.2).unwrap().reduction(r)),
        "cosine_edge" | "cosine_kink" | "cosine_infinite" => Box::new(CosineEmbedding::new().reduction(r)),
        "triplet" | "triplet_edge" | "triplet_kink" => Box::new(triplet()),
        "triplet_one" => Box::new(triplet().norm(1.0).unwrap().margin(0.5).unwrap()),
        "triplet_swap" => Box::new(triplet().norm(3.0).unwrap().swap()),
        "triplet_edge_swap" => Box::new(triplet().swap()),
        "triplet_edge_one" => Box::new(triplet().norm(1.0).unwrap().swap()),
        "ctc" | "ctc_infinite" => Box::new(ctc()),
        "ctc_blank" => Box::new(ctc().blank(2)),
        "ctc_zero_infinity" => Box::new(ctc().zero_infinity()),
        _ => panic!("no loss for the case {case}"),
    }
}

/// The parts of each case.
fn fixtures() -> BTreeMap<&'static str, BTreeMap<&'static str, ArrayD<f64>>> {
    let mut cases: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for line in include_str!("fixtures/losses.csv").lines() {
        let mut fields = line.splitn(4, ',');
        let mut field = || fields.next().unwrap();
        let (case, part, shape, values) = (field(), field(), field(), field());
        let shape: Vec<usize> = shape.split('x').filter_map(|n| n.parse().ok()).collect();
        let values = values.split(',').map(|x| x.parse().unwrap()).collect();
        let array = ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap();
        cases.entry(case).or_default().insert(part, array);
    }
    cases
}

/// The largest difference, relative to the expected element or to 1; infinities and NaN are equal or infinitely far.
fn distance<F: Real>(got: &ArrayD<F>, expected: &ArrayD<f64>) -> f64 {
    assert_eq!(got.shape(), expected.shape());
    let error = |(a, b): (&F, &f64)| {
        let a = a.to_f64();
        match (a - b).abs() / b.abs().max(1.0) {
            error if error.is_finite() => error,
            _ if a == *b || (a.is_nan() && b.is_nan()) => 0.0,
            _ => f64::INFINITY,
        }
    };
    got.iter().zip(expected).map(error).fold(0.0, f64::max)
}

/// Compares all cases in one precision; returns the largest error and where it is.
fn compare<F: Real>(tolerance: f64) -> (f64, String) {
    let mut largest = (0.0, String::new());
    let mut failures = vec![];
    for (case, parts) in fixtures() {
        let narrow = |part: &str| parts.get(part).map(|x| x.mapv(F::from_f64));
        let inputs: Vec<ArrayD<F>> = (0..4).map_while(|i| narrow(&format!("x{i}"))).collect();
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        for (name, reduction) in
            [("mean", Reduction::Mean), ("sum", Reduction::Sum), ("none", Reduction::None)]
        {
            let (op, step) = (loss::<F>(case, reduction), Step::default());
            let mut evaluated = evaluate(&*op, &step, &views).unwrap();
            let d = narrow(&format!("{name}.d")).unwrap_or_else(|| arr0(F::one()).into_dyn());
            let gradients = evaluated.backward(&*op, &step, &views, d.view());
            let mut results = vec![(format!("{name}.y"), &evaluated.output)];
            results.extend(gradients.iter().enumerate().map(|(i, g)| (format!("{name}.g{i}"), g)));
            for (part, got) in results {
                // Inputs without a gradient in PyTorch have none here, or a documented one.
                let Some(expected) = parts.get(part.as_str()) else { continue };
                let error = distance(got, expected);
                if error > tolerance {
                    failures.push(format!("{case} {part}: {error:e}\n{got}\n{expected}"));
                }
                if error > largest.0 {
                    largest = (error, format!("{case} {part}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n\n"));
    largest
}

#[test]
fn double_precision() {
    println!("largest error in f64: {:?}", compare::<f64>(1e-10));
}

#[test]
fn single_precision() {
    println!("largest error in f32: {:?}", compare::<f32>(1e-5));
}

#[test]
fn the_fixtures_are_whole() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 84);
    for (case, parts) in fixtures {
        for part in ["x0", "mean.y", "mean.g0", "sum.y", "sum.g0", "none.y", "none.d", "none.g0"] {
            assert!(parts.contains_key(part), "{case} {part}");
        }
    }
}
