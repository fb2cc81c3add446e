//! Recurrent layers: values and gradients of PyTorch (made by `fixtures/make_recurrent.py`), what is refused, what a
//! state forgets and carries.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use ndarray::{Array2, ArrayD, Axis, IxDyn, concatenate};
use nn_core::{EvaluateError, Op, Real, Step, evaluate};
use nn_ops::{Cell, Recurrent, States};

const FIXTURE: &str = include_str!("fixtures/recurrent.csv");

/// The arrays of a case, by name.
type Arrays = HashMap<&'static str, ArrayD<f64>>;

/// All cases, in the order of the file. Inputs are numbers of single precision.
fn cases() -> Vec<(&'static str, Arrays)> {
    let mut cases: Vec<(&str, Arrays)> = vec![];
    for line in FIXTURE.lines() {
        let [case, name, shape, elements] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let shape: Vec<usize> = shape.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let is_result = name == "y" || name.starts_with("d_");
        let number =
            |x: &str| if is_result { x.parse().unwrap() } else { f64::from(x.parse::<f32>().unwrap()) };
        let array = ArrayD::from_shape_vec(IxDyn(&shape), elements.split_whitespace().map(number).collect());
        if cases.last().is_none_or(|last| last.0 != case) {
            cases.push((case, Arrays::new()));
        }
        cases.last_mut().unwrap().1.insert(name, array.unwrap());
    }
    cases
}

/// The layer of a case, and whether the fixture's output is its last whole state.
fn layer(case: &str) -> (Recurrent, bool) {
    let [cell, direction, output, every, flags] = case.split(' ').collect::<Vec<_>>()[..] else {
        panic!("{case}")
    };
    let cell = match cell {
        "tanh" => Cell::Tanh,
        "relu" => Cell::Relu,
        "lstm" => Cell::Lstm,
        "gru" => Cell::Gru,
        _ => panic!("{case}"),
    };
    let states = match output {
        "sequence" => States::Sequence,
        "last" => States::Last,
        "state" => States::Full,
        _ => panic!("{case}"),
    };
    let flag = |i: usize| flags.as_bytes()[i] == b'1';
    let layer = Recurrent {
        cell,
        output: states,
        is_reversed: direction == "backward",
        truncate: NonZeroUsize::new(every.parse().unwrap()),
        has_bias: flag(0),
        has_initial: flag(1),
        has_lengths: flag(2),
    };
    (layer, output == "state")
}

/// The largest difference, relative to the largest element or 1.
fn difference<F: Real>(got: &ArrayD<F>, expected: &ArrayD<f64>) -> f64 {
    assert_eq!(got.shape(), expected.shape());
    let largest = expected.iter().fold(1.0, |m: f64, x| m.max(x.abs()));
    got.iter().zip(expected).fold(0.0, |m: f64, (a, b)| {
        let d = (a.to_f64() - b).abs() / largest;
        if d > m || d.is_nan() { d } else { m }
    })
}

fn agrees_with_torch<F: Real>(tolerance: f64)
where
    Recurrent: Op<F>,
{
    let cases = cases();
    assert_eq!(cases.len(), 4 * 7);
    for (case, arrays) in &cases {
        let (layer, is_state) = layer(case);
        let names = ["x", "weight_ih", "weight_hh", "bias_ih", "bias_hh", "initial", "lengths"];
        let names: Vec<_> = names.into_iter().filter(|name| arrays.contains_key(name)).collect();
        let inputs: Vec<ArrayD<F>> = names.iter().map(|name| arrays[name].mapv(F::from_f64)).collect();
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let mut run = evaluate(&layer, &Step::default(), &views).unwrap();
        let dy = arrays["dy"].mapv(F::from_f64);
        let (y, dy) = if is_state {
            let last = run.output.shape()[1] - 1;
            let mut all = ArrayD::from_elem(run.output.raw_dim(), F::zero());
            all.index_axis_mut(Axis(1), last).assign(&dy);
            (run.output.index_axis(Axis(1), last).to_owned(), all)
        } else {
            (run.output.clone(), dy)
        };
        assert!(difference(&y, &arrays["y"]) < tolerance, "{case}: {y} instead of {}", arrays["y"]);
        let gradients = run.backward(&layer, &Step::default(), &views, dy.view());
        for (name, gradient) in names.iter().zip(&gradients).filter(|(name, _)| **name != "lengths") {
            let expected = &arrays[format!("d_{name}").as_str()];
            assert!(
                difference(gradient, expected) < tolerance,
                "{case}: d_{name}: {gradient} instead of {expected}"
            );
        }
    }
}

#[test]
fn values_and_gradients_are_those_of_torch_in_f64() {
    agrees_with_torch::<f64>(1e-12);
}

#[test]
fn values_and_gradients_are_those_of_torch_in_f32() {
    agrees_with_torch::<f32>(2e-6);
}

/// Numbers from −1 to 1 in no particular order.
fn numbers(shape: &[usize], seed: usize) -> ArrayD<f64> {
    let mut i = seed.wrapping_mul(0x1234_5678_9abc);
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    })
}

/// All inputs for 3 samples of 6 steps of 2 features.
fn inputs(layer: &Recurrent, hidden: usize) -> Vec<ArrayD<f64>> {
    let rows = layer.cell.gates() * hidden;
    let state = if layer.cell.has_c() { 2 * hidden } else { hidden };
    let mut inputs = vec![numbers(&[3, 6, 2], 1), numbers(&[rows, 2], 2), numbers(&[rows, hidden], 3)];
    if layer.has_bias {
        inputs.extend([numbers(&[rows], 4), numbers(&[rows], 5)]);
    }
    if layer.has_initial {
        inputs.push(numbers(&[3, state], 6));
    }
    if layer.has_lengths {
        inputs.push(ndarray::arr1(&[6.0, 2.0, 4.0]).into_dyn());
    }
    inputs
}

fn run(layer: &Recurrent, inputs: &[ArrayD<f64>]) -> Result<ArrayD<f64>, EvaluateError> {
    let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
    evaluate(layer, &Step::default(), &views).map(|run| run.output)
}

const CELLS: [Cell; 5] = [Cell::Tanh, Cell::Relu, Cell::Leaky { leak: 0.4 }, Cell::Lstm, Cell::Gru];

#[test]
fn a_sequence_in_pieces_goes_on_where_it_ended() {
    for cell in CELLS {
        let layer = Recurrent { output: States::Full, has_initial: true, ..Recurrent::new(cell) };
        let whole = inputs(&layer, 4);
        let expected = run(&layer, &whole).unwrap();
        let mut pieces = whole.clone();
        let mut state = whole[5].clone();
        for (start, end) in [(0, 1), (1, 4), (4, 6)] {
            pieces[0] = whole[0].slice_axis(Axis(1), (start..end).into()).to_owned();
            pieces[5] = state;
            let piece = run(&layer, &pieces).unwrap();
            let own = expected.slice_axis(Axis(1), (start..end).into());
            assert_eq!(piece.slice_axis(Axis(1), (..end - start).into()), own, "{cell:?}");
            state = piece.index_axis(Axis(1), end - start).to_owned();
        }
        assert_eq!(state, expected.index_axis(Axis(1), 6), "{cell:?}");
    }
}

/// Each sample alone, cut to its length, gives the same as together with the others.
#[test]
fn a_length_is_as_good_as_a_shorter_sequence() {
    for cell in CELLS {
        for is_reversed in [false, true] {
            let layer =
                Recurrent { output: States::Full, is_reversed, has_lengths: true, ..Recurrent::new(cell) };
            let all = inputs(&layer, 5);
            let together = run(&layer, &all).unwrap();
            let alone = Recurrent { has_lengths: false, ..layer };
            for (sample, length) in [(0, 6), (1, 2), (2, 4)] {
                let mut own = all[..5].to_vec();
                own[0] = all[0].slice_axis(Axis(0), (sample..=sample).into()).to_owned();
                own[0].slice_axis_inplace(Axis(1), (..length).into());
                let expected = run(&alone, &own).unwrap().remove_axis(Axis(0));
                let got = together.index_axis(Axis(0), sample);
                assert_eq!(
                    got.slice_axis(Axis(0), (..length).into()),
                    expected.slice_axis(Axis(0), (..length).into())
                );
                assert!(got.slice_axis(Axis(0), (length..6).into()).iter().all(|&h| h == 0.0));
                assert_eq!(got.index_axis(Axis(0), 6), expected.index_axis(Axis(0), length));
            }
        }
    }
}

/// A gradient cut every k steps is that of the pieces, each from the state before it as a constant.
#[test]
fn a_cut_gradient_is_that_of_the_last_piece() {
    for cell in CELLS {
        let full = Recurrent { output: States::Full, has_initial: true, ..Recurrent::new(cell) };
        let all = inputs(&full, 4);
        let state = run(&full, &all).unwrap().index_axis(Axis(1), 4).to_owned();
        // The whole state after step 3, for which the first 4 steps are run alone.
        let mut first = all.clone();
        first[0].slice_axis_inplace(Axis(1), (..4).into());
        let state_after = run(&full, &first).unwrap().index_axis(Axis(1), 4).to_owned();
        assert_eq!(state.shape(), state_after.shape());

        let gradient = |layer: &Recurrent, inputs: &[ArrayD<f64>]| {
            let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
            let mut run = evaluate(layer, &Step::default(), &views).unwrap();
            let dy = numbers(run.output.shape(), 9);
            run.backward(layer, &Step::default(), &views, dy.view())
        };
        let last = Recurrent { output: States::Last, ..full };
        let cut = gradient(&Recurrent { truncate: NonZeroUsize::new(4), ..last }, &all);
        let mut second = all.clone();
        second[0].slice_axis_inplace(Axis(1), (4..).into());
        second[5] = state_after;
        let piece = gradient(&last, &second);
        for i in 1..5 {
            let d = (&cut[i] - &piece[i]).iter().fold(0.0, |m: f64, x| m.max(x.abs()));
            assert!(d < 1e-14, "{cell:?}: input {i} differs by {d:e}");
        }
        assert!(cut[5].iter().all(|&d| d == 0.0), "{cell:?}: the initial state has a gradient");
        assert!(cut[0].slice_axis(Axis(1), (..4).into()).iter().all(|&d| d == 0.0), "{cell:?}");
    }
}

/// The gradient along a direction is the difference of the outputs on both sides: of layers whose samples are divided
/// into groups, whose steps are divided into chunks, and whose weights are too many for each group to have gradients of
/// its own. ReLU, whose kinks are in the way, works as tanh does.
#[test]
fn gradients_of_wide_layers_are_differences() {
    let grouped = CELLS.into_iter().filter(|cell| *cell != Cell::Relu).map(|cell| (cell, [45, 9, 3, 20]));
    let wide =
        [(Cell::Lstm, [30, 3, 40, 180]), (Cell::Gru, [17, 2, 33, 210]), (Cell::Tanh, [16, 2, 20, 360])];
    for (cell, [batch, time, features, hidden]) in grouped.chain(wide) {
        let layer = Recurrent { has_initial: true, has_lengths: true, ..Recurrent::new(cell) };
        let rows = cell.gates() * hidden;
        let state = if cell.has_c() { 2 * hidden } else { hidden };
        let shapes: [&[usize]; 6] =
            [&[batch, time, features], &[rows, features], &[rows, hidden], &[rows], &[rows], &[batch, state]];
        let scale = 1.0 / (hidden as f64).sqrt();
        let mut inputs: Vec<_> =
            shapes.iter().enumerate().map(|(i, shape)| numbers(shape, i) * scale).collect();
        inputs.push(ArrayD::from_shape_fn(IxDyn(&[batch]), |i| (1 + i[0] % time) as f64));
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let mut at = evaluate(&layer, &Step::default(), &views).unwrap();
        let dy = numbers(at.output.shape(), 9);
        let gradients = at.backward(&layer, &Step::default(), &views, dy.view());
        for (i, gradient) in gradients[..6].iter().enumerate() {
            let direction = numbers(shapes[i], 20 + i);
            let side = |distance: f64| {
                let mut moved = inputs.clone();
                moved[i].scaled_add(distance, &direction);
                (run(&layer, &moved).unwrap() * &dy).sum()
            };
            let expected = (side(1e-4) - side(-1e-4)) / 2e-4;
            let got = (gradient * &direction).sum();
            let size = (gradient * &direction).mapv(f64::abs).sum();
            assert!((got - expected).abs() < 1e-6 * size, "{cell:?}, input {i}: {got} instead of {expected}");
        }
    }
}

/// With a spectral radius below 1 (here a norm below 1) the initial state is forgotten; with a large one it is not.
#[test]
fn an_echo_state_forgets_where_it_began() {
    let layer = Recurrent { has_bias: false, has_initial: true, ..Recurrent::new(Cell::Leaky { leak: 0.5 }) };
    let (hidden, steps) = (20, 200);
    let distance = |scale: f64| {
        let rotation =
            Array2::from_shape_fn((hidden, hidden), |(i, j)| f64::from(j == (i + 1) % hidden)) * scale;
        let x = numbers(&[2, steps, 1], 1);
        let x =
            concatenate![Axis(0), x.slice_axis(Axis(0), (..1).into()), x.slice_axis(Axis(0), (..1).into())];
        let initial = numbers(&[2, hidden], 2);
        let h = run(&layer, &[x, numbers(&[hidden, 1], 3) * 0.1, rotation.into_dyn(), initial]).unwrap();
        let last = h.index_axis(Axis(1), steps - 1);
        (&last.index_axis(Axis(0), 0) - &last.index_axis(Axis(0), 1)).mapv(f64::abs).sum()
    };
    assert!(distance(0.9) < 1e-3, "{}", distance(0.9));
    assert!(distance(3.0) > 1.0, "{}", distance(3.0));
}

/// Subnormal numbers would make the rest of the way back many times slower.
#[test]
fn a_gradient_that_vanishes_does_so_without_subnormal_numbers() {
    for cell in CELLS {
        let layer = Recurrent { output: States::Last, ..Recurrent::new(cell) };
        let mut inputs: Vec<ArrayD<f32>> =
            inputs(&layer, 4).iter().map(|x| x.mapv(|x| 0.1 * x as f32)).collect();
        inputs[0] = numbers(&[3, 400, 2], 1).mapv(|x| x as f32);
        if cell == Cell::Lstm {
            inputs[3].fill(-1.0); // forget
        }
        if cell == Cell::Relu {
            inputs[3].fill(1.0);
        }
        let views: Vec<_> = inputs.iter().map(|x| x.view()).collect();
        let mut run = evaluate(&layer, &Step::default(), &views).unwrap();
        let dy = ArrayD::from_elem(run.output.raw_dim(), 1.0f32);
        let dx = &run.backward(&layer, &Step::default(), &views, dy.view())[0];
        assert!(dx.iter().all(|d| !d.is_subnormal()), "{cell:?}");
        assert!(dx.index_axis(Axis(1), 399).iter().all(|&d| d != 0.0), "{cell:?}");
        assert!(dx.index_axis(Axis(1), 0).iter().all(|&d| d == 0.0), "{cell:?}");
    }
}

#[test]
fn says_what_does_not_fit() {
    let layer = Recurrent::new(Cell::Lstm);
    let refuse = |layer: Recurrent, change: fn(&mut Vec<ArrayD<f64>>)| {
        let mut inputs = inputs(&layer, 4);
        change(&mut inputs);
        run(&layer, &inputs).unwrap_err().to_string()
    };
    for (change, expected) in [
        (
            (|x| x[0].slice_axis_inplace(Axis(1), (..0).into())) as fn(&mut Vec<ArrayD<f64>>),
            "lstm: input 0 must be sequences of at least one step, got shape [3, 0, 2]",
        ),
        (
            |x| x[0] = numbers(&[3, 6], 1),
            "lstm: input 0 must be sequences [batch, time, features], got shape [3, 6]",
        ),
        (
            |x| x[2] = numbers(&[0, 0], 1),
            "lstm: input 2 must be weights [4·hidden, hidden] with at least one hidden unit, got shape [0, 0]",
        ),
        (
            |x| x[1] = numbers(&[16, 3], 1),
            "lstm: input 1 must be input weights of shape [16, 2], got shape [16, 3]",
        ),
        (|x| x[4] = numbers(&[15], 1), "lstm: input 4 must be a bias of shape [16], got shape [15]"),
        (|x| drop(x.pop()), "lstm: expected 5 inputs, got 4"),
    ] {
        assert_eq!(refuse(layer, change), expected);
    }
    let initial = Recurrent { has_initial: true, ..layer };
    assert_eq!(
        refuse(initial, |x| x[5] = numbers(&[3, 4], 1)),
        "lstm: input 5 must be an initial state of shape [3, 8], got shape [3, 4]"
    );
}

#[test]
fn refuses_lengths_that_are_none() {
    let layer = Recurrent { has_lengths: true, ..Recurrent::new(Cell::Gru) };
    for (lengths, sample, value) in [
        ([0.0, 0.0, 0.0], 0, "0"),
        ([6.0, 7.0, 1.0], 1, "7"),
        ([6.0, 6.0, 2.5], 2, "2.5"),
        ([6.0, f64::NAN, 2.0], 1, "NaN"),
        ([-1.0, 3.0, 2.0], 0, "-1"),
    ] {
        let mut inputs = inputs(&layer, 4);
        inputs[5] = ndarray::arr1(&lengths).into_dyn();
        let expected = format!(
            "gru: input 5 holds {value} at [{sample}], expected a length, a whole number from 1 to 6"
        );
        assert_eq!(run(&layer, &inputs).unwrap_err().to_string(), expected);
    }
}
