//! Changing a batch of images, divided among threads.

use std::array;
use std::sync::{Mutex, PoisonError};

use nn_core::{Real, Streams};
use rand::Rng;
use rayon::prelude::*;

use super::elastic::Fields;
use super::resample::Sampler;
use super::{Augment, affine, light};

/// Pixels that one task changes, some 0.1 ms.
const TASK: usize = 8192;

/// A change of images of one size, with memory for each thread.
pub(super) struct Work<F> {
    augment: Augment,
    shape: [usize; 3],
    free: Mutex<Vec<Scratch<F>>>,
}

/// Memory that one thread works in.
struct Scratch<F> {
    sampler: Sampler<F>,
    fields: Option<Fields<F>>,
}

impl<F: Real> Work<F> {
    /// For images `[channels, height, width]`.
    pub(super) fn new(augment: Augment, shape: [usize; 3]) -> Self {
        Work { augment, shape, free: Mutex::default() }
    }

    /// Changes images, one after another in memory, as these samples are in an epoch.
    pub(super) fn run(&self, streams: Streams, epoch: u64, samples: &[usize], images: &mut [F]) {
        let size = self.shape.iter().product::<usize>();
        if size == 0 {
            return;
        }
        let streams = streams.child(epoch);
        let task = |(samples, images): (&[usize], &mut [F])| {
            let mut scratch = self.take_scratch();
            for (&sample, image) in samples.iter().zip(images.chunks_exact_mut(size)) {
                self.change(streams, sample as u64, image, &mut scratch);
            }
            self.lock().push(scratch);
        };
        let per_task = (TASK / size).max(1);
        if samples.len() <= per_task {
            task((samples, images));
        } else {
            samples.par_chunks(per_task).zip(images.par_chunks_mut(per_task * size)).for_each(task);
        }
    }

    fn change(&self, streams: Streams, sample: u64, image: &mut [F], scratch: &mut Scratch<F>) {
        let [channels, height, width] = self.shape;
        let mut rng = streams.rng("augment", sample);
        let mut words = || rng.next_u32();
        let map_words: [u32; affine::WORDS] = array::from_fn(|_| words());
        let light_words: [u32; light::WORDS] = array::from_fn(|_| words());
        let map = self.augment.geometry.map(map_words, [height, width]);
        if let Some(fields) = &mut scratch.fields {
            fields.draw(&mut streams.rng("elastic", sample));
        }
        scratch.sampler.run(&map, scratch.fields.as_ref(), image);
        self.augment.light.apply(light_words, channels, image);
        if let Some(erasing) = self.augment.erasing {
            erasing.apply(&mut streams.rng("erasing", sample), self.shape, image);
        }
    }

    fn take_scratch(&self) -> Scratch<F> {
        let [_, height, width] = self.shape;
        let free = self.lock().pop();
        free.unwrap_or_else(|| Scratch {
            sampler: Sampler::new(self.shape, self.augment.fill),
            fields: self.augment.elastic.map(|elastic| Fields::new(elastic, [height, width])),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Scratch<F>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
