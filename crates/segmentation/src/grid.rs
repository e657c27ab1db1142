//! A regular grid.

use hsets_core::{Error, Photo, Result, SegmentMap, Segmenter};
use serde::{Deserialize, Serialize};

/// Rectangles of equal size, up to one pixel where the photo does not divide evenly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grid {
    /// Number of cells from top to bottom; at least 1, at most the photo's height.
    pub rows: usize,
    /// Number of cells from left to right; at least 1, at most the photo's width.
    pub columns: usize,
}

impl Grid {
    /// 10×10 cells, the patches with which H-Sets is compared to `MoXI` (Sumiyasu et al. 2024).
    pub const fn moxi() -> Self {
        Self { rows: 10, columns: 10 }
    }

    /// Fails if a side has no cell.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |setting: &'static str, n: usize| {
            if n == 0 { Err(Error::config(setting, n, "at least 1 cell")) } else { Ok(()) }
        };
        at_least_one("grid rows", self.rows)?;
        at_least_one("grid columns", self.columns)
    }
}

impl Segmenter for Grid {
    fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
        self.check()?;
        let (width, height) = (photo.width(), photo.height());
        let at_most = |setting: &'static str, n: usize, side: usize| {
            let expected = || format!("at most the {side} pixels of the {width}x{height} photo");
            if n > side { Err(Error::config(setting, n, expected())) } else { Ok(()) }
        };
        at_most("grid rows", self.rows, height)?;
        at_most("grid columns", self.columns, width)?;
        let cell = |pixel: usize| {
            let (y, x) = (pixel / width, pixel % width);
            (y * self.rows / height * self.columns + x * self.columns / width) as u32
        };
        SegmentMap::new(width, height, &(0..width * height).map(cell).collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(width: usize, height: usize) -> Photo {
        Photo::new(width, height, vec![0; 3 * width * height]).unwrap()
    }

    #[test]
    fn cells_differ_by_at_most_one_row_and_column() {
        let map = Grid { rows: 3, columns: 4 }.segment(&photo(10, 8)).unwrap();
        assert_eq!(map.n_segments(), 12);
        let areas = map.areas();
        assert_eq!((areas.iter().min(), areas.iter().max()), (Some(&4), Some(&9)));
        assert_eq!(map.label(7 * 10 + 9), 11, "the last pixel lies in the last cell");
    }

    #[test]
    fn impossible_grids_are_refused() {
        let error = Grid { rows: 0, columns: 4 }.segment(&photo(10, 8)).unwrap_err();
        assert_eq!(error.to_string(), "grid rows = 0: at least 1 cell");
        let error = Grid { rows: 2, columns: 11 }.segment(&photo(10, 8)).unwrap_err();
        let message = "grid columns = 11: at most the 10 pixels of the 10x8 photo";
        assert_eq!(error.to_string(), message);
    }
}
