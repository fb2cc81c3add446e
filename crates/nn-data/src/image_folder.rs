//! Folders of images, one for each class.

use std::fs;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use image::imageops::FilterType;
use image::{ImageError, ImageReader};
use ndarray::{Array1, ArrayD, ArrayViewMutD, Axis, IxDyn};
use nn_core::Real;
use thiserror::Error;

use crate::streamed::{check_samples, row_memory};
use crate::{DataError, Dataset, Source};

/// PNG and JPEG images in one folder for each class, decoded when they are asked for.
///
/// ```text
/// folder/cat/001.png      class 0
/// folder/cat/002.jpeg     class 0
/// folder/dog/001.jpg      class 1
/// ```
///
/// Classes are the folders in the order of their names, samples their images in the order of theirs. Files and folders
/// whose name begins with a dot are left out, and so is what does not end in `.png`, `.jpg` or `.jpeg`, in small or capital
/// letters. Inputs have shape `[channels, height, width]` and values from 0 to 1; 16-bit images are rounded to 8 bits,
/// transparency is left out, and the orientation that a camera noted is not applied.
///
/// ```no_run
/// use nn_data::{ImageFolder, ImageFolderOptions, Source};
///
/// let images: ImageFolder<f32> = ImageFolderOptions::new().grey().resize(32, 32).open("faces")?;
/// println!("{} images of {:?}", images.len(), images.class_names());
/// let set = images.load()?;   // all in memory
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct ImageFolder<F> {
    options: ImageFolderOptions,
    class_names: Vec<String>,
    images: Vec<(PathBuf, usize)>,
    shape: [usize; 3],
    scalar: PhantomData<fn() -> F>,
}

/// How the images of an [`ImageFolder`] are read: in colour and in their own size, unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageFolderOptions {
    grey: bool,
    /// Height and width.
    size: Option<(u32, u32)>,
}

/// Why a folder of images cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageFolderError {
    /// A folder or file cannot be read.
    #[error("{}: cannot be read: {error}", path.display())]
    Io {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// There are no folders in the folder.
    #[error("{}: expected a folder for each class, got none", path.display())]
    NoClasses {
        /// The folder.
        path: PathBuf,
    },
    /// There are no images in the folder of a class.
    #[error("{}: expected images that end in .png, .jpg or .jpeg, got none", path.display())]
    NoImages {
        /// The folder.
        path: PathBuf,
    },
    /// A size of 0.
    #[error("images of {height}×{width} pixels: expected at least 1×1")]
    Size {
        /// Height asked for.
        height: u32,
        /// Width asked for.
        width: u32,
    },
    /// An image that cannot be decoded, or has another size than the first.
    #[error(transparent)]
    Image(#[from] DataError),
}

impl ImageFolderOptions {
    /// Images in colour and in their own size.
    pub fn new() -> Self {
        ImageFolderOptions::default()
    }

    /// One channel, the luminance, instead of red, green and blue.
    #[must_use]
    pub fn grey(mut self) -> Self {
        self.grey = true;
        self
    }

    /// Images of every size, made this size with linear (triangle) interpolation, which averages where it shrinks. The
    /// aspect ratio is not kept.
    #[must_use]
    pub fn resize(mut self, height: u32, width: u32) -> Self {
        self.size = Some((height, width));
        self
    }

    /// Finds the images of a folder.
    ///
    /// Unless images are resized, the sizes of all are read, though not the images.
    ///
    /// # Errors
    /// When a folder cannot be read, there are no classes, a class has no images, or images have different sizes.
    pub fn open<F: Real>(self, folder: impl AsRef<Path>) -> Result<ImageFolder<F>, ImageFolderError> {
        let folder = folder.as_ref();
        if let Some((height, width)) = self.size.filter(|&(height, width)| height == 0 || width == 0) {
            return Err(ImageFolderError::Size { height, width });
        }
        let (mut class_names, mut images) = (Vec::new(), Vec::new());
        for class in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
            let of_class: Vec<PathBuf> = entries(&class)?.into_iter().filter(|path| is_image(path)).collect();
            if of_class.is_empty() {
                return Err(ImageFolderError::NoImages { path: class });
            }
            images.extend(of_class.into_iter().map(|path| (path, class_names.len())));
            class_names.push(name(&class));
        }
        let Some((first, _)) = images.first() else {
            return Err(ImageFolderError::NoClasses { path: folder.to_path_buf() });
        };
        let (height, width) = match self.size {
            Some((height, width)) => (height, width),
            None => size(first)?,
        };
        if self.size.is_none() {
            for (path, _) in &images[1..] {
                check_size(path, (height, width), size(path)?)?;
            }
        }
        let shape = [if self.grey { 1 } else { 3 }, height as usize, width as usize];
        Ok(ImageFolder { options: self, class_names, images, shape, scalar: PhantomData })
    }
}

impl<F: Real> ImageFolder<F> {
    /// The images of a folder, in colour and in their own size.
    ///
    /// # Errors
    /// As [`ImageFolderOptions::open`].
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, ImageFolderError> {
        ImageFolderOptions::new().open(folder)
    }

    /// The names of the folders, in the order of the numbers of the classes.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// The file of a sample; `None` when there is no such sample.
    pub fn path(&self, sample: usize) -> Option<&Path> {
        self.images.get(sample).map(|(path, _)| path.as_path())
    }

    /// All images in memory: inputs `[n, channels, height, width]`.
    ///
    /// # Errors
    /// When an image cannot be decoded.
    pub fn load(&self) -> Result<Dataset<F>, DataError> {
        let n = self.images.len();
        let mut inputs = ArrayD::from_elem(IxDyn(&[&[n], &self.shape[..]].concat()), F::zero());
        for (mut input, (path, _)) in inputs.axis_iter_mut(Axis(0)).zip(&self.images) {
            self.decode(path, input.as_slice_mut().expect("one sample of an array in row-major order"))?;
        }
        let labels = self.images.iter().map(|&(_, class)| F::from_usize(class));
        Dataset::classification(inputs, Array1::from_iter(labels), self.class_names.len())
    }

    /// Decodes an image into memory for one sample.
    fn decode(&self, path: &Path, to: &mut [F]) -> Result<(), DataError> {
        let decoded = reader(path)?.decode().map_err(|error| unreadable(path, &error))?;
        let [_, height, width] = self.shape.map(|length| length as u32);
        let decoded = match self.options.size {
            Some(_) if (decoded.height(), decoded.width()) != (height, width) => {
                decoded.resize_exact(width, height, FilterType::Triangle)
            }
            Some(_) => decoded,
            None => {
                check_size(path, (height, width), (decoded.height(), decoded.width()))?;
                decoded
            }
        };
        if self.options.grey {
            planes(&decoded.into_luma8(), 1, to);
        } else {
            planes(&decoded.into_rgb8(), 3, to);
        }
        Ok(())
    }
}

impl<F: Real> Source<F> for ImageFolder<F> {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn input_shape(&self) -> &[usize] {
        &self.shape
    }

    fn target_shape(&self) -> &[usize] {
        &[]
    }

    fn classes(&self) -> Option<usize> {
        Some(self.class_names.len())
    }

    fn gather(
        &self,
        _epoch: Option<u64>,
        samples: &[usize],
        mut inputs: ArrayViewMutD<'_, F>,
        mut targets: ArrayViewMutD<'_, F>,
    ) -> Result<(), DataError> {
        let size = self.shape.iter().product();
        let inputs = row_memory("inputs", &mut inputs, samples.len(), &self.shape);
        let targets = row_memory("targets", &mut targets, samples.len(), &[]);
        check_samples("inputs", samples, self.images.len());
        for ((input, target), &sample) in inputs.chunks_exact_mut(size).zip(targets).zip(samples) {
            let (path, class) = &self.images[sample];
            self.decode(path, input)?;
            *target = F::from_usize(*class);
        }
        Ok(())
    }
}

/// Interleaved channels, from 0 to 255, as planes from 0 to 1.
fn planes<F: Real>(pixels: &[u8], channels: usize, to: &mut [F]) {
    let scale = F::from_usize(255);
    for (channel, plane) in to.chunks_exact_mut(pixels.len() / channels).enumerate() {
        for (to, pixel) in plane.iter_mut().zip(pixels.chunks_exact(channels)) {
            *to = F::from_usize(pixel[channel].into()) / scale;
        }
    }
}

fn reader(path: &Path) -> Result<ImageReader<io::BufReader<fs::File>>, DataError> {
    let reader = ImageReader::open(path).and_then(ImageReader::with_guessed_format);
    reader.map_err(|error| unreadable(path, &ImageError::IoError(error)))
}

/// Height and width.
fn size(path: &Path) -> Result<(u32, u32), DataError> {
    match reader(path)?.into_dimensions() {
        Ok((width, height)) => Ok((height, width)),
        Err(error) => Err(unreadable(path, &error)),
    }
}

fn check_size(path: &Path, expected: (u32, u32), got: (u32, u32)) -> Result<(), DataError> {
    if expected == got {
        Ok(())
    } else {
        Err(DataError::ImageSize { path: path.to_path_buf(), expected, got })
    }
}

fn unreadable(path: &Path, error: &ImageError) -> DataError {
    DataError::Image { path: path.to_path_buf(), message: error.to_string() }
}

/// What is in a folder and not hidden, in the order of the names.
fn entries(folder: &Path) -> Result<Vec<PathBuf>, ImageFolderError> {
    let fail = |error| ImageFolderError::Io { path: folder.to_path_buf(), error };
    let paths = fs::read_dir(folder).map_err(fail)?.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<io::Result<Vec<PathBuf>>>().map_err(fail)?;
    paths.retain(|path| !name(path).starts_with('.'));
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> String {
    path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    ["png", "jpg", "jpeg"].iter().any(|known| extension.eq_ignore_ascii_case(known)) && !path.is_dir()
}
