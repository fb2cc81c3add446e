//! One step of each kind of cell, forward and backward, over some samples.

use nn_core::Real;

use crate::simd::dispatch;

/// Numbers that are worked on at a time: one or two vectors. The units of a cell are filled up to a multiple.
pub(super) const LANES: usize = 16;

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

/// Rows of whole vectors, which begin `stride` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, F> {
    pub(super) data: &'a [F],
    pub(super) stride: usize,
}

/// As [`Rows`], for writing.
pub(super) struct RowsMut<'a, F> {
    pub(super) data: &'a mut [F],
    pub(super) stride: usize,
}

/// Some samples of a step on the way forward.
pub(super) struct Ahead<'a, F> {
    pub(super) samples: usize,
    pub(super) units: usize,
    /// The sums; what the cell keeps for the way back takes their place.
    pub(super) gates: RowsMut<'a, F>,
    pub(super) h_before: Rows<'a, F>,
    /// The new state; of cells that work in place, the sums.
    pub(super) h: RowsMut<'a, F>,
    pub(super) c_before: Rows<'a, F>,
    pub(super) c: RowsMut<'a, F>,
}

/// Some samples of a step on the way back.
pub(super) struct Back<'a, F> {
    pub(super) samples: usize,
    pub(super) units: usize,
    pub(super) gates: Rows<'a, F>,
    pub(super) h_before: Rows<'a, F>,
    pub(super) h: Rows<'a, F>,
    pub(super) c_before: Rows<'a, F>,
    pub(super) c: Rows<'a, F>,
    /// The gradient of h; replaced by what passes on to the state before other than through the products, if
    /// [`Cell::passes_on`].
    pub(super) dh: RowsMut<'a, F>,
    /// The gradient of c; replaced by that of the c before.
    pub(super) dc: RowsMut<'a, F>,
    /// The gradients of the sums.
    pub(super) dz: RowsMut<'a, F>,
    /// To which those of all samples are added, one after another.
    pub(super) sums: &'a mut [F],
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

    /// The number of sums for each unit: of GRU, that of n with h, those of r and z, and that of n with x.
    pub(super) fn sums(&self) -> usize {
        match self {
            Cell::Gru => 4,
            _ => self.gates(),
        }
    }

    /// To which sum the product of a gate's weights with x goes.
    pub(super) fn sum_of_x(&self, gate: usize) -> usize {
        match self {
            Cell::Gru => gate + 1,
            _ => gate,
        }
    }

    /// To which sum the product of a gate's weights with h goes.
    pub(super) fn sum_of_h(&self, gate: usize) -> usize {
        match self {
            Cell::Gru => (gate + 1) % 3,
            _ => gate,
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

    /// The new state from the sums.
    pub(super) fn forward<F: Real>(&self, step: Ahead<'_, F>) {
        match *self {
            Cell::Tanh => dispatch(
                #[inline(always)]
                move || in_place(step, F::tanh),
            ),
            Cell::Relu => dispatch(
                #[inline(always)]
                move || in_place(step, |z| if z < F::zero() { F::zero() } else { z }),
            ),
            Cell::Leaky { leak } => dispatch(
                #[inline(always)]
                move || leaky(F::from_f64(leak), step),
            ),
            Cell::Lstm => dispatch(
                #[inline(always)]
                move || lstm(step),
            ),
            Cell::Gru => dispatch(
                #[inline(always)]
                move || gru(step),
            ),
        }
    }

    /// The gradients of the sums.
    pub(super) fn backward<F: Real>(&self, step: Back<'_, F>) {
        let one = F::one();
        match *self {
            Cell::Tanh => dispatch(
                #[inline(always)]
                move || in_place_back(step, |h, d| d * (one - h * h)),
            ),
            Cell::Relu => dispatch(
                #[inline(always)]
                move || in_place_back(step, |h, d| if h <= F::zero() { F::zero() } else { d }),
            ),
            Cell::Leaky { leak } => dispatch(
                #[inline(always)]
                move || leaky_back(F::from_f64(leak), step),
            ),
            Cell::Lstm => dispatch(
                #[inline(always)]
                move || lstm_back(step),
            ),
            Cell::Gru => dispatch(
                #[inline(always)]
                move || gru_back(step),
            ),
        }
    }
}

/// Units that are worked on at a time.
type Lanes<F> = [F; LANES];

impl<F> Rows<'_, F> {
    /// The units `at..at + LANES` of a row.
    #[inline(always)]
    fn lanes(&self, row: usize, at: usize) -> &Lanes<F> {
        self.data[row * self.stride + at..].first_chunk().expect("whole vectors")
    }

    /// Such units of each gate.
    #[inline(always)]
    fn four(&self, row: usize, units: usize, at: usize) -> [&Lanes<F>; 4] {
        [
            self.lanes(row, at),
            self.lanes(row, units + at),
            self.lanes(row, 2 * units + at),
            self.lanes(row, 3 * units + at),
        ]
    }
}

impl<F> RowsMut<'_, F> {
    /// For reading.
    #[inline(always)]
    fn view(&self) -> Rows<'_, F> {
        Rows { data: self.data, stride: self.stride }
    }

    /// The units `at..at + LANES` of a row.
    #[inline(always)]
    fn lanes(&mut self, row: usize, at: usize) -> &mut Lanes<F> {
        self.data[row * self.stride + at..].first_chunk_mut().expect("whole vectors")
    }
}

/// h from the sums that stand in its place.
#[inline(always)]
fn in_place<F: Real>(mut step: Ahead<'_, F>, f: impl Fn(F) -> F) {
    for row in 0..step.samples {
        for at in (0..step.units).step_by(LANES) {
            for h in step.h.lanes(row, at) {
                *h = f(*h);
            }
        }
    }
}

/// Makes zero of what is nearly subnormal. A gradient that comes from the last step only shrinks from step to step, and
/// arithmetic on subnormal numbers is many times slower.
#[inline(always)]
fn flush<F: Real>(d: F) -> F {
    if d.abs() < F::MIN_POSITIVE / F::EPSILON { F::zero() } else { d }
}

/// The gradients of the sums from h and its gradient.
#[inline(always)]
fn in_place_back<F: Real>(step: Back<'_, F>, f: impl Fn(F, F) -> F) {
    let Back { h, dh, mut dz, .. } = step;
    for row in 0..step.samples {
        for at in (0..step.units).step_by(LANES) {
            let (h, mut d) = (h.lanes(row, at), *dh.view().lanes(row, at));
            for k in 0..LANES {
                d[k] = f(h[k], flush(d[k]));
            }
            write(d, dz.lanes(row, at), step.sums, at);
        }
    }
}

/// Writes gradients of a sample's sums, from `at` on, and adds them to those of other samples.
#[inline(always)]
fn write<F: Real>(gradients: Lanes<F>, dz: &mut Lanes<F>, sums: &mut [F], at: usize) {
    *dz = gradients;
    let sums: &mut Lanes<F> = sums[at..].first_chunk_mut().expect("whole vectors");
    for k in 0..LANES {
        sums[k] += gradients[k];
    }
}

#[inline(always)]
fn leaky<F: Real>(leak: F, mut step: Ahead<'_, F>) {
    for row in 0..step.samples {
        for at in (0..step.units).step_by(LANES) {
            let (before, mut u) = (step.h_before.lanes(row, at), *step.gates.lanes(row, at));
            let mut h = [F::zero(); LANES];
            for k in 0..LANES {
                u[k] = u[k].tanh();
                h[k] = (F::one() - leak) * before[k] + leak * u[k];
            }
            *step.gates.lanes(row, at) = u;
            *step.h.lanes(row, at) = h;
        }
    }
}

#[inline(always)]
fn leaky_back<F: Real>(leak: F, step: Back<'_, F>) {
    let Back { gates, mut dh, mut dz, .. } = step;
    for row in 0..step.samples {
        for at in (0..step.units).step_by(LANES) {
            let (u, mut d, mut du) = (gates.lanes(row, at), *dh.lanes(row, at), [F::zero(); LANES]);
            for k in 0..LANES {
                d[k] = flush(d[k]);
                du[k] = d[k] * leak * (F::one() - u[k] * u[k]);
                d[k] *= F::one() - leak;
            }
            *dh.lanes(row, at) = d;
            write(du, dz.lanes(row, at), step.sums, at);
        }
    }
}

/// 1/(1 + e⁻ˣ), at full accuracy but that it is 0 where it is not a normal number.
#[inline(always)]
fn sigmoid<F: Real>(x: F) -> F {
    let t = (-x.abs()).exp_nonpositive();
    let above = if x < F::zero() { t } else { F::one() };
    above / (F::one() + t)
}

#[inline(always)]
fn lstm<F: Real>(step: Ahead<'_, F>) {
    let Ahead { units, mut gates, mut h, c_before, mut c, .. } = step;
    for row in 0..step.samples {
        for at in (0..units).step_by(LANES) {
            let [mut i, mut f, mut g, mut o] = gates.view().four(row, units, at).map(|x| *x);
            let before = c_before.lanes(row, at);
            let (mut new_c, mut new_h) = ([F::zero(); LANES], [F::zero(); LANES]);
            for k in 0..LANES {
                i[k] = sigmoid(i[k]);
                f[k] = sigmoid(f[k]);
                g[k] = g[k].tanh();
                o[k] = sigmoid(o[k]);
                new_c[k] = f[k] * before[k] + i[k] * g[k];
                new_h[k] = o[k] * new_c[k].tanh();
            }
            *c.lanes(row, at) = new_c;
            *h.lanes(row, at) = new_h;
            for (gate, lanes) in [i, f, g, o].into_iter().enumerate() {
                *gates.lanes(row, gate * units + at) = lanes;
            }
        }
    }
}

#[inline(always)]
fn lstm_back<F: Real>(step: Back<'_, F>) {
    let Back { units, gates, c_before, c, dh, mut dc, mut dz, .. } = step;
    let one = F::one();
    for row in 0..step.samples {
        for at in (0..units).step_by(LANES) {
            let [i, f, g, o] = gates.four(row, units, at);
            let (before, after) = (c_before.lanes(row, at), c.lanes(row, at));
            let (dh, mut d) = (*dh.view().lanes(row, at), *dc.lanes(row, at));
            let [mut di, mut df, mut dg, mut d_o] = [[F::zero(); LANES]; 4];
            for k in 0..LANES {
                let t = after[k].tanh();
                let dh = flush(dh[k]);
                let through = flush(d[k]) + dh * o[k] * (one - t * t);
                d_o[k] = dh * t * o[k] * (one - o[k]);
                di[k] = through * g[k] * i[k] * (one - i[k]);
                df[k] = through * before[k] * f[k] * (one - f[k]);
                dg[k] = through * i[k] * (one - g[k] * g[k]);
                d[k] = through * f[k];
            }
            *dc.lanes(row, at) = d;
            for (gate, lanes) in [di, df, dg, d_o].into_iter().enumerate() {
                let at = gate * units + at;
                write(lanes, dz.lanes(row, at), step.sums, at);
            }
        }
    }
}

/// The sums are that of n with h, those of r, z, and that of n with x, which becomes n.
#[inline(always)]
fn gru<F: Real>(step: Ahead<'_, F>) {
    let Ahead { units, mut gates, h_before, mut h, .. } = step;
    for row in 0..step.samples {
        for at in (0..units).step_by(LANES) {
            let [m, mut r, mut z, mut n] = gates.view().four(row, units, at).map(|x| *x);
            let (before, mut new) = (h_before.lanes(row, at), [F::zero(); LANES]);
            for k in 0..LANES {
                r[k] = sigmoid(r[k]);
                z[k] = sigmoid(z[k]);
                n[k] = (n[k] + r[k] * m[k]).tanh();
                new[k] = (F::one() - z[k]) * n[k] + z[k] * before[k];
            }
            *h.lanes(row, at) = new;
            for (gate, lanes) in [r, z, n].into_iter().enumerate() {
                *gates.lanes(row, (gate + 1) * units + at) = lanes;
            }
        }
    }
}

#[inline(always)]
fn gru_back<F: Real>(step: Back<'_, F>) {
    let Back { units, gates, h_before, mut dh, mut dz, .. } = step;
    let one = F::one();
    for row in 0..step.samples {
        for at in (0..units).step_by(LANES) {
            let [m, r, z, n] = gates.four(row, units, at);
            let (before, mut d) = (h_before.lanes(row, at), *dh.lanes(row, at));
            let [mut dr, mut d_z, mut dm, mut dn] = [[F::zero(); LANES]; 4];
            for k in 0..LANES {
                d[k] = flush(d[k]);
                dn[k] = d[k] * (one - z[k]) * (one - n[k] * n[k]);
                d_z[k] = d[k] * (before[k] - n[k]) * z[k] * (one - z[k]);
                dr[k] = dn[k] * m[k] * r[k] * (one - r[k]);
                dm[k] = dn[k] * r[k];
                d[k] *= z[k];
            }
            *dh.lanes(row, at) = d;
            for (gate, lanes) in [dm, dr, d_z, dn].into_iter().enumerate() {
                let at = gate * units + at;
                write(lanes, dz.lanes(row, at), step.sums, at);
            }
        }
    }
}
