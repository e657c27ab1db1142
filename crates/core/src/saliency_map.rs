//! Saliency maps: one number per feature.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, Shape};

/// How the channels of a map become one number per pixel. Metrics name it in every result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChannelReduction {
    /// abs(sum over channels): what the published tables use.
    #[default]
    AbsSum,
    /// Sum over channels, signed.
    Sum,
    /// Sum over channels of abs.
    SumAbs,
    /// Largest abs over channels.
    MaxAbs,
}

impl ChannelReduction {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::AbsSum, Self::Sum, Self::SumAbs, Self::MaxAbs];

    /// The name under which results report it.
    pub fn name(self) -> &'static str {
        match self {
            Self::AbsSum => "abs-sum",
            Self::Sum => "sum",
            Self::SumAbs => "sum-abs",
            Self::MaxAbs => "max-abs",
        }
    }
}

impl std::str::FromStr for ChannelReduction {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|reduction| reduction.name() == name);
        found.ok_or_else(|| Error::config("channels", name, "abs-sum, sum, sum-abs or max-abs"))
    }
}

/// One score per feature \[C, H, W\].
#[derive(Debug, Clone, PartialEq)]
pub struct SaliencyMap {
    shape: Shape,
    data: Vec<f32>,
}

impl SaliencyMap {
    /// Takes planar scores of exactly `shape.len()` elements.
    pub fn new(shape: Shape, data: Vec<f32>) -> Result<Self> {
        if data.len() != shape.len() || shape.is_empty() {
            return Err(Error::shape("saliency map", shape, format!("{} elements", data.len())));
        }
        Ok(Self { shape, data })
    }

    /// A map of zeros.
    pub fn zeros(shape: Shape) -> Self {
        Self { shape, data: vec![0.0; shape.len()] }
    }

    /// Channels, height, width.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Planar scores.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Planar scores, to write to.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// One number per pixel \[H·W\].
    pub fn per_pixel(&self, reduction: ChannelReduction) -> Vec<f32> {
        let n_pixels = self.shape.n_pixels();
        let mut pixels = vec![0.0f32; n_pixels];
        for plane in self.data.chunks_exact(n_pixels) {
            for (pixel, &value) in pixels.iter_mut().zip(plane) {
                match reduction {
                    ChannelReduction::AbsSum | ChannelReduction::Sum => *pixel += value,
                    ChannelReduction::SumAbs => *pixel += value.abs(),
                    ChannelReduction::MaxAbs => *pixel = pixel.max(value.abs()),
                }
            }
        }
        if reduction == ChannelReduction::AbsSum {
            pixels.iter_mut().for_each(|pixel| *pixel = pixel.abs());
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reductions() {
        let map = SaliencyMap::new(Shape::new(2, 1, 2), vec![1.0, -3.0, -2.0, 1.0]).unwrap();
        assert_eq!(map.per_pixel(ChannelReduction::Sum), [-1.0, -2.0]);
        assert_eq!(map.per_pixel(ChannelReduction::AbsSum), [1.0, 2.0]);
        assert_eq!(map.per_pixel(ChannelReduction::SumAbs), [3.0, 4.0]);
        assert_eq!(map.per_pixel(ChannelReduction::MaxAbs), [2.0, 3.0]);
    }
}
