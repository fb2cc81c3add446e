//! Named tensors and a text in one safetensors file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ndarray::{ArrayD, ArrayViewD, IxDyn};
use nn_core::Real;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};

use super::atomic;
use super::{CheckpointError, CheckpointProblem};

/// Named tensors, and a text about them: what a file holds.
///
/// The format is [safetensors](https://github.com/huggingface/safetensors), which Python reads with
/// `safetensors.torch.load_file`. The text stands in its metadata, with a CRC-32 of the whole file.
///
/// ```
/// use ndarray::array;
/// use nn_train::checkpoint::TensorFile;
///
/// let mut file = TensorFile::<f32>::new("{\"by\": \"me\"}");
/// file.insert("fc.weight", array![[1.0, 2.0]].into_dyn());
/// let bytes = file.to_bytes();
/// assert_eq!(TensorFile::from_bytes(&bytes).unwrap(), file);
///
/// let mut damaged = bytes;
/// *damaged.last_mut().unwrap() ^= 1;
/// assert!(TensorFile::<f32>::from_bytes(&damaged).unwrap_err().to_string().starts_with("damaged"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TensorFile<F: Real> {
    tensors: BTreeMap<String, ArrayD<F>>,
    text: Option<String>,
}

/// The name of the text among the metadata.
const KEY: &str = "nn-train";
/// What the text begins with: its checksum, zeros while that is computed.
const NO_CHECKSUM: &str = "crc32 00000000 ";
const DIGITS: std::ops::Range<usize> = 6..14;

impl<F: Real> TensorFile<F> {
    /// No tensors yet, and this text.
    pub fn new(text: impl Into<String>) -> Self {
        TensorFile { tensors: BTreeMap::new(), text: Some(text.into()) }
    }

    /// Adds a tensor, in place of one of the same name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: ArrayD<F>) {
        self.tensors.insert(name.into(), tensor);
    }

    /// The text; none in a file that something else wrote.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The tensors by name.
    pub fn tensors(&self) -> &BTreeMap<String, ArrayD<F>> {
        &self.tensors
    }

    /// The content of a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let text = format!("{NO_CHECKSUM}{}", self.text.as_deref().unwrap_or_default());
        let metadata = [(KEY.to_owned(), text)].into_iter().collect();
        let tensors = self.tensors.iter().map(|(name, tensor)| (name, Tensor(tensor.view())));
        let mut bytes =
            safetensors::serialize(tensors, Some(metadata)).expect("shapes and lengths of arrays agree");
        let at = find(&bytes, NO_CHECKSUM.as_bytes()).expect("the text has been written");
        let checksum = format!("{:08x}", crc32fast::hash(&bytes));
        bytes[at..][DIGITS].copy_from_slice(checksum.as_bytes());
        bytes
    }

    /// From the content of a file. Tensors of `f32`, `f64` and `i64` become those of `F`.
    ///
    /// # Errors
    /// When it is no safetensors file, a tensor is of another type, or the checksum of a file that has one is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointProblem> {
        let malformed =
            |error: &dyn std::fmt::Display| CheckpointProblem::Malformed { message: error.to_string() };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|e| malformed(&e))?;
        let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
        if text.is_some() {
            check(bytes)?;
        }
        let file = SafeTensors::deserialize(bytes).map_err(|e| malformed(&e))?;
        let tensors = file.iter().map(|(name, tensor)| Ok((name.to_owned(), decode(name, &tensor)?)));
        let tensors = tensors.collect::<Result<_, CheckpointProblem>>()?;
        let text = text.and_then(|text| text.get(NO_CHECKSUM.len()..)).map(str::to_owned);
        Ok(TensorFile { tensors, text })
    }

    /// Writes a file, so that whenever the process or the machine stops, the old file or the new one is there.
    ///
    /// # Errors
    /// When the system refuses; a file that was there is as it was.
    pub fn write(&self, path: &Path) -> Result<(), CheckpointError> {
        atomic::write(path, &self.to_bytes()).map_err(|error| CheckpointProblem::io("write", &error).of(path))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When the system refuses, and as [`from_bytes`](Self::from_bytes).
    pub fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = fs::read(path).map_err(|error| CheckpointProblem::io("read", &error).of(path))?;
        Self::from_bytes(&bytes).map_err(|problem| problem.of(path))
    }
}

/// A tensor as the format wants it: row-major, little-endian.
struct Tensor<'a, F: Real>(ArrayViewD<'a, F>);

impl<F: Real> View for Tensor<'_, F> {
    fn dtype(&self) -> Dtype {
        if size_of::<F>() == 4 { Dtype::F32 } else { Dtype::F64 }
    }

    fn shape(&self) -> &[usize] {
        self.0.shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let bytes = |x: &F| x.bits().to_le_bytes().into_iter().take(size_of::<F>());
        Cow::Owned(self.0.iter().flat_map(bytes).collect())
    }

    fn data_len(&self) -> usize {
        self.0.len() * size_of::<F>()
    }
}

fn decode<F: Real>(name: &str, tensor: &TensorView<'_>) -> Result<ArrayD<F>, CheckpointProblem> {
    let data = tensor.data();
    let values: Vec<F> = match tensor.dtype() {
        Dtype::F32 => {
            let bytes = data.as_chunks().0.iter();
            bytes.map(|&bytes| F::from_f64(f32::from_le_bytes(bytes).into())).collect()
        }
        // PyTorch counts batches in whole numbers.
        Dtype::I64 => {
            data.as_chunks().0.iter().map(|&bytes| F::from_f64(i64::from_le_bytes(bytes) as f64)).collect()
        }
        Dtype::F64 => {
            data.as_chunks().0.iter().map(|&bytes| F::from_f64(f64::from_le_bytes(bytes))).collect()
        }
        other => {
            let (name, got) = (name.to_owned(), format!("{other:?}"));
            return Err(CheckpointProblem::Scalar { name, expected: "F32, F64 or I64", got });
        }
    };
    let shaped = ArrayD::from_shape_vec(IxDyn(tensor.shape()), values);
    shaped.map_err(|error| CheckpointProblem::Malformed { message: format!("tensor `{name}`: {error}") })
}

/// Compares the checksum that a file states with that of its content.
fn check(bytes: &[u8]) -> Result<(), CheckpointProblem> {
    let (before, after) = NO_CHECKSUM.split_at(DIGITS.end);
    let stated = find(bytes, &before.as_bytes()[..DIGITS.start]).and_then(|at| {
        let digits = std::str::from_utf8(bytes.get(at..)?.get(DIGITS)?).ok()?;
        let is_followed = bytes[at + DIGITS.end..].starts_with(after.as_bytes());
        Some((at, u32::from_str_radix(digits, 16).ok().filter(|_| is_followed)?))
    });
    let Some((at, expected)) = stated else {
        return Err(CheckpointProblem::Malformed { message: "its metadata state no checksum".to_owned() });
    };
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..at + DIGITS.start]);
    hasher.update(&[b'0'; DIGITS.end - DIGITS.start]);
    hasher.update(&bytes[at + DIGITS.end..]);
    let got = hasher.finalize();
    if got == expected { Ok(()) } else { Err(CheckpointProblem::Checksum { expected, got }) }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
