//! Random rectangles without a picture.

use std::ops::RangeInclusive;

use nn_core::{RangeError, Real, StreamRng, check_range};
use rand::Rng;

use super::OWNER;
use super::span::{Span, below, check_probability, unit};

/// Draws until a rectangle fits.
const ATTEMPTS: usize = 100;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Erasing {
    probability: f64,
    area: Span,
    aspect: Span,
    value: f64,
}

impl Erasing {
    pub(super) fn new(
        probability: f64,
        area: RangeInclusive<f64>,
        aspect: RangeInclusive<f64>,
        value: f64,
    ) -> Result<Self, RangeError> {
        check_probability("erasing probability", probability)?;
        let area = Span::new("erasing area", area, "(0, 1]", |x| x > 0.0 && x <= 1.0)?;
        let aspect = Span::new("erasing aspect", aspect, "[0.01, 100]", |x| (0.01..=100.0).contains(&x))?;
        check_range(OWNER, "erasing value", value, "(−∞, ∞)", value.is_finite())?;
        Ok(Erasing { probability, area, aspect, value })
    }

    /// Changes an image in place.
    pub(super) fn apply<F: Real>(
        &self,
        rng: &mut StreamRng,
        [_, height, width]: [usize; 3],
        image: &mut [F],
    ) {
        if unit(rng.next_u32()) >= self.probability {
            return;
        }
        let Some([top, left, rows, columns]) = self.rectangle(rng, height, width) else {
            return;
        };
        let value = F::from_f64(self.value);
        for plane in image.chunks_exact_mut(height * width) {
            for row in plane.chunks_exact_mut(width).skip(top).take(rows) {
                row[left..left + columns].fill(value);
            }
        }
    }

    /// Upper left corner, height and width.
    fn rectangle(&self, rng: &mut StreamRng, height: usize, width: usize) -> Option<[usize; 4]> {
        for _ in 0..ATTEMPTS {
            let area = self.area.at(rng.next_u32()) * (height * width) as f64;
            let aspect = self.aspect.at(rng.next_u32());
            let (top, left) = (below(rng.next_u32(), height), below(rng.next_u32(), width));
            let (rows, columns) = ((area * aspect).sqrt() as usize, (area / aspect).sqrt() as usize);
            if top + rows <= height && left + columns <= width {
                return Some([top, left, rows, columns]);
            }
        }
        None
    }
}
