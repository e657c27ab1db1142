//! From a photo to what a network sees. It belongs to the weights: other weights of the same
//! architecture may want other numbers.

use std::str::FromStr;

use hsets_core::{Error, Image, Photo, Result, Shape};
use serde::Serialize;

use crate::input::Exif;
use crate::resample::{Interpolation, Window, resize};

/// Mean of the channels of ImageNet, of values in \[0, 1\].
pub const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
/// Standard deviation of the channels of ImageNet.
pub const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Resize, centre crop, normalise: `(pixel/255 - mean)/std` per channel.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Preprocessing {
    /// Length of the short side after resizing, in pixels; not below the crop.
    pub resize: usize,
    /// (height, width) of the crop from the middle: what the network sees.
    pub crop: [usize; 2],
    /// Filter of the resize.
    pub interpolation: Interpolation,
    /// Mean of each channel, of values in \[0, 1\].
    pub mean: [f32; 3],
    /// Standard deviation of each channel, above 0.
    pub std: [f32; 3],
    /// What becomes of the orientation in a file. Written where it is not the usual.
    #[serde(skip_serializing_if = "Exif::is_usual")]
    pub exif: Exif,
}

/// A photo as the network sees it: in 8 bits for people, normalised for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// The crop, 8-bit RGB.
    pub photo: Photo,
    /// The same, normalised \[3, H, W\].
    pub image: Image,
}

impl Preprocessing {
    /// torchvision's for ImageNet: short side 256, crop 224, bilinear.
    pub const IMAGENET: Self = Self {
        resize: 256,
        crop: [224; 2],
        interpolation: Interpolation::Bilinear,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
        exif: Exif::Obey,
    };

    /// The same field of view at another input size: the short side grows in proportion.
    #[must_use]
    pub fn with_input_size(self, crop: [usize; 2]) -> Self {
        let fraction = self.crop_fraction();
        self.with_crop(crop, fraction)
    }

    /// With a crop that takes this fraction of the short side: timm's `crop_pct`, for squares exactly.
    #[must_use]
    pub fn with_crop_fraction(self, fraction: f64) -> Self {
        let crop = self.crop;
        self.with_crop(crop, fraction)
    }

    fn crop_fraction(&self) -> f64 {
        self.crop[0].max(self.crop[1]) as f64 / self.resize as f64
    }

    fn with_crop(self, crop: [usize; 2], fraction: f64) -> Self {
        let longest = crop[0].max(crop[1]);
        Self { resize: ((longest as f64 / fraction).floor() as usize).max(longest), crop, ..self }
    }

    /// Fails if a setting is out of range.
    pub fn check(&self) -> Result<()> {
        let longest = self.crop[0].max(self.crop[1]);
        if self.crop.contains(&0) || longest > MAX_SIDE {
            let size = format!("{}x{}", self.crop[0], self.crop[1]);
            return Err(Error::config("input_size", size, format!("between 1 and {MAX_SIDE}")));
        }
        if self.resize < longest || self.resize > 2 * MAX_SIDE {
            let range = format!("between the crop's {longest} and {}", 2 * MAX_SIDE);
            return Err(Error::config("resize", self.resize, range));
        }
        if self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err(Error::config("mean", format!("{:?}", self.mean), "three finite numbers"));
        }
        if !self.std.iter().all(|&std| std.is_finite() && std > 0.0) {
            return Err(Error::config("std", format!("{:?}", self.std), "three numbers above 0"));
        }
        Ok(())
    }

    /// Shape of the images it gives.
    pub fn shape(&self) -> Shape {
        Shape::new(3, self.crop[0], self.crop[1])
    }

    /// Resizes, crops and normalises.
    pub fn prepare(&self, photo: &Photo) -> Result<Prepared> {
        self.check()?;
        let photo = self.crop(photo)?;
        Ok(Prepared { image: self.normalize(&photo)?, photo })
    }

    /// Resizes a part of the photo, \[x, y, width, height\] in its pixels, to what the network
    /// sees, and normalises; for training on random crops.
    pub fn prepare_part(&self, photo: &Photo, part: [usize; 4]) -> Result<Prepared> {
        self.check()?;
        let [x, y, width, height] = part;
        if width * height == 0 || x + width > photo.width() || y + height > photo.height() {
            let size = format!("inside {}x{}", photo.width(), photo.height());
            return Err(Error::config("part", format!("{part:?}"), size));
        }
        let rows = photo.rgb().chunks_exact(3 * photo.width()).skip(y).take(height);
        let rgb = rows.flat_map(|row| &row[3 * x..3 * (x + width)]).copied().collect();
        let size = [self.crop[1], self.crop[0]];
        let window = Window { size, origin: [0, 0], extent: size };
        let part = Photo::new(width, height, rgb)?;
        let photo = Photo::new(size[0], size[1], resize(&part, window, self.interpolation))?;
        Ok(Prepared { image: self.normalize(&photo)?, photo })
    }

    /// Resizes and crops, as torchvision's `Resize` and `CenterCrop` on a PIL image.
    fn crop(&self, photo: &Photo) -> Result<Photo> {
        let (width, height) = (photo.width(), photo.height());
        let short = width.min(height);
        let size = [width, height].map(|side| self.resize * side / short);
        let extent = [self.crop[1], self.crop[0]];
        let origin = [0, 1].map(|axis| {
            // Python's round: halves go to the even neighbour.
            ((size[axis] - extent[axis]) as f64 / 2.0).round_ties_even() as usize
        });
        let window = Window { size, origin, extent };
        Photo::new(extent[0], extent[1], resize(photo, window, self.interpolation))
    }

    /// Planar, normalised image of a photo of any size.
    pub fn normalize(&self, photo: &Photo) -> Result<Image> {
        let shape = Shape::new(3, photo.height(), photo.width());
        let mut data = Vec::with_capacity(shape.len());
        for (channel, (mean, std)) in self.mean.into_iter().zip(self.std).enumerate() {
            let values = photo.rgb().iter().skip(channel).step_by(3);
            data.extend(values.map(|&value| (f32::from(value) / 255.0 - mean) / std));
        }
        Image::new(shape, data)
    }

    /// The 8-bit photo whose normalised form is nearest to `image`.
    pub fn denormalize(&self, image: &Image) -> Result<Photo> {
        let shape = image.shape();
        if shape.channels != 3 {
            return Err(Error::shape("image", "3 channels", shape));
        }
        let mut rgb = vec![0; shape.len()];
        for (channel, plane) in image.data().chunks_exact(shape.n_pixels()).enumerate() {
            let (mean, std) = (self.mean[channel], self.std[channel]);
            for (pixel, value) in plane.iter().enumerate() {
                let value = (value * std + mean) * 255.0;
                rgb[3 * pixel + channel] = value.round().clamp(0.0, 255.0) as u8;
            }
        }
        Photo::new(shape.width, shape.height, rgb)
    }
}

/// A network that sees more pixels than this does not fit into memory.
const MAX_SIDE: usize = 4096;

impl FromStr for Interpolation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "bilinear" => Ok(Self::Bilinear),
            "bicubic" => Ok(Self::Bicubic),
            other => Err(Error::config("interpolation", other, "bilinear or bicubic")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagenet_crops_the_middle_of_the_short_side() {
        let rgb: Vec<u8> = (0..512 * 256).flat_map(|at| [(at % 512 / 2) as u8, 10, 200]).collect();
        let photo = Photo::new(512, 256, rgb).unwrap();
        let prepared = Preprocessing::IMAGENET.prepare(&photo).unwrap();
        assert_eq!(prepared.photo.pixel(0, 0), [72, 10, 200]); // column (512 - 224)/2 = 144
        assert_eq!(prepared.image.shape(), Shape::new(3, 224, 224));
        let blue = prepared.image.data()[2 * 224 * 224];
        assert!((blue - (200.0 / 255.0 - 0.406) / 0.225).abs() < 1e-6);
    }

    #[test]
    fn a_part_is_what_the_cut_photo_would_be() {
        let rgb: Vec<u8> = (0..3 * 40 * 30).map(|i| (i * 7 % 251) as u8).collect();
        let photo = Photo::new(40, 30, rgb).unwrap();
        let cut = (0..20).flat_map(|y| (0..20).map(move |x| (y, x)));
        let cut = cut.flat_map(|(y, x)| photo.pixel(y + 4, x + 7)).collect();
        let cut = Photo::new(20, 20, cut).unwrap();
        let small = Preprocessing { resize: 16, crop: [16; 2], ..Preprocessing::IMAGENET };
        assert_eq!(
            small.prepare_part(&photo, [7, 4, 20, 20]).unwrap(),
            small.prepare(&cut).unwrap()
        );
        assert!(small.prepare_part(&photo, [30, 4, 20, 20]).is_err());
    }

    #[test]
    fn denormalizing_leads_back() {
        let photo = Photo::new(4, 3, (0..36).map(|i| (i * 7) as u8).collect()).unwrap();
        let image = Preprocessing::IMAGENET.normalize(&photo).unwrap();
        assert_eq!(Preprocessing::IMAGENET.denormalize(&image).unwrap(), photo);
    }

    #[test]
    fn input_size_keeps_the_field_of_view() {
        let small = Preprocessing::IMAGENET.with_input_size([64, 64]);
        assert_eq!((small.resize, small.crop), (73, [64, 64]));
        let bicubic = Preprocessing::IMAGENET.with_crop_fraction(0.95);
        assert_eq!(bicubic.resize, 235);
    }

    #[test]
    fn one_pixel_and_thin_strips_are_fine() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1)] {
            let photo = Photo::new(width, height, vec![128; 3 * width * height]).unwrap();
            let prepared = Preprocessing::IMAGENET.prepare(&photo).unwrap();
            assert!(prepared.photo.rgb().iter().all(|&value| value == 128));
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let zero = Preprocessing { std: [0.5, 0.0, 0.5], ..Preprocessing::IMAGENET };
        assert!(zero.check().unwrap_err().to_string().starts_with("std"));
        let large = Preprocessing { crop: [300; 2], ..Preprocessing::IMAGENET };
        assert!(large.check().unwrap_err().to_string().contains("resize"));
        assert!(Preprocessing::IMAGENET.with_input_size([100_000, 2]).check().is_err());
    }
}
