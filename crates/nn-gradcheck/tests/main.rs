//! All tests of the crate as one program, so that what they share is compiled once.

mod bad_input;
mod kinks;
mod operations;
mod other_orders;
mod planted;
mod suspicions;
