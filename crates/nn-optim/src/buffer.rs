//! A buffer that stands beside an optimizer, such as an average of the weights, and its state.

use std::sync::Arc;

use nn_core::{Arena, ParamLayout, ParamSpec, Real};

use crate::state::check_layout;
use crate::{StateError, Values, ValuesMut, elements};

/// The state of what stands around an optimizer ([`Accumulate`](crate::Accumulate), [`Ema`](crate::Ema),
/// [`Swa`](crate::Swa), [`Lookahead`](crate::Lookahead)): a count and one buffer with the names and shapes of the
/// parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferState<F: Real> {
    /// Whose state it is, such as `Ema`.
    pub owner: String,
    /// What has been counted.
    pub count: u64,
    /// The buffer; none before the parameters were first met.
    pub buffer: Option<Arena<F>>,
}

impl<F: Real> BufferState<F> {
    pub(crate) fn new(owner: &str, count: u64, buffer: Option<&Arena<F>>) -> Self {
        BufferState { owner: owner.to_owned(), count, buffer: buffer.cloned() }
    }

    /// The buffer in the order of the layout `own`, where that is known.
    pub(crate) fn load(
        &self,
        owner: &'static str,
        slot: &'static str,
        own: Option<&Arc<ParamLayout>>,
    ) -> Result<Option<Arena<F>>, StateError> {
        if self.owner != owner {
            return Err(StateError::Rule { expected: owner, got: self.owner.clone() });
        }
        match (&self.buffer, own) {
            (None, _) if self.count > 0 => Err(StateError::MissingSlot { slot }),
            (None, _) => Ok(None),
            (Some(saved), None) => Ok(Some(saved.clone())),
            (Some(saved), Some(own)) => {
                check_layout(slot, own, saved.layout())?;
                let mut buffer = Arena::zeros(Arc::clone(own));
                for (position, spec) in own.params().iter().enumerate() {
                    if let Some(saved) = saved.get(&spec.name) {
                        buffer.view_mut(position).assign(&saved);
                    }
                }
                Ok(Some(buffer))
            }
        }
    }
}

/// A buffer for these parameters, with their values.
pub(crate) fn copy_of<W: Values + ?Sized>(w: &W) -> Arena<W::Elem> {
    let mut copy = Arena::zeros(w.layout());
    read_into(w, &mut copy);
    copy
}

/// Copies the parameters into the buffer.
pub(crate) fn read_into<W: Values + ?Sized>(w: &W, buffer: &mut Arena<W::Elem>) {
    let (layout, w) = (Arc::clone(Arena::layout(buffer)), w.read());
    for spec in layout.params() {
        elements::copy(&mut buffer.as_mut_slice()[spec.range()], &w[spec.range()]);
    }
}

/// Moves the buffer a share of the way towards the parameters; running statistics, which are averages already, are
/// copied.
pub(crate) fn move_towards<W: Values + ?Sized>(buffer: &mut Arena<W::Elem>, w: &W, share: W::Elem) {
    let (layout, w) = (Arc::clone(Arena::layout(buffer)), w.read());
    for spec in layout.params() {
        let share = if spec.role.is_trained() { share } else { W::Elem::from_f64(1.0) };
        elements::lerp(&mut buffer.as_mut_slice()[spec.range()], &w[spec.range()], share);
    }
}

/// Copies the buffer into the parameters for which `chosen` holds.
pub(crate) fn write_into<W: ValuesMut + ?Sized>(
    buffer: &Arena<W::Elem>,
    w: &mut W,
    chosen: impl Fn(&ParamSpec) -> bool,
) {
    w.modify(&mut |w| {
        for spec in buffer.layout().params().iter().filter(|spec| chosen(spec)) {
            elements::copy(&mut w[spec.range()], &buffer.as_slice()[spec.range()]);
        }
    });
}

/// Exchanges the buffer and the parameters.
pub(crate) fn exchange<W: ValuesMut + ?Sized>(buffer: &mut Arena<W::Elem>, w: &mut W) {
    let layout = Arc::clone(Arena::layout(buffer));
    w.modify(&mut |w| {
        for spec in layout.params() {
            elements::exchange(&mut w[spec.range()], &mut buffer.as_mut_slice()[spec.range()]);
        }
    });
}

/// Panics where the values have other names or shapes than those met before.
#[track_caller]
pub(crate) fn check_fit<V: Values + ?Sized>(owner: &str, expected: &ParamLayout, values: &V) {
    if !values.fits(expected) {
        let (expected, got) = (describe(expected), describe(&values.layout()));
        panic!("{owner}: expected {expected}, got {got}");
    }
}

/// Names and shapes, for a message.
fn describe(layout: &ParamLayout) -> String {
    let params: Vec<String> =
        layout.params().iter().map(|spec| format!("{}: {:?}", spec.name, spec.shape)).collect();
    params.join(", ")
}
