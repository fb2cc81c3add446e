//! What the benchmarks run: training steps of the replayed graph, and the same steps written straight down over the
//! crate `gemm`, and over the matrix product of `nn-ops`.

mod gemm_crate;
pub mod graph_step;
pub mod networks;
pub mod passes;
pub mod straight_line;
pub mod stream;

use nn_train::core::Streams;
use nn_train::init::{He, InitializerExt};
use rand::RngExt;
use rayon::ThreadPool;

use crate::networks::{Spec, Task};

/// A pool of one thread, to install what shall not be divided.
pub fn single_thread() -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started")
}

/// The first values of the weight of a layer, `[out, in]`.
pub(crate) fn initial_weight(layer: usize, out: usize, input: usize) -> Vec<f32> {
    let weight: ndarray::Array2<f32> = He::normal().array([out, input], &Streams::new(1), &layer.to_string());
    weight.into_raw_vec_and_offset().0
}

/// Batches in memory, taken in order, over and over.
pub struct Data {
    batches: Vec<Batch>,
    taken: usize,
}

/// A batch.
pub struct Batch {
    /// Row-major `[batch, features]`, from 0 to 1.
    pub inputs: Vec<f32>,
    /// Class numbers, or the inputs again.
    pub targets: Vec<f32>,
}

/// So many that a network does not soon know them by heart: gradients of 1e-40 are slow on any processor.
const BATCHES: u64 = 40;

impl Data {
    /// Made-up pixels and labels for a network.
    pub fn new(spec: &Spec) -> Self {
        let batch = |number: u64| {
            let mut rng = Streams::new(2).rng("data", number);
            let inputs: Vec<f32> = (0..spec.batch * spec.sizes[0]).map(|_| rng.random()).collect();
            let targets = match spec.task {
                Task::Classify => (0..spec.batch).map(|_| rng.random_range(0..10) as f32).collect(),
                Task::Autoencode => inputs.clone(),
            };
            Batch { inputs, targets }
        };
        Data { batches: (0..BATCHES).map(batch).collect(), taken: 0 }
    }

    /// The next batch.
    pub fn take_next(&mut self) -> &Batch {
        self.taken += 1;
        &self.batches[self.taken % self.batches.len()]
    }
}

#[cfg(test)]
mod tests {
    use super::Data;
    use super::graph_step::GraphStep;
    use super::networks::ALL;
    use super::straight_line::{Product, StraightLine};

    /// All contestants do the same work: the same losses over several steps.
    #[test]
    fn graph_and_straight_line_agree() {
        for spec in ALL {
            let mut data = Data::new(&spec);
            let mut graph = GraphStep::new(spec);
            let mut crate_gemm = StraightLine::new(spec, Product::GemmCrate);
            let mut own_gemm = StraightLine::new(spec, Product::NnOps);
            for step in 0..4 {
                let batch = data.take_next();
                let loss = graph.step(batch);
                for other in [crate_gemm.step(batch), own_gemm.step(batch)] {
                    assert!(
                        (loss - other).abs() < 1e-4 * loss.abs(),
                        "{}, step {step}: {loss}, {other}",
                        spec.name
                    );
                }
            }
        }
    }
}
