//! Colours: a heat ramp of even lightness steps, and set colours that everybody can tell apart.

use std::sync::LazyLock;

/// An sRGB colour.
pub type Rgb = [u8; 3];

/// Page background.
pub const PAPER: Rgb = [255, 255, 255];
/// Text.
pub const INK: Rgb = [32, 33, 36];
/// Text of less weight.
pub const SOFT_INK: Rgb = [105, 108, 115];
/// Lines between things.
pub const RULE: Rgb = [218, 220, 224];

/// What speaks for the class, or does more together: blue, which nobody takes for orange.
pub const FOR: Rgb = [0, 114, 178];
/// What speaks against it, or does less together.
pub const AGAINST: Rgb = [213, 94, 0];

/// The qualitative colours of Okabe and Ito (2008), safe for colour-blind readers, in an order in
/// which neighbours contrast most; black and grey are left out, for they vanish on photos.
const SET_COLORS: [Rgb; 7] = [
    [213, 94, 0],    // vermilion
    [86, 180, 233],  // sky blue
    [240, 228, 66],  // yellow
    [204, 121, 167], // reddish purple
    [0, 158, 115],   // bluish green
    [230, 159, 0],   // orange
    [0, 114, 178],   // blue
];

/// Colour of the set at `rank` (0 is the best). Colours repeat after seven; numbers never do.
pub fn set_color(rank: usize) -> Rgb {
    SET_COLORS[rank % SET_COLORS.len()]
}

/// Black or white, whichever can be read on `background`; its contrast is at least 4.5.
pub fn text_on(background: Rgb) -> Rgb {
    let (black, white) = ([0; 3], [255; 3]);
    if contrast(black, background) > contrast(white, background) { black } else { white }
}

/// Relative luminance in 0..=1 (WCAG 2).
fn luminance(rgb: Rgb) -> f32 {
    let [r, g, b] = rgb.map(to_linear);
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// Contrast of two colours in 1..=21 (WCAG 2): text needs 4.5, shapes need 3.
pub fn contrast(a: Rgb, b: Rgb) -> f32 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// `a` at 0, `b` at 1, mixed in sRGB.
pub fn mix(a: Rgb, b: Rgb, amount: f32) -> Rgb {
    let amount = amount.clamp(0.0, 1.0);
    std::array::from_fn(|c| {
        let (a, b) = (f32::from(a[c]), f32::from(b[c]));
        (a + amount * (b - a) + 0.5) as u8 // rounded
    })
}

/// The grey of the same luminance.
pub fn gray(rgb: Rgb) -> Rgb {
    [to_srgb(luminance(rgb)); 3]
}

/// Heat from 0 (dark violet) over red to 1 (pale yellow). Lightness rises by equal steps in Oklab
/// (Ottosson 2020), so that equal differences of the value look equal, in greyscale too.
pub fn heat(value: f32) -> Rgb {
    let t = value.clamp(0.0, 1.0);
    let lightness = 0.27 + 0.68 * t;
    let hue = (300.0 + 170.0 * t).to_radians();
    // Chroma swells in the middle and never leaves the gamut at the ends.
    let chroma = 0.09 + 0.13 * (std::f32::consts::PI * t.powf(0.8)).sin();
    let mut rgb = from_oklch(lightness, chroma, hue);
    let mut share = 1.0f32;
    while !in_gamut(rgb) && share > 0.0 {
        share -= 0.02;
        rgb = from_oklch(lightness, chroma * share, hue);
    }
    rgb.map(to_srgb)
}

fn in_gamut(linear: [f32; 3]) -> bool {
    linear.iter().all(|v| (-1e-4..=1.0001).contains(v))
}

/// Linear sRGB of an Oklab colour in polar form.
fn from_oklch(lightness: f32, chroma: f32, hue: f32) -> [f32; 3] {
    let (a, b) = (chroma * hue.cos(), chroma * hue.sin());
    let l = (lightness + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let m = (lightness - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let s = (lightness - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    [
        4.076_741_7 * l - 3.307_711_6 * m + 0.230_969_94 * s,
        -1.268_438 * l + 2.609_757_4 * m - 0.341_319_38 * s,
        -0.004_196_086 * l - 0.703_418_6 * m + 1.707_614_7 * s,
    ]
}

pub(super) fn to_linear(channel: u8) -> f32 {
    static TABLE: LazyLock<[f32; 256]> = LazyLock::new(|| {
        std::array::from_fn(|channel| {
            let v = channel as f32 / 255.0;
            if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        })
    });
    TABLE[usize::from(channel)]
}

fn to_srgb(linear: f32) -> u8 {
    let v = linear.clamp(0.0, 1.0);
    let v = if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 };
    (255.0 * v + 0.5) as u8 // rounded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heat_grows_lighter_all_the_way() {
        let shades: Vec<f32> = (0..=64).map(|i| luminance(heat(i as f32 / 64.0))).collect();
        assert!(shades.windows(2).all(|pair| pair[0] < pair[1]), "{shades:?}");
        assert!(shades[0] < 0.05 && shades[64] > 0.7, "{} {}", shades[0], shades[64]);
    }

    #[test]
    fn digits_on_badges_can_be_read() {
        for rank in 0..SET_COLORS.len() {
            let contrast = contrast(set_color(rank), text_on(set_color(rank)));
            assert!(contrast > 4.5, "rank {rank}: {contrast}");
        }
    }

    #[test]
    fn grey_keeps_luminance() {
        let color = [200, 30, 90];
        assert!((luminance(gray(color)) - luminance(color)).abs() < 0.01);
    }
}
