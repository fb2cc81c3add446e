//! Few connections, but strong ones.

use nn_core::{RangeError, StreamRng, check_range};

use crate::draw::{below, standard_normal};
use crate::initializer::{check_size, refuse};
use crate::scaled::fans;
use crate::{Constant, Initializer};

/// Sparse initialisation: each unit has exactly k incoming connections, with weights from N(0, σ²); all else is 0.
///
/// The input of a unit then does not grow with the size of the layer below, and units differ from each other.
///
/// Shapes: `[out, in, k…]`; the incoming connections of a unit are the in·Πk elements of its row. A unit with no more
/// than k inputs is connected to all of them.
///
/// ```
/// use ndarray::Array2;
/// use nn_core::Streams;
/// use nn_init::{InitializerExt, Sparse};
///
/// let w: Array2<f32> = Sparse::new().array([100, 784], &Streams::new(1), "w");
/// assert!(w.rows().into_iter().all(|unit| unit.iter().filter(|&&x| x != 0.0).count() == 15));
/// ```
///
/// # Source
/// Martens 2010, "Deep learning via Hessian-free optimization", section 5; for tanh units Sutskever, Martens, Dahl and
/// Hinton 2013, "On the importance of initialization and momentum in deep learning", section 3.1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sparse {
    pattern: Pattern,
    std: f64,
}

/// Which elements are not 0.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Pattern {
    /// So many in each row.
    Incoming(usize),
    /// In each column all but this part, rounded up.
    ZerosPerColumn(f64),
}

impl Sparse {
    /// For sigmoid units: 15 incoming connections from N(0, 1). Their biases begin at 0.
    pub fn new() -> Self {
        Sparse::with_incoming(15)
    }

    /// With k incoming connections, which is known to be 1 or more.
    pub(crate) fn with_incoming(k: usize) -> Self {
        Sparse { pattern: Pattern::Incoming(k), std: 1.0 }
    }

    /// For tanh units: weights × 0.25. Their biases begin at 0.5, see [`tanh_bias`](Self::tanh_bias).
    ///
    /// A network of tanh units so initialised begins like one of sigmoid units.
    pub fn tanh() -> Self {
        Sparse { std: 0.25, ..Sparse::new() }
    }

    /// The biases that go with [`tanh`](Self::tanh): 0.5.
    pub fn tanh_bias() -> Constant {
        Constant::known(0.5)
    }

    /// PyTorch's `sparse_`: of each **column** the part `sparsity`, in [0, 1], is 0, ⌈sparsity·out⌉ elements; the others
    /// are from N(0, 0.01²).
    ///
    /// With weights `[out, in]`, as PyTorch has them, this limits the *outgoing* connections of each input. Units may be
    /// left with any number of incoming ones, so it is not what Martens describes. Shapes: `[out, in]`.
    ///
    /// # Errors
    /// When the sparsity is out of its range.
    pub fn torch(sparsity: f64) -> Result<Self, RangeError> {
        check_range("Sparse", "sparsity", sparsity, "[0, 1]", (0.0..=1.0).contains(&sparsity))?;
        Ok(Sparse { pattern: Pattern::ZerosPerColumn(sparsity), std: 0.01 })
    }

    /// Each unit has `k` incoming connections, in [1, ∞), by default 15.
    ///
    /// # Errors
    /// When it is 0.
    pub fn incoming(self, k: usize) -> Result<Self, RangeError> {
        check_range("Sparse", "incoming", k as f64, "[1, ∞)", k >= 1)?;
        Ok(Sparse { pattern: Pattern::Incoming(k), ..self })
    }

    /// Sets the standard deviation of the weights that are not 0, in (0, ∞).
    ///
    /// # Errors
    /// When it is out of its range.
    pub fn std(self, std: f64) -> Result<Self, RangeError> {
        check_range("Sparse", "std", std, "(0, ∞)", std > 0.0 && std.is_finite())?;
        Ok(Sparse { std, ..self })
    }
}

impl Default for Sparse {
    fn default() -> Self {
        Sparse::new()
    }
}

impl Initializer for Sparse {
    #[track_caller]
    fn draw(&self, shape: &[usize], rng: &mut StreamRng, out: &mut [f64]) {
        check_size(shape, out);
        // Lines of elements to choose from: how many, how long, how many to keep, steps between lines and within one.
        let (lines, length, kept, across, along) = match (self.pattern, shape) {
            (Pattern::Incoming(k), _) => {
                let fan_in = fans(shape).fan_in;
                (shape[0], fan_in, k.min(fan_in), fan_in, 1)
            }
            (Pattern::ZerosPerColumn(sparsity), &[rows, columns]) => {
                let zeros = (sparsity * rows as f64).ceil() as usize;
                (columns, rows, rows - zeros.min(rows), 1, columns)
            }
            _ => refuse("sparse", "a matrix [out, in]", shape),
        };
        out.fill(0.0);
        if out.is_empty() {
            return;
        }
        let mut order: Vec<usize> = (0..length).collect();
        for line in 0..lines {
            choose(&mut order, kept, rng);
            for &i in &order[..kept] {
                out[line * across + i * along] = self.std * standard_normal(rng);
            }
        }
    }
}

/// Brings `k` elements, chosen without replacement, to the front: the first steps of a Fisher–Yates shuffle.
fn choose(order: &mut [usize], k: usize, rng: &mut StreamRng) {
    for i in 0..k {
        order.swap(i, i + below(order.len() - i, rng));
    }
}
