//! Properties, invariants, refusals and edges of the norms.

use ndarray::{Array1, Array2, Array3, ArrayD, Axis, Ix1, Slice, array, concatenate};
use nn_core::{ExponentialAverage, Mode, Op, Real, Streams};
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm,
    RunningStatistics, SpectralNorm, Statistics, WeightStandardization,
};

/// Numbers in ±1 in no particular order.
fn wave<F: Real, D: ndarray::Dimension>(shape: impl ndarray::ShapeBuilder<Dim = D>) -> ndarray::Array<F, D> {
    let mut i = 0.0;
    ndarray::Array::from_shape_simple_fn(shape, || {
        i += 1.0;
        F::from_f64(f64::sin(i * i * 0.7 + i))
    })
}

fn largest(x: impl IntoIterator<Item = f64>) -> f64 {
    x.into_iter().fold(0.0, |m, x| m.max(x.abs()))
}

fn no_shift(channels: usize) -> [Array1<f64>; 2] {
    [wave(channels), Array1::zeros(channels)]
}

#[test]
fn input_gradients_of_batch_norm_sum_to_zero() {
    let norm = BatchNorm::new().epsilon(0.0).unwrap();
    let x: Array3<f64> = wave((6, 3, 5));
    let [scale, shift] = no_shift(3);
    let mut y = norm.train(&x, &scale, &shift, &mut norm.running(3)).unwrap();
    let (dx, _) = y.backward(&x.mapv(|x| x * x));
    let sums = |a: &Array3<f64>| a.sum_axis(Axis(2)).sum_axis(Axis(0));
    let scale = scale.to_shape((3, 1)).unwrap();
    let normalized = &y.output / &scale;
    assert!(largest(dx.iter().copied()) > 0.1);
    assert!(largest(sums(&dx)) < 1e-13, "{}", sums(&dx));
    assert!(largest(sums(&(&dx * &normalized))) < 1e-13);
}

#[test]
fn the_scale_of_a_weight_does_not_matter() {
    let norm = BatchNorm::new().epsilon(0.0).unwrap();
    let (u, w): (Array2<f64>, Array2<f64>) = (wave((9, 4)), wave((3, 4)));
    let [scale, shift] = no_shift(3);
    let dy: Array2<f64> = wave((9, 3));
    let run = |w: &Array2<f64>| {
        let z = u.dot(&w.t());
        let mut y = norm.train(&z, &scale, &shift, &mut norm.running(3)).unwrap();
        let (dz, _) = y.backward(&dy);
        (y.output.clone(), dz.t().dot(&u))
    };
    let (y, dw) = run(&w);
    for a in [0.01, 7.5] {
        let (scaled, d_scaled) = run(&(a * &w));
        assert!(largest(&scaled - &y) < 1e-12);
        assert!(largest(&d_scaled * a - &dw) < 1e-11);
    }
}

#[test]
fn batch_norm_can_be_the_identity() {
    let x: Array2<f64> = 3.0 * wave::<f64, _>((8, 4)) + 2.0;
    let (mean, variance) = (x.mean_axis(Axis(0)).unwrap(), x.var_axis(Axis(0), 0.0));
    let norm = BatchNorm::new();
    let scale = (variance + 1e-5).sqrt();
    let y = norm.train(&x, &scale, &mean, &mut norm.running(4)).unwrap();
    assert!(largest(&y.output - &x) < 1e-14);
}

#[test]
fn a_large_mean_costs_no_digits() {
    // Mean 1e4, standard deviation 1: f32 resolves 1e-3 there, and x is what it is.
    for shape in [(64, 5, 1), (3, 5, 200), (5000, 2, 1)] {
        let x: Array3<f32> = wave::<f32, _>(shape) * 1.5 + 1e4;
        let exact = x.mapv(f64::from);
        let c = shape.1;
        let (ones, zeros) = (Array1::ones(c), Array1::zeros(c));
        let dy: Array3<f32> = wave(shape);
        let (narrow, wide) = (BatchNorm::new(), BatchNorm::new());
        let mut running = narrow.running(c);
        let mut y = narrow.train(&x, &ones, &zeros, &mut running).unwrap();
        let (ones, zeros) = (Array1::ones(c), Array1::zeros(c));
        let mut expected_running = wide.running(c);
        let mut expected = wide.train(&exact, &ones, &zeros, &mut expected_running).unwrap();
        assert!(largest(y.output.mapv(f64::from) - &expected.output) < 2e-6, "{shape:?}");
        let (dx, _) = y.backward(&dy);
        let (expected_dx, _) = expected.backward(&dy.mapv(f64::from));
        assert!(largest(dx.mapv(f64::from) - expected_dx) < 5e-6);
        assert!(largest(running.variance().mapv(f64::from) - expected_running.variance()) < 1e-6);
        let rows = x.into_shape_with_order((shape.0, c * shape.2)).unwrap();
        let width = rows.ncols();
        let exact = rows.mapv(f64::from);
        let (a, b) = (Array1::ones(width), Array1::zeros(width));
        let y = LayerNorm::new().forward(&rows, &a, &b).unwrap().output;
        let (a, b) = (Array1::ones(width), Array1::zeros(width));
        let expected = LayerNorm::new().forward(&exact, &a, &b).unwrap().output;
        assert!(largest(y.mapv(f64::from) - expected) < 5e-6, "{shape:?}");
    }
}

#[test]
fn an_outlier_hardly_costs_digits() {
    // All values are taken less the first, which may lie far away. Plain sums of squares would be off by n·2⁻²⁴.
    for cases in [9, 300, 5000] {
        for place in [0, cases / 2, cases - 1] {
            let mut x: Array2<f32> = wave((cases, 20));
            x.row_mut(place).fill(3000.0);
            let mut narrow = RunningStatistics::<f32>::new(Statistics::Pooled, 20).unwrap();
            let mut wide = RunningStatistics::<f64>::new(Statistics::Pooled, 20).unwrap();
            narrow.update(&x).unwrap();
            wide.update(&x.mapv(f64::from)).unwrap();
            let ratio = narrow.variance().mapv(f64::from) / wide.variance();
            let error = largest(ratio - 1.0);
            assert!(error < 1e-5, "{cases} cases, outlier {place}: {error:e}");
        }
    }
}

#[test]
fn without_scale_and_shift_they_are_one_and_zero() {
    let x: Array3<f64> = wave((4, 6, 5));
    let dy = x.mapv(|x| x * x);
    let (ones, zeros) = (Array1::ones(6), Array1::zeros(6));
    let groups = GroupNorm::new(3).unwrap().affine(false);
    let (mut plain, mut same) =
        (groups.forward_plain(&x).unwrap(), groups.forward(&x, &ones, &zeros).unwrap());
    assert_eq!(plain.output, same.output);
    assert!(largest(plain.backward(&dy).0 - same.backward(&dy).0) < 1e-14);
    let instances = InstanceNorm::new();
    let (mut plain, mut same) =
        (instances.forward_plain(&x).unwrap(), instances.forward(&x, &ones, &zeros).unwrap());
    assert_eq!(plain.output, same.output);
    assert!(largest(plain.backward(&dy).0 - same.backward(&dy).0) < 1e-14);
    assert!(!groups.is_affine() && !instances.is_affine() && instances.affine(true).is_affine());
    assert!(GroupNorm::new(4).unwrap().forward_plain(&x).is_err(), "4 groups of 6 channels");
}

#[test]
fn pooled_statistics_are_those_of_the_set() {
    let x: Array3<f64> = wave::<f64, _>((23, 3, 2)) * 2.0 + 100.0;
    let by_channel = x.view().permuted_axes([1, 0, 2]);
    let by_channel = by_channel.to_shape((3, 46)).unwrap();
    for sizes in [vec![23], vec![5, 18], vec![1, 1, 1, 20], vec![10, 0, 13]] {
        let mut running = RunningStatistics::new(Statistics::Pooled, 3).unwrap();
        let mut at = 0;
        for size in sizes {
            running.update(&x.slice_axis(Axis(0), Slice::from(at..at + size))).unwrap();
            at += size;
        }
        assert_eq!(running.tracked(), 23.0);
        assert!(largest(running.mean() - by_channel.mean_axis(Axis(1)).unwrap()) < 1e-12);
        assert!(largest(running.variance() - by_channel.var_axis(Axis(1), 1.0)) < 1e-12);
    }
}

#[test]
fn corrected_statistics_are_the_exponential_average() {
    let policy = Statistics::Exponential { momentum: 0.2, bias_corrected: true };
    let mut running = RunningStatistics::new(policy, 1).unwrap();
    let mut expected = [ExponentialAverage::new(0.8).unwrap(), ExponentialAverage::new(0.8).unwrap()];
    for step in 0..6 {
        let x: Array2<f64> = wave::<f64, _>((4 + step, 1)) + step as f64;
        running.update(&x).unwrap();
        expected[0].update(x.mean().unwrap());
        expected[1].update(x.column(0).var(1.0));
        assert!((running.mean()[0] - expected[0].value().unwrap()).abs() < 1e-14);
        assert!((running.variance()[0] - expected[1].value().unwrap()).abs() < 1e-14);
    }
}

/// What the operation writes into the gradients of the statistics, subtracted, is what eager training does.
#[test]
fn the_operation_moves_the_statistics_as_eager_training_does() {
    use nn_core::{Step, evaluate};
    let policies = [
        Statistics::default(),
        Statistics::Exponential { momentum: 0.3, bias_corrected: true },
        Statistics::Average,
        Statistics::Pooled,
    ];
    for policy in policies {
        let norm = BatchNorm::new().statistics(policy).unwrap();
        let mut running = norm.running::<f64>(3);
        let mut state =
            [Array1::zeros(3).into_dyn(), Array1::ones(3).into_dyn(), ndarray::arr0(0.0).into_dyn()];
        let (scale, shift) = (Array1::ones(3), Array1::zeros(3));
        for step in 0..4 {
            let x: Array2<f64> = wave::<f64, _>((3 + step, 3)) + step as f64;
            let mut y = norm.train(&x, &scale, &shift, &mut running).unwrap();
            y.backward(&x);
            let (x, scale, shift) = (x.view().into_dyn(), scale.view().into_dyn(), shift.view().into_dyn());
            let inputs = [x, scale, shift, state[0].view(), state[1].view(), state[2].view()];
            let mut result = evaluate(&norm, &Step::default(), &inputs).unwrap();
            let d = result.backward(&norm, &Step::default(), &inputs, inputs[0].view());
            state = [&state[0] - &d[3], &state[1] - &d[4], &state[2] - &d[5]];
            assert!(largest((&state[0] - running.mean()).iter().copied()) < 1e-14, "{policy:?}");
            assert!(largest((&state[1] - running.variance()).iter().copied()) < 1e-14, "{policy:?}");
            assert_eq!(state[2].sum(), running.tracked());
        }
        let evaluation = Step { mode: Mode::Eval, ..Step::default() };
        let x: ArrayD<f64> = wave((2, 3)).into_dyn();
        let inputs = [
            x.view(),
            scale.view().into_dyn(),
            shift.view().into_dyn(),
            state[0].view(),
            state[1].view(),
            state[2].view(),
        ];
        let mut result = evaluate(&norm, &evaluation, &inputs).unwrap();
        let d = result.backward(&norm, &evaluation, &inputs, x.view());
        assert!(d[3..].iter().all(|d| d.iter().all(|&d| d == 0.0)), "nothing moves in evaluation");
    }
}

#[test]
fn renormalisation_is_batch_norm_with_other_coefficients() {
    let x: Array2<f64> = wave((10, 3));
    let dy = x.mapv(|x| x * x);
    let [scale, shift] = no_shift(3);
    let (renorm, norm) = (BatchRenorm::new().limits(100.0, 100.0).unwrap(), BatchNorm::new());
    let old =
        RunningStatistics::resume(Statistics::default(), array![0.1, -0.3, 0.0], array![0.4, 0.9, 0.6], 5.0);
    let old = old.unwrap();
    let mut running = old.clone();
    let mut y = renorm.train(&x, &scale, &shift, &mut running).unwrap();
    // Within the limits the output is that of the statistics before the step.
    let expected = norm.eval(&x, &scale, &shift, &old).unwrap();
    let difference = largest(&y.output - &expected.output);
    assert!(difference < 1e-14, "{difference:e}");
    let (variance, mean) = (x.var_axis(Axis(0), 0.0), x.mean_axis(Axis(0)).unwrap());
    let sigma = (old.variance() + 1e-5).sqrt();
    let (r, d) = ((variance + 1e-5).sqrt() / &sigma, (mean - old.mean()) / &sigma);
    let (scale_r, shift_d) = (&scale * &r, &shift + &scale * &d);
    let mut other = old.clone();
    let mut same = norm.train(&x, &scale_r, &shift_d, &mut other).unwrap();
    let ((dx, [d_scale, d_shift]), (dx_same, [d_scale_same, d_shift_same])) =
        (y.backward(&dy), same.backward(&dy));
    assert!(largest(dx - dx_same) < 1e-14);
    assert!(largest(d_scale - (d_scale_same * r + &d_shift_same * d)) < 1e-13);
    assert_eq!(d_shift, d_shift_same);
    assert_eq!(running, other);
}

#[test]
fn spectral_norm_finds_the_largest_singular_value() {
    // Orthogonal columns of norm 5 and 2.
    let w = array![[3.0, -1.6], [4.0, 1.2]];
    let norm = SpectralNorm::new();
    let vectors = norm.start(&w, &Streams::new(3)).unwrap();
    let y = norm.eval(&w, &vectors).unwrap().output;
    assert!(largest(&y - &(&w / 5.0)) < 1e-9);
    let turned = norm.axis(1);
    let vectors = turned.start(&w, &Streams::new(4)).unwrap();
    assert!(largest(turned.eval(&w, &vectors).unwrap().output - y) < 1e-9);
    assert_eq!(norm.start(&w, &Streams::new(3)).unwrap(), norm.start(&w, &Streams::new(3)).unwrap());
}

/// An error that names all of it, or a call of this name that was not refused.
fn refused<T>(call: &str, result: Result<T, nn_core::RangeError>, message: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{call} takes what is out of range: {message}"));
    assert_eq!(error.to_string(), message);
}

#[test]
fn settings_out_of_range_are_refused() {
    let policy = |momentum, bias_corrected| Statistics::Exponential { momentum, bias_corrected };
    for bad in [-1.0, f64::INFINITY, f64::NAN] {
        let of = |owner: &str, range: &str| format!("{owner}: epsilon must lie in {range}, got {bad}");
        refused("epsilon", BatchNorm::new().epsilon(bad), &of("BatchNorm", "[0, ∞)"));
        refused("epsilon", BatchRenorm::new().epsilon(bad), &of("BatchRenorm", "[0, ∞)"));
        refused("epsilon", LayerNorm::new().epsilon(bad), &of("LayerNorm", "[0, ∞)"));
        refused("epsilon", RmsNorm::new().epsilon(bad), &of("RmsNorm", "[0, ∞)"));
        refused("epsilon", GroupNorm::new(1).unwrap().epsilon(bad), &of("GroupNorm", "[0, ∞)"));
        refused("epsilon", InstanceNorm::new().epsilon(bad), &of("InstanceNorm", "[0, ∞)"));
        refused("epsilon", WeightStandardization::new().epsilon(bad), &of("WeightStandardization", "[0, ∞)"));
        refused("epsilon", SpectralNorm::new().epsilon(bad), &of("SpectralNorm", "(0, ∞)"));
        let norm = LocalResponseNorm::new(5).unwrap();
        assert!(norm.alpha(bad).is_err() && norm.beta(bad).is_err() && norm.k(bad).is_err());
    }
    let zero = "SpectralNorm: epsilon must lie in (0, ∞), got 0";
    refused("epsilon", SpectralNorm::new().epsilon(0.0), zero);
    for (bad, corrected, range) in
        [(1.5, false, "[0, 1]"), (-0.1, false, "[0, 1]"), (f64::NAN, false, "[0, 1]"), (0.0, true, "(0, 1]")]
    {
        let message = format!("Statistics: momentum must lie in {range}, got {bad}");
        refused("statistics", BatchNorm::new().statistics(policy(bad, corrected)), &message);
        refused("statistics", BatchRenorm::new().statistics(policy(bad, corrected)), &message);
        refused("new", RunningStatistics::<f32>::new(policy(bad, corrected), 1), &message);
    }
    let renorm = BatchRenorm::new();
    refused("limits", renorm.limits(0.5, 1.0), "BatchRenorm: r_max must lie in [1, ∞), got 0.5");
    refused("limits", renorm.limits(1.0, -1.0), "BatchRenorm: d_max must lie in [0, ∞), got -1");
    refused("axes", LayerNorm::new().axes(0), "LayerNorm: axes must lie in [1, ∞), got 0");
    refused("axes", RmsNorm::new().axes(0), "RmsNorm: axes must lie in [1, ∞), got 0");
    refused("new", GroupNorm::new(0), "GroupNorm: groups must lie in [1, ∞), got 0");
    refused("new", LocalResponseNorm::new(0), "LocalResponseNorm: size must lie in [1, ∞), got 0");
    refused(
        "iterations",
        SpectralNorm::new().iterations(0),
        "SpectralNorm: iterations must lie in [1, ∞), got 0",
    );
    // The ends of the ranges are inside.
    assert!(BatchNorm::new().statistics(policy(0.0, false)).is_ok() && BatchNorm::new().epsilon(0.0).is_ok());
    assert!(BatchNorm::new().statistics(policy(1.0, true)).is_ok() && renorm.limits(1.0, 0.0).is_ok());
}

#[test]
fn one_value_per_channel_is_refused_in_training() {
    let norm = BatchNorm::new();
    let (x, ones, zeros) = (array![[1.0, 2.0]], array![1.0, 1.0], array![0.5, -0.5]);
    let mut running = norm.running(2);
    let before = running.clone();
    let message = norm.train(&x, &ones, &zeros, &mut running).unwrap_err().to_string();
    let expected = "batch_norm: input 0 must be a batch [N, C, …] with more than one value per channel in training, \
                    got shape [1, 2]";
    assert_eq!(message, expected);
    assert_eq!(running, before);
    assert!(BatchNorm::check_batch(&[1, 2], Mode::Eval).is_ok());
    assert!(BatchNorm::check_batch(&[1, 2, 2], Mode::Train).is_ok());
    assert!(BatchRenorm::check_batch(&[0, 2], Mode::Train).is_err());
    // The operation itself gives β and moves nothing.
    let inputs = [x, array![[0.0, 0.0]]].map(ndarray::ArrayBase::into_dyn);
    let state = [ones.into_dyn(), zeros.into_dyn(), array![3.0, 3.0].into_dyn(), array![2.0, 2.0].into_dyn()];
    let tracked = ndarray::arr0(4.0).into_dyn();
    let views = [
        inputs[0].view(),
        state[0].view(),
        state[1].view(),
        state[2].view(),
        state[3].view(),
        tracked.view(),
    ];
    let step = nn_core::Step::default();
    let mut result = nn_core::evaluate(&norm, &step, &views).unwrap();
    assert_eq!(result.output, array![[0.5, -0.5]].into_dyn());
    let d = result.backward(&norm, &step, &views, array![[1.0, 2.0]].into_dyn().view());
    assert!(d[3..].iter().chain(&d[..1]).all(|d| d.iter().all(|&d| d == 0.0)));
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    let message = |op: &dyn Op<f64>, shapes: &[&[usize]]| op.infer(shapes).unwrap_err().to_string();
    let norm = BatchNorm::new();
    assert_eq!(message(&norm, &[&[2, 3]]), "batch_norm: expected 6 inputs, got 1");
    assert_eq!(
        message(&norm, &[&[2, 3], &[3], &[3], &[4], &[3], &[]]),
        "batch_norm: input 3 must be one element for each of 3 channels, got shape [4]"
    );
    assert!(message(&norm, &[&[3], &[3], &[3], &[3], &[3], &[]]).contains("a batch [N, C, …]"));
    assert!(message(&norm, &[&[2, 3], &[3], &[3], &[3], &[3], &[1]]).contains("input 5"));
    assert_eq!(
        message(&LayerNorm::new(), &[&[2, 3], &[2]]),
        "layer_norm: shapes [2, 3] and [2] do not fit: scale and shift have the shape of the last axes, [3]"
    );
    assert_eq!(message(&RmsNorm::new(), &[&[2], &[2], &[2]]), "rms_norm: expected 2 inputs, got 3");
    assert!(message(&LayerNorm::new().axes(2).unwrap(), &[&[2]]).contains("at least 2 axes"));
    assert!(message(&InstanceNorm::new(), &[&[2, 3, 1]]).contains("more than one position per channel"));
    assert!(message(&WeightStandardization::new(), &[&[2]]).contains("[out, in, …]"));
    assert!(message(&LocalResponseNorm::new(2).unwrap(), &[&[2]]).contains("[N, C, …]"));
    assert!(message(&SpectralNorm::new(), &[&[2, 3], &[2], &[2]]).contains("a vector of 3 elements"));
    assert!(message(&SpectralNorm::new().axis(2), &[&[2, 3], &[2], &[3]]).contains("axis 2 is out of range"));
    assert!(RunningStatistics::<f64>::new(Statistics::Pooled, 2).unwrap().update(&array![[1.0]]).is_err());
}

#[test]
fn nothing_in_gives_nothing_out() {
    let (ones, zeros) = (Array1::<f64>::ones(3), Array1::zeros(3));
    let empty = Array2::zeros((0, 3));
    let norm = BatchNorm::new();
    let mut y = norm.eval(&empty, &ones, &zeros, &norm.running(3)).unwrap();
    let (dx, [d_scale, d_shift]) = y.backward(&empty);
    assert_eq!((dx.dim(), d_scale, d_shift), ((0, 3), zeros.clone(), zeros.clone()));
    let mut y = LayerNorm::new().forward(&empty, &ones, &zeros).unwrap();
    let (_, [d_scale, _]) = y.backward(&empty);
    assert_eq!(d_scale, zeros);
    let (renorm, maps) = (BatchRenorm::new(), Array3::<f64>::zeros((0, 3, 2)));
    let running = renorm.running(3);
    assert_eq!(
        renorm.eval(&empty, &ones, &zeros, &running).unwrap().backward(&empty).1,
        [0, 1].map(|_| zeros.clone())
    );
    let (_, [d_scale]) = RmsNorm::new().forward(&empty, &ones).unwrap().backward(&empty);
    assert_eq!(d_scale, zeros);
    let mut y = GroupNorm::new(3).unwrap().forward(&maps, &ones, &zeros).unwrap();
    assert_eq!(y.backward(&maps).1, [0, 1].map(|_| zeros.clone()));
    let mut y = InstanceNorm::new().forward(&maps, &ones, &zeros).unwrap();
    assert_eq!(y.backward(&maps).1, [0, 1].map(|_| zeros.clone()));
    let mut y = LocalResponseNorm::new(3).unwrap().forward(&maps).unwrap();
    assert_eq!(y.backward(&maps).0, maps);
    let (norm, streams) = (SpectralNorm::new(), Streams::new(1));
    let mut vectors = norm.start(&empty, &streams).unwrap();
    assert_eq!(norm.train(&empty, &mut vectors).unwrap().backward(&empty).0, empty);
    let wide = Array2::<f64>::zeros((4, 0));
    assert_eq!(WeightStandardization::new().forward(&wide).unwrap().output.dim(), (4, 0));
}

#[test]
fn members_of_a_family_agree() {
    let x: Array3<f64> = wave((4, 6, 5));
    let (scale, shift): (Array1<f64>, Array1<f64>) = (wave(6), wave(6));
    let groups = GroupNorm::new(6).unwrap().forward(&x, &scale, &shift).unwrap().output;
    assert_eq!(groups, InstanceNorm::new().forward(&x, &scale, &shift).unwrap().output);
    let flat = x.to_shape((4, 30)).unwrap().into_owned();
    let (ones, zeros) = (Array1::ones(30), Array1::zeros(30));
    let layer = LayerNorm::new().forward(&flat, &ones, &zeros).unwrap().output;
    let standard = WeightStandardization::new().forward(&x).unwrap().output;
    assert_eq!(layer.into_shape_with_order((4, 6, 5)).unwrap(), standard);
    // RMS norm of centred rows is layer norm.
    let centred = &flat - &flat.mean_axis(Axis(1)).unwrap().insert_axis(Axis(1));
    let layer = LayerNorm::new().epsilon(1e-3).unwrap().forward(&centred, &ones, &zeros).unwrap().output;
    let rms = RmsNorm::new().epsilon(1e-3).unwrap().forward(&centred, &ones).unwrap().output;
    assert!(largest(layer - rms) < 1e-13);
    // A batch twice over has the same statistics.
    let norm = BatchNorm::new();
    let twice = concatenate(Axis(0), &[x.view(), x.view()]).unwrap();
    let y = norm.train(&x, &scale, &shift, &mut norm.running(6)).unwrap().output;
    let y_twice = norm.train(&twice, &scale, &shift, &mut norm.running(6)).unwrap().output;
    let second = y_twice.slice_axis(Axis(0), Slice::from(4..));
    assert!(largest(&second - &y) < 1e-13);
    let _: Array1<f64> = y.sum_axis(Axis(2)).sum_axis(Axis(0)).into_dimensionality::<Ix1>().unwrap();
}
