//! The first program in many frameworks: minimises w² − 10w + 25 by gradient descent, its coefficients fed through
//! a placeholder.

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use ndarray::arr1;
use nn_train::prelude::*;

/// Minimises a·w² + b·w + c by gradient descent; the gradient is derived from the written cost.
#[derive(Parser)]
struct Args {
    /// The coefficients a, b, c
    #[arg(long, num_args = 3, allow_negative_numbers = true, default_values_t = [1.0, -10.0, 25.0])]
    coefficients: Vec<f64>,
    /// Number of steps
    #[arg(long, default_value_t = 100)]
    steps: u64,
    /// Learning rate
    #[arg(long, default_value_t = 0.1)]
    rate: f64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let graph = Graph::<f64>::new();
    let w = graph.param("w", &[], Role::Weight);
    let k = graph.placeholder("coefficients", &[3]);
    let cost = k.at(0) * w * w + k.at(1) * w + k.at(2);
    let mut plan = graph.training_plan(cost, &[])?;

    let mut params = Arena::zeros(plan.layout().clone());
    let mut gradient = params.clone();
    let mut sgd = Optimizer::new(Sgd::new(args.rate)?);
    plan.feed("coefficients", arr1(&args.coefficients).into_dyn().view())?;

    println!("cost = {}·w² + {}·w + {}", args.coefficients[0], args.coefficients[1], args.coefficients[2]);
    println!("{:>5}  {:>10}  {:>12}  {:>12}", "step", "w", "cost", "gradient");
    for step in 0..args.steps {
        let cost = plan.step(&params, &mut gradient, &Step { index: step, ..Step::default() })?;
        if step < 5 || (step + 1) % 20 == 0 {
            let (w, g) = (value(&params), value(&gradient));
            println!("{step:>5}  {w:>10.6}  {cost:>12.3e}  {g:>12.3e}");
        }
        sgd.step(&mut params, &gradient);
    }
    println!("w = {:.3}", value(&params));
    Ok(())
}

/// The only parameter.
fn value(arena: &Arena<f64>) -> f64 {
    arena.view(0).sum()
}
