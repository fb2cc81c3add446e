//! Sequences at whose end something from their beginning is asked for.

use ndarray::{Array2, Array3, ArrayViewMut2};
use nn_core::{Real, StreamRng, Streams};

use super::{check_at_least, unit, whole};
use crate::{DataError, Dataset};

/// The addition problem: the sum of the two numbers that are marked in a long sequence of numbers.
///
/// Each sequence has a length ℓ, uniform among the whole numbers in \[T, 1.1·T), and two channels: numbers uniform in
/// (0, 1), and marks. The mark is −1 at step 0 and at step ℓ − 3, 1 at the two steps I uniform in \[T/100, T/10) and J in
/// \[T/10, T/2) (whole numbers, ends rounded down; below T = 100, I may be 0, and its mark replaces the −1), and 0
/// elsewhere. The target is the sum of the numbers at I and J. An output within 0.04 of it counts as right. An answer
/// that ignores the inputs is best at 1, with a mean squared error of 1/6.
///
/// Inputs `[n, ⌊1.1·T⌋ − 1, 2]`; shorter sequences stand at the end, behind zeros, so that the answer is due at the last
/// step. Targets `[n, 1]`. Sample i is drawn from (seed, `"addition"`, i).
///
/// - `samples` n, at least 1.
/// - `length` T, at least 10; the paper takes 80 with an RNN.
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// Sutskever, Martens, Dahl and Hinton 2013, "On the importance of initialization and momentum in deep learning",
/// section 4, as in Martens and Sutskever 2011, "Learning recurrent neural networks with Hessian-free optimization", after
/// Hochreiter and Schmidhuber 1997, "Long short-term memory", experiment 4 (there numbers are in \[−1, 1\]).
///
/// ```
/// use nn_core::Streams;
/// use nn_data::synthetic;
///
/// let set = synthetic::addition::<f32>(100, 80, Streams::new(1)).unwrap();
/// assert_eq!((set.inputs().shape(), set.targets().shape()), (&[100, 87, 2][..], &[100, 1][..]));
/// ```
pub fn addition<F: Real>(samples: usize, length: usize, streams: Streams) -> Result<Dataset<F>, DataError> {
    marked(samples, length, "addition", streams, |a, b| a + b)
}

/// The multiplication problem: as [`addition`], with the product of the marked numbers.
///
/// An answer that ignores the inputs is best at ¼, with a mean squared error of 7/144.
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// As [`addition`]; experiment 5 of Hochreiter and Schmidhuber.
pub fn multiplication<F: Real>(
    samples: usize,
    length: usize,
    streams: Streams,
) -> Result<Dataset<F>, DataError> {
    marked(samples, length, "multiplication", streams, |a, b| a * b)
}

fn marked<F: Real>(
    samples: usize,
    length: usize,
    name: &str,
    streams: Streams,
    target: impl Fn(F, F) -> F,
) -> Result<Dataset<F>, DataError> {
    check_at_least("samples", samples, 1, "[1, ∞)")?;
    check_at_least("length", length, 10, "[10, ∞)")?;
    let longest = length + length / 10 - 1;
    let mut inputs = Array3::from_elem((samples, longest, 2), F::zero());
    let mut targets = Array2::from_elem((samples, 1), F::zero());
    for (i, (mut steps, to)) in inputs.outer_iter_mut().zip(&mut targets).enumerate() {
        let rng = &mut streams.rng(name, i as u64);
        let actual = whole(rng, length, longest + 1);
        let first = whole(rng, length / 100, length / 10);
        let second = whole(rng, length / 10, length / 2);
        let start = longest - actual;
        for step in start..longest {
            steps[[step, 0]] = F::from_f64(unit(rng));
        }
        for (step, mark) in [(0, -1.0), (actual - 3, -1.0), (first, 1.0), (second, 1.0)] {
            steps[[start + step, 1]] = F::from_f64(mark);
        }
        *to = target(steps[[start + first, 0]], steps[[start + second, 0]]);
    }
    Dataset::regression(inputs, targets)
}

/// The 5-bit memory problem: all 32 sequences of five bits, to be repeated after a long time.
///
/// Inputs `[32, T, 4]`, one-hot: the bits (channels 0 and 1) in the first five steps, the cue (channel 2) at step T − 6,
/// blanks (channel 3) at all others. Targets `[32, T]` are classes: 2, the blank, but for the bits in the last five
/// steps.
///
/// - `length` T, at least 11; the paper takes 200 with an RNN.
///
/// # Errors
/// When the length is below 11.
///
/// # Source
/// As [`addition`]; "noiseless memorization" of Martens and Sutskever.
///
/// ```
/// use nn_data::synthetic;
///
/// let set = synthetic::memory_5_bit::<f32>(200).unwrap();
/// assert_eq!((set.inputs().shape(), set.targets().shape()), (&[32, 200, 4][..], &[32, 200][..]));
/// ```
pub fn memory_5_bit<F: Real>(length: usize) -> Result<Dataset<F>, DataError> {
    check_at_least("length", length, 11, "[11, ∞)")?;
    memory(32, length, 2, |sample| std::array::from_fn::<usize, 5, _>(|i| (sample >> (4 - i)) & 1))
}

/// The 20-bit memory problem: ten symbols out of five, to be repeated after a long time.
///
/// Inputs `[n, T, 7]`, one-hot: the symbols (channels 0 to 4) in the first ten steps, the cue (channel 5) at step T − 11,
/// blanks (channel 6) at all others. Targets `[n, T]` are classes: 5, the blank, but for the symbols in the last ten
/// steps. Sample i is drawn from (seed, `"memory"`, i).
///
/// - `samples` n, at least 1.
/// - `length` T, at least 21; the paper takes 80 with an RNN.
///
/// # Errors
/// When a parameter is outside its range.
///
/// # Source
/// As [`memory_5_bit`]. There are 5¹⁰ sequences, some 2²³.
pub fn memory_20_bit<F: Real>(
    samples: usize,
    length: usize,
    streams: Streams,
) -> Result<Dataset<F>, DataError> {
    check_at_least("samples", samples, 1, "[1, ∞)")?;
    check_at_least("length", length, 21, "[21, ∞)")?;
    let draw = |rng: &mut StreamRng| std::array::from_fn::<usize, 10, _>(|_| whole(rng, 0, 5));
    memory(samples, length, 5, |sample| draw(&mut streams.rng("memory", sample as u64)))
}

fn memory<F: Real, const K: usize>(
    samples: usize,
    length: usize,
    symbols: usize,
    draw: impl Fn(usize) -> [usize; K],
) -> Result<Dataset<F>, DataError> {
    let (cue, blank) = (symbols, symbols + 1);
    let mut inputs = Array3::from_elem((samples, length, symbols + 2), F::zero());
    let mut targets = Array2::from_elem((samples, length), F::from_usize(symbols));
    for (sample, mut steps) in inputs.outer_iter_mut().enumerate() {
        let drawn = draw(sample);
        set(&mut steps, 0..length, |_| blank);
        set(&mut steps, 0..K, |step| drawn[step]);
        set(&mut steps, length - K - 1..length - K, |_| cue);
        for (step, &symbol) in drawn.iter().enumerate() {
            targets[[sample, length - K + step]] = F::from_usize(symbol);
        }
    }
    Dataset::regression(inputs, targets)
}

/// Makes steps one-hot.
fn set<F: Real>(
    steps: &mut ArrayViewMut2<'_, F>,
    range: std::ops::Range<usize>,
    channel: impl Fn(usize) -> usize,
) {
    for step in range {
        let mut row = steps.row_mut(step);
        row.fill(F::zero());
        row[channel(step)] = F::one();
    }
}
