//! One buffer for all parameters of a network.

use std::sync::Arc;

use ndarray::{ArrayViewD, ArrayViewMutD, IxDyn};

use crate::{AlignedVec, ParamLayout, Real};

/// A buffer that holds all parameters of a network, or their gradients, or a slot of an optimizer.
///
/// ```
/// use std::sync::Arc;
/// use nn_core::{Arena, ParamLayout, Role};
///
/// let mut layout = ParamLayout::new();
/// layout.add("0.weight", &[2, 2], Role::Weight).unwrap();
/// let mut values = Arena::<f32>::zeros(Arc::new(layout));
/// values.get_mut("0.weight").unwrap()[[1, 0]] = 3.0;
/// assert_eq!(values.get("0.weight").unwrap()[[1, 0]], 3.0);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Arena<F: Real> {
    layout: Arc<ParamLayout>,
    buffer: AlignedVec<F>,
}

impl<F: Real> Arena<F> {
    /// All elements zero.
    pub fn zeros(layout: Arc<ParamLayout>) -> Self {
        let buffer = AlignedVec::new(F::zero(), layout.buffer_len());
        Arena { layout, buffer }
    }

    /// The names, shapes and places.
    pub fn layout(&self) -> &Arc<ParamLayout> {
        &self.layout
    }

    /// The whole buffer, padding included.
    pub fn as_slice(&self) -> &[F] {
        &self.buffer
    }

    /// The whole buffer, padding included; the padding must stay zero.
    pub fn as_mut_slice(&mut self) -> &mut [F] {
        &mut self.buffer
    }

    /// The parameter at this position of the layout.
    ///
    /// # Panics
    /// When there is no such position.
    pub fn view(&self, position: usize) -> ArrayViewD<'_, F> {
        let spec = &self.layout.params()[position];
        ArrayViewD::from_shape(IxDyn(&spec.shape), &self.buffer[spec.range()])
            .expect("a layout's ranges match its shapes")
    }

    /// The parameter at this position of the layout, for writing.
    ///
    /// # Panics
    /// When there is no such position.
    pub fn view_mut(&mut self, position: usize) -> ArrayViewMutD<'_, F> {
        let spec = &self.layout.params()[position];
        ArrayViewMutD::from_shape(IxDyn(&spec.shape), &mut self.buffer[spec.range()])
            .expect("a layout's ranges match its shapes")
    }

    /// The parameter with this name.
    pub fn get(&self, name: &str) -> Option<ArrayViewD<'_, F>> {
        self.layout.position(name).map(|i| self.view(i))
    }

    /// The parameter with this name, for writing.
    pub fn get_mut(&mut self, name: &str) -> Option<ArrayViewMutD<'_, F>> {
        self.layout.position(name).map(|i| self.view_mut(i))
    }

    /// All parameters with their names, in the order of the layout.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ArrayViewD<'_, F>)> {
        self.layout.params().iter().enumerate().map(|(i, spec)| (spec.name.as_str(), self.view(i)))
    }

    /// The name of the first parameter that holds an infinity or NaN.
    pub fn first_non_finite(&self) -> Option<&str> {
        let bad = |range: std::ops::Range<usize>| self.buffer[range].iter().any(|x: &F| !x.is_finite());
        self.layout.params().iter().find(|spec| bad(spec.range())).map(|spec| spec.name.as_str())
    }

    /// The same values in another precision.
    pub fn cast<G: Real>(&self) -> Arena<G> {
        let mut other = Arena::zeros(Arc::clone(&self.layout));
        for (to, from) in other.buffer.iter_mut().zip(self.buffer.iter()) {
            *to = G::from_f64(from.to_f64());
        }
        other
    }
}

#[cfg(test)]
mod tests {
    use super::Arena;
    use crate::{ParamLayout, Role};
    use std::sync::Arc;

    fn layout() -> Arc<ParamLayout> {
        let mut layout = ParamLayout::new();
        for (name, shape) in
            [("0.weight", &[5, 7][..]), ("0.bias", &[5]), ("empty", &[0, 3]), ("scalar", &[])]
        {
            layout.add(name, shape, Role::Weight).unwrap();
        }
        Arc::new(layout)
    }

    #[test]
    fn parameters_do_not_overlap() {
        let mut arena = Arena::<f64>::zeros(layout());
        for i in 0..4 {
            arena.view_mut(i).fill(i as f64 + 1.0);
        }
        for (i, (_, view)) in arena.iter().enumerate() {
            assert!(view.iter().all(|&x| x == i as f64 + 1.0));
        }
        assert_eq!(arena.as_slice().iter().filter(|&&x| x != 0.0).count(), arena.layout().count());
        assert_eq!(arena.layout().count(), 35 + 5 + 1);
    }

    #[test]
    fn a_name_is_given_once() {
        let mut layout = ParamLayout::new();
        layout.add("a", &[2], Role::Bias).unwrap();
        let message = layout.add("a", &[3], Role::Bias).unwrap_err().to_string();
        assert_eq!(message, "parameter `a` of shape [3] exists already, with shape [2]");
    }

    #[test]
    fn finds_what_is_not_finite() {
        let mut arena = Arena::<f32>::zeros(layout());
        assert_eq!(arena.first_non_finite(), None);
        arena.get_mut("scalar").unwrap().fill(f32::NAN);
        assert_eq!(arena.first_non_finite(), Some("scalar"));
        assert!(arena.cast::<f64>().get("scalar").unwrap().iter().all(|x| x.is_nan()));
    }
}
