//! Regions of a picture, as the page sends them.

use std::{fmt, iter, ops::Range, str::FromStr};

use hsets_core::{Error, FeatureSet, Mask, Result, Shape};
use serde::{Deserialize, Serialize};

/// A set of pixels, written as runs: how many pixels are outside, then inside, then outside again,
/// row by row; numbers in base 36 with points between them. `0.3.d.3` are the first three pixels of
/// the first two rows of a picture 16 pixels wide.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region {
    /// Its pixels y · width + x as runs, ascending, none of them empty, with others in between: a few
    /// characters state any number of pixels, and take the memory of a few characters.
    runs: Vec<Range<usize>>,
}

/// Larger than any picture: beyond it, runs are nonsense.
const MAX_PIXELS: usize = 1 << 26;

impl Region {
    /// Of any pixels.
    pub fn new(pixels: impl IntoIterator<Item = usize>) -> Self {
        let mut region = Self::default();
        FeatureSet::new(pixels).iter().for_each(|pixel| region.push(pixel..pixel + 1));
        region
    }

    /// The pixels of any of these regions.
    pub fn union(regions: &[Self]) -> Self {
        let mut runs: Vec<_> = regions.iter().flat_map(|region| &region.runs).collect();
        runs.sort_unstable_by_key(|run| run.start);
        let mut all = Self::default();
        runs.into_iter().for_each(|run| all.push(run.clone()));
        all
    }

    /// Adds a run that begins behind the begin of the last one, or in it.
    fn push(&mut self, run: Range<usize>) {
        match self.runs.last_mut() {
            Some(last) if last.end >= run.start => last.end = last.end.max(run.end),
            _ if run.is_empty() => {}
            _ => self.runs.push(run),
        }
    }

    /// The pixels of features of images of this shape.
    pub fn of_features(features: &FeatureSet, shape: Shape) -> Self {
        Self::new(features.iter().map(|feature| shape.pixel(feature)))
    }

    /// Pixels y · width + x, ascending.
    pub fn pixels(&self) -> impl Iterator<Item = usize> + Clone {
        self.runs.iter().cloned().flatten()
    }

    /// How many pixels it has.
    pub fn n_pixels(&self) -> usize {
        self.runs.iter().map(ExactSizeIterator::len).sum()
    }

    /// All channels of its pixels.
    pub fn features(&self, shape: Shape) -> FeatureSet {
        let planes = (0..shape.channels).map(|channel| channel * shape.n_pixels());
        FeatureSet::new(planes.flat_map(|plane| self.pixels().map(move |pixel| plane + pixel)))
    }

    /// Fails unless it has a pixel, leaves one out, and lies inside pictures of this shape.
    pub fn check(&self, shape: Shape) -> Result<()> {
        let n = self.n_pixels();
        let inside = self.runs.last().is_some_and(|last| last.end <= shape.n_pixels());
        if inside && n < shape.n_pixels() {
            return Ok(());
        }
        let (height, width) = (shape.height, shape.width);
        let expected = format!("some pixels of the {width}x{height} picture, but not all of them");
        Err(Error::config("region", format!("{n} pixels"), expected))
    }

    /// As the stages know it, in a picture of this shape.
    pub fn mask(&self, shape: Shape) -> Result<Mask> {
        Mask::of_pixels(shape.width, shape.height, self.pixels())
    }

    /// True at its pixels.
    pub(crate) fn flags(&self, n_pixels: usize) -> Vec<bool> {
        let mut mask = vec![false; n_pixels];
        self.pixels().take_while(|&pixel| pixel < n_pixels).for_each(|pixel| mask[pixel] = true);
        mask
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ends = iter::once(0).chain(self.runs.iter().map(|run| run.end));
        for (end, run) in ends.zip(&self.runs) {
            let point = if end == 0 { "" } else { "." };
            write!(f, "{point}{}.{}", base36(run.start - end), base36(run.len()))?;
        }
        Ok(())
    }
}

fn base36(mut number: usize) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit((number % 36) as u32, 36));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

impl FromStr for Region {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || {
            let start: String = text.chars().take(24).collect();
            Error::config("region", start, "runs in base 36 with points between them")
        };
        let n_runs = text.matches('.').count().div_ceil(2);
        let (mut region, mut at) = (Self { runs: Vec::with_capacity(n_runs) }, 0usize);
        for (index, run) in text.split('.').filter(|_| !text.is_empty()).enumerate() {
            let length = usize::from_str_radix(run, 36).map_err(|_| refused())?;
            let end = at.checked_add(length).filter(|end| *end <= MAX_PIXELS);
            let end = end.ok_or_else(refused)?;
            if index % 2 == 1 {
                region.push(at..end);
            }
            at = end;
        }
        Ok(region)
    }
}

impl TryFrom<String> for Region {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_as_they_are_written() {
        for pixels in [vec![], vec![0], vec![0, 1, 2, 16, 17, 18], vec![5, 1000, 1001]] {
            let region = Region::new(pixels.clone());
            let text = region.to_string();
            let read: Region = text.parse().unwrap();
            assert_eq!(read, region, "{text}");
            assert_eq!(read.pixels().collect::<Vec<_>>(), pixels, "{text}");
            assert_eq!(read.n_pixels(), pixels.len(), "{text}");
        }
        assert_eq!(Region::new([0, 1, 2, 16, 17, 18]).to_string(), "0.3.d.3");
        // Runs that are empty, or touch: the same pixels are the same region.
        let written: Region = "2.0.1.2.0.1.4.0".parse().unwrap();
        assert_eq!(written, Region::new([3, 4, 5]));
        assert_eq!(written.to_string(), "3.3");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["x!", "1..2", "-1.3", "zzzzzzzzzz.1", "0.zzzzzz"] {
            assert!(text.parse::<Region>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_region_is_a_part_of_its_picture() {
        let shape = Shape::new(3, 2, 2);
        assert!(Region::new([0, 3]).check(shape).is_ok());
        for pixels in [vec![], vec![4], vec![0, 1, 2, 3]] {
            assert!(Region::new(pixels).check(shape).is_err());
        }
        assert_eq!(Region::new([1]).features(shape).indices(), [1, 5, 9]);
        let of_features = Region::of_features(&FeatureSet::new([1, 5, 10]), shape);
        assert_eq!(of_features, Region::new([1, 2]));
    }

    #[test]
    fn a_union_has_the_pixels_of_all() {
        let regions = [[4, 5, 6].as_slice(), &[1, 5, 9], &[], &[7, 2]];
        let union = Region::union(&regions.map(|pixels| Region::new(pixels.iter().copied())));
        assert_eq!(union, Region::new([1, 2, 4, 5, 6, 7, 9]));
        assert_eq!(Region::union(&[]), Region::default());
    }

    #[test]
    fn memory_is_that_of_the_characters() {
        let wide: Region = "0.1.1.13ydj2".parse().unwrap();
        assert_eq!((wide.runs.len(), wide.n_pixels()), (2, (1 << 26) - 1));
        let shape = Shape::new(3, 8, 8);
        assert!(wide.check(shape).is_err());
        assert_eq!(wide.flags(4), [true, false, true, true]);
    }
}
