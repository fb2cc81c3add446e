//! Lookahead.

use nn_core::{Arena, RangeError, Real, check_range};

use crate::buffer::{check_fit, copy_of, move_towards, write_into};
use crate::state::check_layout;
use crate::{BufferState, Optimizer, State, StateError, Values, ValuesMut};

/// Lookahead: slow weights φ that follow the fast weights θ of an optimizer.
///
/// θ moves by the optimizer; after every k-th step φ ← φ + α·(θ − φ) and θ ← φ. φ begins at the initial weights. The
/// optimizer keeps its slots when θ jumps. Parameters that a group of the optimizer excludes, and running statistics, are
/// left as they are: θ does not return to φ there.
///
/// | parameter | default | range |
/// |-|-|-|
/// | k, `every` | 5 | [1, ∞) |
/// | α, `share` | 0.5 | (0, 1] |
///
/// ```
/// use nn_optim::{Lookahead, Optimizer, Sgd};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut lookahead = Lookahead::new(Optimizer::new(Sgd::new(1.0)?)).every(2)?;
/// let mut w = [0.0f32];
/// lookahead.step(&mut w, &[1.0]);
/// assert_eq!(w, [-1.0]);
/// lookahead.step(&mut w, &[1.0]); // −2, and half of the way back
/// assert_eq!(w, [-1.0]);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Zhang, Lucas, Hinton and Ba 2019, "Lookahead optimizer: k steps forward, 1 step back", algorithm 1.
#[derive(Clone, Debug)]
pub struct Lookahead<F: Real> {
    optimizer: Optimizer<F>,
    every: u64,
    share: f64,
    /// Steps since θ was φ.
    count: u64,
    slow: Option<Arena<F>>,
}

/// The state of [`Lookahead`].
#[derive(Clone, Debug, PartialEq)]
pub struct LookaheadState<F: Real> {
    /// That of the optimizer.
    pub optimizer: State<F>,
    /// The slow weights, and the number of steps since they were last followed.
    pub slow: BufferState<F>,
}

const NAME: &str = "Lookahead";

impl<F: Real> Lookahead<F> {
    /// Around this optimizer.
    pub fn new(optimizer: Optimizer<F>) -> Self {
        Lookahead { optimizer, every: 5, share: 0.5, count: 0, slow: None }
    }

    /// Sets k, the number of fast steps to a slow one.
    ///
    /// # Errors
    /// When k is 0.
    pub fn every(self, every: u64) -> Result<Self, RangeError> {
        check_range(NAME, "every", every as f64, "[1, ∞)", every > 0)?;
        Ok(Lookahead { every, ..self })
    }

    /// Sets α, the share of the way that the slow weights go.
    ///
    /// # Errors
    /// When α is outside (0, 1].
    pub fn share(self, share: f64) -> Result<Self, RangeError> {
        check_range(NAME, "share", share, "(0, 1]", share > 0.0 && share <= 1.0)?;
        Ok(Lookahead { share, ..self })
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer<F> {
        &self.optimizer
    }

    /// The optimizer, for example to set its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer<F> {
        &mut self.optimizer
    }

    /// The slow weights; none before the first step.
    pub fn slow(&self) -> Option<&Arena<F>> {
        self.slow.as_ref()
    }

    /// Moves the parameters `w` one step, given their gradient `g`.
    ///
    /// # Panics
    /// As [`Optimizer::step`].
    #[track_caller]
    pub fn step<W, G>(&mut self, w: &mut W, g: &G)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        self.step_scaled(w, g, 1.0);
    }

    /// As [`step`](Lookahead::step), with the gradient multiplied by `scale` on the way.
    ///
    /// # Panics
    /// As [`Optimizer::step_scaled`].
    #[track_caller]
    pub fn step_scaled<W, G>(&mut self, w: &mut W, g: &G, scale: f64)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        let slow = self.slow.get_or_insert_with(|| copy_of(w));
        check_fit(NAME, Arena::layout(slow), w);
        self.optimizer.step_scaled(w, g, scale);
        self.count += 1;
        if self.count >= self.every {
            self.count = 0;
            move_towards(slow, w, F::from_f64(self.share));
            let optimizer = &self.optimizer;
            write_into(slow, w, |spec| optimizer.steps_param(spec));
        }
    }

    /// A copy of the state, to be saved.
    pub fn state(&self) -> LookaheadState<F> {
        let slow = BufferState::new(NAME, self.count, self.slow.as_ref());
        LookaheadState { optimizer: self.optimizer.state(), slow }
    }

    /// Goes on from a saved state, made with the same settings.
    ///
    /// # Errors
    /// As [`Optimizer::load_state`], for the slow weights too, which must have the parameters of the optimizer; nothing is
    /// loaded then.
    pub fn load_state(&mut self, state: &LookaheadState<F>) -> Result<(), StateError> {
        let saved = state.optimizer.slots.values().next().map(Arena::layout);
        let own = self.slow.as_ref().map(Arena::layout).or(self.optimizer.layout()).or(saved);
        let slow = state.slow.load(NAME, "slow", own)?;
        if let Some(own) = own {
            let mut slots = state.optimizer.slots.iter();
            slots.try_for_each(|(slot, arena)| check_layout(slot, own, Arena::layout(arena)))?;
        }
        self.optimizer.load_state(&state.optimizer)?;
        (self.slow, self.count) = (slow, state.slow.count);
        Ok(())
    }
}
