//! Mini-batches and standardisation.

use ndarray::{Array, Array2, Array3, array};
use nn_core::Streams;
use nn_data::{Batches, DataError, Dataset, Standardizer};
use proptest::prelude::*;

fn order(batches: &mut Batches, epoch: u64) -> Vec<usize> {
    batches.epoch(epoch).flatten().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_epoch_holds_every_sample_once(n in 1..300usize, size in 1..400usize, seed in any::<u64>(), epoch: u64) {
        let mut batches = Batches::new(n, size).unwrap().shuffled(Streams::new(seed));
        let sizes: Vec<usize> = batches.epoch(epoch).map(<[usize]>::len).collect();
        prop_assert_eq!(sizes.len(), batches.len());
        prop_assert!(sizes[..sizes.len() - 1].iter().all(|&length| length == size));
        let mut samples = order(&mut batches, epoch);
        samples.sort_unstable();
        prop_assert!(samples.into_iter().eq(0..n));
    }

    #[test]
    fn dropping_the_last_batch_keeps_the_full_ones(n in 1..300usize, size in 1..400usize, seed in any::<u64>()) {
        let mut kept = Batches::new(n, size).unwrap().shuffled(Streams::new(seed));
        let mut dropped = kept.clone().drop_last();
        let expected = if n < size { n } else { n / size * size };
        prop_assert_eq!(dropped.samples(), expected);
        prop_assert_eq!(dropped.epoch(3).len(), dropped.len());
        prop_assert_eq!(order(&mut dropped, 3), &order(&mut kept, 3)[..expected]);
    }
}

#[test]
fn the_order_depends_on_seed_and_epoch_alone() {
    let new = |seed| Batches::new(100, 8).unwrap().shuffled(Streams::new(seed));
    let mut batches = new(1);
    let epochs: Vec<_> = (0..5).map(|epoch| order(&mut batches, epoch)).collect();
    for (epoch, expected) in epochs.iter().enumerate().rev() {
        assert_eq!(&order(&mut new(1), epoch as u64), expected);
        assert_eq!(epochs.iter().filter(|&other| other == expected).count(), 1);
        assert_ne!(&order(&mut new(2), epoch as u64), expected);
    }
    let mut plain = Batches::new(5, 2).unwrap();
    assert_eq!(order(&mut plain, 7), [0, 1, 2, 3, 4]);
}

#[test]
fn refuses_what_gives_no_batch() {
    assert_eq!(Batches::new(5, 0).unwrap_err(), DataError::BatchSize);
    assert_eq!(DataError::BatchSize.to_string(), "batch size: expected at least 1, got 0");
    let message = Batches::new(0, 5).unwrap_err().to_string();
    assert_eq!(message, "mini-batches: expected at least one sample, got none");
}

fn regression(inputs: Array2<f64>) -> Dataset<f64> {
    let targets = Array::zeros(inputs.nrows());
    Dataset::regression(inputs, targets).unwrap()
}

/// Mean and standard deviation of some numbers.
fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn scaled_training_inputs_have_mean_0_and_deviation_1(
        rows in proptest::collection::vec([-1.0..1.0f64, 1e3..2e3, -1e-3..1e-3], 2..60),
    ) {
        let inputs = Array2::from_shape_fn((rows.len(), 3), |(i, j)| rows[i][j]);
        let varied = inputs.columns().into_iter().all(|c| c.iter().any(|x| (x - c[0]).abs() > 1e-6 * c[0].abs()));
        prop_assume!(varied);
        let set = regression(inputs.clone());
        let scaling = Standardizer::per_feature(&set).unwrap();
        let scaled = scaling.apply(set).unwrap();
        for column in scaled.inputs().columns() {
            let (mean, std) = moments(&column.to_vec());
            prop_assert!(mean.abs() < 1e-7 && (std - 1.0).abs() < 1e-7, "{} {}", mean, std);
        }
        let mut restored = scaled.inputs().clone();
        scaling.inverse(restored.view_mut()).unwrap();
        for (restored, original) in restored.iter().zip(&inputs) {
            prop_assert!((restored - original).abs() <= 1e-12 * original.abs().max(1.0));
        }
    }
}

#[test]
fn one_scale_for_all_features() {
    let inputs = Array3::from_shape_fn((4, 2, 3), |(i, j, k)| (i * i + 7 * j + k) as f64);
    let flat: Vec<f64> = inputs.iter().copied().collect();
    let set = Dataset::regression(inputs, Array::zeros(4)).unwrap();
    let scaling = Standardizer::per_set(&set).unwrap();
    let (mean, std) = moments(&flat);
    assert!((scaling.mean()[[]] - mean).abs() < 1e-12 && (scaling.std()[[]] - std).abs() < 1e-12);
    let scaled: Vec<f64> = scaling.apply(set).unwrap().inputs().iter().copied().collect();
    for (scaled, original) in scaled.iter().zip(&flat) {
        assert!((scaled - (original - mean) / std).abs() < 1e-12);
    }
}

#[test]
fn constant_features_become_zero() {
    // 0.1 has no exact representation, so that its mean and variance do not come out exactly.
    let set = Dataset::regression(Array2::from_elem((7, 2), 0.1f32), Array::zeros(7)).unwrap();
    for scaling in [Standardizer::per_feature(&set).unwrap(), Standardizer::per_set(&set).unwrap()] {
        assert!(scaling.std().iter().all(|&std| std == 1.0));
        assert!(scaling.apply(set.clone()).unwrap().inputs().iter().all(|&x| x == 0.0));
    }
}

#[test]
fn known_statistics_are_checked() {
    let new = |mean: f64, std: f64| Standardizer::new(array![mean].into_dyn(), array![std].into_dyn());
    for (mean, std) in [(0.0, 0.0), (0.0, -1.0), (0.0, f64::NAN), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(matches!(new(mean, std), Err(DataError::Spread { .. })), "{mean} {std}");
    }
    let mismatch = Standardizer::new(array![0.0].into_dyn(), array![1.0, 1.0].into_dyn());
    assert!(matches!(mismatch, Err(DataError::SampleShape { .. })));
    let message = new(0.0, 1.0).unwrap().apply(regression(array![[1.0, 2.0]])).unwrap_err().to_string();
    assert_eq!(message, "scaling: expected samples of shape [1], got [2]");
    let overflow = new(0.0, 1e-200).unwrap().apply(regression(array![[1e200]])).unwrap_err();
    assert!(matches!(overflow, DataError::NonFinite { sample: 0, .. }), "{overflow}");
    let wide = Standardizer::per_feature(&regression(array![[1e200], [-1e200]])).unwrap_err();
    assert!(matches!(wide, DataError::Spread { .. }), "{wide}");
}
