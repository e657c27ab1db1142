//! Random views of a photo: crops and flips.

use std::str::FromStr;

use hsets_core::{Error, Image, Photo, Result};
use hsets_models::Preprocessing;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Which views of a photo are trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Augmentation {
    /// What part is seen.
    pub crop: Crop,
    /// Whether every second view is mirrored.
    pub flip: bool,
}

/// What part of a photo is seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// The middle, as when classifying.
    Center,
    /// As when classifying, moved by up to this many pixels in each direction; what comes in from
    /// outside is 0 in the normalised image, the mean colour (He et al. 2016, section 4.2).
    Shifted {
        /// Most pixels.
        pixels: usize,
    },
    /// A random rectangle, resized: its share of the area is uniform from `least_area` to 1, its
    /// aspect ratio log-uniform from 3/4 to 4/3 (Szegedy et al. 2015; torchvision's
    /// `RandomResizedCrop`).
    Resized {
        /// Least share of the photo's area, above 0.
        least_area: f64,
    },
}

/// Aspect ratios of random rectangles.
const RATIOS: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Rectangles that are tried before the middle is taken.
const N_TRIES: usize = 10;

impl Augmentation {
    /// The photo as when classifying.
    pub const NONE: Self = Self { crop: Crop::Center, flip: false };

    /// Fails if a number is out of range.
    pub fn check(&self) -> Result<()> {
        match self.crop {
            Crop::Resized { least_area } if !(least_area > 0.0 && least_area <= 1.0) => {
                Err(Error::config("crop", format!("resized:{least_area}"), "above 0, at most 1"))
            }
            _ => Ok(()),
        }
    }

    /// A random view, normalised.
    pub fn view(
        &self,
        photo: &Photo,
        preprocessing: &Preprocessing,
        rng: &mut ChaCha8Rng,
    ) -> Result<Image> {
        let image = match self.crop {
            Crop::Center => preprocessing.prepare(photo)?.image,
            Crop::Shifted { pixels } => {
                let mut offset = || rng.random_range(0..=2 * pixels) as isize - pixels as isize;
                let by = [offset(), offset()];
                shifted(&preprocessing.prepare(photo)?.image, by)?
            }
            Crop::Resized { least_area } => {
                match rectangle([photo.width(), photo.height()], least_area, rng) {
                    Some(rectangle) => preprocessing.prepare_part(photo, rectangle)?.image,
                    None => preprocessing.prepare(photo)?.image,
                }
            }
        };
        if self.flip && rng.random_range(0..2) == 1 { mirrored(&image) } else { Ok(image) }
    }
}

impl FromStr for Crop {
    type Err = Error;

    /// `center`, `shifted:PIXELS`, `resized` or `resized:AREA`.
    fn from_str(text: &str) -> Result<Self> {
        let expected = "center, shifted:PIXELS, resized or resized:AREA";
        let wrong = || Error::config("crop", text, expected);
        Ok(match text.split_once(':') {
            None if text == "center" => Self::Center,
            None if text == "resized" => Self::Resized { least_area: 0.08 },
            Some(("shifted", pixels)) => {
                Self::Shifted { pixels: pixels.parse().map_err(|_| wrong())? }
            }
            Some(("resized", area)) => {
                Self::Resized { least_area: area.parse().map_err(|_| wrong())? }
            }
            _ => return Err(wrong()),
        })
    }
}

/// A random rectangle \[x, y, width, height\] within \[width, height\].
fn rectangle(size: [usize; 2], least_area: f64, rng: &mut ChaCha8Rng) -> Option<[usize; 4]> {
    let whole = (size[0] * size[1]) as f64;
    for _ in 0..N_TRIES {
        let area = whole * rng.random_range(least_area..=1.0);
        let ratio = rng.random_range(RATIOS[0].ln()..=RATIOS[1].ln()).exp();
        let sides =
            [(area * ratio).sqrt().round() as usize, (area / ratio).sqrt().round() as usize];
        if (0..2).all(|axis| 0 < sides[axis] && sides[axis] <= size[axis]) {
            let mut first = |axis: usize| rng.random_range(0..=size[axis] - sides[axis]);
            return Some([first(0), first(1), sides[0], sides[1]]);
        }
    }
    None
}

/// The image moved down and to the right; zeros come in.
fn shifted(image: &Image, [down, right]: [isize; 2]) -> Result<Image> {
    let shape = image.shape();
    let mut data = vec![0.0; shape.len()];
    for (at, value) in data.iter_mut().enumerate() {
        let (channel, y, x) = shape.position(at);
        let (y, x) = (y.checked_add_signed(-down), x.checked_add_signed(-right));
        if let (Some(y), Some(x)) = (y, x)
            && y < shape.height
            && x < shape.width
        {
            *value = image.data()[shape.index(channel, y, x)];
        }
    }
    Image::new(shape, data)
}

/// The image seen in a mirror.
pub(crate) fn mirrored(image: &Image) -> Result<Image> {
    let rows = image.data().chunks_exact(image.shape().width);
    Image::new(image.shape(), rows.flat_map(|row| row.iter().rev().copied()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use hsets_core::Shape;

    #[test]
    fn images_move_and_turn() {
        let image = Image::new(Shape::new(1, 2, 3), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!(mirrored(&image).unwrap().data(), [3.0, 2.0, 1.0, 6.0, 5.0, 4.0]);
        assert_eq!(shifted(&image, [1, -1]).unwrap().data(), [0.0, 0.0, 0.0, 2.0, 3.0, 0.0]);
    }

    #[test]
    fn rectangles_keep_to_their_area_and_ratio() {
        let mut rng = stream(1, Purpose::Example, 0, 0);
        let mut least = f64::INFINITY;
        for _ in 0..500 {
            let Some([x, y, width, height]) = rectangle([320, 200], 0.25, &mut rng) else {
                continue;
            };
            assert!(x + width <= 320 && y + height <= 200);
            let (area, ratio) = ((width * height) as f64, width as f64 / height as f64);
            assert!(area > 0.24 * 64_000.0 && (0.74..1.35).contains(&ratio), "{width}x{height}");
            least = least.min(area);
        }
        assert!(least < 0.3 * 64_000.0);
        assert_eq!(rectangle([1000, 1], 0.5, &mut rng), None);
    }

    #[test]
    fn crops_by_name() {
        assert_eq!("shifted:4".parse::<Crop>().unwrap(), Crop::Shifted { pixels: 4 });
        assert_eq!("resized:0.5".parse::<Crop>().unwrap(), Crop::Resized { least_area: 0.5 });
        assert!("resized:x".parse::<Crop>().is_err() && "corner".parse::<Crop>().is_err());
    }
}
