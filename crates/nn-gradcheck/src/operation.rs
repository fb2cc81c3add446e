//! The gradient check of an operation.

use ndarray::{ArrayBase, ArrayD, IxDyn};
use nn_core::{EvaluateError, Memory, Op, Step, View, evaluate};

use crate::assess::{Subject, assess};
use crate::check::GradCheck;
use crate::numeric::{Slope, Stencil};
use crate::report::Report;

impl GradCheck {
    /// Checks the backward pass of an operation at these inputs; the rows are named `input 0`, `input 1`, …
    ///
    /// The cost is the inner product ⟨output, c⟩ with a fixed random c, whose elements lie in ±[0.5, 1.5]. Inputs
    /// at the positions `constant` carry no gradient (class numbers, row indices) and are left out, and so are running
    /// statistics ([`Outline::moves`](nn_core::Outline::moves)).
    ///
    /// Differences are taken of each element of the output before they are summed up, so that elements which do not
    /// depend on the input add no rounding.
    ///
    /// # Errors
    /// When shapes or values of the inputs do not suit the operation.
    ///
    /// # Panics
    /// When a position in `constant` is not that of an input.
    pub fn check_op(
        &self,
        op: &dyn Op<f64>,
        step: &Step,
        inputs: &[View<'_, f64>],
        constant: &[usize],
    ) -> Result<Report, EvaluateError> {
        assert!(
            constant.iter().all(|&i| i < inputs.len()),
            "constant inputs {constant:?} of {}",
            inputs.len()
        );
        let mut result = evaluate(op, step, inputs)?;
        let cotangent = cotangent(result.output.shape(), 0);
        let gradients = result.backward(op, step, inputs, cotangent.view());
        let mut probe = Probe::new(op, step, inputs)?;
        let moves = probe.moves.clone();
        let rows = (0..inputs.len()).filter(|i| !constant.contains(i) && !moves[*i]).map(|i| {
            let stencil = self.for_operations();
            let slopes = probe.slopes(stencil, i, &cotangent);
            let name = format!("input {i}");
            let subject = Subject::new(&name, &inputs[i], &gradients[i]);
            assess(self, stencil, &subject, &slopes, &mut |k, plus, minus| {
                probe.difference(i, k, (plus, minus), &cotangent)
            })
        });
        Ok(Report::new(rows.collect()))
    }
}

/// Runs the forward pass of an operation again and again, with one element of an input moved.
pub(crate) struct Probe<'a> {
    op: &'a dyn Op<f64>,
    step: &'a Step,
    inputs: Vec<ArrayD<f64>>,
    saved: Vec<f64>,
    scratch: Vec<f64>,
    above: ArrayD<f64>,
    below: ArrayD<f64>,
    /// Which inputs are running statistics.
    moves: Vec<bool>,
}

impl<'a> Probe<'a> {
    pub(crate) fn new(
        op: &'a dyn Op<f64>,
        step: &'a Step,
        inputs: &[View<'_, f64>],
    ) -> Result<Self, EvaluateError> {
        let shapes: Vec<_> = inputs.iter().map(ArrayBase::shape).collect();
        let outline = op.infer(&shapes)?;
        let output = ArrayD::zeros(IxDyn(&outline.shape));
        Ok(Probe {
            op,
            step,
            inputs: inputs.iter().map(|x| x.as_standard_layout().into_owned()).collect(),
            saved: vec![0.0; outline.saved],
            scratch: vec![0.0; outline.scratch],
            above: output.clone(),
            below: output,
            moves: outline.moves,
        })
    }

    /// The derivatives of ⟨output, cotangent⟩ with respect to the elements of input `i`, in C order.
    pub(crate) fn slopes(&mut self, stencil: Stencil, i: usize, cotangent: &ArrayD<f64>) -> Vec<Slope> {
        let values: Vec<f64> = self.inputs[i].iter().copied().collect();
        let slope = |(k, &x): (usize, &f64)| {
            stencil.slope_from(x, |plus, minus| self.difference(i, k, (plus, minus), cotangent))
        };
        values.iter().enumerate().map(slope).collect()
    }

    /// The change of ⟨output, cotangent⟩ from the second to the first of two values of element `k` of input `i`, and
    /// the same with absolute values.
    fn difference(&mut self, i: usize, k: usize, ends: (f64, f64), cotangent: &ArrayD<f64>) -> (f64, f64) {
        let here = self.at(i, k);
        self.run(i, k, ends.0);
        std::mem::swap(&mut self.above, &mut self.below);
        self.run(i, k, ends.1);
        std::mem::swap(&mut self.above, &mut self.below);
        self.set(i, k, here);
        self.change(cotangent)
    }

    fn at(&self, i: usize, k: usize) -> f64 {
        self.inputs[i].as_slice().expect("the copies are in standard layout")[k]
    }

    /// Computes `above` with element `k` of input `i` at `x`.
    fn run(&mut self, i: usize, k: usize, x: f64) {
        self.set(i, k, x);
        let views: Vec<_> = self.inputs.iter().map(|x| x.view()).collect();
        let memory = Memory { saved: &mut self.saved, scratch: &mut self.scratch };
        self.op.forward(self.step, &views, self.above.view_mut(), memory);
    }

    fn set(&mut self, i: usize, k: usize, x: f64) {
        self.inputs[i].as_slice_mut().expect("the copies are in standard layout")[k] = x;
    }

    /// ⟨above − below, cotangent⟩, and the same with absolute values.
    fn change(&self, cotangent: &ArrayD<f64>) -> (f64, f64) {
        let values = self.above.iter().zip(&self.below).zip(cotangent);
        values.fold((0.0, 0.0), |(change, magnitude), ((a, b), c)| {
            (change + (a - b) * c, magnitude + (a.abs() + b.abs()) * c.abs())
        })
    }
}

/// An array of fixed random numbers in ±[0.5, 1.5], none of them small: a gradient for an output.
///
/// Element k is made of the k-th output of SplitMix64 (Steele, Lea, Flood 2014) from this seed.
pub(crate) fn cotangent(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut state = seed;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        let magnitude = 0.5 + (z >> 11) as f64 / (1u64 << 53) as f64;
        if z & 1 == 0 { magnitude } else { -magnitude }
    })
}
