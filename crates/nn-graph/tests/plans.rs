//! What plans are made of: fusions, buffers, errors.

use std::sync::Arc;

use ndarray::ArrayD;
use nn_core::{Arena, Grad, Io, Memory, Mode, Op, Outline, Role, ShapeError, Step, View, ViewMut};
use nn_graph::{Graph, NonFinite, Plans, RecordError, Var};
use nn_ops::Activation;

/// A perceptron of these widths, written with `linear` or by hand.
fn perceptron<'g>(graph: &'g Graph<f32>, widths: &[usize], by_hand: bool) -> Var<'g, f32> {
    let mut x = graph.placeholder("x", &[8, widths[0]]);
    for (i, pair) in widths.windows(2).enumerate() {
        x = graph.scope(&i.to_string(), || {
            let weight = graph.param("weight", &[pair[1], pair[0]], Role::Weight);
            let bias = graph.param("bias", &[pair[1]], Role::Bias);
            let sum = if by_hand { x.matmul(weight.t()) + bias } else { x.linear(weight, Some(bias)) };
            sum.relu()
        });
    }
    x
}

#[test]
fn product_bias_and_activation_are_one_operation() {
    for by_hand in [false, true] {
        let graph = Graph::new();
        let plan = graph.training_plan(perceptron(&graph, &[4, 5, 3], by_hand).sum(&[]), &[]).unwrap();
        assert_eq!(plan.operations().collect::<Vec<_>>(), ["linear", "linear", "sum"]);
    }
}

#[test]
fn a_value_that_is_kept_is_not_fused_away() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[2, 3]);
    let sum = x.linear(graph.param("w", &[4, 3], Role::Weight), None);
    let y = sum.relu();
    let mut plan = graph.training_plan(y.sum(&[]), &[sum]).unwrap();
    assert_eq!(plan.operations().count(), 3);
    let mut params = Arena::zeros(plan.layout().clone());
    params.view_mut(0).fill(-1.0);
    plan.feed("x", ArrayD::ones(vec![2, 3]).view()).unwrap();
    plan.forward(&params, &Step::default()).unwrap();
    assert!(plan.output(0).iter().all(|&v| v == -3.0));
}

#[test]
fn an_activation_that_needs_its_input_stays_apart() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[2, 3]);
    let y = x.linear(graph.param("w", &[4, 3], Role::Weight), None).activation(Activation::Silu);
    assert_eq!(graph.training_plan(y.sum(&[]), &[]).unwrap().operations().count(), 3);
}

/// Three times its input, or of the positive part of its input, where it has taken over ReLU.
#[derive(Debug)]
struct Triple {
    after_relu: bool,
}

impl Op<f32> for Triple {
    fn name(&self) -> &'static str {
        if self.after_relu { "relu_triple" } else { "triple" }
    }
    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(inputs[0], 1).reads_output())
    }
    fn after_relu(&self) -> Option<Arc<dyn Op<f32>>> {
        Some(Arc::new(Triple { after_relu: true }))
    }
    fn forward(&self, _: &Step, inputs: &[View<'_, f32>], mut output: ViewMut<'_, f32>, _: Memory<'_, f32>) {
        output
            .zip_mut_with(&inputs[0], |y, &x| *y = if self.after_relu { 3.0 * x.max(0.0) } else { 3.0 * x });
    }
    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, f32>,
        _: Memory<'_, f32>,
        d_output: View<'_, f32>,
        d_inputs: &mut [Grad<'_, f32>],
    ) {
        let slope = io.output().mapv(|y| if self.after_relu && y <= 0.0 { 0.0 } else { 3.0 });
        let (mut target, accumulate) = d_inputs[0].target().unwrap();
        target.zip_mut_with(&(&slope * &d_output), |t, &d| *t = if accumulate { *t + d } else { d });
    }
}

#[test]
fn relu_goes_into_an_operation_that_takes_it_over_where_nothing_else_reads_it() {
    for (keeps, expected) in
        [(false, vec!["mul", "relu_triple", "sum"]), (true, vec!["mul", "relu", "triple", "sum"])]
    {
        let graph = Graph::<f32>::new();
        let relu = (graph.placeholder("x", &[2]) * graph.param("w", &[2], Role::Weight)).relu();
        let cost = graph.apply(Triple { after_relu: false }, &[relu]).sum(&[]);
        let mut plan = graph.training_plan(cost, &[relu][..usize::from(keeps)]).unwrap();
        assert_eq!(plan.operations().collect::<Vec<_>>(), expected);
        plan.feed("x", ndarray::arr1(&[-1.0, 2.0]).into_dyn().view()).unwrap();
        let mut params = Arena::zeros(plan.layout().clone());
        params.view_mut(0).fill(4.0);
        let mut gradient = params.clone();
        assert_eq!(plan.step(&params, &mut gradient, &Step::default()).unwrap(), 24.0);
        assert_eq!(gradient.view(0), ndarray::arr1(&[0.0, 6.0]).into_dyn());
    }
}

#[test]
fn what_nothing_needs_is_not_computed() {
    let graph = Graph::<f32>::new();
    let w = graph.param("w", &[3], Role::Weight);
    let unused = w.exp();
    let cost = w.sum(&[]);
    let plan = graph.training_plan(cost, &[]).unwrap();
    assert_eq!(plan.operations().collect::<Vec<_>>(), ["sum"]);
    assert_eq!(unused.shape(), [3]);
}

#[test]
fn buffers_are_reused_where_only_the_forward_pass_runs() {
    let bytes = |depth: usize, training: bool| {
        let graph = Graph::new();
        let y = perceptron(&graph, &vec![64; depth + 1], false);
        let plan = if training { graph.training_plan(y.sum(&[]), &[]) } else { graph.forward_plan(&[y]) };
        plan.unwrap().buffer_bytes()
    };
    assert_eq!(bytes(4, false), bytes(40, false), "the forward pass needs as much for 4 layers as for 40");
    assert!(bytes(40, true) < 9 * bytes(4, true), "gradients are dead after their reader");
}

#[test]
fn parameters_that_do_not_matter_have_gradient_zero_and_running_statistics_too() {
    let graph = Graph::<f64>::new();
    let used = graph.param("used", &[2], Role::Weight);
    graph.param("unused", &[3], Role::Weight);
    let statistic = graph.param("statistic", &[2], Role::RunningStatistic);
    let mut plan = graph.training_plan((used * statistic).sum(&[]), &[]).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    params.view_mut(2).fill(3.0);
    let mut gradient = params.clone();
    gradient.as_mut_slice().fill(f64::NAN);
    plan.step(&params, &mut gradient, &Step::default()).unwrap();
    let expected = [("used", 3.0), ("unused", 0.0), ("statistic", 0.0)];
    for ((name, view), (expected_name, value)) in gradient.iter().zip(expected) {
        assert_eq!(name, expected_name);
        assert!(view.iter().all(|&g| g == value), "{name}: {view}");
    }
}

/// Passes its first input on, and moves the second, a running statistic, half-way to the first.
#[derive(Debug)]
struct Track;

impl Op<f64> for Track {
    fn name(&self) -> &'static str {
        "track"
    }
    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        Ok(Outline::new(inputs[0], 2).reads_inputs(&[0, 1]).moves(&[1]))
    }
    fn forward(&self, _: &Step, inputs: &[View<'_, f64>], mut output: ViewMut<'_, f64>, _: Memory<'_, f64>) {
        output.assign(&inputs[0]);
    }
    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, f64>,
        _: Memory<'_, f64>,
        d_output: View<'_, f64>,
        d_inputs: &mut [Grad<'_, f64>],
    ) {
        for (grad, value) in
            d_inputs.iter_mut().zip([d_output.to_owned(), (&io.input(1) - &io.input(0)) * 0.5])
        {
            if let Some((mut target, accumulate)) = grad.target() {
                target.zip_mut_with(&value, |t, &v| *t = if accumulate { *t + v } else { v });
            }
        }
    }
}

#[test]
fn operations_move_running_statistics_and_only_those() {
    let graph = Graph::<f64>::new();
    let w = graph.param("w", &[2], Role::Weight);
    let statistic = graph.param("statistic", &[2], Role::RunningStatistic);
    let not_a_statistic = graph.param("other", &[2], Role::Weight);
    let once = graph.apply(Track, &[w, statistic]);
    let twice = graph.apply(Track, &[once + statistic, statistic]);
    let cost = (twice + graph.apply(Track, &[w, not_a_statistic])).sum(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    params.view_mut(0).fill(4.0);
    params.view_mut(1).fill(1.0);
    let mut gradient = params.clone();
    plan.step(&params, &mut gradient, &Step::default()).unwrap();
    // (1 − 4)/2 of the first and (1 − 5)/2 of the second; no gradient of the sum in the middle is mixed in.
    for (name, expected) in [("w", 2.0), ("statistic", -3.5), ("other", 0.0)] {
        assert_eq!(gradient.get(name).unwrap().as_slice().unwrap(), [expected; 2], "{name}");
    }

    let graph = Graph::<f64>::new();
    let statistic = graph.param("statistic", &[], Role::RunningStatistic);
    let mut plan = graph.training_plan(statistic, &[]).unwrap();
    let params = Arena::zeros(plan.layout().clone());
    let mut gradient = params.clone();
    plan.step(&params, &mut gradient, &Step::default()).unwrap();
    assert_eq!(gradient.get("statistic").unwrap()[[]], 0.0, "the cost itself has no gradient for it");
}

#[test]
fn errors_name_module_operation_and_shapes() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[64, 100]);
    let y = graph.scope("encoder", || {
        graph.scope("0", || x.linear(graph.param("weight", &[128, 784], Role::Weight), None).relu())
    });
    let message = graph.training_plan((y + 1.0).sum(&[]), &[]).unwrap_err().to_string();
    for part in ["encoder.0: linear", "`encoder.0.weight` [128, 784]", "`x` [64, 100]"] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }

    let graph = Graph::<f32>::new();
    let w = graph.param("w", &[3], Role::Weight);
    assert_eq!(
        graph.training_plan(w * w, &[]).unwrap_err().to_string(),
        "the cost must be one number, but `mul` has shape [3]"
    );
    graph.param("w", &[4], Role::Weight);
    assert!(matches!(graph.first_error(), Err(RecordError::Param(_))));
    let graph = Graph::<f32>::new();
    graph.placeholder("x", &[1]);
    graph.placeholder("x", &[1]);
    assert_eq!(graph.first_error().unwrap_err().to_string(), "placeholder `x` exists already");
}

#[test]
fn feeding_is_checked() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[2, 3]);
    let mut plan = graph.forward_plan(&[x + 1.0]).unwrap();
    let message = plan.feed("y", ArrayD::zeros(vec![2, 3]).view()).unwrap_err().to_string();
    assert_eq!(message, "there is no placeholder `y`; there are: x");
    let message = plan.feed("x", ArrayD::zeros(vec![3, 2]).view()).unwrap_err().to_string();
    assert_eq!(message, "placeholder `x` has shape [2, 3], got [3, 2]");
}

#[test]
fn a_plan_counts_its_arithmetic() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[5, 4]);
    let w = graph.param("w", &[3, 4], Role::Weight);
    let count = |y| graph.forward_plan(&[y]).unwrap().flops();
    assert_eq!(count(x.linear(w, None)), 2 * 5 * 4 * 3);
    assert_eq!(count(x.matmul(w.t())), 2 * 5 * 4 * 3);
    assert_eq!(count(x + 1.0), 5 * 4);
    assert_eq!(count((x + 1.0).linear(w, None)), 5 * 4 + 2 * 5 * 4 * 3);
}

/// A plan reads arrays that are lent to it as if they had been fed, whatever their memory layout, also through
/// reshapes and transposes, in the forward and the backward pass; what it was fed stays.
#[test]
fn lent_arrays_are_read_as_if_fed() {
    let graph = Graph::<f64>::new();
    let (x, y) = (graph.placeholder("x", &[2, 3]), graph.placeholder("y", &[3, 2]));
    let w = graph.param("w", &[3, 2], Role::Weight);
    let sum = x.reshape(&[3, 2]) * w + x.t() * w * w + y * w;
    let mut plan = graph.training_plan(sum.square().sum(&[]), &[sum]).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    params.view_mut(0).iter_mut().zip(1..).for_each(|(w, i)| *w = f64::from(i));
    let at = Step::default();
    let numbers = |from: f64, shape: [usize; 2]| {
        ArrayD::from_shape_vec(shape.to_vec(), (0..6).map(|i| from + f64::from(i)).collect()).unwrap()
    };
    let (x, y) = (numbers(0.5, [2, 3]), numbers(-2.0, [3, 2]));
    plan.feed("x", x.view()).unwrap();
    plan.feed("y", y.view()).unwrap();
    let mut expected = params.clone();
    let cost = plan.step(&params, &mut expected, &at).unwrap();
    let sum = plan.output(0).to_owned();

    plan.feed("x", numbers(100.0, [2, 3]).view()).unwrap();
    let x_by_columns = x.t().as_standard_layout().into_owned().reversed_axes();
    let mut gradient = params.clone();
    for x in [x.view(), x_by_columns.view()] {
        gradient.as_mut_slice().fill(f64::NAN);
        assert_eq!(plan.step_on(&[("x", x.clone())], &params, &mut gradient, &at), Ok(cost));
        assert_eq!(gradient.get("w"), expected.get("w"));
        plan.forward_on(&[("y", y.view()), ("x", x)], &params, &at).unwrap();
        assert_eq!(plan.output(0), sum);
    }
    plan.feed("x", numbers(100.0, [2, 3]).view()).unwrap();
    plan.step_on(&[("x", x.view())], &params, &mut gradient, &at).unwrap();
    assert_ne!(plan.step(&params, &mut gradient, &at), Ok(cost), "what was fed is gone");

    let message = plan.forward_on(&[("z", x.view())], &params, &at).unwrap_err().to_string();
    assert_eq!(message, "there is no placeholder `z`; there are: x, y");
    let message = plan.forward_on(&[("y", x.view())], &params, &at).unwrap_err().to_string();
    assert_eq!(message, "placeholder `y` has shape [3, 2], got [2, 3]");
}

#[test]
fn refused_values_leave_everything_as_it_was() {
    let graph = Graph::<f32>::new();
    let table = graph.param("table", &[5, 2], Role::Weight);
    let indices = graph.placeholder("indices", &[3]);
    let rows = graph.scope("embedding", || table.gather_rows(indices));
    let mut plan = graph.training_plan(rows.sum(&[]), &[]).unwrap();
    let params = Arena::zeros(plan.layout().clone());
    let mut gradient = params.clone();
    gradient.as_mut_slice().fill(7.0);
    plan.feed("indices", ndarray::arr1(&[0.0, 5.0, 1.0]).into_dyn().view()).unwrap();
    let message = plan.step(&params, &mut gradient, &Step::default()).unwrap_err().to_string();
    assert!(message.starts_with("embedding: gather_rows: input 1 holds 5 at [1]"), "{message}");
    assert!(gradient.as_slice().iter().all(|&g| g == 7.0));
}

#[test]
fn the_first_thing_that_is_not_finite_is_named() {
    let graph = Graph::<f32>::new();
    let x = graph.placeholder("x", &[2]);
    let w = graph.param("w", &[2], Role::Weight);
    let y = graph.scope("3", || (x * w).exp());
    let mut plan = graph.training_plan(y.sum(&[]), &[]).unwrap();
    let mut params = Arena::zeros(plan.layout().clone());
    let mut find = |x: f32, w: f32| {
        plan.feed("x", ArrayD::from_elem(vec![2], x).view()).unwrap();
        params.view_mut(0).fill(w);
        plan.find_non_finite(&params, &Step::default()).unwrap()
    };
    assert_eq!(find(1.0, 1.0), None);
    assert_eq!(find(1.0, f32::NAN), Some(NonFinite::Param { name: "w".into() }));
    assert_eq!(find(f32::INFINITY, 1.0), Some(NonFinite::Input { name: "x".into() }));
    let operation = find(100.0, 1.0).unwrap();
    assert_eq!(operation, NonFinite::Operation { path: "3".into(), op: "exp" });
    assert_eq!(operation.to_string(), "operation exp of module `3`");
}

#[test]
fn plans_are_recorded_once_per_batch_size_and_mode() {
    let mut plans = Plans::<f32>::new();
    let mut recorded = 0;
    for batch in [4, 4, 2, 4, 2] {
        for mode in [Mode::Train, Mode::Eval] {
            let record = || {
                recorded += 1;
                let graph = Graph::for_mode(mode);
                graph.forward_plan(&[graph.placeholder("x", &[batch]) * 2.0])
            };
            let plan = plans.get(batch, mode, record).unwrap();
            assert_eq!(plan.inputs().next(), Some(("x", &[batch][..])));
        }
    }
    assert_eq!((recorded, plans.len()), (4, 4));
}
