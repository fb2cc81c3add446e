//! Files that records of a run are written to.

mod csv;
mod jsonl;
mod output;
mod protobuf;
mod replay;
mod tensorboard;

pub use csv::CsvSink;
pub use jsonl::JsonlSink;
pub use replay::replay;
pub use tensorboard::TensorBoardSink;
