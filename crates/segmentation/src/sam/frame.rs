//! Between the photo's pixels and the network's square frame.

use hsets_core::Photo;

use super::{conv::Size, mask::Mask, ops::vectorized};

/// Mean of the training photos, RGB of 0 to 255.
const MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Standard deviation of the training photos.
const DEVIATION: [f32; 3] = [58.395, 57.12, 57.375];

/// A photo's size and its size within the network's square, the longer side filling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) photo: Size,
    pub(super) fitted: Size,
    side: usize,
}

impl Frame {
    pub(super) fn new((height, width): Size, side: usize) -> Self {
        let scale = side as f64 / height.max(width) as f64;
        // The original fails where a side rounds to 0; one pixel serves as well.
        let fit = |n: usize| ((n as f64 * scale + 0.5) as usize).max(1);
        Self { photo: (height, width), fitted: (fit(height), fit(width)), side }
    }

    /// Factors from pixels of the photo to the network's, (x, y).
    pub(super) fn scale(&self) -> (f64, f64) {
        let factor = |fitted: usize, photo: usize| fitted as f64 / photo as f64;
        (factor(self.fitted.1, self.photo.1), factor(self.fitted.0, self.photo.0))
    }

    /// The photo resized, normalised and padded with zeros, \[side², 3\].
    pub(super) fn image(&self, photo: &Photo) -> Vec<f32> {
        let (height, width) = self.fitted;
        let rgb = resize_bytes(photo.rgb(), self.photo, self.fitted);
        let mut image = vec![0.0; self.side * self.side * 3];
        for (image, rgb) in image.chunks_mut(self.side * 3).zip(rgb.chunks(width * 3)).take(height)
        {
            for (i, (value, &byte)) in image.iter_mut().zip(rgb).enumerate() {
                *value = (f32::from(byte) - MEAN[i % 3]) / DEVIATION[i % 3];
            }
        }
        image
    }

    /// The interpolation from low-resolution logits \[(side/4)²\] to the photo's pixels.
    pub(super) fn upsampling(&self) -> Upsampling {
        let low = self.side / 4;
        Upsampling {
            rows: taps(low, self.side, self.fitted.0, self.photo.0),
            columns: taps(low, self.side, self.fitted.1, self.photo.1),
            low,
        }
    }
}

/// Bilinear interpolation to the network's square, then from its used part to the photo, as one
/// linear map per axis: both steps are separable.
#[derive(Debug)]
pub(super) struct Upsampling {
    rows: Vec<Taps>,
    columns: Vec<Taps>,
    low: usize,
}

/// Three neighbours and their weights.
#[derive(Debug, Clone, Copy)]
struct Taps {
    first: usize,
    weights: [f32; 3],
}

/// A mask at the photo's size.
#[derive(Debug)]
pub(super) struct Thresholded {
    /// Pixels with a logit above 0.
    pub(super) mask: Mask,
    /// Pixels with a logit above 0 + offset, and above 0 - offset.
    pub(super) certain: usize,
    pub(super) possible: usize,
}

impl Upsampling {
    /// Thresholds logits at 0, counting the pixels that would be in at ± `offset`.
    pub(super) fn threshold(&self, logits: &[f32], offset: f32) -> Thresholded {
        let (height, width) = (self.rows.len(), self.columns.len());
        let mut mask = Mask::new(width, height);
        let (mut certain, mut possible) = (0, 0);
        let mut bits = vec![false; width];
        self.each_row(logits, |y, row| {
            certain += count(row, |x| x > offset);
            possible += count(row, |x| x > -offset);
            bits.iter_mut().zip(row).for_each(|(bit, &x)| *bit = x > 0.0);
            mask.set_row(y, &bits);
        });
        Thresholded { mask, certain, possible }
    }

    /// Logits \[height, width\] of the photo's pixels.
    #[cfg(test)]
    pub(super) fn logits(&self, logits: &[f32]) -> Vec<f32> {
        let mut all = Vec::new();
        self.each_row(logits, |_, row| all.extend_from_slice(row));
        all
    }

    /// Calls `take(y, row)` for every row of the photo.
    fn each_row(&self, logits: &[f32], mut take: impl FnMut(usize, &[f32])) {
        let width = self.columns.len();
        vectorized(
            #[inline(always)]
            || {
                let mut wide = vec![0.0; self.low * width];
                for (wide, low) in wide.chunks_exact_mut(width).zip(logits.chunks_exact(self.low)) {
                    for (value, taps) in wide.iter_mut().zip(&self.columns) {
                        let [a, b, c] = taps.weights;
                        let low = &low[taps.first..taps.first + 3];
                        *value = a * low[0] + b * low[1] + c * low[2];
                    }
                }
                let mut row = vec![0.0; width];
                for (y, taps) in self.rows.iter().enumerate() {
                    let [a, b, c] = taps.weights;
                    let (upper, rest) = wide[taps.first * width..].split_at(width);
                    let (middle, lower) = rest.split_at(width);
                    for (((value, u), m), l) in row.iter_mut().zip(upper).zip(middle).zip(lower) {
                        *value = a * u + b * m + c * l;
                    }
                    take(y, &row);
                }
            },
        );
    }
}

#[inline(always)]
fn count(row: &[f32], holds: impl Fn(f32) -> bool) -> usize {
    row.iter().map(|&x| u32::from(holds(x))).sum::<u32>() as usize
}

/// The composed taps from `low` over `side` pixels, of which `fitted` are used, to `photo` pixels.
fn taps(low: usize, side: usize, fitted: usize, photo: usize) -> Vec<Taps> {
    let taps = |i: usize| {
        let (near, far, fraction) = bilinear(i, fitted, photo);
        let first = bilinear(near, low, side).0.min(low - 3);
        let mut weights = [0.0; 3];
        for (middle, weight) in [(near, 1.0 - fraction), (far, fraction)] {
            let (a, b, fraction) = bilinear(middle, low, side);
            weights[a - first] += weight * (1.0 - fraction);
            weights[b - first] += weight * fraction;
        }
        Taps { first, weights }
    };
    (0..photo).map(taps).collect()
}

/// Neighbours of pixel `i` of `to` among `from` pixels, and the weight of the second; pixel centres
/// match, edges are repeated.
fn bilinear(i: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let scale = from as f32 / to as f32;
    let place = (scale * (i as f32 + 0.5) - 0.5).max(0.0);
    let near = (place as usize).min(from - 1);
    (near, (near + 1).min(from - 1), place - near as f32)
}

/// Bits of a weight behind the point.
const PRECISION: u32 = 22;

/// Bytes of a triangle filter with antialiasing, in whole numbers, as PIL's `BILINEAR` has them.
/// Rows come first, as always in Pillow up to 12; 13 shrinks columns first where the height falls by
/// more than twice what the width does, and then rounds some bytes the other way.
fn resize_bytes(rgb: &[u8], (height, width): Size, (to_height, to_width): Size) -> Vec<u8> {
    let columns = filters(width, to_width);
    let mut wide = vec![0; height * to_width * 3];
    for (out, row) in wide.chunks_exact_mut(to_width * 3).zip(rgb.chunks_exact(width * 3)) {
        for (out, (first, weights)) in out.chunks_exact_mut(3).zip(&columns) {
            for (channel, out) in out.iter_mut().enumerate() {
                let taps = row[first * 3 + channel..].iter().step_by(3);
                *out = weighted(weights.iter().zip(taps));
            }
        }
    }
    let rows = filters(height, to_height);
    let mut resized = Vec::with_capacity(to_height * to_width * 3);
    for (first, weights) in &rows {
        for x in 0..to_width * 3 {
            let taps = wide[first * to_width * 3 + x..].iter().step_by(to_width * 3);
            resized.push(weighted(weights.iter().zip(taps)));
        }
    }
    resized
}

fn weighted<'a>(taps: impl Iterator<Item = (&'a i32, &'a u8)>) -> u8 {
    let half = 1 << (PRECISION - 1);
    let sum = taps.fold(half, |sum, (weight, &byte)| sum + weight * i32::from(byte));
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// First neighbour and weights of each of `to` pixels among `from`.
fn filters(from: usize, to: usize) -> Vec<(usize, Vec<i32>)> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let filter = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        let first = (centre - support + 0.5).max(0.0) as usize;
        let last = ((centre + support + 0.5) as usize).min(from);
        let weight = |j: usize| (1.0 - ((j as f64 - centre + 0.5) / support).abs()).max(0.0);
        let sum: f64 = (first..last).map(weight).sum();
        let whole = |j: usize| (0.5 + weight(j) / sum * f64::from(1 << PRECISION)) as i32;
        (first, (first..last).map(whole).collect())
    };
    (0..to).map(filter).collect()
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

    /// One composed map equals the two steps.
    #[test]
    fn upsampling_equals_two_interpolations() {
        let logits: Vec<f32> =
            (0..64 * 64).map(|i| (i * 7919 % 201) as f32 / 100.0 - 1.0).collect();
        for photo in [(90, 61), (300, 400), (7, 256), (500, 1)] {
            let frame = Frame::new(photo, 256);
            let step = |x: &[f32], width: usize, from: Size, to: Size| -> Vec<f32> {
                let pixel = |i: usize| {
                    let (y0, y1, fy) = bilinear(i / to.1, from.0, to.0);
                    let (x0, x1, fx) = bilinear(i % to.1, from.1, to.1);
                    let row = |y: usize| (1.0 - fx) * x[y * width + x0] + fx * x[y * width + x1];
                    (1.0 - fy) * row(y0) + fy * row(y1)
                };
                (0..to.0 * to.1).map(pixel).collect()
            };
            let square = step(&logits, 64, (64, 64), (256, 256));
            let exact = step(&square, 256, frame.fitted, photo);
            let found = frame.upsampling().logits(&logits);
            assert_eq!(found.len(), exact.len());
            assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-5), "{photo:?}");
        }
    }

    /// Values by PIL 13, `Image.resize(..., BILINEAR)`.
    #[test]
    fn bytes_are_resized_as_pil_does() {
        let row: Vec<u8> = [10, 200, 30, 90, 255].iter().flat_map(|&v| [v; 3]).collect();
        let channel = |rgb: Vec<u8>| rgb.into_iter().step_by(3).collect::<Vec<u8>>();
        assert_eq!(channel(resize_bytes(&row, (1, 5), (1, 3))), [91, 81, 184]);
        let eight = channel(resize_bytes(&row, (1, 5), (1, 8)));
        assert_eq!(eight, [10, 93, 189, 83, 49, 86, 183, 255]);
    }
}
