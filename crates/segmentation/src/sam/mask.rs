//! Binary masks.

/// Which pixels of a photo belong to an object, one bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    width: usize,
    height: usize,
    /// Rows of whole words.
    words: Vec<u64>,
}

/// The smallest box of pixels around a mask, all ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// First column.
    pub left: usize,
    /// First row.
    pub top: usize,
    /// Last column.
    pub right: usize,
    /// Last row.
    pub bottom: usize,
}

impl Mask {
    /// An empty mask.
    pub fn new(width: usize, height: usize) -> Self {
        Self { width, height, words: vec![0; height * width.div_ceil(64)] }
    }

    /// The mask of the pixels, row by row, for which `inside` holds.
    pub fn from_fn(width: usize, height: usize, mut inside: impl FnMut(usize) -> bool) -> Self {
        let mut mask = Self::new(width, height);
        for y in 0..height {
            let row: Vec<bool> = (0..width).map(|x| inside(y * width + x)).collect();
            mask.set_row(y, &row);
        }
        mask
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Whether the pixel belongs to the object.
    pub fn contains(&self, y: usize, x: usize) -> bool {
        self.row(y)[x / 64] >> (x % 64) & 1 == 1
    }

    /// Number of pixels.
    pub fn area(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Intersection over union with another mask of the same size; 1 for two empty masks.
    pub fn iou(&self, other: &Self) -> f64 {
        let count = |combine: fn(u64, u64) -> u64| -> u32 {
            let words = self.words.iter().zip(&other.words);
            words.map(|(&a, &b)| combine(a, b).count_ones()).sum()
        };
        let (common, all) = (count(|a, b| a & b), count(|a, b| a | b));
        if all == 0 { 1.0 } else { f64::from(common) / f64::from(all) }
    }

    /// The box around the mask; a single pixel at the origin if the mask is empty.
    pub fn bounds(&self) -> Bounds {
        let used = |y: &usize| self.row(*y).iter().any(|&word| word != 0);
        let Some(top) = (0..self.height).find(used) else {
            return Bounds { left: 0, top: 0, right: 0, bottom: 0 };
        };
        let bottom = (top..self.height).rev().find(used).unwrap_or(top);
        let mut any = vec![0; self.width.div_ceil(64)];
        for y in top..=bottom {
            any.iter_mut().zip(self.row(y)).for_each(|(any, word)| *any |= word);
        }
        let used = |x: &usize| any[x / 64] >> (x % 64) & 1 == 1;
        let left = (0..self.width).find(used).unwrap_or(0);
        let right = (left..self.width).rev().find(used).unwrap_or(left);
        Bounds { left, top, right, bottom }
    }

    /// All pixels, row by row.
    pub fn pixels(&self) -> Vec<bool> {
        let pixel = |i: usize| self.contains(i / self.width, i % self.width);
        (0..self.width * self.height).map(pixel).collect()
    }

    /// This mask of a part of a photo, within the whole photo.
    pub(super) fn placed(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        if (width, height) == (self.width, self.height) {
            return self.clone();
        }
        let mut whole = Self::new(width, height);
        let mut row = vec![false; width];
        for y in 0..self.height {
            row.iter_mut()
                .skip(left)
                .zip(0..self.width)
                .for_each(|(bit, x)| *bit = self.contains(y, x));
            whole.set_row(top + y, &row);
        }
        whole
    }

    pub(super) fn set_row(&mut self, y: usize, row: &[bool]) {
        let n = self.width.div_ceil(64);
        for (word, bits) in self.words[y * n..][..n].iter_mut().zip(row.chunks(64)) {
            *word = bits.iter().rev().fold(0, |word, &bit| word << 1 | u64::from(bit));
        }
    }

    fn row(&self, y: usize) -> &[u64] {
        let n = self.width.div_ceil(64);
        &self.words[y * n..(y + 1) * n]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_area_and_bounds() {
        let inside = |i: usize| (3..5).contains(&(i / 130)) && (60..70).contains(&(i % 130));
        let mask = Mask::from_fn(130, 6, inside);
        assert_eq!(mask.area(), 20);
        assert_eq!(mask.bounds(), Bounds { left: 60, top: 3, right: 69, bottom: 4 });
        assert!(mask.contains(3, 64) && !mask.contains(2, 64) && !mask.contains(3, 70));
        assert_eq!(Mask::from_fn(130, 6, |i| mask.pixels()[i]), mask);
        let empty = Mask::new(130, 6);
        assert_eq!(empty.bounds(), Bounds { left: 0, top: 0, right: 0, bottom: 0 });
        assert!(mask.iou(&empty) == 0.0 && mask.iou(&mask) == 1.0);
        let placed = Mask::from_fn(2, 2, |i| i != 1).placed(5, 1, 9, 4);
        assert_eq!(placed.area(), 3);
        assert!(placed.contains(1, 5) && !placed.contains(1, 6) && placed.contains(2, 6));
    }
}
