//! The line search for the strong Wolfe conditions.

/// c₁ of the sufficient decrease.
const DECREASE: f64 = 1e-4;

/// c₂ of the curvature condition.
const CURVATURE: f64 = 0.9;

/// The most trials of a search, as in PyTorch.
const MAX_TRIALS: usize = 25;

/// Cost and slope at a step length along the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trial {
    pub(crate) length: f64,
    pub(crate) cost: f64,
    pub(crate) slope: f64,
}

/// The cost along a line.
pub(crate) struct Line<E> {
    start: Trial,
    /// Step lengths closer than this are not told apart.
    resolution: f64,
    evaluate: E,
    trials: usize,
}

impl<E: FnMut(f64) -> Trial> Line<E> {
    /// The line that begins at `start`, where it falls.
    pub(crate) fn new(start: Trial, resolution: f64, evaluate: E) -> Self {
        Line { start, resolution, evaluate, trials: 0 }
    }

    fn at(&mut self, length: f64) -> Trial {
        self.trials += 1;
        (self.evaluate)(length)
    }

    /// Whether the cost has fallen enough for that length; not where it is NaN.
    fn falls(&self, trial: Trial) -> bool {
        trial.cost <= self.start.cost + DECREASE * trial.length * self.start.slope && trial.slope.is_finite()
    }

    fn is_flat(&self, trial: Trial) -> bool {
        trial.slope.abs() <= -CURVATURE * self.start.slope
    }
}

/// A step length at which the strong Wolfe conditions hold, which is the last that was evaluated; beginning with
/// `length`. Where it finds none, the best with a sufficient decrease, if there is one.
///
/// Algorithm 3.5 of Nocedal and Wright.
pub(crate) fn search<E: FnMut(f64) -> Trial>(line: &mut Line<E>, length: f64) -> Option<Trial> {
    let mut previous = line.start;
    let mut next = length;
    while line.trials < MAX_TRIALS {
        let trial = line.at(next);
        if !line.falls(trial) || (line.trials > 1 && trial.cost >= previous.cost) {
            return zoom(line, previous, trial);
        }
        if line.is_flat(trial) {
            return Some(trial);
        }
        if trial.slope >= 0.0 {
            return zoom(line, trial, previous);
        }
        // Beyond, between a hundredth of the last advance and ten times the length, as in PyTorch.
        let (least, most) = (trial.length + 0.01 * (trial.length - previous.length), 10.0 * trial.length);
        next = cubic(previous, trial).map_or(most, |a| a.clamp(least, most));
        previous = trial;
    }
    Some(previous)
}

/// A step length between `low`, the best so far with a sufficient decrease, and `high`.
///
/// Algorithm 3.6 of Nocedal and Wright.
fn zoom<E: FnMut(f64) -> Trial>(line: &mut Line<E>, mut low: Trial, mut high: Trial) -> Option<Trial> {
    while line.trials < MAX_TRIALS && (high.length - low.length).abs() > line.resolution {
        let trial = line.at(between(low, high));
        if !line.falls(trial) || trial.cost >= low.cost {
            high = trial;
            continue;
        }
        if line.is_flat(trial) {
            return Some(trial);
        }
        if trial.slope * (high.length - low.length) >= 0.0 {
            high = low;
        }
        low = trial;
    }
    (low.length > 0.0).then(|| line.at(low.length))
}

/// The minimum of the cubic through both ends, kept a tenth of the way from each; the middle where there is none.
fn between(low: Trial, high: Trial) -> f64 {
    let (left, right) = (low.length.min(high.length), low.length.max(high.length));
    let margin = 0.1 * (right - left);
    cubic(low, high).map_or(0.5 * (left + right), |a| a.clamp(left + margin, right - margin))
}

/// The minimum of the cubic with these costs and slopes: equation 3.59 of Nocedal and Wright.
fn cubic(a: Trial, b: Trial) -> Option<f64> {
    let d1 = a.slope + b.slope - 3.0 * (a.cost - b.cost) / (a.length - b.length);
    let square = d1 * d1 - a.slope * b.slope;
    let d2 = square.sqrt().copysign(b.length - a.length);
    let minimum = b.length - (b.length - a.length) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2.0 * d2));
    minimum.is_finite().then_some(minimum)
}

#[cfg(test)]
mod tests {
    use super::{CURVATURE, DECREASE, Line, Trial, cubic, search};

    type Function = fn(f64) -> (f64, f64);

    /// Costs with their derivative, which fall at 0.
    const FUNCTIONS: [(&str, Function); 6] = [
        ("parabola", |x| ((x - 3.0).powi(2), 2.0 * (x - 3.0))),
        ("quartic", |x| ((x - 1.0).powi(4), 4.0 * (x - 1.0).powi(3))),
        ("steep valley", |x| (1e4 * (x - 1e-3).powi(2), 2e4 * (x - 1e-3))),
        ("far valley", |x| {
            ((1.0 + (x - 500.0).powi(2)).ln(), 2.0 * (x - 500.0) / (1.0 + (x - 500.0).powi(2)))
        }),
        ("barrier", |x| (x - (2.0 * x - x * x).ln(), 1.0 - (2.0 - 2.0 * x) / (2.0 * x - x * x))),
        ("ripples", |x| (-x + 0.4 * (5.0 * x).sin() + 0.1 * x * x, -1.0 + 2.0 * (5.0 * x).cos() + 0.2 * x)),
    ];

    #[test]
    fn finds_the_strong_wolfe_conditions() {
        for (name, f) in FUNCTIONS {
            for shift in [0.01, 0.05] {
                let at = |length: f64| {
                    let (cost, slope) = f(length + shift);
                    Trial { length, cost, slope }
                };
                let start = at(0.0);
                if start.slope >= 0.0 {
                    continue;
                }
                for first in [1e-4, 0.1, 1.0, 30.0] {
                    let mut last = None;
                    let mut line = Line::new(start, 1e-12, |length| {
                        last = Some(at(length));
                        at(length)
                    });
                    let end = search(&mut line, first).unwrap();
                    assert_eq!(Some(end), last, "{name}: the last trial must be the one that is taken");
                    let allowed = start.cost + DECREASE * end.length * start.slope;
                    assert!(end.cost <= allowed, "{name}, {first}: {end:?} from {start:?}");
                    assert!(end.slope.abs() <= CURVATURE * start.slope.abs(), "{name}, {first}: {end:?}");
                }
            }
        }
    }

    #[test]
    fn turns_back_where_the_cost_has_risen() {
        // Falls with slope −1 to the length 1, lies higher at 10 though low enough, and falls with −1 again from there.
        let f = |length: f64| {
            let t = (length.clamp(1.0, 10.0) - 1.0) / 9.0;
            let cubic = -1.0 - 9.0 * t + 28.5 * t * t - 19.0 * t * t * t;
            let outside = if length < 1.0 { 1.0 - length } else { -(length - 10.0).max(0.0) };
            Trial { length, cost: cubic + outside, slope: (-9.0 + 57.0 * t - 57.0 * t * t) / 9.0 }
        };
        assert_eq!(
            [0.0, 1.0, 10.0].map(|a| (f(a).cost, f(a).slope)),
            [(0.0, -1.0), (-1.0, -1.0), (-0.5, -1.0)]
        );
        let end = search(&mut Line::new(f(0.0), 1e-12, f), 1.0).unwrap();
        assert!(end.length > 1.0 && end.length < 10.0 && end.cost < -1.0, "{end:?}");
    }

    #[test]
    fn a_line_that_rises_has_no_step() {
        let start = Trial { length: 0.0, cost: 0.0, slope: -1.0 }; // a wrong gradient
        let mut line = Line::new(start, 1e-12, |length| Trial { length, cost: length, slope: 1.0 });
        assert_eq!(search(&mut line, 1.0), None);
    }

    #[test]
    fn the_cubic_is_exact() {
        let f = |x: f64| Trial { length: x, cost: x * x * x - 3.0 * x, slope: 3.0 * x * x - 3.0 };
        for (a, b) in [(0.0, 3.0), (3.0, 0.0), (0.5, 0.7)] {
            assert!((cubic(f(a), f(b)).unwrap() - 1.0).abs() < 1e-12);
        }
    }
}
