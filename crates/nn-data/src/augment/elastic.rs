//! Smooth random displacements.

use nn_core::{AlignedVec, RangeError, Real, StreamRng, check_range};
use nn_ops::simd::dispatch;
use rand::Rng;

use super::OWNER;

/// Strength and smoothness.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Elastic {
    alpha: f64,
    sigma: f64,
}

impl Elastic {
    pub(super) fn new(alpha: f64, sigma: f64) -> Result<Self, RangeError> {
        check_range(OWNER, "elastic alpha", alpha, "[0, 10⁶]", (0.0..=1e6).contains(&alpha))?;
        check_range(OWNER, "elastic sigma", sigma, "(0, 100]", sigma > 0.0 && sigma <= 100.0)?;
        Ok(Elastic { alpha, sigma })
    }
}

/// Sums that are computed together, enough to fill the vectors of every instruction set.
const LANES: usize = 32;

/// The displacements of one image, and the memory to draw them. Rows are padded to whole groups of lanes.
pub(super) struct Fields<F> {
    radius: usize,
    width: usize,
    /// Of one row.
    padded: usize,
    /// Gaussian weights, whose sum is 1; and the same times α.
    weights: [Vec<F>; 2],
    bytes: Vec<u8>,
    /// Noise `[height + 2·radius, padded]`, 0 outside the image.
    noise: AlignedVec<F>,
    /// Noise smoothed from top to bottom, `[height, padded + 2·radius]`, 0 outside the image.
    half: AlignedVec<F>,
    /// `[height, padded]`: down and to the right.
    fields: [AlignedVec<F>; 2],
}

impl<F: Real> Fields<F> {
    pub(super) fn new(elastic: Elastic, [height, width]: [usize; 2]) -> Self {
        let gaussian = gaussian(elastic.sigma);
        let radius = gaussian.len() / 2;
        let (padded, rows) = (width.next_multiple_of(LANES), height.next_multiple_of(2));
        let weights =
            [1.0, elastic.alpha].map(|factor| gaussian.iter().map(|&g| F::from_f64(factor * g)).collect());
        let zeros = |size| AlignedVec::new(F::zero(), size);
        Fields {
            radius,
            width,
            padded,
            weights,
            bytes: vec![0; 2 * height * width],
            noise: zeros((rows + 2 * radius) * padded),
            half: zeros(rows * (padded + 2 * radius)),
            fields: [zeros(rows * padded), zeros(rows * padded)],
        }
    }

    /// These displacements.
    #[cfg(test)]
    pub(super) fn of(displacements: [&[F]; 2], [height, width]: [usize; 2]) -> Self {
        let elastic = Elastic { alpha: 1.0, sigma: 1.0 };
        let mut fields = Fields::new(elastic, [height, width]);
        for (to, from) in fields.fields.iter_mut().zip(displacements) {
            for (to, from) in to.chunks_exact_mut(fields.padded).zip(from.chunks_exact(width)) {
                to[..width].copy_from_slice(from);
            }
        }
        fields
    }

    /// Draws both fields.
    pub(super) fn draw(&mut self, rng: &mut StreamRng) {
        for direction in 0..2 {
            rng.fill_bytes(&mut self.bytes);
            dispatch(
                #[inline(always)]
                || {
                    self.set_noise();
                    self.smooth(direction);
                },
            );
        }
    }

    /// The displacements of a row of the image.
    pub(super) fn row(&self, i: usize) -> [&[F]; 2] {
        self.fields.each_ref().map(|field| &field[i * self.padded..][..self.width])
    }

    /// Numbers of 16 bits, uniform in (−1, 1).
    #[inline(always)]
    fn set_noise(&mut self) {
        let (scale, half) = (F::from_f64(1.0 / 32768.0), F::from_f64(0.5));
        let rows = self.noise[self.radius * self.padded..].chunks_exact_mut(self.padded);
        for (row, bytes) in rows.zip(self.bytes.chunks_exact(2 * self.width)) {
            for (x, &bytes) in row.iter_mut().zip(bytes.as_chunks().0) {
                *x = (F::from_f64(f64::from(i16::from_le_bytes(bytes))) + half) * scale;
            }
        }
    }

    /// Convolves the noise with the Gaussian, first from top to bottom, then from left to right.
    #[inline(always)]
    fn smooth(&mut self, direction: usize) {
        let Fields { radius, padded, noise, half, fields, weights, .. } = self;
        let (radius, padded) = (*radius, *padded);
        let stride = padded + 2 * radius;
        for (pair, to) in half.chunks_exact_mut(2 * stride).enumerate() {
            let (to, other_to) = to.split_at_mut(stride);
            let from = [2 * pair, 2 * pair + 1].map(|i| &noise[i * padded..]);
            convolve(&weights[0], from, padded, [to, other_to].map(|to| &mut to[radius..][..padded]));
        }
        let pairs = half.chunks_exact(2 * stride).zip(fields[direction].chunks_exact_mut(2 * padded));
        for (from, to) in pairs {
            convolve(&weights[1], from.split_at(stride).into(), 1, to.split_at_mut(padded).into());
        }
    }
}

/// to[j] = Σₜ weights[t]·from[t·stride + j] with weights that are the same from both ends, of two rows at once.
#[inline(always)]
fn convolve<F: Real>(weights: &[F], from: [&[F]; 2], stride: usize, to: [&mut [F]; 2]) {
    let (radius, [from, other_from], [to, other_to]) = (weights.len() / 2, from, to);
    let blocks = to.as_chunks_mut::<LANES>().0.iter_mut().zip(other_to.as_chunks_mut::<LANES>().0);
    for (block, (to, other_to)) in blocks.enumerate() {
        let from = &from[block * LANES..][..2 * radius * stride + LANES];
        let other_from = &other_from[block * LANES..][..2 * radius * stride + LANES];
        let middle = radius * stride;
        let (mut sums, mut other_sums) = ([F::zero(); LANES], [F::zero(); LANES]);
        add(&mut sums, weights[radius], &from[middle..][..LANES]);
        add(&mut other_sums, weights[radius], &other_from[middle..][..LANES]);
        for (t, &weight) in weights[..radius].iter().enumerate() {
            let (near, far) = (t * stride, (2 * radius - t) * stride);
            add_pair(&mut sums, weight, &from[near..][..LANES], &from[far..][..LANES]);
            add_pair(&mut other_sums, weight, &other_from[near..][..LANES], &other_from[far..][..LANES]);
        }
        (*to, *other_to) = (sums, other_sums);
    }
}

/// Adds numbers, weighted.
#[inline(always)]
fn add<F: Real>(sums: &mut [F; LANES], weight: F, x: &[F]) {
    for (sum, &x) in sums.iter_mut().zip(x) {
        *sum += weight * x;
    }
}

/// Adds the sums of two, weighted.
#[inline(always)]
fn add_pair<F: Real>(sums: &mut [F; LANES], weight: F, a: &[F], b: &[F]) {
    for ((sum, &a), &b) in sums.iter_mut().zip(a).zip(b) {
        *sum += weight * (a + b);
    }
}

/// exp(−t²/2σ²) for whole numbers t up to 4σ (rounded), divided by their sum.
fn gaussian(sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma + 0.5) as i32;
    let weights: Vec<f64> =
        (-radius..=radius).map(|t| (-0.5 * (f64::from(t) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::{Elastic, Fields};
    use nn_core::Streams;

    /// Numbers of SciPy's `gaussian_filter`, from `tests/fixtures/make_augment.py`: σ, height, width, then the noise
    /// and what it is smoothed to.
    #[test]
    fn smooths_as_scipy_does() {
        let mut cases = 0;
        for line in include_str!("../../tests/fixtures/gaussian.csv").lines() {
            let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().unwrap()).collect();
            let (height, width) = (cells[1] as usize, cells[2] as usize);
            let (noise, smooth) = cells[3..].split_at(height * width);
            let mut fields = Fields::<f64>::new(Elastic::new(2.0, cells[0]).unwrap(), [height, width]);
            for i in 0..height {
                let to = &mut fields.noise[(i + fields.radius) * fields.padded..][..width];
                to.copy_from_slice(&noise[i * width..][..width]);
            }
            fields.smooth(1);
            for i in 0..height {
                for (got, &expected) in fields.row(i)[1].iter().zip(&smooth[i * width..]) {
                    assert!((got - 2.0 * expected).abs() < 1e-14, "σ = {}, row {i}", cells[0]);
                }
            }
            cases += 1;
        }
        assert_eq!(cases, 4);
    }

    #[test]
    fn noise_is_uniform_and_displacements_have_their_spread() {
        let (side, alpha, sigma) = (100, 34.0, 4.0);
        let mut fields = Fields::<f64>::new(Elastic::new(alpha, sigma).unwrap(), [side, side]);
        let (mut low, mut high, mut sum, mut squares) = (1.0f64, -1.0f64, 0.0, 0.0);
        let (mut displacement, mut count) = (0.0, 0.0);
        for sample in 0..20 {
            fields.draw(&mut Streams::new(1).rng("elastic", sample));
            for row in fields.noise.chunks(fields.padded).skip(fields.radius).take(side) {
                for &x in &row[..side] {
                    (low, high) = (low.min(x), high.max(x));
                    (sum, squares) = (sum + x, squares + x * x);
                }
            }
            for i in 20..80 {
                for field in fields.row(i) {
                    displacement += field[20..80].iter().map(|d| d * d).sum::<f64>();
                    count += 60.0;
                }
            }
        }
        let n = 20.0 * (side * side) as f64;
        assert!(low > -1.0 && low < -0.9999 && high < 1.0 && high > 0.9999, "{low} {high}");
        // Means of n numbers of variance 1/3, and of their squares, of variance 4/45, within five standard errors.
        assert!((sum / n).abs() < 5.0 * (1.0 / 3.0 / n).sqrt(), "mean {}", sum / n);
        assert!((squares / n - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / n).sqrt(), "{}", squares / n);
        let expected = alpha / (sigma * (12.0 * std::f64::consts::PI).sqrt());
        // About 20·2·60²/(4πσ²), that is 700 independent squares: a relative error of the root of 2.7 %.
        let spread = (displacement / count).sqrt();
        assert!((spread / expected - 1.0).abs() < 0.1, "{spread} for {expected}");
    }
}
