//! The affine part of a change, composed into one map.

use super::span::{Span, below, unit};

/// Random words that one map takes.
pub(super) const WORDS: usize = 9;

/// What is drawn of flips, crop, shift, rotation, scale and shear.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Geometry {
    pub(super) horizontal_flip: f64,
    pub(super) vertical_flip: f64,
    pub(super) crop: u16,
    /// Down and to the right.
    pub(super) shift: [Span; 2],
    pub(super) rotation: Span,
    pub(super) scale: Span,
    pub(super) shear: Span,
}

impl Default for Geometry {
    fn default() -> Self {
        Geometry {
            horizontal_flip: 0.0,
            vertical_flip: 0.0,
            crop: 0,
            shift: [Span::only(0.0); 2],
            rotation: Span::only(0.0),
            scale: Span::only(1.0),
            shear: Span::only(0.0),
        }
    }
}

impl Geometry {
    /// The map that these words stand for, of images of a size.
    pub(super) fn map(&self, words: [u32; WORDS], [height, width]: [usize; 2]) -> Map {
        let [horizontal, vertical, crop_y, crop_x, shift_y, shift_x, angle, scale, slant] = words;
        let offset = |word| below(word, 2 * usize::from(self.crop) + 1) as f64 - f64::from(self.crop);
        let turn = self.rotation.at(angle).to_radians();
        let (sin, cos, slant) = (turn.sin(), turn.cos(), self.shear.at(slant).to_radians().tan());
        let factor = self.scale.at(scale);
        let (yy, yx) = (cos / factor, sin / factor);
        let (xy, xx) = ((slant * cos - sin) / factor, (slant * sin + cos) / factor);
        let center = [height, width].map(|side| (side as f64 - 1.0) / 2.0);
        let from_center = |shift: Span, word, offset, center| offset - center - shift.at(word);
        let y = from_center(self.shift[0], shift_y, offset(crop_y), center[0]);
        let x = from_center(self.shift[1], shift_x, offset(crop_x), center[1]);
        let mut map =
            Map { yy, yx, y0: yy * y + yx * x + center[0], xy, xx, x0: xy * y + xx * x + center[1] };
        if unit(vertical) < self.vertical_flip {
            map = Map { yy: -map.yy, yx: -map.yx, y0: height as f64 - 1.0 - map.y0, ..map };
        }
        if unit(horizontal) < self.horizontal_flip {
            map = Map { xy: -map.xy, xx: -map.xx, x0: width as f64 - 1.0 - map.x0, ..map };
        }
        map
    }
}

/// Row i and column j of the new image are row yy·i + yx·j + y0 and column xy·i + xx·j + x0 of the old one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map {
    pub(super) yy: f64,
    pub(super) yx: f64,
    pub(super) y0: f64,
    pub(super) xy: f64,
    pub(super) xx: f64,
    pub(super) x0: f64,
}

impl Map {
    /// Rows and columns, each with its direction, where pixels fall on pixels.
    pub(super) fn whole_pixels(&self) -> Option<[Steps; 2]> {
        let steps = |factor: f64, start: f64| {
            let whole = factor.abs() == 1.0 && start.fract() == 0.0 && start.abs() < 1e9;
            whole.then_some(Steps { start: start as i64, backward: factor < 0.0 })
        };
        if self.yx != 0.0 || self.xy != 0.0 {
            return None;
        }
        Some([steps(self.yy, self.y0)?, steps(self.xx, self.x0)?])
    }
}

/// Place i of the new image is place `start` + i of the old one, or `start` − i.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Steps {
    pub(super) start: i64,
    pub(super) backward: bool,
}

impl Steps {
    pub(super) const NONE: Steps = Steps { start: 0, backward: false };

    pub(super) fn at(self, place: usize) -> i64 {
        if self.backward { self.start - place as i64 } else { self.start + place as i64 }
    }
}
