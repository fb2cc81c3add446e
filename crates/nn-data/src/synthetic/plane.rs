//! Classes of points in the plane.

use std::f64::consts::{PI, TAU};

use ndarray::{Array1, Array2, ArrayView2};
use nn_core::{Real, StreamRng, Streams, check_range};
use rand::Rng;

use super::{OWNER, check_at_least, check_std, unit};
use crate::{DataError, Dataset};

/// Two half circles that reach into each other: class 0 is (cos t, sin t), class 1 (1 − cos t, ½ − sin t), with t evenly
/// spaced from 0 to π, both ends included.
///
/// Class 0 has ⌊n/2⌋ points and comes first; inputs `[n, 2]`, 2 classes.
///
/// - `samples` n, at least 2.
/// - `noise`: the standard deviation of what is added to each coordinate, in \[0, ∞).
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// `make_moons` of scikit-learn; without noise the points are the same.
pub fn moons<F: Real>(samples: usize, noise: f64, streams: Streams) -> Result<Dataset<F>, DataError> {
    check_at_least("samples", samples, 2, "[2, ∞)")?;
    let upper = samples / 2;
    let point = |i: usize| {
        let (class, place, of) = if i < upper { (0, i, upper) } else { (1, i - upper, samples - upper) };
        let t = if of > 1 { place as f64 * (PI / (of - 1) as f64) } else { 0.0 };
        let t = if place + 1 == of && of > 1 { PI } else { t };
        (class, if class == 0 { [t.cos(), t.sin()] } else { [1.0 - t.cos(), 1.0 - t.sin() - 0.5] })
    };
    points(samples, 2, noise, &mut streams.rng("moons", 0), point)
}

/// A circle of radius 1, class 0, around one of radius `factor`, class 1, both evenly spaced from angle 0.
///
/// Class 0 has ⌊n/2⌋ points and comes first; inputs `[n, 2]`, 2 classes.
///
/// - `samples` n, at least 2.
/// - `noise`: the standard deviation of what is added to each coordinate, in \[0, ∞).
/// - `factor` in \[0, 1); scikit-learn takes 0.8 by default.
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// `make_circles` of scikit-learn; without noise the points are the same.
pub fn circles<F: Real>(
    samples: usize,
    noise: f64,
    factor: f64,
    streams: Streams,
) -> Result<Dataset<F>, DataError> {
    check_at_least("samples", samples, 2, "[2, ∞)")?;
    check_range(OWNER, "factor", factor, "[0, 1)", (0.0..1.0).contains(&factor))?;
    let outer = samples / 2;
    let point = |i: usize| {
        let (class, place, of) = if i < outer { (0, i, outer) } else { (1, i - outer, samples - outer) };
        let (t, radius) = (place as f64 * (TAU / of as f64), [1.0, factor][class]);
        (class, [radius * t.cos(), radius * t.sin()])
    };
    points(samples, 2, noise, &mut streams.rng("circles", 0), point)
}

/// Arms that wind around each other, one for each class: arm k of K is r·(cos φ, sin φ) with φ = 2π(turns·r + k/K) and
/// r evenly spaced from 0 to 1, the end at 1 included.
///
/// Arms have ⌊n/K⌋ points, the first n mod K one more; they come in order. Inputs `[n, 2]`, K classes.
///
/// - `samples` n, at least K.
/// - `arms` K, at least 1: 2 in the paper, often 3.
/// - `turns`, finite: 3 in the paper; 4/2π with three arms in course notes of Stanford's CS231n.
/// - `noise`: the standard deviation of what is added to each coordinate, in \[0, ∞).
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// After Lang and Witbrock 1988, "Learning to tell two spirals apart", whose spirals begin at a radius of 1/13 of the
/// largest.
pub fn spirals<F: Real>(
    samples: usize,
    arms: usize,
    turns: f64,
    noise: f64,
    streams: Streams,
) -> Result<Dataset<F>, DataError> {
    check_at_least("arms", arms, 1, "[1, ∞)")?;
    check_at_least("samples", samples, arms, "[arms, ∞)")?;
    check_range(OWNER, "turns", turns, "(−∞, ∞)", turns.is_finite())?;
    let shares = Shares { samples, classes: arms };
    let point = |i: usize| {
        let (arm, place, of) = shares.place(i);
        let radius = (place + 1) as f64 / of as f64;
        let angle = TAU * (turns * radius + arm as f64 / arms as f64);
        (arm, [radius * angle.cos(), radius * angle.sin()])
    };
    points(samples, arms, noise, &mut streams.rng("spirals", 0), point)
}

/// Normally distributed clouds around centres, one for each class.
///
/// Classes have ⌊n/K⌋ points, the first n mod K one more; they come in order. Inputs `[n, features]`, K classes.
///
/// - `samples` n, at least K.
/// - `centers` `[K, features]`, finite; see [`blob_centers`].
/// - `std`: the standard deviation of each coordinate, in \[0, ∞); scikit-learn takes 1 by default.
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// `make_blobs` of scikit-learn.
pub fn blobs<F: Real>(
    samples: usize,
    centers: ArrayView2<'_, f64>,
    std: f64,
    streams: Streams,
) -> Result<Dataset<F>, DataError> {
    check_at_least("centers", centers.nrows(), 1, "[1, ∞)")?;
    check_at_least("samples", samples, centers.nrows(), "[centers, ∞)")?;
    check_std("std", std)?;
    let shares = Shares { samples, classes: centers.nrows() };
    let rng = &mut streams.rng("blobs", 0);
    let mut inputs = Array2::from_elem((samples, centers.ncols()), F::zero());
    let mut labels = Array1::from_elem(samples, F::zero());
    for (i, (mut row, label)) in inputs.rows_mut().into_iter().zip(&mut labels).enumerate() {
        let class = shares.place(i).0;
        *label = F::from_usize(class);
        for (x, &center) in row.iter_mut().zip(centers.row(class)) {
            *x = F::from_f64(center + std * f64::standard_normal(rng.next_u32()));
        }
    }
    Dataset::classification(inputs, labels, centers.nrows())
}

/// Centres for [`blobs`], uniform in (−10, 10) in each coordinate: `[centers, features]`.
pub fn blob_centers(centers: usize, features: usize, streams: Streams) -> Array2<f64> {
    let rng = &mut streams.rng("blob centers", 0);
    Array2::from_shape_simple_fn((centers, features), || 20.0 * unit(rng) - 10.0)
}

/// Samples divided among classes as evenly as can be, in order.
struct Shares {
    samples: usize,
    classes: usize,
}

impl Shares {
    /// The class of a sample, its place in there, and how many are in there.
    fn place(&self, i: usize) -> (usize, usize, usize) {
        let (share, larger) = (self.samples / self.classes, self.samples % self.classes);
        let in_larger = larger * (share + 1);
        if i < in_larger {
            (i / (share + 1), i % (share + 1), share + 1)
        } else {
            (larger + (i - in_larger) / share, (i - in_larger) % share, share)
        }
    }
}

/// Points with their classes, and noise.
fn points<F: Real>(
    samples: usize,
    classes: usize,
    noise: f64,
    rng: &mut StreamRng,
    point: impl Fn(usize) -> (usize, [f64; 2]),
) -> Result<Dataset<F>, DataError> {
    check_std("noise", noise)?;
    let mut inputs = Array2::from_elem((samples, 2), F::zero());
    let mut labels = Array1::from_elem(samples, F::zero());
    for (i, (mut row, label)) in inputs.rows_mut().into_iter().zip(&mut labels).enumerate() {
        let (class, place) = point(i);
        *label = F::from_usize(class);
        for (x, place) in row.iter_mut().zip(place) {
            let off = if noise > 0.0 { noise * f64::standard_normal(rng.next_u32()) } else { 0.0 };
            *x = F::from_f64(place + off);
        }
    }
    Dataset::classification(inputs, labels, classes)
}
