//! Sharpness-aware minimisation.

use nn_core::{Arena, RangeError, Real, check_range};

use crate::buffer::{check_fit, copy_of, read_into, write_into};
use crate::clip::norm;
use crate::{Optimizer, State, StateError, Values, ValuesMut, elements};

/// What the norm is raised by before it divides, as in the usual implementations.
const EPSILON: f64 = 1e-12;

/// SAM: steps by the gradient at the worst point nearby, and so seeks flat minima.
///
/// Each step takes two gradients. [`perturb`](Sam::perturb) moves the weights to w + ρ·g/(‖g‖ + 10⁻¹²), with the norm
/// over all parameters that the optimizer steps: neither running statistics nor what a group excludes count or move.
/// [`step`](Sam::step) brings them back, to the bit, and moves them by the gradient at that point.
///
/// The radius ρ lies in [0, ∞); the default is 0.05.
///
/// ```
/// use nn_optim::{Optimizer, Sam, Sgd};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let gradient = |w: &[f64; 2]| [2.0 * w[0], 20.0 * w[1]];
/// let mut sam = Sam::new(Optimizer::new(Sgd::new(0.02)?));
/// let mut w = [1.0, 1.0];
/// for _ in 0..200 {
///     let g = gradient(&w);
///     sam.perturb(&mut w, &g);
///     let g = gradient(&w); // at the perturbed point
///     sam.step(&mut w, &g);
/// }
/// assert!(w[0].abs() < 0.05 && w[1].abs() < 0.05);
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Foret, Kleiner, Mobahi and Neyshabur 2021, "Sharpness-aware minimization for efficiently improving generalization",
/// algorithm 1 and equation 2 with p = 2.
#[derive(Clone, Debug)]
pub struct Sam<F: Real> {
    optimizer: Optimizer<F>,
    rho: f64,
    /// The weights before they were perturbed.
    saved: Option<Arena<F>>,
    perturbed: bool,
}

const NAME: &str = "Sam";

impl<F: Real> Sam<F> {
    /// Around this optimizer.
    pub fn new(optimizer: Optimizer<F>) -> Self {
        Sam { optimizer, rho: 0.05, saved: None, perturbed: false }
    }

    /// Sets the radius ρ.
    ///
    /// # Errors
    /// When ρ is outside [0, ∞).
    pub fn rho(self, rho: f64) -> Result<Self, RangeError> {
        check_range(NAME, "rho", rho, "[0, ∞)", (0.0..f64::INFINITY).contains(&rho))?;
        Ok(Sam { rho, ..self })
    }

    /// The optimizer.
    pub fn optimizer(&self) -> &Optimizer<F> {
        &self.optimizer
    }

    /// The optimizer, for example to set its learning rate.
    pub fn optimizer_mut(&mut self) -> &mut Optimizer<F> {
        &mut self.optimizer
    }

    /// Moves the weights to the worst point nearby, given the gradient at `w`, and returns that gradient's norm.
    ///
    /// With a norm that is 0 or not finite they stay where they are.
    ///
    /// # Panics
    /// When the weights are perturbed already, or the shapes of `w` and `g` differ or are not those of the steps before.
    #[track_caller]
    pub fn perturb<W, G>(&mut self, w: &mut W, g: &G) -> f64
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        assert!(!self.perturbed, "Sam: perturb was called twice without a step between");
        match &mut self.saved {
            Some(saved) => {
                check_fit(NAME, Arena::layout(saved), w);
                check_fit(NAME, Arena::layout(saved), g);
                read_into(w, saved);
            }
            None => {
                check_fit(NAME, &w.layout(), g);
                self.saved = Some(copy_of(w));
            }
        }
        self.perturbed = true;
        let (layout, g, optimizer) = (w.layout(), g.read(), &self.optimizer);
        let stepped = || layout.params().iter().filter(|spec| optimizer.steps_param(spec));
        let norm = norm(|| stepped().map(|spec| &g[spec.range()]));
        if norm > 0.0 && norm.is_finite() {
            let scale = F::from_f64(self.rho / (norm + EPSILON));
            w.modify(&mut |w| {
                for spec in stepped() {
                    elements::combine(
                        &mut w[spec.range()],
                        &g[spec.range()],
                        #[inline(always)]
                        move |w, g| w + scale * g,
                    );
                }
            });
        }
        norm
    }

    /// Brings the weights back to where they were and moves them one step by `g`, the gradient at the perturbed point.
    ///
    /// # Panics
    /// When the weights are not perturbed, and as [`Optimizer::step`].
    #[track_caller]
    pub fn step<W, G>(&mut self, w: &mut W, g: &G)
    where
        W: ValuesMut<Elem = F> + ?Sized,
        G: Values<Elem = F> + ?Sized,
    {
        assert!(self.perturbed, "Sam: step was called without perturb before it");
        self.restore(w);
        self.optimizer.step(w, g);
    }

    /// Brings the weights back without a step, for example when the second gradient is not finite; running statistics
    /// stay as they are. Nothing happens where the weights are not perturbed.
    ///
    /// # Panics
    /// When the shape of `w` is not that of the steps before.
    #[track_caller]
    pub fn restore<W: ValuesMut<Elem = F> + ?Sized>(&mut self, w: &mut W) {
        if let Some(saved) = self.saved.as_ref().filter(|_| self.perturbed) {
            check_fit(NAME, Arena::layout(saved), w);
            let optimizer = &self.optimizer;
            write_into(saved, w, |spec| optimizer.steps_param(spec));
            self.perturbed = false;
        }
    }

    /// A copy of the state, to be saved between steps: that of the optimizer, since SAM itself keeps nothing from step
    /// to step.
    pub fn state(&self) -> State<F> {
        self.optimizer.state()
    }

    /// Goes on from a saved state, with weights that are not perturbed.
    ///
    /// # Errors
    /// As [`Optimizer::load_state`].
    pub fn load_state(&mut self, state: &State<F>) -> Result<(), StateError> {
        self.optimizer.load_state(state)?;
        (self.saved, self.perturbed) = (None, false);
        Ok(())
    }
}
