//! The weights of an array that belong together, and sums over them.

use ndarray::{Axis, iter::AxisIterMut};
use nn_core::{Real, ShapeError, View, ViewMut};
use nn_ops::simd::dispatch;

/// Which weights of an array belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Groups {
    /// Each place on the first axis: the weights into one unit of `[out, in]`, or one filter of
    /// `[out, in, height, width]`. The default.
    #[default]
    Rows,
    /// Each place on the second axis: the weights out of one input, or those of one input channel.
    Columns,
    /// All of the array.
    Whole,
}

impl Groups {
    /// The axis whose places are the groups; none for the whole.
    fn axis(self) -> Option<Axis> {
        match self {
            Groups::Rows => Some(Axis(0)),
            Groups::Columns => Some(Axis(1)),
            Groups::Whole => None,
        }
    }

    /// Whether an array of this shape has such groups.
    pub(crate) fn check(self, op: &'static str, shape: &[usize]) -> Result<(), ShapeError> {
        match self.axis() {
            Some(Axis(axis)) if axis >= shape.len() => {
                Err(ShapeError::Axis { op, axis, shape: shape.to_vec() })
            }
            _ => Ok(()),
        }
    }

    /// The groups of an array. [`Groups::check`] must hold.
    pub(crate) fn of<'a, F: Real>(self, w: &'a View<'_, F>) -> impl Iterator<Item = View<'a, F>> {
        let each = self.axis().map(|axis| w.axis_iter(axis));
        let whole = each.is_none().then(|| w.view());
        each.into_iter().flatten().chain(whole)
    }

    /// The groups of an array, for writing. [`Groups::check`] must hold.
    pub(crate) fn of_mut<'a, F: Real>(
        self,
        w: &'a mut ViewMut<'_, F>,
    ) -> impl Iterator<Item = ViewMut<'a, F>> {
        let (each, whole): (Option<AxisIterMut<'a, F, _>>, _) = match self.axis() {
            Some(axis) => (Some(w.axis_iter_mut(axis)), None),
            None => (None, Some(w.view_mut())),
        };
        each.into_iter().flatten().chain(whole)
    }
}

/// Elements that are summed together.
const TILE: usize = 512;

/// Σ f(wᵢ) in `f64`, over the elements in logical order, in an order that depends on their number alone.
#[inline(always)]
pub(crate) fn total<F: Real>(w: &View<'_, F>, f: impl Fn(f64) -> f64) -> f64 {
    let (mut total, mut values) = (0.0, [0.0; TILE]);
    if let Some(w) = w.as_slice() {
        for w in w.chunks(TILE) {
            total += tile(w.iter().copied(), &mut values[..w.len()], &f);
        }
        return total;
    }
    let (mut elements, mut rest) = (w.iter().copied(), w.len());
    while rest > 0 {
        let len = rest.min(TILE);
        total += tile(elements.by_ref(), &mut values[..len], &f);
        rest -= len;
    }
    total
}

#[inline(always)]
fn tile<F: Real>(w: impl Iterator<Item = F>, values: &mut [f64], f: &impl Fn(f64) -> f64) -> f64 {
    let into = &mut *values;
    dispatch(
        #[inline(always)]
        move || into.iter_mut().zip(w).for_each(|(value, w)| *value = f(w.to_f64())),
    );
    nn_ops::sum(values)
}

/// The Euclidean norm √Σ wᵢ², in `f64`, so that no square of an `f32` overflows.
pub(crate) fn norm<F: Real>(w: &View<'_, F>) -> f64 {
    total(w, |w| w * w).sqrt()
}
