//! Data sets: what constructors refuse, gathering, and splits.

use ndarray::{Array, Array1, Array2, ArrayD, Axis, IxDyn, Slice, array};
use nn_core::Streams;
use nn_data::{DataError, Dataset, digits, split};
use proptest::prelude::*;

#[test]
fn refuses_bad_input() {
    let inputs = || array![[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let with = |value: f64| {
        let mut inputs = inputs();
        inputs[[2, 1]] = value;
        inputs
    };
    let classes = |labels: Array1<f64>| Dataset::classification(inputs(), labels, 3).map(drop);
    let table: Vec<(Result<(), DataError>, &str)> = vec![
        (
            classes(array![0., 1., 3.]),
            "label 3 of sample 2 is none of the 3 classes, which are numbered from 0",
        ),
        (
            classes(array![0., -1., 2.]),
            "label -1 of sample 1 is none of the 3 classes, which are numbered from 0",
        ),
        (
            classes(array![0.5, 1., 2.]),
            "label 0.5 of sample 0 is none of the 3 classes, which are numbered from 0",
        ),
        (
            classes(array![0., f64::NAN, 2.]),
            "label NaN of sample 1 is none of the 3 classes, which are numbered from 0",
        ),
        (classes(array![0., 1.]), "inputs hold 3 samples, targets hold 2: expected the same number"),
        (
            Dataset::classification(Array2::<f32>::zeros((0, 2)), Array1::zeros(0), 3).map(drop),
            "data set: expected at least one sample, got none",
        ),
        (
            Dataset::regression(with(f64::NAN), array![0., 0., 0.]).map(drop),
            "inputs: sample 2 holds NaN in feature [1], expected a finite number",
        ),
        (
            Dataset::regression(with(f64::INFINITY), array![0., 0., 0.]).map(drop),
            "inputs: sample 2 holds inf in feature [1], expected a finite number",
        ),
        (
            Dataset::regression(inputs(), array![0., f64::NEG_INFINITY, 0.]).map(drop),
            "targets: sample 1 holds -inf in feature [], expected a finite number",
        ),
        (
            Dataset::regression(ArrayD::<f64>::zeros(IxDyn(&[])), array![0.]).map(drop),
            "inputs: expected the first axis to count the samples, got an array without axes",
        ),
    ];
    for (result, expected) in table {
        assert_eq!(result.unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_bad_number_is_placed_in_any_memory_layout() {
    let mut images = Array::zeros((2, 3, 4, 5));
    images[[1, 2, 0, 3]] = f32::NAN;
    let transposed = images.permuted_axes([0, 3, 1, 2]);
    let error = Dataset::regression(transposed, Array1::zeros(2)).unwrap_err();
    let expected =
        DataError::NonFinite { array: "inputs", sample: 1, feature: vec![3, 2, 0], value: f64::NAN };
    assert_eq!(error.to_string(), expected.to_string());
}

/// A regression whose every number tells where it came from.
fn numbered(n: usize, shape: &[usize]) -> Dataset<f64> {
    let full = [&[n], shape].concat();
    let size = full.iter().product::<usize>();
    let inputs = Array::from_iter((0..size).map(|i| i as f64)).into_shape_with_order(full).unwrap();
    Dataset::regression(inputs, Array::from_iter((0..n).map(|i| -(i as f64)))).unwrap()
}

#[test]
fn gathers_into_any_memory_layout() {
    for shape in [&[][..], &[1], &[3], &[2, 3], &[0]] {
        let set = numbered(5, shape);
        let samples = [4, 0, 0, 3];
        let spaced: Vec<usize> = [4].iter().chain(shape).map(|n| 2 * n).collect();
        for step in [1, 2, -2] {
            let length = if step == 1 { 1 } else { 2 };
            let size: Vec<usize> = spaced.iter().map(|n| n / 2 * length).collect();
            let mut memory = ArrayD::from_elem(IxDyn(&size), f64::NAN);
            let mut inputs = memory.view_mut();
            for axis in 0..size.len() {
                inputs.slice_axis_inplace(Axis(axis), Slice::new(0, None, step));
            }
            let mut targets = Array1::from_elem(4, f64::NAN);
            set.gather_into(&samples, inputs.view_mut(), targets.view_mut().into_dyn());
            for (i, &sample) in samples.iter().enumerate() {
                assert_eq!(inputs.index_axis(Axis(0), i), set.inputs().index_axis(Axis(0), sample));
            }
            assert_eq!(targets, array![-4.0, -0.0, -0.0, -3.0]);
        }
        assert_eq!(set.select(&samples).unwrap().len(), 4);
    }
    let message = numbered(2, &[1]).select(&[]).unwrap_err().to_string();
    assert_eq!(message, "selection: expected at least one sample, got none");
}

#[test]
#[should_panic(expected = "gather inputs: expected 2 samples of shape [3], got memory of shape [2, 4]")]
fn gathering_into_memory_of_another_shape_panics() {
    let (mut inputs, mut targets) = (Array2::zeros((2, 4)).into_dyn(), Array1::zeros(2).into_dyn());
    numbered(5, &[3]).gather_into(&[0, 1], inputs.view_mut(), targets.view_mut());
}

#[test]
#[should_panic(expected = "gather inputs: sample 5 does not exist, there are 5")]
fn gathering_what_does_not_exist_panics() {
    let (mut inputs, mut targets) = (Array2::zeros((2, 3)).into_dyn(), Array1::zeros(2).into_dyn());
    numbered(5, &[3]).gather_into(&[0, 5], inputs.view_mut(), targets.view_mut());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stratified_split_divides_every_class_in_proportion(
        labels in proptest::collection::vec(0..4usize, 0..200), first in 0.0..1.0f64, seed in any::<u64>(),
    ) {
        let fractions = [first, (1.0 - first) / 3.0, (1.0 - first) * 2.0 / 3.0];
        let parts = split::stratified(&labels, &fractions, Streams::new(seed)).unwrap();
        let again = split::stratified(&labels, &fractions, Streams::new(seed)).unwrap();
        prop_assert_eq!(&parts, &again);
        assert_partition(&parts, labels.len());
        for class in 0..4 {
            let count = |samples: &[usize]| samples.iter().filter(|&&sample| labels[sample] == class).count();
            let all = labels.iter().filter(|&&label| label == class).count() as f64;
            let mut sum = 0.0;
            let mut before = 0;
            for (part, fraction) in parts.iter().zip(fractions) {
                sum += fraction;
                let boundary = (all * sum + 0.5 + 1e-12).floor() as usize;
                prop_assert_eq!(count(part), boundary - before);
                before = boundary;
            }
        }
    }

    #[test]
    fn a_random_split_is_a_partition(n in 0..500usize, first in 0.0..1.0f64, seed in any::<u64>()) {
        let parts = split::random(n, &[first, 1.0 - first], Streams::new(seed)).unwrap();
        assert_partition(&parts, n);
        prop_assert!((parts[0].len() as f64 - n as f64 * first).abs() <= 0.5 + 1e-9);
    }
}

/// All samples once, every part in ascending order.
fn assert_partition(parts: &[Vec<usize>], n: usize) {
    assert!(parts.iter().all(|part| part.is_sorted()));
    let mut all = parts.concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..n));
}

#[test]
fn a_split_needs_a_division_of_the_whole() {
    for fractions in [&[][..], &[0.5], &[0.5, 0.6], &[1.5, -0.5], &[f64::NAN, 1.0]] {
        for result in [
            split::random(9, fractions, Streams::new(1)),
            split::stratified(&[0], fractions, Streams::new(1)),
        ] {
            assert!(matches!(result, Err(DataError::Fractions { .. })), "{fractions:?}");
        }
    }
    let message = numbered(3, &[2]).split([1.0, 0.0], Streams::new(1)).unwrap_err().to_string();
    assert_eq!(message, "part 1 of the split: expected at least one sample, got none");
    let message = numbered(3, &[2]).split_stratified([0.5, 0.5], Streams::new(1)).unwrap_err().to_string();
    assert_eq!(
        message,
        "stratified split: expected targets that are class labels, got a regression data set"
    );
}

#[test]
fn other_seeds_split_otherwise() {
    let split = |seed| split::random(100, &[0.5, 0.5], Streams::new(seed)).unwrap();
    assert_eq!(split(1), split(1));
    assert_ne!(split(1), split(2));
    let ascending: Vec<usize> = (0..50).collect();
    assert_ne!(split(1)[0], ascending);
}

#[test]
fn the_digits_are_those_of_the_file() {
    let set = digits::load::<f32>();
    let mut counts = [0; 10];
    for label in set.labels().unwrap() {
        counts[label] += 1;
    }
    assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    let first: Vec<f32> = set.inputs().index_axis(Axis(0), 0).iter().copied().collect();
    assert_eq!(first[..12], [0.0, 0.0, 5.0, 13.0, 9.0, 1.0, 0.0, 0.0, 0.0, 0.0, 13.0, 15.0]);
    assert!(set.inputs().iter().all(|&x| (0.0..=16.0).contains(&x) && x.fract() == 0.0));
    // Sum of all pixels of the file.
    assert_eq!(set.inputs().iter().map(|&x| f64::from(x)).sum::<f64>(), PIXEL_SUM);
    let [train, test] = set.split_stratified([0.8, 0.2], Streams::new(1)).unwrap();
    assert_eq!((train.len(), test.len()), (TRAIN, 1797 - TRAIN));
}

const PIXEL_SUM: f64 = 561_718.0;
/// Σ over the classes of ⌊0.8·count + ½⌋.
const TRAIN: usize = 142 + 146 + 142 + 146 + 145 + 146 + 145 + 143 + 139 + 144;
