//! Views of buffers that are made again and again.

use ndarray::{ArrayView, ArrayViewMut, Dimension, IxDyn, ShapeBuilder};
use nn_core::{View, ViewMut, shape};

/// Where the elements of an array lie in a buffer: checked once, so that looking at the buffer costs next to nothing.
///
/// ```
/// use nn_ops::Layout;
///
/// let transposed = Layout::new(&[2, 3], Some(&[1, 0]));
/// let buffer = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
/// assert_eq!(transposed.view(&buffer), ndarray::array![[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]].into_dyn());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    shape: IxDyn,
    /// Not negative, and such that no two elements share a place.
    strides: IxDyn,
    /// One more than the last place.
    len: usize,
}

const EMPTY: &str = "an array without elements needs none";

impl Layout {
    /// An array of this shape in C order, whose axes are then read in this order where one is given.
    ///
    /// # Panics
    /// When the axes are not a permutation of those of the shape.
    #[track_caller]
    pub fn new(shape: &[usize], axes: Option<&[usize]>) -> Self {
        let len = shape::size(shape);
        let strides: Vec<usize> = (1..=shape.len()).map(|axis| shape::size(&shape[axis..])).collect();
        let Some(axes) = axes else {
            return Layout { shape: IxDyn(shape), strides: IxDyn(&strides), len };
        };
        let is_once = |axis: usize| axes.iter().filter(|&&a| a == axis).count() == 1;
        let permutes = axes.len() == shape.len() && (0..shape.len()).all(is_once);
        assert!(permutes, "axes {axes:?} are no permutation of those of shape {shape:?}");
        let in_order = |numbers: &[usize]| axes.iter().map(|&axis| numbers[axis]).collect::<Vec<_>>();
        Layout { shape: IxDyn(&in_order(shape)), strides: IxDyn(&in_order(&strides)), len }
    }

    /// The shape, its axes in the order in which they are read.
    pub fn shape(&self) -> &[usize] {
        self.shape.slice()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The array in a buffer, from whose first element on it lies.
    ///
    /// # Panics
    /// When the buffer is too short.
    #[inline]
    #[track_caller]
    pub fn view<'a, F>(&self, buffer: &'a [F]) -> View<'a, F> {
        let data = &buffer[..self.len];
        if data.is_empty() {
            return ArrayView::from_shape(self.shape.clone(), data).expect(EMPTY);
        }
        // SAFETY: the strides permute those of an array of `len` elements in C order, and the data has as many.
        unsafe { ArrayView::from_shape_ptr(self.shape.clone().strides(self.strides.clone()), data.as_ptr()) }
    }

    /// As [`view`](Layout::view), for writing.
    ///
    /// # Panics
    /// When the buffer is too short.
    #[inline]
    #[track_caller]
    pub fn view_mut<'a, F>(&self, buffer: &'a mut [F]) -> ViewMut<'a, F> {
        let data = &mut buffer[..self.len];
        if data.is_empty() {
            return ArrayViewMut::from_shape(self.shape.clone(), data).expect(EMPTY);
        }
        let shape = self.shape.clone().strides(self.strides.clone());
        // SAFETY: as above; no two elements share a place, and the data is borrowed for as long as the view lives.
        unsafe { ArrayViewMut::from_shape_ptr(shape, data.as_mut_ptr()) }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{ArrayD, Dimension, IxDyn};

    use super::Layout;

    #[test]
    fn views_are_those_of_ndarray() {
        let table: [(&[usize], Option<&[usize]>); 8] = [
            (&[], None),
            (&[5], None),
            (&[2, 3], None),
            (&[2, 3], Some(&[1, 0])),
            (&[4, 2, 3], Some(&[2, 0, 1])),
            (&[2, 1, 3, 1, 2], Some(&[4, 1, 0, 2, 3])),
            (&[3, 0, 2], Some(&[1, 2, 0])),
            (&[0], None),
        ];
        for (shape, axes) in table {
            let mut expected = ArrayD::from_shape_fn(shape, |i| i.slice().iter().fold(1, |n, &i| 10 * n + i));
            let mut buffer: Vec<usize> = expected.iter().copied().chain([77, 77]).collect();
            if let Some(axes) = axes {
                expected = expected.permuted_axes(IxDyn(axes));
            }
            let layout = Layout::new(shape, axes);
            assert_eq!((layout.shape(), layout.len()), (expected.shape(), expected.len()));
            assert_eq!(layout.view(&buffer), expected);
            assert_eq!(layout.view(&buffer).is_standard_layout(), expected.view().is_standard_layout());
            layout.view_mut(&mut buffer).fill(5);
            assert!(buffer[..expected.len()].iter().all(|&x| x == 5) && buffer[expected.len()..] == [77, 77]);
        }
    }

    #[test]
    #[should_panic(expected = "no permutation")]
    fn an_axis_twice_is_refused() {
        Layout::new(&[2, 3], Some(&[0, 0]));
    }

    #[test]
    #[should_panic]
    fn a_short_buffer_is_refused() {
        Layout::new(&[2, 3], None).view(&[0.0; 5]);
    }
}
