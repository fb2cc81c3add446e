//! What an initialiser is, and how it fills arrays.

use std::fmt::Debug;
use std::sync::Arc;

use ndarray::{Array, ArrayBase, DataMut, Dimension, IntoDimension};
use nn_core::{Real, ShapeError, StreamRng, Streams};

/// Gives parameters their first values.
///
/// Values are drawn in `f64` whatever the precision of the parameters, so that a network in `f32` starts from the
/// same numbers as one in `f64`, up to rounding.
pub trait Initializer: Debug + Send + Sync {
    /// Fills `out`, which has the elements of an array of this shape in row-major order.
    ///
    /// # Panics
    /// When the shape does not suit the initialiser, or `out` has another number of elements.
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]);
}

impl<T: Initializer + ?Sized> Initializer for Box<T> {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        (**self).draw(shape, rng, out);
    }
}

impl<T: Initializer + ?Sized> Initializer for Arc<T> {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        (**self).draw(shape, rng, out);
    }
}

/// Initialisers on arrays. Every [`Initializer`] has these methods.
///
/// The values are a function of the seed of `streams`, the name of the parameter and the initialiser, and of nothing
/// else: not of the order in which parameters are filled, nor of the number of threads.
pub trait InitializerExt: Initializer {
    /// A new array of this shape; `name` is that of the parameter, such as `0.weight`.
    ///
    /// ```
    /// use ndarray::Array2;
    /// use nn_core::Streams;
    /// use nn_init::{He, InitializerExt};
    ///
    /// let w: Array2<f32> = He::normal().array([128, 784], &Streams::new(42), "0.weight");
    /// assert_eq!(w.shape(), [128, 784]);
    /// ```
    ///
    /// # Panics
    /// When the shape does not suit the initialiser.
    #[track_caller]
    fn array<F: Real, D: IntoDimension>(&self, shape: D, streams: &Streams, name: &str) -> Array<F, D::Dim> {
        let mut array = Array::from_elem(shape.into_dimension(), F::zero());
        self.fill(&mut array, streams, name);
        array
    }

    /// Fills an array or view of any memory layout; `name` is that of the parameter, such as `0.weight`.
    ///
    /// # Panics
    /// When the shape does not suit the initialiser.
    #[track_caller]
    fn fill<F: Real, S: DataMut<Elem = F>, D: Dimension>(
        &self,
        array: &mut ArrayBase<S, D>,
        streams: &Streams,
        name: &str,
    ) {
        let mut drawn = vec![0.0; array.len()];
        self.draw(array.shape(), &mut streams.rng(name, 0), &mut drawn);
        for (to, from) in array.iter_mut().zip(drawn) {
            *to = F::from_f64(from);
        }
    }
}

impl<T: Initializer + ?Sized> InitializerExt for T {}

/// Sets each element to what `draw` gives, after checking that there are as many as the shape says.
#[track_caller]
pub(crate) fn each(shape: &[usize], out: &mut [f64], mut draw: impl FnMut() -> f64) {
    check_size(shape, out);
    out.iter_mut().for_each(|x| *x = draw());
}

/// Checks that there are as many elements as the shape says.
#[track_caller]
pub(crate) fn check_size(shape: &[usize], out: &[f64]) {
    let size = nn_core::shape::size(shape);
    assert_eq!(out.len(), size, "an array of shape {shape:?} has not {} elements", out.len());
}

/// Panics because a shape does not suit.
#[track_caller]
pub(crate) fn refuse(op: &'static str, expected: &str, shape: &[usize]) -> ! {
    panic!("{}", ShapeError::Input { op, input: 0, expected: expected.to_owned(), got: shape.to_vec() });
}
