//! A training step as one would write it by hand for one network: loops over slices that were allocated before,
//! matrix products by the crate `gemm` or by `nn-ops`, no graph.

use ndarray::{ArrayD, ArrayView2, ArrayViewMut2};
use nn_train::core::Real;
use nn_train::ops::simd::dispatch;

use crate::data::{Batch, initial_weight};
use crate::gemm_crate::{self, Read};
use crate::networks::{LEARNING_RATE, Loss, Spec, Update};

/// Parameters of one layer, their gradients and the optimizer's slots; weights then biases in each.
struct Layer {
    input: usize,
    output: usize,
    values: Vec<f32>,
    gradient: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// Which matrix product is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Product {
    /// That of the crate `gemm`.
    GemmCrate,
    /// That of `nn-ops`.
    NnOps,
}

impl Product {
    /// c ← a·b on row-major matrices; see [`gemm_crate::gemm`].
    fn run(self, (m, n, k): (usize, usize, usize), a: (&[f32], Read), b: (&[f32], Read), c: &mut [f32]) {
        let view = |(data, read): (_, Read), rows, columns| match read {
            Read::AsIs => ArrayView2::from_shape((rows, columns), data).expect("rows × columns elements"),
            Read::Transposed => {
                ArrayView2::from_shape((columns, rows), data).expect("as many").reversed_axes()
            }
        };
        match self {
            Product::GemmCrate => gemm_crate::gemm((m, n, k), a, b, 0.0, c),
            Product::NnOps => {
                let c = ArrayViewMut2::from_shape((m, n), c).expect("m × n elements");
                nn_train::ops::gemm(1.0, view(a, m, k), view(b, k, n), 0.0, c);
            }
        }
    }
}

/// A network with all its buffers.
pub struct StraightLine {
    spec: Spec,
    product: Product,
    layers: Vec<Layer>,
    /// The output of each layer.
    outputs: Vec<Vec<f32>>,
    /// The gradient with respect to the sum in each layer.
    deltas: Vec<Vec<f32>>,
    steps: i32,
}

impl StraightLine {
    /// Begins with the same weights as the graph; `None` unless the network is a plain stack, see [`Spec::widths`].
    pub fn new(spec: Spec, product: Product) -> Option<Self> {
        let layer = |(i, pair): (usize, &[usize])| {
            let (input, output) = (pair[0], pair[1]);
            let (mut values, _) = initial_weight(i + 1, &[output, input]).into_raw_vec_and_offset();
            values.resize(output * (input + 1), 0.0);
            let zeros = vec![0.0; values.len()];
            Layer { input, output, values, gradient: zeros.clone(), first: zeros.clone(), second: zeros }
        };
        let layers: Vec<Layer> = spec.widths()?.windows(2).enumerate().map(layer).collect();
        let outputs: Vec<Vec<f32>> =
            layers.iter().map(|layer| vec![0.0; spec.batch * layer.output]).collect();
        Some(StraightLine { spec, product, layers, deltas: outputs.clone(), outputs, steps: 0 })
    }

    /// One training step; returns the mean loss.
    pub fn step(&mut self, Batch { inputs, targets }: &Batch) -> f32 {
        let (inputs, targets) = (slice(inputs), slice(targets));
        self.forward(inputs);
        let width = self.layers.last().expect("layers").output;
        let (z, delta) = (self.outputs.last().expect("layers"), self.deltas.last_mut().expect("layers"));
        let loss = match self.spec.loss {
            Loss::BinaryCrossEntropy => binary_cross_entropy(z, targets, delta),
            _ => cross_entropy(z, targets, delta, width),
        };
        self.backward(inputs);
        self.steps += 1;
        for layer in &mut self.layers {
            update(self.spec.update, self.steps, layer);
        }
        loss
    }

    fn forward(&mut self, inputs: &[f32]) {
        let last = self.layers.len() - 1;
        for (i, layer) in self.layers.iter().enumerate() {
            let (before, here) = self.outputs.split_at_mut(i);
            let x = before.last().map_or(inputs, |output| output);
            let (weight, bias) = layer.values.split_at(layer.input * layer.output);
            let shape = (self.spec.batch, layer.output, layer.input);
            self.product.run(shape, (x, Read::AsIs), (weight, Read::Transposed), &mut here[0]);
            match self.spec.loss {
                _ if i == last => add_bias(&mut here[0], bias, |z| z),
                Loss::BinaryCrossEntropy => add_bias(&mut here[0], bias, Real::sigmoid),
                _ => add_bias(&mut here[0], bias, |z| if z < 0.0 { 0.0 } else { z }),
            }
        }
    }

    fn backward(&mut self, inputs: &[f32]) {
        for i in (0..self.layers.len()).rev() {
            let Layer { input, output, values, gradient, .. } = &mut self.layers[i];
            let (d_weight, d_bias) = gradient.split_at_mut(*input * *output);
            let (before, here) = self.deltas.split_at_mut(i);
            let x = if i == 0 { inputs } else { &self.outputs[i - 1] };
            let delta = &here[0];
            sum_rows(delta, d_bias);
            let shape = (*output, *input, self.spec.batch);
            self.product.run(shape, (delta, Read::Transposed), (x, Read::AsIs), d_weight);
            let Some(d_x) = before.last_mut() else { return };
            let weight = &values[..*input * *output];
            let shape = (self.spec.batch, *input, *output);
            self.product.run(shape, (delta, Read::AsIs), (weight, Read::AsIs), d_x);
            match self.spec.loss {
                Loss::BinaryCrossEntropy => scale_by(d_x, x, |y| y * (1.0 - y)),
                _ => scale_by(d_x, x, |y| if y > 0.0 { 1.0 } else { 0.0 }),
            }
        }
    }
}

fn slice(array: &ArrayD<f32>) -> &[f32] {
    array.as_slice().expect("batches are contiguous")
}

fn add_bias(rows: &mut [f32], bias: &[f32], activate: impl Fn(f32) -> f32) {
    dispatch(
        #[inline(always)]
        move || {
            for row in rows.chunks_exact_mut(bias.len()) {
                for (z, b) in row.iter_mut().zip(bias) {
                    *z = activate(*z + b);
                }
            }
        },
    );
}

fn scale_by(gradient: &mut [f32], output: &[f32], derivative: impl Fn(f32) -> f32) {
    dispatch(
        #[inline(always)]
        move || {
            for (g, &y) in gradient.iter_mut().zip(output) {
                *g *= derivative(y);
            }
        },
    );
}

fn sum_rows(rows: &[f32], sums: &mut [f32]) {
    dispatch(
        #[inline(always)]
        move || {
            sums.fill(0.0);
            for row in rows.chunks_exact(sums.len()) {
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += x;
                }
            }
        },
    );
}

/// Mean cross-entropy of softmax(z); its gradient goes into `delta`.
fn cross_entropy(z: &[f32], classes: &[f32], delta: &mut [f32], width: usize) -> f32 {
    let scale = 1.0 / classes.len() as f32;
    let rows = z.chunks_exact(width).zip(delta.chunks_exact_mut(width)).zip(classes);
    let mut total = 0.0;
    for ((z, delta), &class) in rows {
        let max = z.iter().fold(f32::NEG_INFINITY, |max, &z| if z > max { z } else { max });
        let mut sum = 0.0;
        for (d, &z) in delta.iter_mut().zip(z) {
            *d = Real::exp(z - max);
            sum += *d;
        }
        total += Real::ln(sum) + max - z[class as usize];
        delta.iter_mut().for_each(|d| *d *= scale / sum);
        delta[class as usize] -= scale;
    }
    total * scale
}

/// Mean binary cross-entropy of sigmoid(z); its gradient goes into `delta`.
fn binary_cross_entropy(z: &[f32], targets: &[f32], delta: &mut [f32]) -> f32 {
    let scale = 1.0 / z.len() as f32;
    dispatch(
        #[inline(always)]
        move || {
            let mut lanes = [0.0f32; 16];
            let rows = z.chunks_exact(16).zip(targets.chunks_exact(16)).zip(delta.chunks_exact_mut(16));
            for ((z, t), d) in rows {
                for i in 0..16 {
                    let e = Real::exp(-z[i].abs());
                    let positive = if z[i] > 0.0 { z[i] } else { 0.0 };
                    lanes[i] += positive - z[i] * t[i] + Real::ln(1.0 + e);
                    let sigmoid = if z[i] > 0.0 { 1.0 } else { e } / (1.0 + e);
                    d[i] = (sigmoid - t[i]) * scale;
                }
            }
            lanes.iter().sum::<f32>() * scale
        },
    )
}

fn update(rule: Update, step: i32, layer: &mut Layer) {
    const LR: f32 = LEARNING_RATE;
    let Layer { values, gradient, first, second, .. } = layer;
    let correction = (1.0 - 0.9f64.powi(step), (1.0 - 0.999f64.powi(step)).sqrt());
    let (rate, root) = ((f64::from(LR) / correction.0) as f32, correction.1 as f32);
    dispatch(
        #[inline(always)]
        move || match rule {
            Update::Sgd => values.iter_mut().zip(&*gradient).for_each(|(w, g)| *w -= LR * g),
            Update::Momentum => values.iter_mut().zip(&*gradient).zip(first).for_each(|((w, g), v)| {
                *v = flush(0.9 * *v + g);
                *w -= LR * *v;
            }),
            Update::Nesterov => values.iter_mut().zip(&*gradient).zip(first).for_each(|((w, g), v)| {
                *v = flush(0.9 * *v + g);
                *w -= LR * (g + 0.9 * *v);
            }),
            Update::Adam => values.iter_mut().zip(&*gradient).zip(first.iter_mut().zip(second)).for_each(
                |((w, g), (m, v))| {
                    *m = flush(0.9 * *m + 0.1 * g);
                    *v = flush(0.999 * *v + 0.001 * g * g);
                    *w -= rate * *m / (v.sqrt() / root + 1e-8);
                },
            ),
        },
    );
}

/// Zero instead of a subnormal number, as the optimizers of `nn-optim` do it.
#[inline(always)]
fn flush(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}
