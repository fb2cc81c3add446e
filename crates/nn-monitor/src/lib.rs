#![doc = include_str!("../README.md")]

mod curve;
mod encode;
mod error;
mod histogram;
mod image;
mod machine;
mod memory;
mod metrics;
mod record;
mod report;
mod sink;
mod sinks;
mod worst;

pub use curve::{Curve, Curves};
pub use error::{SinkError, SinkProblem};
pub use histogram::{Histogram, PERCENTILES, percentiles};
pub use image::Image;
pub use machine::Machine;
pub use memory::peak_memory;
pub use metrics::{
    Accuracy, Average, ClassScore, ConfusionMatrix, Mae, Mean, Metric, Mse, Perplexity, R2, RocAuc, Score,
    TopK,
};
pub use record::{At, LayerRow, Quantity, RunEnd, RunStart, Sample};
pub use report::{Distribution, Report};
pub use sink::Sink;
pub use sinks::{CsvSink, JsonlSink, TensorBoardSink, replay};
pub use worst::Worst;
