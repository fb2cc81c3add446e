//! Random changes of images that leave their class as it is.

mod affine;
mod augmented;
mod elastic;
mod erasing;
mod light;
mod resample;
mod span;
mod work;

use std::ops::RangeInclusive;

use ndarray::{ArrayViewMut, Ix4};
use nn_core::{RangeError, Real, Streams, check_range};

use affine::Geometry;
pub use augmented::Augmented;
use elastic::Elastic;
use erasing::Erasing;
use light::Light;
use span::{Span, check_probability};
use work::Work;

/// Random changes of images `[channels, height, width]`, drawn anew for each sample in each epoch.
///
/// Everything geometric is one map, applied in one resampling: the pixel at position u of the new image (row and column,
/// from 0) is that of the old one at
///
/// F(S⁻¹(u + o − c − t) + c + d(u)), S = rotation · shear · scale about the centre c = ((H − 1)/2, (W − 1)/2),
///
/// with the flips F, the offset o of the crop, the shift t and the elastic displacement d. Between pixels it is
/// interpolated bilinearly; outside the image is the [`fill`](Augment::fill) value. A map that moves by whole pixels
/// copies them to the bit. Then come contrast and brightness, and erasing.
///
/// All that is drawn is uniform in the range given, independent of the other changes, and addressed by (seed, epoch,
/// sample, change): it is the same in any order and on any number of threads, and a change draws the same when another is
/// added. Ranges of one number, such as `90.0..=90.0`, give that number each time.
///
/// | change | default | range |
/// |---|---|---|
/// | [`horizontal_flip`](Augment::horizontal_flip), [`vertical_flip`](Augment::vertical_flip) | 0 | probability |
/// | [`crop`](Augment::crop) | 0 | pixels |
/// | [`shift`](Augment::shift) | 0 | pixels, finite |
/// | [`rotation`](Augment::rotation) | 0 | degrees in \[−360, 360\] |
/// | [`scale`](Augment::scale) | 1 | factor in \[0.01, 100\] |
/// | [`shear`](Augment::shear) | 0 | degrees in \[−80, 80\] |
/// | [`elastic`](Augment::elastic) | none | |
/// | [`fill`](Augment::fill) | 0 | finite |
/// | [`contrast`](Augment::contrast) | 1 | factor in \[0, 100\] |
/// | [`brightness`](Augment::brightness) | 0 | finite |
/// | [`clamp`](Augment::clamp) | none | finite |
/// | [`erasing`](Augment::erasing) | none | |
///
/// ```
/// use ndarray::Array4;
/// use nn_core::Streams;
/// use nn_data::Augment;
///
/// let augment = Augment::new().rotation(-10.0..=10.0)?.shift(-2.0..=2.0, -2.0..=2.0)?.elastic(34.0, 4.0)?;
/// let mut images = Array4::<f32>::ones((2, 1, 28, 28));
/// let (epoch, samples) = (0, [17, 3]);
/// augment.apply(Streams::new(1), epoch, &samples, images.view_mut());
/// # Ok::<(), nn_core::RangeError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Augment {
    geometry: Geometry,
    elastic: Option<Elastic>,
    fill: f64,
    light: Light,
    erasing: Option<Erasing>,
}

impl Default for Augment {
    fn default() -> Self {
        Self::new()
    }
}

/// What errors name.
const OWNER: &str = "Augment";

impl Augment {
    /// Changes nothing.
    pub fn new() -> Self {
        let (geometry, light) = (Geometry::default(), Light::default());
        Augment { geometry, elastic: None, fill: 0.0, light, erasing: None }
    }

    /// Mirrors left and right with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn horizontal_flip(mut self, probability: f64) -> Result<Self, RangeError> {
        check_probability("horizontal_flip", probability)?;
        self.geometry.horizontal_flip = probability;
        Ok(self)
    }

    /// Mirrors top and bottom with this probability.
    ///
    /// # Errors
    /// When it is outside \[0, 1\].
    pub fn vertical_flip(mut self, probability: f64) -> Result<Self, RangeError> {
        check_probability("vertical_flip", probability)?;
        self.geometry.vertical_flip = probability;
        Ok(self)
    }

    /// Pads with so many pixels on each side and cuts an image of the old size out of that, at any place with the same
    /// probability.
    ///
    /// He, Zhang, Ren and Sun 2016, "Deep residual learning for image recognition", section 4.2: 4 pixels.
    #[must_use]
    pub fn crop(mut self, padding: u16) -> Self {
        self.geometry.crop = padding;
        self
    }

    /// Moves down and to the right by numbers of pixels from these ranges, whole or not.
    ///
    /// # Errors
    /// When a range is not finite, or ends below its beginning.
    pub fn shift(
        mut self,
        vertical: RangeInclusive<f64>,
        horizontal: RangeInclusive<f64>,
    ) -> Result<Self, RangeError> {
        let span = |field, range| Span::new(field, range, "(−∞, ∞)", f64::is_finite);
        self.geometry.shift = [span("vertical shift", vertical)?, span("horizontal shift", horizontal)?];
        Ok(self)
    }

    /// Turns counter-clockwise, as seen with the first row at the top, by an angle in degrees.
    ///
    /// # Errors
    /// When the range is not within \[−360, 360\], or ends below its beginning.
    pub fn rotation(mut self, degrees: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.geometry.rotation = Span::new("rotation", degrees, "[−360, 360]", |x| x.abs() <= 360.0)?;
        Ok(self)
    }

    /// Enlarges by a factor (in both directions); makes smaller where that is below 1.
    ///
    /// # Errors
    /// When the range is not within \[0.01, 100\], or ends below its beginning.
    pub fn scale(mut self, factor: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.geometry.scale = Span::new("scale", factor, "[0.01, 100]", |x| (0.01..=100.0).contains(&x))?;
        Ok(self)
    }

    /// Slants the vertical to the right by an angle in degrees, before it is turned.
    ///
    /// # Errors
    /// When the range is not within \[−80, 80\], or ends below its beginning.
    pub fn shear(mut self, degrees: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.geometry.shear = Span::new("shear", degrees, "[−80, 80]", |x| x.abs() <= 80.0)?;
        Ok(self)
    }

    /// Moves each pixel by a smooth random field d = α·(g ∗ r), one for each direction, where r is uniform in (−1, 1) at
    /// each pixel and 0 outside the image, and g a Gaussian of standard deviation σ, cut off at 4σ, whose sum is 1.
    ///
    /// In the middle of a large image a displacement has the standard deviation α/(σ√(12π)), 0.163·α/σ pixels.
    ///
    /// - `alpha` α in \[0, 10⁶\], in pixels; for MNIST the paper takes 34.
    /// - `sigma` σ in (0, 100\], in pixels; for MNIST the paper takes 4.
    ///
    /// # Errors
    /// When one is outside its range.
    ///
    /// # Source
    /// Simard, Steinkraus and Platt 2003, "Best practices for convolutional neural networks applied to visual document
    /// analysis", section 2.
    pub fn elastic(mut self, alpha: f64, sigma: f64) -> Result<Self, RangeError> {
        self.elastic = Some(Elastic::new(alpha, sigma)?);
        Ok(self)
    }

    /// What is outside the image.
    ///
    /// # Errors
    /// When it is not finite.
    pub fn fill(mut self, value: f64) -> Result<Self, RangeError> {
        check_range(OWNER, "fill", value, "(−∞, ∞)", value.is_finite())?;
        self.fill = value;
        Ok(self)
    }

    /// Multiplies the difference of each pixel from the mean of its channel: x ← (x − x̄)·f + x̄.
    ///
    /// # Errors
    /// When the range is not within \[0, 100\], or ends below its beginning.
    ///
    /// # Source
    /// `adjust_contrast` of TensorFlow.
    pub fn contrast(mut self, factor: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.light.contrast = Span::new("contrast", factor, "[0, 100]", |x| (0.0..=100.0).contains(&x))?;
        Ok(self)
    }

    /// Adds one number to all pixels.
    ///
    /// # Errors
    /// When the range is not finite, or ends below its beginning.
    ///
    /// # Source
    /// `adjust_brightness` of TensorFlow.
    pub fn brightness(mut self, delta: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.light.brightness = Span::new("brightness", delta, "(−∞, ∞)", f64::is_finite)?;
        Ok(self)
    }

    /// Keeps pixels within a range after contrast and brightness.
    ///
    /// # Errors
    /// When the range is not finite, or ends below its beginning.
    pub fn clamp(mut self, range: RangeInclusive<f64>) -> Result<Self, RangeError> {
        self.light.clamp = Some(Span::new("clamp", range, "(−∞, ∞)", f64::is_finite)?);
        Ok(self)
    }

    /// Writes `value` over a random rectangle of all channels, with some probability.
    ///
    /// Its area is a share of the image from the range `area`, its height over its width from `aspect`; it lies
    /// anywhere within the image. Where a hundred draws give none that fits, nothing is erased.
    ///
    /// - `probability` in \[0, 1\]; the paper takes 0.5.
    /// - `area` within (0, 1\]; the paper takes 0.02 to 0.4.
    /// - `aspect` within \[0.01, 100\]; the paper takes 0.3 to 1/0.3.
    /// - `value` finite; the paper takes random numbers or the mean of the images.
    ///
    /// # Errors
    /// When one is outside its range.
    ///
    /// # Source
    /// Zhong, Zheng, Kang, Li and Yang 2020, "Random erasing data augmentation", algorithm 1.
    pub fn erasing(
        mut self,
        probability: f64,
        area: RangeInclusive<f64>,
        aspect: RangeInclusive<f64>,
        value: f64,
    ) -> Result<Self, RangeError> {
        self.erasing = Some(Erasing::new(probability, area, aspect, value)?);
        Ok(self)
    }

    /// Changes images `[samples.len(), channels, height, width]` in place, as these samples are in an epoch.
    ///
    /// Large batches are divided among the threads of [`rayon`].
    ///
    /// # Panics
    /// When the numbers of images and samples differ.
    #[track_caller]
    pub fn apply<F: Real>(
        &self,
        streams: Streams,
        epoch: u64,
        samples: &[usize],
        mut images: ArrayViewMut<'_, F, Ix4>,
    ) {
        let (n, channels, height, width) = images.dim();
        assert!(n == samples.len(), "augment: expected {} images, got {n}", samples.len());
        let work = Work::new(self.clone(), [channels, height, width]);
        match images.as_slice_mut() {
            Some(images) => work.run(streams, epoch, samples, images),
            None => {
                let mut copy = images.as_standard_layout().into_owned();
                if let Some(copy) = copy.as_slice_mut() {
                    work.run(streams, epoch, samples, copy);
                }
                images.assign(&copy);
            }
        }
    }
}
