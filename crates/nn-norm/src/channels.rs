//! Statistics and affine maps per channel of arrays `[N, C, S]`, for batch norm.
//!
//! Channels are taken in blocks that stay in the cache between the passes over them: one channel where S is long, else
//! up to a thousand columns of the matrix `[N, C·S]`. Rows are combined in a tree that depends on their number alone, so
//! that the width of a block does not matter to the results. The values of a channel are taken less one of them before
//! they are summed, so that a large mean costs no digits.

use std::array::from_fn;
use std::ops::Range;

use ndarray::{ArrayViewMut3, Axis};
use nn_core::Real;
use nn_ops::simd::dispatch;

use crate::columns::{
    TILE, add_rows, map_columns, map_columns_back, map_plane, map_plane_back, merge_rows, scale_columns,
    scale_plane,
};
use crate::kernel::{Moments, PARALLEL, join, long_sums, weights};

/// Columns of a block.
const WIDTH: usize = 1024;
/// The longest S that is worked on in columns.
const SHORT: usize = 32;
/// Rows that are combined one after another.
const ROWS: usize = 256;
/// Rows that are combined in registers.
const CHUNK: usize = 8;

/// Numbers for the columns of a block.
type Columns<F> = [F; WIDTH];

/// An array `[N, C, S]` in C order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Channels<'a, F> {
    pub(crate) values: &'a [F],
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) inner: usize,
}

/// For the channels from the given one on: fills centre, scale and offset of y = (x − centre)·scale + offset, given the
/// shifted means and biased variances of the batch, where they are computed.
pub(crate) type LinesFn<'f, F> = dyn Fn(usize, [&[F]; 2], [&mut [F]; 3]) + Sync + 'f;
/// What of a backward pass differs from norm to norm.
pub(crate) trait Slopes<F>: Sync {
    /// For the channels from `first` on: fills the centre, a number near the mean, and the rest, centre less mean.
    fn centres(&self, first: usize, numbers: [&mut [F]; 2]);

    /// For the channels from `first` on: fills scale, slope and offset of dx = scale·dy − (x − centre)·slope + offset,
    /// given the rest, Σ dy and Σ dy·(x − centre), the latter of which it turns into the gradient of the scale.
    fn slopes(&self, first: usize, sums: [&[F]; 2], along: &mut [F], numbers: [&mut [F]; 3]);

    /// Whether the statistics depend on x; else slope and offset are 0, and may be left as they are.
    fn through_statistics(&self) -> bool;
}

impl<'a, F: Real> Channels<'a, F> {
    /// An array of at least two axes: cases, channels, and any others together.
    pub(crate) fn new(values: &'a [F], shape: &[usize]) -> Self {
        Channels { values, batch: shape[0], channels: shape[1], inner: shape[2..].iter().product() }
    }

    /// Values of each channel.
    pub(crate) fn count(self) -> usize {
        self.batch * self.inner
    }

    /// The first value of a channel; 0 where there is none.
    pub(crate) fn first(self, channel: usize) -> F {
        self.values.get(channel * self.inner).copied().unwrap_or(F::zero())
    }

    /// Channels of a block: as many as fit into it, but no more than leave every thread some.
    fn block(self) -> usize {
        if !self.in_columns() {
            return 1;
        }
        let most = WIDTH / self.inner.max(1);
        if self.values.len() < PARALLEL {
            return most;
        }
        let share = self.channels.div_ceil(rayon::current_num_threads());
        most.min(share.next_multiple_of(TILE))
    }

    fn in_columns(self) -> bool {
        self.inner <= SHORT
    }

    /// The values of some channels of case `n`.
    #[inline(always)]
    fn row(self, n: usize, channels: &Range<usize>) -> &'a [F] {
        let at = n * self.channels;
        &self.values[(at + channels.start) * self.inner..(at + channels.end) * self.inner]
    }

    /// The first value of each channel from `first` on.
    pub(crate) fn firsts(self, first: usize, to: &mut [F]) {
        if self.inner == 1 {
            to.copy_from_slice(&self.values[first..first + to.len()]);
        } else {
            for (c, to) in to.iter_mut().enumerate() {
                *to = self.first(first + c);
            }
        }
    }

    /// Where to divide so many channels: between blocks.
    fn middle(self, count: usize) -> usize {
        (count / 2).next_multiple_of(self.block())
    }

    /// The mean less the first value, and the biased variance, of each channel from `first` on.
    pub(crate) fn moments(self, first: usize, mean: &mut [F], variance: &mut [F]) {
        let count = mean.len();
        if count > self.block() {
            let at = self.middle(count);
            let ((mean0, mean1), (variance0, variance1)) = (mean.split_at_mut(at), variance.split_at_mut(at));
            return join(
                count * self.count(),
                || self.moments(first, mean0, variance0),
                || self.moments(first + at, mean1, variance1),
            );
        }
        let channels = first..first + count;
        if !self.in_columns() {
            let moments = self.plane_moments(first, 0..self.batch);
            (mean[0], variance[0]) = (moments.mean, moments.variance());
            return;
        }
        if self.inner == 1 {
            self.column_moments(&channels, 0..self.batch, [&mut *mean, &mut *variance]);
            let values = F::from_usize(self.batch.max(1));
            return dispatch(
                #[inline(always)]
                move || variance.iter_mut().for_each(|variance| *variance /= values),
            );
        }
        let (mut columns, row) = ([[F::zero(); WIDTH]; 2], self.row(0, &channels));
        self.column_moments(
            &channels,
            0..self.batch,
            columns.each_mut().map(|column| &mut column[..row.len()]),
        );
        let [means, squares] = &columns;
        for c in 0..count {
            let first = row[c * self.inner];
            let column =
                |j| Moments { count: self.batch, mean: (row[j] - first) + means[j], squares: squares[j] };
            let columns = (c * self.inner..(c + 1) * self.inner).map(column);
            let moments = columns.fold(Moments::none(), Moments::merge);
            (mean[c], variance[c]) = (moments.mean, moments.variance());
        }
    }

    /// Numbers of the channels of a block, repeated for their columns, in place.
    fn repeat<const K: usize>(self, count: usize, of_channels: [&mut Columns<F>; K]) {
        if self.inner == 1 {
            return;
        }
        for numbers in of_channels {
            for c in (0..count).rev() {
                let number = numbers[c];
                numbers[c * self.inner..(c + 1) * self.inner].fill(number);
            }
        }
    }

    fn plane_moments(self, channel: usize, rows: Range<usize>) -> Moments<F> {
        if rows.len() > 1 {
            let at = rows.start + rows.len() / 2;
            let (mut a, mut b) = (Moments::none(), Moments::none());
            join(
                rows.len() * self.inner,
                || a = self.plane_moments(channel, rows.start..at),
                || b = self.plane_moments(channel, at..rows.end),
            );
            return a.merge(b);
        }
        let (x, shift) = (self.row(rows.start, &(channel..channel + 1)), self.first(channel));
        dispatch(
            #[inline(always)]
            move || Moments::of(x, shift),
        )
    }

    /// Writes, of each column of a block, the mean less the first of these rows, and the sum of squared distances from
    /// the mean.
    fn column_moments(self, channels: &Range<usize>, rows: Range<usize>, mut moments: [&mut [F]; 2]) {
        let first = self.row(rows.start, channels);
        if rows.len() <= ROWS {
            moments.iter_mut().for_each(|numbers| numbers.fill(F::zero()));
            return dispatch(
                #[inline(always)]
                || {
                    let mut n = rows.start;
                    while n + CHUNK <= rows.end {
                        let x: [&[F]; CHUNK] = from_fn(|i| self.row(n + i, channels));
                        merge_rows(n - rows.start, x, first, &mut moments);
                        n += CHUNK;
                    }
                    for n in n..rows.end {
                        merge_rows(n - rows.start, [self.row(n, channels)], first, &mut moments);
                    }
                },
            );
        }
        let at = rows.start + (rows.len() / 2).next_multiple_of(ROWS);
        let (width, mut others) = (first.len(), [[F::zero(); WIDTH]; 2]);
        let [mean, squares] = moments;
        let [mean_b, squares_b] = others.each_mut().map(|other| &mut other[..width]);
        join(
            rows.len() * width,
            || self.column_moments(channels, rows.start..at, [&mut *mean, &mut *squares]),
            || self.column_moments(channels, at..rows.end, [&mut *mean_b, &mut *squares_b]),
        );
        let (share, spread) = weights(at - rows.start, rows.end - at);
        let first_b = self.row(at, channels);
        dispatch(
            #[inline(always)]
            move || {
                let (mean, squares) = (&mut mean[..width], &mut squares[..width]);
                for j in 0..width {
                    let delta = (first_b[j] - first[j]) + (mean_b[j] - mean[j]);
                    mean[j] += delta * share;
                    squares[j] += squares_b[j] + delta * delta * spread;
                }
            },
        );
    }

    /// Maps the channels from `first` on into `y`, whose middle axis they are. With `batch`, the mean less the first
    /// value and the biased variance are computed into it, block by block, before the line is asked for.
    pub(crate) fn map(
        self,
        first: usize,
        batch: Option<[&mut [F]; 2]>,
        y: ArrayViewMut3<'_, F>,
        lines: &LinesFn<'_, F>,
    ) {
        let count = y.len_of(Axis(1));
        if count > self.block() {
            let at = self.middle(count);
            let (y0, y1) = y.split_at(Axis(1), at);
            let (batch0, batch1) = match batch {
                None => (None, None),
                Some([mean, variance]) => {
                    let ((mean0, mean1), (variance0, variance1)) =
                        (mean.split_at_mut(at), variance.split_at_mut(at));
                    (Some([mean0, variance0]), Some([mean1, variance1]))
                }
            };
            return join(
                count * self.count(),
                || self.map(first, batch0, y0, lines),
                || self.map(first + at, batch1, y1, lines),
            );
        }
        let (channels, mut numbers) = (first..first + count, [[F::zero(); WIDTH]; 3]);
        let [centre, scale, offset] = &mut numbers;
        let of_block = [&mut centre[..count], &mut scale[..count], &mut offset[..count]];
        match batch {
            Some([mean, variance]) => {
                self.moments(first, mean, variance);
                lines(first, [mean, variance], of_block);
            }
            None => lines(first, [&[], &[]], of_block),
        }
        if self.in_columns() {
            self.repeat(count, [centre, scale, offset]);
            self.map_rows(
                &channels,
                0,
                y,
                #[inline(always)]
                |x: &[F], y: &mut [F]| map_columns([centre, scale, offset], x, y),
            );
        } else {
            let line = [centre[0], scale[0], offset[0]];
            self.map_rows(
                &channels,
                0,
                y,
                #[inline(always)]
                |x: &[F], y: &mut [F]| map_plane(line, x, y),
            );
        }
    }

    /// Calls `write` with the channels of each case, from case `n` on; backward, since the last ones are in the cache.
    fn map_rows(
        self,
        channels: &Range<usize>,
        n: usize,
        mut y: ArrayViewMut3<'_, F>,
        write: impl Fn(&[F], &mut [F]) + Sync + Copy,
    ) {
        let count = y.len_of(Axis(0));
        if count > ROWS {
            let (len, at) = (y.len(), count / 2);
            let (y0, y1) = y.split_at(Axis(0), at);
            return join(
                len,
                || self.map_rows(channels, n + at, y1, write),
                || self.map_rows(channels, n, y0, write),
            );
        }
        dispatch(
            #[inline(always)]
            || {
                for (i, mut y) in y.outer_iter_mut().enumerate().rev() {
                    let y = y.as_slice_mut().expect("channels of a case are contiguous");
                    write(self.row(n + i, channels), y);
                }
            },
        );
    }

    /// Leaves Σ dy and, of Σ dy·(x − centre), what `slopes` makes of it, of each channel from `first` on in `sums`, and
    /// then writes (or adds, as the flag says) the gradient of x, whose middle axis they are.
    pub(crate) fn map_back(
        self,
        dy: Self,
        first: usize,
        [plain, along]: [&mut [F]; 2],
        dx: Option<(ArrayViewMut3<'_, F>, bool)>,
        slopes: &dyn Slopes<F>,
    ) {
        let count = plain.len();
        if count > self.block() {
            let at = self.middle(count);
            let ((plain0, plain1), (along0, along1)) = (plain.split_at_mut(at), along.split_at_mut(at));
            let (dx0, dx1) = match dx {
                None => (None, None),
                Some((dx, accumulate)) => {
                    let (dx0, dx1) = dx.split_at(Axis(1), at);
                    (Some((dx0, accumulate)), Some((dx1, accumulate)))
                }
            };
            return join(
                count * self.count(),
                || self.map_back(dy, first, [plain0, along0], dx0, slopes),
                || self.map_back(dy, first + at, [plain1, along1], dx1, slopes),
            );
        }
        let (channels, mut numbers) = (first..first + count, [[F::zero(); WIDTH]; 5]);
        let [centre, rest, scale, slope, offset] = &mut numbers;
        slopes.centres(first, [&mut centre[..count], &mut rest[..count]]);
        if self.in_columns() {
            self.repeat(count, [centre]);
            self.block_sums(dy, &channels, centre, [&mut *plain, &mut *along]);
        } else {
            [plain[0], along[0]] = self.plane_sums(dy, first, 0..self.batch, centre[0]);
        }
        let of_block = [&mut scale[..count], &mut slope[..count], &mut offset[..count]];
        slopes.slopes(first, [&rest[..count], plain], along, of_block);
        let Some((dx, accumulate)) = dx else { return };
        let through = slopes.through_statistics();
        if self.in_columns() {
            self.repeat(count, [scale, slope, offset]);
            self.map_rows_back(
                dy,
                &channels,
                0,
                dx,
                #[inline(always)]
                |x: &[F], dy: &[F], dx: &mut [F]| {
                    if through {
                        map_columns_back([centre, scale, slope, offset], x, dy, dx, accumulate);
                    } else {
                        scale_columns(scale, dy, dx, accumulate);
                    }
                },
            );
        } else {
            let numbers = [centre[0], scale[0], slope[0], offset[0]];
            self.map_rows_back(
                dy,
                &channels,
                0,
                dx,
                #[inline(always)]
                |x: &[F], dy: &[F], dx: &mut [F]| {
                    if through {
                        map_plane_back(numbers, x, dy, dx, accumulate);
                    } else {
                        scale_plane(numbers[1], dy, dx, accumulate);
                    }
                },
            );
        }
    }

    /// Writes Σ dy and Σ dy·(x − centre) of each channel of a block.
    fn block_sums(
        self,
        dy: Self,
        channels: &Range<usize>,
        centre: &Columns<F>,
        [plain, along]: [&mut [F]; 2],
    ) {
        let rows = 0..self.batch;
        if self.inner == 1 {
            return self.column_sums(dy, channels, rows, centre, [plain, along]);
        }
        let (width, mut columns) = (plain.len() * self.inner, [[F::zero(); WIDTH]; 2]);
        self.column_sums(dy, channels, rows, centre, columns.each_mut().map(|column| &mut column[..width]));
        for (sums, columns) in [plain, along].into_iter().zip(&columns) {
            for (sum, columns) in sums.iter_mut().zip(columns.chunks_exact(self.inner)) {
                *sum = columns.iter().copied().sum();
            }
        }
    }

    fn plane_sums(self, dy: Self, channel: usize, rows: Range<usize>, centre: F) -> [F; 2] {
        if rows.len() > 1 {
            let at = rows.start + rows.len() / 2;
            let (mut a, mut b) = ([F::zero(); 2], [F::zero(); 2]);
            join(
                rows.len() * self.inner,
                || a = self.plane_sums(dy, channel, rows.start..at, centre),
                || b = self.plane_sums(dy, channel, at..rows.end, centre),
            );
            return [a[0] + b[0], a[1] + b[1]];
        }
        let channel = channel..channel + 1;
        let (x, dy) = (self.row(rows.start, &channel), dy.row(rows.start, &channel));
        dispatch(
            #[inline(always)]
            move || {
                long_sums(
                    [x, dy],
                    #[inline(always)]
                    |[x, dy]: [F; 2]| [dy, dy * (x - centre)],
                )
            },
        )
    }

    /// Writes Σ dy and Σ dy·(x − centre) of each column of a block.
    fn column_sums(
        self,
        dy: Self,
        channels: &Range<usize>,
        rows: Range<usize>,
        centre: &Columns<F>,
        mut sums: [&mut [F]; 2],
    ) {
        if rows.len() <= ROWS {
            sums.iter_mut().for_each(|numbers| numbers.fill(F::zero()));
            return dispatch(
                #[inline(always)]
                || {
                    let mut n = rows.start;
                    while n + CHUNK <= rows.end {
                        let x: [&[F]; CHUNK] = from_fn(|i| self.row(n + i, channels));
                        add_rows(x, from_fn(|i| dy.row(n + i, channels)), centre, &mut sums);
                        n += CHUNK;
                    }
                    for n in n..rows.end {
                        add_rows([self.row(n, channels)], [dy.row(n, channels)], centre, &mut sums);
                    }
                },
            );
        }
        let at = rows.start + (rows.len() / 2).next_multiple_of(ROWS);
        let (width, mut others) = (sums[0].len(), [[F::zero(); WIDTH]; 2]);
        let [plain, along] = sums;
        let [plain_b, along_b] = others.each_mut().map(|other| &mut other[..width]);
        join(
            rows.len() * width,
            || self.column_sums(dy, channels, rows.start..at, centre, [&mut *plain, &mut *along]),
            || self.column_sums(dy, channels, at..rows.end, centre, [&mut *plain_b, &mut *along_b]),
        );
        add(plain, plain_b);
        add(along, along_b);
    }

    /// Calls `write` with the channels of each case, from case `n` on; backward, since the last ones are in the cache.
    fn map_rows_back(
        self,
        dy: Self,
        channels: &Range<usize>,
        n: usize,
        mut dx: ArrayViewMut3<'_, F>,
        write: impl Fn(&[F], &[F], &mut [F]) + Sync + Copy,
    ) {
        let count = dx.len_of(Axis(0));
        if count > ROWS {
            let (len, at) = (dx.len(), count / 2);
            let (dx0, dx1) = dx.split_at(Axis(0), at);
            return join(
                len,
                || self.map_rows_back(dy, channels, n + at, dx1, write),
                || self.map_rows_back(dy, channels, n, dx0, write),
            );
        }
        dispatch(
            #[inline(always)]
            || {
                for (i, mut dx) in dx.outer_iter_mut().enumerate().rev() {
                    let dx = dx.as_slice_mut().expect("channels of a case are contiguous");
                    write(self.row(n + i, channels), dy.row(n + i, channels), dx);
                }
            },
        );
    }
}

/// a ← a + b.
pub(crate) fn add<F: Real>(a: &mut [F], b: &[F]) {
    dispatch(
        #[inline(always)]
        move || a.iter_mut().zip(b).for_each(|(a, &b)| *a += b),
    );
}
