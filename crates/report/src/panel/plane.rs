//! One number per pixel: dilation, blur, enlargement.

use crate::draw::Zoom;

/// Values \[H·W\] with their width.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plane {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) values: Vec<f32>,
}

impl Plane {
    pub(crate) fn new(width: usize, height: usize, values: Vec<f32>) -> Self {
        debug_assert_eq!(values.len(), width * height);
        Self { width, height, values }
    }

    /// 1 at the given pixels, 0 elsewhere.
    pub(crate) fn mask(
        width: usize,
        height: usize,
        pixels: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut values = vec![0.0; width * height];
        for pixel in pixels {
            values[pixel] = 1.0;
        }
        Self::new(width, height, values)
    }

    pub(crate) fn at(&self, y: usize, x: usize) -> f32 {
        self.values[y * self.width + x]
    }

    pub(crate) fn max(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }

    /// Share of pixels above zero.
    pub(crate) fn coverage(&self) -> f32 {
        let above = self.values.iter().filter(|v| **v > 0.0).count();
        above as f32 / self.values.len() as f32
    }

    /// The value below which `share` of those above zero lie; 0 if there is none.
    pub(crate) fn quantile_above_zero(&self, share: f32) -> f32 {
        let mut above: Vec<f32> = self.values.iter().copied().filter(|v| *v > 0.0).collect();
        above.sort_unstable_by(f32::total_cmp);
        let at = (share * above.len() as f32) as usize;
        above.get(at.min(above.len().saturating_sub(1))).copied().unwrap_or(0.0)
    }

    /// The largest value within a disc; values are not negative.
    pub(crate) fn dilated(&self, radius: usize) -> Self {
        let reach = radius as i64;
        let offsets: Vec<(i64, i64)> = (-reach..=reach)
            .flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx)))
            .filter(|(dy, dx)| dy * dy + dx * dx <= reach * reach)
            .collect();
        let (width, height) = (self.width as i64, self.height as i64);
        let mut values = vec![0.0f32; self.values.len()];
        // Maps that are dilated are mostly zero.
        for (at, &value) in self.values.iter().enumerate().filter(|(_, v)| **v > 0.0) {
            let (y, x) = ((at / self.width) as i64, (at % self.width) as i64);
            for (y, x) in offsets.iter().map(|(dy, dx)| (y + dy, x + dx)) {
                if (0..height).contains(&y) && (0..width).contains(&x) {
                    let near = &mut values[(y * width + x) as usize];
                    *near = near.max(value);
                }
            }
        }
        Self::new(self.width, self.height, values)
    }

    /// Gaussian blur; the borders repeat.
    pub(crate) fn blurred(&self, sigma: f32) -> Self {
        let reach = (3.0 * sigma).ceil() as usize;
        let weight = |d: usize| (-0.5 * ((d as f32 - reach as f32) / sigma).powi(2)).exp();
        let weights: Vec<f32> = (0..=2 * reach).map(weight).collect();
        let total: f32 = weights.iter().sum();
        let weights: Vec<f32> = weights.iter().map(|w| w / total).collect();
        self.blurred_across(&weights).blurred_down(&weights)
    }

    fn blurred_across(&self, weights: &[f32]) -> Self {
        let (width, reach) = (self.width, weights.len() / 2);
        let mut values = vec![0.0; self.values.len()];
        for (row, out) in self.rows().zip(values.chunks_exact_mut(width)) {
            let mut padded = vec![row[0]; reach];
            padded.extend(row);
            padded.resize(width + 2 * reach, row[width - 1]);
            for (d, weight) in weights.iter().enumerate() {
                add_scaled(out, *weight, &padded[d..d + width]);
            }
        }
        Self::new(width, self.height, values)
    }

    fn blurred_down(&self, weights: &[f32]) -> Self {
        let (width, reach) = (self.width, weights.len() / 2);
        let mut values = vec![0.0; self.values.len()];
        for (y, out) in values.chunks_exact_mut(width).enumerate() {
            for (d, weight) in weights.iter().enumerate() {
                let row = (y + d).saturating_sub(reach).min(self.height - 1);
                add_scaled(out, *weight, &self.values[row * width..(row + 1) * width]);
            }
        }
        Self::new(width, self.height, values)
    }

    fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }

    /// As [`Zoom::photo`] does it: by whole pixels where the picture is small, else bilinear.
    pub(crate) fn enlarged(&self, zoom: Zoom) -> Self {
        let factor = zoom.factor();
        let (width, height) = (self.width * factor, self.height * factor);
        if !zoom.is_smooth(self.width, self.height) {
            let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
            let values = pixels.map(|(y, x)| self.at(y / factor, x / factor)).collect();
            return Self::new(width, height, values);
        }
        let mix = |a: f32, b: f32, share: f32| a + share * (b - a);
        let columns = zoom.between(self.width);
        let wide = self
            .rows()
            .flat_map(|row| columns.iter().map(|&(a, b, share)| mix(row[a], row[b], share)));
        let wide = Self::new(width, self.height, wide.collect());
        let rows: Vec<&[f32]> = wide.rows().collect();
        let values = zoom.between(self.height).into_iter().flat_map(|(above, below, share)| {
            rows[above].iter().zip(rows[below]).map(move |(a, b)| mix(*a, *b, share))
        });
        Self::new(width, height, values.collect())
    }
}

fn add_scaled(sum: &mut [f32], scale: f32, values: &[f32]) {
    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += scale * value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_the_sum_inside_and_dilation_the_maximum() {
        let plane = Plane::mask(21, 21, [10 * 21 + 10]);
        let blurred = plane.blurred(1.5);
        assert!((blurred.values.iter().sum::<f32>() - 1.0).abs() < 1e-5);
        let dilated = plane.dilated(2);
        assert!((dilated.values.iter().sum::<f32>() - 13.0).abs() < 1e-6);
        assert!((dilated.coverage() - 13.0 / 441.0).abs() < 1e-6);
    }

    #[test]
    fn quantiles_leave_out_zeros() {
        let plane = Plane::new(4, 1, vec![0.0, 3.0, 1.0, 2.0]);
        assert!((plane.quantile_above_zero(0.5) - 2.0).abs() < 1e-6);
        assert!(Plane::new(1, 1, vec![0.0]).quantile_above_zero(0.5).abs() < 1e-6);
    }
}
