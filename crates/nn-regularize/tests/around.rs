//! Constraints, parameters of an arena, mixing, label smoothing and early stopping.

use std::sync::Arc;

use ndarray::{Array1, Array2, Array4, ArrayD, IxDyn, array};
use nn_core::{Arena, Op, ParamLayout, Role, Step, Streams, evaluate};
use nn_regularize::*;

fn layout() -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    for (name, shape, role) in [
        ("0.weight", &[3, 4][..], Role::Weight),
        ("0.bias", &[3], Role::Bias),
        ("1.running_mean", &[3], Role::RunningStatistic),
        ("2.weight", &[2, 3], Role::Weight),
    ] {
        layout.add(name, shape, role).unwrap();
    }
    Arc::new(layout)
}

#[test]
fn constraints_hold_afterwards_and_change_nothing_twice() {
    let mut w = Array4::<f32>::zeros((4, 3, 2, 5));
    GaussianNoise::new(2.0).unwrap().add(&Streams::new(1).rng("w", 0), &mut w);
    let norms =
        |w: &Array4<f32>| w.outer_iter().map(|g| g.iter().map(|x| x * x).sum::<f32>().sqrt()).collect();
    let (mut capped, mut unit, mut positive) = (w.clone(), w.clone(), w.clone());
    MaxNorm::new(3.0).unwrap().apply(&mut capped);
    let after: Vec<f32> = norms(&capped);
    assert!(after.iter().all(|norm| (norm - 3.0).abs() < 1e-6), "{after:?}");
    UnitNorm::new().apply(&mut unit);
    let after: Vec<f32> = norms(&unit);
    assert!(after.iter().all(|norm| (norm - 1.0).abs() < 1e-6), "{after:?}");
    NonNegative.apply(&mut positive);
    assert!(positive.iter().zip(&w).all(|(p, w)| *p == w.max(0.0)));

    let before = capped.clone();
    MaxNorm::new(3.001).unwrap().apply(&mut capped);
    assert_eq!(capped, before);

    let mut columns = array![[3.0, 0.3], [4.0, 0.4]];
    MaxNorm::new(1.0).unwrap().groups(Groups::Columns).apply(&mut columns);
    assert!((columns - array![[0.6, 0.3], [0.8, 0.4]]).iter().all(|d: &f64| d.abs() < 1e-15));
    let mut whole = array![3e-30f32, 4e-30];
    UnitNorm::new().groups(Groups::Whole).apply(&mut whole);
    assert_eq!(whole, array![0.6, 0.8]);
}

#[test]
fn constraints_leave_zeros_infinities_and_nan() {
    let w = array![[0.0, 0.0], [f64::NAN, 9.0], [f64::INFINITY, -9.0]];
    for constraint in [&MaxNorm::new(1.0).unwrap() as &dyn Constraint<f64>, &UnitNorm::new()] {
        let mut after = w.clone();
        constraint.apply_to(after.view_mut().into_dyn());
        assert!(after.iter().zip(&w).all(|(a, b)| a.to_bits() == b.to_bits()), "{constraint:?}: {after}");
    }
    let mut after = w.clone();
    NonNegative.apply(&mut after);
    assert!(after[[1, 0]].is_nan() && after[[2, 0]] == f64::INFINITY && after[[2, 1]] == 0.0);
    for shape in [[0, 2], [2, 0]] {
        let mut empty = Array2::<f32>::zeros(shape);
        UnitNorm::new().apply(&mut empty);
        MaxNorm::new(1.0).unwrap().groups(Groups::Columns).apply(&mut empty);
    }
}

#[test]
#[should_panic(expected = "max_norm: axis 1 is out of range for shape [3] with 1 axes")]
fn columns_need_two_axes() {
    MaxNorm::new(1.0).unwrap().groups(Groups::Columns).apply(&mut Array1::<f64>::zeros(3));
}

#[test]
fn penalties_and_constraints_act_on_the_chosen_parameters_alone() {
    let layout = layout();
    let (mut w, mut g) = (Arena::<f64>::zeros(layout.clone()), Arena::zeros(layout.clone()));
    (0..4).for_each(|i| w.view_mut(i).fill(2.0));
    let l2 = OnParams::weights(L2::new(0.5).unwrap(), &layout);
    assert_eq!(l2.names().collect::<Vec<_>>(), ["0.weight", "2.weight"]);
    assert_eq!(l2.add_gradient(&w, &mut g), 0.25 * 4.0 * 18.0);
    let first: Box<dyn Penalty<f64>> = Box::new(L1::new(3.0).unwrap());
    let first = OnParams::named(first, &layout, "0.*").unwrap();
    assert_eq!(first.add_gradient(&w, &mut g), 3.0 * 2.0 * 15.0);
    let gradients: Vec<f64> =
        g.iter().map(|(_, g)| g[if g.ndim() == 2 { &[1, 1][..] } else { &[1] }]).collect();
    assert_eq!(gradients, [4.0, 3.0, 0.0, 1.0]);
    // The padding stays zero.
    assert_eq!(g.as_slice().iter().sum::<f64>(), 12.0 * 4.0 + 3.0 * 3.0 + 6.0);

    let biases = OnParams::of_roles(NonNegative, &layout, &[Role::Bias, Role::RunningStatistic]);
    assert_eq!(biases.names().collect::<Vec<_>>(), ["0.bias"]);
    w.as_mut_slice()[layout.params()[1].range()].fill(-1.0);
    biases.apply(&mut w);
    assert!(w.get("0.bias").unwrap().iter().all(|&b| b == 0.0));

    let noise = OnParams::weights(GaussianNoise::new(0.1).unwrap(), &layout);
    let mut again = w.clone();
    noise.add(&Streams::new(1), 3, &mut w);
    noise.add(&Streams::new(1), 3, &mut again);
    assert_eq!(w, again);
    let (a, b) = (w.get("0.weight").unwrap(), w.get("2.weight").unwrap());
    assert!(a[[0, 0]] != b[[0, 0]] && a.iter().all(|w| (w - 2.0).abs() < 0.64 && *w != 2.0));
    assert!(w.get("1.running_mean").unwrap().iter().all(|&m| m == 2.0));
    noise.add(&Streams::new(1), 4, &mut again);
    assert_ne!(w, again);
}

/// The value and the gradient of a penalty.
fn penalized(penalty: &dyn Op<f64>, w: &Array2<f64>) -> (f64, ArrayD<f64>) {
    let inputs = [w.view().into_dyn()];
    let mut result = evaluate(penalty, &Step::default(), &inputs).unwrap();
    let one = ndarray::arr0(1.0).into_dyn();
    let dw = result.backward(penalty, &Step::default(), &inputs, one.view()).remove(0);
    (result.output.sum(), dw)
}

#[test]
fn penalties_of_infinities_and_nan() {
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    // With the gradient in the place of an infinity, and beside it.
    let table: [(Box<dyn Op<f64>>, f64, f64); 5] = [
        (Box::new(L1::new(2.0).unwrap()), 2.0, 2.0),
        (Box::new(L2::new(2.0).unwrap()), inf, 2.0),
        (Box::new(ElasticNet::new(2.0, 0.0).unwrap()), 2.0, 2.0),
        (Box::new(ElasticNet::new(2.0, 1.0).unwrap()), inf, 3.0),
        (Box::new(GroupLasso::new(2.0).unwrap()), nan, 0.0),
    ];
    for (penalty, here, beside) in table {
        let same = |a: f64, b: f64| a == b || (a.is_nan() && b.is_nan());
        let name = penalty.name();
        let (_, finite) = penalized(&*penalty, &array![[1.0, 1.0], [3.0, -4.0]]);
        for bad in [inf, -inf, nan] {
            let (value, dw) = penalized(&*penalty, &array![[1.0, bad], [3.0, -4.0]]);
            assert!(same(value, bad.abs()), "{name} of {bad}: {value}");
            let expected = if bad.is_nan() { nan } else { here * bad.signum() };
            assert!(same(dw[[0, 1]], expected), "{name} at {bad}: {dw}");
            let whole_group = bad.is_nan() && name == "group_lasso";
            assert!(same(dw[[0, 0]], if whole_group { nan } else { beside }), "{name} beside {bad}: {dw}");
            assert!((0..2).all(|j| dw[[1, j]] == finite[[1, j]]), "{name} in the other row: {dw}");
        }
    }
}

#[test]
fn mixup_spreads_nan_to_the_partner_alone() {
    let mut spread = 0;
    for step in 0..20 {
        let (mut x, mut y) = (Array2::<f64>::ones((6, 3)), Array2::<f64>::eye(6));
        x[[2, 1]] = f64::NAN;
        let rng = &mut Streams::new(1).rng("mixup", step);
        let mixed = Mixup::new(0.7).unwrap().apply(rng, &mut x, &mut y);
        for ((i, j), x) in x.indexed_iter() {
            let reached = j == 1 && (i == 2 || mixed.partners[i] == 2);
            assert_eq!(x.is_nan(), reached, "step {step}: {x} at {i}, {j}");
            spread += usize::from(reached);
        }
        assert!(y.iter().all(|y| y.is_finite()));
    }
    assert!(spread > 25);
}

#[test]
fn penalties_of_edges() {
    let op: Box<dyn Op<f64>> = Box::new(GroupLasso::new(1.0).unwrap());
    let empty = ArrayD::zeros(IxDyn(&[0, 3]));
    assert_eq!(evaluate(&*op, &Step::default(), &[empty.view()]).unwrap().output[[]], 0.0);
    let error = op.infer(&[&[]]).unwrap_err().to_string();
    assert_eq!(error, "group_lasso: axis 0 is out of range for shape [] with 0 axes");
    let ratio = ElasticNet::with_ratio(2.0, 0.25).unwrap();
    assert_eq!(ratio, ElasticNet::new(0.5, 1.5).unwrap());
}

#[test]
fn mixup_at_one_changes_nothing() {
    let x = Array2::from_shape_fn((5, 3), |(i, j)| (i * 3 + j) as f64 + 0.1);
    let y = Array2::<f64>::eye(5);
    let (mut mx, mut my) = (x.clone(), y.clone());
    let mixed = Mixup::new(0.0).unwrap().apply(&mut Streams::new(1).rng("mixup", 0), &mut mx, &mut my);
    assert_eq!((mixed.lambda, &mx, &my), (1.0, &x, &y));
    let mut images = Array4::<f32>::ones((5, 1, 4, 4));
    let mixed = CutMix::new(0.0).unwrap().apply(
        &mut Streams::new(1).rng("cut_mix", 0),
        &mut images,
        &mut my.mapv(|y| y as f32),
    );
    assert!(mixed.lambda == 1.0 && images.iter().all(|&x| x == 1.0));
}

#[test]
fn mixup_is_a_weighted_mean_with_the_partner() {
    let x = Array2::from_shape_fn((6, 3), |(i, j)| (i * 10 + j) as f64);
    let y = Array2::<f64>::eye(6);
    let mut lambdas = vec![];
    for step in 0..50 {
        let (mut mx, mut my) = (x.clone(), y.clone());
        let mixed = Mixup::new(0.7).unwrap().apply(&mut Streams::new(1).rng("mixup", step), &mut mx, &mut my);
        let lambda = mixed.lambda;
        for (i, &p) in mixed.partners.iter().enumerate() {
            let expected = lambda * &x.row(i) + (1.0 - lambda) * &x.row(p);
            assert!((&mx.row(i) - &expected).iter().all(|d| d.abs() < 1e-12));
            assert!((my.row(i).sum() - 1.0).abs() < 1e-12);
            assert!((my[[i, i]] - if p == i { 1.0 } else { lambda }).abs() < 1e-12);
        }
        lambdas.push(lambda);
    }
    assert!(lambdas.iter().any(|l| *l < 0.3) && lambdas.iter().any(|l| *l > 0.7));
}

#[test]
fn cut_mix_mixes_targets_by_the_exact_area() {
    let (height, width) = (7, 9);
    let x = Array4::from_shape_fn((8, 2, height, width), |(n, ..)| n as f64);
    let mut areas = std::collections::HashSet::new();
    for step in 0..200 {
        let (mut mx, mut my) = (x.clone(), Array2::<f64>::eye(8));
        let mixed =
            CutMix::new(1.0).unwrap().apply(&mut Streams::new(2).rng("cut_mix", step), &mut mx, &mut my);
        for (n, &p) in mixed.partners.iter().enumerate() {
            let image = mx.index_axis(ndarray::Axis(0), n);
            let own = image.iter().filter(|&&v| v == n as f64).count();
            let of_partner = image.iter().filter(|&&v| v == p as f64).count();
            if p != n {
                assert_eq!(own + of_partner, 2 * height * width);
                let share = own as f64 / (2 * height * width) as f64;
                assert!((mixed.lambda - share).abs() < 1e-15, "{} for {share}", mixed.lambda);
                assert!((my[[n, n]] - share).abs() < 1e-12 && (my[[n, p]] - 1.0 + share).abs() < 1e-12);
                areas.insert(of_partner);
                assert_eq!(image.index_axis(ndarray::Axis(0), 0), image.index_axis(ndarray::Axis(0), 1));
            }
        }
    }
    assert!(areas.len() > 15, "{areas:?}");
}

#[test]
fn mixing_of_no_and_of_one_sample() {
    for samples in [0, 1] {
        let (mut x, mut y) = (Array4::<f32>::ones((samples, 1, 3, 3)), Array2::<f32>::ones((samples, 2)));
        let rng = &mut Streams::new(1).rng("mix", 0);
        Mixup::new(1.0).unwrap().apply(rng, &mut x, &mut y);
        CutMix::new(1.0).unwrap().apply(rng, &mut x, &mut y);
        assert!(x.iter().chain(&y).all(|v| (v - 1.0).abs() < 1e-6));
    }
}

#[test]
#[should_panic(expected = "mixup: inputs [3, 2] and targets [4, 2] must have the same number of samples")]
fn inputs_and_targets_must_belong_together() {
    let rng = &mut Streams::new(1).rng("mix", 0);
    Mixup::new(1.0).unwrap().apply(rng, &mut Array2::<f64>::ones((3, 2)), &mut Array2::ones((4, 2)));
}

#[test]
fn early_stopping_counts_epochs_without_improvement() {
    use Observation::*;
    let mut stopping = EarlyStopping::new(3).unwrap().min_delta(0.1).unwrap();
    let losses = [1.0, 0.95, 0.89, f64::NAN, 0.85, 0.5, 0.5, 0.45, 0.41, 0.1];
    let seen = losses.map(|loss| stopping.observe(loss));
    let expected = [
        Improved,
        Waiting(1),
        Improved,
        Waiting(1),
        Waiting(2),
        Improved,
        Waiting(1),
        Waiting(2),
        Stop,
        Improved,
    ];
    assert_eq!(seen, expected);

    let mut stopping = EarlyStopping::new(1).unwrap().maximize().warm_up(2);
    let seen = [0.9, 0.8, f64::NAN].map(|accuracy| stopping.observe(accuracy));
    assert_eq!(seen, [WarmUp, WarmUp, Stop]);
    assert_eq!((stopping.best(), stopping.best_epoch()), (None, None));
    let mut stopping = EarlyStopping::new(2).unwrap().maximize();
    assert_eq!(
        [0.5, 0.5, 0.6, 0.1, 0.2].map(|a| stopping.observe(a)),
        [Improved, Waiting(1), Improved, Waiting(1), Stop]
    );
    assert!(stopping.should_stop() && stopping.best() == Some(0.6) && stopping.best_epoch() == Some(2));
    let mut stopping = EarlyStopping::new(2).unwrap().maximize().min_delta(0.1).unwrap();
    assert_eq!(
        [0.5, 0.59, 0.61, 0.7].map(|a| stopping.observe(a)),
        [Improved, Waiting(1), Improved, Waiting(1)]
    );
}

#[test]
fn early_stopping_is_saved_and_goes_on() {
    let losses = [1.0, 0.5, 0.7, 0.6, 0.4, 0.9, 0.8, 0.7];
    for split in 0..losses.len() {
        let fresh = EarlyStopping::new(3).unwrap().warm_up(1);
        let (mut whole, mut parts) = (fresh, fresh);
        let mut best = BestWeights::new();
        losses[..split].iter().enumerate().for_each(|(i, &loss)| {
            whole.observe(loss);
            if parts.observe(loss) == Observation::Improved {
                best.keep(&[i as f32, 0.5]);
            }
        });
        let text = serde_json::to_string(&(parts.state(), &best)).unwrap();
        let (state, loaded): (StoppingState, BestWeights<f32>) = serde_json::from_str(&text).unwrap();
        assert_eq!(loaded, best);
        let mut resumed = fresh.resume(state);
        for &loss in &losses[split..] {
            assert_eq!(resumed.observe(loss), whole.observe(loss), "split at {split}");
        }
        assert_eq!(resumed, whole);
    }
}

#[test]
fn the_best_weights_are_those_kept_last() {
    let (mut best, mut w) = (BestWeights::new(), [1.0f64, 2.0]);
    assert!(!best.restore(&mut w) && w == [1.0, 2.0] && best.get().is_none());
    best.keep(&[3.0, 4.0]);
    best.keep(&[5.0, 6.0]);
    assert!(best.restore(&mut w) && w == [5.0, 6.0] && best.get() == Some(&[5.0, 6.0][..]));
}

#[test]
#[should_panic(expected = "best weights: 1 were kept, 2 are to be restored")]
fn as_many_weights_are_restored_as_were_kept() {
    let mut best = BestWeights::new();
    best.keep(&[1.0f32]);
    best.restore(&mut [0.0; 2]);
}

#[test]
fn hyperparameters_are_checked() {
    let messages = [
        L1::new(-1.0).unwrap_err(),
        ElasticNet::new(0.1, f64::NAN).unwrap_err(),
        ElasticNet::with_ratio(1.0, 1.5).unwrap_err(),
        GroupLasso::new(f64::INFINITY).unwrap_err(),
        MaxNorm::new(0.0).unwrap_err(),
        LabelSmoothing::new(1.01).unwrap_err(),
        Mixup::new(-0.1).unwrap_err(),
        CutMix::new(f64::INFINITY).unwrap_err(),
        EarlyStopping::new(0).unwrap_err(),
        EarlyStopping::new(1).unwrap().min_delta(-1.0).unwrap_err(),
    ]
    .map(|error| error.to_string());
    let expected = [
        "L1: lambda must lie in [0, ∞), got -1",
        "ElasticNet: l2 must lie in [0, ∞), got NaN",
        "ElasticNet: ratio must lie in [0, 1], got 1.5",
        "GroupLasso: lambda must lie in [0, ∞), got inf",
        "MaxNorm: limit must lie in (0, ∞), got 0",
        "LabelSmoothing: epsilon must lie in [0, 1], got 1.01",
        "Mixup: alpha must lie in [0, ∞), got -0.1",
        "CutMix: alpha must lie in [0, ∞), got inf",
        "EarlyStopping: patience must lie in [1, ∞), got 0",
        "EarlyStopping: min_delta must lie in [0, ∞), got -1",
    ];
    assert_eq!(messages, expected);
}
