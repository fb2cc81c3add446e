//! What every contestant begins with and reads, made by a hash of few operations, so that it is the same in all
//! languages.

use ndarray::{ArrayD, IxDyn};

use crate::networks::{Loss, Spec};

/// Batches in memory, taken in order, over and over.
pub struct Data {
    batches: Vec<Batch>,
    taken: usize,
}

/// A batch.
pub struct Batch {
    /// `[batch, …]`, from 0 to 1.
    pub inputs: ArrayD<f32>,
    /// Class numbers `[batch]`, the inputs again, or numbers from 0 to 1 `[batch, 1]`.
    pub targets: ArrayD<f32>,
}

/// How many batches there are.
pub const BATCHES: usize = 40;

/// The streams of the hash: weights have the numbers from 1, batches those from here.
const INPUTS: u32 = 1000;
const TARGETS: u32 = 2000;

impl Data {
    /// Made-up inputs and targets for a network.
    pub fn new(spec: &Spec) -> Self {
        let batch = |number: u32| {
            let shape: Vec<usize> = [&[spec.batch], spec.input].concat();
            let inputs = array(&shape, |i| uniform(INPUTS + number, i));
            let targets = match spec.loss {
                Loss::CrossEntropy => array(&[spec.batch], |i| (hash(TARGETS + number, i) % 10) as f32),
                Loss::BinaryCrossEntropy => inputs.clone(),
                Loss::MeanSquared => array(&[spec.batch, 1], |i| uniform(TARGETS + number, i)),
            };
            Batch { inputs, targets }
        };
        Data { batches: (0..BATCHES as u32).map(batch).collect(), taken: 0 }
    }

    /// The next batch.
    pub fn take_next(&mut self) -> &Batch {
        let next = self.taken % self.batches.len();
        self.taken += 1;
        &self.batches[next]
    }

    /// All batches in order.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// Begins with the first batch again.
    pub fn rewind(&mut self) {
        self.taken = 0;
    }

    /// The memory of all batches.
    pub fn bytes(&self) -> usize {
        self.batches.iter().map(|batch| (batch.inputs.len() + batch.targets.len()) * size_of::<f32>()).sum()
    }
}

/// The first values of the `number`-th weight (from 1) among those with two axes or more: uniform on ±√(3/n), where n is
/// the product of all lengths but the first.
pub fn initial_weight(number: usize, shape: &[usize]) -> ArrayD<f32> {
    let fan_in: usize = shape[1..].iter().product();
    let bound = (3.0 / fan_in as f64).sqrt() as f32;
    array(shape, |i| (2.0 * uniform(number as u32, i) - 1.0) * bound)
}

fn array(shape: &[usize], f: impl Fn(u32) -> f32) -> ArrayD<f32> {
    let mut i = 0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        f(i - 1)
    })
}

/// Multiples of 2⁻²⁴ from 0 to 1.
fn uniform(stream: u32, i: u32) -> f32 {
    (hash(stream, i) >> 8) as f32 / (1 << 24) as f32
}

fn hash(stream: u32, i: u32) -> u32 {
    let mut x = i.wrapping_mul(0x9E37_79B9) ^ stream.wrapping_mul(0x85EB_CA6B);
    x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
    x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
    x ^ (x >> 16)
}

#[cfg(test)]
mod tests {
    use super::{BATCHES, Data, hash, initial_weight};
    use crate::networks::Spec;

    #[test]
    fn batches_come_in_order_and_again() {
        let spec = Spec::find("tiny").unwrap();
        let mut data = Data::new(&spec);
        let first = data.take_next().inputs.clone();
        assert_ne!(data.take_next().inputs, first);
        (2..BATCHES).for_each(|_| drop(data.take_next().inputs.view()));
        assert_eq!(data.take_next().inputs, first);
        data.rewind();
        assert_eq!(data.take_next().inputs, first);
        assert_eq!(data.bytes(), BATCHES * 64 * 3 * 4);
    }

    #[test]
    fn numbers_are_spread_evenly() {
        // As benches/peers/common.py computes them.
        assert_eq!([hash(1, 0), hash(1, 1), hash(2000, 7)], [520022130, 4245456706, 3441977069]);
        let weight = initial_weight(1, &[100, 300]);
        let (mean, bound) = (weight.mean().unwrap(), 0.1);
        let square = weight.iter().map(|w| w * w).sum::<f32>() / weight.len() as f32;
        assert!(weight.iter().all(|w| w.abs() <= bound) && mean.abs() < 1e-3);
        assert!((square - bound * bound / 3.0).abs() < 1e-4, "{square}");
    }
}
