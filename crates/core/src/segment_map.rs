//! Segments as data: every stage takes a label map and knows nothing of where it came from.

use crate::{Error, Result};

/// One segment label per pixel; labels are `0..n_segments`, each used at least once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentMap {
    width: usize,
    height: usize,
    labels: Vec<u32>,
    n_segments: usize,
}

impl SegmentMap {
    /// Takes any labels, row by row, and renumbers them densely in ascending order.
    pub fn new(width: usize, height: usize, labels: &[u32]) -> Result<Self> {
        if labels.len() != width * height || labels.is_empty() {
            return Err(Error::shape(
                "segment map",
                format!("{width}x{height} labels"),
                format!("{} labels", labels.len()),
            ));
        }
        let mut used = labels.to_vec();
        used.sort_unstable();
        used.dedup();
        let rank = |label: &u32| used.partition_point(|other| other < label) as u32;
        let labels = labels.iter().map(rank).collect();
        Ok(Self { width, height, labels, n_segments: used.len() })
    }

    /// One segment that covers everything.
    pub fn whole(width: usize, height: usize) -> Result<Self> {
        Self::new(width, height, &vec![0; width * height])
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Labels `0..n_segments`, row by row.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// Number of segments.
    pub fn n_segments(&self) -> usize {
        self.n_segments
    }

    /// Label of the pixel `y · width + x`.
    pub fn label(&self, pixel: usize) -> u32 {
        self.labels[pixel]
    }

    /// Number of pixels of each segment.
    pub fn areas(&self) -> Vec<usize> {
        let mut areas = vec![0; self.n_segments];
        for &label in &self.labels {
            areas[label as usize] += 1;
        }
        areas
    }

    /// The map at another size, by nearest neighbour (pixel centres).
    pub fn resized(&self, width: usize, height: usize) -> Result<Self> {
        let labels: Vec<u32> = (0..width * height)
            .map(|pixel| {
                let (y, x) = (pixel / width, pixel % width);
                let source_y = (2 * y + 1) * self.height / (2 * height);
                let source_x = (2 * x + 1) * self.width / (2 * width);
                self.labels[source_y * self.width + source_x]
            })
            .collect();
        Self::new(width, height, &labels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_become_dense() {
        let map = SegmentMap::new(3, 1, &[7, 2, 7]).unwrap();
        assert_eq!(map.labels(), [1, 0, 1]);
        assert_eq!(map.areas(), [1, 2]);
    }

    #[test]
    fn resizing_takes_the_nearest_label() {
        let map = SegmentMap::new(2, 1, &[0, 1]).unwrap();
        assert_eq!(map.resized(4, 2).unwrap().labels(), [0, 0, 1, 1, 0, 0, 1, 1]);
    }
}
