//! What an optimizer can step: slices, vectors, arrays, and the arena of a network.

use std::borrow::Cow;
use std::sync::Arc;

use ndarray::{ArrayBase, ArrayRef, Data, DataMut, Dimension};
use nn_core::{Arena, ParamLayout, Real, Role};

/// The name under which an array that stands alone is saved.
const ALONE: &str = "w";

/// Parameters or gradients as one slice: a slice, an array of the language, a `Vec`, an `ndarray` array or view, or
/// an [`Arena`].
pub trait Values {
    /// The scalar.
    type Elem: Real;

    /// The names, shapes and places; an array that stands alone is one parameter with the name `w`.
    fn layout(&self) -> Arc<ParamLayout>;

    /// Whether this has that layout.
    fn fits(&self, layout: &ParamLayout) -> bool;

    /// The elements in the order of the layout, copied where they do not lie so.
    fn read(&self) -> Cow<'_, [Self::Elem]>;
}

/// Parameters that can be written.
pub trait ValuesMut: Values {
    /// Lets `f` change the elements, which it sees in the order of the layout.
    fn modify(&mut self, f: &mut dyn FnMut(&mut [Self::Elem]));
}

fn layout_of(shape: &[usize]) -> Arc<ParamLayout> {
    let mut layout = ParamLayout::new();
    layout.add(ALONE, shape, Role::Weight).expect("the first name is free");
    Arc::new(layout)
}

fn fits_shape(shape: &[usize], layout: &ParamLayout) -> bool {
    matches!(layout.params(), [spec] if spec.shape == shape)
}

impl<F: Real> Values for [F] {
    type Elem = F;

    fn layout(&self) -> Arc<ParamLayout> {
        layout_of(&[self.len()])
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        fits_shape(&[self.len()], layout)
    }

    fn read(&self) -> Cow<'_, [F]> {
        Cow::Borrowed(self)
    }
}

impl<F: Real> ValuesMut for [F] {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [F])) {
        f(self);
    }
}

impl<F: Real, const N: usize> Values for [F; N] {
    type Elem = F;

    fn layout(&self) -> Arc<ParamLayout> {
        self.as_slice().layout()
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        self.as_slice().fits(layout)
    }

    fn read(&self) -> Cow<'_, [F]> {
        Cow::Borrowed(self)
    }
}

impl<F: Real, const N: usize> ValuesMut for [F; N] {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [F])) {
        f(self);
    }
}

impl<F: Real> Values for Vec<F> {
    type Elem = F;

    fn layout(&self) -> Arc<ParamLayout> {
        self.as_slice().layout()
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        self.as_slice().fits(layout)
    }

    fn read(&self) -> Cow<'_, [F]> {
        Cow::Borrowed(self)
    }
}

impl<F: Real> ValuesMut for Vec<F> {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [F])) {
        f(self);
    }
}

impl<S: Data<Elem: Real>, D: Dimension> Values for ArrayBase<S, D> {
    type Elem = S::Elem;

    fn layout(&self) -> Arc<ParamLayout> {
        layout_of(self.shape())
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        fits_shape(self.shape(), layout)
    }

    fn read(&self) -> Cow<'_, [S::Elem]> {
        match self.as_slice() {
            Some(slice) => Cow::Borrowed(slice),
            None => Cow::Owned(self.iter().copied().collect()),
        }
    }
}

impl<S: DataMut<Elem: Real>, D: Dimension> ValuesMut for ArrayBase<S, D> {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [S::Elem])) {
        match self.as_slice_mut() {
            Some(slice) => f(slice),
            None => modify_strided(self, f),
        }
    }
}

/// Elements that do not lie in the order of the layout go through a copy.
fn modify_strided<F: Real, D: Dimension>(array: &mut ArrayRef<F, D>, f: &mut dyn FnMut(&mut [F])) {
    let mut copy: Vec<F> = array.iter().copied().collect();
    f(&mut copy);
    for (to, from) in array.iter_mut().zip(copy) {
        *to = from;
    }
}

impl<F: Real> Values for Arena<F> {
    type Elem = F;

    fn layout(&self) -> Arc<ParamLayout> {
        Arc::clone(Arena::layout(self))
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        let own: &ParamLayout = Arena::layout(self);
        std::ptr::eq(own, layout) || own == layout
    }

    fn read(&self) -> Cow<'_, [F]> {
        Cow::Borrowed(self.as_slice())
    }
}

impl<F: Real> ValuesMut for Arena<F> {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [F])) {
        f(self.as_mut_slice());
    }
}

impl<T: Values + ?Sized> Values for &T {
    type Elem = T::Elem;

    fn layout(&self) -> Arc<ParamLayout> {
        (**self).layout()
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        (**self).fits(layout)
    }

    fn read(&self) -> Cow<'_, [T::Elem]> {
        (**self).read()
    }
}

impl<T: Values + ?Sized> Values for &mut T {
    type Elem = T::Elem;

    fn layout(&self) -> Arc<ParamLayout> {
        (**self).layout()
    }

    fn fits(&self, layout: &ParamLayout) -> bool {
        (**self).fits(layout)
    }

    fn read(&self) -> Cow<'_, [T::Elem]> {
        (**self).read()
    }
}

impl<T: ValuesMut + ?Sized> ValuesMut for &mut T {
    fn modify(&mut self, f: &mut dyn FnMut(&mut [T::Elem])) {
        (**self).modify(f);
    }
}
