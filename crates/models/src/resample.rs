//! Resizing 8-bit pictures exactly as PIL does (`Image.resize` with antialiasing).
//!
//! Each output pixel is a weighted mean of the input pixels under a filter that widens with the
//! reduction. The two passes (rows first, then columns) work in integers, with weights of 22
//! fractional bits and a rounding to 8 bits after each pass: results equal
//! Pillow's up to version 12 bit for bit. Version 13 swaps the passes of some tall pictures, which
//! moves bytes by one.

use hsets_core::Photo;
use serde::Serialize;

/// Filter of a resize.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interpolation {
    /// Triangle.
    #[default]
    Bilinear,
    /// Cubic convolution with a = -1/2.
    Bicubic,
}

impl Interpolation {
    /// The name that is typed, which is PIL's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bilinear => "bilinear",
            Self::Bicubic => "bicubic",
        }
    }

    /// Half the width of the filter at scale 1.
    fn support(self) -> f64 {
        match self {
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn filter(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let x = x.abs();
        match self {
            Self::Bilinear => (1.0 - x).max(0.0),
            Self::Bicubic if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
            Self::Bicubic if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
            Self::Bicubic => 0.0,
        }
    }
}

/// Weights are integers with this many fractional bits: 8 bits of data and 2 of overshoot fill the
/// rest of an `i32`.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The part of a resized picture that is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// (width, height) of the whole resized picture.
    pub(crate) size: [usize; 2],
    /// Left and top of the part.
    pub(crate) origin: [usize; 2],
    /// (width, height) of the part.
    pub(crate) extent: [usize; 2],
}

/// RGB bytes of the window of `photo` resized. Nothing outside the window is computed.
pub(crate) fn resize(photo: &Photo, window: Window, interpolation: Interpolation) -> Vec<u8> {
    let [columns, rows] = [photo.width(), photo.height()];
    let taps = |axis: usize, n_in: usize| {
        let wanted = window.origin[axis]..window.origin[axis] + window.extent[axis];
        wanted.map(|i| Taps::new(i, n_in, window.size[axis], interpolation)).collect::<Vec<_>>()
    };
    let (horizontal, vertical) = (taps(0, columns), taps(1, rows));
    let first_row = vertical.iter().map(|taps| taps.first).min().unwrap_or(0);
    let last_row = vertical.iter().map(Taps::end).max().unwrap_or(0);

    let width = window.extent[0];
    let mut narrowed = Vec::with_capacity(3 * width * (last_row - first_row));
    for row in photo.rgb()[..3 * columns * last_row].chunks_exact(3 * columns).skip(first_row) {
        for taps in &horizontal {
            narrowed.extend([0, 1, 2].map(|channel| taps.apply(row, 3, channel)));
        }
    }
    let mut resized = Vec::with_capacity(3 * width * window.extent[1]);
    for taps in &vertical {
        let taps = Taps { first: taps.first - first_row, weights: taps.weights.clone() };
        resized.extend((0..3 * width).map(|at| taps.apply(&narrowed, 3 * width, at)));
    }
    resized
}

/// The input pixels that one output pixel is made of.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The first element of a line of `n_in` that element `i` of `n_out` is made of, and the weights of
/// that and those behind it.
pub(crate) fn weights(
    i: usize,
    n_in: usize,
    n_out: usize,
    interpolation: Interpolation,
) -> (usize, Vec<f64>) {
    let scale = n_in as f64 / n_out as f64;
    let filter_scale = scale.max(1.0);
    let support = interpolation.support() * filter_scale;
    let centre = (i as f64 + 0.5) * scale;
    // Truncation of a negative number gives 0 here, as the clamp of the original does.
    let first = (centre - support + 0.5) as usize;
    let end = ((centre + support + 0.5) as usize).min(n_in);
    let inverse = 1.0 / filter_scale;
    let weight = |x: usize| interpolation.filter((x as f64 - centre + 0.5) * inverse);
    let weights: Vec<f64> = (first..end).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    (first, weights.into_iter().map(|weight| weight / sum).collect())
}

impl Taps {
    fn new(i: usize, n_in: usize, n_out: usize, interpolation: Interpolation) -> Self {
        let (first, weights) = weights(i, n_in, n_out, interpolation);
        let fixed = |w: f64| (w * f64::from(1 << PRECISION_BITS)).round() as i32;
        Self { first, weights: weights.into_iter().map(fixed).collect() }
    }

    fn end(&self) -> usize {
        self.first + self.weights.len()
    }

    fn apply(&self, data: &[u8], stride: usize, offset: usize) -> u8 {
        let pixels = data[self.first * stride + offset..].iter().step_by(stride);
        let half = 1 << (PRECISION_BITS - 1);
        let sum =
            self.weights.iter().zip(pixels).fold(half, |sum, (&w, &p)| sum + w * i32::from(p));
        (sum >> PRECISION_BITS).clamp(0, 255) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(size: [usize; 2]) -> Window {
        Window { size, origin: [0; 2], extent: size }
    }

    #[test]
    fn same_size_changes_nothing() {
        let rgb: Vec<u8> = (0..3 * 5 * 4).map(|i| (i * 37 % 256) as u8).collect();
        let photo = Photo::new(5, 4, rgb.clone()).unwrap();
        for interpolation in [Interpolation::Bilinear, Interpolation::Bicubic] {
            assert_eq!(resize(&photo, whole([5, 4]), interpolation), rgb);
        }
    }

    #[test]
    fn a_window_is_a_part_of_the_whole() {
        let rgb: Vec<u8> = (0..3 * 31 * 17).map(|i| (i * 101 % 251) as u8).collect();
        let photo = Photo::new(31, 17, rgb).unwrap();
        let all = resize(&photo, whole([12, 20]), Interpolation::Bicubic);
        let window = Window { size: [12, 20], origin: [3, 5], extent: [6, 9] };
        let part = resize(&photo, window, Interpolation::Bicubic);
        for y in 0..9 {
            let from = 3 * ((y + 5) * 12 + 3);
            assert_eq!(part[3 * 6 * y..3 * 6 * (y + 1)], all[from..from + 18]);
        }
    }
}
