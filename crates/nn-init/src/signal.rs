//! What becomes of a signal in a deep stack of layers.

use std::fmt;

use ndarray::{Array1, Array2, ArrayView2, Axis, Zip};
use nn_core::{RangeError, ShapeError, Streams, check_range};

use crate::{Activation, Initializer, InitializerExt, Normal, Zeros};

/// The signal check: pushes a batch through a stack of layers, and a gradient back, and measures both in each layer.
///
/// A good initialisation lets both pass: activations that shrink from layer to layer tell the last layer nothing of the
/// input, gradients that shrink tell the first layer nothing of the cost, and what grows overflows or saturates.
///
/// Each layer computes z = h·Wᵀ + b and h ← φ(z). The first h is a batch of standard normal numbers, and so is the
/// gradient with respect to the last h. Everything is computed in `f64`, without a graph. To check layers of one's
/// own, of any widths, see [`SignalReport::of`].
///
/// ```
/// use nn_core::Streams;
/// use nn_init::{Activation, He, Normal, SignalCheck, Trend};
///
/// # fn main() -> Result<(), nn_core::RangeError> {
/// let check = SignalCheck::new(20, 64, Activation::Relu)?;
/// let small = check.run(&Normal::new(0.0, 0.01)?, &Streams::new(1));
/// assert_eq!((small.forward(), small.backward()), (Trend::Vanishes, Trend::Vanishes));
/// let he = check.run(&He::normal(), &Streams::new(1));
/// assert_eq!((he.forward(), he.backward()), (Trend::Keeps, Trend::Keeps));
/// println!("{he}");
/// # Ok(())
/// # }
/// ```
///
/// # Source
/// The figures of Glorot and Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
/// as a table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SignalCheck {
    depth: usize,
    width: usize,
    activation: Activation,
    batch: usize,
}

impl SignalCheck {
    /// For `depth` layers, in [1, ∞), of `width` units, in [1, ∞), each followed by the activation.
    ///
    /// # Errors
    /// When one of them, or a parameter of the activation, is out of its range.
    pub fn new(depth: usize, width: usize, activation: Activation) -> Result<Self, RangeError> {
        check_range("SignalCheck", "depth", depth as f64, "[1, ∞)", depth >= 1)?;
        check_range("SignalCheck", "width", width as f64, "[1, ∞)", width >= 1)?;
        activation.check("SignalCheck")?;
        Ok(SignalCheck { depth, width, activation, batch: 128 })
    }

    /// Sets the number of examples, in [2, ∞), by default 128.
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn batch(self, batch: usize) -> Result<Self, RangeError> {
        check_range("SignalCheck", "batch", batch as f64, "[2, ∞)", batch >= 2)?;
        Ok(SignalCheck { batch, ..self })
    }

    /// Runs the check with these weights, `[width, width]` in each layer, and zero biases.
    ///
    /// # Panics
    /// When the initialiser does not take square matrices.
    #[track_caller]
    pub fn run(&self, weights: &dyn Initializer, streams: &Streams) -> SignalReport {
        self.run_with_biases(weights, &Zeros, streams)
    }

    /// As [`run`](Self::run), with biases of shape `[width]`.
    ///
    /// # Panics
    /// When the initialisers do not take these shapes.
    #[track_caller]
    pub fn run_with_biases(
        &self,
        weights: &dyn Initializer,
        biases: &dyn Initializer,
        streams: &Streams,
    ) -> SignalReport {
        let mut layers = Vec::with_capacity(self.depth);
        for i in 0..self.depth {
            let w: Array2<f64> = weights.array([self.width, self.width], streams, &format!("{i}.weight"));
            let b: Array1<f64> = biases.array(self.width, streams, &format!("{i}.bias"));
            layers.push((w, b));
        }
        let x: Array2<f64> = Normal::default().array([self.batch, self.width], streams, "signal input");
        measure(&layers, self.activation, x.view(), streams)
    }
}

/// What was measured in one layer, over all examples of the batch and all units.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerSignal {
    /// Mean of the activations.
    pub mean: f64,
    /// Standard deviation of the activations.
    pub std: f64,
    /// By how much the activations of a unit differ between examples: the root of the mean variance over the batch.
    ///
    /// It goes to zero, whatever the standard deviation, where all examples come to look the same.
    pub spread: f64,
    /// Part of the activations at which hardly anything passes back, see [`Activation::saturates`].
    pub saturated: f64,
    /// Root mean square of the gradient with respect to z, what enters the activation, where that with respect to the
    /// output of the last layer is 1.
    pub gradient: f64,
}

/// What becomes of a signal on its way through all layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trend {
    /// Less than a hundredth of it arrives.
    Vanishes,
    /// It keeps its scale within a factor of a hundred.
    Keeps,
    /// More than a hundred times as much arrives, or it is not finite.
    Explodes,
}

impl Trend {
    fn between(first: f64, last: f64) -> Self {
        let factor = last / first;
        if factor < 0.01 {
            Trend::Vanishes
        } else if factor <= 100.0 {
            Trend::Keeps
        } else if last == 0.0 {
            // 0/0: nothing has come as far as the beginning.
            Trend::Vanishes
        } else {
            Trend::Explodes
        }
    }
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Trend::Vanishes => "vanishes",
            Trend::Keeps => "keeps",
            Trend::Explodes => "explodes",
        })
    }
}

/// The result of a [`SignalCheck`]; as text a table with one line per layer.
#[derive(Clone, Debug, PartialEq)]
pub struct SignalReport {
    input: f64,
    layers: Vec<LayerSignal>,
}

impl SignalReport {
    /// Checks layers of one's own, each a weight `[out, in]` and a bias `[out]`, on a batch `[examples, in]`.
    ///
    /// The gradient with respect to the output of the last layer is drawn from N(0, 1) by the stream `signal gradient`.
    ///
    /// ```
    /// use ndarray::{Array1, Array2};
    /// use nn_core::Streams;
    /// use nn_init::{Activation, He, InitializerExt, Normal, SignalReport, Zeros};
    ///
    /// # fn main() -> Result<(), nn_core::ShapeError> {
    /// let streams = Streams::new(1);
    /// let x: Array2<f64> = Normal::default().array([32, 10], &streams, "x");
    /// let layers: Vec<(Array2<f64>, Array1<f64>)> = [(40, 10), (20, 40)]
    ///     .map(|shape| (He::normal().array(shape, &streams, "w"), Zeros.array(shape.0, &streams, "b")))
    ///     .to_vec();
    /// let report = SignalReport::of(&layers, Activation::Relu, x.view(), &streams)?;
    /// assert_eq!(report.layers().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When there is no layer or no element in the batch, or where shapes do not fit.
    pub fn of(
        layers: &[(Array2<f64>, Array1<f64>)],
        activation: Activation,
        input: ArrayView2<'_, f64>,
        streams: &Streams,
    ) -> Result<Self, ShapeError> {
        const OP: &str = "signal check";
        if layers.is_empty() {
            return Err(ShapeError::Arity { op: OP, expected: 1, got: 0 });
        }
        if input.is_empty() {
            let (expected, got) = ("a batch of one element at least".to_owned(), input.shape().to_vec());
            return Err(ShapeError::Input { op: OP, input: 0, expected, got });
        }
        let mut width = input.ncols();
        for (i, (weight, bias)) in layers.iter().enumerate() {
            if weight.ncols() != width || weight.nrows() == 0 {
                let expected = format!("a weight [out, {width}] in layer {i}");
                let got = weight.shape().to_vec();
                return Err(ShapeError::Input { op: OP, input: i, expected, got });
            }
            width = weight.nrows();
            if bias.len() != width {
                let expected = format!("a weight [out, in] and a bias [out] in layer {i}");
                let (left, right) = (weight.shape().to_vec(), bias.shape().to_vec());
                return Err(ShapeError::Mismatch { op: OP, expected, left, right });
            }
        }
        Ok(measure(layers, activation, input, streams))
    }

    /// The layers, the first one first.
    pub fn layers(&self) -> &[LayerSignal] {
        &self.layers
    }

    /// What becomes of the differences between examples: the spread in the last layer against that of the input.
    pub fn forward(&self) -> Trend {
        Trend::between(self.input, self.layers[self.layers.len() - 1].spread)
    }

    /// What becomes of the gradient: that in the first layer against that in the last.
    pub fn backward(&self) -> Trend {
        Trend::between(self.layers[self.layers.len() - 1].gradient, self.layers[0].gradient)
    }
}

impl fmt::Display for SignalReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "layer {:>11} {:>11} {:>11} {:>10} {:>11}",
            "mean", "std", "spread", "saturated", "gradient"
        )?;
        for (i, layer) in self.layers.iter().enumerate() {
            let LayerSignal { mean, std, spread, saturated, gradient } = layer;
            let saturated = 100.0 * saturated;
            writeln!(
                f,
                "{:>5} {mean:>11.2e} {std:>11.2e} {spread:>11.2e} {saturated:>8.1} % {gradient:>11.2e}",
                i + 1
            )?;
        }
        writeln!(f, "activations: {}, gradients: {}", self.forward(), self.backward())
    }
}

/// Runs forward, then backward. The shapes fit.
fn measure(
    layers: &[(Array2<f64>, Array1<f64>)],
    activation: Activation,
    input: ArrayView2<'_, f64>,
    streams: &Streams,
) -> SignalReport {
    let mut entering = Vec::with_capacity(layers.len());
    let mut signals = Vec::with_capacity(layers.len());
    let mut h = input.to_owned();
    for (weight, bias) in layers {
        let z = h.dot(&weight.t()) + bias;
        h = z.mapv(|z| activation.value(z));
        let saturated = z.iter().filter(|&&z| activation.saturates(z)).count() as f64 / z.len() as f64;
        let (mean, std) = (h.mean().unwrap_or(f64::NAN), h.std(0.0));
        signals.push(LayerSignal { mean, std, spread: spread(h.view()), saturated, gradient: 0.0 });
        entering.push(z);
    }
    let mut d: Array2<f64> = Normal::default().array(h.dim(), streams, "signal gradient");
    for (((weight, _), z), signal) in layers.iter().zip(entering).zip(&mut signals).rev() {
        Zip::from(&mut d).and(&z).for_each(|d, &z| *d *= activation.derivative(z));
        signal.gradient = (d.iter().map(|d| d * d).sum::<f64>() / d.len() as f64).sqrt();
        d = d.dot(weight);
    }
    SignalReport { input: spread(input), layers: signals }
}

/// The root of the mean, over units, of the variance over examples.
fn spread(h: ArrayView2<'_, f64>) -> f64 {
    h.var_axis(Axis(0), 0.0).mean().map_or(f64::NAN, f64::sqrt)
}
