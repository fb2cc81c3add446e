//! What becomes of NaN and infinities: they stay in the channel, row, group or window in which they are.

use ndarray::{Array, Array1, Array2, Array3, ArrayRef, Dimension, array};
use nn_core::Streams;
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm,
    RunningStatistics, SpectralNorm, Statistics, WeightStandardization,
};

const BAD: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

/// Numbers in ±1 in no particular order.
fn wave<D: Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>) -> Array<f64, D> {
    let mut i = 0.0;
    Array::from_shape_simple_fn(shape, || {
        i += 1.0;
        f64::sin(i * i * 0.7 + i)
    })
}

/// Demands that exactly the elements with a true `spoilt` are NaN.
#[track_caller]
fn nan_where<D: Dimension>(name: &str, x: &ArrayRef<f64, D>, spoilt: impl Fn(&D::Pattern) -> bool) {
    for (index, x) in x.indexed_iter() {
        assert!(x.is_nan() == spoilt(&index), "{name}: {x} at {index:?}");
        assert!(x.is_nan() || x.is_finite(), "{name}: {x} at {index:?}");
    }
}

#[test]
fn in_batch_norms_they_stay_in_their_channel() {
    let (scale, shift, dy): (Array1<f64>, Array1<f64>, Array3<f64>) =
        (Array1::ones(3), Array1::zeros(3), wave((5, 3, 2)));
    for bad in BAD {
        // The first value of a channel, less which all others are taken, and another one.
        for place in [[0, 1, 0], [4, 1, 1]] {
            let mut x = wave((5, 3, 2));
            x[place] = bad;
            let (norm, renorm) = (BatchNorm::new(), BatchRenorm::new());
            let mut running = [norm.running(3), renorm.running(3)];
            let [of_norm, of_renorm] = &mut running;
            let trained = [
                norm.train(&x, &scale, &shift, of_norm).unwrap(),
                renorm.train(&x, &scale, &shift, of_renorm).unwrap(),
            ];
            for (name, mut y) in ["batch_norm", "batch_renorm"].into_iter().zip(trained) {
                nan_where(name, &y.output, |index| index.1 == 1);
                let (dx, [d_scale, d_shift]) = y.backward(&dy);
                nan_where(name, &dx, |index| index.1 == 1);
                nan_where(name, &d_scale, |&c| c == 1);
                nan_where(name, &d_shift, |_| false);
            }
            for running in &running {
                nan_where("running variance", running.variance(), |&c| c == 1);
                assert!(running.mean().iter().enumerate().all(|(c, mean)| mean.is_finite() == (c != 1)));
            }
            // In evaluation every value stands alone.
            let running = norm.running(3);
            let mut y = norm.eval(&x, &scale, &shift, &running).unwrap();
            assert!(y.output.indexed_iter().all(|(index, y)| y.is_finite() == (index != place.into())));
            let (dx, [d_scale, _]) = y.backward(&dy);
            assert!(dx.iter().all(|dx| dx.is_finite()), "dx does not depend on x");
            assert!(d_scale.iter().enumerate().all(|(c, d)| d.is_finite() == (c != 1)));
        }
    }
}

#[test]
fn in_gathered_statistics_they_stay_in_their_channel_for_good() {
    let policies = [
        Statistics::default(),
        Statistics::Exponential { momentum: 0.3, bias_corrected: true },
        Statistics::Average,
        Statistics::Pooled,
    ];
    for policy in policies {
        let mut running = RunningStatistics::new(policy, 3).unwrap();
        let mut x: Array2<f64> = wave((6, 3));
        x[[2, 1]] = f64::NAN;
        running.update(&x).unwrap();
        running.update(&wave((4, 3))).unwrap();
        nan_where("mean", running.mean(), |&c| c == 1);
        nan_where("variance", running.variance(), |&c| c == 1);
    }
}

#[test]
fn in_norms_of_cases_they_stay_in_their_case_or_group() {
    let (ones, zeros): (Array1<f64>, Array1<f64>) = (Array1::ones(6), Array1::zeros(6));
    let dy: Array3<f64> = wave((3, 6, 4));
    for bad in BAD {
        for place in [[1, 2, 0], [1, 3, 3]] {
            let mut x = wave((3, 6, 4));
            x[place] = bad;
            let mut y = GroupNorm::new(3).unwrap().forward(&x, &ones, &zeros).unwrap();
            let in_group = |index: &(usize, usize, usize)| index.0 == 1 && index.1 / 2 == 1;
            nan_where("group_norm", &y.output, in_group);
            nan_where("group_norm", &y.backward(&dy).0, in_group);

            let mut y = InstanceNorm::new().forward(&x, &ones, &zeros).unwrap();
            let in_channel = |index: &(usize, usize, usize)| index.0 == 1 && index.1 == place[1];
            nan_where("instance_norm", &y.output, in_channel);
            nan_where("instance_norm", &y.backward(&dy).0, in_channel);

            let (ones, zeros): (Array1<f64>, Array1<f64>) = (Array1::ones(4), Array1::zeros(4));
            let in_row = |index: &(usize, usize, usize)| index.0 == 1 && index.1 == place[1];
            let mut y = LayerNorm::new().forward(&x, &ones, &zeros).unwrap();
            nan_where("layer_norm", &y.output, in_row);
            nan_where("layer_norm", &y.backward(&dy).0, in_row);

            // x/√mean(x²) of finite x is 0 beside an infinity.
            let mut y = RmsNorm::new().forward(&x, &ones).unwrap();
            for (index, &got) in y.output.indexed_iter() {
                let expected_nan = in_row(&index) && (bad.is_nan() || index == place.into());
                assert!(got.is_nan() == expected_nan && (!in_row(&index) || got.is_nan() || got == 0.0));
            }
            let dx = y.backward(&dy).0;
            assert!(dx.indexed_iter().all(|(index, d)| in_row(&index) || d.is_finite()));
            assert!(dx.indexed_iter().any(|(index, d)| in_row(&index) && d.is_nan()));
        }
    }
}

#[test]
fn in_local_response_norm_they_reach_their_window() {
    for bad in BAD {
        let mut x = wave((2, 6, 3));
        x[[1, 2, 1]] = bad;
        let y = LocalResponseNorm::new(3).unwrap().forward(&x).unwrap().output;
        for ((n, c, s), &got) in y.indexed_iter() {
            let (here, beside) = ((n, c, s) == (1, 2, 1), n == 1 && s == 1 && (1..=3).contains(&c));
            assert_eq!(got.is_nan(), here || (beside && bad.is_nan()), "{bad} at {:?}", (n, c, s));
            assert!(got == 0.0 || !beside || got.is_nan());
            assert!(beside || (got.is_finite() && got != 0.0));
        }
    }
    let zeros = LocalResponseNorm::new(3).unwrap().k(0.0).unwrap();
    assert!(zeros.forward(&Array2::<f64>::zeros((1, 4))).unwrap().output.iter().all(|y| y.is_nan()));
}

#[test]
fn in_weights_they_stay_in_their_unit_or_spoil_the_singular_value() {
    let streams = Streams::new(1);
    let norm = SpectralNorm::new();
    for bad in BAD {
        let mut w: Array2<f64> = wave((4, 3));
        let vectors = norm.start(&w, &streams).unwrap();
        w[[2, 1]] = bad;
        let mut y = WeightStandardization::new().forward(&w).unwrap();
        nan_where("weight_standardization", &y.output, |index| index.0 == 2);
        nan_where("weight_standardization", &y.backward(&wave((4, 3))).0, |index| index.0 == 2);
        let y = norm.train(&w, &mut vectors.clone()).unwrap().output;
        assert!(y.iter().all(|y| y.is_nan()), "{y}");
    }
    let (zeros, w) = (Array2::<f64>::zeros((2, 2)), array![[1.0, 0.0], [0.0, 2.0]]);
    let vectors = norm.start(&w, &streams).unwrap();
    assert!(norm.eval(&zeros, &vectors).unwrap().output.iter().all(|y| y.is_nan()));
}
