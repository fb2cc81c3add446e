//! Buffers that go round between the threads that fill them and the one that reads them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use ndarray::{ArrayViewD, ArrayViewMutD, Dimension, IxDyn};
use nn_core::Real;

use super::{Gather, Order};
use crate::DataError;

/// Why a batch could not be prepared.
pub(super) enum Failure {
    Error(DataError),
    Panic(Box<dyn Any + Send>),
}

/// The memory of one batch.
pub(super) struct Buffer<F: Real> {
    pub(super) step: u64,
    pub(super) epoch: u64,
    pub(super) samples: Vec<usize>,
    pub(super) failure: Option<Failure>,
    inputs: Vec<F>,
    targets: Vec<F>,
}

impl<F: Real> Buffer<F> {
    fn new(batch_size: usize, shapes: &[IxDyn; 2]) -> Self {
        let [inputs, targets] = shapes.each_ref().map(|shape| vec![F::zero(); shape.size()]);
        Buffer { step: 0, epoch: 0, samples: Vec::with_capacity(batch_size), failure: None, inputs, targets }
    }

    /// Inputs and targets, of these shapes.
    pub(super) fn views(&self, shapes: [IxDyn; 2]) -> [ArrayViewD<'_, F>; 2] {
        let [inputs, targets] = shapes;
        [(inputs, &self.inputs), (targets, &self.targets)].map(|(shape, memory)| {
            let used = &memory[..shape.size()];
            ArrayViewD::from_shape(shape, used).expect("as many elements as the shape has")
        })
    }

    fn fill(&mut self, gather: Gather<'_, F>, shapes: [IxDyn; 2]) {
        let Buffer { epoch, samples, inputs, targets, .. } = self;
        let [input_shape, target_shape] = shapes;
        let (inputs, targets) = (view_mut(inputs, input_shape), view_mut(targets, target_shape));
        // After a panic the contents of the buffer are not read.
        let outcome = catch_unwind(AssertUnwindSafe(|| gather.gather(*epoch, samples, inputs, targets)));
        self.failure = match outcome {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(Failure::Error(error)),
            Err(payload) => Some(Failure::Panic(payload)),
        };
    }
}

fn view_mut<F: Real>(memory: &mut [F], shape: IxDyn) -> ArrayViewMutD<'_, F> {
    let used = &mut memory[..shape.size()];
    ArrayViewMutD::from_shape(shape, used).expect("as many elements as the shape has")
}

/// The steps to be done and the buffers, shared by all threads.
pub(super) struct Queue<F: Real> {
    order: Mutex<Order>,
    /// Of inputs and targets of a whole batch.
    shapes: [IxDyn; 2],
    buffers: Mutex<Buffers<F>>,
    /// Told when a buffer becomes free, or the queue closes.
    freed: Condvar,
    /// Told when a batch is prepared.
    prepared: Condvar,
}

struct Buffers<F: Real> {
    free: Vec<Buffer<F>>,
    /// Step s stands at s modulo the number of buffers: each step that was begun and not yet given back has a buffer, and
    /// these steps follow one another, so that no two meet.
    prepared: Vec<Option<Buffer<F>>>,
    closed: bool,
}

impl<F: Real> Queue<F> {
    pub(super) fn new(order: Order, gather: Gather<'_, F>, buffers: usize) -> Self {
        let batch_size = order.batches.batch_size().min(order.batches.samples());
        let shapes = gather.shapes(batch_size);
        let free = (0..buffers).map(|_| Buffer::new(batch_size, &shapes)).collect();
        let prepared = (0..buffers).map(|_| None).collect();
        Queue {
            order: Mutex::new(order),
            shapes,
            buffers: Mutex::new(Buffers { free, prepared, closed: false }),
            freed: Condvar::new(),
            prepared: Condvar::new(),
        }
    }

    /// Prepares batches until there are no more steps, or the queue is closed.
    pub(super) fn work(&self, gather: Gather<'_, F>) {
        while let Some(mut buffer) = self.take_free() {
            let Some((step, epoch)) = lock(&self.order).next(&mut buffer.samples) else {
                return;
            };
            (buffer.step, buffer.epoch) = (step, epoch);
            buffer.fill(gather, self.shapes(buffer.samples.len()));
            let mut buffers = lock(&self.buffers);
            let place = place(&buffers, step);
            buffers.prepared[place] = Some(buffer);
            drop(buffers);
            self.prepared.notify_one();
        }
    }

    /// A buffer to fill; `None` when the queue is closed.
    fn take_free(&self) -> Option<Buffer<F>> {
        let mut buffers = lock(&self.buffers);
        loop {
            if buffers.closed {
                return None;
            }
            if let Some(buffer) = buffers.free.pop() {
                return Some(buffer);
            }
            buffers = self.freed.wait(buffers).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The batch of a step that is, or will be, prepared.
    pub(super) fn wait_for(&self, step: u64) -> Buffer<F> {
        let mut buffers = lock(&self.buffers);
        let place = place(&buffers, step);
        loop {
            if let Some(buffer) = buffers.prepared[place].take() {
                return buffer;
            }
            buffers = self.prepared.wait(buffers).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The shapes of inputs and targets of a batch of so many samples.
    pub(super) fn shapes(&self, samples: usize) -> [IxDyn; 2] {
        let mut shapes = self.shapes.clone();
        shapes.iter_mut().for_each(|shape| shape[0] = samples);
        shapes
    }

    /// Takes back a buffer that was read.
    pub(super) fn give_back(&self, buffer: Buffer<F>) {
        lock(&self.buffers).free.push(buffer);
        self.freed.notify_one();
    }

    /// Lets the threads end.
    pub(super) fn close(&self) {
        lock(&self.buffers).closed = true;
        self.freed.notify_all();
    }
}

fn place<F: Real>(buffers: &Buffers<F>, step: u64) -> usize {
    (step % buffers.prepared.len() as u64) as usize
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
