//! Mini-batches.

use std::slice::Chunks;

use nn_core::Streams;

use crate::DataError;
use crate::shuffle::shuffle;

/// Divides the samples of a data set into mini-batches, anew for each epoch.
///
/// The batches of an epoch are consecutive runs of one order of all samples: the order of the set, or with
/// [`shuffled`](Batches::shuffled) a permutation. The permutation of an epoch depends on (seed, `"shuffle"`, epoch)
/// and on nothing else, so that training can be resumed at any epoch. An epoch allocates nothing.
///
/// ```
/// use nn_core::Streams;
/// use nn_data::Batches;
///
/// let mut batches = Batches::new(10, 4).unwrap().shuffled(Streams::new(1));
/// let mut seen: Vec<usize> = batches.epoch(0).flatten().copied().collect();
/// assert_eq!(batches.epoch(0).map(<[usize]>::len).collect::<Vec<_>>(), [4, 4, 2]);
/// seen.sort();
/// assert_eq!(seen, (0..10).collect::<Vec<_>>());
/// ```
#[derive(Clone, Debug)]
pub struct Batches {
    batch_size: usize,
    streams: Option<Streams>,
    drop_last: bool,
    order: Vec<usize>,
}

impl Batches {
    /// Batches of `batch_size` samples, in the order of the set, the last one shorter where it does not divide.
    ///
    /// A batch size larger than the set gives one batch of all samples.
    ///
    /// # Errors
    /// When there are no samples or the batch size is 0.
    pub fn new(samples: usize, batch_size: usize) -> Result<Self, DataError> {
        if samples == 0 {
            return Err(DataError::Empty { what: "mini-batches".into() });
        }
        if batch_size == 0 {
            return Err(DataError::BatchSize);
        }
        Ok(Batches { batch_size, streams: None, drop_last: false, order: (0..samples).collect() })
    }

    /// Shuffles the samples in each epoch.
    #[must_use]
    pub fn shuffled(mut self, streams: Streams) -> Self {
        self.streams = Some(streams);
        self
    }

    /// Leaves out a last batch that is shorter than the others. (A batch that is the only one is kept.)
    ///
    /// With a shuffle, other samples are left out in each epoch.
    #[must_use]
    pub fn drop_last(mut self) -> Self {
        self.drop_last = true;
        self
    }

    /// The number of batches of an epoch, at least 1.
    #[expect(clippy::len_without_is_empty, reason = "an epoch is never empty")]
    pub fn len(&self) -> usize {
        self.samples().div_ceil(self.batch_size)
    }

    /// The number of samples of an epoch: those of the set without those that are left out.
    pub fn samples(&self) -> usize {
        let n = self.order.len();
        if self.drop_last && n > self.batch_size { n - n % self.batch_size } else { n }
    }

    /// A batch of the epoch that was begun last.
    pub(crate) fn batch(&self, number: usize) -> &[usize] {
        let first = number * self.batch_size;
        &self.order[first..(first + self.batch_size).min(self.samples())]
    }

    /// The number of samples of a batch, but for a shorter last one.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The batches of an epoch, counted from 0: for each, the numbers of its samples.
    pub fn epoch(&mut self, epoch: u64) -> Chunks<'_, usize> {
        self.begin(epoch);
        self.order[..self.samples()].chunks(self.batch_size)
    }

    /// Puts the samples into the order of an epoch.
    pub(crate) fn begin(&mut self, epoch: u64) {
        if let Some(streams) = self.streams {
            for (i, sample) in self.order.iter_mut().enumerate() {
                *sample = i;
            }
            shuffle(&mut self.order, &mut streams.rng("shuffle", epoch));
        }
    }
}
