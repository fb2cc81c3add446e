//! The forward and backward variables of connectionist temporal classification, for one case.

use ndarray::{ArrayView2, ArrayViewMut2};
use nn_core::Real;
use nn_ops::simd::dispatch;

/// The states of all paths for a target of S labels: blank, label, blank, …, label, blank.
///
/// Rows of forward and backward variables have two states more, of probability 0, so that no step has a border.
pub(crate) struct Paths<'a, F: Real> {
    /// The class of each state, as a number.
    classes: &'a mut [F],
    /// 0 where state s may follow s − 2, and −∞ elsewhere; two states more.
    skips: &'a mut [F],
    /// ln p of each state in one frame.
    emissions: &'a mut [F],
    /// The backward variables of one frame, and those of the frame after it with its emissions.
    beta: &'a mut [F],
    next: &'a mut [F],
}

/// ln(eᵃ + eᵇ + eᶜ), −∞ of −∞.
#[inline(always)]
fn log_sum_exp<F: Real>(a: F, b: F, c: F) -> F {
    let max = a.max(b).max(c);
    let shift = if max == -F::INFINITY { F::zero() } else { max };
    shift + ((a - shift).exp() + (b - shift).exp() + (c - shift).exp()).ln()
}

impl<'a, F: Real> Paths<'a, F> {
    /// The length of a row of variables.
    pub(crate) fn row(labels: usize) -> usize {
        2 * labels + 3
    }

    /// The working memory that is needed.
    pub(crate) fn scratch(labels: usize) -> usize {
        5 * Self::row(labels)
    }

    /// The states for a target, in working memory for targets of up to `longest` labels.
    pub(crate) fn new<'t>(
        scratch: &'a mut [F],
        target: impl ExactSizeIterator<Item = &'t F>,
        blank: usize,
        longest: usize,
    ) -> Self
    where
        F: 't,
    {
        let states = 2 * target.len() + 1;
        let (classes, rest) = scratch.split_at_mut(Self::row(longest));
        let (skips, rest) = rest.split_at_mut(Self::row(longest));
        let (emissions, rest) = rest.split_at_mut(Self::row(longest));
        let (beta, next) = rest.split_at_mut(Self::row(longest));
        let classes = &mut classes[..states];
        classes.fill(F::from_usize(blank));
        classes.iter_mut().skip(1).step_by(2).zip(target).for_each(|(class, &label)| *class = label);
        let skips = &mut skips[..states + 2];
        skips.fill(-F::INFINITY);
        for s in (3..states).step_by(2) {
            if classes[s] != classes[s - 2] {
                skips[s] = F::zero();
            }
        }
        let (beta, next) = (&mut beta[..states + 2], &mut next[..states + 2]);
        Paths { classes, skips, emissions: &mut emissions[..states], beta, next }
    }

    /// Reads the emissions of a frame.
    fn load(&mut self, log_probs: ArrayView2<'_, F>, t: usize) {
        let frame = log_probs.row(t);
        for (emission, class) in self.emissions.iter_mut().zip(&*self.classes) {
            *emission = frame[class.to_f64() as usize];
        }
    }

    /// Computes the forward variables, frame after frame, and returns the loss.
    pub(crate) fn forward(&mut self, log_probs: ArrayView2<'_, F>, frames: usize, alpha: &mut [F]) -> F {
        let states = self.classes.len();
        if frames == 0 {
            return if states == 1 { F::zero() } else { F::INFINITY };
        }
        let row = states + 2;
        for t in 0..frames {
            self.load(log_probs, t);
            let (before, now) = alpha.split_at_mut(t * row);
            let now = &mut now[..row];
            now[..2].fill(-F::INFINITY);
            if t == 0 {
                now[2..].fill(-F::INFINITY);
                let first = states.min(2);
                now[2..2 + first].copy_from_slice(&self.emissions[..first]);
            } else {
                step(&before[(t - 1) * row..], self.skips, self.emissions, &mut now[2..]);
            }
        }
        let last = &alpha[(frames - 1) * row..][..row];
        -log_sum_exp(last[row - 1], last[row - 2], -F::INFINITY)
    }

    /// Adds the gradient, times `scale`, given the loss and the forward variables.
    pub(crate) fn backward(
        &mut self,
        log_probs: ArrayView2<'_, F>,
        frames: usize,
        (loss, alpha): (F, &[F]),
        mut gradient: ArrayViewMut2<'_, F>,
        scale: F,
    ) {
        let states = self.classes.len();
        let row = states + 2;
        for t in (0..frames).rev() {
            if t + 1 == frames {
                self.beta.fill(-F::INFINITY);
                self.beta[states.saturating_sub(2)..states].fill(F::zero());
            } else {
                self.load(log_probs, t + 1);
                self.next.fill(-F::INFINITY);
                for ((next, &beta), &emission) in self.next.iter_mut().zip(&*self.beta).zip(&*self.emissions)
                {
                    *next = beta + emission;
                }
                step_back(self.next, self.skips, &mut self.beta[..states]);
            }
            let posteriors = posteriors(&alpha[t * row + 2..][..states], self.beta, loss, self.emissions);
            let mut frame = gradient.row_mut(t);
            for (class, &posterior) in self.classes.iter().zip(posteriors) {
                frame[class.to_f64() as usize] -= posterior * scale;
            }
        }
    }
}

/// αₜ(s) from αₜ₋₁(s), αₜ₋₁(s − 1) and, where allowed, αₜ₋₁(s − 2), which stand two places further.
fn step<F: Real>(before: &[F], skips: &[F], emissions: &[F], now: &mut [F]) {
    let states = now.len();
    let (before, skips, emissions) = (&before[..states + 2], &skips[..states], &emissions[..states]);
    dispatch(
        #[inline(always)]
        move || {
            for s in 0..states {
                now[s] = log_sum_exp(before[s + 2], before[s + 1], before[s] + skips[s]) + emissions[s];
            }
        },
    );
}

/// βₜ(s) from the sums βₜ₊₁ + ln p of s, s + 1 and, where allowed, s + 2.
fn step_back<F: Real>(next: &[F], skips: &[F], beta: &mut [F]) {
    let states = beta.len();
    let (next, skips) = (&next[..states + 2], &skips[..states + 2]);
    dispatch(
        #[inline(always)]
        move || {
            for s in 0..states {
                beta[s] = log_sum_exp(next[s], next[s + 1], next[s + 2] + skips[s + 2]);
            }
        },
    );
}

/// The probability of each state, given the target.
fn posteriors<'b, F: Real>(alpha: &[F], beta: &[F], loss: F, buffer: &'b mut [F]) -> &'b [F] {
    let states = alpha.len();
    let beta = &beta[..states];
    let out = &mut buffer[..states];
    dispatch(
        #[inline(always)]
        || {
            for s in 0..states {
                out[s] = (alpha[s] + beta[s] + loss).exp();
            }
        },
    );
    out
}
