//! The property test of a forward and a backward pass that are functions on arrays.

use ndarray::ArrayD;
use nn_core::{View, shape};
use proptest::prelude::Strategy;
use proptest::test_runner::TestCaseError;

use super::{Proof, SAME, compare, fail, run_all, same};
use crate::check::GradCheck;
use crate::numeric::Slope;
use crate::operation::cotangent;
use crate::strategies::{Laid, Layout, layout};

/// Turns two functions on arrays into a property test: draws inputs and demands of each that
///
/// - the gradients are those of differences, half of them to 1e-8, all to 1e-6;
/// - any memory layout of the inputs and of the gradient of the output gives the same as row-major;
/// - the backward pass is linear in the gradient of the output.
///
/// `forward` maps the inputs to the output, an array of any shape; `backward` maps the inputs and the gradient of the
/// output to the gradients of all inputs. As many cases are drawn as [`prove`](super::prove) draws.
///
/// ```
/// use nn_gradcheck::properties::prove_function;
/// use nn_gradcheck::strategies::{laid, shapes, within};
/// use proptest::strategy::Strategy;
///
/// let inputs = shapes(0..=3, 4).prop_flat_map(|shape| laid(within(shape, -3.0, 3.0))).prop_map(|x| vec![x]);
/// let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
/// let proof = prove_function(
///     "swish",
///     inputs,
///     |x| x[0].mapv(|x| x * sigmoid(x)),
///     |x, dy| vec![x[0].mapv(|x| sigmoid(x) * (1.0 + x * (1.0 - sigmoid(x)))) * dy],
/// );
/// assert!(proof.largest < 1e-8);
/// ```
///
/// # Panics
/// With the smallest case that proptest finds to fail, or when the median error is too large.
#[track_caller]
pub fn prove_function(
    name: &str,
    inputs: impl Strategy<Value = Vec<Laid>>,
    forward: impl Fn(&[View<'_, f64>]) -> ArrayD<f64>,
    backward: impl Fn(&[View<'_, f64>], View<'_, f64>) -> Vec<ArrayD<f64>>,
) -> Proof {
    run_all(name, &(inputs, layout()), |(inputs, d_output)| {
        check_function(inputs, *d_output, &forward, &backward)
    })
}

type Forward<'a> = &'a dyn Fn(&[View<'_, f64>]) -> ArrayD<f64>;
type Backward<'a> = &'a dyn Fn(&[View<'_, f64>], View<'_, f64>) -> Vec<ArrayD<f64>>;

/// The largest relative error of the gradients; `None` where no input has an element.
fn check_function(
    inputs: &[Laid],
    d_output: Layout,
    forward: Forward<'_>,
    backward: Backward<'_>,
) -> Result<Option<f64>, TestCaseError> {
    let mut plain: Vec<ArrayD<f64>> = inputs.iter().map(Laid::to_array).collect();
    let (output, gradients, c) = {
        let views = views(&plain);
        let output = forward(&views);
        let c = cotangent(output.shape(), 0);
        let gradients = backward(&views, c.view());
        shapes_agree(&plain, &gradients)?;
        is_linear(&views, &c, &gradients, backward)?;
        (output, gradients, c)
    };

    let laid: Vec<View<'_, f64>> = inputs.iter().map(Laid::view).collect();
    same("other memory layouts: output", forward(&laid).view(), output.view(), SAME)?;
    let others = backward(&laid, Laid::new(c.view(), d_output).view());
    shapes_agree(&plain, &others)?;
    for (i, (other, gradient)) in others.iter().zip(&gradients).enumerate() {
        same(&format!("other memory layouts: gradient of input {i}"), other.view(), gradient.view(), SAME)?;
    }

    let mut largest = None;
    for (i, gradient) in
        gradients.iter().enumerate().filter(|(i, _)| shape::size(inputs[*i].view().shape()) > 0)
    {
        let slopes = slopes(&mut plain, i, &c, forward);
        let error = compare(i, &plain[i].view(), &gradient.view(), &slopes)?;
        largest = Some(largest.map_or(error, |l: f64| l.max(error)));
    }
    Ok(largest)
}

fn views(arrays: &[ArrayD<f64>]) -> Vec<View<'_, f64>> {
    arrays.iter().map(|x| x.view()).collect()
}

/// A gradient for every input, of its shape.
fn shapes_agree(inputs: &[ArrayD<f64>], gradients: &[ArrayD<f64>]) -> Result<(), TestCaseError> {
    let of = |arrays: &[ArrayD<f64>]| arrays.iter().map(|x| x.shape().to_vec()).collect::<Vec<_>>();
    if of(inputs) == of(gradients) {
        return Ok(());
    }
    Err(fail(format!("inputs have the shapes {:?}, their gradients {:?}", of(inputs), of(gradients))))
}

fn is_linear(
    views: &[View<'_, f64>],
    c: &ArrayD<f64>,
    gradients: &[ArrayD<f64>],
    backward: Backward<'_>,
) -> Result<(), TestCaseError> {
    let e = cotangent(c.shape(), 1);
    let (second, mixed) = (backward(views, e.view()), backward(views, (2.0 * c - 3.0 * &e).view()));
    for (i, ((got, a), b)) in mixed.iter().zip(gradients).zip(&second).enumerate() {
        let name = format!("linearity of the gradient of input {i}");
        same(&name, got.view(), (2.0 * a - 3.0 * b).view(), 10.0 * SAME)?;
    }
    Ok(())
}

/// The derivatives of ⟨output, c⟩ with respect to the elements of input `i`, in C order.
fn slopes(plain: &mut [ArrayD<f64>], i: usize, c: &ArrayD<f64>, forward: Forward<'_>) -> Vec<Slope> {
    let stencil = GradCheck::new().for_operations();
    let values: Vec<f64> = plain[i].iter().copied().collect();
    let mut at = |k: usize, x: f64| {
        let elements = |array: &mut ArrayD<f64>, x: f64| {
            array.as_slice_mut().expect("the copies are in standard layout")[k] = x;
        };
        elements(&mut plain[i], x);
        let output = forward(&views(plain));
        elements(&mut plain[i], values[k]);
        output
    };
    let slope = |(k, &x): (usize, &f64)| {
        stencil.slope_from(x, |plus, minus| {
            let (above, below) = (at(k, plus), at(k, minus));
            let outputs = above.iter().zip(&below).zip(c);
            outputs.fold((0.0, 0.0), |(change, magnitude), ((a, b), c)| {
                (change + (a - b) * c, magnitude + (a.abs() + b.abs()) * c.abs())
            })
        })
    };
    values.iter().enumerate().map(slope).collect()
}
