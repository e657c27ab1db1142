//! Between a photo's pixels and the network's square.

use hsets_core::Photo;

use crate::resample::{Interpolation, Window, resize};

/// Mean of the training photos, RGB of 0 to 255.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Standard deviation of the training photos.
const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];

/// A photo's size and its size within the network's square, the longer side filling it. Sizes are
/// (height, width).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Size of the photo.
    pub photo: (usize, usize),
    /// Its size in the square, at the upper left.
    pub fitted: (usize, usize),
    /// Side of the square.
    pub side: usize,
}

impl Frame {
    /// A photo of this size in a square.
    pub fn new((height, width): (usize, usize), side: usize) -> Self {
        let scale = side as f64 / height.max(width) as f64;
        // The original fails where a side rounds to 0; one pixel serves as well.
        let fit = |n: usize| ((n as f64 * scale + 0.5) as usize).max(1);
        Self { photo: (height, width), fitted: (fit(height), fit(width)), side }
    }

    /// Factors from pixels of the photo to the square's, (x, y).
    pub fn scale(&self) -> (f64, f64) {
        let factor = |fitted: usize, photo: usize| fitted as f64 / photo as f64;
        (factor(self.fitted.1, self.photo.1), factor(self.fitted.0, self.photo.0))
    }

    /// The photo resized as Pillow does, normalised and padded with zeros, \[3, side, side\].
    pub fn image(&self, photo: &Photo) -> Vec<f32> {
        let (height, width) = self.fitted;
        let window = Window { size: [width, height], origin: [0; 2], extent: [width, height] };
        let rgb = resize(photo, window, Interpolation::Bilinear);
        let mut image = vec![0.0; 3 * self.side * self.side];
        for (channel, plane) in image.chunks_exact_mut(self.side * self.side).enumerate() {
            for (row, rgb) in plane.chunks_exact_mut(self.side).zip(rgb.chunks_exact(3 * width)) {
                let bytes = rgb.iter().skip(channel).step_by(3);
                row.iter_mut().zip(bytes).for_each(|(value, &byte)| {
                    *value = (f32::from(byte) - MEAN[channel]) / DEVIATION[channel];
                });
            }
        }
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_side_fills_the_square() {
        let fitted = |height, width| Frame::new((height, width), 1024).fitted;
        assert_eq!(fitted(500, 375), (1024, 768));
        assert_eq!(fitted(3000, 4000), (768, 1024));
        assert_eq!(fitted(5000, 1), (1024, 1));
        assert_eq!(fitted(1, 1), (1024, 1024));
    }

    /// Values by PIL 13, `Image.resize(..., BILINEAR)`.
    #[test]
    fn bytes_are_resized_as_pil_does() {
        let row: Vec<u8> = [10, 200, 30, 90, 255].iter().flat_map(|&v| [v; 3]).collect();
        let photo = Photo::new(5, 1, row).unwrap();
        let channel = |width: usize| -> Vec<u8> {
            let window = Window { size: [width, 1], origin: [0; 2], extent: [width, 1] };
            resize(&photo, window, Interpolation::Bilinear).into_iter().step_by(3).collect()
        };
        assert_eq!(channel(3), [91, 81, 184]);
        assert_eq!(channel(8), [10, 93, 189, 83, 49, 86, 183, 255]);
    }
}
