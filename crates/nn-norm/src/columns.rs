//! The loops of batch norm over rows of columns, and over planes.

use nn_core::Real;

use crate::kernel::write_or_add;

/// Columns that are combined in registers.
pub(crate) const TILE: usize = 16;

/// The W elements from `at` on.
#[inline(always)]
fn tile<F, const W: usize>(x: &[F], at: usize) -> &[F; W] {
    x[at..].first_chunk().expect("a tile ends within its row")
}

#[inline(always)]
fn tile_mut<F, const W: usize>(x: &mut [F], at: usize) -> &mut [F; W] {
    x[at..].first_chunk_mut().expect("a tile ends within its row")
}

/// Takes R more rows into the means of `before` rows, less the first row, and into the sums of their squared distances
/// from these, column by column: with d = x − mean, mean + Σd/n and squares + Σd² − (Σd)²/n for n rows with these.
#[inline(always)]
pub(crate) fn merge_rows<F: Real, const R: usize>(
    before: usize,
    x: [&[F]; R],
    first: &[F],
    moments: &mut [&mut [F]; 2],
) {
    let (width, inverse) = (x[0].len(), F::one() / F::from_usize(before + R));
    let whole = width / TILE * TILE;
    for at in (0..whole).step_by(TILE) {
        merge_tile::<F, R, TILE>(at, inverse, x, first, moments);
    }
    for at in whole..width {
        merge_tile::<F, R, 1>(at, inverse, x, first, moments);
    }
}

/// As [`merge_rows`], for W columns, in arrays that are registers.
#[inline(always)]
fn merge_tile<F: Real, const R: usize, const W: usize>(
    at: usize,
    inverse: F,
    x: [&[F]; R],
    first: &[F],
    [mean, squares]: &mut [&mut [F]; 2],
) {
    let (first, old) = (tile::<F, W>(first, at), *tile::<F, W>(mean, at));
    let mut sums = [[F::zero(); W]; 2];
    for x in x {
        let x = tile::<F, W>(x, at);
        for j in 0..W {
            let d = (x[j] - first[j]) - old[j];
            sums[0][j] += d;
            sums[1][j] += d * d;
        }
    }
    let (mut new, mut spread) = (old, *tile::<F, W>(squares, at));
    for j in 0..W {
        let share = sums[0][j] * inverse;
        new[j] += share;
        spread[j] += sums[1][j] - sums[0][j] * share;
    }
    *tile_mut(mean, at) = new;
    *tile_mut(squares, at) = spread;
}

/// Adds R more rows to Σ dy and Σ dy·(x − centre), column by column.
#[inline(always)]
pub(crate) fn add_rows<F: Real, const R: usize>(
    x: [&[F]; R],
    dy: [&[F]; R],
    centre: &[F],
    sums: &mut [&mut [F]; 2],
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
    centre: &[F],
    [plain, along]: &mut [&mut [F]; 2],
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
    let mut totals = [*tile::<F, W>(plain, at), *tile::<F, W>(along, at)];
    for (totals, sums) in totals.iter_mut().zip(&sums) {
        for j in 0..W {
            totals[j] += sums[j];
        }
    }
    [*tile_mut(plain, at), *tile_mut(along, at)] = totals;
}

/// y = (x − centre)·scale + offset.
#[inline(always)]
pub(crate) fn map_columns<F: Real>(numbers: [&[F]; 3], x: &[F], y: &mut [F]) {
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
    numbers: [&[F]; 4],
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

/// dx = scale·dy.
#[inline(always)]
pub(crate) fn scale_columns<F: Real>(scale: &[F], dy: &[F], dx: &mut [F], accumulate: bool) {
    let (scale, dy) = (&scale[..dx.len()], &dy[..dx.len()]);
    write_or_add(
        dx,
        accumulate,
        #[inline(always)]
        |j: usize| scale[j] * dy[j],
    );
}

#[inline(always)]
pub(crate) fn scale_plane<F: Real>(scale: F, dy: &[F], dx: &mut [F], accumulate: bool) {
    let dy = &dy[..dx.len()];
    write_or_add(
        dx,
        accumulate,
        #[inline(always)]
        |j: usize| scale * dy[j],
    );
}
