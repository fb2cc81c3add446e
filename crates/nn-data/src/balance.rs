//! Class labels: one-hot, counted, and balanced.

use ndarray::Array2;
use nn_core::{Real, Streams};

use crate::DataError;
use crate::shuffle::shuffle;

/// One row for each label, 1 in the column of its class and 0 elsewhere: `[n, classes]`.
///
/// # Errors
/// When a label is none of the classes.
///
/// ```
/// use ndarray::array;
/// assert_eq!(nn_data::one_hot::<f32>(&[2, 0], 3).unwrap(), array![[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]);
/// ```
pub fn one_hot<F: Real>(labels: &[usize], classes: usize) -> Result<Array2<F>, DataError> {
    check(labels, classes)?;
    let mut rows = Array2::from_elem((labels.len(), classes), F::zero());
    for (mut row, &label) in rows.rows_mut().into_iter().zip(labels) {
        row[label] = F::one();
    }
    Ok(rows)
}

/// The number of samples of each class.
///
/// # Errors
/// When a label is none of the classes.
///
/// ```
/// assert_eq!(nn_data::class_counts(&[0, 2, 2], 3).unwrap(), [1, 0, 2]);
/// ```
pub fn class_counts(labels: &[usize], classes: usize) -> Result<Vec<usize>, DataError> {
    check(labels, classes)?;
    let mut counts = vec![0; classes];
    labels.iter().for_each(|&label| counts[label] += 1);
    Ok(counts)
}

/// Weights with which every class counts as much in a cost: n/(k·nᶜ) for a class of nᶜ of the n samples.
///
/// k is the number of classes that have samples; the others get weight 0. The mean weight over the samples is 1.
/// Source: scikit-learn, `compute_class_weight` with `class_weight="balanced"`, after G. King and L. Zeng (2001),
/// "Logistic regression in rare events data".
///
/// # Errors
/// When a label is none of the classes.
///
/// ```
/// assert_eq!(nn_data::class_weights(&[0, 1, 1, 1], 2).unwrap(), [2.0, 2.0 / 3.0]);
/// ```
pub fn class_weights(labels: &[usize], classes: usize) -> Result<Vec<f64>, DataError> {
    let counts = class_counts(labels, classes)?;
    let present = counts.iter().filter(|&&count| count > 0).count();
    let weight = |count: usize| labels.len() as f64 / (present * count) as f64;
    Ok(counts.into_iter().map(|count| if count > 0 { weight(count) } else { 0.0 }).collect())
}

/// The samples of an epoch in which every class has as many as the largest, in a random order.
///
/// Each sample of a class comes equally often, or once more than another: after the whole repetitions the rest is drawn
/// without replacement. The draw is addressed by (seed, `"oversample"`, epoch).
///
/// # Errors
/// When a label is none of the classes.
///
/// ```
/// use nn_core::Streams;
///
/// let labels = [0, 1, 1, 1, 1];
/// let epoch = nn_data::oversample(&labels, 2, Streams::new(1), 0).unwrap();
/// assert_eq!((epoch.len(), epoch.iter().filter(|&&sample| labels[sample] == 0).count()), (8, 4));
/// ```
pub fn oversample(
    labels: &[usize],
    classes: usize,
    streams: Streams,
    epoch: u64,
) -> Result<Vec<usize>, DataError> {
    check(labels, classes)?;
    let mut by_class = vec![Vec::new(); classes];
    for (sample, &label) in labels.iter().enumerate() {
        by_class[label].push(sample);
    }
    let largest = by_class.iter().map(Vec::len).max().unwrap_or(0);
    let mut rng = streams.rng("oversample", epoch);
    let mut samples = Vec::new();
    for class in by_class.iter_mut().filter(|class| !class.is_empty()) {
        shuffle(class, &mut rng);
        samples.extend(class.iter().cycle().take(largest));
    }
    shuffle(&mut samples, &mut rng);
    Ok(samples)
}

fn check(labels: &[usize], classes: usize) -> Result<(), DataError> {
    match labels.iter().position(|&label| label >= classes) {
        None => Ok(()),
        Some(sample) => Err(DataError::Label { sample, label: labels[sample] as f64, classes }),
    }
}
