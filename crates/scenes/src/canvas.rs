//! Painting: textured backgrounds and antialiased, shaded stamps.

use crate::dice::Dice;
use crate::outline::{Outline, Point};

/// RGB in 0..=1, as displayed.
pub(crate) type Colour = [f32; 3];

/// Hue in degrees, saturation and lightness in 0..=1.
pub(crate) fn hsl(hue: f32, saturation: f32, lightness: f32) -> Colour {
    let chroma = saturation * lightness.min(1.0 - lightness);
    [0.0f32, 8.0, 4.0].map(|shift| {
        let k = (shift + hue / 30.0) % 12.0;
        lightness - chroma * (k - 3.0).min(9.0 - k).clamp(-1.0, 1.0)
    })
}

/// What lies behind everything. Lengths are fractions of the picture's side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Background {
    weave: Weave,
    dark: Colour,
    light: Colour,
    /// Direction of threads and grain.
    axis: Point,
    noise_seed: u32,
}

#[derive(Debug, Clone, Copy)]
enum Weave {
    Cloud,
    Linen,
    Wood,
}

impl Background {
    /// Muted greens, greys and purples: nothing near the colours of the parts.
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        let hue = dice.pick(&[80.0, 110.0, 140.0, 280.0, 310.0, 330.0]) + dice.between(-12.0, 12.0);
        let (saturation, lightness) = (dice.between(0.04, 0.20), dice.between(0.50, 0.76));
        let contrast = dice.between(0.06, 0.11);
        let angle = dice.between(0.0, std::f32::consts::PI);
        Self {
            weave: dice.pick(&[Weave::Cloud, Weave::Linen, Weave::Wood]),
            dark: hsl(hue, saturation * 1.2, lightness - contrast),
            light: hsl(hue + 15.0, saturation, lightness + contrast),
            axis: [libm::cosf(angle), libm::sinf(angle)],
            noise_seed: dice.bits(),
        }
    }

    fn colour(&self, p: Point) -> Colour {
        let cloud = clouds(p, self.noise_seed);
        let across = p[0] * self.axis[0] + p[1] * self.axis[1];
        let along = p[1] * self.axis[0] - p[0] * self.axis[1];
        let tone = match self.weave {
            Weave::Cloud => cloud,
            Weave::Linen => {
                let threads = libm::sinf(150.0 * across) + libm::sinf(150.0 * along);
                0.7 * cloud + 0.15 + 0.09 * threads
            }
            Weave::Wood => 0.5 + 0.4 * libm::sinf(28.0 * across + 2.5 * along + 9.0 * cloud),
        };
        mix(self.dark, self.light, tone.clamp(0.0, 1.0))
    }
}

/// Three octaves of value noise in about 0..=1.
fn clouds(p: Point, seed: u32) -> f32 {
    let octave = |(scale, weight, salt): (f32, f32, u32)| {
        weight * value_noise([p[0] * scale, p[1] * scale], seed ^ salt)
    };
    [(3.0, 0.55, 0x51), (7.0, 0.28, 0xA7), (17.0, 0.17, 0x3D)].into_iter().map(octave).sum()
}

/// Random values on the integer lattice, smoothly interpolated.
fn value_noise(p: Point, seed: u32) -> f32 {
    let cell = [p[0].floor(), p[1].floor()];
    let ease = |t: f32| t * t * (3.0 - 2.0 * t);
    let (u, v) = (ease(p[0] - cell[0]), ease(p[1] - cell[1]));
    let corner = |dx: i32, dy: i32| hash_unit(cell[0] as i32 + dx, cell[1] as i32 + dy, seed);
    let top = corner(0, 0) + u * (corner(1, 0) - corner(0, 0));
    let bottom = corner(0, 1) + u * (corner(1, 1) - corner(0, 1));
    top + v * (bottom - top)
}

/// A hash of a lattice point, as a number in 0..1 (murmur3's finaliser).
fn hash_unit(x: i32, y: i32, seed: u32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9E37_79B1) ^ (y as u32).wrapping_mul(0x85EB_CA77) ^ seed;
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    ((h ^ (h >> 16)) >> 8) as f32 / (1 << 24) as f32
}

fn mix(a: Colour, b: Colour, t: f32) -> Colour {
    std::array::from_fn(|c| a[c] + t * (b[c] - a[c]))
}

/// One thing at its place. Lengths are fractions of the picture's side.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) outline: Outline,
    pub(crate) colour: Colour,
    pub(crate) centre: Point,
    /// Scale: the outline's unit.
    pub(crate) radius: f32,
    /// (cos, sin) of the rotation.
    pub(crate) turn: Point,
}

/// Where the light comes from, and how far shadows fall.
const LIGHT: Point = [-0.5, -0.866];
const SHADOW: Point = [0.010, 0.018];

impl Stamp {
    /// Into the outline's own coordinates.
    fn local(&self, p: Point) -> Point {
        let [dx, dy] =
            [(p[0] - self.centre[0]) / self.radius, (p[1] - self.centre[1]) / self.radius];
        [dx * self.turn[0] + dy * self.turn[1], dy * self.turn[0] - dx * self.turn[1]]
    }

    /// Signed distance of `p` from the stamp, in fractions of the side.
    fn distance(&self, p: Point) -> f32 {
        self.radius * self.outline.distance(self.local(p))
    }

    /// Colour at `p`, which lies `depth` inside: surface, bevel by the light, dark rim.
    fn colour_at(&self, p: Point, depth: f32, pixel: f32) -> Colour {
        let slope = [
            self.distance([p[0] + pixel, p[1]]) - self.distance([p[0] - pixel, p[1]]),
            self.distance([p[0], p[1] + pixel]) - self.distance([p[0], p[1] - pixel]),
        ];
        let facing = (slope[0] * LIGHT[0] + slope[1] * LIGHT[1]) / (2.0 * pixel);
        let bevel = (1.0 - depth / (0.30 * self.radius)).clamp(0.0, 1.0);
        let rim = (1.0 - depth / (0.09 * self.radius).max(0.7 * pixel)).clamp(0.0, 1.0);
        let light = self.outline.surface(self.local(p)) * (1.0 + 0.28 * bevel * facing);
        self.colour.map(|c| (c * light * (1.0 - 0.5 * rim)).min(1.0))
    }
}

/// A square picture being painted.
pub(crate) struct Canvas {
    size: usize,
    pixels: Vec<Colour>,
}

impl Canvas {
    /// Paints the background.
    pub(crate) fn new(size: usize, background: &Background) -> Self {
        let colour = |pixel| background.colour(centre_of(pixel, size));
        Self { size, pixels: (0..size * size).map(colour).collect() }
    }

    /// Darkens where the stamp's soft shadow falls.
    pub(crate) fn shade(&mut self, stamp: &Stamp) {
        let softness = 0.016;
        self.over(stamp, |below, p, _| {
            let d = stamp.distance([p[0] - SHADOW[0], p[1] - SHADOW[1]]);
            let strength = 0.38 * (0.5 - d / (2.0 * softness)).clamp(0.0, 1.0);
            below.map(|c| c * (1.0 - strength))
        });
    }

    /// Paints the stamp, its edge antialiased, and returns the pixels it covers at least half.
    pub(crate) fn paint(&mut self, stamp: &Stamp) -> Vec<usize> {
        let mut covered = Vec::new();
        let pixel = 1.0 / self.size as f32;
        self.over(stamp, |below, p, at| {
            let distance = stamp.distance(p);
            let coverage = (0.5 - distance / pixel).clamp(0.0, 1.0);
            if coverage == 0.0 {
                return below;
            }
            if coverage >= 0.5 {
                covered.push(at);
            }
            mix(below, stamp.colour_at(p, -distance, pixel), coverage)
        });
        covered
    }

    /// Replaces the pixels around the stamp by `f(colour, centre of the pixel, pixel)`.
    fn over(&mut self, stamp: &Stamp, mut f: impl FnMut(Colour, Point, usize) -> Colour) {
        let reach = 1.5 * stamp.radius + 0.04;
        let range = |middle: f32| {
            let edge = |v: f32| (v * self.size as f32).clamp(0.0, self.size as f32) as usize;
            edge(middle - reach)..(edge(middle + reach) + 1).min(self.size)
        };
        let (rows, columns) = (range(stamp.centre[1]), range(stamp.centre[0]));
        for y in rows {
            for x in columns.clone() {
                let at = y * self.size + x;
                self.pixels[at] = f(self.pixels[at], centre_of(at, self.size), at);
            }
        }
    }

    /// 8-bit RGB with a little grain.
    pub(crate) fn into_rgb(self, grain_seed: u32) -> Vec<u8> {
        let size = self.size;
        let bytes = |(at, colour): (usize, &Colour)| {
            let grain = 5.0 * (hash_unit((at % size) as i32, (at / size) as i32, grain_seed) - 0.5);
            colour.map(|c| (c * 255.0 + grain + 0.5).clamp(0.0, 255.0) as u8)
        };
        self.pixels.iter().enumerate().flat_map(bytes).collect()
    }
}

fn centre_of(pixel: usize, size: usize) -> Point {
    [(pixel % size) as f32 + 0.5, (pixel / size) as f32 + 0.5].map(|v| v / size as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hsl_corners() {
        let is = |colour: Colour, expected: Colour| {
            colour.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6)
        };
        assert!(is(hsl(0.0, 1.0, 0.5), [1.0, 0.0, 0.0]));
        assert!(is(hsl(120.0, 1.0, 0.5), [0.0, 1.0, 0.0]));
        assert!(is(hsl(200.0, 0.0, 0.25), [0.25; 3]));
    }

    #[test]
    fn a_disc_covers_its_area() {
        let background = Background::roll(&mut Dice::new(0, 0, 0));
        let mut canvas = Canvas::new(100, &background);
        let stamp = Stamp {
            outline: Outline::Disc,
            colour: [1.0, 0.5, 0.0],
            centre: [0.5, 0.5],
            radius: 0.2,
            turn: [1.0, 0.0],
        };
        let area = std::f32::consts::PI * 19.0 * 19.0;
        let covered = canvas.paint(&stamp).len() as f32;
        assert!((covered - area).abs() < 0.02 * area, "{covered} of {area}");
    }
}
