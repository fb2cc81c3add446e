//! What crosses crates, as one program: the trainer is compiled once for all of it.

mod models;
mod monitoring;
mod practice;
mod resume;
mod training;
