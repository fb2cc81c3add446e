//! A rate of dropout that follows the step, in a recorded plan that is replayed.

use ndarray::ArrayD;
use nn_core::{Mode, Step};
use nn_graph::Graph;
use nn_layers::{Dropout, Module, Scheduled, Scope};

#[test]
fn a_replayed_plan_drops_at_the_rate_of_its_step() {
    let rate = |t: u64| (t as f64 / 8.0).min(0.5);
    let dropout = Scheduled::new(move |t| Dropout::new(rate(t))).unwrap();
    let graph = Graph::<f64>::for_mode(Mode::Train);
    let x = graph.param("x", &[40, 50], nn_core::Role::Weight);
    let cost = dropout.record(&Scope::new(&graph), x).sum(&[]);
    let mut plan = graph.training_plan(cost, &[]).unwrap();
    let mut params = nn_core::Arena::zeros(std::sync::Arc::new(graph.layout()));
    params.view_mut(0).fill(1.0);
    let mut gradient = params.clone();
    for t in [0, 1, 2, 4, 1000] {
        let step = Step { index: t, ..Step::default() };
        plan.step(&params, &mut gradient, &step).unwrap();
        let gradient: ArrayD<f64> = gradient.view(0).to_owned();
        let dropped = gradient.iter().filter(|&&d| d == 0.0).count() as f64;
        let deviation = (rate(t) * (1.0 - rate(t)) * 2000.0).sqrt();
        assert!((dropped - rate(t) * 2000.0).abs() <= 5.0 * deviation, "step {t}: {dropped} of 2000");
        assert!(gradient.iter().all(|&d| d == 0.0 || d == 1.0 / (1.0 - rate(t))), "step {t}");
        // Forward and backward pass drop the same.
        assert!((plan.cost(&params) - gradient.sum()).abs() < 1e-9, "step {t}");
    }
}
