//! Divisions of a data set into parts, such as training and test, as lists of sample numbers.
//!
//! [`Dataset::split`](crate::Dataset::split) and
//! [`Dataset::split_stratified`](crate::Dataset::split_stratified) apply them.

use nn_core::Streams;

use crate::DataError;
use crate::shuffle::shuffle;

/// Divides samples 0 … n − 1 at random.
///
/// With sₖ = f₀ + … + fₖ, part k holds ⌊n·sₖ + ½⌋ − ⌊n·sₖ₋₁ + ½⌋ samples: within 1 of n·fₖ, and all parts
/// together are the whole. A part lists its samples in ascending order. The draw is addressed by
/// (seed, `"split"`, 0).
///
/// - `fractions`: one per part, each in \[0, 1\], their sum 1 (within 1e-6).
///
/// # Errors
/// When the fractions are no division of the whole.
///
/// ```
/// use nn_core::Streams;
/// use nn_data::split;
///
/// let parts = split::random(10, &[0.7, 0.3], Streams::new(1)).unwrap();
/// assert_eq!((parts[0].len(), parts[1].len()), (7, 3));
/// ```
pub fn random(n: usize, fractions: &[f64], streams: Streams) -> Result<Vec<Vec<usize>>, DataError> {
    check_fractions(fractions)?;
    let mut parts = vec![Vec::new(); fractions.len()];
    divide((0..n).collect(), fractions, streams, 0, &mut parts);
    Ok(parts)
}

/// Divides the samples of each class at random in the same proportions.
///
/// A class of c samples is divided as [`random`] divides c samples, its draw addressed by
/// (seed, `"split"`, class). Every part then lists its samples in ascending order.
///
/// - `labels`: the class of each sample.
/// - `fractions`: as in [`random`].
///
/// # Errors
/// When the fractions are no division of the whole.
pub fn stratified(
    labels: &[usize],
    fractions: &[f64],
    streams: Streams,
) -> Result<Vec<Vec<usize>>, DataError> {
    check_fractions(fractions)?;
    let mut by_class: Vec<(usize, usize)> = labels.iter().copied().zip(0..).collect();
    by_class.sort_unstable();
    let mut parts = vec![Vec::new(); fractions.len()];
    for class in by_class.chunk_by(|a, b| a.0 == b.0) {
        let samples = class.iter().map(|&(_, sample)| sample).collect();
        divide(samples, fractions, streams, class[0].0 as u64, &mut parts);
    }
    for part in &mut parts {
        part.sort_unstable();
    }
    Ok(parts)
}

/// Shuffles the samples, cuts them by the fractions, and appends each piece, in ascending order, to its part.
fn divide(mut samples: Vec<usize>, fractions: &[f64], streams: Streams, step: u64, parts: &mut [Vec<usize>]) {
    shuffle(&mut samples, &mut streams.rng("split", step));
    let (mut begin, mut sum) = (0, 0.0);
    for (k, part) in parts.iter_mut().enumerate() {
        sum += fractions[k];
        let last = k + 1 == fractions.len();
        let cut = if last { samples.len() } else { (samples.len() as f64 * sum + 0.5).floor() as usize };
        let end = cut.clamp(begin, samples.len());
        samples[begin..end].sort_unstable();
        part.extend_from_slice(&samples[begin..end]);
        begin = end;
    }
}

fn check_fractions(fractions: &[f64]) -> Result<(), DataError> {
    let each = fractions.iter().all(|fraction| (0.0..=1.0).contains(fraction));
    if each && (fractions.iter().sum::<f64>() - 1.0).abs() <= 1e-6 {
        Ok(())
    } else {
        Err(DataError::Fractions { fractions: fractions.to_vec() })
    }
}
