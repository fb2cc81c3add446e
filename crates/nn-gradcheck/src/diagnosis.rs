//! What is likely to be wrong with a gradient.

use std::fmt;

use crate::factor;
use crate::index::multi_index;
use crate::verdict::norm;

/// What an analytic gradient that is not the numeric one looks like.
///
/// Its `Display` says so in words, with the usual cause.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Suspicion {
    /// The cost gave two values at one and the same point.
    NotDeterministic {
        /// One of them.
        first: f64,
        /// The other.
        second: f64,
    },
    /// Not a number, or infinite.
    NotFinite {
        /// The place.
        index: Vec<usize>,
        /// The analytic gradient there.
        analytic: f64,
        /// The numeric gradient there.
        numeric: f64,
    },
    /// The analytic gradient is zero throughout, the numeric one is not.
    NoGradient,
    /// The numeric gradient is zero throughout, the analytic one is not.
    NoEffect,
    /// The analytic gradient is the numeric one times a constant; −1 is a wrong sign.
    Factor {
        /// The constant.
        factor: f64,
        /// The number of samples, where [`GradCheck::samples`](crate::GradCheck::samples) told it.
        samples: Option<usize>,
    },
    /// The same but for a multiple of the parameter: the term of a penalty stands beside what is scaled.
    FactorBesidePenalty {
        /// The constant.
        factor: f64,
        /// The number of samples, where it was told.
        samples: Option<usize>,
    },
    /// The elements are those of the transpose.
    Transposed,
    /// The elements are right, but stand in another order.
    Reordered,
    /// The numeric gradient is the analytic one and `l1`·sign θ + `l2`·θ, the derivative of a penalty on the
    /// parameter θ, which J has and the backward pass lacks; with negative numbers it is the other way round.
    Penalty {
        /// The strength of the part ‖θ‖₁, 0 where there is none.
        l1: f64,
        /// The strength of the part ½‖θ‖₂², 0 where there is none.
        l2: f64,
        /// The number of samples, where it was told.
        samples: Option<usize>,
    },
    /// Everything is right but some slices along an axis.
    Slices {
        /// The axis.
        axis: usize,
        /// The number of axes of the parameter.
        axes: usize,
        /// The slices, in order.
        positions: Vec<usize>,
        /// Whether the analytic gradient is zero there.
        zero: bool,
    },
    /// The same number is missing in every element.
    Offset {
        /// Numeric less analytic gradient.
        offset: f64,
    },
    /// The cost over complex numbers is not analytic: its complex step is not its derivative along the real axis.
    NotAnalytic,
}

/// A gradient that differs from the numeric one, to be explained.
pub(crate) struct Evidence<'a> {
    /// The shape of the parameter; `None` where the elements are derivatives along directions.
    pub(crate) shape: Option<&'a [usize]>,
    pub(crate) analytic: &'a [f64],
    pub(crate) numeric: &'a [f64],
    /// How much of the numeric gradient may be rounding, as a norm.
    pub(crate) rounding: f64,
    /// The parameter θ, and its signs, or these along the directions; empty where no penalty can be on it.
    pub(crate) penalties: [&'a [f64]; 2],
    pub(crate) samples: Option<usize>,
}

impl Evidence<'_> {
    /// What the difference looks like, if it looks like anything known.
    pub(crate) fn diagnose(&self) -> Option<Suspicion> {
        let (a, n) = (self.analytic, self.numeric);
        let not_finite = (0..a.len()).find(|&i| !a[i].is_finite() || !n[i].is_finite());
        if let Some(i) = not_finite {
            let index = multi_index(i, self.shape.unwrap_or(&[a.len()]));
            return Some(Suspicion::NotFinite { index, analytic: a[i], numeric: n[i] });
        }
        if a.iter().all(|&x| x == 0.0) {
            return Some(Suspicion::NoGradient);
        }
        if norm(n) <= self.rounding {
            return Some(Suspicion::NoEffect);
        }
        if norm(&minus(a, n)) <= 10.0 * self.rounding {
            return None;
        }
        let factor = self.factor();
        let known = |s: &Suspicion| matches!(s, Suspicion::Factor { factor, samples } if factor::is_known(*factor, *samples));
        factor
            .clone()
            .filter(known)
            .or_else(|| self.order())
            .or_else(|| self.penalty())
            .or_else(|| self.slices())
            .or_else(|| self.factor_beside_penalty())
            .or_else(|| factor.filter(|_| a.len() > 1))
            .or_else(|| self.offset())
    }

    /// Whether what is left explains all of the difference but a thousandth.
    fn explained_by(&self, left: &[f64]) -> bool {
        norm(left) <= 1e-3 * norm(&minus(self.analytic, self.numeric)) + 2.0 * self.rounding
    }

    fn factor(&self) -> Option<Suspicion> {
        let factor = dot(self.analytic, self.numeric) / dot(self.numeric, self.numeric);
        let expected: Vec<f64> = self.numeric.iter().map(|n| factor * n).collect();
        let left = minus(self.analytic, &expected);
        self.explained_by(&left).then_some(Suspicion::Factor { factor, samples: self.samples })
    }

    /// A factor that stands out, of all but a multiple of the parameter.
    fn factor_beside_penalty(&self) -> Option<Suspicion> {
        let (a, n, theta) = (self.analytic, self.numeric, self.penalties[0]);
        if theta.len() < 4 {
            return None;
        }
        let (nn, tt, nt) = (dot(n, n), dot(theta, theta), dot(n, theta));
        let (an, at) = (dot(a, n), dot(a, theta));
        let determinant = nn * tt - nt * nt;
        let (factor, share) = ((an * tt - at * nt) / determinant, (at * nn - an * nt) / determinant);
        let left: Vec<f64> = (0..a.len()).map(|i| a[i] - factor * n[i] - share * theta[i]).collect();
        (factor::is_known(factor, self.samples) && self.explained_by(&left))
            .then_some(Suspicion::FactorBesidePenalty { factor, samples: self.samples })
    }

    /// A transpose, or any other order of the elements.
    fn order(&self) -> Option<Suspicion> {
        let (a, n) = (self.analytic, self.numeric);
        if let &[rows, columns] = self.shape? {
            let transposed: Vec<f64> =
                (0..rows * columns).map(|i| n[i % rows * columns + i / rows]).collect();
            if rows > 1 && columns > 1 && self.explained_by(&minus(a, &transposed)) {
                return Some(Suspicion::Transposed);
            }
        }
        let sorted = |x: &[f64]| {
            let mut sorted = x.to_vec();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        self.explained_by(&minus(&sorted(a), &sorted(n))).then_some(Suspicion::Reordered)
    }

    /// The derivative of an L1 penalty, of an L2 penalty, or of both.
    fn penalty(&self) -> Option<Suspicion> {
        let missing = minus(self.numeric, self.analytic);
        let [theta, sign] = self.penalties;
        let found = |l1: f64, l2: f64| Some(Suspicion::Penalty { l1, l2, samples: self.samples });
        if theta.len() < 2 {
            return None;
        }
        let rest = |l1: f64, l2: f64| -> Vec<f64> {
            (0..theta.len()).map(|i| missing[i] - l1 * sign[i] - l2 * theta[i]).collect()
        };
        let (tt, ss, ts) = (dot(theta, theta), dot(sign, sign), dot(theta, sign));
        let (td, sd) = (dot(theta, &missing), dot(sign, &missing));
        let (l2, l1) = (td / tt, sd / ss);
        if self.explained_by(&rest(0.0, l2)) {
            return found(0.0, l2);
        }
        if self.explained_by(&rest(l1, 0.0)) {
            return found(l1, 0.0);
        }
        let determinant = tt * ss - ts * ts;
        let (l2, l1) = ((td * ss - sd * ts) / determinant, (sd * tt - td * ts) / determinant);
        let both = theta.len() >= 4 && l1 * l2 > 0.0 && self.explained_by(&rest(l1, l2));
        both.then(|| found(l1, l2)).flatten()
    }

    /// The fewest slices along one axis without which everything is right, at most half of the axis.
    fn slices(&self) -> Option<Suspicion> {
        let shape = self.shape?;
        let along = |axis: usize| {
            let after: usize = shape[axis + 1..].iter().product();
            let mut difference = vec![Vec::new(); shape[axis]];
            let mut zero = vec![true; shape[axis]];
            for (i, (a, n)) in self.analytic.iter().zip(self.numeric).enumerate() {
                let slice = i / after % shape[axis];
                difference[slice].push(a - n);
                zero[slice] &= *a == 0.0;
            }
            let right = |slice: &usize| self.explained_by(&difference[*slice]);
            let positions: Vec<usize> = (0..shape[axis]).filter(|slice| !right(slice)).collect();
            let zero = positions.iter().all(|&slice| zero[slice]);
            let elements = positions.len() * difference.first().map_or(0, Vec::len);
            let found = Suspicion::Slices { axis, axes: shape.len(), positions, zero };
            (elements, found)
        };
        let few = |(_, found): &(usize, Suspicion)| {
            matches!(found, Suspicion::Slices { axis, positions, .. }
                if !positions.is_empty() && 2 * positions.len() <= shape[*axis])
        };
        (0..shape.len()).map(along).filter(few).min_by_key(|(elements, _)| *elements).map(|(_, found)| found)
    }

    fn offset(&self) -> Option<Suspicion> {
        let missing = minus(self.numeric, self.analytic);
        let offset = missing.iter().sum::<f64>() / missing.len() as f64;
        let left: Vec<f64> = missing.iter().map(|d| d - offset).collect();
        (self.shape.is_some() && missing.len() > 1 && self.explained_by(&left))
            .then_some(Suspicion::Offset { offset })
    }
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Suspicion::NotDeterministic { first, second } => not_deterministic(*first, *second, f),
            Suspicion::NotFinite { index, analytic, numeric } => {
                write!(f, "not finite at {index:?}: the ")?;
                if numeric.is_finite() {
                    write!(f, "analytic gradient is {analytic} there")
                } else {
                    write!(f, "cost is NaN or infinite there, or a step away from it")
                }
            }
            Suspicion::NoGradient => {
                write!(f, "it received no gradient: all zero, although the cost depends on it")
            }
            Suspicion::NoEffect => write!(
                f,
                "the cost does not depend on it; does the cost use the parameter that it is given, \
                 and the analytic gradient belong to this cost?"
            ),
            Suspicion::Factor { factor, samples } => factor::describe(*factor, *samples, f),
            Suspicion::FactorBesidePenalty { factor, samples } => {
                write!(f, "but for the term of its penalty, ")?;
                factor::describe(*factor, *samples, f)
            }
            Suspicion::Transposed => write!(f, "it is the transpose of the right gradient"),
            Suspicion::Reordered => write!(f, "it has the right elements in a wrong order"),
            Suspicion::Penalty { l1, l2, samples } => penalty(*l1, *l2, *samples, f),
            Suspicion::Slices { axis, axes, positions, zero } => {
                slices(*axis, *axes, positions, f)?;
                write!(f, "{}, all else is right", if *zero { "missing (zero)" } else { "wrong" })
            }
            Suspicion::Offset { offset } => {
                write!(f, "every element lacks the same term, {}", factor::number(*offset))
            }
            Suspicion::NotAnalytic => write!(
                f,
                "the complex cost is not analytic: abs, norms, conjugates and real parts have no complex step"
            ),
        }
    }
}

fn not_deterministic(first: f64, second: f64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "the cost is not deterministic: {first} and {second} at one and the same point; ")?;
    if is_rounding(first, second) {
        write!(f, "they differ by rounding, as sums do whose order varies (threads, hash maps)")
    } else {
        write!(
            f,
            "a dropout left on? Switch it off, or hold its mask: the same generator anew for every \
             evaluation (`held`)"
        )
    }
}

/// Whether two values of the cost differ by no more than the rounding of a sum.
pub(crate) fn is_rounding(first: f64, second: f64) -> bool {
    (first - second).abs() <= 1e-12 * first.abs().max(second.abs())
}

fn penalty(l1: f64, l2: f64, samples: Option<usize>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (name, whose) = match (l1 == 0.0, l2 == 0.0) {
        (true, _) => ("an L2", "θ"),
        (_, true) => ("an L1", "sign θ"),
        _ => ("an elastic-net", ""),
    };
    if l1 + l2 > 0.0 {
        write!(f, "it lacks the term of {name} penalty that J contains: ")?;
    } else {
        write!(f, "it has the term of {name} penalty that J lacks (add the penalty to the cost): ")?;
    }
    let (l1, l2) = (l1.abs(), l2.abs());
    if whose.is_empty() {
        write!(f, "{}·sign θ + {}·θ", factor::number(l1), factor::number(l2))?;
    } else {
        write!(f, "{}·{whose}", factor::number(l1 + l2))?;
    }
    match samples {
        Some(m) if !whose.is_empty() => {
            write!(f, " (= λ/m·{whose} with m = {m}, λ = {})", factor::number((l1 + l2) * m as f64))
        }
        _ => Ok(()),
    }
}

/// "row 2 is ", "columns 0 and 3 are ", …
fn slices(axis: usize, axes: usize, positions: &[usize], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let name = match (axes, axis) {
        (1, _) => "element",
        (2, 0) => "row",
        (2, _) => "column",
        _ => "slice",
    };
    let (plural, verb) = if positions.len() == 1 { ("", "is") } else { ("s", "are") };
    let shown: Vec<String> = positions.iter().take(8).map(ToString::to_string).collect();
    let more = if positions.len() > 8 { ", …" } else { "" };
    write!(f, "{name}{plural} {}{more}", shown.join(", "))?;
    if axes > 2 {
        write!(f, " of axis {axis}")?;
    }
    write!(f, " {verb} ")
}
