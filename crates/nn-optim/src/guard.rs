//! What happens when a gradient is not finite.

use std::error::Error;
use std::fmt;

use nn_core::{RangeError, Real, check_range};
use nn_ops::sum_squares;

use crate::Values;

/// Watches gradients for infinities and NaN: skips such steps and counts them, or stops with an error that names the
/// parameter.
///
/// Gradients of parameters that are not trained are not looked at, and elements that are merely large pass.
///
/// ```
/// use nn_optim::{Guard, Optimizer, Sgd};
///
/// let (mut w, mut sgd, mut guard) = ([1.0f32, 2.0], Optimizer::new(Sgd::default()), Guard::skip());
/// for g in [[0.5, f32::NAN], [0.5, 0.5]] {
///     if guard.check(&g).unwrap() {
///         sgd.step(&mut w, &g);
///     }
/// }
/// assert_eq!((sgd.steps(), guard.skipped()), (1, 1));
///
/// let message = Guard::stop().check(&[0.0, f64::INFINITY]).unwrap_err().to_string();
/// assert_eq!(message, "the gradient of `w` holds inf at [1], after 0 skipped steps in a row");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Guard {
    /// Steps in a row that may be skipped.
    patience: u64,
    skipped: u64,
    in_a_row: u64,
}

/// A gradient that is not finite.
#[derive(Clone, Debug, PartialEq)]
pub struct NonFiniteError {
    /// The first parameter, in the order of the layout, whose gradient is not finite; `w` for an array that stands
    /// alone.
    pub parameter: String,
    /// Where in it the first such element stands.
    pub index: Vec<usize>,
    /// The element.
    pub value: f64,
    /// The steps skipped just before this one.
    pub in_a_row: u64,
}

impl fmt::Display for NonFiniteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NonFiniteError { parameter, index, value, in_a_row } = self;
        write!(
            f,
            "the gradient of `{parameter}` holds {value} at {index:?}, after {in_a_row} skipped steps in a row"
        )
    }
}

impl Error for NonFiniteError {}

impl Guard {
    /// A guard that skips steps, as many as there are.
    pub fn skip() -> Self {
        Guard { patience: u64::MAX, skipped: 0, in_a_row: 0 }
    }

    /// A guard that stops at the first gradient that is not finite.
    pub fn stop() -> Self {
        Guard { patience: 0, ..Guard::skip() }
    }

    /// A guard that skips this many steps in a row and stops at the next.
    ///
    /// # Errors
    /// When `steps` is 0; that is [`Guard::stop`].
    pub fn skip_at_most(steps: u64) -> Result<Self, RangeError> {
        check_range("Guard", "steps", steps as f64, "[1, ∞)", steps > 0)?;
        Ok(Guard { patience: steps, ..Guard::skip() })
    }

    /// The number of steps skipped.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The number of steps skipped since the last that was not.
    pub fn in_a_row(&self) -> u64 {
        self.in_a_row
    }

    /// The same guard with the counts that were saved.
    #[must_use]
    pub fn resume(self, skipped: u64, in_a_row: u64) -> Self {
        Guard { skipped, in_a_row, ..self }
    }

    /// Whether the step with this gradient may be taken; where not, it counts as skipped.
    ///
    /// # Errors
    /// When the gradient is not finite and the guard skips no more steps.
    pub fn check<G: Values + ?Sized>(&mut self, g: &G) -> Result<bool, NonFiniteError> {
        let Some((parameter, index, value)) = first_non_finite(g) else {
            self.in_a_row = 0;
            return Ok(true);
        };
        if self.in_a_row >= self.patience {
            return Err(NonFiniteError { parameter, index, value, in_a_row: self.in_a_row });
        }
        self.skipped += 1;
        self.in_a_row += 1;
        Ok(false)
    }
}

/// The name, the place and the value of the first element that is not finite.
fn first_non_finite<G: Values + ?Sized>(g: &G) -> Option<(String, Vec<usize>, f64)> {
    let (layout, g) = (g.layout(), g.read());
    layout.params().iter().filter(|spec| spec.role.is_trained()).find_map(|spec| {
        let g = &g[spec.range()];
        if sum_squares(g).is_finite() {
            return None; // one vectorised pass; squares of finite numbers may overflow, so look closer where not
        }
        let at = g.iter().position(|x| !x.is_finite())?;
        Some((spec.name.clone(), place(at, &spec.shape), g[at].to_f64()))
    })
}

/// The indices of the element at this position in standard order.
fn place(mut at: usize, shape: &[usize]) -> Vec<usize> {
    let mut index: Vec<usize> = shape
        .iter()
        .rev()
        .map(|&len| {
            let i = at % len;
            at /= len;
            i
        })
        .collect();
    index.reverse();
    index
}
