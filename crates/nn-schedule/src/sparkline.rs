//! Schedules drawn in a line of text.

use crate::Schedule;
use nn_core::ticks::is_flat;

/// Blocks of rising height.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The curve of the first `steps` steps in a line of `width` characters, for a terminal.
///
/// Character i of n shows the value at the step (`steps` − 1)·i/(n − 1), rounded: the first and the last step are
/// shown. Heights go from the lowest to the highest of these values; a constant is a line at half height, and a
/// value that is not finite a space. Empty when `steps` or `width` is 0.
///
/// ```
/// use nn_schedule::{CosineAnnealing, sparkline};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let rate = CosineAnnealing::new(0.1, 0.0, 100.0)?;
/// assert_eq!(sparkline(&rate, 201, 21), "███▇▆▅▃▂▁▁▁▁▁▂▃▅▆▇███");
/// # Ok(())
/// # }
/// ```
pub fn sparkline(schedule: &dyn Schedule, steps: usize, width: usize) -> String {
    if steps == 0 {
        return String::new();
    }
    let stride = (steps - 1) as f64 / width.saturating_sub(1).max(1) as f64;
    let values: Vec<f64> = (0..width).map(|i| schedule.at((stride * i as f64).round())).collect();
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    let block = |&value: &f64| match (value - low) / (high - low) {
        _ if !value.is_finite() => ' ',
        _ if is_flat(low, high) => BLOCKS[3],
        part => BLOCKS[((part * 8.0) as usize).min(7)],
    };
    values.iter().map(block).collect()
}
