//! One-hot labels, balance of classes, folds of cross-validation, and batch sizes.

use ndarray::array;
use nn_core::Streams;
use nn_data::{
    BatchReason, DataError, Fold, advise_batch_size, class_counts, class_weights, k_fold, one_hot,
    oversample, stratified_k_fold,
};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn one_hot_rows_and_counts() {
    let expected = array![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]];
    assert_eq!(one_hot::<f64>(&[1, 2, 1], 3).unwrap(), expected);
    assert_eq!(one_hot::<f64>(&[], 3).unwrap().dim(), (0, 3));
    assert_eq!(class_counts(&[1, 2, 1], 3).unwrap(), [0, 2, 1]);
}

#[test]
fn labels_outside_the_classes_are_errors() {
    let labels = [0, 2, 3];
    let streams = Streams::new(1);
    let errors = [
        one_hot::<f32>(&labels, 3).unwrap_err(),
        class_counts(&labels, 3).unwrap_err(),
        class_weights(&labels, 3).unwrap_err(),
        oversample(&labels, 3, streams, 0).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(
            error.to_string(),
            "label 3 of sample 2 is none of the 3 classes, which are numbered from 0"
        );
    }
}

#[test]
fn weights_are_those_of_scikit_learn() {
    // compute_class_weight("balanced", classes=[0, 1, 2], y=[0]*2 + [1]*3 + [2]*7) of scikit-learn 1.7.
    let labels = [0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2];
    let weights = class_weights(&labels, 3).unwrap();
    for (weight, expected) in weights.iter().zip([2.0, 4.0 / 3.0, 12.0 / 21.0]) {
        assert!((weight - expected).abs() < 1e-15);
    }
    let mean = labels.iter().map(|&label| weights[label]).sum::<f64>() / 12.0;
    assert!((mean - 1.0).abs() < 1e-15);
    assert_eq!(class_weights(&[0, 2, 2, 2], 4).unwrap(), [2.0, 0.0, 2.0 / 3.0, 0.0]);
    assert_eq!(class_weights(&[], 2).unwrap(), [0.0, 0.0]);
}

#[test]
fn batch_sizes_follow_the_rule() {
    let table = [
        (1, 1),
        (1_999, 1_999),
        (2_000, 64),
        (12_799, 64),
        (12_800, 128),
        (25_600, 256),
        (51_199, 256),
        (51_200, 512),
        (usize::MAX, 512),
    ];
    for (samples, size) in table {
        let advice = advise_batch_size(samples);
        assert_eq!(advice.size, size, "{samples}");
        let whole = matches!(advice.reason, BatchReason::WholeSet { .. });
        assert_eq!(whole, samples < 2_000);
        let text = advice.to_string();
        assert!(text.contains(&samples.to_string()), "{text}");
    }
}

/// The parts are a division of the samples, in ascending order.
fn assert_division(folds: &[Fold], n: usize) {
    let mut seen = vec![0; n];
    for Fold { train, validation } in folds {
        assert!(train.is_sorted() && validation.is_sorted());
        let mut all = [&train[..], validation].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..n));
        validation.iter().for_each(|&sample| seen[sample] += 1);
    }
    assert!(seen.iter().all(|&count| count == 1));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folds_divide_the_samples(n in 2..200usize, k in 2..20usize, seed in any::<u64>()) {
        prop_assume!(k <= n);
        let folds = k_fold(n, k, Streams::new(seed)).unwrap();
        prop_assert_eq!(&folds, &k_fold(n, k, Streams::new(seed)).unwrap());
        assert_division(&folds, n);
        let sizes: Vec<usize> = folds.iter().map(|fold| fold.validation.len()).collect();
        let expected: Vec<usize> = (0..k).map(|fold| n / k + usize::from(fold < n % k)).collect();
        prop_assert_eq!(sizes, expected);
    }

    #[test]
    fn stratified_folds_divide_every_class(
        labels in vec(0..4usize, 2..200), k in 2..12usize, seed in any::<u64>(),
    ) {
        let Ok(folds) = stratified_k_fold(&labels, k, Streams::new(seed)) else {
            prop_assert!(class_counts(&labels, 4).unwrap().into_iter().all(|count| count < k));
            return Ok(());
        };
        prop_assert_eq!(&folds, &stratified_k_fold(&labels, k, Streams::new(seed)).unwrap());
        assert_division(&folds, labels.len());
        let counts = |samples: &[usize]| {
            class_counts(&samples.iter().map(|&sample| labels[sample]).collect::<Vec<_>>(), 4).unwrap()
        };
        // scikit-learn: bincount(sorted labels[i::k]), classes numbered by their first sample.
        let mut order: Vec<usize> = Vec::new();
        labels.iter().for_each(|label| if !order.contains(label) { order.push(*label) });
        let mut sorted = labels.clone();
        sorted.sort_by_key(|label| order.iter().position(|other| other == label));
        for (i, fold) in folds.iter().enumerate() {
            let dealt: Vec<usize> = sorted.iter().copied().skip(i).step_by(k).collect();
            prop_assert_eq!(counts(&fold.validation), class_counts(&dealt, 4).unwrap());
        }
    }

    #[test]
    fn an_oversampled_epoch_has_all_classes_equally_often(
        labels in vec(0..4usize, 0..100), seed in any::<u64>(), epoch in any::<u64>(),
    ) {
        let streams = Streams::new(seed);
        let samples = oversample(&labels, 4, streams, epoch).unwrap();
        prop_assert_eq!(&samples, &oversample(&labels, 4, streams, epoch).unwrap());
        let counts = class_counts(&labels, 4).unwrap();
        let largest = counts.iter().copied().max().unwrap_or(0);
        let mut times = vec![0; labels.len()];
        samples.iter().for_each(|&sample| times[sample] += 1);
        for (class, &count) in counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let of_class: Vec<usize> =
                times.iter().zip(&labels).filter(|&(_, &label)| label == class).map(|(&times, _)| times).collect();
            prop_assert_eq!(of_class.iter().sum::<usize>(), largest);
            prop_assert!(of_class.iter().all(|&times| times == largest / count || times == largest.div_ceil(count)));
        }
    }
}

#[test]
fn other_seeds_and_epochs_draw_otherwise() {
    let labels: Vec<usize> = (0..60).map(|i| usize::from(i % 5 == 0)).collect();
    let draws = |seed, epoch| {
        let streams = Streams::new(seed);
        (
            k_fold(60, 5, streams).unwrap(),
            stratified_k_fold(&labels, 5, streams).unwrap(),
            oversample(&labels, 2, streams, epoch).unwrap(),
        )
    };
    let (a, b, c) = (draws(1, 0), draws(2, 0), draws(1, 1));
    assert!(a.0 != b.0 && a.1 != b.1 && a.2 != b.2);
    assert!(a.0 == c.0 && a.1 == c.1 && a.2 != c.2);
    // Not only which samples a fold has is drawn: the first fold is no run of samples.
    assert_ne!(a.0[0].validation, (0..12).collect::<Vec<_>>());
}

#[test]
fn every_sample_of_a_small_class_comes_once_more_in_some_epoch() {
    // Of the three samples of class 0 one is drawn twice; that one never is in 40 epochs has a chance of 3·10⁻⁷.
    let labels = [0, 0, 0, 1, 1, 1, 1];
    let mut twice = [0; 3];
    for epoch in 0..40 {
        let samples = oversample(&labels, 2, Streams::new(1), epoch).unwrap();
        for (sample, count) in twice.iter_mut().enumerate() {
            *count += usize::from(samples.iter().filter(|&&other| other == sample).count() == 2);
        }
    }
    assert_eq!(twice.iter().sum::<usize>(), 40);
    assert!(twice.iter().all(|&count| count > 0), "{twice:?}");
}

#[test]
fn impossible_numbers_of_folds_are_errors() {
    let streams = Streams::new(1);
    for (n, k) in [(5, 0), (5, 1), (5, 6), (0, 2)] {
        assert_eq!(k_fold(n, k, streams).unwrap_err(), DataError::Folds { folds: k, samples: n });
    }
    let labels = [0, 1, 1, 2];
    assert_eq!(
        stratified_k_fold(&labels, 3, streams).unwrap_err().to_string(),
        "k-fold: expected 2 to 2 folds, got 3"
    );
    assert!(stratified_k_fold(&[], 2, streams).is_err());
    assert!(stratified_k_fold(&labels, 2, streams).is_ok());
}
