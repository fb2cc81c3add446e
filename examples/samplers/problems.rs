//! What is to be minimised: functions whose lowest value is known, and the training of a small network.

use std::f64::consts::PI;

use nn_tune::{Domain, Params, Space, SpaceError, Value};

use crate::functions::{ackley, branin, hartmann, rosenbrock};
use crate::training::Training;

/// What is to be minimised over a space.
pub(crate) struct Problem {
    /// Its name.
    pub(crate) name: &'static str,
    /// Where it is looked for.
    pub(crate) space: Space,
    /// Its lowest value, as far as known.
    pub(crate) lowest: f64,
    value: Function,
}

type Function = Box<dyn Fn(&[f64]) -> f64 + Sync>;

impl Problem {
    fn new(
        name: &'static str,
        space: Space,
        lowest: f64,
        value: impl Fn(&[f64]) -> f64 + Sync + 'static,
    ) -> Self {
        Problem { name, space, lowest, value: Box::new(value) }
    }

    /// The value at numbers in the order of the space; a choice is its position.
    pub(crate) fn value(&self, numbers: &[f64]) -> f64 {
        (self.value)(numbers)
    }

    /// The value at a point of the space.
    pub(crate) fn value_at(&self, params: &Params) -> f64 {
        let number = |name: &str, domain: &Domain| match (params.value(name), domain) {
            (Some(value), Domain::Choice { .. }) => domain.position(value).map(|place| place as f64),
            (value, _) => value.and_then(Value::as_f64),
        };
        let numbers: Vec<f64> = self
            .space
            .parameters()
            .iter()
            .map(|parameter| number(&parameter.name, &parameter.domain).expect("a full point of the space"))
            .collect();
        self.value(&numbers)
    }
}

/// All problems of the table.
pub(crate) fn all() -> Result<Vec<Problem>, SpaceError> {
    let cube = |dimensions: usize, low: f64, high: f64| {
        (0..dimensions).try_fold(Space::new(), |space, i| space.uniform(&format!("x{i}"), low, high))
    };
    let branin_space = Space::new().uniform("x0", -5.0, 10.0)?.uniform("x1", 0.0, 15.0)?;
    let mixed_space = Space::new()
        .choice("kind", ["a", "b", "c", "d"])?
        .uniform("x", -5.0, 5.0)?
        .log_uniform("rate", 1e-5, 1.0)?
        .integer("count", 1, 20)?
        .powers_of_two("size", 8, 512)?;
    let training = Training::new();
    Ok(vec![
        Problem::new("Branin", branin_space, 5.0 / (4.0 * PI), branin),
        Problem::new("Hartmann-6", cube(6, 0.0, 1.0)?, -3.322_368_011_415_515, hartmann),
        Problem::new("Ackley-5", cube(5, -32.768, 32.768)?, 0.0, ackley),
        Problem::new("Rosenbrock-4", cube(4, -5.0, 10.0)?, 0.0, rosenbrock),
        Problem::new("mixed", mixed_space, 0.0, mixed),
        Problem::new("training", Training::space()?, 0.0, move |numbers| training.loss(numbers)),
    ])
}

/// A choice that moves the best values of the others.
fn mixed(x: &[f64]) -> f64 {
    const OFFSETS: [f64; 4] = [0.5, 0.0, 0.25, 1.0];
    const PLACES: [f64; 4] = [-2.0, 1.5, 3.0, 0.0];
    const DECADES: [f64; 4] = [-4.0, -2.0, -3.0, -1.0];
    let kind = x[0] as usize;
    let place = (x[1] - PLACES[kind]).powi(2) / 4.0;
    let rate = (x[2].log10() - DECADES[kind]).powi(2);
    OFFSETS[kind] + place + rate + 0.1 * (x[3] - 7.0).abs() + 0.2 * (x[4].log2() - 5.0).abs()
}
