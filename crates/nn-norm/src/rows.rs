//! The norms that work on rows: arrays `[N, G, D, S]` in which each of the N·G rows of D·S elements is normalised.
//!
//! Layer norm is G = 1, S = 1; group norm has G groups of D channels; instance norm groups of one channel. The values
//! of a row are taken less its first, so that a large mean costs no digits.

use nn_core::Real;
use nn_ops::simd::dispatch;

use crate::kernel::{Moments, PARALLEL, join, long_sums, write_or_add};

/// The most parts in which the gradients of scale and shift are summed up; their number depends on the shape alone.
const PARTS: usize = 16;

/// The extents of an array of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    /// N.
    pub(crate) batch: usize,
    /// G.
    pub(crate) groups: usize,
    /// D: channels of a group.
    pub(crate) depth: usize,
    /// S: elements of a channel.
    pub(crate) inner: usize,
    /// Whether the mean is subtracted.
    pub(crate) centred: bool,
}

/// What the forward pass keeps of each row: its mean less its first element, and 1/√(σ² + ε).
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a, F> {
    pub(crate) mean: &'a [F],
    pub(crate) rstd: &'a [F],
}

/// A row with what normalises it: x̂ = ((x − first) − mean)·rstd.
#[derive(Clone, Copy)]
struct Row<F> {
    first: F,
    mean: F,
    rstd: F,
}

impl<F: Real> Row<F> {
    #[inline(always)]
    fn normalized(self, x: F) -> F {
        ((x - self.first) - self.mean) * self.rstd
    }
}

/// Halves of an optional slice.
type Halves<'a, F> = (Option<&'a mut [F]>, Option<&'a mut [F]>);

fn split<F>(slice: Option<&mut [F]>, at: usize) -> Halves<'_, F> {
    match slice {
        None => (None, None),
        Some(slice) => {
            let (a, b) = slice.split_at_mut(at);
            (Some(a), Some(b))
        }
    }
}

impl Rows {
    /// The number of rows.
    pub(crate) fn count(self) -> usize {
        self.batch * self.groups
    }

    /// Elements of a row.
    pub(crate) fn width(self) -> usize {
        self.depth * self.inner
    }

    /// Elements of the scale, and of the shift.
    pub(crate) fn channels(self) -> usize {
        self.groups * self.depth
    }

    /// Cases in each part.
    fn part(self) -> usize {
        self.batch.div_ceil(PARTS).max(1)
    }

    /// Elements that [`backward`](Self::backward) needs for the gradients of scale and shift.
    pub(crate) fn partials(self) -> usize {
        self.batch.div_ceil(self.part()) * 2 * self.channels()
    }

    /// Normalises all rows into `y`; leaves mean and 1/√(σ² + ε) of each. `affine` are the scale, and the shift.
    pub(crate) fn forward<F: Real>(
        self,
        x: &[F],
        affine: [Option<&[F]>; 2],
        epsilon: f64,
        y: &mut [F],
        [mean, rstd]: [&mut [F]; 2],
    ) {
        if x.is_empty() {
            return;
        }
        let at = self.batch / 2;
        if at == 0 || x.len() < PARALLEL {
            dispatch(
                #[inline(always)]
                move || self.rows_forward(x, affine, F::from_f64(epsilon), y, [mean, rstd]),
            );
            return;
        }
        let (rows, len) = (at * self.groups, x.len());
        let (x0, x1) = x.split_at(rows * self.width());
        let (y0, y1) = y.split_at_mut(rows * self.width());
        let ((mean0, mean1), (rstd0, rstd1)) = (mean.split_at_mut(rows), rstd.split_at_mut(rows));
        let (first, second) = (Rows { batch: at, ..self }, Rows { batch: self.batch - at, ..self });
        join(
            len,
            || first.forward(x0, affine, epsilon, y0, [mean0, rstd0]),
            || second.forward(x1, affine, epsilon, y1, [mean1, rstd1]),
        );
    }

    #[inline(always)]
    fn rows_forward<F: Real>(
        self,
        x: &[F],
        affine: [Option<&[F]>; 2],
        epsilon: F,
        y: &mut [F],
        [mean, rstd]: [&mut [F]; 2],
    ) {
        let width = self.width();
        for (i, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
            let row = self.normalizer(x, epsilon);
            (mean[i], rstd[i]) = (row.mean, row.rstd);
            let first_channel = i % self.groups * self.depth;
            let affine = affine.map(|a| a.map(|a| &a[first_channel..first_channel + self.depth]));
            if self.inner == 1 {
                write_row(row, x, affine, y);
                continue;
            }
            for (c, (x, y)) in x.chunks_exact(self.inner).zip(y.chunks_exact_mut(self.inner)).enumerate() {
                let scale = affine[0].map_or(F::one(), |a| a[c]);
                let shift = affine[1].map_or(F::zero(), |a| a[c]);
                for (x, y) in x.iter().zip(y) {
                    *y = row.normalized(*x) * scale + shift;
                }
            }
        }
    }

    #[inline(always)]
    fn normalizer<F: Real>(self, x: &[F], epsilon: F) -> Row<F> {
        let (first, mean, variance) = if self.centred {
            let moments = Moments::of(x, x[0]);
            (x[0], moments.mean, moments.variance())
        } else {
            let [squares] = long_sums(
                [x],
                #[inline(always)]
                |[x]: [F; 1]| [x * x],
            );
            (F::zero(), F::zero(), squares / F::from_usize(x.len()))
        };
        Row { first, mean, rstd: F::one() / (variance + epsilon).sqrt() }
    }

    /// From the gradient of the output, that of x (written or added as the flag says), and the parts of those of scale
    /// and shift, which [`total`](Self::total) adds up.
    pub(crate) fn backward<F: Real>(
        self,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        kept: Kept<'_, F>,
        dx: Option<&mut [F]>,
        accumulate: bool,
        partials: Option<&mut [F]>,
    ) {
        let part = self.part();
        self.backward_parts(part, [x, dy], scale, kept, dx, accumulate, partials);
    }

    #[expect(clippy::too_many_arguments, reason = "what a part of the rows needs, divided at the same place")]
    fn backward_parts<F: Real>(
        self,
        part: usize,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        kept: Kept<'_, F>,
        dx: Option<&mut [F]>,
        accumulate: bool,
        partials: Option<&mut [F]>,
    ) {
        if self.batch == 0 {
            return;
        }
        if self.batch <= part {
            if let Some(partials) = partials {
                partials.fill(F::zero());
                let (d_scale, d_shift) = partials.split_at_mut(self.channels());
                self.part_backward([x, dy], scale, kept, dx, accumulate, Some([d_scale, d_shift]));
            } else {
                self.part_backward([x, dy], scale, kept, dx, accumulate, None);
            }
            return;
        }
        let at = (self.batch / 2).next_multiple_of(part);
        let (rows, cut, len) = (at * self.groups, at * self.groups * self.width(), x.len());
        let ((x0, x1), (dy0, dy1)) = (x.split_at(cut), dy.split_at(cut));
        let (dx0, dx1) = split(dx, cut);
        let (partials0, partials1) = split(partials, at / part * 2 * self.channels());
        let kept0 = Kept { mean: &kept.mean[..rows], rstd: &kept.rstd[..rows] };
        let kept1 = Kept { mean: &kept.mean[rows..], rstd: &kept.rstd[rows..] };
        let (first, second) = (Rows { batch: at, ..self }, Rows { batch: self.batch - at, ..self });
        join(
            len,
            || first.backward_parts(part, [x0, dy0], scale, kept0, dx0, accumulate, partials0),
            || second.backward_parts(part, [x1, dy1], scale, kept1, dx1, accumulate, partials1),
        );
    }

    fn part_backward<F: Real>(
        self,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        kept: Kept<'_, F>,
        dx: Option<&mut [F]>,
        accumulate: bool,
        affine: Option<[&mut [F]; 2]>,
    ) {
        if x.is_empty() {
            return;
        }
        dispatch(
            #[inline(always)]
            move || match self.inner {
                1 => self.vectors_backward([x, dy], scale, kept, dx, accumulate, affine),
                _ => self.channels_backward([x, dy], scale, kept, dx, accumulate, affine),
            },
        );
    }

    /// Where each element of a row has a scale of its own.
    #[inline(always)]
    fn vectors_backward<F: Real>(
        self,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        kept: Kept<'_, F>,
        mut dx: Option<&mut [F]>,
        accumulate: bool,
        mut affine: Option<[&mut [F]; 2]>,
    ) {
        let width = self.width();
        for (i, (x, dy)) in x.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
            let row = self.row(x, kept, i);
            let at = i % self.groups * self.depth;
            if let Some(dx) = &mut dx {
                let scale = scale.map(|a| &a[at..at + width]);
                self.vector_backward(row, [x, dy], scale, &mut dx[i * width..(i + 1) * width], accumulate);
            }
            if let Some([d_scale, d_shift]) = &mut affine {
                let (d_scale, d_shift) = (&mut d_scale[at..at + width], &mut d_shift[at..at + width]);
                for i in 0..width {
                    d_scale[i] += dy[i] * row.normalized(x[i]);
                    d_shift[i] += dy[i];
                }
            }
        }
    }

    /// The gradient of one row.
    #[inline(always)]
    fn vector_backward<F: Real>(
        self,
        row: Row<F>,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        dx: &mut [F],
        accumulate: bool,
    ) {
        let width = dx.len();
        let (x, dy) = (&x[..width], &dy[..width]);
        if let Some(scale) = scale {
            let scale = &scale[..width];
            let totals = long_sums(
                [x, dy, scale],
                #[inline(always)]
                |[x, dy, scale]: [F; 3]| {
                    let g = dy * scale;
                    [g * row.normalized(x), g]
                },
            );
            let slope = self.slope(row, totals);
            write_or_add(
                dx,
                accumulate,
                #[inline(always)]
                |i: usize| slope.at(dy[i] * scale[i], row.normalized(x[i])),
            );
        } else {
            let totals = long_sums(
                [x, dy],
                #[inline(always)]
                |[x, dy]: [F; 2]| [dy * row.normalized(x), dy],
            );
            let slope = self.slope(row, totals);
            write_or_add(
                dx,
                accumulate,
                #[inline(always)]
                |i: usize| slope.at(dy[i], row.normalized(x[i])),
            );
        }
    }

    /// Where each channel of a row has a scale of its own.
    #[inline(always)]
    fn channels_backward<F: Real>(
        self,
        [x, dy]: [&[F]; 2],
        scale: Option<&[F]>,
        kept: Kept<'_, F>,
        mut dx: Option<&mut [F]>,
        accumulate: bool,
        mut affine: Option<[&mut [F]; 2]>,
    ) {
        let (width, inner) = (self.width(), self.inner);
        for (i, (x, dy)) in x.chunks_exact(width).zip(dy.chunks_exact(width)).enumerate() {
            let row = self.row(x, kept, i);
            let at = i % self.groups * self.depth;
            let scale_of = |c: usize| scale.map_or(F::one(), |a| a[at + c]);
            let mut totals = [F::zero(); 2];
            for (c, (x, dy)) in x.chunks_exact(inner).zip(dy.chunks_exact(inner)).enumerate() {
                let [along, plain] = long_sums(
                    [x, dy],
                    #[inline(always)]
                    |[x, dy]: [F; 2]| [row.normalized(x) * dy, dy],
                );
                totals = [totals[0] + scale_of(c) * along, totals[1] + scale_of(c) * plain];
                if let Some([d_scale, d_shift]) = &mut affine {
                    d_scale[at + c] += along;
                    d_shift[at + c] += plain;
                }
            }
            let Some(dx) = &mut dx else { continue };
            let slope = self.slope(row, totals);
            let dx = &mut dx[i * width..(i + 1) * width];
            let parts = x.chunks_exact(inner).zip(dy.chunks_exact(inner)).zip(dx.chunks_exact_mut(inner));
            for (c, ((x, dy), dx)) in parts.enumerate() {
                let scale = scale_of(c);
                write_or_add(
                    dx,
                    accumulate,
                    #[inline(always)]
                    |i: usize| slope.at(dy[..inner][i] * scale, row.normalized(x[..inner][i])),
                );
            }
        }
    }

    #[inline(always)]
    fn row<F: Real>(self, x: &[F], kept: Kept<'_, F>, i: usize) -> Row<F> {
        let first = if self.centred { x[0] } else { F::zero() };
        Row { first, mean: kept.mean[i], rstd: kept.rstd[i] }
    }

    /// From Σ g·x̂ and Σ g over a row, the parts of its gradient.
    #[inline(always)]
    fn slope<F: Real>(self, row: Row<F>, [along, plain]: [F; 2]) -> Slope<F> {
        let inverse = F::one() / F::from_usize(self.width());
        let plain = if self.centred { plain * inverse } else { F::zero() };
        Slope { rstd: row.rstd, plain, along: along * inverse }
    }

    /// Adds up the parts of the gradients of scale (`which` = 0) or shift (1) at channel `c`.
    pub(crate) fn total<F: Real>(self, partials: &[F], which: usize, c: usize) -> F {
        let channels = self.channels();
        partials.chunks_exact(2 * channels).map(|part| part[which * channels + c]).sum()
    }
}

/// dx = rstd·(g − mean(g) − x̂·mean(g·x̂)).
#[derive(Clone, Copy)]
struct Slope<F> {
    rstd: F,
    plain: F,
    along: F,
}

impl<F: Real> Slope<F> {
    #[inline(always)]
    fn at(self, gradient: F, normalized: F) -> F {
        self.rstd * ((gradient - self.plain) - normalized * self.along)
    }
}

/// y = x̂·scale + shift, element by element.
#[inline(always)]
fn write_row<F: Real>(row: Row<F>, x: &[F], [scale, shift]: [Option<&[F]>; 2], y: &mut [F]) {
    let len = y.len();
    let x = &x[..len];
    match (scale.map(|a| &a[..len]), shift.map(|a| &a[..len])) {
        (Some(scale), Some(shift)) => {
            for i in 0..len {
                y[i] = row.normalized(x[i]) * scale[i] + shift[i];
            }
        }
        (Some(scale), None) => {
            for i in 0..len {
                y[i] = row.normalized(x[i]) * scale[i];
            }
        }
        (None, _) => {
            for i in 0..len {
                y[i] = row.normalized(x[i]);
            }
        }
    }
}
