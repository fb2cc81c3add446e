//! Contrast and brightness.

use nn_core::Real;
use nn_ops::sum;

use super::span::Span;

/// Random words that one change takes.
pub(super) const WORDS: usize = 2;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Light {
    pub(super) contrast: Span,
    pub(super) brightness: Span,
    pub(super) clamp: Option<Span>,
}

impl Default for Light {
    fn default() -> Self {
        Light { contrast: Span::only(1.0), brightness: Span::only(0.0), clamp: None }
    }
}

impl Light {
    /// Changes an image of so many channels in place. A factor of 1 and a difference of 0 leave it as it is, to the bit.
    pub(super) fn apply<F: Real>(
        &self,
        [contrast, brightness]: [u32; WORDS],
        channels: usize,
        image: &mut [F],
    ) {
        let (factor, delta) = (self.contrast.at(contrast), self.brightness.at(brightness));
        let size = image.len() / channels;
        if factor != 1.0 {
            let factor = F::from_f64(factor);
            for channel in image.chunks_exact_mut(size) {
                let mean = sum(channel) / F::from_usize(size);
                channel.iter_mut().for_each(|x| *x = (*x - mean) * factor + mean);
            }
        }
        if delta != 0.0 {
            let delta = F::from_f64(delta);
            image.iter_mut().for_each(|x| *x += delta);
        }
        if let Some(clamp) = self.clamp {
            let [low, high] = [clamp.low, clamp.high].map(F::from_f64);
            image.iter_mut().for_each(|x| *x = x.max(low).min(high));
        }
    }
}
