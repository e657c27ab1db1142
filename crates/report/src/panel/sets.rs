//! The sets on the photo: members dotted, clumps outlined, ranks as numbers.

use hsets_core::{FeatureSet, Photo};

use super::{plane::Plane, zoom};
use crate::{
    Result,
    draw::{Canvas, Font, Line, Rgb, Zoom, gray, mix, set_color, text_on},
};

/// The photo greyed, every set in its colour: its pixels tinted, a line around where they are
/// dense, its rank where they are densest. The best set is drawn last and lies on top.
pub fn sets(photo: &Photo, sets: &[&FeatureSet]) -> Result<Canvas> {
    let (zoom, font) = (zoom(photo), Font::embedded()?);
    let mut canvas = zoom.photo(photo);
    let grey = |y, x| mix(gray(canvas.get(y, x)), [255; 3], 0.25);
    canvas = Canvas::from_fn(canvas.width(), canvas.height(), grey);
    let masks: Vec<Plane> = sets.iter().map(|set| mask(photo, set)).collect();
    let densities: Vec<Plane> = masks.iter().map(density).collect();
    for (rank, mask) in masks.iter().enumerate().rev() {
        tint(&mut canvas, mask, zoom, set_color(rank));
    }
    for (rank, density) in densities.iter().enumerate().rev() {
        let clumps = if zoom.is_smooth(photo.width(), photo.height()) {
            clumps(density, zoom)
        } else {
            masks[rank].enlarged(zoom).values.iter().map(|v| *v > 0.0).collect()
        };
        outline(&mut canvas, &clumps, set_color(rank));
    }
    let mut taken = Vec::new();
    for (rank, density) in densities.iter().enumerate().filter(|(_, d)| d.max() > 0.0) {
        let at = badge_position(density, zoom, &taken);
        badge(&mut canvas, &font, at, rank);
        taken.push(at);
    }
    Ok(canvas)
}

/// The numbered disc by which figure and legend name a set.
pub(crate) fn badge(canvas: &mut Canvas, font: &Font, (x, y): (f32, f32), rank: usize) {
    let color = set_color(rank);
    canvas.disc(x, y, BADGE + 2.5, [255; 3]);
    canvas.disc(x, y, BADGE + 1.0, [0; 3]);
    canvas.disc(x, y, BADGE, color);
    let line = Line { x, y: y + 6.0, size: 18.0, color: text_on(color) };
    font.draw_centered(canvas, &(rank + 1).to_string(), line);
}

/// Radius of a badge in pixels of the figure.
pub(crate) const BADGE: f32 = 10.0;

fn mask(photo: &Photo, set: &FeatureSet) -> Plane {
    let n_pixels = photo.width() * photo.height();
    let pixels = set.iter().map(|feature| feature % n_pixels);
    Plane::mask(photo.width(), photo.height(), pixels)
}

/// How densely the members lie around each pixel.
fn density(mask: &Plane) -> Plane {
    mask.blurred((mask.width.max(mask.height) as f32 / 75.0).max(0.6))
}

fn tint(canvas: &mut Canvas, mask: &Plane, zoom: Zoom, color: Rgb) {
    let side = mask.width.max(mask.height);
    let seen = if side > 110 { mask.dilated(side / 220) } else { mask.clone() }.enlarged(zoom);
    for y in 0..canvas.height() {
        for x in 0..canvas.width() {
            canvas.blend(y as i64, x as i64, color, 0.8 * seen.at(y, x));
        }
    }
}

/// Where the set is dense in the enlarged picture: above a third of its largest density.
fn clumps(density: &Plane, zoom: Zoom) -> Vec<bool> {
    let level = density.max() / 3.0;
    let enlarged = density.enlarged(zoom);
    enlarged.values.iter().map(|v| *v > level && level > 0.0).collect()
}

/// A line in the set's colour, cased in black, around `region`.
fn outline(canvas: &mut Canvas, region: &[bool], color: Rgb) {
    let (width, height) = (canvas.width() as i64, canvas.height() as i64);
    let at =
        |y: i64, x: i64| region[(y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) as usize];
    for y in 0..height {
        for x in 0..width {
            let here = at(y, x);
            let differs = |reach: i64| {
                let steps = [(reach, 0), (-reach, 0), (0, reach), (0, -reach)];
                steps.iter().any(|(dy, dx)| at(y + dy, x + dx) != here)
            };
            match (here, differs(1), differs(2)) {
                (true, true, _) | (true, _, true) => canvas.blend(y, x, color, 1.0),
                (false, true, _) => canvas.blend(y, x, [0; 3], 0.8),
                _ => {}
            }
        }
    }
}

/// The densest place that keeps clear of the badges already set.
fn badge_position(density: &Plane, zoom: Zoom, taken: &[(f32, f32)]) -> (f32, f32) {
    let factor = zoom.factor() as f32;
    let edge = BADGE + 3.0;
    let limit = |v: f32, len: usize| v.clamp(edge, (len as f32 * factor - edge).max(edge));
    let mut best = (f32::NEG_INFINITY, (edge, edge));
    for (pixel, &value) in density.values.iter().enumerate() {
        let (y, x) = (pixel / density.width, pixel % density.width);
        let at = (
            limit((x as f32 + 0.5) * factor, density.width),
            limit((y as f32 + 0.5) * factor, density.height),
        );
        let clear = taken.iter().all(|t| (t.0 - at.0).hypot(t.1 - at.1) > 2.2 * BADGE);
        if clear && value > best.0 {
            best = (value, at);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_shows_its_colour() {
        let photo = Photo::new(32, 32, vec![90; 3 * 32 * 32]).unwrap();
        let square = |y0: usize, x0: usize| -> FeatureSet {
            (0..5).flat_map(|y| (0..5).map(move |x| (y0 + y) * 32 + x0 + x)).collect()
        };
        let (a, b) = (square(3, 3), square(20, 22));
        let canvas = sets(&photo, &[&a, &b]).unwrap();
        for rank in 0..2 {
            let same = canvas.bytes().chunks(3).filter(|p| **p == set_color(rank)).count();
            assert!(same > 100, "set {rank}: {same} pixels");
        }
    }

    #[test]
    fn badges_of_equal_sets_do_not_hide_each_other() {
        let density = Plane::mask(64, 64, [32 * 64 + 32]).blurred(3.0);
        let zoom = Zoom::to_side(64, 64, 448);
        let first = badge_position(&density, zoom, &[]);
        let second = badge_position(&density, zoom, &[first]);
        assert!((first.0 - second.0).hypot(first.1 - second.1) > 2.0 * BADGE);
    }
}
