//! Sets of pixels of one picture.

use crate::{Error, FeatureSet, Result, SegmentMap, Shape};

/// Which pixels of a picture belong to something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mask {
    width: usize,
    height: usize,
    inside: Vec<bool>,
}

impl Mask {
    /// Takes one flag per pixel, row by row.
    pub fn new(width: usize, height: usize, inside: Vec<bool>) -> Result<Self> {
        if inside.len() != width * height || inside.is_empty() {
            return Err(Error::shape(
                "mask",
                format!("{width}x{height} flags"),
                format!("{} flags", inside.len()),
            ));
        }
        Ok(Self { width, height, inside })
    }

    /// Marks the given pixels (y · width + x).
    pub fn of_pixels(
        width: usize,
        height: usize,
        pixels: impl IntoIterator<Item = usize>,
    ) -> Result<Self> {
        let mut inside = vec![false; width * height];
        for pixel in pixels {
            let within = format!("a pixel below {}", inside.len());
            *inside.get_mut(pixel).ok_or_else(|| Error::shape("mask", within, pixel))? = true;
        }
        Self::new(width, height, inside)
    }

    /// The pixels that have at least one feature, whatever its channel, in `set`.
    pub fn of_features(set: &FeatureSet, shape: Shape) -> Result<Self> {
        if let Some(&last) = set.indices().last().filter(|&&last| last >= shape.len()) {
            return Err(Error::shape("feature set", format!("features of {shape}"), last));
        }
        Self::of_pixels(shape.width, shape.height, set.iter().map(|feature| shape.pixel(feature)))
    }

    /// The pixels of some segments.
    pub fn of_segments(segments: &SegmentMap, labels: &[u32]) -> Self {
        let mut is_chosen = vec![false; segments.n_segments()];
        for &label in labels {
            if let Some(chosen) = is_chosen.get_mut(label as usize) {
                *chosen = true;
            }
        }
        let inside = segments.labels().iter().map(|&label| is_chosen[label as usize]).collect();
        Self { width: segments.width(), height: segments.height(), inside }
    }

    /// No pixel at all.
    pub fn empty(width: usize, height: usize) -> Self {
        Self { width, height, inside: vec![false; width * height] }
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// One flag per pixel, row by row.
    pub fn inside(&self) -> &[bool] {
        &self.inside
    }

    /// Number of pixels inside.
    pub fn area(&self) -> usize {
        self.inside.iter().filter(|&&inside| inside).count()
    }

    /// The pixels inside, ascending.
    pub fn pixels(&self) -> impl Iterator<Item = usize> + '_ {
        self.inside.iter().enumerate().filter_map(|(pixel, &inside)| inside.then_some(pixel))
    }

    /// Whether the pixel y · width + x is inside.
    pub fn contains(&self, pixel: usize) -> bool {
        self.inside[pixel]
    }

    /// True if no pixel is inside.
    pub fn is_empty(&self) -> bool {
        !self.inside.contains(&true)
    }

    /// Mean column and row of the pixels inside, \[x, y\]; `None` if there is none.
    pub fn centre(&self) -> Option<[f64; 2]> {
        let (mut n, mut sums) = (0.0, [0.0; 2]);
        for pixel in self.pixels() {
            n += 1.0;
            sums[0] += (pixel % self.width) as f64;
            sums[1] += (pixel / self.width) as f64;
        }
        (n > 0.0).then(|| sums.map(|sum| sum / n))
    }

    /// The pixels of either mask, of the same size.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        self.joined(other, |a, b| a || b)
    }

    /// The pixels inside that are not in `other`, of the same size.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        self.joined(other, |a, b| a && !b)
    }

    fn joined(&self, other: &Self, join: impl Fn(bool, bool) -> bool) -> Self {
        let inside = self.inside.iter().zip(&other.inside).map(|(&a, &b)| join(a, b)).collect();
        Self { inside, ..*self }
    }

    /// Fails unless the mask has the size of images of `shape`.
    pub fn expect_size(&self, what: &str, shape: Shape) -> Result<()> {
        if (self.width, self.height) == (shape.width, shape.height) {
            return Ok(());
        }
        let expected = format!("{}x{} pixels", shape.width, shape.height);
        Err(Error::shape(what, expected, format!("{}x{} pixels", self.width, self.height)))
    }

    /// Number of pixels inside both; fails if the sizes differ.
    pub fn shared(&self, other: &Self) -> Result<usize> {
        if (self.width, self.height) != (other.width, other.height) {
            let size = |mask: &Self| format!("{}x{} pixels", mask.width, mask.height);
            return Err(Error::shape("mask", size(self), size(other)));
        }
        Ok(self.inside.iter().zip(&other.inside).filter(|(a, b)| **a && **b).count())
    }

    /// The mask at another size, by nearest neighbour (pixel centres).
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        let inside = (0..width * height).map(|pixel| {
            let y = (2 * (pixel / width) + 1) * self.height / (2 * height);
            let x = (2 * (pixel % width) + 1) * self.width / (2 * width);
            self.inside[y * self.width + x]
        });
        Self::new(width, height, inside.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_of_every_channel_mark_their_pixel() {
        let shape = Shape::new(3, 2, 2);
        let set =
            FeatureSet::new([shape.index(0, 0, 1), shape.index(2, 0, 1), shape.index(1, 1, 0)]);
        let mask = Mask::of_features(&set, shape).unwrap();
        assert_eq!(mask.pixels().collect::<Vec<_>>(), [1, 2]);
        assert!(Mask::of_features(&FeatureSet::new([12]), shape).is_err());
    }

    #[test]
    fn resizing_keeps_the_share() {
        let mask = Mask::of_pixels(4, 4, [5, 6, 9, 10]).unwrap();
        assert_eq!(mask.resized(8, 8).unwrap().area(), 16);
        assert_eq!(mask.resized(8, 8).unwrap().resized(4, 4).unwrap(), mask);
    }
}
