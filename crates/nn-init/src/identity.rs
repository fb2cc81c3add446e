//! Weights that pass their input on.

use nn_core::{RangeError, StreamRng, check_range};

use crate::Initializer;
use crate::initializer::{check_size, refuse};

/// The identity matrix times a factor: ones (or the factor) on the diagonal, else zeros.
///
/// Shapes: `[out, in]`; where they differ, as many inputs are passed on as possible. Recurrent networks of rectified
/// units begin with it.
///
/// ```
/// use ndarray::{Array2, array};
/// use nn_core::Streams;
/// use nn_init::{Eye, InitializerExt};
///
/// let w: Array2<f32> = Eye::new().array([2, 3], &Streams::new(1), "w");
/// assert_eq!(w, array![[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]);
/// ```
///
/// # Source
/// PyTorch `eye_`, Keras `Identity(gain)`; Le, Jaitly and Hinton 2015, "A simple way to initialize recurrent networks
/// of rectified linear units".
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eye {
    factor: f64,
}

impl Eye {
    /// The identity matrix.
    pub fn new() -> Self {
        Eye { factor: 1.0 }
    }

    /// Sets the factor on the diagonal, in (−∞, ∞), by default 1.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn factor(self, factor: f64) -> Result<Self, RangeError> {
        check_range("Eye", "factor", factor, "(-∞, ∞)", factor.is_finite())?;
        Ok(Eye { factor })
    }
}

impl Default for Eye {
    fn default() -> Self {
        Eye::new()
    }
}

impl Initializer for Eye {
    #[track_caller]
    fn draw(&self, shape: &[usize], _rng: &mut StreamRng, out: &mut [f64]) {
        check_size(shape, out);
        let &[rows, columns] = shape else {
            refuse("eye", "a matrix [out, in]", shape);
        };
        out.fill(0.0);
        for i in 0..rows.min(columns) {
            out[i * columns + i] = self.factor;
        }
    }
}

/// Convolution kernels that pass their input channels on: one at the centre of the kernel from channel c to channel c,
/// else zero.
///
/// Shapes: `[out, in, k…]` with at least one axis k, where `in` counts the channels of one group. The centre of a
/// kernel of size k is ⌊k/2⌋. In each group as many channels are passed on as possible.
///
/// ```
/// use ndarray::{Array3, array};
/// use nn_core::Streams;
/// use nn_init::{Dirac, InitializerExt};
///
/// let w: Array3<f32> = Dirac::new().array([2, 2, 3], &Streams::new(1), "w");
/// assert_eq!(w, array![[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]);
/// ```
///
/// # Source
/// PyTorch `dirac_`, which takes up to three axes k; Zagoruyko and Komodakis 2017, "DiracNets".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirac {
    groups: usize,
}

impl Dirac {
    /// For a convolution with one group.
    pub fn new() -> Self {
        Dirac { groups: 1 }
    }

    /// Sets the number of groups of the convolution, in [1, ∞), by default 1; it must divide the output channels.
    ///
    /// # Errors
    /// When it is 0.
    pub fn groups(self, groups: usize) -> Result<Self, RangeError> {
        check_range("Dirac", "groups", groups as f64, "[1, ∞)", groups >= 1)?;
        Ok(Dirac { groups })
    }
}

impl Default for Dirac {
    fn default() -> Self {
        Dirac::new()
    }
}

const AXES: &str = "a kernel [out, in, k…] of at least three axes";

impl Initializer for Dirac {
    #[track_caller]
    fn draw(&self, shape: &[usize], _rng: &mut StreamRng, out: &mut [f64]) {
        check_size(shape, out);
        let [outputs, inputs, kernel @ ..] = shape else {
            refuse("dirac", AXES, shape);
        };
        if kernel.is_empty() {
            refuse("dirac", AXES, shape);
        }
        if outputs % self.groups != 0 {
            let expected = format!("a kernel whose output channels divide into {} groups", self.groups);
            refuse("dirac", &expected, shape);
        }
        out.fill(0.0);
        if out.is_empty() {
            return;
        }
        let size: usize = kernel.iter().product();
        let centre = kernel.iter().fold(0, |at, k| at * k + k / 2);
        let per_group = outputs / self.groups;
        for group in 0..self.groups {
            for channel in 0..per_group.min(*inputs) {
                let row = group * per_group + channel;
                out[(row * inputs + channel) * size + centre] = 1.0;
            }
        }
    }
}
