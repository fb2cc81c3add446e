//! MNIST, and data sets that come in the same four files (Fashion-MNIST, KMNIST).

use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Ix1, Ix3};
use nn_core::Real;
use thiserror::Error;

use crate::idx::{self, Idx, IdxError};
use crate::{DataError, Dataset};

/// The four files: training images and labels, test images and labels.
pub const FILES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

/// The number of classes.
pub const CLASSES: usize = 10;

/// Training and test set.
#[derive(Clone, Debug, PartialEq)]
pub struct Mnist<F: Real> {
    /// The training set: 60,000 samples in the original.
    pub train: Dataset<F>,
    /// The test set: 10,000 samples in the original.
    pub test: Dataset<F>,
}

/// Why [`load`] failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum MnistError {
    /// A file is not there.
    #[error(
        "{file} is not in {}: expected {}, {}, {} and {} there, each plain or gzipped (.gz)",
        folder.display(), FILES[0], FILES[1], FILES[2], FILES[3]
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The first file that is missing.
        file: &'static str,
    },
    /// A file is damaged.
    #[error(transparent)]
    Idx(#[from] IdxError),
    /// A file holds something else.
    #[error("{}: expected {expected}, got {found}", path.display())]
    Contents {
        /// The file.
        path: PathBuf,
        /// What it must hold.
        expected: String,
        /// What it holds.
        found: String,
    },
    /// The numbers of images and labels differ, or a label is none of the classes.
    #[error("{} and {}: {problem}", images.display(), labels.display())]
    Data {
        /// The file of images.
        images: PathBuf,
        /// The file of labels.
        labels: PathBuf,
        /// What is wrong.
        problem: DataError,
    },
}

/// Loads the four files of a folder.
///
/// Inputs have shape `[n, height·width]`, `[n, 784]` in the original, row by row, scaled to \[0, 1\] (x/255). The
/// files bear their usual names ([`FILES`]), or those with a dot (`train-images.idx3-ubyte`), with or without `.gz`;
/// the plain one is taken where there are both.
///
/// # Errors
/// When a file is missing, damaged or holds something else, images and labels differ in number, training and test
/// images in size, or a label is none of the ten classes.
pub fn load<F: Real>(folder: impl AsRef<Path>) -> Result<Mnist<F>, MnistError> {
    let folder = folder.as_ref();
    let [train_images, train_labels, test_images, test_labels] = FILES.map(|file| find(folder, file));
    let (train_images, train_labels) = (train_images?, train_labels?);
    let (test_images, test_labels) = (test_images?, test_labels?);
    let train = part(&train_images, &train_labels, None)?;
    let test = part(&test_images, &test_labels, Some(train.1))?;
    Ok(Mnist { train: train.0, test: test.0 })
}

/// The file of this name, whichever way it is spelt.
fn find(folder: &Path, file: &'static str) -> Result<PathBuf, MnistError> {
    let dotted = file.replace("-idx", ".idx");
    let names = [file.to_owned(), format!("{file}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| MnistError::Missing { folder: folder.to_path_buf(), file })
}

/// A data set of images and labels, with the height and width of its images, which must be `size` where given.
fn part<F: Real>(
    images_path: &Path,
    labels_path: &Path,
    size: Option<(usize, usize)>,
) -> Result<(Dataset<F>, (usize, usize)), MnistError> {
    let (images, found) = images(images_path)?;
    if let Some((height, width)) = size.filter(|&size| size != found) {
        return Err(MnistError::Contents {
            path: images_path.to_path_buf(),
            expected: format!("images of {height}×{width} pixels as in the training set"),
            found: format!("{}×{}", found.0, found.1),
        });
    }
    let labels = labels(labels_path)?;
    let set = Dataset::classification(images, labels, CLASSES).map_err(|problem| MnistError::Data {
        images: images_path.to_path_buf(),
        labels: labels_path.to_path_buf(),
        problem,
    })?;
    Ok((set, found))
}

/// The images as rows of numbers from 0 to 1, with their height and width.
fn images<F: Real>(path: &Path) -> Result<(Array2<F>, (usize, usize)), MnistError> {
    let contents = idx::read(path)?;
    let expected = "images, u8 [n, height, width]";
    let Idx::U8(pixels) = contents else {
        return Err(wrong(path, expected, &contents));
    };
    let shape = pixels.shape().to_vec();
    let Ok(pixels) = pixels.into_dimensionality::<Ix3>() else {
        return Err(wrong(path, expected, &format_args!("u8 {shape:?}")));
    };
    let (n, height, width) = pixels.dim();
    let scaled = pixels.iter().map(|&x| F::from_usize(x.into()) / F::from_usize(255)).collect();
    let rows = Array2::from_shape_vec((n, height * width), scaled).expect("as many numbers as pixels");
    Ok((rows, (height, width)))
}

fn labels<F: Real>(path: &Path) -> Result<Array1<F>, MnistError> {
    let contents = idx::read(path)?;
    match &contents {
        Idx::U8(labels) if labels.ndim() == 1 => {
            Ok(contents.cast().into_dimensionality::<Ix1>().expect("one axis"))
        }
        _ => Err(wrong(path, "labels, u8 [n]", &contents)),
    }
}

fn wrong(path: &Path, expected: &str, found: &dyn std::fmt::Display) -> MnistError {
    MnistError::Contents { path: path.to_path_buf(), expected: expected.to_owned(), found: found.to_string() }
}
