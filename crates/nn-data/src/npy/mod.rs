//! Arrays as NumPy keeps them: `.npy` files, one array each, and `.npz` archives of several.
//!
//! Versions 1 to 3 of the format, booleans, whole numbers of 8 to 64 bits and floating-point numbers of 32 and 64, in
//! either byte order, in row-major (C) and column-major (Fortran) order. Source: NumPy, NEP 1 and the documentation of
//! `numpy.lib.format`.
//!
//! ```
//! use ndarray::array;
//! use nn_data::npy;
//!
//! let mut file = Vec::new();
//! npy::to_writer(&mut file, array![[1.5_f32, 2.0], [3.0, -1.0]].view())?;
//! let array = npy::from_reader(&file[..]).unwrap();
//! assert_eq!(array.to_string(), "f32 [2, 2]");
//! assert_eq!(array.cast::<f64>(), array![[1.5, 2.0], [3.0, -1.0]].into_dyn());
//!
//! let error = npy::from_reader(&file[..file.len() - 1]).unwrap_err();
//! assert_eq!(error.to_string(), "truncated: the header promises shape [2, 2], 16 bytes, but only 15 follow");
//! # Ok::<(), std::io::Error>(())
//! ```

mod header;
mod npz;
mod write;

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, ShapeBuilder};
use nn_core::Real;
use thiserror::Error;

pub(crate) use header::{Header, Kind};
pub use npz::{read_npz, read_npz_array};
pub use write::{Element, to_writer, write};

/// The array of a `.npy` file, in the type in which it is stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Npy {
    /// Type `b1`.
    Bool(ArrayD<bool>),
    /// Type `i1`.
    I8(ArrayD<i8>),
    /// Type `i2`.
    I16(ArrayD<i16>),
    /// Type `i4`.
    I32(ArrayD<i32>),
    /// Type `i8`.
    I64(ArrayD<i64>),
    /// Type `u1`.
    U8(ArrayD<u8>),
    /// Type `u2`.
    U16(ArrayD<u16>),
    /// Type `u4`.
    U32(ArrayD<u32>),
    /// Type `u8`.
    U64(ArrayD<u64>),
    /// Type `f4`.
    F32(ArrayD<f32>),
    /// Type `f8`.
    F64(ArrayD<f64>),
}

impl Npy {
    /// The lengths of the axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Npy::Bool(array) => array.shape(),
            Npy::I8(array) => array.shape(),
            Npy::I16(array) => array.shape(),
            Npy::I32(array) => array.shape(),
            Npy::I64(array) => array.shape(),
            Npy::U8(array) => array.shape(),
            Npy::U16(array) => array.shape(),
            Npy::U32(array) => array.shape(),
            Npy::U64(array) => array.shape(),
            Npy::F32(array) => array.shape(),
            Npy::F64(array) => array.shape(),
        }
    }

    /// The elements as `F`; those that `F` cannot hold exactly are rounded to the nearest, booleans become 0 and 1.
    pub fn cast<F: Real>(&self) -> ArrayD<F> {
        match self {
            Npy::Bool(array) => array.mapv(|x| F::from_usize(x.into())),
            Npy::I8(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::I16(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::I32(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::I64(array) => array.mapv(|x| F::from_f64(x as f64)),
            Npy::U8(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::U16(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::U32(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::U64(array) => array.mapv(|x| F::from_f64(x as f64)),
            Npy::F32(array) => array.mapv(|x| F::from_f64(x.into())),
            Npy::F64(array) => array.mapv(F::from_f64),
        }
    }
}

impl fmt::Display for Npy {
    /// The type and shape: `f32 [60000, 784]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Npy::Bool(_) => "bool",
            Npy::I8(_) => "i8",
            Npy::I16(_) => "i16",
            Npy::I32(_) => "i32",
            Npy::I64(_) => "i64",
            Npy::U8(_) => "u8",
            Npy::U16(_) => "u16",
            Npy::U32(_) => "u32",
            Npy::U64(_) => "u64",
            Npy::F32(_) => "f32",
            Npy::F64(_) => "f64",
        };
        write!(f, "{name} {:?}", self.shape())
    }
}

/// A file that could not be read as `.npy` or `.npz`.
#[derive(Debug, Error)]
#[error("{}{}: {problem}", path.display(), member.as_ref().map_or(String::new(), |name| format!(", array `{name}`")))]
pub struct NpyError {
    /// The file.
    pub path: PathBuf,
    /// The array of an archive.
    pub member: Option<String>,
    /// What is wrong with it.
    pub problem: NpyProblem,
}

/// What may be wrong with a `.npy` or `.npz` file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NpyProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(io::Error),
    /// The archive is damaged, or no archive.
    #[error("not a sound .npz archive: {0}")]
    Archive(String),
    /// The archive has no array of this name.
    #[error("no such array, the archive holds {names:?}")]
    NoMember {
        /// The names of its arrays.
        names: Vec<String>,
    },
    /// The first bytes are not those of the format.
    #[error("wrong magic number {found:02x?}: expected 93 and `NUMPY`")]
    Magic {
        /// The first six bytes.
        found: Vec<u8>,
    },
    /// A version of the format that is not known.
    #[error("version {major}.{minor} of the format: expected 1.0, 2.0 or 3.0")]
    Version {
        /// The first number.
        major: u8,
        /// The second number.
        minor: u8,
    },
    /// The file ends in its header.
    #[error("truncated: expected a header of {expected} bytes, got {found}")]
    Header {
        /// Bytes of the header.
        expected: usize,
        /// Bytes of the file.
        found: usize,
    },
    /// A header longer than any array needs.
    #[error("impossible header: {length} bytes, expected at most {}", header::LONGEST)]
    HeaderLength {
        /// Its length.
        length: usize,
    },
    /// A header that does not describe an array.
    #[error("unreadable header `{header}`: expected {expected}")]
    Dictionary {
        /// The beginning of the header.
        header: String,
        /// What is not there.
        expected: &'static str,
    },
    /// Elements of a type that is not read.
    #[error("elements of type `{descr}`: expected b1, i1 to i8, u1 to u8, f4 or f8")]
    Type {
        /// The type.
        descr: String,
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
        expected: u64,
        /// Bytes that follow the header.
        found: u64,
    },
    /// More data than the header promises.
    #[error("too long: the header promises shape {shape:?}, {expected} bytes, but more follow")]
    TooLong {
        /// The lengths of the axes.
        shape: Vec<usize>,
        /// Bytes of all elements.
        expected: u64,
    },
}

/// Reads a `.npy` file.
///
/// A file that is shorter than its header promises is refused before memory is taken for its elements.
///
/// # Errors
/// When the file cannot be read, is not in the format, holds elements of another type (text, complex numbers, objects,
/// records), or does not hold as many as its header says.
pub fn read(path: impl AsRef<Path>) -> Result<Npy, NpyError> {
    let path = path.as_ref();
    read_file(path).map_err(|problem| NpyError { path: path.to_path_buf(), member: None, problem })
}

fn read_file(path: &Path) -> Result<Npy, NpyProblem> {
    let file = File::open(path).map_err(NpyProblem::Io)?;
    let size = file.metadata().map_err(NpyProblem::Io)?.len();
    let mut file = BufReader::new(file);
    let header = Header::read(&mut file)?;
    let found = size.saturating_sub(header.offset);
    if found < header.bytes() {
        return Err(header.truncated(found));
    }
    elements(&header, &mut file, header.count)
}

/// Reads an array in the `.npy` format from anywhere, such as memory.
///
/// No more memory is taken than what is read needs, whatever the header says.
///
/// # Errors
/// As [`read`].
pub fn from_reader(mut from: impl Read) -> Result<Npy, NpyProblem> {
    let header = Header::read(&mut from)?;
    elements(&header, &mut from, 0)
}

/// Reads all elements; memory for `reserved` of them is taken in advance.
fn elements(header: &Header, from: &mut impl Read, reserved: usize) -> Result<Npy, NpyProblem> {
    let array = match header.kind {
        Kind::Bool => Npy::Bool(array(header, from, reserved, |[byte]: [u8; 1]| byte != 0)?),
        Kind::I8 => Npy::I8(array(header, from, reserved, i8::from_le_bytes)?),
        Kind::I16 => Npy::I16(array(header, from, reserved, i16::from_le_bytes)?),
        Kind::I32 => Npy::I32(array(header, from, reserved, i32::from_le_bytes)?),
        Kind::I64 => Npy::I64(array(header, from, reserved, i64::from_le_bytes)?),
        Kind::U8 => Npy::U8(array(header, from, reserved, u8::from_le_bytes)?),
        Kind::U16 => Npy::U16(array(header, from, reserved, u16::from_le_bytes)?),
        Kind::U32 => Npy::U32(array(header, from, reserved, u32::from_le_bytes)?),
        Kind::U64 => Npy::U64(array(header, from, reserved, u64::from_le_bytes)?),
        Kind::F32 => Npy::F32(array(header, from, reserved, f32::from_le_bytes)?),
        Kind::F64 => Npy::F64(array(header, from, reserved, f64::from_le_bytes)?),
    };
    let mut more = [0];
    match from.read(&mut more) {
        Ok(0) => Ok(array),
        Ok(_) => Err(NpyProblem::TooLong { shape: header.shape.clone(), expected: header.bytes() }),
        Err(error) => Err(NpyProblem::Io(error)),
    }
}

/// Reads the elements piece by piece; `decode` takes the bytes of one, the lowest first.
fn array<T, const N: usize>(
    header: &Header,
    from: &mut impl Read,
    reserved: usize,
    decode: impl Fn([u8; N]) -> T,
) -> Result<ArrayD<T>, NpyProblem> {
    let mut elements = Vec::with_capacity(reserved);
    let mut piece = Vec::new();
    while elements.len() < header.count {
        let wanted = (header.count - elements.len()).min((1 << 16) / N);
        piece.clear();
        from.take((wanted * N) as u64).read_to_end(&mut piece).map_err(NpyProblem::Io)?;
        if piece.len() < wanted * N {
            return Err(header.truncated((elements.len() * N + piece.len()) as u64));
        }
        let (words, _) = piece.as_chunks_mut::<N>();
        elements.extend(words.iter_mut().map(|word| {
            if header.big_endian {
                word.reverse();
            }
            decode(*word)
        }));
    }
    let shape = IxDyn(&header.shape).set_f(header.fortran);
    Ok(ArrayD::from_shape_vec(shape, elements).expect("the number of elements was compared with the shape"))
}
