//! What the benchmarks run: training steps of the replayed graph, and the same steps written straight down over the
//! crate `gemm`, and over the matrix product of `nn-ops`.

pub mod data;
mod gemm_crate;
pub mod graph_step;
pub mod networks;
pub mod passes;
pub mod peak;
pub mod serve;
pub mod straight_line;
pub mod stream;

use rayon::ThreadPool;

/// A pool of one thread, to install what shall not be divided.
pub fn single_thread() -> ThreadPool {
    threads(1)
}

/// A pool of this many threads.
pub fn threads(number: usize) -> ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(number).build().expect("threads can be started")
}

#[cfg(test)]
mod tests {
    use super::data::Data;
    use super::graph_step::GraphStep;
    use super::networks::ALL;
    use super::straight_line::{Product, StraightLine};

    /// All contestants do the same work: the same losses over several steps.
    #[test]
    fn graph_and_straight_line_agree() {
        for spec in ALL {
            let straight =
                [Product::GemmCrate, Product::NnOps].map(|product| StraightLine::new(spec, product));
            let [Some(mut crate_gemm), Some(mut own_gemm)] = straight else { continue };
            let mut data = Data::new(&spec);
            let mut graph = GraphStep::new(spec);
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

    /// A reset brings back weights, slots and the masks of dropout.
    #[test]
    fn each_run_is_the_same() {
        for spec in ALL {
            let (mut graph, mut data) = (GraphStep::new(spec), Data::new(&spec));
            let mut run = || -> Vec<f32> {
                graph.reset();
                data.rewind();
                (0..3).map(|_| graph.step(data.take_next())).collect()
            };
            let first = run();
            assert!(first.iter().all(|loss| loss.is_finite()) && first[0] != first[2], "{}", spec.name);
            assert_eq!(run(), first, "{}", spec.name);
        }
    }
}
