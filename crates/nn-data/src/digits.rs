//! The handwritten digits that are compiled into the crate.

use std::io::Read;

use flate2::read::GzDecoder;
use ndarray::{Array1, Array2};
use nn_core::Real;

use crate::Dataset;

/// Height and width of an image.
pub const SIDE: usize = 8;
/// The number of samples.
pub const SAMPLES: usize = 1797;
/// The number of classes.
pub const CLASSES: usize = 10;

static FILE: &[u8] = include_bytes!("../data/digits.csv.gz");

/// 1,797 handwritten digits of 8×8 pixels, labelled 0 to 9.
///
/// Inputs have shape `[1797, 64]` (row by row) and whole numbers from 0 (white) to 16 (black), as in the original;
/// scale them with a [`Standardizer`](crate::Standardizer). Each class has 174 to 183 samples.
///
/// Source: E. Alpaydin and C. Kaynak (1998), "Optical Recognition of Handwritten Digits", UCI Machine Learning
/// Repository, its test set, CC BY 4.0.
///
/// ```
/// let digits = nn_data::digits::load::<f32>();
/// assert_eq!((digits.len(), digits.input_shape(), digits.classes()), (1797, &[64][..], Some(10)));
/// ```
pub fn load<F: Real>() -> Dataset<F> {
    let mut text = String::new();
    GzDecoder::new(FILE).read_to_string(&mut text).expect("the embedded file is sound gzip");
    let pixels = SIDE * SIDE;
    let mut inputs = Array2::from_elem((SAMPLES, pixels), F::zero());
    let mut labels = Array1::from_elem(SAMPLES, F::zero());
    for ((line, mut row), label) in text.lines().zip(inputs.rows_mut()).zip(&mut labels) {
        let numbers =
            line.split(',').map(|cell| cell.parse::<u8>().expect("the embedded file holds numbers"));
        for (to, number) in row.iter_mut().chain([label]).zip(numbers) {
            *to = F::from_usize(number.into());
        }
    }
    Dataset::classification(inputs, labels, CLASSES).expect("the embedded file is sound")
}
