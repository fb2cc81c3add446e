//! Series of numbers over a run.

use nn_core::{ExponentialAverage, RangeError};

use crate::At;

/// A number at several moments of a run.
///
/// ```
/// use nn_monitor::{At, Curve};
///
/// let mut curve = Curve::new("train/loss");
/// for (step, loss) in [(0, 4.0), (1, 2.0), (2, f64::NAN), (3, 1.0)] {
///     curve.push(At::new(step, 0.0), loss);
/// }
/// let smooth = curve.smoothed(0.5)?;
/// assert_eq!(smooth.points()[0].1, 4.0); // (1 − β)·4/(1 − β)
/// let second = (0.5 * 0.5 * 4.0 + 0.5 * 2.0) / (1.0 - 0.25);
/// assert!((smooth.points()[1].1 - second).abs() < 1e-14);
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    name: String,
    points: Vec<(At, f64)>,
}

impl Curve {
    /// Without points.
    pub fn new(name: impl Into<String>) -> Self {
        Curve { name: name.into(), points: Vec::new() }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a point, which may be NaN. Moments should not go backwards.
    pub fn push(&mut self, at: At, value: f64) {
        self.points.push((at, value));
    }

    /// Moments and values.
    pub fn points(&self) -> &[(At, f64)] {
        &self.points
    }

    /// The last value.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|point| point.1)
    }

    /// The point with the smallest finite value; of equals the first.
    pub fn min(&self) -> Option<(At, f64)> {
        self.finite().min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// The point with the largest finite value; of equals the first.
    pub fn max(&self) -> Option<(At, f64)> {
        self.finite().min_by(|a, b| b.1.total_cmp(&a.1))
    }

    fn finite(&self) -> impl Iterator<Item = (At, f64)> + '_ {
        self.points.iter().copied().filter(|point| point.1.is_finite())
    }

    /// The exponentially weighted average with bias correction at each point ([`ExponentialAverage`]). Values
    /// that are not finite do not enter the average; they are kept as they are.
    ///
    /// # Errors
    /// When β is outside [0, 1).
    pub fn smoothed(&self, beta: f64) -> Result<Curve, RangeError> {
        let mut average = ExponentialAverage::new(beta)?;
        let mut smooth = |&(at, value): &(At, f64)| {
            if !value.is_finite() {
                return (at, value);
            }
            average.update(value);
            (at, average.value().unwrap_or(value))
        };
        Ok(Curve { name: self.name.clone(), points: self.points.iter().map(&mut smooth).collect() })
    }
}

/// Curves by name, in the order in which they began.
///
/// ```
/// use nn_monitor::{At, Curves};
///
/// let mut curves = Curves::new();
/// curves.push("train/loss", At::new(0, 0.0), 2.0);
/// curves.push("train/loss", At::new(1, 0.5), 1.0);
/// assert_eq!(curves.get("train/loss").unwrap().last(), Some(1.0));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curves {
    curves: Vec<Curve>,
}

impl Curves {
    /// Without curves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a point to the curve of this name, which begins with it if there is none.
    pub fn push(&mut self, name: &str, at: At, value: f64) {
        let curve = match self.curves.iter().position(|curve| curve.name == name) {
            Some(position) => &mut self.curves[position],
            None => {
                self.curves.push(Curve::new(name));
                self.curves.last_mut().expect("one was just added")
            }
        };
        curve.push(at, value);
    }

    /// The curve of this name.
    pub fn get(&self, name: &str) -> Option<&Curve> {
        self.curves.iter().find(|curve| curve.name == name)
    }

    /// All curves.
    pub fn iter(&self) -> std::slice::Iter<'_, Curve> {
        self.curves.iter()
    }
}

impl<'a> IntoIterator for &'a Curves {
    type Item = &'a Curve;
    type IntoIter = std::slice::Iter<'a, Curve>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
