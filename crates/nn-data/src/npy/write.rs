//! Writing `.npy` files.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use ndarray::{ArrayView, Dimension};

mod sealed {
    pub trait Sealed {}
}

/// A type of elements that is written: `f32`, `f64`, `bool` and whole numbers of 8 to 64 bits.
pub trait Element: Copy + sealed::Sealed {
    /// The type as NumPy names it, such as `<f4`.
    const DESCR: &'static str;

    /// Appends the bytes of the element, the lowest first.
    fn append_to(self, bytes: &mut Vec<u8>);
}

macro_rules! element {
    ($($type:ty, $descr:literal;)*) => {$(
        impl sealed::Sealed for $type {}

        impl Element for $type {
            const DESCR: &'static str = $descr;

            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
        }
    )*};
}

element! {
    i8, "|i1";
    i16, "<i2";
    i32, "<i4";
    i64, "<i8";
    u8, "|u1";
    u16, "<u2";
    u32, "<u4";
    u64, "<u8";
    f32, "<f4";
    f64, "<f8";
}

impl sealed::Sealed for bool {}

impl Element for bool {
    const DESCR: &'static str = "|b1";

    fn append_to(self, bytes: &mut Vec<u8>) {
        bytes.push(self.into());
    }
}

/// Writes an array as a `.npy` file, which `numpy.load` reads.
///
/// # Errors
/// When the file cannot be written; what stands in it then is not sound.
pub fn write<T: Element, D: Dimension>(path: impl AsRef<Path>, array: ArrayView<'_, T, D>) -> io::Result<()> {
    to_writer(File::create(path)?, array)
}

/// Writes an array in the `.npy` format: version 1.0, row-major, lowest byte first.
///
/// # Errors
/// When it cannot be written.
pub fn to_writer<T: Element, D: Dimension>(mut to: impl Write, array: ArrayView<'_, T, D>) -> io::Result<()> {
    let mut bytes = header::<T>(array.shape());
    for element in &array {
        element.append_to(&mut bytes);
        if bytes.len() >= PIECE {
            to.write_all(&bytes)?;
            bytes.clear();
        }
    }
    to.write_all(&bytes)
}

/// Bytes that are written at once.
const PIECE: usize = 1 << 16;

/// The header, filled with spaces to a multiple of 64 bytes.
fn header<T: Element>(shape: &[usize]) -> Vec<u8> {
    let lengths: String = shape.iter().map(|length| format!("{length}, ")).collect();
    let lengths = if shape.len() > 1 { lengths.trim_end_matches(", ") } else { lengths.trim_end() };
    let text = format!("{{'descr': '{}', 'fortran_order': False, 'shape': ({lengths}), }}", T::DESCR);
    let length = (text.len() + 11).next_multiple_of(64) - 10;
    let mut header = b"\x93NUMPY\x01\x00".to_vec();
    // At most 64 axes of 20 digits: far below 65,536.
    header.extend((length as u16).to_le_bytes());
    header.extend(text.as_bytes());
    header.resize(10 + length - 1, b' ');
    header.push(b'\n');
    header
}
