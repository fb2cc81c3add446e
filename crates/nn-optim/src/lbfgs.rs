//! L-BFGS.

use std::collections::VecDeque;

use nn_core::{RangeError, Real, check_range};
use nn_ops::dot;

use crate::clip::largest;
use crate::wolfe::{Line, Trial, search};

/// L-BFGS, the limited-memory method of Broyden, Fletcher, Goldfarb and Shanno, with a line search that ends where the
/// strong Wolfe conditions hold: for costs that are the same function at every evaluation, such as that of a full batch.
///
/// The direction is −H·g, where H approximates the inverse of the curvature by the last `history` pairs of
/// s = Δw and y = Δg, beginning with γ·I, γ = sᵀy/yᵀy. The step length a along the direction d satisfies
///
/// f(w + a·d) ≤ f(w) + c₁·a·dᵀ∇f(w) and |dᵀ∇f(w + a·d)| ≤ c₂·|dᵀ∇f(w)|, with c₁ = 10⁻⁴ and c₂ = 0.9.
///
/// a = 1 is tried first, and min(1, 1/‖g‖₁) while there are no pairs. A pair with sᵀy ≤ 10⁻¹⁰·yᵀy is left out. When the
/// search fails, the history is dropped and steepest descent tried, before giving up.
///
/// | parameter | default | range | in PyTorch |
/// |-|-|-|-|
/// | `history`, pairs kept | 10 | [1, ∞) | 100 |
/// | `max_iterations` | 1000 | [0, ∞) | 20 per call of `step` |
/// | `max_evaluations` of the cost, checked between iterations | 5/4 of `max_iterations` | [1, ∞) | the same |
/// | `tolerance_gradient` | 10⁻⁷ | [0, ∞) | the same |
/// | `tolerance_change` | 10⁻⁹ | [0, ∞) | the same |
///
/// It stops as soon as the largest magnitude in the gradient is at most `tolerance_gradient`, or the cost or every
/// parameter changes by at most `tolerance_change` in an iteration. The tolerances suit `f64`; in `f32` it
/// usually ends by the change of the cost or by the line search. Nothing but the parameters is kept between calls.
///
/// ```
/// use nn_optim::Lbfgs;
///
/// let mut w = [-1.2, 1.0];
/// let report = Lbfgs::default().minimize(&mut w, |w, g| {
///     let (a, b) = (1.0 - w[0], w[1] - w[0] * w[0]); // Rosenbrock's function
///     g[0] = -2.0 * a - 400.0 * w[0] * b;
///     g[1] = 200.0 * b;
///     a * a + 100.0 * b * b
/// });
/// assert!(report.converged() && report.evaluations < 60, "{report:?}");
/// assert!(w.iter().all(|x: &f64| (x - 1.0).abs() < 1e-6));
/// ```
///
/// # Source
/// Nocedal and Wright 2006, "Numerical optimization", algorithms 7.4 and 7.5, equation 7.20; 3.5 and 3.6 for the line
/// search. The first step length and the tolerances are those of `torch.optim.LBFGS`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lbfgs {
    history: usize,
    max_iterations: u64,
    max_evaluations: Option<u64>,
    tolerance_gradient: f64,
    tolerance_change: f64,
}

/// Why [`Lbfgs::minimize`] stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The largest magnitude in the gradient is at most `tolerance_gradient`.
    Gradient,
    /// The cost, or every parameter, changed by at most `tolerance_change`.
    Change,
    /// So many iterations were allowed.
    MaxIterations,
    /// As many evaluations of the cost as allowed, or more, were made.
    MaxEvaluations,
    /// No step along the direction of steepest descent lowers the cost: it is not smooth there, the gradient is wrong,
    /// or the precision is exhausted.
    LineSearch,
    /// The cost or the gradient is not finite where it began.
    NonFinite,
}

/// How [`Lbfgs::minimize`] ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Minimum {
    /// The cost at the parameters reached.
    pub cost: f64,
    /// The largest magnitude in the gradient there.
    pub gradient: f64,
    /// The number of directions followed.
    pub iterations: u64,
    /// The number of evaluations of the cost.
    pub evaluations: u64,
    /// Why it stopped.
    pub stop: Stop,
}

impl Minimum {
    /// Whether a tolerance was reached.
    pub fn converged(&self) -> bool {
        matches!(self.stop, Stop::Gradient | Stop::Change)
    }
}

impl Default for Lbfgs {
    fn default() -> Self {
        Lbfgs {
            history: 10,
            max_iterations: 1000,
            max_evaluations: None,
            tolerance_gradient: 1e-7,
            tolerance_change: 1e-9,
        }
    }
}

const NAME: &str = "Lbfgs";

impl Lbfgs {
    /// Sets the number of pairs that are kept; each takes two copies of the parameters.
    ///
    /// # Errors
    /// When it is 0.
    pub fn history(self, history: usize) -> Result<Self, RangeError> {
        check_range(NAME, "history", history as f64, "[1, ∞)", history > 0)?;
        Ok(Lbfgs { history, ..self })
    }

    /// Sets the largest number of iterations.
    #[must_use]
    pub fn max_iterations(self, max_iterations: u64) -> Self {
        Lbfgs { max_iterations, ..self }
    }

    /// Sets the number of evaluations of the cost after which no further iteration begins; a line search takes up to 26.
    ///
    /// # Errors
    /// When it is 0.
    pub fn max_evaluations(self, max_evaluations: u64) -> Result<Self, RangeError> {
        check_range(NAME, "max_evaluations", max_evaluations as f64, "[1, ∞)", max_evaluations > 0)?;
        Ok(Lbfgs { max_evaluations: Some(max_evaluations), ..self })
    }

    /// Sets the largest magnitude in the gradient at which it stops.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn tolerance_gradient(self, tolerance_gradient: f64) -> Result<Self, RangeError> {
        check_tolerance("tolerance_gradient", tolerance_gradient)?;
        Ok(Lbfgs { tolerance_gradient, ..self })
    }

    /// Sets the change of the cost, or of all parameters, at which it stops.
    ///
    /// # Errors
    /// When it is outside [0, ∞).
    pub fn tolerance_change(self, tolerance_change: f64) -> Result<Self, RangeError> {
        check_tolerance("tolerance_change", tolerance_change)?;
        Ok(Lbfgs { tolerance_change, ..self })
    }

    /// Minimises `cost`, which writes the gradient at its first argument into its second and returns the cost, from
    /// `w` on; leaves the best parameters found in `w`.
    ///
    /// Where a trial step meets a cost that is not finite, a shorter one is tried. The gradient is handed over as the last
    /// call left it; write, not add to it.
    pub fn minimize<F: Real>(&self, w: &mut [F], mut cost: impl FnMut(&[F], &mut [F]) -> f64) -> Minimum {
        let mut gradient = vec![F::zero(); w.len()];
        let value = cost(w, &mut gradient);
        let mut run = Run {
            settings: self,
            origin: w.to_vec(),
            direction: vec![F::zero(); w.len()],
            trial_gradient: gradient.clone(),
            gradient,
            pairs: VecDeque::new(),
            spare: None,
            value,
            evaluations: 1,
        };
        let mut iterations = 0;
        let stop = loop {
            if let Some(stop) = run.limit(iterations) {
                break stop;
            }
            match run.iterate(w, &mut cost) {
                Ok(None) => iterations += 1,
                Ok(Some(stop)) => {
                    iterations += 1;
                    break stop;
                }
                Err(()) if run.pairs.is_empty() => break Stop::LineSearch,
                Err(()) => run.pairs.clear(),
            }
        };
        let (cost, gradient, evaluations) = (run.value, largest(&run.gradient), run.evaluations);
        Minimum { cost, gradient, iterations, evaluations, stop }
    }
}

fn check_tolerance(field: &'static str, tolerance: f64) -> Result<(), RangeError> {
    check_range(NAME, field, tolerance, "[0, ∞)", (0.0..f64::INFINITY).contains(&tolerance))
}

/// s = Δw, y = Δg and 1/sᵀy of an iteration.
struct Pair<F> {
    s: Vec<F>,
    y: Vec<F>,
    rho: F,
}

/// A minimisation under way.
struct Run<'a, F> {
    settings: &'a Lbfgs,
    /// The parameters before the line search, their cost and gradient.
    origin: Vec<F>,
    value: f64,
    gradient: Vec<F>,
    direction: Vec<F>,
    trial_gradient: Vec<F>,
    /// The oldest in front.
    pairs: VecDeque<Pair<F>>,
    /// Memory for the next pair.
    spare: Option<Pair<F>>,
    evaluations: u64,
}

impl<F: Real> Run<'_, F> {
    fn limit(&self, iterations: u64) -> Option<Stop> {
        let Lbfgs { max_iterations, max_evaluations, tolerance_gradient, .. } = *self.settings;
        let gradient = largest(&self.gradient);
        let max_evaluations =
            max_evaluations.unwrap_or(max_iterations.saturating_add(max_iterations / 4).max(1));
        if !(gradient.is_finite() && self.value.is_finite()) {
            Some(Stop::NonFinite)
        } else if gradient <= tolerance_gradient {
            Some(Stop::Gradient)
        } else if iterations >= max_iterations {
            Some(Stop::MaxIterations)
        } else if self.evaluations >= max_evaluations {
            Some(Stop::MaxEvaluations)
        } else {
            None
        }
    }

    /// Searches along one direction and goes there; `Err` where no better point is found, with `w` as it was.
    fn iterate(
        &mut self,
        w: &mut [F],
        cost: &mut impl FnMut(&[F], &mut [F]) -> f64,
    ) -> Result<Option<Stop>, ()> {
        self.set_direction();
        let mut slope = dot(&self.gradient, &self.direction).to_f64();
        if !(slope < 0.0 && slope.is_finite()) {
            self.pairs.clear();
            self.set_direction();
            slope = dot(&self.gradient, &self.direction).to_f64();
        }
        let sum = || self.gradient.iter().map(|g| g.abs().to_f64()).sum::<f64>();
        let length = if self.pairs.is_empty() { (1.0 / sum()).min(1.0) } else { 1.0 };
        let start = Trial { length: 0.0, cost: self.value, slope };
        let resolution = self.settings.tolerance_change / largest(&self.direction);
        let Run { origin, direction, trial_gradient, evaluations, .. } = self;
        let mut line = Line::new(start, resolution, |length| {
            let a = F::from_f64(length);
            for (w, (&x, &d)) in w.iter_mut().zip(origin.iter().zip(direction.iter())) {
                *w = x + a * d;
            }
            *evaluations += 1;
            let cost = cost(w, trial_gradient);
            Trial { length, cost, slope: dot(trial_gradient, direction).to_f64() }
        });
        let Some(end) = search(&mut line, length) else {
            w.copy_from_slice(&self.origin);
            return Err(());
        };
        self.remember(w);
        let moved = largest(&self.direction) * end.length;
        let change = (end.cost - self.value).abs();
        self.origin.copy_from_slice(w);
        std::mem::swap(&mut self.gradient, &mut self.trial_gradient);
        self.value = end.cost;
        let tolerance = self.settings.tolerance_change;
        let flat = largest(&self.gradient) <= self.settings.tolerance_gradient;
        let stop = if flat { Stop::Gradient } else { Stop::Change };
        Ok((flat || moved <= tolerance || change <= tolerance).then_some(stop))
    }

    /// Keeps the pair of the step from `origin` to `w`, and drops the oldest where there are too many.
    fn remember(&mut self, w: &[F]) {
        let mut pair =
            self.spare.take().unwrap_or_else(|| Pair { s: w.to_vec(), y: w.to_vec(), rho: F::zero() });
        for (i, &w) in w.iter().enumerate() {
            pair.s[i] = w - self.origin[i];
            pair.y[i] = self.trial_gradient[i] - self.gradient[i];
        }
        let product = dot(&pair.s, &pair.y);
        pair.rho = F::one() / product;
        if product > F::from_f64(1e-10) * dot(&pair.y, &pair.y) && pair.rho.is_finite() {
            self.pairs.push_back(pair);
            let full = self.pairs.len() > self.settings.history;
            self.spare = if full { self.pairs.pop_front() } else { None };
        } else {
            self.spare = Some(pair);
        }
    }

    /// The direction −H·g by the two loops over the pairs, algorithm 7.4.
    fn set_direction(&mut self) {
        let q = &mut self.direction;
        for (q, &g) in q.iter_mut().zip(&self.gradient) {
            *q = -g;
        }
        let mut shares = Vec::with_capacity(self.pairs.len());
        for Pair { s, y, rho } in self.pairs.iter().rev() {
            let share = *rho * dot(s, q);
            add_scaled(q, -share, y);
            shares.push(share);
        }
        if let Some(Pair { y, rho, .. }) = self.pairs.back() {
            let gamma = F::one() / (*rho * dot(y, y));
            q.iter_mut().for_each(|q| *q *= gamma);
        }
        for (Pair { s, y, rho }, share) in self.pairs.iter().zip(shares.into_iter().rev()) {
            let back = *rho * dot(y, q);
            add_scaled(q, share - back, s);
        }
    }
}

/// x ← x + a·y.
fn add_scaled<F: Real>(x: &mut [F], a: F, y: &[F]) {
    x.iter_mut().zip(y).for_each(|(x, &y)| *x += a * y);
}

#[cfg(test)]
mod tests {
    use super::{Lbfgs, Run};
    use ndarray::{Array1, Array2};
    use std::collections::VecDeque;

    /// The matrix H of algorithm 7.4, built up by equation 6.17 from γ·I.
    #[test]
    fn the_two_loops_multiply_by_the_matrix() {
        let n = 5;
        let column = |seed: f64| Array1::from_shape_fn(n, |i| (seed * (i + 1) as f64).sin());
        let gradient = column(0.3);
        let settings = Lbfgs::default().history(3).unwrap();
        let mut run = Run {
            settings: &settings,
            origin: vec![0.0; n],
            value: 0.0,
            gradient: vec![0.0; n],
            direction: vec![0.0; n],
            trial_gradient: vec![0.0; n],
            pairs: VecDeque::new(),
            spare: None,
            evaluations: 0,
        };
        let mut kept = Vec::new();
        for k in 1..=5 {
            let s = column(0.7 + k as f64);
            let y = Array1::from_shape_fn(n, |i| (i + 1) as f64 * s[i]) + 0.1 * &column(s.sum());
            assert!(s.dot(&y) > 0.0);
            run.trial_gradient = y.to_vec();
            run.remember(&s.to_vec());
            kept.push((s, y));
        }
        run.remember(&vec![0.0; n]); // without curvature, so it is left out
        let identity = || Array2::<f64>::eye(n);
        let outer = |a: &Array1<f64>, b: &Array1<f64>| Array2::from_shape_fn((n, n), |(i, j)| a[i] * b[j]);
        let pairs = &kept[2..];
        let (s, y) = pairs.last().unwrap();
        let mut h = identity() * (s.dot(y) / y.dot(y));
        for (s, y) in pairs {
            let rho = 1.0 / s.dot(y);
            let left = identity() - rho * outer(s, y);
            h = left.dot(&h).dot(&left.t()) + rho * outer(s, s);
        }
        run.gradient = gradient.to_vec();
        run.set_direction();
        let expected = -h.dot(&gradient);
        assert!(run.direction.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}
