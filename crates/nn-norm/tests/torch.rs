//! Values, gradients and states against those of PyTorch, made by `fixtures/make_norms.py`.

use std::collections::HashMap;

use ndarray::{ArrayD, ArrayView1, IxDyn, arr0};
use nn_core::{Grad, Io, Memory, Mode, Op, Real, Step};
use nn_norm::{
    BatchNorm, BatchRenorm, GroupNorm, InstanceNorm, LayerNorm, LocalResponseNorm, RmsNorm, SpectralNorm,
    Statistics, WeightStandardization,
};

const FIXTURE: &str = include_str!("fixtures/norms.csv");

/// The arrays of a case, by name.
type Arrays = HashMap<&'static str, ArrayD<f64>>;

/// All cases, in the order of the file. Inputs are numbers of single precision.
fn cases() -> Vec<(&'static str, Arrays)> {
    let mut cases: Vec<(&str, Arrays)> = vec![];
    for line in FIXTURE.lines() {
        let [case, name, shape, elements] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let shape: Vec<usize> = shape.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let given = matches!(name, "x" | "p0" | "p1" | "dy" | "u" | "v" | "old_mean" | "old_variance");
        let number = |x: &str| if given { f64::from(x.parse::<f32>().unwrap()) } else { x.parse().unwrap() };
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements.split_whitespace().map(number).collect());
        if cases.last().is_none_or(|last| last.0 != case) {
            cases.push((case, Arrays::new()));
        }
        cases.last_mut().unwrap().1.insert(name, array.unwrap());
    }
    cases
}

/// Output, and gradients of all inputs.
fn run<F: Real>(op: &dyn Op<F>, mode: Mode, inputs: &[ArrayD<F>], dy: &ArrayD<F>) -> Vec<ArrayD<F>> {
    let step = Step { mode, ..Step::default() };
    let shapes: Vec<&[usize]> = inputs.iter().map(ndarray::ArrayBase::shape).collect();
    let outline = op.infer(&shapes).unwrap();
    let mut results = vec![ArrayD::from_elem(IxDyn(&outline.shape), F::NAN)];
    results.extend(inputs.iter().map(|x| ArrayD::from_elem(x.raw_dim(), F::NAN)));
    let (mut saved, mut scratch) = (vec![F::NAN; outline.saved], vec![F::NAN; outline.scratch]);
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    let memory = Memory { saved: &mut saved, scratch: &mut scratch };
    op.forward(&step, &views, results[0].view_mut(), memory);
    let kept: Vec<_> = views.into_iter().map(Some).collect();
    let mut targets: Vec<_> = results[1..].iter_mut().map(|g| Grad::Overwrite(g.view_mut())).collect();
    let memory = Memory { saved: &mut saved, scratch: &mut scratch };
    op.backward(&step, &Io::new(&kept, None), memory, dy.view(), &mut targets);
    drop(targets);
    results
}

/// The norm of a case, its mode, and the state that follows x and its parameters.
struct Made<F> {
    op: Box<dyn Op<F>>,
    mode: Mode,
    state: Vec<ArrayD<F>>,
}

fn cast<F: Real>(array: &ArrayD<f64>) -> ArrayD<F> {
    array.mapv(F::from_f64)
}

fn stateless<F: Real>(op: impl Op<F> + 'static) -> Made<F> {
    Made { op: Box::new(op), mode: Mode::Train, state: vec![] }
}

fn mode(name: &str) -> Mode {
    if name == "train" { Mode::Train } else { Mode::Eval }
}

/// `carried` is the state after the step before.
fn make<F: Real>(case: &str, arrays: &Arrays, carried: &[ArrayD<F>]) -> Made<F> {
    let fields: Vec<&str> = case.split(' ').collect();
    let number = |i: usize| fields[i].parse::<f64>().unwrap();
    let whole = |i: usize| fields[i].parse::<usize>().unwrap();
    match fields[0] {
        "batch_norm" => {
            let mut op = BatchNorm::new();
            if fields[2] == "None" {
                op = op.statistics(Statistics::Average).unwrap();
            }
            let channels = arrays["p0"].raw_dim();
            let state = if fields[4] == "0" {
                let ones = ArrayD::from_elem(channels.clone(), F::one());
                vec![ArrayD::zeros(channels), ones, arr0(F::zero()).into_dyn()]
            } else {
                carried.to_vec()
            };
            Made { op: Box::new(op), mode: mode(fields[3]), state }
        }
        "batch_renorm" => {
            let op = BatchRenorm::new().limits(number(2), number(3)).unwrap();
            let state =
                vec![cast(&arrays["old_mean"]), cast(&arrays["old_variance"]), arr0(F::zero()).into_dyn()];
            Made { op: Box::new(op), mode: Mode::Train, state }
        }
        "layer_norm" => stateless(LayerNorm::new().axes(whole(2)).unwrap()),
        "rms_norm" => {
            // In PyTorch the default of ε is that of the scalar type, here that of `f64`.
            let epsilon = if whole(2) == 2 { 1e-3 } else { f64::EPSILON };
            stateless(RmsNorm::new().axes(whole(2)).unwrap().epsilon(epsilon).unwrap())
        }
        "group_norm" => stateless(GroupNorm::new(whole(2)).unwrap()),
        "instance_norm" => stateless(InstanceNorm::new()),
        "local_response_norm" => {
            let norm = LocalResponseNorm::new(whole(1)).unwrap().alpha(number(2)).unwrap();
            stateless(norm.beta(number(3)).unwrap().k(number(4)).unwrap())
        }
        "weight_standardization" => stateless(WeightStandardization::new()),
        "spectral_norm" => {
            let op = SpectralNorm::new().axis(whole(1)).iterations(whole(2)).unwrap();
            let state = vec![cast(&arrays["u"]), cast(&arrays["v"])];
            Made { op: Box::new(op), mode: mode(fields[3]), state }
        }
        _ => panic!("unknown case {case}"),
    }
}

/// Demands agreement to `tolerance`, relative to the largest element, or to `least`.
fn same<F: Real>(what: &str, got: &ArrayD<F>, expected: &ArrayD<f64>, tolerance: f64, least: f64) {
    assert_eq!(got.shape(), expected.shape(), "{what}");
    let largest = expected.iter().fold(least, |m: f64, x| m.max(x.abs()));
    for (a, b) in got.iter().zip(expected) {
        let a = a.to_f64();
        assert!((a - b).abs() <= tolerance * largest, "{what}, {}: {a:e} instead of {b:e}", F::NAME);
    }
}

fn check<F: Real>(tolerance: f64) -> usize {
    let mut carried: Vec<ArrayD<F>> = vec![];
    let cases = cases();
    for (case, arrays) in &cases {
        let Made { op, mode, state } = make::<F>(case, arrays, &carried);
        let mut inputs: Vec<ArrayD<F>> =
            ["x", "p0", "p1"].iter().filter_map(|name| arrays.get(name)).map(cast).collect();
        let first_state = inputs.len();
        inputs.extend(state);
        let results = run(&*op, mode, &inputs, &cast(&arrays["dy"]));
        let names = ["y", "dx", "dp0", "dp1"];
        for (name, got) in names.iter().zip(&results[..=first_state]) {
            same(&format!("{case}, {name}"), got, &arrays[name], tolerance, size(arrays, name));
        }
        // What the gradient says is subtracted gives the new state.
        carried = inputs[first_state..].iter().zip(&results[first_state + 1..]).map(|(w, g)| w - g).collect();
        for (i, name) in [("mean", 0), ("variance", 1), ("new_u", 0), ("new_v", 1)].map(|(n, i)| (i, n)) {
            if let Some(expected) = arrays.get(name) {
                same(&format!("{case}, {name}"), &carried[i], expected, tolerance, 0.0);
            }
        }
    }
    cases.len()
}

/// The size of the numbers that a result is the sum of. Some results are small because these cancel: the gradient of x in
/// a batch of two, whose normalised values hardly depend on it, or that of the scale where all x are equal.
fn size(arrays: &Arrays, name: &str) -> f64 {
    let largest = |name: &str| arrays[name].iter().fold(0.0, |m: f64, x| m.max(x.abs()));
    match name {
        "y" => 1.0,
        "dx" => largest("dy") / (arrays["x"].var(0.0) + 1e-5).sqrt(),
        _ => largest("dy"),
    }
}

#[test]
fn in_double_precision() {
    assert!(check::<f64>(1e-10) > 80);
}

#[test]
fn in_single_precision() {
    check::<f32>(1e-5);
}

#[test]
fn running_statistics_alone_are_those_of_pytorch() {
    for momentum in ["0.1", "None"] {
        let statistics = if momentum == "None" { Statistics::Average } else { Statistics::default() };
        let mut running = nn_norm::RunningStatistics::<f64>::new(statistics, 4).unwrap();
        let prefix = format!("batch_norm images {momentum} train");
        let mut steps = 0;
        for (case, arrays) in cases().iter().filter(|(case, _)| case.starts_with(&prefix)) {
            running.update(&arrays["x"]).unwrap();
            let one = |array: ArrayView1<'_, f64>| array.to_owned().into_dyn();
            same(&format!("{case}, mean"), &one(running.mean().view()), &arrays["mean"], 1e-10, 0.0);
            same(
                &format!("{case}, variance"),
                &one(running.variance().view()),
                &arrays["variance"],
                1e-10,
                0.0,
            );
            steps += 1;
        }
        assert_eq!(steps, 3);
    }
}
