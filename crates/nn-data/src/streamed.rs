//! Sets that stay in their files.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use ndarray::ArrayViewMutD;
use nn_core::Real;
use thiserror::Error;

use crate::dataset::unravel;
use crate::idx::{self, IdxError, IdxProblem};
use crate::npy::{Header, Kind, NpyError, NpyProblem};
use crate::{DataError, Source};

/// A set larger than memory: its samples are read from two files, of inputs and of targets, when they are asked for.
///
/// The files are `.npy` (see [`npy`](crate::npy)) in row-major order, or IDX without compression (see
/// [`idx`](crate::idx)); the first axis of both counts the samples. Only the samples asked for are read, in one piece
/// where they follow each other; nothing is kept in memory but what the operating system keeps of its own accord.
///
/// Numbers are checked when they are read: a NaN, an infinity or a label that is no class is an error that names file
/// and sample.
///
/// ```
/// use ndarray::{Array, Array1, Array2};
/// use nn_data::{Source, Streamed, npy};
///
/// # let folder = std::env::temp_dir().join(format!("nn-data-streamed-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let (inputs, labels) = (folder.join("inputs.npy"), folder.join("labels.npy"));
/// npy::write(&inputs, Array2::from_shape_fn((100, 3), |(i, j)| (10 * i + j) as u16).view())?;
/// npy::write(&labels, Array1::from_shape_fn(100, |i| (i % 4) as i64).view())?;
///
/// let set = Streamed::<f32>::classification(&inputs, &labels, 4)?;
/// assert_eq!((set.len(), set.input_shape(), set.classes()), (100, &[3][..], Some(4)));
/// let (mut x, mut y) = (Array::zeros((2, 3)).into_dyn(), Array::zeros(2).into_dyn());
/// set.gather(None, &[7, 42], x.view_mut(), y.view_mut())?;
/// assert_eq!(x.as_slice().unwrap(), [70.0, 71.0, 72.0, 420.0, 421.0, 422.0]);
/// assert_eq!(y.as_slice().unwrap(), [3.0, 2.0]);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Streamed<F> {
    inputs: Rows,
    targets: Rows,
    classes: Option<usize>,
    scalar: PhantomData<fn() -> F>,
}

/// Why files cannot be read sample by sample.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// A `.npy` file is damaged.
    #[error(transparent)]
    Npy(#[from] NpyError),
    /// An IDX file is damaged.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A compressed file.
    #[error("{}: gzipped, expected a file without compression, of which parts can be read", path.display())]
    Gzip {
        /// The file.
        path: PathBuf,
    },
    /// A `.npy` file whose samples are scattered.
    #[error("{}: in column-major (Fortran) order, expected row-major order, in which a sample is one piece", path.display())]
    Order {
        /// The file.
        path: PathBuf,
    },
    /// A file whose array has other axes than expected.
    #[error("{}: expected {expected}, got an array of shape {got:?}", path.display())]
    Axes {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: &'static str,
        /// The shape found.
        got: Vec<usize>,
    },
    /// The files do not fit each other, or hold no samples.
    #[error("{} and {}: {problem}", inputs.display(), targets.display())]
    Data {
        /// The file of inputs.
        inputs: PathBuf,
        /// The file of targets.
        targets: PathBuf,
        /// What is wrong.
        problem: DataError,
    },
}

impl<F: Real> Streamed<F> {
    /// Samples with class labels: whole numbers from 0 to `classes` − 1.
    ///
    /// Shapes: `inputs` `[n, …]`, `labels` `[n]`.
    ///
    /// # Errors
    /// When a file cannot be read, is in none of the formats, or holds another number of bytes than its header says, the
    /// numbers of samples differ, or there are none.
    pub fn classification(
        inputs: impl AsRef<Path>,
        labels: impl AsRef<Path>,
        classes: usize,
    ) -> Result<Self, StreamError> {
        let set = Self::open(inputs.as_ref(), labels.as_ref(), Some(classes))?;
        if !set.targets.shape.is_empty() {
            let got = [&[set.targets.count], &set.targets.shape[..]].concat();
            let expected = "labels, which have one axis";
            return Err(StreamError::Axes { path: set.targets.path, expected, got });
        }
        Ok(set)
    }

    /// Samples with numbers to be predicted.
    ///
    /// Shapes: `inputs` `[n, …]`, `targets` `[n, …]`.
    ///
    /// # Errors
    /// As [`classification`](Streamed::classification).
    pub fn regression(inputs: impl AsRef<Path>, targets: impl AsRef<Path>) -> Result<Self, StreamError> {
        Self::open(inputs.as_ref(), targets.as_ref(), None)
    }

    fn open(inputs: &Path, targets: &Path, classes: Option<usize>) -> Result<Self, StreamError> {
        let (inputs, targets) = (Rows::open(inputs)?, Rows::open(targets)?);
        let problem = if inputs.count != targets.count {
            DataError::SampleCount { inputs: inputs.count, targets: targets.count }
        } else if inputs.count == 0 {
            DataError::Empty { what: "data set".into() }
        } else {
            return Ok(Streamed { inputs, targets, classes, scalar: PhantomData });
        };
        Err(StreamError::Data { inputs: inputs.path, targets: targets.path, problem })
    }
}

impl<F: Real> Source<F> for Streamed<F> {
    fn len(&self) -> usize {
        self.inputs.count
    }

    fn input_shape(&self) -> &[usize] {
        &self.inputs.shape
    }

    fn target_shape(&self) -> &[usize] {
        &self.targets.shape
    }

    fn classes(&self) -> Option<usize> {
        self.classes
    }

    fn gather(
        &self,
        _epoch: Option<u64>,
        samples: &[usize],
        mut inputs: ArrayViewMutD<'_, F>,
        mut targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        let to = row_memory("inputs", &mut inputs, samples.len(), &self.inputs.shape);
        self.inputs.read("inputs", samples, to)?;
        let to = row_memory("targets", &mut targets, samples.len(), &self.targets.shape);
        self.targets.read("targets", samples, to)?;
        let Some(classes) = self.classes else {
            return Ok(());
        };
        let inside = |label: f64| label >= 0.0 && label.floor() == label && label < classes as f64;
        match samples.iter().zip(&*to).find(|(_, label)| !inside(label.to_f64())) {
            None => Ok(()),
            Some((&sample, label)) => {
                Err(self.targets.fail(DataError::Label { sample, label: label.to_f64(), classes }))
            }
        }
    }
}

/// The memory of `samples` samples, row by row.
///
/// # Panics
/// When the shape differs or the memory is not in row-major order.
#[track_caller]
pub(crate) fn row_memory<'a, F>(
    array: &str,
    to: &'a mut ArrayViewMutD<'_, F>,
    samples: usize,
    sample_shape: &[usize],
) -> &'a mut [F] {
    let fits = to.shape().split_first().is_some_and(|(&n, rest)| n == samples && rest == sample_shape);
    assert!(
        fits,
        "gather {array}: expected {samples} samples of shape {sample_shape:?}, got memory of shape {:?}",
        to.shape()
    );
    match to.as_slice_mut() {
        Some(memory) => memory,
        None => panic!("gather {array}: expected memory in row-major order"),
    }
}

/// # Panics
/// When a sample is none of the `n`.
#[track_caller]
pub(crate) fn check_samples(array: &str, samples: &[usize], n: usize) {
    if let Some(&sample) = samples.iter().find(|&&sample| sample >= n) {
        panic!("gather {array}: sample {sample} does not exist, there are {n}");
    }
}

/// The most bytes that are read at once, unless one sample has more.
const PIECE: usize = 1 << 18;

/// A file that holds an array, read row by row.
#[derive(Debug)]
struct Rows {
    path: PathBuf,
    file: Positioned,
    kind: Kind,
    big_endian: bool,
    offset: u64,
    /// The number of rows.
    count: usize,
    /// The shape of a row.
    shape: Vec<usize>,
    /// Bytes of a row.
    size: usize,
}

impl Rows {
    fn open(path: &Path) -> Result<Self, StreamError> {
        let npy = |problem| NpyError { path: path.to_path_buf(), member: None, problem };
        let mut file = File::open(path).map_err(|error| npy(NpyProblem::Io(error)))?;
        let size = file.metadata().map_err(|error| npy(NpyProblem::Io(error)))?.len();
        let mut first = Vec::new();
        let start = (&mut file).take(2).read_to_end(&mut first).and_then(|_| file.rewind());
        start.map_err(|error| npy(NpyProblem::Io(error)))?;
        let header = match first[..] {
            [0x1f, 0x8b] => return Err(StreamError::Gzip { path: path.to_path_buf() }),
            [0, 0] => idx_header(path, &file, size)?,
            _ => npy_header(&file, size).map_err(npy)?,
        };
        let Some((&count, shape)) = header.shape.split_first() else {
            let expected = "an array whose first axis counts the samples";
            return Err(StreamError::Axes { path: path.to_path_buf(), expected, got: Vec::new() });
        };
        if header.fortran && header.shape.len() > 1 {
            return Err(StreamError::Order { path: path.to_path_buf() });
        }
        Ok(Rows {
            path: path.to_path_buf(),
            file: Positioned::new(file),
            kind: header.kind,
            big_endian: header.big_endian,
            offset: header.offset,
            count,
            // With no rows the lengths of a row need not have a product that fits.
            size: shape.iter().fold(header.kind.size(), |size, &length| size.saturating_mul(length)),
            shape: shape.to_vec(),
        })
    }

    /// Reads these rows into `to`, and checks that their numbers are finite.
    fn read<F: Real>(&self, array: &'static str, samples: &[usize], to: &mut [F]) -> Result<(), DataError> {
        check_samples(array, samples, self.count);
        let length = self.size / self.kind.size();
        if length == 0 {
            return Ok(());
        }
        let most = (PIECE / self.size).max(1);
        let mut bytes = Vec::new();
        let (mut rest, mut to) = (samples, to);
        while let Some(&first) = rest.first() {
            let follow = rest.iter().zip(first..).take(most).take_while(|&(&sample, next)| sample == next);
            let run = follow.count();
            bytes.resize(run * self.size, 0);
            self.file
                .read_exact_at(&mut bytes, self.offset + first as u64 * self.size as u64)
                .map_err(|error| self.unreadable(first, &error))?;
            let (rows, left) = to.split_at_mut(run * length);
            decode(self.kind, self.big_endian, &bytes, rows);
            if let Some(at) = rows.iter().position(|x| !x.is_finite()) {
                let (sample, value) = (first + at / length, rows[at].to_f64());
                let feature = unravel(at % length, &self.shape);
                return Err(self.fail(DataError::NonFinite { array, sample, feature, value }));
            }
            (rest, to) = (&rest[run..], left);
        }
        Ok(())
    }

    fn unreadable(&self, sample: usize, error: &io::Error) -> DataError {
        self.fail(DataError::Unreadable { sample, kind: error.kind(), message: error.to_string() })
    }

    fn fail(&self, problem: DataError) -> DataError {
        DataError::File { path: self.path.clone(), problem: Box::new(problem) }
    }
}

fn npy_header(file: &File, size: u64) -> Result<Header, NpyProblem> {
    let header = Header::read(&mut BufReader::new(file))?;
    let (expected, found) = (header.bytes(), size.saturating_sub(header.offset));
    if found < expected {
        return Err(header.truncated(found));
    }
    if found > expected {
        return Err(NpyProblem::TooLong { shape: header.shape, expected });
    }
    Ok(header)
}

fn idx_header(path: &Path, file: &File, size: u64) -> Result<Header, IdxError> {
    let fail = |problem| IdxError { path: path.to_path_buf(), problem };
    let (kind, shape, expected) = idx::layout(&mut BufReader::new(file)).map_err(fail)?;
    let offset = 4 + 4 * shape.len() as u64;
    let found = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    if found < expected {
        return Err(fail(IdxProblem::Truncated { shape, expected, found }));
    }
    if found > expected {
        return Err(fail(IdxProblem::TooLong { shape, expected }));
    }
    Ok(Header { kind, big_endian: true, fortran: false, shape, count: expected / kind.size(), offset })
}

fn decode<F: Real>(kind: Kind, big_endian: bool, bytes: &[u8], to: &mut [F]) {
    match kind {
        Kind::Bool => each(big_endian, bytes, to, |[byte]: [u8; 1]| f64::from(u8::from(byte != 0))),
        Kind::I8 => each(big_endian, bytes, to, |word| i8::from_le_bytes(word).into()),
        Kind::I16 => each(big_endian, bytes, to, |word| i16::from_le_bytes(word).into()),
        Kind::I32 => each(big_endian, bytes, to, |word| i32::from_le_bytes(word).into()),
        Kind::I64 => each(big_endian, bytes, to, |word| i64::from_le_bytes(word) as f64),
        Kind::U8 => each(big_endian, bytes, to, |word| u8::from_le_bytes(word).into()),
        Kind::U16 => each(big_endian, bytes, to, |word| u16::from_le_bytes(word).into()),
        Kind::U32 => each(big_endian, bytes, to, |word| u32::from_le_bytes(word).into()),
        Kind::U64 => each(big_endian, bytes, to, |word| u64::from_le_bytes(word) as f64),
        Kind::F32 => each(big_endian, bytes, to, |word| f32::from_le_bytes(word).into()),
        Kind::F64 => each(big_endian, bytes, to, f64::from_le_bytes),
    }
}

/// Decodes one number after the other; `decode` takes its bytes, the lowest first.
fn each<F: Real, const N: usize>(
    big_endian: bool,
    bytes: &[u8],
    to: &mut [F],
    decode: impl Fn([u8; N]) -> f64,
) {
    let (words, _) = bytes.as_chunks::<N>();
    for (to, &word) in to.iter_mut().zip(words) {
        let mut word = word;
        if big_endian {
            word.reverse();
        }
        *to = F::from_f64(decode(word));
    }
}

/// A file that several threads read, each at its own place.
#[derive(Debug)]
struct Positioned {
    file: File,
    /// Held while the file's one cursor is moved and read from.
    #[cfg(not(unix))]
    turn: std::sync::Mutex<()>,
}

impl Positioned {
    fn new(file: File) -> Self {
        Positioned {
            file,
            #[cfg(not(unix))]
            turn: std::sync::Mutex::new(()),
        }
    }

    #[cfg(unix)]
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, bytes, offset)
    }

    #[cfg(not(unix))]
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut file = &self.file;
        file.seek(io::SeekFrom::Start(offset))?;
        file.read_exact(bytes)
    }
}
