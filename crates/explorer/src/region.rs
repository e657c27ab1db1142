//! Regions of a picture, as the page sends them.

use std::{fmt, str::FromStr};

use hsets_core::{Error, FeatureSet, Mask, Result, Shape};
use serde::{Deserialize, Serialize};

/// A set of pixels, written as runs: how many pixels are outside, then inside, then outside again,
/// row by row; numbers in base 36 with points between them. `0.3.d.3` are the first three pixels of
/// the first two rows of a picture 16 pixels wide.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region {
    /// Pixels y · width + x, ascending.
    pixels: Vec<usize>,
}

/// Larger than any picture: beyond it, runs are nonsense.
const MAX_PIXELS: usize = 1 << 26;
/// Most pixels inside: a few characters state any number.
const MAX_INSIDE: usize = 1 << 22;

impl Region {
    /// Of any pixels.
    pub fn new(pixels: impl IntoIterator<Item = usize>) -> Self {
        Self { pixels: FeatureSet::new(pixels).indices().to_vec() }
    }

    /// The pixels of any of these regions.
    pub fn union(regions: &[Self]) -> Self {
        Self::new(regions.iter().flat_map(|region| region.pixels.iter().copied()))
    }

    /// The pixels of features of images of this shape.
    pub fn of_features(features: &FeatureSet, shape: Shape) -> Self {
        Self::new(features.iter().map(|feature| shape.pixel(feature)))
    }

    /// Pixels y · width + x, ascending.
    pub fn pixels(&self) -> &[usize] {
        &self.pixels
    }

    /// All channels of its pixels.
    pub fn features(&self, shape: Shape) -> FeatureSet {
        let planes = (0..shape.channels).map(|channel| channel * shape.n_pixels());
        FeatureSet::new(planes.flat_map(|plane| self.pixels.iter().map(move |pixel| plane + pixel)))
    }

    /// Fails unless it has a pixel, leaves one out, and lies inside pictures of this shape.
    pub fn check(&self, shape: Shape) -> Result<()> {
        let n = self.pixels.len();
        let inside = self.pixels.last().is_some_and(|&last| last < shape.n_pixels());
        if inside && n < shape.n_pixels() {
            return Ok(());
        }
        let (height, width) = (shape.height, shape.width);
        let expected = format!("some pixels of the {width}x{height} picture, but not all of them");
        Err(Error::config("region", format!("{n} pixels"), expected))
    }

    /// As the stages know it, in a picture of this shape.
    pub fn mask(&self, shape: Shape) -> Result<Mask> {
        Mask::of_pixels(shape.width, shape.height, self.pixels.iter().copied())
    }

    /// True at its pixels.
    pub(crate) fn flags(&self, n_pixels: usize) -> Vec<bool> {
        let mut mask = vec![false; n_pixels];
        self.pixels.iter().filter(|&&pixel| pixel < n_pixels).for_each(|&pixel| mask[pixel] = true);
        mask
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = 0;
        let mut rest = self.pixels.as_slice();
        while let Some(&first) = rest.first() {
            let length = rest.iter().zip(first..).take_while(|(pixel, at)| *pixel == at).count();
            let point = if end == 0 { "" } else { "." };
            write!(f, "{point}{}.{}", base36(first - end), base36(length))?;
            end = first + length;
            rest = &rest[length..];
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
        let (mut pixels, mut at) = (Vec::new(), 0usize);
        for (index, run) in text.split('.').filter(|_| !text.is_empty()).enumerate() {
            let length = usize::from_str_radix(run, 36).map_err(|_| refused())?;
            let end = at.checked_add(length).filter(|end| *end <= MAX_PIXELS);
            let end = end.ok_or_else(refused)?;
            if index % 2 == 1 {
                if pixels.len() + length > MAX_INSIDE {
                    return Err(refused());
                }
                pixels.extend(at..end);
            }
            at = end;
        }
        Ok(Self { pixels })
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
            assert_eq!(text.parse::<Region>().unwrap().pixels(), pixels, "{text}");
        }
        assert_eq!(Region::new([0, 1, 2, 16, 17, 18]).to_string(), "0.3.d.3");
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
        assert_eq!(Region::of_features(&FeatureSet::new([1, 5, 10]), shape).pixels(), [1, 2]);
    }
}
