//! Images read at other places than those of their pixels.

use std::ops::Range;

use nn_core::Real;
use nn_ops::simd::dispatch;

use super::affine::{Map, Steps};
use super::elastic::Fields;

/// Rows and columns of padding: one before the image and two after, so that the pixels around a place that was put
/// back to at most one pixel outside are all there.
const PADDING: usize = 3;
/// Rows are padded to whole vectors.
const LANES: usize = 16;
/// Pixels that are worked on together: so many that what was written one by one has left the store buffer when it is
/// read in vectors, and so few that they stay in the first cache.
const BLOCK: usize = 512;

/// Memory to resample images of one size.
pub(super) struct Sampler<F> {
    shape: [usize; 3],
    fill: F,
    /// The image in a frame of the fill value, `[channels, height + 3, width + 3]`.
    padded: Vec<F>,
    /// 0, 1, 2, …
    columns: Vec<F>,
    /// Of some rows of the new image, each padded: for each pixel the upper left of the four around its place, how far
    /// it lies below and to the right of that, and the four.
    first: Vec<u32>,
    down: Vec<F>,
    right: Vec<F>,
    corners: [Vec<F>; 4],
}

impl<F: Real> Sampler<F> {
    pub(super) fn new(shape: [usize; 3], fill: f64) -> Self {
        let [channels, height, width] = shape;
        let fill = F::from_f64(fill);
        let row = width.next_multiple_of(LANES);
        let block = row * (BLOCK / row).clamp(1, height);
        let zeros = || vec![F::zero(); block];
        Sampler {
            shape,
            fill,
            padded: vec![fill; channels * (height + PADDING) * (width + PADDING)],
            columns: (0..row).map(F::from_usize).collect(),
            first: vec![0; block],
            down: zeros(),
            right: zeros(),
            corners: [zeros(), zeros(), zeros(), zeros()],
        }
    }

    /// Applies a map, and displacements where there are any, in place.
    pub(super) fn run(&mut self, map: &Map, fields: Option<&Fields<F>>, image: &mut [F]) {
        let whole = if fields.is_some() { None } else { map.whole_pixels() };
        match whole {
            Some([Steps::NONE, Steps::NONE]) => {}
            Some([rows, columns]) => {
                self.read(image);
                self.copy(rows, columns, image);
            }
            None => {
                self.read(image);
                dispatch(
                    #[inline(always)]
                    || self.interpolate(map, fields, image),
                );
            }
        }
    }

    /// Puts the image into its frame.
    fn read(&mut self, image: &[F]) {
        let [_, height, width] = self.shape;
        let stride = width + PADDING;
        let planes = self.padded.chunks_exact_mut((height + PADDING) * stride);
        for (to, from) in planes.zip(image.chunks_exact(height * width)) {
            let rows = to[stride..].chunks_exact_mut(stride);
            for (to, from) in rows.zip(from.chunks_exact(width)) {
                to[1..=width].copy_from_slice(from);
            }
        }
    }

    /// Whole pixels, to the bit.
    fn copy(&self, rows: Steps, columns: Steps, image: &mut [F]) {
        let [_, height, width] = self.shape;
        let stride = width + PADDING;
        let planes = self.padded.chunks_exact((height + PADDING) * stride);
        let within = |place: i64, length: usize| usize::try_from(place).ok().filter(|&place| place < length);
        // The columns of the new image that come from the old one.
        let first = (0..width).position(|j| within(columns.at(j), width).is_some());
        let count = first.map_or(0, |first| {
            (first..width).take_while(|&j| within(columns.at(j), width).is_some()).count()
        });
        let first = first.unwrap_or(0);
        for (to, from) in image.chunks_exact_mut(height * width).zip(planes) {
            for (i, to) in to.chunks_exact_mut(width).enumerate() {
                to.fill(self.fill);
                let Some(row) = within(rows.at(i), height).filter(|_| count > 0) else { continue };
                let from = &from[(row + 1) * stride + 1..][..width];
                let ends = [first, first + count - 1].map(|j| columns.at(j) as usize);
                let to = &mut to[first..first + count];
                if columns.backward {
                    to.iter_mut().zip(from[ends[1]..=ends[0]].iter().rev()).for_each(|(to, &x)| *to = x);
                } else {
                    to.copy_from_slice(&from[ends[0]..=ends[1]]);
                }
            }
        }
    }

    #[inline(always)]
    fn interpolate(&mut self, map: &Map, fields: Option<&Fields<F>>, image: &mut [F]) {
        let [channels, height, width] = self.shape;
        let (plane, rows) = ((height + PADDING) * (width + PADDING), self.first.len() / self.columns.len());
        for start in (0..height).step_by(rows) {
            let end = (start + rows).min(height);
            self.set_places(map, fields, start..end);
            for channel in 0..channels {
                let from = &self.padded[channel * plane..][..plane];
                gather(from, width + PADDING, &self.first, &mut self.corners);
                let to = &mut image[(channel * height + start) * width..][..(end - start) * width];
                self.blend(to);
            }
        }
    }

    /// Where the pixels of these rows come from.
    #[inline(always)]
    fn set_places(&mut self, map: &Map, fields: Option<&Fields<F>>, rows: Range<usize>) {
        let row = self.columns.len();
        let places = self.down.chunks_exact_mut(row).zip(self.right.chunks_exact_mut(row));
        let (yx, xx) = (F::from_f64(map.yx), F::from_f64(map.xx));
        for (i, (y, x)) in rows.zip(places) {
            let start = |slope: f64, start: f64| F::from_f64(slope * i as f64 + start);
            let (y0, x0) = (start(map.yy, map.y0), start(map.xy, map.x0));
            for ((y, x), &column) in y.iter_mut().zip(&mut *x).zip(&self.columns) {
                (*y, *x) = (y0 + yx * column, x0 + xx * column);
            }
            if let Some(fields) = fields {
                let [dy, dx] = fields.row(i);
                for (((y, x), &dy), &dx) in y.iter_mut().zip(&mut *x).zip(dy).zip(dx) {
                    (*y, *x) = (*y + dy, *x + dx);
                }
            }
        }
        self.split_places();
    }

    /// Divides places into whole pixels and the rest.
    #[inline(always)]
    fn split_places(&mut self) {
        let [_, height, width] = self.shape;
        let (last_y, last_x, one) = (F::from_usize(height), F::from_usize(width), F::one());
        let (stride, magic) = ((width + PADDING) as u32, one / F::EPSILON);
        for ((y, x), first) in self.down.iter_mut().zip(&mut self.right).zip(&mut self.first) {
            let (inside_y, inside_x) = (within(*y, -one, last_y) + one, within(*x, -one, last_x) + one);
            let (row, column) = (inside_y.floor(), inside_x.floor());
            (*y, *x) = (inside_y - row, inside_x - column);
            *first = whole(row, magic) * stride + whole(column, magic);
        }
    }

    /// Bilinear interpolation.
    #[inline(always)]
    fn blend(&self, to: &mut [F]) {
        let (width, row) = (self.shape[2], self.columns.len());
        for (i, to) in to.chunks_exact_mut(width).enumerate() {
            let [a, b, c, d] = self.corners.each_ref().map(|corner| &corner[i * row..][..width]);
            let [down, right] = [&self.down, &self.right].map(|places| &places[i * row..][..width]);
            for j in 0..width {
                let upper = a[j] + right[j] * (b[j] - a[j]);
                let lower = c[j] + right[j] * (d[j] - c[j]);
                to[j] = upper + down[j] * (lower - upper);
            }
        }
    }
}

/// `x`, put back into a range.
#[inline(always)]
fn within<F: Real>(x: F, low: F, high: F) -> F {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// A whole number from 0 to 2²³ as an integer; `magic` is 1/ε, from which the next numbers are 1 apart.
#[inline(always)]
fn whole<F: Real>(x: F, magic: F) -> u32 {
    (x + magic).bits().wrapping_sub(magic.bits()) as u32
}

/// The four pixels around each place.
#[inline(always)]
fn gather<F: Real>(from: &[F], stride: usize, first: &[u32], corners: &mut [Vec<F>; 4]) {
    let [a, b, c, d] = corners;
    let corners = a.iter_mut().zip(b).zip(c.iter_mut().zip(d));
    for (((a, b), (c, d)), &first) in corners.zip(first) {
        let upper = &from[first as usize..][..stride + 2];
        (*a, *b, *c, *d) = (upper[0], upper[1], upper[stride], upper[stride + 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::Sampler;
    use crate::augment::affine::Map;
    use crate::augment::elastic::Fields;

    /// Numbers of SciPy's `map_coordinates`; `tests/fixtures/make_augment.py` says what stands in a line.
    #[test]
    fn displaces_as_scipy_does() {
        let mut cases = 0;
        for line in include_str!("../../tests/fixtures/displacement.csv").lines() {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let (height, width) = (cells[0] as usize, cells[1] as usize);
            let parts: Vec<&[f64]> = cells[3..].chunks(height * width).collect();
            let [image, down, right, expected] = parts[..] else { panic!("{} parts", parts.len()) };
            // The same image as two channels, the second the other way up.
            let images: Vec<f64> = image.iter().copied().chain(image.iter().map(|x| -x)).collect();
            let fields = Fields::of([down, right], [height, width]);
            let map = Map { yy: 1.0, yx: 0.0, y0: 0.0, xy: 0.0, xx: 1.0, x0: 0.0 };
            for (fill, channel) in [(cells[2], 0), (-cells[2], 1)] {
                let mut after = images.clone();
                Sampler::new([2, height, width], fill).run(&map, Some(&fields), &mut after);
                for (got, expected) in after[channel * height * width..].iter().zip(expected) {
                    let expected = if channel == 0 { *expected } else { -expected };
                    assert!((got - expected).abs() < 1e-13, "{got} for {expected}");
                }
            }
            cases += 1;
        }
        assert_eq!(cases, 4);
    }
}
