//! An operation of one's own, with forward and backward pass: checked, used in a module, and trained.
//!
//! Swish, y = x·σ(βx), with a trained β for each unit (Ramachandran, Zoph, Le 2017, "Searching for activation
//! functions", arXiv:1710.05941). Nothing here needs to lie in the workspace.

use std::error::Error;
use std::process::ExitCode;

use ndarray::{ArrayD, Zip};
use nn_train::core::{Grad, Io, Memory, Outline, ShapeError, View, ViewMut};
use nn_train::data::digits;
use nn_train::init::{He, Ones};
use nn_train::prelude::*;

/// y = x·σ(βx): input x `[…, n]` and β `[n]`, output of the shape of x.
#[derive(Clone, Copy, Debug)]
struct Swish;

impl<F: Real> Op<F> for Swish {
    fn name(&self) -> &'static str {
        "swish"
    }

    /// Shapes are checked while a graph is recorded; the outline says what the backward pass will read.
    fn infer(&self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let &[x, beta] = inputs else {
            return Err(ShapeError::Arity { op: "swish", expected: 2, got: inputs.len() });
        };
        if beta.len() != 1 || x.last() != beta.last() {
            let expected = "β needs one number for each element of the last axis of x".to_owned();
            let (left, right) = (x.to_vec(), beta.to_vec());
            return Err(ShapeError::Mismatch { op: "swish", expected, left, right });
        }
        Ok(Outline::new(x, 2).reads_inputs(&[0, 1]))
    }

    /// Writes every element of the output, which may lie in memory in any way.
    fn forward(&self, _: &Step, inputs: &[View<'_, F>], output: ViewMut<'_, F>, _: Memory<'_, F>) {
        let (x, beta) = (&inputs[0], &inputs[1]);
        Zip::from(output).and(x).and_broadcast(beta).for_each(|y, &x, &b| *y = x * (b * x).sigmoid());
    }

    /// ∂y/∂x = s + βx·s(1 − s) and ∂y/∂β = x²·s(1 − s), where s = σ(βx).
    fn backward(
        &self,
        _: &Step,
        io: &Io<'_, '_, F>,
        _: Memory<'_, F>,
        dy: View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let (x, beta) = (io.input(0), io.input(1));
        if let Some((target, accumulate)) = d_inputs[0].target() {
            Zip::from(target).and(&x).and_broadcast(&beta).and(&dy).for_each(|d, &x, &b, &dy| {
                let s = (b * x).sigmoid();
                let gradient = dy * (s + b * x * s * (F::one() - s));
                *d = if accumulate { *d + gradient } else { gradient };
            });
        }
        if let Some((mut target, accumulate)) = d_inputs[1].target() {
            if !accumulate {
                target.fill(F::zero());
            }
            for (x, dy) in x.rows().into_iter().zip(dy.rows()) {
                for (((d, &b), &x), &dy) in target.iter_mut().zip(&beta).zip(x).zip(dy) {
                    let s = (b * x).sigmoid();
                    *d += dy * x * x * s * (F::one() - s);
                }
            }
        }
    }
}

/// As a module it declares its parameter `beta`, ones at first, and records itself.
impl<F: Real> Module<F> for Swish {
    fn record<'g>(&self, scope: &Scope<'g, F>, input: Var<'g, F>) -> Var<'g, F> {
        let units = input.shape().last().copied().unwrap_or(0);
        let beta = scope.param("beta", &[units], Role::NormScale, Ones);
        scope.graph().apply(*self, &[input, beta])
    }
}

/// 64 pixels, 32 units with Swish, ten digits.
fn module<F: Real>() -> Sequential<F> {
    let hidden = Linear::new(32).weight_init(He::normal());
    Sequential::new().add(hidden).add(Swish).add(Linear::new(10))
}

fn parts<F: Real>() -> Result<[Dataset<F>; 2], Box<dyn Error>> {
    let [train, test] = digits::load().split_stratified([0.8, 0.2], Streams::new(1))?;
    let scaler = Standardizer::per_set(&train)?;
    Ok([scaler.apply(train)?, scaler.apply(test)?])
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    println!("Swish, y = x·σ(βx), against differences of its forward pass:");
    let x = ArrayD::from_shape_fn(vec![5, 3], |i| (3 * i[0] + i[1]) as f64 / 4.0 - 1.7);
    let beta = ArrayD::from_shape_fn(vec![3], |i| 0.5 + i[0] as f64);
    let check = GradCheck::new().check_op(&Swish, &Step::default(), &[x.view(), beta.view()], &[])?;
    println!("{check}");
    check.assert_sound();

    println!("A network of it, on 8 digits:");
    let few = parts::<f64>()?[0].select(&[0, 1, 2, 3, 4, 5, 6, 7])?;
    let mut double = Network::new(module(), &[64], 1)?;
    println!("{}", check_gradient(&GradCheck::new(), &mut double, SoftmaxCrossEntropy::new(), &few)?);

    println!("Training:");
    let [train, test] = parts::<f32>()?;
    let mut network = Network::new(module(), &[64], 1)?;
    let trainer = Trainer::new(SoftmaxCrossEntropy::new(), Adam::new(5e-3)?);
    trainer.epochs(10).batch_size(32).seed(1).fit(&mut network, &train, Some(&test))?;

    let beta = network.params().get("1.beta").ok_or("the network has no β")?;
    println!("\nβ of the 32 units, 1 before training:");
    for low in (0..10).map(|i| i as f32 / 4.0) {
        let count = beta.iter().filter(|&&b| b >= low && b < low + 0.25).count();
        if count > 0 {
            println!("{low:>5.2} to {:.2}  {}", low + 0.25, "▇".repeat(2 * count));
        }
    }
    let result = evaluate(&network, SoftmaxCrossEntropy::new(), &test)?;
    println!("test accuracy {:.2} %", 100.0 * result.accuracy.unwrap_or(0.0));
    Ok(())
}
