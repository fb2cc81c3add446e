//! Gradient centralisation.

use nn_core::{Real, Role};
use nn_ops::sum;
use rayon::prelude::*;

use crate::pass::{CHUNK, PARALLEL_FROM};
use crate::{ValuesMut, elements};

/// Centralises the gradients of weights: each row g[i, …], all that leads into output i, loses its mean.
///
/// g[i, …] ← g[i, …] − mean(g[i, …]), for every [`Role::Weight`] of two axes or more, of which the first counts the
/// outputs: `[out, in]`, `[out, in, kh, kw]`. Everything else stays as it is. To be called before the step; the weights
/// into each output then keep their sum.
///
/// ```
/// use ndarray::array;
///
/// let mut g = array![[1.0f32, 2.0, 3.0], [0.0, 0.0, 6.0]];
/// nn_optim::centralize(&mut g);
/// assert_eq!(g, array![[-1.0, 0.0, 1.0], [-2.0, -2.0, 4.0]]);
/// let mut bias = [1.0f32, 2.0];
/// nn_optim::centralize(&mut bias);
/// assert_eq!(bias, [1.0, 2.0]);
/// ```
///
/// # Source
/// Yong, Huang, Hua and Zhang 2020, "Gradient centralization: a new optimization technique for deep neural networks",
/// equation 1.
pub fn centralize<G: ValuesMut + ?Sized>(g: &mut G) {
    let layout = g.layout();
    g.modify(&mut |g| {
        for spec in layout.params() {
            if spec.role != Role::Weight || spec.shape.len() < 2 || spec.size() == 0 {
                continue;
            }
            let width = spec.size() / spec.shape[0];
            let together = if spec.size() < PARALLEL_FROM { spec.shape[0] } else { CHUNK.div_ceil(width) };
            g[spec.range()].par_chunks_exact_mut(width).with_min_len(together).for_each(|row| {
                let mean = sum(row) / <G::Elem as Real>::from_usize(width);
                elements::update(
                    row,
                    #[inline(always)]
                    move |x| x - mean,
                );
            });
        }
    });
}
