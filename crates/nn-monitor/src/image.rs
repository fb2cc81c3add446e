//! Pictures, and PNG files of them.

use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use ndarray::{ArrayBase, Axis, Data, Dimension};
use nn_core::{Real, ShapeError};

/// A picture in grey or in red, green and blue, 8 bits each.
///
/// ```
/// use ndarray::array;
/// use nn_monitor::Image;
///
/// let image = Image::scaled(&array![[0.0f32, 0.5], [1.0, 0.25]])?;
/// assert_eq!((image.width(), image.height(), image.channels()), (2, 2, 1));
/// assert_eq!(image.pixels(), [0, 128, 255, 64]);
/// assert!(image.png().starts_with(b"\x89PNG\r\n"));
/// # Ok::<(), nn_core::ShapeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    width: usize,
    height: usize,
    channels: usize,
    pixels: Vec<u8>,
}

impl Image {
    /// From bytes: row after row from above, in each pixel after pixel from the left, `channels` bytes each:
    /// 1 for grey, 3 for red, green, blue.
    ///
    /// # Errors
    /// When width, height or channels are 0, channels are neither 1 nor 3, a side is above 65,535, or the
    /// number of bytes differs from their product.
    pub fn new(width: usize, height: usize, channels: usize, pixels: Vec<u8>) -> Result<Self, ShapeError> {
        let sides = 1..=usize::from(u16::MAX);
        let sound = sides.contains(&width) && sides.contains(&height) && matches!(channels, 1 | 3);
        if sound && width * height * channels == pixels.len() {
            return Ok(Image { width, height, channels, pixels });
        }
        let expected =
            format!("height × width × channels bytes, channels 1 or 3, got {} bytes for", pixels.len());
        Err(ShapeError::Input { op: "image", input: 0, expected, got: vec![height, width, channels] })
    }

    /// From numbers `[height, width]`, `[1, height, width]` or `[3, height, width]`: the smallest becomes
    /// black, the largest white. What is not finite is black.
    ///
    /// # Errors
    /// When the array has another shape or no elements.
    pub fn scaled<F: Real, S: Data<Elem = F>, D: Dimension>(
        values: &ArrayBase<S, D>,
    ) -> Result<Self, ShapeError> {
        let values = values.view().into_dyn();
        let shape = values.shape().to_vec();
        let planes = match *shape {
            [_, _] => values.insert_axis(Axis(0)),
            [1 | 3, _, _] => values,
            _ => {
                let expected = "[height, width], [1, height, width] or [3, height, width]".to_owned();
                return Err(ShapeError::Input { op: "image", input: 0, expected, got: shape });
            }
        };
        let finite = || planes.iter().map(|x| x.to_f64()).filter(|x| x.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        let (channels, height, width) = (planes.shape()[0], planes.shape()[1], planes.shape()[2]);
        let grey = |x: f64| if x.is_finite() { (255.0 * (x - low) / (high - low)).round() as u8 } else { 0 };
        // The axis of channels comes last in a picture.
        let pixels = planes.permuted_axes(vec![1, 2, 0]).iter().map(|x| grey(x.to_f64())).collect();
        Image::new(width, height, channels, pixels)
    }

    /// Pixels in a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// 1 for grey, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The bytes, as [`new`](Self::new) takes them.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The picture as a PNG file.
    ///
    /// Source: "Portable Network Graphics (PNG) specification (third edition)", W3C 2025, sections 5 and 11.
    pub fn png(&self) -> Vec<u8> {
        let mut header = Vec::with_capacity(13);
        header.extend((self.width as u32).to_be_bytes());
        header.extend((self.height as u32).to_be_bytes());
        // 8 bits; grey or colour; deflate, the usual filters, no interlacing.
        header.extend([8, if self.channels == 1 { 0 } else { 2 }, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut file, *b"IHDR", &header);
        chunk(&mut file, *b"IDAT", &self.compressed());
        chunk(&mut file, *b"IEND", &[]);
        file
    }

    /// The rows, each after the number of its filter, 0 for none.
    fn compressed(&self) -> Vec<u8> {
        let mut rows = Vec::with_capacity(self.pixels.len() + self.height);
        for row in self.pixels.chunks_exact(self.width * self.channels) {
            rows.push(0);
            rows.extend(row);
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(&rows).and_then(|()| encoder.finish()).expect("memory can be written to")
    }
}

fn chunk(file: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend(kind);
    file.extend(data);
    let mut crc = Crc::new();
    crc.update(&file[start..]);
    file.extend(crc.sum().to_be_bytes());
}
