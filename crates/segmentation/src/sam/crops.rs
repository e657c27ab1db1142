//! Crops of a photo, for small objects, and the grid of points in each.

use hsets_core::{Photo, Result};

use super::{Bounds, GridPoint, MaskSettings};

/// How near a box may come to an inner edge of its crop before it counts as cut off, in pixels.
const MARGIN: usize = 20;

/// A part of a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Crop {
    /// First column and row, and one past the last (as the original has it).
    pub(super) bounds: Bounds,
    pub(super) layer: usize,
}

/// The whole photo, then 2ⁱ × 2ⁱ overlapping crops for each layer i.
pub(super) fn crops(height: usize, width: usize, settings: &MaskSettings) -> Vec<Crop> {
    let whole = Bounds { left: 0, top: 0, right: width, bottom: height };
    let mut crops = vec![Crop { bounds: whole, layer: 0 }];
    for layer in 1..=settings.crop_n_layers {
        let n = 1 << layer;
        let short = height.min(width) as f64;
        let overlap = (settings.crop_overlap_ratio * short * (2.0 / n as f64)) as usize;
        let length = |side: usize| (overlap * (n - 1) + side).div_ceil(n);
        let (crop_width, crop_height) = (length(width), length(height));
        for i in 0..n * n {
            let left = (crop_width - overlap) * (i / n);
            let top = (crop_height - overlap) * (i % n);
            let right = width.min(left + crop_width);
            let bottom = height.min(top + crop_height);
            // A photo smaller than the number of crops leaves some without pixels.
            if left < right && top < bottom {
                crops.push(Crop { bounds: Bounds { left, top, right, bottom }, layer });
            }
        }
    }
    crops
}

/// n × n points, evenly spaced, row by row.
pub(super) fn point_grid(n: usize) -> Vec<GridPoint> {
    let offset = 1.0 / (2 * n) as f64;
    let step = if n > 1 { (1.0 - 2.0 * offset) / (n - 1) as f64 } else { 0.0 };
    let place =
        |i: usize| if i > 0 && i + 1 == n { 1.0 - offset } else { offset + i as f64 * step };
    (0..n * n).map(|i| (place(i % n), place(i / n))).collect()
}

impl Crop {
    /// The crop's pixels.
    pub(super) fn cut(&self, photo: &Photo) -> Result<Photo> {
        let Bounds { left, top, right, bottom } = self.bounds;
        let row = |y: usize| {
            let start = 3 * (y * photo.width() + left);
            &photo.rgb()[start..start + 3 * (right - left)]
        };
        let rgb = (top..bottom).flat_map(row).copied().collect();
        Photo::new(right - left, bottom - top, rgb)
    }

    /// A box of the crop in the photo's frame.
    pub(super) fn uncropped(&self, bounds: Bounds) -> Bounds {
        let Bounds { left, top, .. } = self.bounds;
        Bounds {
            left: bounds.left + left,
            top: bounds.top + top,
            right: bounds.right + left,
            bottom: bounds.bottom + top,
        }
    }

    /// Whether a box ends at an edge of the crop that is no edge of the photo.
    pub(super) fn cuts(&self, bounds: Bounds, (height, width): (usize, usize)) -> bool {
        let near = |a: usize, b: usize| a.abs_diff(b) <= MARGIN;
        let cut = |at, crop, photo| near(at, crop) && !near(at, photo);
        cut(bounds.left, self.bounds.left, 0)
            || cut(bounds.top, self.bounds.top, 0)
            || cut(bounds.right, self.bounds.right, width)
            || cut(bounds.bottom, self.bounds.bottom, height)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values by `generate_crop_boxes((300, 500), 2, 512 / 1500)` of the original.
    #[test]
    fn crops_are_the_originals() {
        let settings = MaskSettings { crop_n_layers: 2, ..MaskSettings::original() };
        let crops = crops(300, 500, &settings);
        assert_eq!(crops.len(), 1 + 4 + 16);
        let corners = |i: usize| {
            let Bounds { left, top, right, bottom } = crops[i].bounds;
            [left, top, right, bottom]
        };
        assert_eq!(corners(0), [0, 0, 500, 300]);
        assert_eq!(corners(1), CROPS[0]);
        assert_eq!(corners(4), CROPS[1]);
        assert_eq!(corners(6), CROPS[2]);
        assert_eq!(corners(20), CROPS[3]);
    }
    const CROPS: [[usize; 4]; 4] =
        [[0, 0, 301, 201], [199, 99, 500, 300], [0, 63, 164, 177], [339, 189, 500, 300]];

    #[test]
    fn boxes_at_inner_edges_are_cut() {
        let bounds = Bounds { left: 0, top: 0, right: 100, bottom: 80 };
        let crop = Crop { bounds, layer: 1 };
        let at = |left, top, right, bottom| Bounds { left, top, right, bottom };
        assert!(crop.cuts(at(0, 0, 99, 40), (80, 200)));
        assert!(!crop.cuts(at(0, 0, 70, 79), (80, 200)));
        assert!(!crop.cuts(at(0, 0, 99, 40), (80, 100)));
    }
}
