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

    /// The largest value within a disc.
    pub(crate) fn dilated(&self, radius: usize) -> Self {
        let reach = radius as i64;
        let offsets: Vec<(i64, i64)> = (-reach..=reach)
            .flat_map(|dy| (-reach..=reach).map(move |dx| (dy, dx)))
            .filter(|(dy, dx)| dy * dy + dx * dx <= reach * reach)
            .collect();
        let largest = |y: usize, x: usize| {
            let near =
                offsets.iter().filter_map(|(dy, dx)| self.near(y as i64 + dy, x as i64 + dx));
            near.fold(0.0, f32::max)
        };
        let pixels = (0..self.height).flat_map(|y| (0..self.width).map(move |x| (y, x)));
        Self::new(self.width, self.height, pixels.map(|(y, x)| largest(y, x)).collect())
    }

    fn near(&self, y: i64, x: i64) -> Option<f32> {
        let inside = (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x);
        inside.then(|| self.at(y as usize, x as usize))
    }

    /// Gaussian blur; the borders repeat.
    pub(crate) fn blurred(&self, sigma: f32) -> Self {
        let reach = (3.0 * sigma).ceil() as i64;
        let weights: Vec<f32> =
            (-reach..=reach).map(|d| (-0.5 * (d as f32 / sigma).powi(2)).exp()).collect();
        let total: f32 = weights.iter().sum();
        let weights: Vec<f32> = weights.iter().map(|w| w / total).collect();
        let clamp = |at: i64, len: usize| at.clamp(0, len as i64 - 1) as usize;
        let along = |plane: &Self, step_y: i64, step_x: i64| {
            let mut values = Vec::with_capacity(plane.values.len());
            for y in 0..plane.height as i64 {
                for x in 0..plane.width as i64 {
                    let near = (-reach..=reach).zip(&weights).map(|(d, weight)| {
                        let (y, x) = (y + d * step_y, x + d * step_x);
                        weight * plane.at(clamp(y, plane.height), clamp(x, plane.width))
                    });
                    values.push(near.sum());
                }
            }
            Self::new(plane.width, plane.height, values)
        };
        along(&along(self, 0, 1), 1, 0)
    }

    /// As [`Zoom::photo`] does it: by whole pixels where the picture is small, else bilinear.
    pub(crate) fn enlarged(&self, zoom: Zoom) -> Self {
        let factor = zoom.factor();
        let (width, height) = (self.width * factor, self.height * factor);
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (y, x)));
        let smooth = zoom.is_smooth(self.width, self.height);
        let value = |(y, x): (usize, usize)| {
            if smooth {
                self.bilinear(zoom.source(y), zoom.source(x))
            } else {
                self.at(y / factor, x / factor)
            }
        };
        Self::new(width, height, pixels.map(value).collect())
    }

    pub(crate) fn bilinear(&self, y: f32, x: f32) -> f32 {
        let (y, x) =
            (y.clamp(0.0, (self.height - 1) as f32), x.clamp(0.0, (self.width - 1) as f32));
        let (top, left) = (y as usize, x as usize);
        let (bottom, right) = ((top + 1).min(self.height - 1), (left + 1).min(self.width - 1));
        let row = |row| self.at(row, left) + x.fract() * (self.at(row, right) - self.at(row, left));
        row(top) + y.fract() * (row(bottom) - row(top))
    }
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
