//! Arrays in random memory layouts, and the random numbers for them.

use ndarray::{Array, ArrayD, Axis, IxDyn, Slice};
use nn_core::{View, ViewMut};

/// A linear congruential generator (Knuth's MMIX constants), enough to choose test inputs.
pub(crate) struct Lcg(pub(crate) u64);

impl Lcg {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// A whole number below `n`; 0 for `n` = 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n.max(1)
    }

    /// Numbers between −2 and 2.
    pub(crate) fn array(&mut self, shape: &[usize]) -> ArrayD<f64> {
        Array::from_shape_simple_fn(IxDyn(shape), || self.next() as f64 / (1u64 << 29) as f64 - 2.0)
    }

    /// The numbers below `n` in random order.
    pub(crate) fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut numbers: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            numbers.swap(i, self.below(i + 1));
        }
        numbers
    }
}

/// An array that lies in memory with its axes permuted, reversed, and with gaps.
pub(crate) struct Laid {
    memory: ArrayD<f64>,
    order: Vec<usize>,
    parts: Vec<Slice>,
}

impl Laid {
    /// An array of this shape, all elements equal, in a random layout: one in three is in C order.
    pub(crate) fn filled(shape: &[usize], value: f64, rng: &mut Lcg) -> Self {
        let plain = rng.below(3) == 0;
        let steps: Vec<isize> =
            shape.iter().map(|_| if plain { 1 } else { [1, 1, -1, 2, -2][rng.below(5)] }).collect();
        let order = if plain { (0..shape.len()).collect() } else { rng.permutation(shape.len()) };
        let lens: Vec<usize> = order.iter().map(|&a| shape[a] * steps[a].unsigned_abs()).collect();
        let memory = ArrayD::from_elem(IxDyn(&lens), value);
        Laid { memory, order, parts: steps.iter().map(|&step| Slice::new(0, None, step)).collect() }
    }

    /// A copy of `x` in a random layout.
    pub(crate) fn new(x: &ArrayD<f64>, rng: &mut Lcg) -> Self {
        let mut laid = Laid::filled(x.shape(), f64::NAN, rng);
        laid.view_mut().assign(x);
        laid
    }

    fn inverse(&self) -> IxDyn {
        let mut inverse = IxDyn(&self.order);
        for (i, &axis) in self.order.iter().enumerate() {
            inverse[axis] = i;
        }
        inverse
    }

    pub(crate) fn view(&self) -> View<'_, f64> {
        let mut view = self.memory.view().permuted_axes(self.inverse());
        for (axis, part) in self.parts.iter().enumerate() {
            view.slice_axis_inplace(Axis(axis), *part);
        }
        view
    }

    pub(crate) fn view_mut(&mut self) -> ViewMut<'_, f64> {
        let inverse = self.inverse();
        let mut view = self.memory.view_mut().permuted_axes(inverse);
        for (axis, part) in self.parts.iter().enumerate() {
            view.slice_axis_inplace(Axis(axis), *part);
        }
        view
    }
}
