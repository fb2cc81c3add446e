//! Images of curves.

use ndarray::Array2;
use nn_core::{Real, Streams};

use super::{check_at_least, unit};
use crate::{DataError, Dataset};

/// Height and width of an image.
const SIDE: usize = 28;
/// The distance of the points from the border. A curve reaches at most an eighth of the 20 pixels between beyond them.
const MARGIN: f64 = 4.0;
/// Straight pieces that a curve is drawn with, each at most 1.8 pixels long.
const PIECES: usize = 64;

/// Images of smooth curves through three random points, for autoencoders: six numbers determine 784.
///
/// The points are uniform in the square of 20×20 pixels in the middle of the image. The curve is the parabola
/// p(t), 0 ≤ t ≤ 1, with p(0), p(½) and p(1) at these points. A pixel whose centre has the distance d (in pixels) from
/// the curve is max(0, 1 − d): the background is 0.
///
/// Inputs and targets are the same, `[n, 784]`, row by row. Sample i is drawn from (seed, `"curves"`, i).
///
/// - `samples` n, at least 1; the papers take 20,000 for training and 10,000 for the test.
///
/// # Errors
/// When there are no samples.
///
/// # Source
/// After the set "curves" of Hinton and Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks",
/// which was made from three random points as well, but drawn in another way: errors do not compare to the digit.
///
/// ```
/// use nn_core::Streams;
/// use nn_data::synthetic;
///
/// let set = synthetic::curves::<f32>(10, Streams::new(1)).unwrap();
/// assert_eq!((set.inputs().shape(), set.inputs()), (&[10, 784][..], set.targets()));
/// ```
pub fn curves<F: Real>(samples: usize, streams: Streams) -> Result<Dataset<F>, DataError> {
    check_at_least("samples", samples, 1, "[1, ∞)")?;
    let mut images = Array2::from_elem((samples, SIDE * SIDE), F::zero());
    for (i, mut image) in images.rows_mut().into_iter().enumerate() {
        let rng = &mut streams.rng("curves", i as u64);
        let inside = SIDE as f64 - 2.0 * MARGIN;
        let mut point = || [(); 2].map(|()| MARGIN + inside * unit(rng) - 0.5);
        let pixels = draw([point(), point(), point()]);
        image.iter_mut().zip(pixels).for_each(|(to, x)| *to = F::from_f64(x));
    }
    Dataset::regression(images.clone(), images)
}

/// The curve through three points (row and column; pixel centres are whole numbers).
fn draw([a, b, c]: [[f64; 2]; 3]) -> [f64; SIDE * SIDE] {
    let at = |t: f64| {
        let weights = [(1.0 - t) * (1.0 - 2.0 * t), 4.0 * t * (1.0 - t), t * (2.0 * t - 1.0)];
        [0, 1].map(|axis| weights[0] * a[axis] + weights[1] * b[axis] + weights[2] * c[axis])
    };
    let mut pixels = [0.0; SIDE * SIDE];
    let mut from = at(0.0);
    for piece in 1..=PIECES {
        let to = at(piece as f64 / PIECES as f64);
        let [rows, columns] = [0, 1].map(|axis| {
            let (low, high) = (from[axis].min(to[axis]), from[axis].max(to[axis]));
            (low - 1.0).ceil().max(0.0) as usize..=(high + 1.0).min(SIDE as f64 - 1.0) as usize
        });
        for row in rows {
            for column in columns.clone() {
                let distance = distance([row as f64, column as f64], from, to);
                let pixel = &mut pixels[row * SIDE + column];
                *pixel = pixel.max(1.0 - distance);
            }
        }
        from = to;
    }
    pixels
}

/// The distance of a point from a straight piece.
fn distance(point: [f64; 2], from: [f64; 2], to: [f64; 2]) -> f64 {
    let [along, off] = [[to[0] - from[0], to[1] - from[1]], [point[0] - from[0], point[1] - from[1]]];
    let square = along[0] * along[0] + along[1] * along[1];
    let t =
        if square > 0.0 { ((off[0] * along[0] + off[1] * along[1]) / square).clamp(0.0, 1.0) } else { 0.0 };
    (off[0] - t * along[0]).hypot(off[1] - t * along[1])
}
