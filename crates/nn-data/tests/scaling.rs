//! Min-max scaling and whitening: their defining properties, their inverses, saving and loading.

use ndarray::{Array1, Array2, ArrayD, Axis, array};
use nn_core::Streams;
use nn_data::{DataError, Dataset, MinMax, Scaling, Standardizer, Whitening, WhiteningMethod};
use proptest::prelude::*;
use rand::Rng;

fn set(inputs: ArrayD<f64>) -> Dataset<f64> {
    let n = inputs.shape()[0];
    Dataset::regression(inputs, Array1::zeros(n)).unwrap()
}

/// `n` samples of correlated features with different means and spreads.
fn correlated(n: usize, features: usize, seed: u64) -> Array2<f64> {
    let mut rng = Streams::new(seed).rng("test", 0);
    let mut uniform = || rng.next_u32() as f64 / f64::from(u32::MAX) - 0.5;
    let mixing = Array2::from_shape_simple_fn((features, features), &mut uniform);
    let independent = Array2::from_shape_simple_fn((n, features), &mut uniform);
    let mut inputs = independent.dot(&mixing);
    for (j, mut column) in inputs.columns_mut().into_iter().enumerate() {
        column.mapv_inplace(|x| 3.0 * x + j as f64);
    }
    inputs
}

/// Σ(x − μ)(x − μ)ᵀ/n, by plain loops.
fn covariance(x: &Array2<f64>) -> Array2<f64> {
    let n = x.nrows() as f64;
    let mean = x.mean_axis(Axis(0)).unwrap();
    Array2::from_shape_fn((x.ncols(), x.ncols()), |(a, b)| {
        x.rows().into_iter().map(|row| (row[a] - mean[a]) * (row[b] - mean[b]) / n).sum()
    })
}

#[track_caller]
fn assert_close<'a>(a: impl IntoIterator<Item = &'a f64>, b: impl IntoIterator<Item = &'a f64>, within: f64) {
    for (a, b) in a.into_iter().zip(b) {
        assert!((a - b).abs() <= within, "{a} {b}");
    }
}

#[test]
fn training_inputs_fill_the_range() {
    let inputs = correlated(50, 4, 1);
    let train = set(inputs.clone().into_dyn());
    for (low, high) in [(0.0, 1.0), (-1.0, 1.0), (5.0, 7.5)] {
        let scaling = MinMax::per_feature(&train).unwrap().to_range(low, high).unwrap();
        assert_eq!(scaling.range(), (low, high));
        let scaled = scaling.apply(train.clone()).unwrap();
        for column in scaled.inputs().columns() {
            let least = column.iter().copied().fold(f64::INFINITY, f64::min);
            let greatest = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert_close(&[least, greatest], &[low, high], 1e-14);
        }
        let mut restored = scaled.inputs().clone();
        scaling.inverse(restored.view_mut()).unwrap();
        assert_close(&restored, &inputs, 1e-13);
    }
    let whole = MinMax::per_set(&train).unwrap();
    let least = inputs.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(whole.min()[[]], least);
    assert_eq!(whole.min().ndim(), 0);
}

#[test]
fn a_constant_feature_becomes_the_low_end() {
    let train = set(array![[0.1, 1.0], [0.1, 2.0]].into_dyn());
    let scaling = MinMax::per_feature(&train).unwrap().to_range(-1.0, 1.0).unwrap();
    assert_eq!(scaling.apply(train).unwrap().inputs(), &array![[-1.0, -1.0], [-1.0, 1.0]].into_dyn());
}

#[test]
fn limits_are_checked() {
    let new = |min: f64, max: f64| MinMax::new(array![min].into_dyn(), array![max].into_dyn());
    for (min, max) in [(1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::NAN), (0.0, f64::INFINITY), (-1e308, 1e308)] {
        assert!(matches!(new(min, max), Err(DataError::Range(_))), "{min} {max}");
    }
    for (low, high) in [(1.0, 1.0), (1.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY)] {
        assert!(
            matches!(new(0.0, 1.0).unwrap().to_range(low, high), Err(DataError::Range(_))),
            "{low} {high}"
        );
    }
    let two = set(array![[1.0, 2.0]].into_dyn());
    let message = new(0.0, 1.0).unwrap().apply(two).unwrap_err().to_string();
    assert_eq!(message, "scaling: expected samples of shape [1], got [2]");
}

#[test]
fn whitened_training_inputs_have_the_identity_as_covariance() {
    for (features, method) in
        [1, 2, 5, 33].into_iter().flat_map(|n| [(n, WhiteningMethod::Pca), (n, WhiteningMethod::Zca)])
    {
        let inputs = correlated(400, features, features as u64);
        let train = set(inputs.clone().into_dyn());
        let scaling = Whitening::fit(&train, method, 1e-12).unwrap();
        let white = scaling.apply(train).unwrap().inputs().clone();
        let flat = white.clone().into_shape_with_order((400, features)).unwrap();
        assert_close(&covariance(&flat), &Array2::eye(features), 1e-5);
        assert_close(&flat.mean_axis(Axis(0)).unwrap(), &Array1::zeros(features), 1e-7);
        let mut restored = white;
        scaling.inverse(restored.view_mut()).unwrap();
        assert_close(&restored, &inputs, 1e-9);
    }
}

#[test]
fn eigenvectors_are_those_of_the_covariance() {
    let inputs = correlated(200, 12, 7);
    let train = set(inputs.clone().into_dyn());
    let scaling = Whitening::fit(&train, WhiteningMethod::Pca, 0.5).unwrap();
    let (values, vectors) = (scaling.eigenvalues(), scaling.eigenvectors());
    assert!(values.is_sorted_by(|a, b| a >= b));
    let c = covariance(&inputs);
    for (&value, vector) in values.iter().zip(vectors.rows()) {
        assert_close(&c.dot(&vector), &(&vector * value), 1e-12);
        let largest = vector.iter().copied().fold(0.0_f64, |a, b| if b.abs() > a.abs() { b } else { a });
        assert!(largest > 0.0);
    }
    assert_close(&vectors.dot(&vectors.t()), &Array2::eye(12), 1e-12);
    // y = (λ + ε)^(−1/2)·u·(x − μ), one by one.
    let white = scaling.apply(train).unwrap().inputs().clone();
    let centered = &inputs.row(3) - &Array1::from(scaling.mean().to_vec());
    for (j, (&value, vector)) in values.iter().zip(vectors.rows()).enumerate() {
        let expected = vector.dot(&centered) / (value + 0.5).sqrt();
        assert!((white[[3, j]] - expected).abs() < 1e-12);
    }
}

#[test]
fn zca_is_symmetric_and_nearest_to_the_input() {
    let inputs = correlated(100, 6, 9);
    let train = set(inputs.clone().into_dyn());
    let whiten = |method| Whitening::fit(&train, method, 1e-9).unwrap();
    let (pca, zca) = (whiten(WhiteningMethod::Pca), whiten(WhiteningMethod::Zca));
    let mean = Array1::from(zca.mean().to_vec());
    let matrix = Array2::from_shape_fn((6, 6), |(i, j)| {
        let mut x = mean.clone();
        x[i] += 1.0;
        let mut x = x.insert_axis(Axis(0)).into_dyn();
        zca.transform(x.view_mut()).unwrap();
        x[[0, j]]
    });
    assert_close(&matrix, &matrix.t().to_owned(), 1e-9);
    let distance = |scaling: &Whitening| {
        let white = scaling.apply(train.clone()).unwrap();
        let centered = &inputs - &mean;
        white.inputs().iter().zip(&centered).map(|(a, b)| (a - b) * (a - b)).sum::<f64>()
    };
    assert!(distance(&zca) < distance(&pca));
}

#[test]
fn whitening_survives_constant_and_repeated_features_and_few_samples() {
    let constant = array![[1.0, 5.0, 1.0], [2.0, 5.0, 2.0], [4.0, 5.0, 4.0]];
    for inputs in [constant, array![[1.0, 2.0, 3.0]]] {
        let train = set(inputs.clone().into_dyn());
        for method in [WhiteningMethod::Pca, WhiteningMethod::Zca] {
            let scaling = Whitening::fit(&train, method, 1e-5).unwrap();
            assert!(scaling.eigenvalues().iter().all(|&value| value >= 0.0));
            let mut white = scaling.apply(train.clone()).unwrap().inputs().clone();
            assert!(white.iter().all(|x| x.is_finite()));
            scaling.inverse(white.view_mut()).unwrap();
            assert_close(&white, &inputs, 1e-9);
        }
    }
}

#[test]
fn whitening_refuses_what_it_cannot_do() {
    let train = set(array![[1.0, 2.0], [2.0, 1.0]].into_dyn());
    for epsilon in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Whitening::fit(&train, WhiteningMethod::Zca, epsilon).unwrap_err().to_string();
        assert!(error.starts_with("Whitening: epsilon must lie in (0, ∞), got "), "{error}");
    }
    let wide = set(array![[1e200, 2.0], [-1e200, 1.0]].into_dyn());
    let error = Whitening::fit(&wide, WhiteningMethod::Pca, 1e-5).unwrap_err();
    assert!(matches!(error, DataError::Range(_)), "{error}");
    let many = set(ArrayD::zeros(vec![1, 8193]));
    let error = Whitening::fit(&many, WhiteningMethod::Pca, 1e-5).unwrap_err().to_string();
    assert_eq!(error, "Whitening: features must lie in [1, 8192], got 8193");
    let scaling = Whitening::fit(&train, WhiteningMethod::Pca, 1e-5).unwrap();
    let message = scaling.apply(set(array![[1.0]].into_dyn())).unwrap_err().to_string();
    assert_eq!(message, "scaling: expected samples of shape [2], got [1]");
}

/// Every scaling, fitted on samples of this shape.
fn every_scaling(train: &Dataset<f64>) -> Vec<Scaling> {
    vec![
        Standardizer::per_feature(train).unwrap().into(),
        Standardizer::per_set(train).unwrap().into(),
        MinMax::per_feature(train).unwrap().into(),
        MinMax::per_set(train).unwrap().to_range(-1.0, 1.0).unwrap().into(),
        Whitening::fit(train, WhiteningMethod::Pca, 1e-5).unwrap().into(),
        Whitening::fit(train, WhiteningMethod::Zca, 1e-5).unwrap().into(),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(20) })]

    #[test]
    fn every_scaling_is_undone_in_any_memory_layout_and_saved_to_the_bit(seed in any::<u64>()) {
        let inputs = correlated(30, 6, seed).into_shape_with_order((30, 2, 3)).unwrap().into_dyn();
        let train = set(inputs.clone());
        for scaling in every_scaling(&train) {
            prop_assert!(scaling.input_shape().is_none_or(|shape| shape == [2, 3]));
            let scaled = scaling.apply(train.clone()).unwrap().inputs().clone();
            let mut other_layout = inputs.clone().permuted_axes(vec![2, 1, 0]).as_standard_layout().to_owned();
            let mut view = other_layout.view_mut().permuted_axes(vec![2, 1, 0]);
            scaling.transform(view.view_mut()).unwrap();
            prop_assert_eq!(&view, &scaled);
            scaling.inverse(view.view_mut()).unwrap();
            for (restored, original) in view.iter().zip(&inputs) {
                prop_assert!((restored - original).abs() < 1e-9);
            }
            let text = serde_json::to_string(&scaling).unwrap();
            let loaded: Scaling = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&loaded, &scaling);
            let again = loaded.apply(train.clone()).unwrap();
            prop_assert_eq!(again.inputs(), &scaled);
        }
    }
}

#[test]
fn what_is_saved_is_readable_and_what_is_loaded_is_checked() {
    let train = set(array![[1.0, 10.0], [3.0, 30.0]].into_dyn());
    let saved = |scaling: Scaling| serde_json::to_string(&scaling).unwrap();
    assert_eq!(
        saved(MinMax::per_feature(&train).unwrap().into()),
        r#"{"kind":"min_max","shape":[2],"min":[1.0,10.0],"max":[3.0,30.0],"low":0.0,"high":1.0}"#
    );
    assert_eq!(
        saved(Standardizer::per_feature(&train).unwrap().into()),
        r#"{"kind":"standardize","shape":[2],"mean":[2.0,20.0],"std":[1.0,10.0]}"#
    );
    let whiten = |fields: &str| format!(r#"{{"kind":"whiten","method":"pca",{fields}}}"#);
    let table = [
        (r#"{"kind":"min_max","shape":[2],"min":[1],"max":[3,30],"low":0,"high":1}"#.to_owned(), "got [1]"),
        (
            r#"{"kind":"min_max","shape":[1],"min":[1],"max":[0],"low":0,"high":1}"#.to_owned(),
            "MinMax: min must lie in",
        ),
        (
            r#"{"kind":"min_max","shape":[1],"min":[0],"max":[1],"low":1,"high":1}"#.to_owned(),
            "MinMax: low must lie in",
        ),
        (
            r#"{"kind":"standardize","shape":[1],"mean":[1],"std":[0]}"#.to_owned(),
            "a standard deviation above 0",
        ),
        (
            r#"{"kind":"standardize","shape":[18446744073709551615,18446744073709551615],"mean":[1],"std":[1]}"#
                .to_owned(),
            "got [1]",
        ),
        (r#"{"kind":"rotate"}"#.to_owned(), "unknown variant `rotate`"),
        (
            whiten(r#""epsilon":0,"shape":[1],"mean":[0],"eigenvalues":[1],"eigenvectors":[1]"#),
            "Whitening: epsilon must lie in",
        ),
        (
            whiten(r#""epsilon":1,"shape":[1],"mean":[0],"eigenvalues":[-1],"eigenvectors":[1]"#),
            "Whitening: eigenvalue must lie in",
        ),
        (
            whiten(r#""epsilon":1,"shape":[1],"mean":[0],"eigenvalues":[1],"eigenvectors":[2]"#),
            "Whitening: length of an eigenvector must lie in",
        ),
        (
            whiten(r#""epsilon":1,"shape":[1],"mean":[0],"eigenvalues":[1],"eigenvectors":[1,0]"#),
            "expected samples of shape [1], got [2]",
        ),
        (
            whiten(r#""epsilon":1,"shape":[2],"mean":[0],"eigenvalues":[1],"eigenvectors":[1]"#),
            "expected samples of shape [2], got [1]",
        ),
        (
            whiten(r#""epsilon":1,"shape":[1],"mean":[0],"eigenvalues":[1,1],"eigenvectors":[1]"#),
            "expected samples of shape [1], got [2]",
        ),
    ];
    for (text, expected) in table {
        let message = serde_json::from_str::<Scaling>(&text).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}\nshould contain: {expected}");
    }
}
