//! The checks that every loss of the list must pass: its gradient and the properties of `nn_gradcheck::properties` over
//! random shapes and memory layouts, the same bits for large arrays on any number of threads and in any memory layout,
//! and what it makes of NaN, of nothing, and of shapes that do not fit.

use crate::list;

use list::{Entry, table};
use ndarray::ArrayD;
use nn_core::{EvaluateError, Op, Step, View, evaluate};
use nn_gradcheck::properties::{Case, prove};
use nn_gradcheck::strategies::{Laid, Layout};

#[test]
fn gradients_and_properties() {
    for Entry { name, cases, .. } in table() {
        let proof = prove(name, cases);
        println!("{proof}");
        assert!(proof.cases >= 64, "{proof}");
    }
}

#[test]
fn the_same_bits_on_any_number_of_threads() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let (one, others) = (pool(1), [pool(2), pool(3)]);
    for Entry { name, large, .. } in table() {
        for case in large {
            let expected = one.install(|| case.bits());
            for pool in &others {
                assert!(pool.install(|| case.bits()) == expected, "{name} depends on the number of threads");
            }
        }
    }
}

/// The loss of these inputs and its gradients.
fn run(loss: &dyn Op<f64>, inputs: &[Laid]) -> Result<(ArrayD<f64>, Vec<ArrayD<f64>>), EvaluateError> {
    let (step, views): (_, Vec<View<'_, f64>>) = (Step::default(), inputs.iter().map(Laid::view).collect());
    let mut evaluated = evaluate(loss, &step, &views)?;
    let d = ArrayD::ones(evaluated.output.raw_dim());
    let gradients = evaluated.backward(loss, &step, &views, d.view());
    Ok((evaluated.output, gradients))
}

#[test]
fn the_same_bits_in_any_memory_layout() {
    for Entry { name, large, loss, .. } in table() {
        let inputs = large[0].inputs();
        let expected = run(&*loss, inputs).unwrap();
        for layout in [Layout::Fortran, Layout::Strided, Layout::Reversed] {
            let laid: Vec<Laid> = inputs.iter().map(|x| Laid::new(x.view(), layout)).collect();
            assert!(run(&*loss, &laid).unwrap() == expected, "{name} depends on the layout: {layout:?}");
        }
    }
}

/// Losses whose predictions are checked.
const PROBABILITIES: [&str; 2] = ["binary_cross_entropy", "dice"];
/// Losses that are linear in a prediction: its gradient does not depend on it.
const LINEAR: [&str; 2] = ["hinge", "kl_divergence"];

#[test]
fn nan_goes_through_or_is_refused() {
    for Entry { name, large, loss, .. } in table() {
        for i in 0..large[0].inputs().len() {
            let mut inputs = large[0].inputs().to_vec();
            *inputs[i].view_mut().first_mut().unwrap() = f64::NAN;
            match run(&*loss, &inputs) {
                Ok((cost, gradients)) => {
                    assert!(cost[[]].is_nan(), "{name}, input {i}: {cost}");
                    let d = gradients[0].first().unwrap();
                    assert!(d.is_nan() || LINEAR.contains(&loss.name()), "{name}, input {i}: {d}");
                }
                Err(error) => {
                    let place = vec!["0"; inputs[i].view().ndim()].join(", ");
                    let expected = format!("{}: input {i} holds NaN at [{place}], expected", loss.name());
                    assert!(error.to_string().starts_with(&expected), "{error}");
                    assert!(i > 0 || PROBABILITIES.contains(&loss.name()), "{error}");
                }
            }
        }
    }
}

/// What the loss says of inputs of these shapes.
fn refusal(loss: &dyn Op<f64>, shapes: &[Vec<usize>]) -> String {
    let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    loss.infer(&shapes).unwrap_err().to_string()
}

/// The shapes of the inputs of a large case.
fn shapes(case: &Case) -> Vec<Vec<usize>> {
    case.inputs().iter().map(|x| x.view().shape().to_vec()).collect()
}

#[test]
fn nothing_is_refused() {
    for Entry { large, loss, .. } in table() {
        let full = shapes(&large[0]);
        for (i, axis) in (0..full.len()).flat_map(|i| (0..full[i].len()).map(move |axis| (i, axis))) {
            let mut shapes = full.clone();
            shapes[i][axis] = 0;
            let got = &shapes[i];
            let expected =
                format!("{}: input {i} must be a batch that is not empty, got shape {got:?}", loss.name());
            assert_eq!(refusal(&*loss, &shapes), expected);
        }
        let expected = format!("{}: expected {} inputs, got {}", loss.name(), full.len(), full.len() - 1);
        assert_eq!(refusal(&*loss, &full[1..]), expected);
    }
}

#[test]
fn shapes_that_do_not_fit_are_refused() {
    for Entry { large, loss, .. } in table() {
        let full = shapes(&large[0]);
        for i in 0..full.len() {
            let (mut deeper, mut longer) = (full.clone(), full.clone());
            deeper[i].push(2);
            // Of the first input the length may be free, as the frames of CTC are.
            longer[i.max(1)][0] += 1;
            for shapes in [deeper, longer] {
                let message = refusal(&*loss, &shapes);
                assert!(message.starts_with(loss.name()) && message.contains('['), "{message}");
            }
        }
    }
}
