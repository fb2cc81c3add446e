//! Every metric: against scikit-learn, however the samples are divided into batches, and at the edges.

use std::collections::HashMap;

use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn, arr1, array};
use nn_monitor::{
    Accuracy, Average, ClassScore, ConfusionMatrix, Mae, Mean, Metric, Mse, Perplexity, R2, RocAuc, Score,
    TopK,
};
use proptest::prelude::*;
use serde_json::Value;

const AVERAGES: [Average; 6] = [
    Average::Micro,
    Average::Macro,
    Average::Weighted,
    Average::Class(0),
    Average::Class(1),
    Average::Class(2),
];

/// Runs a check over each metric, with a function that merges two.
trait Check {
    fn check<M: Metric<f64> + Clone + PartialEq>(&mut self, metric: M, merge: fn(&mut M, &M));
}

/// The metrics of classes from scores `[n, classes]`.
fn of_classes(classes: usize, check: &mut impl Check) {
    check.check(Accuracy::new(), Accuracy::merge);
    for k in [1, 2, 3] {
        check.check(TopK::new(k).unwrap(), TopK::merge);
    }
    check.check(ConfusionMatrix::new(classes).unwrap(), ConfusionMatrix::merge);
    for average in AVERAGES {
        check.check(ClassScore::precision(classes, average).unwrap(), ClassScore::merge);
        check.check(ClassScore::recall(classes, average).unwrap(), ClassScore::merge);
        check.check(ClassScore::f1(classes, average).unwrap(), ClassScore::merge);
    }
    check.check(RocAuc::one_vs_rest(classes).unwrap().from_logits(), RocAuc::merge);
    check.check(Perplexity::new(), Perplexity::merge);
}

/// The metrics of class 1 against class 0.
fn of_two_classes(check: &mut impl Check) {
    check.check(Accuracy::new(), Accuracy::merge);
    check.check(ConfusionMatrix::new(2).unwrap(), ConfusionMatrix::merge);
    for average in &AVERAGES[..5] {
        check.check(ClassScore::precision(2, *average).unwrap(), ClassScore::merge);
        check.check(ClassScore::recall(2, *average).unwrap(), ClassScore::merge);
        check.check(ClassScore::f1(2, *average).unwrap(), ClassScore::merge);
    }
    check.check(RocAuc::binary(), RocAuc::merge);
}

/// The metrics of numbers.
fn of_numbers(check: &mut impl Check) {
    check.check(Mse::new(), Mse::merge);
    check.check(Mae::new(), Mae::merge);
    check.check(R2::new(), R2::merge);
}

fn close(a: f64, b: f64, tolerance: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * b.abs().max(1.0)
}

/// Compares values with those of a fixture.
struct Compare<'a> {
    case: &'a str,
    outputs: ArrayD<f64>,
    targets: ArrayD<f64>,
    expected: &'a HashMap<String, f64>,
    compared: usize,
}

impl Check for Compare<'_> {
    fn check<M: Metric<f64> + Clone + PartialEq>(&mut self, mut metric: M, _: fn(&mut M, &M)) {
        metric.update(&self.outputs.view(), &self.targets.view()).unwrap();
        if let Some(&expected) = self.expected.get(metric.name()) {
            self.compared += 1;
            let value = metric.value();
            assert!(close(value, expected, 1e-12), "{}: {} {value} {expected}", self.case, metric.name());
        }
    }
}

fn array_of(value: &Value) -> ArrayD<f64> {
    let rows = value.as_array().unwrap();
    let numbers =
        |row: &Value| row.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    if rows[0].is_array() {
        let shape = [rows.len(), numbers(&rows[0]).len()];
        return Array2::from_shape_vec(shape, rows.iter().flat_map(numbers).collect()).unwrap().into_dyn();
    }
    arr1(&numbers(value)).into_dyn()
}

#[test]
fn agrees_with_scikit_learn() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    let mut compared = 0;
    for case in &cases {
        let expected: HashMap<String, f64> = case["values"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.as_f64().unwrap()))
            .collect();
        let (outputs, targets) = (array_of(&case["outputs"]), array_of(&case["targets"]));
        let name = case["case"].as_str().unwrap();
        let mut compare = Compare { case: name, outputs, targets, expected: &expected, compared: 0 };
        match case["kind"].as_str().unwrap() {
            "classes" => of_classes(case["classes"].as_u64().unwrap() as usize, &mut compare),
            "binary" => of_two_classes(&mut compare),
            _ => of_numbers(&mut compare),
        }
        compared += compare.compared;
        if let Some(expected) = case["confusion"].as_array() {
            let mut confusion = ConfusionMatrix::new(expected.len()).unwrap();
            confusion.update(&compare.outputs.view(), &compare.targets.view()).unwrap();
            let counts = array_of(&case["confusion"]);
            assert_eq!(confusion.counts().mapv(|n| n as f64).into_dyn(), counts, "{name}");
        }
    }
    // 9 averages + 9 of classes + accuracy, 2 of top-k, perplexity (+ area); 9 + 6 + accuracy + area; 3.
    assert_eq!((cases.len(), compared), (13, 5 * 22 + 3 + 3 * 17 + 5 * 3));
}

/// Divides the samples into batches, in one metric and in merged ones.
struct Divide<'a> {
    outputs: ArrayD<f64>,
    targets: ArrayD<f64>,
    cuts: &'a [usize],
}

impl Check for Divide<'_> {
    fn check<M: Metric<f64> + Clone + PartialEq>(&mut self, fresh: M, merge: fn(&mut M, &M)) {
        let name = fresh.name().to_owned();
        assert!(fresh.value().is_nan(), "{name}");
        let (mut whole, mut divided, mut merged) = (fresh.clone(), fresh.clone(), fresh.clone());
        whole.update(&self.outputs.view(), &self.targets.view()).unwrap();
        let mut begin = 0;
        for end in self.cuts.iter().copied().chain([self.targets.shape()[0]]) {
            let batch = |array: &ArrayD<f64>| {
                array.slice_axis(Axis(0), ndarray::Slice::from(begin..end)).into_owned()
            };
            let (outputs, targets) = (batch(&self.outputs), batch(&self.targets));
            divided.update(&outputs.view(), &targets.view()).unwrap();
            let mut part = fresh.clone();
            part.update(&outputs.view(), &targets.view()).unwrap();
            merge(&mut merged, &part);
            begin = end;
        }
        let value = whole.value();
        assert_eq!(value.to_bits(), divided.value().to_bits(), "{name} in batches");
        assert!(close(merged.value(), value, 1e-9), "{name} merged: {} {value}", merged.value());
        // Memory layout makes no difference.
        let mut reversed = fresh.clone();
        let turned = self.outputs.t().as_standard_layout().into_owned();
        reversed.update(&turned.t(), &self.targets.view()).unwrap();
        assert_eq!(value.to_bits(), reversed.value().to_bits(), "{name} of transposed memory");
        divided.reset();
        assert!(divided == fresh, "{name} after reset");
    }
}

/// Cuts from 0 to n, in order.
fn cuts(n: usize) -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(0..=n, 0..6).prop_map(|mut cuts| {
        cuts.sort_unstable();
        cuts
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batches_make_no_difference_to_classes(
        (outputs, targets, cuts) in (1usize..40).prop_flat_map(|n| (
            prop::collection::vec(-3i8..=3, n * 4),
            prop::collection::vec(0usize..4, n),
            cuts(n),
        ))
    ) {
        let n = targets.len();
        let outputs: Vec<f64> = outputs.into_iter().map(|x| f64::from(x) / 3.0).collect();
        let outputs = ArrayD::from_shape_vec(IxDyn(&[n, 4]), outputs).unwrap();
        let targets: Array1<f64> = targets.into_iter().map(|t| t as f64).collect();
        of_classes(4, &mut Divide { outputs, targets: targets.into_dyn(), cuts: &cuts });
    }

    #[test]
    fn batches_make_no_difference_to_two_classes(
        (outputs, targets, cuts) in (1usize..40).prop_flat_map(|n| (
            prop::collection::vec(-3i8..=3, n),
            prop::collection::vec(0u8..2, n),
            cuts(n),
        ))
    ) {
        let outputs: Array1<f64> = outputs.into_iter().map(f64::from).collect();
        let targets: Array1<f64> = targets.into_iter().map(f64::from).collect();
        of_two_classes(&mut Divide { outputs: outputs.into_dyn(), targets: targets.into_dyn(), cuts: &cuts });
    }

    #[test]
    fn batches_make_no_difference_to_numbers(
        (numbers, cuts) in (1usize..40).prop_flat_map(|n| (
            prop::collection::vec(-10.0..10.0f64, n * 6),
            cuts(n),
        ))
    ) {
        let n = numbers.len() / 6;
        let (outputs, targets) = numbers.split_at(3 * n);
        let array = |numbers: &[f64]| ArrayD::from_shape_vec(IxDyn(&[n, 3]), numbers.to_vec()).unwrap();
        of_numbers(&mut Divide { outputs: array(outputs), targets: array(targets), cuts: &cuts });
    }

    #[test]
    fn area_is_the_share_of_pairs_in_order(cases in prop::collection::vec((-4i8..=4, 0u8..2), 2..30)) {
        let (mut right, mut pairs) = (0.0, 0.0);
        for (a, _) in cases.iter().filter(|case| case.1 == 1) {
            for (b, _) in cases.iter().filter(|case| case.1 == 0) {
                pairs += 1.0;
                right += if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 };
            }
        }
        let scores: Array1<f64> = cases.iter().map(|case| f64::from(case.0)).collect();
        let labels: Array1<f64> = cases.iter().map(|case| f64::from(case.1)).collect();
        let mut auc = RocAuc::binary();
        auc.update_arrays(&scores, &labels).unwrap();
        prop_assert!(close(auc.value(), right / pairs, 1e-15));
        prop_assert_eq!(auc.class_value(1).to_bits(), auc.value().to_bits());
    }
}

#[test]
fn r2_is_stable_far_from_zero() {
    let (mut near, mut far) = (R2::new(), R2::new());
    let targets: Array1<f64> = (0..1000).map(|i| f64::from(i % 10)).collect();
    let outputs = &targets + 0.5;
    near.update_arrays(&outputs, &targets).unwrap();
    far.update_arrays(&(&outputs + 1e9), &(&targets + 1e9)).unwrap();
    // The sum of squares less the square of the sum would be off by 100 %.
    assert!(close(far.value(), near.value(), 1e-7), "{} {}", far.value(), near.value());
}

#[test]
fn places_have_classes_too() {
    // [n, classes, places]: two classes, three places.
    let outputs = array![[[1.0f32, 0.0, 0.0], [0.0, 2.0, 1.0]]];
    let targets = array![[0.0f32, 1.0, -1.0]];
    let mut accuracy = Accuracy::new().ignore_index(-1);
    accuracy.update_arrays(&outputs, &targets).unwrap();
    assert_eq!((accuracy.value(), accuracy.count()), (1.0, 2));
    let mut perplexity = Perplexity::new().ignore_index(-1);
    perplexity.update_arrays(&outputs, &targets).unwrap();
    let mean = (1f64.exp().recip().ln_1p() + 2f64.exp().recip().ln_1p()) / 2.0;
    assert!(close(perplexity.value(), mean.exp(), 1e-12));
    let mut top = TopK::new(1).unwrap().ignore_index(-1);
    top.update_arrays(&outputs, &targets).unwrap();
    assert_eq!(top.value(), 1.0);
}

#[test]
fn one_column_is_two_classes() {
    let mut accuracy = Accuracy::new().threshold(0.5);
    accuracy.update_arrays(&array![[0.4], [0.6]], &array![0.0, 0.0]).unwrap();
    assert_eq!(accuracy.value(), 0.5);
    // The threshold itself is class 0.
    accuracy.update_arrays(&array![0.5], &array![0.0]).unwrap();
    assert_eq!(accuracy.value(), 2.0 / 3.0);
}

#[test]
fn nan_is_the_largest_score_and_spoils_areas() {
    let outputs = array![[0.0, f64::NAN, f64::NAN], [f64::NAN, f64::NAN, f64::NAN]];
    let mut confusion = ConfusionMatrix::new(3).unwrap();
    confusion.update_arrays(&outputs, &array![2.0, 2.0]).unwrap();
    assert_eq!(confusion.counts(), array![[0, 0, 0], [0, 0, 0], [1, 1, 0]]);
    let (mut accuracy, mut top) = (Accuracy::new(), TopK::new(1).unwrap());
    accuracy.update_arrays(&outputs, &array![1.0, 1.0]).unwrap();
    top.update_arrays(&outputs, &array![1.0, 1.0]).unwrap();
    assert_eq!((accuracy.value(), top.value()), (0.5, 0.5));
    let mut auc = RocAuc::binary();
    auc.update_arrays(&array![0.1, f64::NAN, 0.3], &array![0.0, 1.0, 1.0]).unwrap();
    assert!(auc.value().is_nan());
    let mut mse = Mse::new();
    mse.update_arrays(&array![1.0, f64::NAN], &array![1.0, 1.0]).unwrap();
    assert!(mse.value().is_nan());
}

#[test]
fn an_area_needs_both_classes() {
    let mut auc = RocAuc::binary();
    auc.update_arrays(&array![0.1, 0.2], &array![1.0, 1.0]).unwrap();
    assert!(auc.value().is_nan());
    auc.update_arrays(&array![0.15], &array![0.0]).unwrap();
    assert_eq!((auc.value(), auc.class_value(1)), (0.5, 0.5));
}

#[test]
fn bad_batches_are_refused_and_not_counted() {
    let mut accuracy = Accuracy::new();
    accuracy.update_arrays(&array![[0.0, 1.0]], &array![1.0]).unwrap();
    let before = accuracy.clone();
    let outputs = array![[0.0, 1.0], [0.0, 1.0]];
    let message = |targets: Array1<f64>, accuracy: &mut Accuracy| {
        accuracy.update_arrays(&outputs, &targets).unwrap_err().to_string()
    };
    let table = [
        (2.0, "accuracy: input 1 holds 2 at [1], expected a class from 0 to 1"),
        (-1.0, "accuracy: input 1 holds -1 at [1], expected a class from 0 to 1"),
        (0.5, "accuracy: input 1 holds 0.5 at [1], expected a class from 0 to 1"),
        (f64::NAN, "accuracy: input 1 holds NaN at [1], expected a class from 0 to 1"),
        (f64::INFINITY, "accuracy: input 1 holds inf at [1], expected a class from 0 to 1"),
    ];
    for (label, expected) in table {
        assert_eq!(message(array![1.0, label], &mut accuracy), expected);
    }
    let expected = "accuracy: shapes [2, 2] and [3] do not fit: outputs [n, classes, …] and targets [n, …]";
    assert_eq!(message(array![1.0, 0.0, 1.0], &mut accuracy), expected);
    assert_eq!(accuracy, before);

    let mut r2 = R2::new();
    r2.update_arrays(&array![[1.0, 2.0]], &array![[1.0, 2.0]]).unwrap();
    let error = r2.update_arrays(&array![[1.0]], &array![[1.0]]).unwrap_err().to_string();
    assert_eq!(error, "r2: input 0 must be 2 outputs a sample, as in earlier batches, got shape [1, 1]");
    let error = r2.update_arrays(&array![[1.0, 2.0]], &array![[1.0]]).unwrap_err().to_string();
    assert_eq!(error, "r2: shapes [1, 2] and [1, 1] do not fit: outputs and targets [n, …] of one shape");
    let mut confusion = ConfusionMatrix::new(3).unwrap();
    let error = confusion.update_arrays(&outputs, &array![0.0, 1.0]).unwrap_err().to_string();
    assert_eq!(error, "confusion_matrix: input 0 must be outputs of 3 classes, got shape [2, 2]");
    let mut auc = RocAuc::one_vs_rest(3).unwrap();
    let error = auc.update_arrays(&outputs, &array![0.0, 1.0]).unwrap_err().to_string();
    assert_eq!(error, "roc_auc: input 0 must be [n, 3], got shape [2, 2]");
}

#[test]
fn hyperparameters_are_checked() {
    let errors = [
        TopK::new(0).unwrap_err().to_string(),
        ConfusionMatrix::new(1).unwrap_err().to_string(),
        RocAuc::one_vs_rest(0).unwrap_err().to_string(),
        ClassScore::f1(3, Average::Class(3)).unwrap_err().to_string(),
    ];
    let expected = [
        "TopK: k must lie in [1, inf), got 0",
        "ConfusionMatrix: classes must lie in [2, inf), got 1",
        "RocAuc: classes must lie in [2, inf), got 0",
        "ClassScore: class must lie in [0, classes), got 3",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_mean_knows_how_many_it_stands_for() {
    let mut mean = Mean::new("cost");
    assert!(mean.value().is_nan());
    mean.add(1.0, 3);
    let mut other = Mean::new("cost");
    other.add(5.0, 1);
    mean.merge(&other);
    assert_eq!((mean.value(), mean.count(), mean.larger_is_better()), (2.0, 4, false));
}
