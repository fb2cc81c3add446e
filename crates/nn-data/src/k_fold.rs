//! Cross-validation.

use nn_core::Streams;

use crate::DataError;
use crate::shuffle::shuffle;

/// One of the divisions of a k-fold cross-validation: sample numbers in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The samples to train on.
    pub train: Vec<usize>,
    /// The samples to measure on; each sample is in the validation part of one fold.
    pub validation: Vec<usize>,
}

/// Divides samples 0 … n − 1 at random into k folds.
///
/// The validation parts of the first n mod k folds have ⌊n/k⌋ + 1 samples, the others ⌊n/k⌋, as those of scikit-learn's
/// `KFold`. The draw is addressed by (seed, `"k-fold"`, 0).
///
/// - `k`: the number of folds, from 2 to n; usual are 5 and 10.
///
/// # Errors
/// When `k` is out of its range.
///
/// ```
/// use nn_core::Streams;
/// use nn_data::{digits, k_fold};
///
/// let set = digits::load::<f32>();
/// for fold in k_fold(set.len(), 5, Streams::new(1)).unwrap() {
///     let (train, validation) = (set.select(&fold.train).unwrap(), set.select(&fold.validation).unwrap());
///     assert_eq!(train.len() + validation.len(), 1797);
/// }
/// ```
pub fn k_fold(n: usize, k: usize, streams: Streams) -> Result<Vec<Fold>, DataError> {
    if k < 2 || k > n {
        return Err(DataError::Folds { folds: k, samples: n });
    }
    let mut order: Vec<usize> = (0..n).collect();
    shuffle(&mut order, &mut streams.rng("k-fold", 0));
    let mut of_sample = vec![0; n];
    let mut rest = order.into_iter();
    for fold in 0..k {
        let size = n / k + usize::from(fold < n % k);
        rest.by_ref().take(size).for_each(|sample| of_sample[sample] = fold);
    }
    Ok(folds(&of_sample, k))
}

/// Divides the samples of each class at random into k folds.
///
/// Classes are numbered by their first sample, and the samples, sorted by class, dealt to the folds one after the other:
/// so the sizes of the parts of every class, and of all together, differ by at most 1 between folds. These are the sizes
/// of scikit-learn's `StratifiedKFold`. Which samples of a class go where is drawn, addressed by (seed, `"k-fold"`, class).
/// A class with fewer samples than folds is missing in some validation parts.
///
/// - `labels`: the class of each sample.
/// - `k`: the number of folds, from 2 to the number of samples of the largest class.
///
/// # Errors
/// When `k` is out of its range.
pub fn stratified_k_fold(labels: &[usize], k: usize, streams: Streams) -> Result<Vec<Fold>, DataError> {
    let classes = by_first_sample(labels);
    let largest = classes.iter().map(Vec::len).max().unwrap_or(0);
    if k < 2 || k > largest {
        return Err(DataError::Folds { folds: k, samples: largest });
    }
    let mut of_sample = vec![0; labels.len()];
    let mut dealt = 0;
    for mut samples in classes {
        // The folds of this class, each as often as it is dealt, in ascending order.
        let mut counts = vec![0; k];
        (dealt..dealt + samples.len()).for_each(|place| counts[place % k] += 1);
        dealt += samples.len();
        let class = labels[samples[0]] as u64;
        shuffle(&mut samples, &mut streams.rng("k-fold", class));
        let mut rest = samples.into_iter();
        for (fold, count) in counts.into_iter().enumerate() {
            rest.by_ref().take(count).for_each(|sample| of_sample[sample] = fold);
        }
    }
    Ok(folds(&of_sample, k))
}

/// The samples of each class, classes in the order of their first samples.
fn by_first_sample(labels: &[usize]) -> Vec<Vec<usize>> {
    let mut by_class: Vec<(usize, usize)> = labels.iter().copied().zip(0..).collect();
    by_class.sort_unstable();
    let mut classes: Vec<Vec<usize>> = by_class
        .chunk_by(|a, b| a.0 == b.0)
        .map(|class| class.iter().map(|&(_, sample)| sample).collect())
        .collect();
    classes.sort_unstable_by_key(|samples| samples[0]);
    classes
}

fn folds(of_sample: &[usize], k: usize) -> Vec<Fold> {
    let fold = |fold: usize| {
        let (validation, train) = (0..of_sample.len()).partition(|&sample| of_sample[sample] == fold);
        Fold { train, validation }
    };
    (0..k).map(fold).collect()
}
