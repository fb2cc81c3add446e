//! All tests of the crate as one program, so that what they share is compiled once.

mod drawing;
mod formulas;
mod peers;
mod refusals;
mod schedules;
mod torch;
