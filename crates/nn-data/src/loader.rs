//! Mini-batches prepared in the background.

mod queue;

use std::ops::Range;
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};
use nn_core::Real;
use rayon::ThreadPoolBuilder;

use crate::{Batches, DataError, Source};
use queue::{Buffer, Failure, Queue};

/// Prepares mini-batches on threads of its own while the caller computes, so that no step waits for its data.
///
/// Steps are counted through all epochs: with n batches an epoch, step s is batch s mod n of epoch ⌊s/n⌋. What a step
/// gets depends on its number alone, not on where the loader began nor on how many threads it has. Memory for
/// `ahead` + 1 batches is allocated once.
///
/// A source that is no more than a copy of memory ([`Source::is_quick`]) is copied when a batch is asked for, without
/// any thread, straight into the memory of the caller: handing it over would cost more.
///
/// | setting | default |
/// |---|---|
/// | [`steps`](Loader::steps) | all from 0, without end |
/// | [`ahead`](Loader::ahead) | 2 batches |
/// | [`workers`](Loader::workers) | 1 thread |
/// | [`plain`](Loader::plain) | samples as they are in their epoch |
///
/// ```
/// use ndarray::{Array, array};
/// use nn_core::Streams;
/// use nn_data::{Batches, Dataset, Loader};
///
/// # fn main() -> Result<(), nn_data::DataError> {
/// let set = Dataset::regression(array![[0.0], [1.0], [2.0], [3.0], [4.0]], array![0.0, 1.0, 2.0, 3.0, 4.0])?;
/// let batches = Batches::new(set.len(), 2)?.shuffled(Streams::new(1));
/// let epochs = 3;
/// let steps = epochs * batches.len() as u64;
/// let seen = Loader::new(&set, batches).steps(0..steps).run(|prefetcher| {
///     let mut seen = 0;
///     while let Some(batch) = prefetcher.next_batch()? {
///         let n = batch.samples.len();
///         let (mut inputs, mut targets) = (Array::zeros((n, 1)).into_dyn(), Array::zeros(n).into_dyn());
///         batch.write_into(inputs.view_mut(), targets.view_mut())?;
///         // … one training step …
///         seen += n;
///     }
///     Ok::<_, nn_data::DataError>(seen)
/// })??;
/// assert_eq!(seen, 15);
/// # Ok(())
/// # }
/// ```
pub struct Loader<'a, F: Real> {
    source: &'a dyn Source<F>,
    batches: Batches,
    steps: Range<u64>,
    ahead: usize,
    workers: usize,
    plain: bool,
}

impl<'a, F: Real> Loader<'a, F> {
    /// Loads these batches of the samples of a source.
    pub fn new(source: &'a dyn Source<F>, batches: Batches) -> Self {
        Loader { source, batches, steps: 0..u64::MAX, ahead: 2, workers: 1, plain: false }
    }

    /// The steps to load; those of a training that is resumed begin in the middle of an epoch.
    #[must_use]
    pub fn steps(self, steps: Range<u64>) -> Self {
        Loader { steps, ..self }
    }

    /// How many batches are prepared before they are asked for, besides the one in use, and at least as many as there
    /// are workers. 0 prepares each batch in the thread of the caller.
    #[must_use]
    pub fn ahead(self, batches: usize) -> Self {
        Loader { ahead: batches, ..self }
    }

    /// The threads that prepare batches. 0 prepares each batch in the thread of the caller.
    ///
    /// They form a pool of [`rayon`], in which a source that divides its work finds them.
    #[must_use]
    pub fn workers(self, threads: usize) -> Self {
        Loader { workers: threads, ..self }
    }

    /// Loads the samples as they are by themselves, as for evaluation.
    #[must_use]
    pub fn plain(self) -> Self {
        Loader { plain: true, ..self }
    }

    /// Runs a function that asks for one batch after another. When it returns, the threads have ended, whether it took
    /// all batches or not.
    ///
    /// # Errors
    /// When the threads cannot be started.
    ///
    /// # Panics
    /// When the function panics, or asks for a batch on which the source panicked.
    pub fn run<R>(self, f: impl FnOnce(&mut Prefetcher<'_, F>) -> R) -> Result<R, DataError> {
        let Loader { source, batches, steps, ahead, workers, plain } = self;
        let gather = Gather { source, plain };
        let order = Order::new(batches, steps.clone());
        if source.is_quick() || ahead == 0 || workers == 0 {
            let sample_numbers = Vec::with_capacity(order.batches.batch_size());
            return Ok(f(&mut Prefetcher::new(gather, steps, Supply::Here { order, sample_numbers })));
        }
        let failed =
            |e: rayon::ThreadPoolBuildError| DataError::Threads { threads: workers, message: e.to_string() };
        let name = |number| format!("loader {number}");
        let pool = ThreadPoolBuilder::new().num_threads(workers).thread_name(name).build().map_err(failed)?;
        let queue = &Queue::new(order, gather, ahead.max(workers) + 1);
        Ok(pool.in_place_scope(|scope| {
            // One for each thread, which no other can take: a worker that waits for a part of its batch, which another
            // thread does, would else begin a second one within the first, and wait for the memory of the first.
            scope.spawn_broadcast(move |_, _| queue.work(gather));
            f(&mut Prefetcher::new(gather, steps, Supply::Ahead { queue, lent: None }))
        }))
    }
}

/// How samples are read.
#[derive(Clone, Copy)]
struct Gather<'a, F: Real> {
    source: &'a dyn Source<F>,
    plain: bool,
}

impl<F: Real> Gather<'_, F> {
    fn gather(
        &self,
        epoch: u64,
        samples: &[usize],
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        self.source.gather((!self.plain).then_some(epoch), samples, inputs, targets)
    }

    /// The shapes of the inputs and targets of a batch.
    fn shapes(&self, samples: usize) -> [IxDyn; 2] {
        [self.source.input_shape(), self.source.target_shape()]
            .map(|shape| IxDyn(&[&[samples], shape].concat()))
    }
}

/// The samples of one step after another.
struct Order {
    batches: Batches,
    /// The epoch that the batches are those of.
    epoch: Option<u64>,
    steps: Range<u64>,
}

impl Order {
    fn new(batches: Batches, steps: Range<u64>) -> Self {
        Order { batches, epoch: None, steps }
    }

    /// The next step and its epoch, with the numbers of its samples; `None` after the last.
    fn next(&mut self, sample_numbers: &mut Vec<usize>) -> Option<(u64, u64)> {
        let step = self.steps.next()?;
        let per_epoch = self.batches.len() as u64;
        let epoch = step / per_epoch;
        if self.epoch != Some(epoch) {
            self.batches.begin(epoch);
            self.epoch = Some(epoch);
        }
        sample_numbers.clear();
        sample_numbers.extend_from_slice(self.batches.batch((step % per_epoch) as usize));
        Some((step, epoch))
    }
}

/// Where the time of the caller went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoadTimes {
    /// In waiting until a batch was prepared.
    pub waited: Duration,
    /// In copying batches into its memory.
    pub copied: Duration,
    /// In all, since the loader began.
    pub total: Duration,
}

impl LoadTimes {
    /// The share of the time that was spent in waiting, from 0 to 1.
    pub fn share_waited(&self) -> f64 {
        if self.total.is_zero() { 0.0 } else { self.waited.as_secs_f64() / self.total.as_secs_f64() }
    }
}

/// Hands out the batches of a [`Loader`] in the order of their steps.
pub struct Prefetcher<'a, F: Real> {
    gather: Gather<'a, F>,
    steps: Range<u64>,
    supply: Supply<'a, F>,
    began: Instant,
    times: LoadTimes,
}

enum Supply<'a, F: Real> {
    /// Each batch is gathered when it is written.
    Here { order: Order, sample_numbers: Vec<usize> },
    /// The threads of the queue gather.
    Ahead { queue: &'a Queue<F>, lent: Option<Buffer<F>> },
}

impl<'a, F: Real> Prefetcher<'a, F> {
    fn new(gather: Gather<'a, F>, steps: Range<u64>, supply: Supply<'a, F>) -> Self {
        Prefetcher { gather, steps, supply, began: Instant::now(), times: LoadTimes::default() }
    }

    /// The batch of the next step, waiting for it if need be; `None` after the last. The memory of the batch before is
    /// used again.
    ///
    /// # Errors
    /// When the samples of this step could not be read. The next call goes on with the next step.
    ///
    /// # Panics
    /// When the source panicked on the samples of this step.
    pub fn next_batch(&mut self) -> Result<Option<Batch<'_, F>>, DataError> {
        let began = Instant::now();
        let Some(expected) = self.steps.next() else {
            return Ok(None);
        };
        let Prefetcher { gather, supply, times, .. } = self;
        let (step, epoch, samples, memory) = match supply {
            Supply::Here { order, sample_numbers } => match order.next(sample_numbers) {
                Some((step, epoch)) => (step, epoch, &**sample_numbers, Memory::Source(*gather)),
                None => return Ok(None),
            },
            Supply::Ahead { queue, lent } => {
                if let Some(buffer) = lent.take() {
                    queue.give_back(buffer);
                }
                let buffer = lent.insert(queue.wait_for(expected));
                match buffer.failure.take() {
                    None => {}
                    Some(Failure::Error(error)) => return Err(error),
                    Some(Failure::Panic(payload)) => resume_unwind(payload),
                }
                let memory = Memory::Prepared(queue.shapes(buffer.samples.len()), buffer);
                (buffer.step, buffer.epoch, &*buffer.samples, memory)
            }
        };
        let waited = began.elapsed();
        times.waited += waited;
        Ok(Some(Batch { step, epoch, samples, waited, memory, times }))
    }

    /// Where the time went until now.
    pub fn times(&self) -> LoadTimes {
        LoadTimes { total: self.began.elapsed(), ..self.times }
    }
}

impl<F: Real> Drop for Prefetcher<'_, F> {
    fn drop(&mut self) {
        if let Supply::Ahead { queue, .. } = &self.supply {
            queue.close();
        }
    }
}

/// The samples of one step.
pub struct Batch<'a, F: Real> {
    /// The step, counted from 0 through all epochs.
    pub step: u64,
    /// The epoch, from 0.
    pub epoch: u64,
    /// The numbers of its samples.
    pub samples: &'a [usize],
    /// How long the caller waited for this batch.
    pub waited: Duration,
    memory: Memory<'a, F>,
    times: &'a mut LoadTimes,
}

enum Memory<'a, F: Real> {
    Source(Gather<'a, F>),
    Prepared([IxDyn; 2], &'a Buffer<F>),
}

impl<F: Real> Batch<'_, F> {
    /// Writes the batch into memory of the caller, such as the input buffers of a training plan.
    ///
    /// Shapes: `inputs` `[samples, …]` and `targets` `[samples, …]` as the source says; row-major is fastest.
    ///
    /// # Errors
    /// When the samples cannot be read; a batch that was prepared ahead gives its error before, in
    /// [`next_batch`](Prefetcher::next_batch).
    ///
    /// # Panics
    /// When a shape differs.
    #[track_caller]
    pub fn write_into(
        self,
        inputs: ArrayViewMutD<'_, F>,
        targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        let began = Instant::now();
        match self.memory {
            Memory::Source(gather) => {
                gather.gather(self.epoch, self.samples, inputs, targets)?;
                let time =
                    if gather.source.is_quick() { &mut self.times.copied } else { &mut self.times.waited };
                *time += began.elapsed();
            }
            Memory::Prepared(shapes, buffer) => {
                let [from_inputs, from_targets] = buffer.views(shapes);
                copy("inputs", inputs, &from_inputs);
                copy("targets", targets, &from_targets);
                self.times.copied += began.elapsed();
            }
        }
        Ok(())
    }
}

#[track_caller]
fn copy<F: Real>(name: &str, mut to: ArrayViewMutD<'_, F>, from: &ArrayViewD<'_, F>) {
    assert!(
        to.shape() == from.shape(),
        "{name} of a batch: expected memory of shape {:?}, got {:?}",
        from.shape(),
        to.shape()
    );
    match (to.as_slice_mut(), from.as_slice()) {
        (Some(to), Some(from)) => to.copy_from_slice(from),
        _ => to.assign(from),
    }
}
