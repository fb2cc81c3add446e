//! Values and gradients of PyTorch: `fixtures/make_regularize.py`.

use ndarray::{Array2, ArrayD, Axis, IxDyn};
use nn_core::{Step, Streams};
use nn_regularize::*;

const LINES: &str = include_str!("fixtures/regularize.csv");

struct Line {
    what: &'static str,
    parameters: Vec<f64>,
    input: ArrayD<f64>,
    output: Vec<f64>,
    gradient: Vec<f64>,
}

fn numbers(field: &str) -> Vec<f64> {
    field.split_whitespace().map(|x| x.parse().unwrap()).collect()
}

fn lines() -> impl Iterator<Item = Line> {
    LINES.lines().map(|line| {
        let fields: Vec<&'static str> = line.split(',').collect();
        let shape: Vec<usize> = fields[1].split_whitespace().map(|n| n.parse().unwrap()).collect();
        let input = ArrayD::from_shape_vec(IxDyn(&shape), numbers(fields[3])).unwrap();
        let [parameters, output, gradient] = [2, 4, 5].map(|i| numbers(fields[i]));
        Line { what: fields[0], parameters, input, output, gradient }
    })
}

/// Relative to the number expected, or to 1 below it.
fn close(got: f64, expected: f64, tolerance: f64) -> bool {
    got == expected || (got - expected).abs() <= tolerance * expected.abs().max(1.0)
}

/// A penalty in both precisions.
type Both = (Box<dyn Penalty<f64>>, Box<dyn Penalty<f32>>);

fn penalty(what: &str, a: f64, b: f64) -> Option<Both> {
    fn both<P: Penalty<f64> + Penalty<f32> + Copy + 'static>(penalty: P) -> Both {
        (Box::new(penalty), Box::new(penalty))
    }
    let lasso = |groups| both(GroupLasso::new(a).unwrap().groups(groups));
    Some(match what {
        "l1" => both(L1::new(a).unwrap()),
        "l2" => both(L2::new(a).unwrap()),
        "elastic_net" => both(ElasticNet::new(a, b).unwrap()),
        "group_lasso rows" => lasso(Groups::Rows),
        "group_lasso columns" => lasso(Groups::Columns),
        "group_lasso whole" => lasso(Groups::Whole),
        _ => return None,
    })
}

#[test]
fn penalties() {
    let mut count = 0;
    for line in lines() {
        let (a, b) = (line.parameters[0], line.parameters.get(1).copied().unwrap_or(0.0));
        let Some((double, single)) = penalty(line.what, a, b) else { continue };
        let mut gradient = ArrayD::zeros(line.input.raw_dim());
        let value = double.add_gradient(&line.input, &mut gradient);
        assert!(close(value, line.output[0], 1e-10), "{}: {value} for {}", line.what, line.output[0]);
        for (got, &expected) in gradient.iter().zip(&line.gradient) {
            assert!(close(*got, expected, 1e-10), "{}: gradient {got} for {expected}", line.what);
        }
        count += 1;
        // What f32 cannot hold is left out.
        if line.input.iter().any(|w| w.abs() > 1e15 || (*w != 0.0 && w.abs() < 1e-15)) {
            continue;
        }
        let input = line.input.mapv(|w| w as f32);
        let mut gradient = ArrayD::zeros(input.raw_dim());
        let value = single.add_gradient(&input, &mut gradient);
        assert!(close(value, line.output[0], 1e-5), "{} in f32: {value}", line.what);
        for (got, &expected) in gradient.iter().zip(&line.gradient) {
            assert!(close(f64::from(*got), expected, 1e-5), "{} in f32: {got} for {expected}", line.what);
        }
    }
    assert_eq!(count, 72);
}

#[test]
fn max_norm() {
    let mut count = 0;
    for line in lines().filter(|line| line.what.starts_with("max_norm")) {
        let groups = if line.what.ends_with('0') { Groups::Rows } else { Groups::Columns };
        let mut w = line.input.clone();
        MaxNorm::new(line.parameters[0]).unwrap().groups(groups).apply(&mut w);
        for (got, &expected) in w.iter().zip(&line.output) {
            // PyTorch adds 1e-7 to the norm that it divides by, which is above the limit, at least one half.
            assert!(close(*got, expected, 2.1e-7), "{}: {got} for {expected}", line.what);
        }
        count += 1;
    }
    assert_eq!(count, 36);
}

#[test]
fn alpha_dropout() {
    for line in lines().filter(|line| line.what == "alpha_dropout") {
        let x = ArrayD::from_elem(IxDyn(&[4000]), line.input[0]);
        let dropout = AlphaDropout::new(line.parameters[0]).unwrap();
        let y = dropout.apply(&Step { streams: Streams::new(1), ..Step::default() }, &x);
        let (a, b) = dropout.coefficients();
        let kept = a * line.input[0] + b;
        assert!(line.output.iter().any(|&y| close(kept, y, 1e-12)), "{kept} is none of {:?}", line.output);
        for expected in &line.output {
            assert!(y.iter().any(|&y| close(y, *expected, 1e-12)), "{expected} is never drawn");
        }
        assert!(y.iter().all(|&y| line.output.iter().any(|&e| close(y, e, 1e-12))));
    }
}

/// The cross-entropy with smoothed one-hot targets and its gradient Σy·softmax(z) − y.
#[test]
fn label_smoothing() {
    let mut count = 0;
    for line in lines().filter(|line| line.what == "label_smoothing") {
        let mut y = Array2::<f64>::zeros((4, 5));
        [0, 3, 4, 3].iter().enumerate().for_each(|(case, &class)| y[[case, class]] = 1.0);
        LabelSmoothing::new(line.parameters[0]).unwrap().apply(&mut y);
        let (mut cost, mut gradient) = (0.0, vec![]);
        for (z, y) in line.input.axis_iter(Axis(0)).zip(y.rows()) {
            let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let ln_total = max + z.iter().map(|z| (z - max).exp()).sum::<f64>().ln();
            cost += z.iter().zip(y).map(|(z, y)| y * (ln_total - z)).sum::<f64>();
            gradient.extend(z.iter().zip(y).map(|(z, y)| (z - ln_total).exp() - y));
        }
        assert!(close(cost, line.output[0], 1e-10), "{cost} for {}", line.output[0]);
        assert!(gradient.iter().zip(&line.gradient).all(|(&a, &b)| close(a, b, 1e-10)));
        count += 1;
    }
    assert_eq!(count, 8);
}
