//! Problems that are drawn, not measured: points in the plane, sequences that need a long memory, and images of curves.
//!
//! Each is fixed by the seed of its [`Streams`](nn_core::Streams), sample by sample where that makes sense: the first
//! samples of a larger set are those of a smaller one.
//!
//! ```
//! use nn_core::Streams;
//! use nn_data::synthetic;
//!
//! let moons = synthetic::moons::<f32>(300, 0.1, Streams::new(1)).unwrap();
//! let [train, test] = moons.split_stratified([0.7, 0.3], Streams::new(1)).unwrap();
//! assert_eq!((train.len(), test.len(), train.input_shape()), (210, 90, &[2][..]));
//! ```

mod curves;
mod plane;
mod sequences;

pub use curves::curves;
pub use plane::{blob_centers, blobs, circles, moons, spirals};
pub use sequences::{addition, memory_5_bit, memory_20_bit, multiplication};

use nn_core::{StreamRng, check_range};
use rand::Rng;

use crate::DataError;

/// What errors name.
const OWNER: &str = "synthetic data";

/// A number in (0, 1).
fn unit(rng: &mut StreamRng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

/// A whole number from `low` to `high` − 1; its bias is below (`high` − `low`)·2⁻³².
fn whole(rng: &mut StreamRng, low: usize, high: usize) -> usize {
    low + ((u64::from(rng.next_u32()) * (high - low) as u64) >> 32) as usize
}

fn check_at_least(
    field: &'static str,
    value: usize,
    least: usize,
    range: &'static str,
) -> Result<(), DataError> {
    Ok(check_range(OWNER, field, value as f64, range, value >= least)?)
}

fn check_std(field: &'static str, value: f64) -> Result<(), DataError> {
    Ok(check_range(OWNER, field, value, "[0, ∞)", (0.0..f64::INFINITY).contains(&value))?)
}
