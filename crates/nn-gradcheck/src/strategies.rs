//! Strategies of `proptest` for shapes, values and memory layouts.
//!
//! ```
//! use nn_gradcheck::strategies::{laid, shapes, within};
//! use proptest::prelude::*;
//!
//! proptest!(|(x in shapes(0..=3, 4).prop_flat_map(|shape| laid(within(shape, -1.0, 1.0))))| {
//!     let negative = x.view().mapv(|x| -x);
//!     prop_assert!((&negative + &x.to_array()).iter().all(|&sum| sum == 0.0));
//! });
//! ```

use std::ops::RangeInclusive;

use ndarray::{ArrayD, Axis, IxDyn, ShapeBuilder, Slice};
use nn_core::{Real, View, ViewMut, shape};
use proptest::collection::vec;
use proptest::prelude::{BoxedStrategy, Just, Strategy, prop_oneof};

/// How the elements of an array lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Row-major, contiguous.
    C,
    /// Column-major, contiguous.
    Fortran,
    /// The last axis outermost, the others row-major: contiguous, and from three axes on neither C nor Fortran.
    Rotated,
    /// Every second element along every axis of a larger array.
    Strided,
    /// Backwards along every axis: negative strides.
    Reversed,
    /// The inside of an array that is larger by one at both ends of every axis.
    Padded,
    /// Column-major, and of the first axis and every second one after it backwards every second element.
    Mixed,
}

impl Layout {
    /// All of them.
    pub const ALL: [Layout; 7] = [
        Layout::C,
        Layout::Fortran,
        Layout::Rotated,
        Layout::Strided,
        Layout::Reversed,
        Layout::Padded,
        Layout::Mixed,
    ];

    /// The shape of the array in which one of this shape lies.
    fn base_shape(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Layout::C | Layout::Fortran | Layout::Rotated | Layout::Reversed => shape.to_vec(),
            Layout::Strided => shape.iter().map(|n| 2 * n).collect(),
            Layout::Padded => shape.iter().map(|n| n + 2).collect(),
            Layout::Mixed => shape.iter().enumerate().map(|(i, n)| n * (2 - i % 2)).collect(),
        }
    }

    /// An array of the base shape with its elements in the right order.
    fn base<F: Real>(self, shape: &[usize], fill: F) -> ArrayD<F> {
        let shape = self.base_shape(shape);
        match self {
            Layout::Fortran | Layout::Mixed => ArrayD::from_elem(IxDyn(&shape).f(), fill),
            Layout::Rotated if !shape.is_empty() => {
                let axes = shape.len();
                let mut outermost_first = shape.clone();
                outermost_first.rotate_right(1);
                let order: Vec<usize> = (1..axes).chain([0]).collect();
                ArrayD::from_elem(IxDyn(&outermost_first), fill).permuted_axes(order)
            }
            _ => ArrayD::from_elem(IxDyn(&shape), fill),
        }
    }

    /// What to take of an axis of the base, which is so long.
    fn slice(self, axis: usize, length: usize) -> Slice {
        match self {
            Layout::C | Layout::Fortran | Layout::Rotated => Slice::from(..),
            Layout::Mixed => Slice::from(..).step_by(if axis.is_multiple_of(2) { -2 } else { 1 }),
            Layout::Strided => Slice::from(..).step_by(2),
            Layout::Reversed => Slice::from(..).step_by(-1),
            Layout::Padded => Slice::from(1..length as isize - 1),
        }
    }
}

/// An array that lies in memory in a certain [`Layout`].
///
/// Elements of the underlying buffer that do not belong to the array hold NaN, so that code which reads them shows
/// it, and [`is_intact`](Self::is_intact) tells whether code wrote them.
#[derive(Clone, Debug)]
pub struct Laid<F: Real = f64> {
    base: ArrayD<F>,
    layout: Layout,
}

impl<F: Real> Laid<F> {
    /// The elements of `values` in this layout.
    pub fn new(values: View<'_, F>, layout: Layout) -> Self {
        let mut laid = Laid { base: layout.base(values.shape(), F::NAN), layout };
        laid.view_mut().assign(&values);
        laid
    }

    /// An array with all elements equal.
    pub fn filled(shape: &[usize], value: F, layout: Layout) -> Self {
        let mut laid = Laid { base: layout.base(shape, F::NAN), layout };
        laid.view_mut().fill(value);
        laid
    }

    /// The layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// The array.
    pub fn view(&self) -> View<'_, F> {
        let mut view = self.base.view();
        for axis in 0..view.ndim() {
            let slice = self.layout.slice(axis, view.len_of(Axis(axis)));
            view.slice_axis_inplace(Axis(axis), slice);
        }
        view
    }

    /// The array, for writing.
    pub fn view_mut(&mut self) -> ViewMut<'_, F> {
        let layout = self.layout;
        let mut view = self.base.view_mut();
        for axis in 0..view.ndim() {
            let slice = layout.slice(axis, view.len_of(Axis(axis)));
            view.slice_axis_inplace(Axis(axis), slice);
        }
        view
    }

    /// The elements as an array of its own, row-major.
    pub fn to_array(&self) -> ArrayD<F> {
        self.view().as_standard_layout().into_owned()
    }

    /// Whether all elements of the buffer outside the array still hold NaN, if the array itself holds none.
    pub fn is_intact(&self) -> bool {
        let nan = |elements: ndarray::iter::Iter<'_, F, IxDyn>| elements.filter(|x| x.is_nan()).count();
        nan(self.base.iter()) - nan(self.view().iter()) == self.base.len() - self.view().len()
    }
}

/// Any [`Layout`], row-major with a greater weight and first when shrinking.
pub fn layout() -> BoxedStrategy<Layout> {
    let other = proptest::sample::select(&Layout::ALL[1..]);
    prop_oneof![1 => Just(Layout::C), 5 => other].boxed()
}

/// Shapes with so many axes, each from 0 to `longest` long; one shape in ten holds no element, one in five has
/// an axis of length 1.
///
/// No shape has more than 300 elements. Zero axes make a scalar, which has one element.
pub fn shapes(axes: RangeInclusive<usize>, longest: usize) -> BoxedStrategy<Vec<usize>> {
    let lengths = axes.prop_flat_map(move |n| vec(1..=longest.max(1), n));
    let special = prop_oneof![7 => Just(None), 2 => Just(Some(1)), 1 => Just(Some(0))];
    (lengths, special, proptest::prelude::any::<proptest::sample::Index>())
        .prop_map(|(mut lengths, special, at)| {
            if let (Some(length), false) = (special, lengths.is_empty()) {
                let i = at.index(lengths.len());
                lengths[i] = length;
            }
            while shape::size(&lengths) > 300 {
                let longest = (0..lengths.len()).max_by_key(|&i| lengths[i]).unwrap_or(0);
                lengths[longest] -= 1;
            }
            lengths
        })
        .boxed()
}

/// Two shapes that fit each other by broadcasting: both come from one of [`shapes`], with some axes made 1 and some
/// of the first ones left out.
///
/// ```
/// use nn_core::shape::broadcast;
/// use nn_gradcheck::strategies::broadcastable;
/// use proptest::prelude::*;
///
/// proptest!(|((a, b) in broadcastable(0..=3, 4))| {
///     prop_assert!(broadcast(&a, &b).is_some());
/// });
/// ```
pub fn broadcastable(axes: RangeInclusive<usize>, longest: usize) -> BoxedStrategy<(Vec<usize>, Vec<usize>)> {
    let repeated = || vec(proptest::bool::weighted(0.25), *axes.end());
    let omitted = || prop_oneof![3 => Just(0), 1 => 0..=*axes.end()];
    let operand = |shape: &[usize], repeated: Vec<bool>, omitted: usize| -> Vec<usize> {
        let lengths = shape.iter().zip(repeated).map(|(&n, repeated)| if repeated { 1 } else { n });
        lengths.skip(omitted).collect()
    };
    (shapes(axes.clone(), longest), repeated(), omitted(), repeated(), omitted())
        .prop_map(move |(shape, r0, o0, r1, o1)| (operand(&shape, r0, o0), operand(&shape, r1, o1)))
        .boxed()
}

/// Arrays of this shape with elements from this strategy.
pub fn filled_with(
    shape: Vec<usize>,
    element: impl Strategy<Value = f64> + 'static,
) -> BoxedStrategy<ArrayD<f64>> {
    let size = shape::size(&shape);
    vec(element, size).prop_map(move |values| array(&shape, values)).boxed()
}

/// Arrays of this shape with elements from `low` to `high`.
pub fn within(shape: Vec<usize>, low: f64, high: f64) -> BoxedStrategy<ArrayD<f64>> {
    filled_with(shape, low..high)
}

/// Arrays of this shape with elements in ±`reach`, none of them within `margin` of a kink.
///
/// ```
/// use nn_gradcheck::strategies::away_from;
/// use proptest::prelude::*;
///
/// proptest!(|(x in away_from(vec![3, 2], &[0.0, 1.0], 0.1, 5.0))| {
///     prop_assert!(x.iter().all(|v| v.abs() >= 0.1 && (v - 1.0).abs() >= 0.1 && v.abs() <= 5.0));
/// });
/// ```
///
/// # Panics
/// When the kinks leave no room between −`reach` and `reach`.
pub fn away_from(shape: Vec<usize>, kinks: &[f64], margin: f64, reach: f64) -> BoxedStrategy<ArrayD<f64>> {
    let mut ends: Vec<f64> = kinks.to_vec();
    ends.sort_by(f64::total_cmp);
    let lows = std::iter::once(-reach).chain(ends.iter().map(|k| k + margin));
    let highs = ends.iter().map(|k| k - margin).chain([reach]);
    let pieces: Vec<(f64, f64)> = lows.zip(highs).filter(|(low, high)| low < high).collect();
    assert!(!pieces.is_empty(), "the kinks {kinks:?} leave no room in ±{reach}");
    let element = (proptest::sample::select(pieces), 0.0..1.0f64);
    filled_with(shape, element.prop_map(|((low, high), t)| low + t * (high - low)))
}

/// Arrays of this shape whose elements differ from each other by at least 1.5·`gap`: each lies within `gap`/4 of
/// another even multiple of `gap`, and together they lie around zero.
///
/// For what has a kink where two elements are equal, such as a maximum. Of two operands, add `gap` to one: then no
/// element of the first is within `gap`/2 of one of the second.
pub fn distinct(shape: Vec<usize>, gap: f64) -> BoxedStrategy<ArrayD<f64>> {
    let size = shape::size(&shape);
    let ranks = Just((0..size).collect::<Vec<_>>()).prop_shuffle();
    (ranks, vec(-0.25..0.25f64, size))
        .prop_map(move |(ranks, shifts)| {
            let value = |(rank, shift): (usize, f64)| gap * (2.0 * (rank as f64 - (size / 2) as f64) + shift);
            array(&shape, ranks.into_iter().zip(shifts).map(value).collect())
        })
        .boxed()
}

/// Arrays of this shape whose elements are whole numbers from 0 to `count` − 1: classes or row numbers.
pub fn indices(shape: Vec<usize>, count: usize) -> BoxedStrategy<ArrayD<f64>> {
    filled_with(shape, (0..count.max(1)).prop_map(|i| i as f64))
}

/// Arrays from a strategy, each in any [`Layout`].
pub fn laid(arrays: impl Strategy<Value = ArrayD<f64>> + 'static) -> BoxedStrategy<Laid> {
    (arrays, layout()).prop_map(|(array, layout)| Laid::new(array.view(), layout)).boxed()
}

/// The array with these elements in C order.
fn array(shape: &[usize], values: Vec<f64>) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(shape), values).expect("a value for every element")
}

#[cfg(test)]
mod tests {
    use super::{Laid, Layout, array, away_from, distinct, indices, shapes};
    use proptest::prelude::*;

    #[test]
    fn layouts_lie_as_they_say() {
        let values = array(&[2, 3, 4], (0..24).map(f64::from).collect());
        for (layout, strides) in [
            (Layout::C, [12, 4, 1]),
            (Layout::Fortran, [1, 2, 6]),
            (Layout::Rotated, [3, 1, 6]),
            (Layout::Strided, [96, 16, 2]),
            (Layout::Reversed, [-12, -4, -1]),
            (Layout::Padded, [30, 6, 1]),
            (Layout::Mixed, [-2, 4, -24]),
        ] {
            let mut laid = Laid::new(values.view(), layout);
            assert_eq!(laid.view().strides(), strides, "{layout:?}");
            assert_eq!((laid.view(), laid.to_array()), (values.view(), values.clone()), "{layout:?}");
            assert!(laid.is_intact());
            laid.view_mut().fill(1.0);
            assert!(laid.is_intact());
        }
        let mut padded = Laid::new(values.view(), Layout::Padded);
        padded.base[[0, 0, 0]] = 1.0;
        assert!(!padded.is_intact());
    }

    proptest! {
        #[test]
        fn any_shape_in_any_layout(shape in shapes(0..=4, 5), value in -1.0..1.0f64) {
            for layout in Layout::ALL {
                let laid = Laid::filled(&shape, value, layout);
                let view = laid.view();
                prop_assert_eq!(view.shape(), &shape[..]);
                prop_assert!(laid.is_intact() && view.iter().all(|&x| x == value));
            }
        }

        #[test]
        fn distinct_elements_keep_their_distance(x in distinct(vec![4, 5], 0.5)) {
            let mut sorted: Vec<f64> = x.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            prop_assert!(sorted.windows(2).all(|w| w[1] - w[0] >= 0.5));
        }

        #[test]
        fn elements_keep_away_from_kinks(x in away_from(vec![20], &[2.0, -1.0], 0.1, 3.0)) {
            prop_assert!(x.iter().all(|v| (v - 2.0).abs() >= 0.1 && (v + 1.0).abs() >= 0.1 && v.abs() <= 3.0));
        }

        #[test]
        fn indices_are_whole_and_in_range(x in indices(vec![7], 3)) {
            prop_assert!(x.iter().all(|&i| [0.0, 1.0, 2.0].contains(&i)));
        }
    }

    #[test]
    fn shapes_cover_the_corners() {
        use proptest::strategy::ValueTree;
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let strategy = shapes(0..=3, 5);
        let drawn: Vec<_> = (0..500).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
        assert!(drawn.iter().any(Vec::is_empty));
        assert!(drawn.iter().any(|shape| shape.contains(&0)));
        assert!(drawn.iter().any(|shape| !shape.is_empty() && shape.iter().all(|&n| n == 1)));
        assert!(drawn.iter().any(|shape| shape.len() == 3 && !shape.contains(&0)));
    }
}
