//! What batch normalisation and batch renormalisation share: the passes over a batch, and the running statistics.

use ndarray::{ArrayViewMut3, CowArray, IxDyn};
use nn_core::{Grad, Io, Memory, Mode, Outline, RangeError, Real, ShapeError, View, ViewMut};
use nn_ops::simd::dispatch;

use crate::channels::{Channels, Slopes};
use crate::kernel::{elements, standard, write_each, write_gradient, write_output, write_slice};
use crate::row_op::{EPSILON, check_epsilon};
use crate::statistics::{RunningStatistics, Statistics};

/// A normalisation by the batch, and by running statistics in evaluation.
#[derive(Clone, Copy, Debug, PartialEq)]
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

    /// γ, running mean and variance of some channels.
    fn of(&self, first: usize, count: usize) -> [&'a [F]; 3] {
        [self.scale, self.mean, self.variance].map(|numbers| &numbers[first..first + count])
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
    /// With ε = 1e-5, and running statistics exponentially weighted with momentum 0.1.
    pub(crate) fn new(name: &'static str, limits: Option<[f64; 2]>) -> Self {
        Batch { name, epsilon: EPSILON, statistics: Statistics::default(), limits }
    }

    /// With another ε.
    pub(crate) fn epsilon(self, owner: &'static str, epsilon: f64) -> Result<Self, RangeError> {
        Ok(Batch { epsilon: check_epsilon(owner, epsilon)?, ..self })
    }

    /// With other statistics for inference.
    pub(crate) fn statistics(self, statistics: Statistics) -> Result<Self, RangeError> {
        Ok(Batch { statistics: statistics.checked()?, ..self })
    }

    /// Fresh running statistics.
    pub(crate) fn running<F: Real>(self, channels: usize) -> RunningStatistics<F> {
        RunningStatistics::new(self.statistics, channels).expect("the policy was checked when it was set")
    }

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

    /// Calls `write` for each i below `count` with 1/√(σ² + ε), r and d (1 and 0 but for batch renormalisation), where
    /// `of(i)` gives the batch mean less the running mean and the variances of batch and run. Vectorised.
    #[inline(always)]
    fn for_factors<F: Real>(
        self,
        mode: Mode,
        count: usize,
        of: impl Fn(usize) -> [F; 3],
        mut write: impl FnMut(usize, [F; 3]),
    ) {
        let epsilon = F::from_f64(self.epsilon);
        let rstd = |variance: F| F::one() / (variance + epsilon).sqrt();
        match (mode, self.limits) {
            (Mode::Eval, _) => {
                for i in 0..count {
                    let [_, _, running] = of(i);
                    write(i, [rstd(running), F::one(), F::zero()]);
                }
            }
            (Mode::Train, None) => {
                for i in 0..count {
                    let [_, variance, _] = of(i);
                    write(i, [rstd(variance), F::one(), F::zero()]);
                }
            }
            (Mode::Train, Some(limits)) => {
                let [r_max, d_max] = limits.map(F::from_f64);
                for i in 0..count {
                    let [difference, variance, running] = of(i);
                    let inverse = rstd(running);
                    let r = ((variance + epsilon).sqrt() * inverse).min(r_max).max(F::one() / r_max);
                    write(i, [rstd(variance), r, (difference * inverse).min(d_max).max(-d_max)]);
                }
            }
        }
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
            let batch = (mode == Mode::Train).then_some([mean, variance]);
            input.map(0, batch, y, &|first, batch, lines| {
                self.lines(mode, &arrays, first, batch, offset, lines);
            });
        });
    }

    /// Fills centre, scale and offset of the channels from `first` on.
    fn lines<F: Real>(
        self,
        mode: Mode,
        arrays: &Arrays<'_, F>,
        first: usize,
        [mean, variance]: [&[F]; 2],
        shift: &[F],
        [centre, scale, offset]: [&mut [F]; 3],
    ) {
        let count = centre.len();
        let [gamma, running_mean, running] = arrays.of(first, count);
        let beta = &shift[first..first + count];
        if mode == Mode::Eval {
            centre.copy_from_slice(running_mean);
        } else {
            arrays.x.firsts(first, centre);
        }
        dispatch(
            #[inline(always)]
            move || {
                if mode == Mode::Eval {
                    let of = |i: usize| [F::zero(), F::zero(), running[i]];
                    return self.for_factors(
                        mode,
                        count,
                        of,
                        #[inline(always)]
                        |i, [rstd, _, _]| (scale[i], offset[i]) = (rstd * gamma[i], beta[i]),
                    );
                }
                let (mean, variance) = (&mean[..count], &variance[..count]);
                for i in 0..count {
                    // The centre is the mean but for rounding; what rounding takes, the offset gives back.
                    let first = centre[i];
                    centre[i] = first + mean[i];
                    offset[i] = (centre[i] - first) - mean[i];
                }
                let centre = &*centre;
                let of = |i: usize| [centre[i] - running_mean[i], variance[i], running[i]];
                self.for_factors(
                    mode,
                    count,
                    of,
                    #[inline(always)]
                    |i, [rstd, r, d]| {
                        scale[i] = rstd * (gamma[i] * r);
                        offset[i] = offset[i] * scale[i] + (gamma[i] * d + beta[i]);
                    },
                );
            },
        );
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
                input.map_back(dy, 0, [&mut *plain, &mut *along], dx, &pass);
            });
        }
        write_slice(&mut d_inputs[1], along);
        write_slice(&mut d_inputs[2], plain);
        pass.subtract_change(io.input(5).sum(), [plain, along], &mut d_inputs[3..]);
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

impl<F: Real> Slopes<F> for BackwardPass<'_, F> {
    /// Fills the centres, which are the means but for rounding, and what they have more than the means.
    fn centres(&self, first: usize, [centre, rest]: [&mut [F]; 2]) {
        let count = centre.len();
        if self.mode == Mode::Eval {
            centre.copy_from_slice(&self.arrays.mean[first..first + count]);
            return rest.fill(F::zero());
        }
        self.arrays.x.firsts(first, centre);
        let mean = &self.mean[first..first + count];
        dispatch(
            #[inline(always)]
            move || {
                for i in 0..count {
                    let first = centre[i];
                    centre[i] = first + mean[i];
                    rest[i] = (centre[i] - first) - mean[i];
                }
            },
        );
    }

    fn slopes(
        &self,
        first: usize,
        [rest, plain]: [&[F]; 2],
        along: &mut [F],
        [scale, slope, offset]: [&mut [F]; 3],
    ) {
        let (batch, mode, count) = (self.batch, self.mode, along.len());
        let [gamma, running_mean, running] = self.arrays.of(first, count);
        if mode == Mode::Eval {
            return dispatch(
                #[inline(always)]
                move || {
                    batch.for_factors(
                        mode,
                        count,
                        #[inline(always)]
                        |i| [F::zero(), F::zero(), running[i]],
                        #[inline(always)]
                        |i, [rstd, _, _]| {
                            scale[i] = rstd * gamma[i];
                            along[i] *= rstd;
                        },
                    );
                },
            );
        }
        let range = first..first + count;
        let (mean, variance) = (&self.mean[range.clone()], &self.variance[range]);
        let inverse = F::one() / F::from_usize(self.arrays.x.count());
        self.arrays.x.firsts(first, offset);
        dispatch(
            #[inline(always)]
            move || {
                let (rest, plain) = (&rest[..count], &plain[..count]);
                for i in 0..count {
                    offset[i] = (offset[i] - running_mean[i]) + mean[i];
                    along[i] += rest[i] * plain[i];
                }
                let differences = &*offset;
                batch.for_factors(
                    mode,
                    count,
                    #[inline(always)]
                    |i| [differences[i], variance[i], running[i]],
                    #[inline(always)]
                    |i, [rstd, r, d]| {
                        scale[i] = rstd * (gamma[i] * r);
                        slope[i] = scale[i] * (rstd * rstd * (along[i] * inverse));
                        along[i] = rstd * along[i] * r + d * plain[i];
                    },
                );
                for i in 0..count {
                    offset[i] = -(scale[i] * (plain[i] * inverse) + rest[i] * slope[i]);
                }
            },
        );
    }

    fn through_statistics(&self) -> bool {
        self.mode == Mode::Train
    }
}

impl<F: Real> BackwardPass<'_, F> {
    /// Writes what an update shall subtract from running mean, running variance and count.
    fn subtract_change(&self, tracked: F, [mean, variance]: [&mut [F]; 2], gradients: &mut [Grad<'_, F>]) {
        let input = self.arrays.x;
        let change = match self.mode {
            Mode::Train => self.batch.statistics.change(tracked, input.batch, input.count()),
            Mode::Eval => None,
        };
        let Some(change) = change else {
            return gradients.iter_mut().for_each(|gradient| write_each(gradient, |_| F::zero()));
        };
        let count = input.channels;
        let [_, running_mean, running] = self.arrays.of(0, count);
        let (batch_mean, batch_variance) = (&self.mean[..count], &self.variance[..count]);
        input.firsts(0, mean);
        let (of_mean, of_variance) = (&mut mean[..count], &mut variance[..count]);
        dispatch(
            #[inline(always)]
            move || {
                for c in 0..count {
                    let batch_mean = of_mean[c] + batch_mean[c];
                    let [mean, variance] =
                        change.of(running_mean[c], running[c], batch_mean, batch_variance[c]);
                    (of_mean[c], of_variance[c]) = (-mean, -variance);
                }
            },
        );
        write_slice(&mut gradients[0], mean);
        write_slice(&mut gradients[1], variance);
        write_each(&mut gradients[2], |_| -change.count);
    }
}

/// A slice as an array `[N, C, S]`.
fn cube<'a, F: Real>(slice: &'a mut [F], like: Channels<'_, F>) -> ArrayViewMut3<'a, F> {
    ArrayViewMut3::from_shape((like.batch, like.channels, like.inner), slice)
        .expect("an element for each of x")
}
