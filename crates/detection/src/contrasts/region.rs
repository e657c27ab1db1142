//! From partner maps to regions.

use hsets_core::{Mask, Result, Shape};
use rayon::prelude::*;

/// One number per pixel \[H·W\].
pub(super) type Plane = Vec<f32>;

/// A Gaussian blur, cut at 3σ and renormalised at the border.
pub(super) struct Blur {
    width: usize,
    kernel: Vec<f32>,
}

impl Blur {
    /// σ as a share of the shorter side.
    pub(super) fn new(shape: Shape, share: f64) -> Self {
        let sigma = (share * shape.height.min(shape.width) as f64) as f32;
        let radius = (3.0 * sigma).ceil() as usize;
        let weight = |offset: usize| (-0.5 * (offset as f32 / sigma).powi(2)).exp();
        Self { width: shape.width, kernel: (0..=radius).map(weight).collect() }
    }

    pub(super) fn apply(&self, plane: &[f32]) -> Plane {
        let rows: Vec<f32> =
            plane.chunks_exact(self.width).flat_map(|row| self.lines(row, 1)).collect();
        self.lines(&rows, self.width)
    }

    /// Weighted means along lines of `n` numbers side by side: rows for 1, columns for the width.
    fn lines(&self, values: &[f32], n: usize) -> Vec<f32> {
        let length = values.len() / n;
        let radius = self.kernel.len() - 1;
        let mut blurred = vec![0.0; values.len()];
        for (centre, out) in blurred.chunks_exact_mut(n).enumerate() {
            let window = centre.saturating_sub(radius)..(centre + radius + 1).min(length);
            let total: f32 = window.clone().map(|at| self.kernel[at.abs_diff(centre)]).sum();
            for at in window {
                let weight = self.kernel[at.abs_diff(centre)] / total;
                let line = &values[at * n..][..n];
                out.iter_mut().zip(line).for_each(|(out, value)| *out += weight * value);
            }
        }
        blurred
    }
}

/// The mask and all pixels within `distance` of it.
pub(super) fn grown(mask: &Mask, distance: f64) -> Result<Mask> {
    let (width, height) = (mask.width(), mask.height());
    let reach = distance.floor() as usize;
    // Distance to the nearest pixel of the mask in the same row, `None` beyond reach.
    let nearest = |row: &[bool], x: usize| {
        (0..=reach).find(|&d| (x >= d && row[x - d]) || row.get(x + d).copied().unwrap_or(false))
    };
    let rows: Vec<Option<usize>> = mask
        .inside()
        .par_chunks(width)
        .flat_map_iter(|row| (0..width).map(move |x| nearest(row, x)))
        .collect();
    let within = |pixel: usize| {
        let (y, x) = (pixel / width, pixel % width);
        (y.saturating_sub(reach)..(y + reach + 1).min(height)).any(|row| {
            rows[row * width + x].is_some_and(|d| {
                let offset = row.abs_diff(y);
                ((d * d + offset * offset) as f64) <= distance * distance
            })
        })
    };
    let pixels: Vec<usize> = (0..width * height).into_par_iter().filter(|&p| within(p)).collect();
    Mask::of_pixels(width, height, pixels)
}

/// The pixel of the largest |value| among those that are not forbidden, with its value; the first
/// of equal ones. `None` if all are 0.
pub(super) fn peak(plane: &[f32], forbidden: &Mask) -> Option<(usize, f32)> {
    let allowed = plane.iter().enumerate().filter(|(pixel, _)| !forbidden.contains(*pixel));
    let better = |best: Option<(usize, f32)>, (pixel, &value): (usize, &f32)| match best {
        Some((_, top)) if value.abs() <= top.abs() => best,
        None if value == 0.0 => None,
        _ => Some((pixel, value)),
    };
    allowed.fold(None, better)
}

/// Pixels in the order in which a region takes them.
pub(super) struct Ordered {
    width: usize,
    height: usize,
    pixels: Vec<usize>,
}

impl Ordered {
    /// The pixels of the sign of the peak and within `reach` of it, without those that are forbidden,
    /// the largest value first; `None` if there is no peak.
    pub(super) fn of(plane: &[f32], forbidden: &Mask, reach: f64) -> Option<Self> {
        let (centre, top) = peak(plane, forbidden)?;
        let (width, height, sign) = (forbidden.width(), forbidden.height(), top.signum());
        let is_near = |pixel: usize| {
            let across = (pixel % width).abs_diff(centre % width);
            let down = (pixel / width).abs_diff(centre / width);
            ((across * across + down * down) as f64) <= reach * reach
        };
        let is_in = |&pixel: &usize| {
            plane[pixel] * sign > 0.0 && !forbidden.contains(pixel) && is_near(pixel)
        };
        let mut pixels: Vec<usize> = (0..plane.len()).filter(is_in).collect();
        pixels.sort_by(|&a, &b| (plane[b] * sign).total_cmp(&(plane[a] * sign)).then(a.cmp(&b)));
        Some(Self { width, height, pixels })
    }

    /// The region of the first `n` pixels, or as many as there are.
    pub(super) fn first(&self, n: usize) -> Result<Mask> {
        Mask::of_pixels(self.width, self.height, self.pixels.iter().copied().take(n))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_grows_by_its_distance() {
        let mask = Mask::of_pixels(7, 7, [24]).unwrap();
        assert_eq!(grown(&mask, 0.0).unwrap(), mask);
        assert_eq!(grown(&mask, 1.0).unwrap().area(), 5);
        assert_eq!(grown(&mask, 1.5).unwrap().area(), 9);
        assert_eq!(grown(&mask, 2.0).unwrap().area(), 13);
        let corner = Mask::of_pixels(7, 7, [0]).unwrap();
        assert_eq!(grown(&corner, 2.0).unwrap().area(), 6);
    }

    #[test]
    fn blur_keeps_constants_and_spreads_points_evenly() {
        let blur = Blur::new(Shape::new(1, 15, 17), 0.06);
        let flat = blur.apply(&[0.5; 255]);
        assert!(flat.iter().all(|v| (v - 0.5).abs() < 1e-6));
        let mut point = vec![0.0; 255];
        point[7 * 17 + 8] = 1.0;
        let spread = blur.apply(&point);
        assert!((spread.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        assert_eq!(spread[7 * 17 + 7], spread[7 * 17 + 9]);
        assert!((spread[6 * 17 + 8] - spread[7 * 17 + 7]).abs() < 1e-7);
    }

    #[test]
    fn the_strongest_pixels_have_the_sign_of_the_peak() {
        let plane = [1.0, -5.0, -2.0, 3.0, -6.0, 0.0];
        let none = Mask::empty(6, 1);
        let pixels = |forbidden: &Mask, reach: f64, n: usize| {
            let ordered = Ordered::of(&plane, forbidden, reach).unwrap();
            ordered.first(n).unwrap().pixels().collect::<Vec<_>>()
        };
        assert_eq!(pixels(&none, 9.0, 2), [1, 4]);
        assert_eq!(pixels(&none, 2.0, 3), [2, 4]);
        let forbidden = Mask::of_pixels(6, 1, [1, 4]).unwrap();
        assert_eq!(pixels(&forbidden, 9.0, 3), [0, 3]);
        assert!(Ordered::of(&[0.0; 6], &none, 9.0).is_none());
    }
}
