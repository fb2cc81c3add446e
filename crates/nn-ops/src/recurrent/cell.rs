//! One step of each kind of cell, forward and backward, over some samples.

use nn_core::Real;

use crate::Activation;
use crate::simd::dispatch;

/// What a [`Recurrent`](super::Recurrent) layer computes in one step; σ is the logistic function, ⊙ the product element
/// by element.
///
/// Weights and biases of several gates stand one below the other, in the order given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// h′ = tanh(W_ih·x + b_ih + W_hh·h + b_hh).
    ///
    /// Elman 1990, "Finding structure in time".
    Tanh,
    /// h′ = max(0, W_ih·x + b_ih + W_hh·h + b_hh).
    ///
    /// Le, Jaitly, Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units".
    Relu,
    /// h′ = (1 − a)h + a·tanh(W_ih·x + b_ih + W_hh·h + b_hh) with the leak rate a.
    ///
    /// Jaeger, Lukoševičius, Popovici, Siewert 2007, "Optimization and applications of echo state networks with
    /// leaky-integrator neurons".
    Leaky {
        /// The leak rate a, from above 0 to 1; with 1 it is [`Cell::Tanh`].
        leak: f64,
    },
    /// Gates i, f, o = σ(W_ih·x + b_ih + W_hh·h + b_hh), each with its own rows of the weights, and g likewise with
    /// tanh; c′ = f⊙c + i⊙g; h′ = o⊙tanh(c′). Order of the gates: i, f, g, o.
    ///
    /// Gers, Schmidhuber, Cummins 2000, "Learning to forget: continual prediction with LSTM".
    Lstm,
    /// Gates r, z = σ(W_ih·x + b_ih + W_hh·h + b_hh), each with its own rows of the weights;
    /// n = tanh(W_in·x + b_in + r⊙(W_hn·h + b_hn)); h′ = (1 − z)⊙n + z⊙h. Order of the gates: r, z, n.
    ///
    /// Cho and others 2014, "Learning phrase representations using RNN encoder-decoder", with the reset gate behind the
    /// product, as PyTorch has it.
    Gru,
}

/// Some samples of a step on the way forward.
pub(super) struct Ahead<'a, F> {
    /// The products; what the cell keeps for the way back takes their place.
    pub(super) gates: &'a mut [F],
    pub(super) h_before: &'a [F],
    /// The new state; of cells that work in place, the products.
    pub(super) h: &'a mut [F],
    pub(super) c_before: &'a [F],
    pub(super) c: &'a mut [F],
}

/// Some samples of a step on the way back.
pub(super) struct Back<'a, F> {
    pub(super) gates: &'a [F],
    pub(super) h_before: &'a [F],
    pub(super) h: &'a [F],
    pub(super) c_before: &'a [F],
    pub(super) c: &'a [F],
    /// The gradient of h; replaced by what passes on to the state before other than through the products, if
    /// [`Cell::passes_on`].
    pub(super) dh: &'a mut [F],
    /// The gradient of c; replaced by that of the c before.
    pub(super) dc: &'a mut [F],
    /// The gradients of the sums.
    pub(super) dz: &'a mut [F],
}

impl Cell {
    /// The name, as PyTorch writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Cell::Tanh => "rnn_tanh",
            Cell::Relu => "rnn_relu",
            Cell::Leaky { .. } => "rnn_leaky",
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
        }
    }

    /// The number G of gates: the weights have G·hidden rows.
    pub fn gates(&self) -> usize {
        match self {
            Cell::Tanh | Cell::Relu | Cell::Leaky { .. } => 1,
            Cell::Lstm => 4,
            Cell::Gru => 3,
        }
    }

    /// Whether the state has a part c beside h.
    pub fn has_c(&self) -> bool {
        matches!(self, Cell::Lstm)
    }

    /// The number of sums for each unit: of GRU, r and z, the product of n with h, and that with x.
    pub(super) fn sums(&self) -> usize {
        match self {
            Cell::Gru => 4,
            _ => self.gates(),
        }
    }

    /// Which gates of the weights go into which sums of the products with x, as (first gate, first sum, number). The
    /// products with h go into the first sums.
    pub(super) fn input_parts(&self) -> &'static [(usize, usize, usize)] {
        match self {
            Cell::Tanh | Cell::Relu | Cell::Leaky { .. } => &[(0, 0, 1)],
            Cell::Lstm => &[(0, 0, 4)],
            Cell::Gru => &[(0, 0, 2), (2, 3, 1)],
        }
    }

    /// Whether the state takes the place of the sums, and nothing else is kept.
    pub(super) fn works_in_place(&self) -> bool {
        matches!(self, Cell::Tanh | Cell::Relu)
    }

    /// Whether a gradient passes from state to state other than through the products.
    pub(super) fn passes_on(&self) -> bool {
        matches!(self, Cell::Leaky { .. } | Cell::Gru)
    }

    /// The new state from the products.
    pub(super) fn forward<F: Real>(&self, hidden: usize, bias: &[F], step: Ahead<'_, F>) {
        match *self {
            Cell::Tanh => Activation::Tanh.activate_rows(step.h, Some(bias), hidden),
            Cell::Relu => Activation::Relu.activate_rows(step.h, Some(bias), hidden),
            Cell::Leaky { leak } => {
                Activation::Tanh.activate_rows(step.gates, Some(bias), hidden);
                leaky(F::from_f64(leak), step);
            }
            Cell::Lstm => dispatch(
                #[inline(always)]
                move || lstm(hidden, bias, step),
            ),
            Cell::Gru => dispatch(
                #[inline(always)]
                move || gru(hidden, bias, step),
            ),
        }
    }

    /// The gradients of the sums.
    pub(super) fn backward<F: Real>(&self, hidden: usize, step: Back<'_, F>) {
        match *self {
            Cell::Tanh => Activation::Tanh.backward_rows(step.h, step.dh, step.dz, None, hidden),
            Cell::Relu => Activation::Relu.backward_rows(step.h, step.dh, step.dz, None, hidden),
            Cell::Leaky { leak } => leaky_back(F::from_f64(leak), step),
            Cell::Lstm => dispatch(
                #[inline(always)]
                move || lstm_back(hidden, step),
            ),
            Cell::Gru => dispatch(
                #[inline(always)]
                move || gru_back(hidden, step),
            ),
        }
    }
}

fn leaky<F: Real>(leak: F, step: Ahead<'_, F>) {
    let Ahead { gates, h_before, h, .. } = step;
    dispatch(
        #[inline(always)]
        move || {
            for ((h, &before), &u) in h.iter_mut().zip(h_before).zip(&*gates) {
                *h = (F::one() - leak) * before + leak * u;
            }
        },
    );
}

fn leaky_back<F: Real>(leak: F, step: Back<'_, F>) {
    let Back { gates, dh, dz, .. } = step;
    dispatch(
        #[inline(always)]
        move || {
            for ((dz, dh), &u) in dz.iter_mut().zip(dh).zip(gates) {
                *dz = *dh * leak * (F::one() - u * u);
                *dh *= F::one() - leak;
            }
        },
    );
}

/// Units that are worked on at a time: one or two vectors.
const LANES: usize = 16;

/// The units `at..at + LANES` of a row; zeros where it ends before.
#[inline(always)]
fn load<F: Real>(row: &[F], at: usize) -> [F; LANES] {
    let mut lanes = [F::zero(); LANES];
    match row.get(at..at + LANES) {
        Some(whole) => lanes.copy_from_slice(whole),
        None => lanes.iter_mut().zip(&row[at..]).for_each(|(to, &from)| *to = from),
    }
    lanes
}

/// Writes the units that exist.
#[inline(always)]
fn store<F: Real>(row: &mut [F], at: usize, lanes: &[F; LANES]) {
    match row.get_mut(at..at + LANES) {
        Some(whole) => whole.copy_from_slice(lanes),
        None => row[at..].iter_mut().zip(lanes).for_each(|(to, &from)| *to = from),
    }
}

/// The row of one gate of one sample.
#[inline(always)]
fn gate<F>(gates: &[F], of: usize, hidden: usize, row: usize, gate: usize) -> &[F] {
    &gates[(row * of + gate) * hidden..][..hidden]
}

/// Some units of the four gates of one sample.
#[inline(always)]
fn four<F: Real>(gates: &[F], hidden: usize, row: usize, at: usize) -> [[F; LANES]; 4] {
    [
        load(gate(gates, 4, hidden, row, 0), at),
        load(gate(gates, 4, hidden, row, 1), at),
        load(gate(gates, 4, hidden, row, 2), at),
        load(gate(gates, 4, hidden, row, 3), at),
    ]
}

/// As [`gate`], for writing.
#[inline(always)]
fn gate_mut<F>(gates: &mut [F], of: usize, hidden: usize, row: usize, gate: usize) -> &mut [F] {
    &mut gates[(row * of + gate) * hidden..][..hidden]
}

/// Writes units of the four gates of one sample.
#[inline(always)]
fn store_four<F: Real>(gates: &mut [F], hidden: usize, row: usize, at: usize, lanes: [&[F; LANES]; 4]) {
    store(gate_mut(gates, 4, hidden, row, 0), at, lanes[0]);
    store(gate_mut(gates, 4, hidden, row, 1), at, lanes[1]);
    store(gate_mut(gates, 4, hidden, row, 2), at, lanes[2]);
    store(gate_mut(gates, 4, hidden, row, 3), at, lanes[3]);
}

#[inline(always)]
fn lstm<F: Real>(hidden: usize, bias: &[F], step: Ahead<'_, F>) {
    let Ahead { gates, h, c_before, c, .. } = step;
    for row in 0..h.len() / hidden {
        for at in (0..hidden).step_by(LANES) {
            let [mut i, mut f, mut g, mut o] = four(gates, hidden, row, at);
            let [bi, bf, bg, bo] = four(bias, hidden, 0, at);
            let before = load(gate(c_before, 1, hidden, row, 0), at);
            let (mut new_c, mut new_h) = ([F::zero(); LANES], [F::zero(); LANES]);
            for k in 0..LANES {
                i[k] = (i[k] + bi[k]).sigmoid();
                f[k] = (f[k] + bf[k]).sigmoid();
                g[k] = (g[k] + bg[k]).tanh();
                o[k] = (o[k] + bo[k]).sigmoid();
                new_c[k] = f[k] * before[k] + i[k] * g[k];
                new_h[k] = o[k] * new_c[k].tanh();
            }
            store_four(gates, hidden, row, at, [&i, &f, &g, &o]);
            store(gate_mut(c, 1, hidden, row, 0), at, &new_c);
            store(gate_mut(h, 1, hidden, row, 0), at, &new_h);
        }
    }
}

#[inline(always)]
fn lstm_back<F: Real>(hidden: usize, step: Back<'_, F>) {
    let Back { gates, c_before, c, dh, dc, dz, .. } = step;
    let one = F::one();
    for row in 0..dh.len() / hidden {
        for at in (0..hidden).step_by(LANES) {
            let [i, f, g, o] = four(gates, hidden, row, at);
            let before = load(gate(c_before, 1, hidden, row, 0), at);
            let after = load(gate(c, 1, hidden, row, 0), at);
            let dh = load(gate(dh, 1, hidden, row, 0), at);
            let mut d = load(gate(dc, 1, hidden, row, 0), at);
            let [mut di, mut df, mut dg, mut d_o] = [[F::zero(); LANES]; 4];
            for k in 0..LANES {
                let t = after[k].tanh();
                let through = d[k] + dh[k] * o[k] * (one - t * t);
                d_o[k] = dh[k] * t * o[k] * (one - o[k]);
                di[k] = through * g[k] * i[k] * (one - i[k]);
                df[k] = through * before[k] * f[k] * (one - f[k]);
                dg[k] = through * i[k] * (one - g[k] * g[k]);
                d[k] = through * f[k];
            }
            store_four(dz, hidden, row, at, [&di, &df, &dg, &d_o]);
            store(gate_mut(dc, 1, hidden, row, 0), at, &d);
        }
    }
}

/// The sums are those of r, z, of n with h, and of n with x; the last becomes n.
#[inline(always)]
fn gru<F: Real>(hidden: usize, bias: &[F], step: Ahead<'_, F>) {
    let Ahead { gates, h_before, h, .. } = step;
    for row in 0..h.len() / hidden {
        for at in (0..hidden).step_by(LANES) {
            let [mut r, mut z, mut m, mut n] = four(gates, hidden, row, at);
            let [br, bz, bm, bn] = four(bias, hidden, 0, at);
            let before = load(gate(h_before, 1, hidden, row, 0), at);
            let mut new = [F::zero(); LANES];
            for k in 0..LANES {
                r[k] = (r[k] + br[k]).sigmoid();
                z[k] = (z[k] + bz[k]).sigmoid();
                m[k] += bm[k];
                n[k] = (n[k] + bn[k] + r[k] * m[k]).tanh();
                new[k] = (F::one() - z[k]) * n[k] + z[k] * before[k];
            }
            store_four(gates, hidden, row, at, [&r, &z, &m, &n]);
            store(gate_mut(h, 1, hidden, row, 0), at, &new);
        }
    }
}

#[inline(always)]
fn gru_back<F: Real>(hidden: usize, step: Back<'_, F>) {
    let Back { gates, h_before, dh, dz, .. } = step;
    let one = F::one();
    for row in 0..dh.len() / hidden {
        for at in (0..hidden).step_by(LANES) {
            let [r, z, m, n] = four(gates, hidden, row, at);
            let before = load(gate(h_before, 1, hidden, row, 0), at);
            let mut d = load(gate(dh, 1, hidden, row, 0), at);
            let [mut dr, mut d_z, mut dm, mut dn] = [[F::zero(); LANES]; 4];
            for k in 0..LANES {
                dn[k] = d[k] * (one - z[k]) * (one - n[k] * n[k]);
                d_z[k] = d[k] * (before[k] - n[k]) * z[k] * (one - z[k]);
                dr[k] = dn[k] * m[k] * r[k] * (one - r[k]);
                dm[k] = dn[k] * r[k];
                d[k] *= z[k];
            }
            store_four(dz, hidden, row, at, [&dr, &d_z, &dm, &dn]);
            store(gate_mut(dh, 1, hidden, row, 0), at, &d);
        }
    }
}
