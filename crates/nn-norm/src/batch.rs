//! What batch normalisation and batch renormalisation share: the passes over a batch, and the running statistics.

use ndarray::{ArrayViewMut3, CowArray, IxDyn};
use nn_core::{Grad, Io, Memory, Mode, Outline, Real, ShapeError, View, ViewMut};

use crate::channels::{Channels, Line, Slope};
use crate::kernel::{elements, standard, write_each, write_gradient, write_output};
use crate::statistics::Statistics;

/// A normalisation by the batch, and by running statistics in evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Batch {
    pub(crate) name: &'static str,
    pub(crate) epsilon: f64,
    pub(crate) statistics: Statistics,
    /// The largest r and the largest d of batch renormalisation.
    pub(crate) limits: Option<[f64; 2]>,
}

/// x in C order, and what belongs to its channels: γ, running mean and variance.
#[derive(Clone, Copy)]
struct Arrays<'a, F: Real> {
    x: Channels<'a, F>,
    scale: &'a [F],
    mean: &'a [F],
    variance: &'a [F],
}

impl<'a, F: Real> Arrays<'a, F> {
    fn new([x, scale, mean, variance]: [&'a CowArray<'_, F, IxDyn>; 4]) -> Self {
        let channels = Channels::new(elements(x), x.shape());
        Arrays { x: channels, scale: elements(scale), mean: elements(mean), variance: elements(variance) }
    }

    fn running(&self, c: usize) -> [F; 2] {
        [self.mean[c], self.variance[c]]
    }
}

/// Checks that training has more than one value per channel.
pub(crate) fn check_batch(op: &'static str, shape: &[usize], mode: Mode) -> Result<(), ShapeError> {
    let values: usize = shape.iter().enumerate().filter(|&(axis, _)| axis != 1).map(|(_, len)| len).product();
    if mode == Mode::Eval || values > 1 {
        return Ok(());
    }
    let expected = "a batch [N, C, …] with more than one value per channel in training".to_owned();
    Err(ShapeError::Input { op, input: 0, expected, got: shape.to_vec() })
}

impl Batch {
    /// Saved: of each channel, the batch mean less the first value, and the biased variance. Working memory: two sums
    /// per channel.
    pub(crate) fn infer(self, inputs: &[&[usize]]) -> Result<Outline, ShapeError> {
        let op = self.name;
        if inputs.len() != 6 {
            return Err(ShapeError::Arity { op, expected: 6, got: inputs.len() });
        }
        let refuse = |input: usize, expected: &str| {
            let (expected, got) = (expected.to_owned(), inputs[input].to_vec());
            Err(ShapeError::Input { op, input, expected, got })
        };
        let shape = inputs[0];
        if shape.len() < 2 {
            return refuse(0, "a batch [N, C, …]");
        }
        for (input, &of_channels) in inputs.iter().enumerate().take(5).skip(1) {
            if of_channels != [shape[1]] {
                return refuse(input, &format!("one element for each of {} channels", shape[1]));
            }
        }
        if !inputs[5].is_empty() {
            return refuse(5, "a single number of shape []");
        }
        let outline = Outline::new(shape, 6).saved(2 * shape[1]).scratch(2 * shape[1]);
        Ok(outline.reads_inputs(&[0, 1, 3, 4, 5]).moves(&[3, 4, 5]))
    }

    /// 1/√(σ² + ε).
    fn rstd<F: Real>(self, variance: F) -> F {
        F::one() / (variance + F::from_f64(self.epsilon)).sqrt()
    }

    /// r and d of batch renormalisation, of a channel with this batch mean less the running mean, and these variances.
    fn correction<F: Real>(self, difference: F, variance: F, running: F) -> [F; 2] {
        let Some(limits) = self.limits else { return [F::one(), F::zero()] };
        let [r, d] = limits.map(F::from_f64);
        let rstd = self.rstd(running);
        let ratio = (variance + F::from_f64(self.epsilon)).sqrt() * rstd;
        [ratio.min(r).max(F::one() / r), (difference * rstd).min(d).max(-d)]
    }

    pub(crate) fn forward<F: Real>(
        self,
        mode: Mode,
        inputs: &[View<'_, F>],
        output: ViewMut<'_, F>,
        memory: Memory<'_, F>,
    ) {
        if inputs[0].is_empty() {
            return memory.saved.fill(F::zero());
        }
        let [x, scale, shift, mean, variance] = [0, 1, 2, 3, 4].map(|i| standard(&inputs[i]));
        let arrays = Arrays::new([&x, &scale, &mean, &variance]);
        let (input, offset) = (arrays.x, elements(&shift));
        let (mean, variance) = memory.saved.split_at_mut(input.channels);
        write_output(output, |y| {
            let y = cube(y, input);
            if mode == Mode::Train {
                input.map(0, Some([mean, variance]), y, &|c, mean, variance| {
                    let (shift, running) = (input.first(c), arrays.running(c));
                    let [r, d] = self.correction((shift - running[0]) + mean, variance, running[1]);
                    let scale = arrays.scale[c];
                    Line {
                        shift,
                        mean,
                        scale: self.rstd(variance) * (scale * r),
                        offset: scale * d + offset[c],
                    }
                });
            } else {
                input.map(0, None, y, &|c, _, _| {
                    let [shift, variance] = arrays.running(c);
                    let scale = self.rstd(variance) * arrays.scale[c];
                    Line { shift, mean: F::zero(), scale, offset: offset[c] }
                });
            }
        });
    }

    pub(crate) fn backward<F: Real>(
        self,
        mode: Mode,
        io: &Io<'_, '_, F>,
        memory: Memory<'_, F>,
        d_output: &View<'_, F>,
        d_inputs: &mut [Grad<'_, F>],
    ) {
        let views = [0, 1, 3, 4].map(|i| io.input(i));
        let [x, scale, mean, variance] = views.each_ref().map(standard);
        let (arrays, dy) = (Arrays::new([&x, &scale, &mean, &variance]), standard(d_output));
        let input = arrays.x;
        let (mean, variance) = memory.saved.split_at(input.channels);
        let pass = BackwardPass { batch: self, mode, arrays, mean, variance };
        memory.scratch.fill(F::zero());
        let (plain, along) = memory.scratch.split_at_mut(input.channels);
        if !d_output.is_empty() && d_inputs[..3].iter().any(Grad::is_needed) {
            let dy = Channels { values: elements(&dy), ..input };
            write_gradient(&mut d_inputs[0], |dx| {
                let dx = dx.map(|(dx, accumulate)| (cube(dx, input), accumulate));
                let (centre, slope) = (|c| pass.centre(c), |c, plain, along| pass.slope(c, plain, along));
                input.map_back(dy, 0, [&mut *plain, &mut *along], dx, &centre, &slope);
            });
        }
        write_each(&mut d_inputs[1], |c| pass.d_scale(c, plain[c], along[c]));
        write_each(&mut d_inputs[2], |c| plain[c]);
        pass.subtract_change(io.input(5).sum(), &mut d_inputs[3..]);
    }
}

/// A backward pass, channel by channel.
struct BackwardPass<'a, F: Real> {
    batch: Batch,
    mode: Mode,
    arrays: Arrays<'a, F>,
    mean: &'a [F],
    variance: &'a [F],
}

impl<F: Real> BackwardPass<'_, F> {
    /// Shift and mean.
    fn centre(&self, c: usize) -> [F; 2] {
        match self.mode {
            Mode::Train => [self.arrays.x.first(c), self.mean[c]],
            Mode::Eval => [self.arrays.running(c)[0], F::zero()],
        }
    }

    /// 1/√(σ² + ε), r and d.
    fn factors(&self, c: usize) -> [F; 3] {
        let [mean, variance] = self.arrays.running(c);
        if self.mode == Mode::Eval {
            return [self.batch.rstd(variance), F::one(), F::zero()];
        }
        let difference = (self.arrays.x.first(c) - mean) + self.mean[c];
        let [r, d] = self.batch.correction(difference, self.variance[c], variance);
        [self.batch.rstd(self.variance[c]), r, d]
    }

    fn slope(&self, c: usize, plain: F, along: F) -> Slope<F> {
        let [rstd, r, _] = self.factors(c);
        let scale = rstd * (self.arrays.scale[c] * r);
        if self.mode == Mode::Eval {
            return Slope { scale, plain: F::zero(), along: F::zero() };
        }
        let inverse = F::one() / F::from_usize(self.arrays.x.count());
        Slope { scale, plain: plain * inverse, along: rstd * rstd * (along * inverse) }
    }

    fn d_scale(&self, c: usize, plain: F, along: F) -> F {
        let [rstd, r, d] = self.factors(c);
        rstd * along * r + d * plain
    }

    /// Writes what an update shall subtract from running mean, running variance and count.
    fn subtract_change(&self, tracked: F, gradients: &mut [Grad<'_, F>]) {
        let input = self.arrays.x;
        let change = match self.mode {
            Mode::Train => self.batch.statistics.change(tracked, input.batch, input.count()),
            Mode::Eval => None,
        };
        let of = |c: usize, which: usize| {
            let [mean, variance] = self.arrays.running(c);
            let batch_mean = input.first(c) + self.mean[c];
            -change.map_or(F::zero(), |change| change.of(mean, variance, batch_mean, self.variance[c])[which])
        };
        write_each(&mut gradients[0], |c| of(c, 0));
        write_each(&mut gradients[1], |c| of(c, 1));
        write_each(&mut gradients[2], |_| -change.map_or(F::zero(), |change| change.count));
    }
}

/// A slice as an array `[N, C, S]`.
fn cube<'a, F: Real>(slice: &'a mut [F], like: Channels<'_, F>) -> ArrayViewMut3<'a, F> {
    ArrayViewMut3::from_shape((like.batch, like.channels, like.inner), slice)
        .expect("an element for each of x")
}
