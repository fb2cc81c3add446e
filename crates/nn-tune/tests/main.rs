//! All tests of the crate as one program, so that what they share is compiled once.

mod bad_spaces;
mod caviar;
#[cfg(target_os = "linux")]
mod faults;
mod folder;
#[path = "../../../examples/samplers/functions.rs"]
mod functions;
mod journal;
mod learning_samplers;
mod optuna;
mod panda;
mod process;
mod pruners;
mod records;
mod report;
mod samplers;
mod spaces;
