//! What the benchmarks run: training steps of the replayed graph, and the same steps written straight down over the
//! crate `gemm`.

mod gemm_crate;
pub mod graph_step;
pub mod networks;
pub mod straight_line;

use nn_train::core::Streams;
use nn_train::init::{He, InitializerExt};
use rayon::ThreadPool;

use crate::networks::{Spec, Task};

/// A pool of one thread, to install what shall not be divided.
pub fn single_thread() -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread can be started")
}

/// The first values of the weight of a layer, `[out, in]`.
pub fn initial_weight(layer: usize, out: usize, input: usize) -> Vec<f32> {
    let weight: ndarray::Array2<f32> = He::normal().array([out, input], &Streams::new(1), &layer.to_string());
    weight.into_raw_vec_and_offset().0
}

/// A batch.
pub struct Data {
    /// Row-major `[batch, features]`, from 0 to 1.
    pub inputs: Vec<f32>,
    /// Class numbers, or the inputs again.
    pub targets: Vec<f32>,
}

impl Data {
    /// Made-up pixels and labels for a network.
    pub fn new(spec: &Spec) -> Self {
        let pixel = |i: usize| ((i * 2_654_435_761) % 1000) as f32 / 999.0;
        let inputs: Vec<f32> = (0..spec.batch * spec.sizes[0]).map(pixel).collect();
        let targets = match spec.task {
            Task::Classify => (0..spec.batch).map(|i| (i * 7 % 10) as f32).collect(),
            Task::Autoencode => inputs.clone(),
        };
        Data { inputs, targets }
    }
}

#[cfg(test)]
mod tests {
    use super::graph_step::GraphStep;
    use super::networks::ALL;
    use super::straight_line::StraightLine;
    use super::{Data, initial_weight};

    /// Both contestants do the same work: the same losses over several steps.
    #[test]
    fn graph_and_straight_line_agree() {
        for spec in ALL {
            let data = Data::new(&spec);
            let mut graph = GraphStep::new(spec);
            let mut straight = StraightLine::new(spec, initial_weight);
            for step in 0..4 {
                let (a, b) = (graph.step(&data), straight.step(&data.inputs, &data.targets));
                assert!((a - b).abs() < 1e-4 * b.abs(), "{}, step {step}: {a} and {b}", spec.name);
            }
        }
    }
}
