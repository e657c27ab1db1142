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
        let within = |from: i64, length: i64, side: usize| {
            let clip = |at: i64| at.clamp(0, side as i64) as usize;
            clip(from)..clip(from + length).max(clip(from))
        };
        let columns = within(x, width, self.width);
        for row in within(y, height, self.height) {
            let start = row * self.width;
            self.pixels[start + columns.start..start + columns.end].fill(color);
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
        let n_columns = picture.width.min(self.width.saturating_sub(x));
        for row in 0..picture.height.min(self.height.saturating_sub(y)) {
            let (from, to) = (row * picture.width, (y + row) * self.width + x);
            let source = &picture.pixels[from..from + n_columns];
            self.pixels[to..to + n_columns].copy_from_slice(source);
        }
    }

    /// Every pixel changed alike.
    #[must_use]
    pub fn map(&self, color: impl Fn(Rgb) -> Rgb) -> Self {
        Self { pixels: self.pixels.iter().map(|&pixel| color(pixel)).collect(), ..*self }
    }

    /// The smallest picture by a whole factor whose longer side is not below `side`: each pixel the
    /// mean of those it stands for.
    #[must_use]
    pub fn shrunk(&self, side: usize) -> Self {
        let factor = (self.width.max(self.height) / side.max(1)).max(1);
        let factor = factor.min(self.width).min(self.height);
        let mean = |y: usize, x: usize| {
            let mut sum = [0u32; 3];
            for row in y * factor..(y + 1) * factor {
                for pixel in &self.pixels[row * self.width..][x * factor..(x + 1) * factor] {
                    sum.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += u32::from(*v));
                }
            }
            let area = (factor * factor) as u32;
            sum.map(|sum| ((sum + area / 2) / area) as u8)
        };
        Self::from_fn(self.width / factor, self.height / factor, mean)
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
        let columns = self.between(photo.width());
        let across = |y: usize| {
            columns.iter().map(move |&(left, right, share)| {
                mix(photo.pixel(y, left), photo.pixel(y, right), share)
            })
        };
        let wide: Vec<Rgb> = (0..photo.height()).flat_map(across).collect();
        let rows: Vec<&[Rgb]> = wide.chunks_exact(width).collect();
        let down = self.between(photo.height()).into_iter().flat_map(|(above, below, share)| {
            rows[above].iter().zip(rows[below]).map(move |(a, b)| mix(*a, *b, share))
        });
        Canvas { width, height, pixels: down.collect() }
    }

    /// Whether a picture of this size is enlarged smoothly.
    pub fn is_smooth(self, width: usize, height: usize) -> bool {
        width.max(height) > 128
    }

    /// For every enlarged pixel the two of `len` small ones between whose centres its own lies, and
    /// how far it is from the first to the second.
    pub(crate) fn between(self, len: usize) -> Vec<(usize, usize, f32)> {
        let last = len - 1;
        let place = |at: usize| {
            let source = ((at as f32 + 0.5) / self.0 as f32 - 0.5).clamp(0.0, last as f32);
            let first = source as usize;
            (first, (first + 1).min(last), source.fract())
        };
        (0..len * self.0).map(place).collect()
    }
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
    fn photos_grow_smoothly() {
        let rgb = (0..200).flat_map(|x| [x, 200 - x, 7]).collect();
        let canvas = Zoom::to_side(200, 1, 400).photo(&Photo::new(200, 1, rgb).unwrap());
        // Centres of enlarged pixels lie a quarter of a pixel beside those of the small ones.
        let around = [0, 1, 2, 3, 398, 399].map(|x| canvas.get(1, x));
        let rounded =
            [[0, 200, 7], [0, 200, 7], [1, 199, 7], [1, 199, 7], [199, 1, 7], [199, 1, 7]];
        assert_eq!(around, rounded);
    }

    #[test]
    fn drawing_outside_is_clipped() {
        let mut canvas = Canvas::new(2, 2, [0; 3]);
        canvas.rectangle(-5, -5, 6, 6, [9; 3]);
        canvas.rectangle(3, 0, 2, 2, [9; 3]);
        canvas.rectangle(1, 1, -1, 1, [9; 3]);
        assert_eq!(canvas.bytes(), [9, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        canvas.paste(1, 1, &Canvas::new(5, 5, [7; 3]));
        assert_eq!(canvas.bytes(), [9, 9, 9, 0, 0, 0, 0, 0, 0, 7, 7, 7]);
        canvas.paste(2, 2, &Canvas::new(5, 5, [5; 3]));
        assert_eq!(canvas.get(1, 1), [7; 3]);
    }

    #[test]
    fn thumbnails_are_means() {
        let canvas = Canvas::from_fn(5, 4, |y, x| [(10 * y + x) as u8, 0, 255]);
        let small = canvas.shrunk(2);
        assert_eq!((small.width(), small.height()), (2, 2));
        assert_eq!(small.get(0, 1), [8, 0, 255]); // (2 + 3 + 12 + 13) / 4 = 7.5
        assert_eq!(canvas.shrunk(5), canvas);
        assert_eq!(canvas.shrunk(100), canvas);
    }
}
