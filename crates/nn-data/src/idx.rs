//! Files in the IDX format, in which MNIST and its relatives are kept, plain or gzipped.
//!
//! An IDX file begins with two zero bytes, a byte for the type of the elements and one for the number of axes; then
//! come the lengths of the axes, 32 bits each, and the elements in row-major order, all big-endian. Source: Y. LeCun,
//! C. Cortes and C. Burges, "The MNIST database of handwritten digits", section "The IDX file format".

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use ndarray::{ArrayD, IxDyn};
use nn_core::Real;
use thiserror::Error;

use crate::npy;

/// The contents of an IDX file, in the type in which they are stored.
#[derive(Clone, Debug, PartialEq)]
pub enum Idx {
    /// Type byte 0x08.
    U8(ArrayD<u8>),
    /// Type byte 0x09.
    I8(ArrayD<i8>),
    /// Type byte 0x0B.
    I16(ArrayD<i16>),
    /// Type byte 0x0C.
    I32(ArrayD<i32>),
    /// Type byte 0x0D.
    F32(ArrayD<f32>),
    /// Type byte 0x0E.
    F64(ArrayD<f64>),
}

impl Idx {
    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Idx::U8(array) => array.shape(),
            Idx::I8(array) => array.shape(),
            Idx::I16(array) => array.shape(),
            Idx::I32(array) => array.shape(),
            Idx::F32(array) => array.shape(),
            Idx::F64(array) => array.shape(),
        }
    }

    /// The elements as `F`; those that `F` cannot hold exactly are rounded to the nearest.
    pub fn cast<F: Real>(&self) -> ArrayD<F> {
        match self {
            Idx::U8(array) => array.mapv(|x| F::from_usize(x.into())),
            Idx::I8(array) => array.mapv(|x| F::from_f64(x.into())),
            Idx::I16(array) => array.mapv(|x| F::from_f64(x.into())),
            Idx::I32(array) => array.mapv(|x| F::from_f64(x.into())),
            Idx::F32(array) => array.mapv(|x| F::from_f64(x.into())),
            Idx::F64(array) => array.mapv(F::from_f64),
        }
    }
}

/// A file that could not be read as IDX.
#[derive(Debug, Error)]
#[error("{}: {problem}", path.display())]
pub struct IdxError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: IdxProblem,
}

/// What may be wrong with an IDX file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IdxProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The file is gzipped, and damaged.
    #[error("damaged gzip data: {0}")]
    Gzip(io::Error),
    /// The first four bytes are not those of an IDX file.
    #[error(
        "wrong magic number {found:02x?}: expected 00 00, a type (08, 09, 0b, 0c, 0d or 0e) and a number of axes"
    )]
    Magic {
        /// The first four bytes.
        found: [u8; 4],
    },
    /// The file ends in its header.
    #[error("truncated: expected a header of {expected} bytes, got {found}")]
    Header {
        /// Bytes of the header.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// The header describes an array that no memory can hold.
    #[error("impossible header: an array of shape {shape:?} has too many elements")]
    TooLarge {
        /// The lengths of the axes.
        shape: Vec<usize>,
    },
    /// Fewer elements than the header promises.
    #[error("truncated: the header promises shape {shape:?}, {expected} bytes, but only {found} follow")]
    Truncated {
        /// The lengths of the axes.
        shape: Vec<usize>,
        /// Bytes of all elements.
        expected: usize,
        /// Bytes that follow the header.
        found: usize,
    },
    /// More data than the header promises.
    #[error("too long: the header promises shape {shape:?}, {expected} bytes, but more follow")]
    TooLong {
        /// The lengths of the axes.
        shape: Vec<usize>,
        /// Bytes of all elements.
        expected: usize,
    },
}

/// Reads an IDX file, plain or gzipped (which is told from its first two bytes, whatever its name).
///
/// No more memory is taken than the file's contents need, whatever its header says.
///
/// # Errors
/// When the file cannot be read, is not in the format, or does not hold as much data as its header says.
pub fn read(path: impl AsRef<Path>) -> Result<Idx, IdxError> {
    let path = path.as_ref();
    read_file(path).map_err(|problem| IdxError { path: path.to_path_buf(), problem })
}

fn read_file(path: &Path) -> Result<Idx, IdxProblem> {
    let file = File::open(path).map_err(IdxProblem::Io)?;
    let size = file.metadata().map_err(IdxProblem::Io)?.len();
    read_from(file, size)
}

/// Reads IDX, plain or gzipped, from anywhere, such as memory; see [`read`].
///
/// # Errors
/// As [`read`].
pub fn from_reader(from: impl Read) -> Result<Idx, IdxProblem> {
    read_from(from, 0)
}

/// Reads IDX, plain or gzipped; `size`, the bytes that there are, bounds what is reserved in advance.
fn read_from(from: impl Read, size: u64) -> Result<Idx, IdxProblem> {
    let mut from = BufReader::with_capacity(1 << 16, from);
    if from.fill_buf().map_err(IdxProblem::Io)?.starts_with(&[0x1f, 0x8b]) {
        decode(&mut MultiGzDecoder::new(from), size, IdxProblem::Gzip)
    } else {
        decode(&mut from, size, IdxProblem::Io)
    }
}

/// What the header of a file without compression says: the type of the elements, the lengths of the axes, and the bytes
/// of all elements.
pub(crate) fn layout(from: &mut impl Read) -> Result<(npy::Kind, Vec<usize>, usize), IdxProblem> {
    let (kind, shape) = header(from, IdxProblem::Io)?;
    let bytes = byte_count(&shape, kind.size())?;
    let kind = match kind {
        Kind::U8 => npy::Kind::U8,
        Kind::I8 => npy::Kind::I8,
        Kind::I16 => npy::Kind::I16,
        Kind::I32 => npy::Kind::I32,
        Kind::F32 => npy::Kind::F32,
        Kind::F64 => npy::Kind::F64,
    };
    Ok((kind, shape, bytes))
}

/// Reads header and elements; `size`, the bytes of the file, bounds what is reserved in advance.
fn decode(from: &mut impl Read, size: u64, failed: fn(io::Error) -> IdxProblem) -> Result<Idx, IdxProblem> {
    let (kind, shape) = header(from, failed)?;
    let expected = byte_count(&shape, kind.size())?;
    let mut bytes = Vec::with_capacity(expected.min(usize::try_from(size).unwrap_or(0)));
    from.take(expected as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    match bytes.len() {
        found if found < expected => Err(IdxProblem::Truncated { shape, expected, found }),
        found if found > expected => Err(IdxProblem::TooLong { shape, expected }),
        _ => Ok(kind.elements(&shape, bytes)),
    }
}

fn header(
    from: &mut impl Read,
    failed: fn(io::Error) -> IdxProblem,
) -> Result<(Kind, Vec<usize>), IdxProblem> {
    let mut bytes = Vec::new();
    from.take(4).read_to_end(&mut bytes).map_err(failed)?;
    let Ok(found) = <[u8; 4]>::try_from(&bytes[..]) else {
        return Err(IdxProblem::Header { expected: 4, found: bytes.len() });
    };
    let kind = match found {
        [0, 0, kind, _] => Kind::from_byte(kind).ok_or(IdxProblem::Magic { found })?,
        _ => return Err(IdxProblem::Magic { found }),
    };
    let expected = 4 + 4 * usize::from(found[3]);
    from.take(expected as u64 - 4).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() < expected {
        return Err(IdxProblem::Header { expected, found: bytes.len() });
    }
    let (axes, _) = bytes[4..].as_chunks();
    Ok((kind, axes.iter().map(|&axis| u32::from_be_bytes(axis) as usize).collect()))
}

/// The bytes of all elements. The lengths other than 0 must have a product that fits, as `ndarray` wants it.
fn byte_count(shape: &[usize], element: usize) -> Result<usize, IdxProblem> {
    let product = shape.iter().filter(|&&n| n > 0).try_fold(element, |product, &n| product.checked_mul(n));
    match product {
        Some(bytes) if bytes < isize::MAX as usize => Ok(if shape.contains(&0) { 0 } else { bytes }),
        _ => Err(IdxProblem::TooLarge { shape: shape.to_vec() }),
    }
}

/// The type of the elements.
#[derive(Clone, Copy, Debug)]
enum Kind {
    U8,
    I8,
    I16,
    I32,
    F32,
    F64,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x08 => Kind::U8,
            0x09 => Kind::I8,
            0x0b => Kind::I16,
            0x0c => Kind::I32,
            0x0d => Kind::F32,
            0x0e => Kind::F64,
            _ => return None,
        })
    }

    /// Bytes of one element.
    fn size(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::I16 => 2,
            Kind::I32 | Kind::F32 => 4,
            Kind::F64 => 8,
        }
    }

    /// The array of these bytes, whose number fits the shape.
    fn elements(self, shape: &[usize], bytes: Vec<u8>) -> Idx {
        match self {
            Kind::U8 => Idx::U8(array(shape, bytes)),
            Kind::I8 => Idx::I8(convert(shape, &bytes, i8::from_be_bytes)),
            Kind::I16 => Idx::I16(convert(shape, &bytes, i16::from_be_bytes)),
            Kind::I32 => Idx::I32(convert(shape, &bytes, i32::from_be_bytes)),
            Kind::F32 => Idx::F32(convert(shape, &bytes, f32::from_be_bytes)),
            Kind::F64 => Idx::F64(convert(shape, &bytes, f64::from_be_bytes)),
        }
    }
}

fn convert<T, const N: usize>(shape: &[usize], bytes: &[u8], decode: impl Fn([u8; N]) -> T) -> ArrayD<T> {
    let (elements, _) = bytes.as_chunks();
    array(shape, elements.iter().map(|&element| decode(element)).collect())
}

fn array<T>(shape: &[usize], elements: Vec<T>) -> ArrayD<T> {
    ArrayD::from_shape_vec(IxDyn(shape), elements)
        .expect("the number of elements was compared with the shape")
}

impl fmt::Display for Idx {
    /// The type and shape: `u8 [60000, 28, 28]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Idx::U8(_) => "u8",
            Idx::I8(_) => "i8",
            Idx::I16(_) => "i16",
            Idx::I32(_) => "i32",
            Idx::F32(_) => "f32",
            Idx::F64(_) => "f64",
        };
        write!(f, "{name} {:?}", self.shape())
    }
}
