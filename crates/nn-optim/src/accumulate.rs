//! Accumulation of gradients.

use nn_core::{Arena, RangeError, Real, check_range};

use crate::buffer::{check_fit, copy_of};
use crate::{BufferState, StateError, Values, elements};

/// The mean of the gradients of k micro-batches, ḡ = (g₁ + … + gₖ)/k, for steps as with batches k times as large.
///
/// With a cost that is the mean over its batch and micro-batches of equal size, ḡ is the gradient of the whole batch.
/// k is at least 1. Every parameter is averaged: those that a group excludes, and what stands in the place of the gradient
/// of running statistics, too.
///
/// ```
/// use nn_optim::{Accumulate, Optimizer, Sgd};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let (mut w, mut sgd) = ([0.0f32, 0.0], Optimizer::new(Sgd::new(1.0)?));
/// let mut accumulate = Accumulate::new(2)?;
/// for g in [[1.0f32, 2.0], [3.0, 4.0], [5.0, 6.0]] {
///     if let Some(mean) = accumulate.add(&g) {
///         sgd.step(&mut w, mean);
///     }
/// }
/// assert_eq!(w, [-2.0, -3.0]);
/// assert_eq!(accumulate.finish().unwrap().get("w").unwrap()[1], 6.0); // what the last step left over
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Accumulate<F: Real> {
    batches: u64,
    /// Gradients in the sum.
    count: u64,
    sum: Option<Arena<F>>,
}

const NAME: &str = "Accumulate";

impl<F: Real> Accumulate<F> {
    /// With k = `batches` micro-batches.
    ///
    /// # Errors
    /// When k is 0.
    pub fn new(batches: u64) -> Result<Self, RangeError> {
        check_range(NAME, "batches", batches as f64, "[1, ∞)", batches > 0)?;
        Ok(Accumulate { batches, count: 0, sum: None })
    }

    /// The number k of micro-batches.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// The number of gradients that wait for their step.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes in a gradient; gives the mean with every k-th.
    ///
    /// # Panics
    /// When its shape is not that of the gradients before.
    #[track_caller]
    pub fn add<G: Values<Elem = F> + ?Sized>(&mut self, g: &G) -> Option<&Arena<F>> {
        match &mut self.sum {
            None => self.sum = Some(copy_of(g)),
            Some(sum) => {
                check_fit(NAME, Arena::layout(sum), g);
                let fresh = self.count == 0;
                let (g, end) = (g.read(), sum.layout().params().last().map_or(0, |spec| spec.range().end));
                let (sum, g) = (&mut sum.as_mut_slice()[..end], &g[..end]);
                if fresh {
                    elements::copy(sum, g);
                } else {
                    elements::combine(
                        sum,
                        g,
                        #[inline(always)]
                        |sum, g| sum + g,
                    );
                }
            }
        }
        self.count += 1;
        if self.count == self.batches { self.finish() } else { None }
    }

    /// Gives the mean of the gradients that wait, such as those of an epoch's last micro-batches; none where none wait.
    pub fn finish(&mut self) -> Option<&Arena<F>> {
        let count = std::mem::take(&mut self.count);
        let sum = self.sum.as_mut().filter(|_| count > 0)?;
        let n = F::from_f64(count as f64);
        elements::update(
            sum.as_mut_slice(),
            #[inline(always)]
            move |sum| sum / n,
        );
        Some(sum)
    }

    /// A copy of the state, to be saved: the count and the sum of the gradients that wait.
    pub fn state(&self) -> BufferState<F> {
        BufferState::new(NAME, self.count, self.sum.as_ref().filter(|_| self.count > 0))
    }

    /// Goes on from a saved state, made with the same k.
    ///
    /// # Errors
    /// When the state is of something else, or a parameter is missing, too many or of another shape; nothing is loaded
    /// then.
    pub fn load_state(&mut self, state: &BufferState<F>) -> Result<(), StateError> {
        let sum = state.load(NAME, "sum", self.sum.as_ref().map(Arena::layout))?;
        self.sum = sum.or_else(|| self.sum.take());
        self.count = state.count.min(self.batches - 1);
        Ok(())
    }
}
