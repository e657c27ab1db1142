//! Pictures: as taken ([`Photo`]) and as a network sees them ([`Image`]).

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// Channels, height and width of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Number of channels, 3 for RGB.
    pub channels: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Columns of pixels.
    pub width: usize,
}

impl Shape {
    /// A shape of `channels` planes of `height` rows and `width` columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Number of features d = C·H·W.
    pub const fn len(self) -> usize {
        self.channels * self.height * self.width
    }

    /// True if there is no feature.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of pixels H·W.
    pub const fn n_pixels(self) -> usize {
        self.height * self.width
    }

    /// Feature at (channel, y, x).
    pub const fn index(self, channel: usize, y: usize, x: usize) -> usize {
        (channel * self.height + y) * self.width + x
    }

    /// (channel, y, x) of a feature.
    pub const fn position(self, feature: usize) -> (usize, usize, usize) {
        let pixel = feature % self.n_pixels();
        (feature / self.n_pixels(), pixel / self.width, pixel % self.width)
    }

    /// Pixel (y · width + x) of a feature.
    pub const fn pixel(self, feature: usize) -> usize {
        feature % self.n_pixels()
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{}, {}, {}]", self.channels, self.height, self.width)
    }
}

/// A planar `f32` image \[C, H, W\], normalised as the network wants it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Planar")]
pub struct Image {
    shape: Shape,
    data: Vec<f32>,
}

/// An image as a file has it, before it is checked.
#[derive(Deserialize)]
struct Planar {
    shape: Shape,
    data: Vec<f32>,
}

impl TryFrom<Planar> for Image {
    type Error = Error;

    fn try_from(Planar { shape, data }: Planar) -> Result<Self> {
        Self::new(shape, data)
    }
}

impl Image {
    /// Takes planar data of exactly `shape.len()` finite elements.
    pub fn new(shape: Shape, data: Vec<f32>) -> Result<Self> {
        Self::check(shape, &data)?;
        Ok(Self { shape, data })
    }

    /// Fails unless planar data is an image of this shape: `shape.len()` finite elements.
    pub fn check(shape: Shape, data: &[f32]) -> Result<()> {
        if data.len() != shape.len() || shape.is_empty() {
            return Err(Error::shape("image", shape, format!("{} elements", data.len())));
        }
        if let Some(feature) = data.iter().position(|v| !v.is_finite()) {
            let (c, y, x) = shape.position(feature);
            return Err(Error::NotFinite {
                what: format!("image at channel {c}, y {y}, x {x}"),
                hint: "check how the input was made".into(),
            });
        }
        Ok(())
    }

    /// An image of one value.
    pub fn constant(shape: Shape, value: f32) -> Self {
        Self { shape, data: vec![value; shape.len()] }
    }

    /// Channels, height, width.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Planar elements, channel by channel, row by row.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Gives the elements back.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The point `baseline + fraction · (self - baseline)` of the straight path.
    #[must_use]
    pub fn interpolate(&self, baseline: &Self, fraction: f32) -> Self {
        let point = |(&x, &b): (&f32, &f32)| b + fraction * (x - b);
        Self { shape: self.shape, data: self.data.iter().zip(&baseline.data).map(point).collect() }
    }

    /// Fails unless `self` has this shape.
    pub fn expect_shape(&self, what: &str, expected: Shape) -> Result<()> {
        if self.shape == expected { Ok(()) } else { Err(Error::shape(what, expected, self.shape)) }
    }
}

/// An 8-bit RGB picture, interleaved, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Photo {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

impl Photo {
    /// Takes `3 · width · height` bytes, RGB of the first pixel of the first row first.
    pub fn new(width: usize, height: usize, rgb: Vec<u8>) -> Result<Self> {
        if rgb.len() != 3 * width * height || rgb.is_empty() {
            return Err(Error::shape(
                "photo",
                format!("{width}x{height} RGB"),
                format!("{} bytes", rgb.len()),
            ));
        }
        Ok(Self { width, height, rgb })
    }

    /// Columns of pixels.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of pixels.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Interleaved RGB bytes.
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// RGB of one pixel.
    pub fn pixel(&self, y: usize, x: usize) -> [u8; 3] {
        let at = 3 * (y * self.width + x);
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_wrong_length_and_nan() {
        let shape = Shape::new(1, 2, 2);
        assert!(matches!(Image::new(shape, vec![0.0; 3]), Err(Error::Shape { .. })));
        let error = Image::new(shape, vec![0.0, 0.0, f32::NAN, 0.0]).unwrap_err();
        assert!(error.to_string().contains("y 1, x 0"), "{error}");
        assert!(Photo::new(2, 2, vec![0; 11]).is_err());
    }

    #[test]
    fn interpolation_reaches_both_ends() {
        let shape = Shape::new(1, 1, 2);
        let image = Image::new(shape, vec![1.0, 2.0]).unwrap();
        let baseline = Image::constant(shape, -1.0);
        assert_eq!(image.interpolate(&baseline, 0.0), baseline);
        assert_eq!(image.interpolate(&baseline, 1.0), image);
        assert_eq!(image.interpolate(&baseline, 0.5).data(), [0.0, 0.5]);
    }
}
