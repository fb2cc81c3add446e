//! The loops of batch norm over rows of columns, and over planes.

use nn_core::Real;

use crate::channels::Columns;
use crate::kernel::{weights, write_or_add};

/// Columns that are combined in registers.
const TILE: usize = 16;

/// The W elements from `at` on.
#[inline(always)]
fn tile<F, const W: usize>(x: &[F], at: usize) -> &[F; W] {
    x[at..].first_chunk().expect("a tile ends within its row")
}

/// Merges R more rows into the mean and the sum of squared distances of `before` rows, column by column.
#[inline(always)]
pub(crate) fn merge_rows<F: Real, const R: usize>(
    before: usize,
    x: [&[F]; R],
    shift: &Columns<F>,
    mean: &mut Columns<F>,
    squares: &mut Columns<F>,
) {
    let (width, weights) = (x[0].len(), weights::<F>(before, R));
    let whole = width / TILE * TILE;
    for at in (0..whole).step_by(TILE) {
        merge_tile::<F, R, TILE>(at, weights, x, shift, mean, squares);
    }
    for at in whole..width {
        merge_tile::<F, R, 1>(at, weights, x, shift, mean, squares);
    }
}

/// As [`merge_rows`], for W columns, in arrays that are registers.
#[inline(always)]
fn merge_tile<F: Real, const R: usize, const W: usize>(
    at: usize,
    (of_mean, of_squares): (F, F),
    x: [&[F]; R],
    shift: &Columns<F>,
    mean: &mut Columns<F>,
    squares: &mut Columns<F>,
) {
    let shift = tile::<F, W>(shift, at);
    let mut d = [[F::zero(); W]; R];
    let mut own = [F::zero(); W];
    for i in 0..R {
        let x = tile::<F, W>(x[i], at);
        for j in 0..W {
            d[i][j] = x[j] - shift[j];
            own[j] += d[i][j];
        }
    }
    let inverse = F::one() / F::from_usize(R);
    let mut spread = [F::zero(); W];
    for own in &mut own {
        *own *= inverse;
    }
    for d in &d {
        for j in 0..W {
            let distance = d[j] - own[j];
            spread[j] += distance * distance;
        }
    }
    let (mean, squares) = (&mut mean[at..at + W], &mut squares[at..at + W]);
    for j in 0..W {
        let delta = own[j] - mean[j];
        mean[j] += delta * of_mean;
        squares[j] += spread[j] + delta * delta * of_squares;
    }
}

/// Adds R more rows to Σ dy and Σ dy·(x − centre), column by column.
#[inline(always)]
pub(crate) fn add_rows<F: Real, const R: usize>(
    x: [&[F]; R],
    dy: [&[F]; R],
    centre: &Columns<F>,
    sums: &mut [Columns<F>; 2],
) {
    let width = x[0].len();
    let whole = width / TILE * TILE;
    for at in (0..whole).step_by(TILE) {
        add_tile::<F, R, TILE>(at, x, dy, centre, sums);
    }
    for at in whole..width {
        add_tile::<F, R, 1>(at, x, dy, centre, sums);
    }
}

/// As [`add_rows`], for W columns, in arrays that are registers.
#[inline(always)]
fn add_tile<F: Real, const R: usize, const W: usize>(
    at: usize,
    x: [&[F]; R],
    dy: [&[F]; R],
    centre: &Columns<F>,
    [plain, along]: &mut [Columns<F>; 2],
) {
    let centre = tile::<F, W>(centre, at);
    let mut sums = [[F::zero(); W]; 2];
    for i in 0..R {
        let (x, dy) = (tile::<F, W>(x[i], at), tile::<F, W>(dy[i], at));
        for j in 0..W {
            sums[0][j] += dy[j];
            sums[1][j] += dy[j] * (x[j] - centre[j]);
        }
    }
    let (plain, along) = (&mut plain[at..at + W], &mut along[at..at + W]);
    for j in 0..W {
        plain[j] += sums[0][j];
        along[j] += sums[1][j];
    }
}

/// y = (x − centre)·scale + offset.
#[inline(always)]
pub(crate) fn map_columns<F: Real>(numbers: [&Columns<F>; 3], x: &[F], y: &mut [F]) {
    let width = y.len();
    let (x, [centre, scale, offset]) = (&x[..width], numbers.map(|numbers| &numbers[..width]));
    for j in 0..width {
        y[j] = (x[j] - centre[j]) * scale[j] + offset[j];
    }
}

#[inline(always)]
pub(crate) fn map_plane<F: Real>([centre, scale, offset]: [F; 3], x: &[F], y: &mut [F]) {
    for (x, y) in x.iter().zip(y) {
        *y = (*x - centre) * scale + offset;
    }
}

/// dx = scale·dy − (x − centre)·slope + offset.
#[inline(always)]
pub(crate) fn map_columns_back<F: Real>(
    numbers: [&Columns<F>; 4],
    x: &[F],
    dy: &[F],
    dx: &mut [F],
    accumulate: bool,
) {
    let width = dx.len();
    let (x, dy) = (&x[..width], &dy[..width]);
    let [centre, scale, slope, offset] = numbers.map(|numbers| &numbers[..width]);
    write_or_add(
        dx,
        accumulate,
        #[inline(always)]
        |j: usize| (scale[j] * dy[j] - (x[j] - centre[j]) * slope[j]) + offset[j],
    );
}

#[inline(always)]
pub(crate) fn map_plane_back<F: Real>(
    [centre, scale, slope, offset]: [F; 4],
    x: &[F],
    dy: &[F],
    dx: &mut [F],
    accumulate: bool,
) {
    let (x, dy) = (&x[..dx.len()], &dy[..dx.len()]);
    write_or_add(
        dx,
        accumulate,
        #[inline(always)]
        |j: usize| (scale * dy[j] - (x[j] - centre) * slope) + offset,
    );
}
