//! All tests of the crate as one program, so that what they share is compiled once.

mod attention;
mod convolutions;
mod descriptions;
mod list;
mod modules;
mod networks;
mod recurrent;
mod scheduled;
mod sharing;
mod summary;
