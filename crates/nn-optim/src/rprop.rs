//! Rprop.

use std::cmp::Ordering::{Equal, Less};

use nn_core::{RangeError, Real, check_range};

use crate::rule::check_learning_rate;
use crate::{Context, Pass, Rule};

/// Rprop, resilient propagation: steps of an own size for each element, of which the gradient gives only the sign.
///
/// With p the gradient of the step before (0 at first) and Δ from Δ₀ = α on,
///
/// Δ ← min(η⁺·Δ, Δ_max) where g·p > 0, max(η⁻·Δ, Δ_min) where g·p < 0, Δ elsewhere.
///
/// What a change of sign, g·p < 0, does beside shrinking Δ distinguishes the variants; elsewhere all of them do
/// w ← w − Δ·sign(g) and p ← g.
///
/// | variant | where g·p < 0 |
/// |-|-|
/// | iRprop⁻, [`new`](Rprop::new) | no move, p ← 0: as `torch.optim.Rprop` |
/// | Rprop⁻, [`minus`](Rprop::minus) | w ← w − Δ·sign(g), p ← g |
/// | Rprop⁺, [`plus`](Rprop::plus) | the move of the step before is undone, p ← 0 |
/// | iRprop⁺, [`improved_plus`](Rprop::improved_plus) | the same if the cost has risen; else no move; p ← 0 |
///
/// iRprop⁺ compares the cost with that of the step before, and so is stepped by
/// [`Optimizer::step_with_cost`](crate::Optimizer::step_with_cost). A cost that is NaN counts as risen.
///
/// | parameter | default | range |
/// |-|-|-|
/// | learning rate α, the first step size | 10⁻² | [0, ∞) |
/// | η⁻, η⁺ | 0.5, 1.2 | 0 < η⁻ < 1 < η⁺ |
/// | Δ_min, Δ_max | 10⁻⁶, 50 | 0 < Δ_min ≤ Δ_max |
///
/// The formula of the first variant and the defaults are those of `torch.optim.Rprop`. The sign of g·p is taken as
/// sign(g)·sign(p), which does not underflow. The learning rate acts only at the first step, and Δ is clamped from
/// that step on.
///
/// **For full batches only.** Between mini-batches the sign of a gradient changes at random, so that step sizes
/// shrink to Δ_min, or a rare large gradient is outvoted by many small ones: take [`RmsProp`](crate::RmsProp)
/// there, which was made for this reason. [`Rule::full_batch_only`] says so to training loops.
///
/// ```
/// use nn_optim::{Optimizer, Rprop};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let mut w = [1.0f64, -2.0];
/// let mut optimizer = Optimizer::new(Rprop::improved_plus(0.1)?);
/// for _ in 0..200 {
///     let cost = w[0] * w[0] + 10.0 * w[1] * w[1];
///     let gradient = [2.0 * w[0], 20.0 * w[1]];
///     optimizer.step_with_cost(&mut w, &gradient, cost);
/// }
/// assert!(w.iter().all(|w| w.abs() < 1e-4));
/// assert!(optimizer.rule().full_batch_only());
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// Riedmiller and Braun 1993, "A direct adaptive method for faster backpropagation learning: the RPROP algorithm";
/// the variants: Igel and Hüsken 2003, "Empirical evaluation of the improved Rprop learning algorithms", section 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rprop {
    learning_rate: f64,
    shrink: f64,
    grow: f64,
    smallest: f64,
    largest: f64,
    variant: Variant,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    Plus,
    Minus,
    ImprovedPlus,
    ImprovedMinus,
}

impl Rprop {
    /// iRprop⁻ with the first step size α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn new(learning_rate: f64) -> Result<Self, RangeError> {
        check_learning_rate("Rprop", learning_rate)?;
        Ok(Rprop { learning_rate, ..Rprop::default() })
    }

    /// Rprop⁺ with the first step size α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn plus(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Rprop { variant: Variant::Plus, ..Rprop::new(learning_rate)? })
    }

    /// Rprop⁻ with the first step size α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn minus(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Rprop { variant: Variant::Minus, ..Rprop::new(learning_rate)? })
    }

    /// iRprop⁺ with the first step size α.
    ///
    /// # Errors
    /// When α is outside [0, ∞).
    pub fn improved_plus(learning_rate: f64) -> Result<Self, RangeError> {
        Ok(Rprop { variant: Variant::ImprovedPlus, ..Rprop::new(learning_rate)? })
    }

    /// Sets η⁻ and η⁺, by which step sizes shrink and grow.
    ///
    /// # Errors
    /// When η⁻ is outside (0, 1) or η⁺ outside (1, ∞).
    pub fn factors(self, shrink: f64, grow: f64) -> Result<Self, RangeError> {
        check_range("Rprop", "shrink", shrink, "(0, 1)", shrink > 0.0 && shrink < 1.0)?;
        check_range("Rprop", "grow", grow, "(1, ∞)", grow > 1.0 && grow.is_finite())?;
        Ok(Rprop { shrink, grow, ..self })
    }

    /// Sets Δ_min and Δ_max, between which step sizes lie.
    ///
    /// # Errors
    /// When Δ_min is outside (0, Δ_max] or Δ_max is infinite.
    pub fn step_sizes(self, smallest: f64, largest: f64) -> Result<Self, RangeError> {
        check_range("Rprop", "largest", largest, "(0, ∞)", largest > 0.0 && largest.is_finite())?;
        check_range("Rprop", "smallest", smallest, "(0, largest]", smallest > 0.0 && smallest <= largest)?;
        Ok(Rprop { smallest, largest, ..self })
    }
}

impl Default for Rprop {
    fn default() -> Self {
        Rprop {
            learning_rate: 1e-2,
            shrink: 0.5,
            grow: 1.2,
            smallest: 1e-6,
            largest: 50.0,
            variant: Variant::ImprovedMinus,
        }
    }
}

impl<F: Real> Rule<F> for Rprop {
    fn name(&self) -> &'static str {
        match self.variant {
            Variant::Plus => "Rprop+",
            Variant::Minus => "Rprop-",
            Variant::ImprovedPlus => "iRprop+",
            Variant::ImprovedMinus => "Rprop",
        }
    }

    fn slots(&self) -> &'static [&'static str] {
        &["prev", "step_size"]
    }

    fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    fn scalars(&self) -> &'static [&'static str] {
        if self.variant == Variant::ImprovedPlus { &["cost", "previous_cost"] } else { &[] }
    }

    fn needs_cost(&self) -> bool {
        self.variant == Variant::ImprovedPlus
    }

    fn take_cost(&self, cost: f64, scalars: &mut [f64]) {
        if let [current, previous] = scalars {
            (*previous, *current) = (*current, cost);
        }
    }

    fn full_batch_only(&self) -> bool {
        true
    }

    fn update(&self, context: Context, pass: Pass<'_, F>) {
        let (resize, zero) = (Resize::new(self), F::zero());
        let first = F::from_f64(if context.step == 1 { context.learning_rate } else { 0.0 });
        match self.variant {
            Variant::ImprovedMinus => pass.each(
                #[inline(always)]
                move |w, g, [p, size]| {
                    let agreement = g.sign() * p.sign();
                    let size = resize.apply(first + size, agreement);
                    let g = if agreement < zero { zero } else { g };
                    (w - size * g.sign(), [g, size])
                },
            ),
            Variant::Minus => pass.each(
                #[inline(always)]
                move |w, g, [p, size]| {
                    let size = resize.apply(first + size, g.sign() * p.sign());
                    (w - size * g.sign(), [g, size])
                },
            ),
            Variant::Plus | Variant::ImprovedPlus => {
                let [cost, previous] = context.scalars;
                let undo = self.variant == Variant::Plus
                    || !matches!(cost.partial_cmp(&previous), Some(Less | Equal));
                let undo = if undo { F::one() } else { zero };
                pass.each(
                    #[inline(always)]
                    move |w, g, [p, last]| {
                        let agreement = g.sign() * p.sign();
                        let size = resize.apply(first + last, agreement);
                        let turned = agreement < zero;
                        let change = if turned { undo * last * p.sign() } else { -size * g.sign() };
                        (w + change, [if turned { zero } else { g }, size])
                    },
                );
            }
        }
    }
}

/// The change of a step size.
#[derive(Clone, Copy)]
struct Resize<F> {
    shrink: F,
    grow: F,
    smallest: F,
    largest: F,
}

impl<F: Real> Resize<F> {
    fn new(rule: &Rprop) -> Self {
        let [shrink, grow, smallest, largest] =
            [rule.shrink, rule.grow, rule.smallest, rule.largest].map(F::from_f64);
        Resize { shrink, grow, smallest, largest }
    }

    /// The new step size, by the sign of the product of the two gradients.
    #[inline(always)]
    fn apply(self, size: F, agreement: F) -> F {
        let factor = if agreement < F::zero() { self.shrink } else { F::one() };
        let factor = if agreement > F::zero() { self.grow } else { factor };
        (size * factor).max(self.smallest).min(self.largest)
    }
}
