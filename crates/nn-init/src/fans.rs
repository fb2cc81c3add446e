//! How many inputs and outputs a unit has.

use nn_core::ShapeError;

/// The fans of a weight: how many numbers each output is made of, and to how many outputs each input contributes.
///
/// ```
/// use nn_init::Fans;
///
/// # fn main() -> Result<(), nn_core::ShapeError> {
/// assert_eq!(Fans::of(&[128, 784])?, Fans { fan_in: 784, fan_out: 128 });
/// assert_eq!(Fans::of(&[32, 16, 3, 5])?, Fans { fan_in: 16 * 15, fan_out: 32 * 15 });
/// assert!(Fans::of(&[128]).is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fans {
    /// Inputs of each output: in·Πk.
    pub fan_in: usize,
    /// Outputs of each input: out·Πk.
    pub fan_out: usize,
}

impl Fans {
    /// The fans of a weight of shape `[out, in, k…]`, where k are the sizes of a kernel.
    ///
    /// # Errors
    /// When the shape has fewer than two axes, as a bias has: fans are not defined then, as in PyTorch.
    pub fn of(shape: &[usize]) -> Result<Self, ShapeError> {
        match shape {
            [outputs, inputs, kernel @ ..] => {
                let size: usize = kernel.iter().product();
                Ok(Fans { fan_in: inputs * size, fan_out: outputs * size })
            }
            _ => {
                let expected = "a weight [out, in, …] of at least two axes".to_owned();
                Err(ShapeError::Input { op: "fans", input: 0, expected, got: shape.to_vec() })
            }
        }
    }
}
