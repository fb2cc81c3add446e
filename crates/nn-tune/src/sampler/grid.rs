//! All points of a grid.

use std::collections::BTreeSet;

use nn_core::{RangeError, check_range};

use super::Sampler;
use crate::{Condition, Direction, Domain, Parameter, Params, Scale, Space, Trial, Value};

/// All points of a grid, one after the other.
///
/// Of numbers it takes so many `points`, evenly on their scale, both ends among them (all of those that have fewer
/// values); of choices, all. The last hyperparameter of the space changes first, as in nested loops. Hyperparameters that
/// are not there make no points of their own. A trial has the first point that no other trial has; when all have been
/// tried, the grid begins again: a study is done after [`len`](Grid::len) trials.
///
/// The number of points grows with the power of the number of hyperparameters, and of each hyperparameter only so many
/// values are tried: [`Random`](super::Random) is better where only some of them matter.
///
/// ```
/// use nn_tune::{Space, sampler::Grid};
///
/// let space = Space::new().log_uniform("learning_rate", 1e-4, 1.0)?.integer("layers", 1, 3)?;
/// let grid = Grid::new(5)?;
/// assert_eq!(grid.len(&space), 15);
/// let learning_rates: Vec<f64> =
///     (0..15).step_by(3).map(|i| grid.point(&space, i).get("learning_rate")).collect::<Result<_, _>>()?;
/// assert_eq!(learning_rates, [1e-4, 1e-3, 1e-2, 1e-1, 1.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Source
/// Bergstra and Bengio 2012, "Random search for hyper-parameter optimization", section 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    points: u64,
}

impl Grid {
    /// With so many points of each number: at least 1, which is the middle.
    ///
    /// # Errors
    /// When `points` is 0.
    pub fn new(points: u64) -> Result<Self, RangeError> {
        check_range("Grid", "points", points as f64, "[1, ∞)", points >= 1)?;
        Ok(Grid { points })
    }

    /// How many points there are: [`u64::MAX`] when there are more.
    pub fn len(&self, space: &Space) -> u64 {
        count(&self.axes(space), &mut Params::new())
    }

    /// The point of this number, from 0; after the last one the first comes again.
    pub fn point(&self, space: &Space, number: u64) -> Params {
        let axes = self.axes(space);
        let mut params = Params::new();
        let mut rest = number % count(&axes, &mut params);
        for (i, axis) in axes.iter().enumerate() {
            if !axis.parameter.is_active(&params) {
                continue;
            }
            for value in &axis.values {
                params.insert(&axis.parameter.name, value.clone());
                let below = count(&axes[i + 1..], &mut params);
                if rest < below {
                    break;
                }
                rest -= below;
            }
        }
        params
    }

    /// The number of a point; `None` of one beside the grid.
    fn number(axes: &[Axis<'_>], point: &Params) -> Option<u64> {
        let mut params = Params::new();
        let mut number = 0_u64;
        for (i, axis) in axes.iter().enumerate() {
            if !axis.parameter.is_active(&params) {
                continue;
            }
            let given = point.value(&axis.parameter.name)?;
            let place = axis.values.iter().position(|value| value.is_same(given))?;
            for value in &axis.values[..place] {
                params.insert(&axis.parameter.name, value.clone());
                number = number.saturating_add(count(&axes[i + 1..], &mut params));
            }
            params.insert(&axis.parameter.name, axis.values[place].clone());
        }
        Some(number)
    }

    fn axes<'a>(&self, space: &'a Space) -> Vec<Axis<'a>> {
        let parameters = space.parameters();
        let axis = |(i, parameter): (usize, &'a Parameter)| {
            let looks_here = |(name, _): &(String, Condition)| *name == parameter.name;
            Axis {
                parameter,
                values: values(&parameter.domain, self.points),
                decides: parameters[i + 1..].iter().any(|later| later.conditions.iter().any(looks_here)),
            }
        };
        parameters.iter().enumerate().map(axis).collect()
    }
}

impl Sampler for Grid {
    fn sample(&self, space: &Space, _: Direction, trials: &[Trial], number: u64) -> Params {
        let axes = self.axes(space);
        let others = trials.iter().filter(|trial| trial.number != number);
        let tried: BTreeSet<u64> = others.filter_map(|trial| Grid::number(&axes, &trial.params)).collect();
        // The first number that is not in the ordered set.
        let free = tried.iter().zip(0..).take_while(|&(&tried, i)| tried == i).count() as u64;
        self.point(space, if free < self.len(space) { free } else { number })
    }
}

/// A hyperparameter, and the values of it on the grid.
struct Axis<'a> {
    parameter: &'a Parameter,
    values: Vec<Value>,
    /// Whether others are there only for some of the values.
    decides: bool,
}

/// How many points there are of these, given the values before them.
fn count(axes: &[Axis<'_>], params: &mut Params) -> u64 {
    let Some((axis, later)) = axes.split_first() else { return 1 };
    if !axis.parameter.is_active(params) {
        return count(later, params);
    }
    if !axis.decides {
        return count(later, params).saturating_mul(axis.values.len() as u64);
    }
    let mut sum = 0_u64;
    for value in &axis.values {
        params.insert(&axis.parameter.name, value.clone());
        sum = sum.saturating_add(count(later, params));
    }
    params.remove(&axis.parameter.name);
    sum
}

/// With 13 digits, where it then is a value still: 0.001, not 0.0010000000000000002.
fn written_short(domain: &Domain, value: Value) -> Value {
    let short = value.as_f64().and_then(|x| format!("{x:.12e}").parse().ok()).map(Value::Float);
    short.filter(|short| domain.contains(short)).unwrap_or(value)
}

/// The values of a domain on a grid, the lowest first.
fn values(domain: &Domain, points: u64) -> Vec<Value> {
    // The place of a point between both ends; one point is in the middle.
    let place = |i: u64| if points == 1 { 0.5 } else { i as f64 / (points - 1) as f64 };
    match (domain, domain.cardinality()) {
        (_, None) => (0..points).map(|i| written_short(domain, domain.from_unit(place(i)))).collect(),
        (Domain::Choice { choices }, _) => choices.clone(),
        (&Domain::Int { low, high, scale: Scale::Log, step }, Some(count)) if count > points => {
            let [from, to] = [low, high].map(|x| (x as f64).ln());
            let nearest = |i| {
                let x = (from + place(i) * (to - from)).exp();
                domain.nth((((x - low as f64) / step as f64).round() as u64).min(count - 1))
            };
            let mut values: Vec<Value> = (0..points).map(nearest).collect();
            values.dedup();
            values
        }
        (_, Some(count)) => {
            let points = points.min(count);
            let place = |i: u64| if points == 1 { 0.5 } else { i as f64 / (points - 1) as f64 };
            let position = |i| ((place(i) * (count - 1) as f64).round() as u64).min(count - 1);
            (0..points).map(|i| domain.nth(position(i))).collect()
        }
    }
}
