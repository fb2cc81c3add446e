//! The weights, packed for the products of each step, and their gradients.

use std::ops::Range;

use ndarray::{ArrayView2, Axis, Ix2};
use nn_core::{Grad, Real, View};

use super::cell::{Cell, LANES};
use super::product::{Outer, Section, panel};
use super::sizes::{Sizes, columns, columns_mut};
use crate::gemm;
use crate::simd::Isa;

impl Sizes {
    /// Which gates lie where: for each gate its rows of the weights, and its sums with x and with h.
    fn gates(&self) -> impl Iterator<Item = (Range<usize>, [usize; 2])> {
        let Sizes { cell, hidden, .. } = *self;
        let units = self.units();
        (0..cell.gates()).map(move |gate| {
            let sums = [cell.sum_of_x(gate) * units, cell.sum_of_h(gate) * units];
            (gate * hidden..(gate + 1) * hidden, sums)
        })
    }

    /// The sums with x, and those with h.
    fn sums_with(&self) -> [Range<usize>; 2] {
        let (units, hidden) = (self.units(), self.hidden);
        match self.cell {
            Cell::Gru => [units..3 * units + hidden, 0..2 * units + hidden],
            cell => {
                let all = 0..(cell.sums() - 1) * units + hidden;
                [all.clone(), all]
            }
        }
    }

    /// The products on the way forward: sums from x and h, which begin with the biases.
    pub(super) fn sections(&self) -> [Section; 3] {
        let (x, h, units) = (self.of_x(), self.of_h(), self.units());
        let all = x.start..h.end;
        match self.cell {
            Cell::Gru => in_turn([(0..units, h), (units..3 * units, all), (3 * units..4 * units, x)]),
            _ => in_turn([(0..self.width(), all), (0..0, 0..0), (0..0, 0..0)]),
        }
    }

    /// The products on the way back: the gradients of x and of h from those of the sums.
    pub(super) fn sections_back(&self) -> [Section; 2] {
        let [with_x, with_h] = self.sums_with();
        in_turn([(0..self.x_width(), with_x), (0..self.units(), with_h)])
    }

    /// Elements of the packed weights of one way.
    pub(super) fn packed(&self) -> usize {
        let forward: usize = self.sections().iter().map(Section::len).sum();
        forward.max(self.sections_back().iter().map(Section::len).sum())
    }

    /// Packs the weights of input and state, and what the sums begin with, for the way forward.
    pub(super) fn pack<F: Real>(
        &self,
        isa: Isa,
        [weight_ih, weight_hh]: [&ArrayView2<'_, F>; 2],
        bias: &[F],
        packed: &mut [F],
    ) {
        packed.fill(F::zero());
        let (panel, x, h) = (panel::<F>(isa), self.of_x().start, self.of_h().start);
        let bias = ArrayView2::from_shape((1, bias.len()), bias).expect("one row");
        for section in self.sections() {
            section.pack_first(packed, panel, &bias);
            for (rows, [with_x, with_h]) in self.gates() {
                let of_x = weight_ih.slice_axis(Axis(0), rows.clone().into());
                let of_h = weight_hh.slice_axis(Axis(0), rows.into());
                section.pack(packed, panel, (x, with_x), &of_x.t());
                section.pack(packed, panel, (h, with_h), &of_h.t());
            }
        }
    }

    /// Packs the weights for the way back.
    pub(super) fn pack_back<F: Real>(&self, isa: Isa, weights: [&ArrayView2<'_, F>; 2], packed: &mut [F]) {
        packed.fill(F::zero());
        for (i, (section, weight)) in self.sections_back().iter().zip(weights).enumerate() {
            for (rows, sums) in self.gates() {
                let part = weight.slice_axis(Axis(0), rows.into());
                section.pack(packed, panel::<F>(isa), (sums[i], 0), &part);
            }
        }
    }

    /// What is added to each sum.
    pub(super) fn join_biases<F: Real>(&self, biases: [&View<'_, F>; 2], bias: &mut [F]) {
        for (rows, sums) in self.gates() {
            for (from, sum) in biases.into_iter().zip(sums) {
                let from = from.slice_axis(Axis(0), rows.clone().into());
                bias[sum..].iter_mut().zip(from).for_each(|(to, &from)| *to += from);
            }
        }
    }

    /// The gradients of the biases, from those of the sums.
    pub(super) fn biases<F: Real>(&self, d_bias: &[F], grads: &mut [Grad<'_, F>]) {
        for (i, grad) in grads.iter_mut().enumerate() {
            let Some((mut target, accumulate)) = grad.target() else { continue };
            for (rows, sums) in self.gates() {
                let to = target.slice_axis_mut(Axis(0), rows.into());
                for (to, &sum) in to.into_iter().zip(&d_bias[sums[i]..]) {
                    *to = if accumulate { *to + sum } else { sum };
                }
            }
        }
    }

    /// Which sums are multiplied with which columns of x and h to give the gradients of the weights, and where the
    /// products lie: one block where x and h have the same sums.
    fn blocks(&self) -> [(Range<usize>, Range<usize>, Range<usize>); 2] {
        let ([with_x, with_h], x, h) = (self.sums_with(), self.of_x(), self.of_h());
        let mut end = 0;
        let blocks = match with_x == with_h {
            true => [(with_h, x.start..h.end), (0..0, 0..0)],
            false => [(with_x, x), (with_h, h)],
        };
        blocks.map(|(sums, terms)| {
            let start = end;
            end += sums.len() * terms.len().next_multiple_of(LANES);
            (sums, terms, start..end)
        })
    }

    /// Elements of the products that give the gradients of the weights.
    pub(super) fn products(&self) -> usize {
        self.blocks()[1].2.end
    }

    /// Adds to the products those of these rows.
    pub(super) fn add_products<F: Real>(
        &self,
        isa: Isa,
        (rows, dz, xh): (usize, &[F], &[F]),
        products: &mut [F],
    ) {
        for (sums, terms, at) in self.blocks() {
            let (dz_row, x_row, y) = (self.wide(), self.row(), &mut products[at]);
            Outer { sums, terms, rows, dz, dz_row, x: xh, x_row, y }.run(isa);
        }
    }

    /// The products of all rows at once.
    pub(super) fn multiply_all<F: Real>(&self, dz: &[F], xh: &[F], products: &mut [F]) {
        for (sums, terms, at) in self.blocks() {
            let (dz, xh) = (columns(dz, self.wide(), sums), columns(xh, self.row(), terms.clone()));
            let width = terms.len().next_multiple_of(LANES).max(1);
            gemm(F::one(), dz.t(), xh, F::zero(), columns_mut(&mut products[at], width, 0..terms.len()));
        }
    }

    /// The gradients of the weights of input and state, from the products.
    pub(super) fn weights<F: Real>(&self, products: &[F], grads: &mut [Grad<'_, F>]) {
        for (i, (grad, own)) in grads.iter_mut().zip([self.of_x(), self.of_h()]).enumerate() {
            for (sums, terms, at) in self.blocks() {
                if !own.is_empty() && terms.start <= own.start && own.end <= terms.end {
                    let own = own.start - terms.start..own.end - terms.start;
                    let width = terms.len().next_multiple_of(LANES);
                    self.distribute(i, sums.start, &columns(&products[at], width, own), grad);
                }
            }
        }
    }

    /// From products for each sum, beginning with `first`, to the rows of one of the weights.
    fn distribute<F: Real>(
        &self,
        i: usize,
        first: usize,
        products: &ArrayView2<'_, F>,
        grad: &mut Grad<'_, F>,
    ) {
        let Some((target, accumulate)) = grad.target() else { return };
        let mut target = target.into_dimensionality::<Ix2>().expect("the weights are a matrix");
        for (rows, sums) in self.gates() {
            let from = sums[i] - first;
            let from = products.slice_axis(Axis(0), (from..from + rows.len()).into());
            let mut to = target.slice_axis_mut(Axis(0), rows.into());
            if accumulate {
                to += &from;
            } else {
                to.assign(&from);
            }
        }
    }
}

/// Sections for these sums and terms, one behind the other.
fn in_turn<const N: usize>(parts: [(Range<usize>, Range<usize>); N]) -> [Section; N] {
    let mut end = 0;
    parts.map(|(sums, terms)| {
        let section = Section { sums, terms, at: end };
        end += section.len();
        section
    })
}
