//! Mini-batches prepared in the background: the same for any number of threads, from any step, in order.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use ndarray::{Array, ArrayD, ArrayViewMutD, Axis, IxDyn, array};
use nn_core::Streams;
use nn_data::{Batches, DataError, Dataset, Loader, Prefetcher, Source};
use rayon::prelude::*;

/// What a source does with one sample.
#[derive(Clone, Copy, PartialEq)]
enum Trouble {
    None,
    Error(usize),
    Panic(usize),
}

/// Sample i in epoch e is [i, e]; its target is −i. Counts what it is asked for.
struct Numbers {
    samples: usize,
    trouble: Trouble,
    pause: Duration,
    gathered: AtomicUsize,
    threads: Mutex<HashSet<thread::ThreadId>>,
    addresses: Mutex<HashSet<usize>>,
}

fn numbers(samples: usize, trouble: Trouble) -> Numbers {
    Numbers {
        samples,
        trouble,
        pause: Duration::ZERO,
        gathered: AtomicUsize::new(0),
        threads: Mutex::default(),
        addresses: Mutex::default(),
    }
}

impl Source<f64> for Numbers {
    fn len(&self) -> usize {
        self.samples
    }

    fn input_shape(&self) -> &[usize] {
        &[2]
    }

    fn target_shape(&self) -> &[usize] {
        &[]
    }

    fn classes(&self) -> Option<usize> {
        None
    }

    fn gather(
        &self,
        epoch: Option<u64>,
        samples: &[usize],
        mut inputs: ArrayViewMutD<'_, f64>,
        mut targets: ArrayViewMutD<'_, f64>,
    ) -> Result<(), DataError> {
        self.gathered.fetch_add(1, Ordering::SeqCst);
        self.threads.lock().unwrap().insert(thread::current().id());
        self.addresses.lock().unwrap().insert(inputs.as_ptr().addr());
        thread::sleep(self.pause);
        for ((mut row, target), &sample) in inputs.axis_iter_mut(Axis(0)).zip(&mut targets).zip(samples) {
            match self.trouble {
                Trouble::Error(bad) if bad == sample => {
                    return Err(DataError::Label { sample, label: 7.0, classes: 2 });
                }
                Trouble::Panic(bad) if bad == sample => panic!("sample {sample} is cursed"),
                _ => {}
            }
            row.assign(&array![sample as f64, epoch.map_or(1000.0, |epoch| epoch as f64)].into_dyn());
            *target = -(sample as f64);
        }
        Ok(())
    }
}

fn batches(samples: usize) -> Batches {
    Batches::new(samples, 4).unwrap().shuffled(Streams::new(3))
}

/// A step with all that was handed out.
type Seen = (u64, u64, Vec<usize>, ArrayD<f64>, ArrayD<f64>);

fn take(prefetcher: &mut Prefetcher<'_, f64>) -> Result<Option<Seen>, DataError> {
    let Some(batch) = prefetcher.next_batch()? else { return Ok(None) };
    let (step, epoch, samples) = (batch.step, batch.epoch, batch.samples.to_vec());
    let mut inputs = ArrayD::from_elem(IxDyn(&[samples.len(), 2]), f64::NAN);
    let mut targets = ArrayD::from_elem(IxDyn(&[samples.len()]), f64::NAN);
    batch.write_into(inputs.view_mut(), targets.view_mut())?;
    Ok(Some((step, epoch, samples, inputs, targets)))
}

fn all(loader: Loader<'_, f64>) -> Vec<Seen> {
    loader.run(|prefetcher| std::iter::from_fn(|| take(prefetcher).unwrap()).collect()).unwrap()
}

/// What the steps of `steps` are, straight from batches and source.
fn expected(source: &Numbers, steps: std::ops::Range<u64>, plain: bool) -> Vec<Seen> {
    let mut batches = batches(source.samples);
    let per_epoch = batches.len() as u64;
    let one = |step: u64| {
        let epoch = step / per_epoch;
        let samples = batches.epoch(epoch).nth((step % per_epoch) as usize).unwrap().to_vec();
        let mark = if plain { 1000.0 } else { epoch as f64 };
        let inputs = Array::from_shape_fn((samples.len(), 2), |(i, j)| [samples[i] as f64, mark][j]);
        let targets = samples.iter().map(|&sample| -(sample as f64)).collect::<Array<f64, _>>();
        (step, epoch, samples, inputs.into_dyn(), targets.into_dyn())
    };
    steps.map(one).collect()
}

#[test]
fn batches_are_those_of_their_steps_however_they_are_prepared() {
    let source = numbers(10, Trouble::None);
    for (workers, ahead) in [(0, 2), (1, 0), (1, 1), (1, 2), (2, 2), (3, 1), (4, 9)] {
        for steps in [0..9, 4..8, 5..5, 3000..3007] {
            for plain in [false, true] {
                let loader = Loader::new(&source, batches(10)).steps(steps.clone());
                let loader = loader.workers(workers).ahead(ahead);
                let seen = all(if plain { loader.plain() } else { loader });
                assert_eq!(seen, expected(&source, steps.clone(), plain), "{workers} workers, {ahead} ahead");
            }
        }
    }
}

#[test]
fn threads_prepare_what_takes_time_and_the_caller_copies_what_does_not() {
    let here = thread::current().id();
    for (workers, ahead, in_background) in [(1, 2, true), (3, 3, true), (0, 2, false), (1, 0, false)] {
        let source = numbers(40, Trouble::None);
        all(Loader::new(&source, batches(40)).steps(0..30).workers(workers).ahead(ahead));
        let threads = source.threads.into_inner().unwrap();
        assert_eq!(!threads.contains(&here), in_background, "{workers} workers, {ahead} ahead");
        assert!(threads.len() <= workers.max(1));
    }

    let inputs = Array::from_shape_fn((10, 2), |(i, j)| [i as f64, 0.0][j]);
    let set = Dataset::regression(inputs, Array::from_iter((0..10).map(|i| -f64::from(i)))).unwrap();
    assert!(set.is_quick() && !numbers(1, Trouble::None).is_quick() && (&set as &dyn Source<f64>).is_quick());
    assert_eq!(
        all(Loader::new(&set, batches(10)).steps(0..3)),
        expected(&numbers(10, Trouble::None), 0..3, false)
    );
}

#[test]
fn an_error_comes_at_its_step_and_the_next_step_follows() {
    let bad_step = (0..3).find(|&i| batches(10).epoch(0).nth(i).unwrap().contains(&6)).unwrap() as u64;
    let source = numbers(10, Trouble::Error(6));
    for (workers, ahead) in [(0, 0), (1, 2), (3, 4)] {
        Loader::new(&source, batches(10))
            .steps(0..3)
            .workers(workers)
            .ahead(ahead)
            .run(|prefetcher| {
                for step in 0..3 {
                    match take(prefetcher) {
                        Ok(seen) => assert_eq!((seen.unwrap().0, step == bad_step), (step, false)),
                        Err(error) => {
                            assert_eq!(error, DataError::Label { sample: 6, label: 7.0, classes: 2 });
                            assert_eq!(step, bad_step);
                        }
                    }
                }
                assert!(take(prefetcher).unwrap().is_none());
            })
            .unwrap();
    }
}

#[test]
fn a_panic_is_passed_on_at_its_step() {
    let bad_step = (0..3).find(|&i| batches(10).epoch(0).nth(i).unwrap().contains(&6)).unwrap();
    let source = numbers(10, Trouble::Panic(6));
    for workers in [0, 1, 2] {
        let mut taken = 0;
        let loader = Loader::new(&source, batches(10)).workers(workers);
        let run = || {
            loader.run(|prefetcher| {
                while take(prefetcher).unwrap().is_some() {
                    taken += 1;
                }
            })
        };
        let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "sample 6 is cursed");
        assert_eq!(taken, bad_step, "{workers} workers");
    }
}

/// Also when the caller panics: otherwise the call would not return.
#[test]
fn threads_end_when_the_caller_has_enough() {
    let source = numbers(10, Trouble::None);
    for workers in [1, 3] {
        let before = source.gathered.load(Ordering::SeqCst);
        let loader = || Loader::new(&source, batches(10)).workers(workers);
        let first = loader().run(|prefetcher| take(prefetcher).unwrap()).unwrap();
        assert_eq!(first, expected(&source, 0..1, false).pop());
        let gave_up = || loader().run(|prefetcher| take(prefetcher).map(|_| panic!("enough")));
        let payload = catch_unwind(AssertUnwindSafe(gave_up)).map(drop).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"enough"));
        // One batch was taken from each loader, which has memory for 3 more at most.
        assert!(source.gathered.load(Ordering::SeqCst) - before <= 2 * (1 + 3));
    }
}

#[test]
fn memory_is_used_again() {
    for (workers, ahead) in [(1, 1), (1, 2), (4, 2)] {
        let source = numbers(10, Trouble::None);
        all(Loader::new(&source, batches(10)).steps(0..100).workers(workers).ahead(ahead));
        let addresses = source.addresses.into_inner().unwrap().len();
        assert!(addresses <= ahead.max(workers) + 1, "{addresses} buffers");
    }
}

#[test]
fn the_time_waited_is_that_of_the_source() {
    let mut source = numbers(40, Trouble::None);
    source.pause = Duration::from_millis(5);
    for workers in [0, 1] {
        let loader = Loader::new(&source, batches(40)).steps(0..10).workers(workers);
        let (waited, times) = loader
            .run(|prefetcher| {
                let mut waited = Duration::ZERO;
                while let Some(batch) = prefetcher.next_batch().unwrap() {
                    waited += batch.waited;
                    let n = batch.samples.len();
                    batch
                        .write_into(
                            Array::zeros((n, 2)).into_dyn().view_mut(),
                            Array::zeros(n).into_dyn().view_mut(),
                        )
                        .unwrap();
                }
                (waited, prefetcher.times())
            })
            .unwrap();
        assert!(
            times.waited >= Duration::from_millis(50) && times.waited + times.copied <= times.total,
            "{times:?}"
        );
        assert!(times.share_waited() > 0.0 && times.share_waited() <= 1.0);
        assert!(waited <= times.waited);
    }
}

/// While the caller computes for longer than a batch takes, it never waits for the second and later ones.
#[test]
fn preparing_overlaps_with_computing() {
    let mut source = numbers(40, Trouble::None);
    source.pause = Duration::from_millis(10);
    let times = Loader::new(&source, batches(40)).steps(0..10).run(|prefetcher| {
        while take(prefetcher).unwrap().is_some() {
            thread::sleep(Duration::from_millis(15));
        }
        prefetcher.times()
    });
    // One after the other the caller would wait for 100 ms, overlapped for 10.
    let times = times.unwrap();
    assert!(times.waited < Duration::from_millis(60), "{times:?}");
}

#[test]
#[should_panic(expected = "inputs of a batch: expected memory of shape [4, 2], got [4, 3]")]
fn memory_must_have_the_shape() {
    let source = numbers(10, Trouble::None);
    let _ = Loader::new(&source, batches(10)).run(|prefetcher| {
        let batch = prefetcher.next_batch().unwrap().unwrap();
        batch.write_into(Array::zeros((4, 3)).into_dyn().view_mut(), Array::zeros(4).into_dyn().view_mut())
    });
}

/// A source that divides its work among the threads of the pool that it runs in.
struct Divided;

impl Source<f64> for Divided {
    fn len(&self) -> usize {
        64
    }

    fn input_shape(&self) -> &[usize] {
        &[2]
    }

    fn target_shape(&self) -> &[usize] {
        &[]
    }

    fn classes(&self) -> Option<usize> {
        None
    }

    fn gather(
        &self,
        epoch: Option<u64>,
        samples: &[usize],
        mut inputs: ArrayViewMutD<'_, f64>,
        mut targets: ArrayViewMutD<'_, f64>,
    ) -> Result<(), DataError> {
        let rows = inputs.as_slice_mut().unwrap().par_chunks_mut(2).zip(samples);
        rows.for_each(|(row, &sample)| {
            thread::sleep(Duration::from_micros(20));
            row.copy_from_slice(&[sample as f64, epoch.map_or(1000.0, |epoch| epoch as f64)]);
        });
        targets.iter_mut().zip(samples).for_each(|(target, &sample)| *target = -(sample as f64));
        Ok(())
    }
}

/// A worker that waits for a part of its batch must not begin to prepare further batches meanwhile: with no memory left
/// for these, both would wait for each other.
#[test]
fn sources_that_divide_their_work_do_not_block_the_workers() {
    let expected = expected(&numbers(64, Trouble::None), 0..20, false);
    for round in 0..100 {
        let seen = all(Loader::new(&Divided, batches(64)).steps(0..20).workers(2 + round % 3));
        assert_eq!(seen, expected);
    }
}
