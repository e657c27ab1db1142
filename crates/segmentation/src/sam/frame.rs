//! From the network's low-resolution masks to the photo's pixels.

use hsets_models::sam::Frame;
use pulp::Arch;

use super::mask::Mask;

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
    /// The interpolation from low-resolution logits \[(side/4)²\] to the photo's pixels.
    pub(super) fn new(frame: &Frame) -> Self {
        let low = frame.side / 4;
        Self {
            rows: taps(low, frame.side, frame.fitted.0, frame.photo.0),
            columns: taps(low, frame.side, frame.fitted.1, frame.photo.1),
            low,
        }
    }

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
        Arch::new().dispatch(
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One composed map equals the two steps.
    #[test]
    fn upsampling_equals_two_interpolations() {
        let logits: Vec<f32> =
            (0..64 * 64).map(|i| (i * 7919 % 201) as f32 / 100.0 - 1.0).collect();
        for photo in [(90, 61), (300, 400), (7, 256), (500, 1)] {
            let frame = Frame::new(photo, 256);
            let step =
                |x: &[f32], width: usize, from: (usize, usize), to: (usize, usize)| -> Vec<f32> {
                    let pixel = |i: usize| {
                        let (y0, y1, fy) = bilinear(i / to.1, from.0, to.0);
                        let (x0, x1, fx) = bilinear(i % to.1, from.1, to.1);
                        let row =
                            |y: usize| (1.0 - fx) * x[y * width + x0] + fx * x[y * width + x1];
                        (1.0 - fy) * row(y0) + fy * row(y1)
                    };
                    (0..to.0 * to.1).map(pixel).collect()
                };
            let square = step(&logits, 64, (64, 64), (256, 256));
            let exact = step(&square, 256, frame.fitted, photo);
            let found = Upsampling::new(&frame).logits(&logits);
            assert_eq!(found.len(), exact.len());
            assert!(found.iter().zip(&exact).all(|(a, b)| (a - b).abs() < 1e-5), "{photo:?}");
        }
    }
}
