//! A picture to draw on.

use hsets_core::Photo;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};

use super::color::{Rgb, mix};
use crate::{Error, Result};

/// An RGB picture. Whatever is drawn outside is clipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, color: Rgb) -> Self {
        Self { width, height, pixels: vec![color; width * height] }
    }

    /// One colour per pixel, as `color(y, x)` says.
    pub fn from_fn(width: usize, height: usize, color: impl Fn(usize, usize) -> Rgb) -> Self {
        let pixels = (0..width * height).map(|at| color(at / width, at % width)).collect();
        Self { width, height, pixels }
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
    pub fn bytes(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// The picture as PNG.
    pub fn png(&self) -> Result<Vec<u8>> {
        let mut png = Vec::new();
        PngEncoder::new(&mut png)
            .write_image(
                self.bytes(),
                self.width as u32,
                self.height as u32,
                ExtendedColorType::Rgb8,
            )
            .map_err(|error| Error::encode("picture", error))?;
        Ok(png)
    }

    /// The colour at a pixel inside.
    pub fn get(&self, y: usize, x: usize) -> Rgb {
        self.pixels[y * self.width + x]
    }

    /// Lays `color` over a pixel.
    pub fn blend(&mut self, y: i64, x: i64, color: Rgb, opacity: f32) {
        let inside = (0..self.height as i64).contains(&y) && (0..self.width as i64).contains(&x);
        if inside {
            let pixel = &mut self.pixels[y as usize * self.width + x as usize];
            *pixel = mix(*pixel, color, opacity);
        }
    }

    /// Fills a rectangle.
    pub fn rectangle(&mut self, x: i64, y: i64, width: i64, height: i64, color: Rgb) {
        for row in y..y + height {
            for column in x..x + width {
                self.blend(row, column, color, 1.0);
            }
        }
    }

    /// Fills a disc with a soft edge.
    pub fn disc(&mut self, center_x: f32, center_y: f32, radius: f32, color: Rgb) {
        let reach = radius.ceil() as i64 + 1;
        let (middle_x, middle_y) = (center_x.round() as i64, center_y.round() as i64);
        for y in middle_y - reach..=middle_y + reach {
            for x in middle_x - reach..=middle_x + reach {
                let distance = (x as f32 - center_x).hypot(y as f32 - center_y);
                self.blend(y, x, color, (radius + 0.5 - distance).clamp(0.0, 1.0));
            }
        }
    }

    /// Copies `picture` with its top left corner at (x, y).
    pub fn paste(&mut self, x: usize, y: usize, picture: &Self) {
        for row in 0..picture.height {
            for column in 0..picture.width {
                let color = picture.get(row, column);
                self.blend((y + row) as i64, (x + column) as i64, color, 1.0);
            }
        }
    }
}

/// How a picture of the network's size is enlarged so that people can see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zoom(usize);

impl Zoom {
    /// The smallest whole factor that brings the longer side to about `side` pixels.
    pub fn to_side(width: usize, height: usize, side: usize) -> Self {
        Self(side.div_ceil(width.max(height)).max(1))
    }

    /// The factor.
    pub fn factor(self) -> usize {
        self.0
    }

    /// The photo enlarged: pixel by pixel up to 128 pixels a side, where pixels are the matter
    /// seen; smoothly (bilinear) beyond.
    pub fn photo(self, photo: &Photo) -> Canvas {
        let (width, height) = (photo.width() * self.0, photo.height() * self.0);
        if !self.is_smooth(photo.width(), photo.height()) {
            return Canvas::from_fn(width, height, |y, x| photo.pixel(y / self.0, x / self.0));
        }
        Canvas::from_fn(width, height, |y, x| bilinear(photo, self.source(y), self.source(x)))
    }

    /// Whether a picture of this size is enlarged smoothly.
    pub fn is_smooth(self, width: usize, height: usize) -> bool {
        width.max(height) > 128
    }

    /// Where the centre of an enlarged pixel lies among the centres of the small picture's.
    pub fn source(self, at: usize) -> f32 {
        (at as f32 + 0.5) / self.0 as f32 - 0.5
    }
}

fn bilinear(photo: &Photo, y: f32, x: f32) -> Rgb {
    let (y, x) =
        (y.clamp(0.0, (photo.height() - 1) as f32), x.clamp(0.0, (photo.width() - 1) as f32));
    let (top, left) = (y as usize, x as usize);
    let (bottom, right) = ((top + 1).min(photo.height() - 1), (left + 1).min(photo.width() - 1));
    let row = |row: usize| mix(photo.pixel(row, left), photo.pixel(row, right), x.fract());
    mix(row(top), row(bottom), y.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_grow_by_whole_pixels() {
        let photo = Photo::new(2, 1, vec![255, 0, 0, 0, 0, 255]).unwrap();
        let canvas = Zoom::to_side(2, 1, 6).photo(&photo);
        assert_eq!((canvas.width(), canvas.height()), (6, 3));
        assert_eq!(canvas.get(2, 2), [255, 0, 0]);
        assert_eq!(canvas.get(0, 3), [0, 0, 255]);
    }

    #[test]
    fn large_pictures_stay_as_they_are() {
        assert_eq!(Zoom::to_side(800, 600, 448).factor(), 1);
        let rgb: Vec<u8> = (0..3 * 200).map(|i| (i % 251) as u8).collect();
        let photo = Photo::new(200, 1, rgb.clone()).unwrap();
        assert_eq!(Zoom::to_side(200, 1, 200).photo(&photo).bytes(), rgb);
    }

    #[test]
    fn drawing_outside_is_clipped() {
        let mut canvas = Canvas::new(2, 2, [0; 3]);
        canvas.rectangle(-5, -5, 6, 6, [9; 3]);
        assert_eq!(canvas.bytes(), [9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
}
