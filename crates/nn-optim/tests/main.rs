//! All tests of the crate as one program, so that what they share is compiled once.

mod around;
mod around_edges;
mod around_excluded;
mod around_threads;
mod facts;
mod groups;
mod lbfgs;
mod list;
mod muon;
mod optimizer;
mod papers;
mod problems;
mod rules;
mod tensor_peers;
mod torch;
mod wrapper_peers;
