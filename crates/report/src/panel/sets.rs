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
    sets_on(zoom(photo).photo(photo).map(pale), photo, sets)
}

/// [`sets`] on the enlarged, greyed photo.
pub(super) fn sets_on(mut canvas: Canvas, photo: &Photo, sets: &[&FeatureSet]) -> Result<Canvas> {
    let (zoom, font) = (zoom(photo), Font::embedded()?);
    let layouts = layout(photo, sets);
    for (rank, layout) in layouts.iter().enumerate().rev() {
        tint_of(&mut canvas, layout, zoom, set_color(rank));
    }
    for (rank, layout) in layouts.iter().enumerate().rev() {
        outline_of(&mut canvas, layout, zoom, set_color(rank));
    }
    for (rank, layout) in layouts.iter().enumerate().filter(|(_, l)| l.density.max() > 0.0) {
        leader(&mut canvas, layout.anchor, layout.badge, set_color(rank));
        badge(&mut canvas, &font, layout.badge, rank, set_color(rank));
    }
    Ok(canvas)
}

/// Tints the pixels of a set.
pub(super) fn tint_of(canvas: &mut Canvas, layout: &Layout, zoom: Zoom, color: Rgb) {
    tint(canvas, &layout.mask, zoom, color);
}

/// A line around where a set is dense; around its pixels where the picture is small.
pub(super) fn outline_of(canvas: &mut Canvas, layout: &Layout, zoom: Zoom, color: Rgb) {
    let Layout { mask, density, .. } = layout;
    let region = if zoom.is_smooth(mask.width, mask.height) {
        clumps(density, zoom)
    } else {
        mask.enlarged(zoom).values.iter().map(|v| *v > 0.0).collect()
    };
    outline(canvas, &region, color);
}

/// Where a set lies, and where its number goes.
pub(crate) struct Layout {
    /// 1 at its pixels.
    pub(crate) mask: Plane,
    /// How densely its pixels lie.
    pub(crate) density: Plane,
    /// Where it is densest, in pixels of the enlarged picture.
    pub(crate) anchor: (f32, f32),
    /// The middle of its badge, in pixels of the enlarged picture.
    pub(crate) badge: (f32, f32),
}

/// Lays out the sets of a photo, the best first.
pub(crate) fn layout(photo: &Photo, sets: &[&FeatureSet]) -> Vec<Layout> {
    let zoom = zoom(photo);
    let masks: Vec<Plane> = sets.iter().map(|set| mask(photo, set)).collect();
    let mut badges = Vec::new();
    let mut layouts = Vec::with_capacity(masks.len());
    for mask in &masks {
        let density = density(mask);
        let anchor = densest(&density, zoom);
        let badge = badge_place(anchor, &masks, zoom, &badges);
        if density.max() > 0.0 {
            badges.push(badge);
        }
        layouts.push(Layout { mask: mask.clone(), density, anchor, badge });
    }
    layouts
}

/// A colour of the photo as it is seen below marks: grey and light.
pub(crate) fn pale(color: Rgb) -> Rgb {
    mix(gray(color), [255; 3], 0.25)
}

/// Sets are dense where their density is above this share of its largest value.
pub(crate) const DENSE: f32 = 1.0 / 3.0;

/// The numbered disc by which figure and legend name a set.
pub(crate) fn badge(canvas: &mut Canvas, font: &Font, (x, y): (f32, f32), rank: usize, color: Rgb) {
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
    for (at, &share) in seen.values.iter().enumerate().filter(|(_, share)| **share > 0.0) {
        canvas.blend((at / seen.width) as i64, (at % seen.width) as i64, color, 0.8 * share);
    }
}

/// Where the set is dense in the enlarged picture: above [`DENSE`] of its largest density.
fn clumps(density: &Plane, zoom: Zoom) -> Vec<bool> {
    let level = DENSE * density.max();
    let enlarged = density.enlarged(zoom);
    enlarged.values.iter().map(|v| *v > level && level > 0.0).collect()
}

/// A line in the set's colour, cased in black, around `region`.
fn outline(canvas: &mut Canvas, region: &[bool], color: Rgb) {
    let (width, height) = (canvas.width(), canvas.height());
    for y in 0..height {
        for x in 0..width {
            let here = region[y * width + x];
            let differs = |reach: usize| {
                let rows = [y.saturating_sub(reach), (y + reach).min(height - 1)];
                let columns = [x.saturating_sub(reach), (x + reach).min(width - 1)];
                rows.iter().any(|row| region[row * width + x] != here)
                    || columns.iter().any(|column| region[y * width + column] != here)
            };
            if here && (differs(1) || differs(2)) {
                canvas.blend(y as i64, x as i64, color, 1.0);
            } else if !here && differs(1) {
                canvas.blend(y as i64, x as i64, [0; 3], 0.8);
            }
        }
    }
}

/// Where the set is densest, in pixels of the enlarged picture.
fn densest(density: &Plane, zoom: Zoom) -> (f32, f32) {
    let better = |best: usize, pixel: usize| {
        if density.values[pixel] > density.values[best] { pixel } else { best }
    };
    let pixel = (1..density.values.len()).fold(0, better);
    let center = |at: usize| (at as f32 + 0.5) * zoom.factor() as f32;
    (center(pixel % density.width), center(pixel / density.width))
}

/// Where the badge of the set at `anchor` hides little: on it where it is large, beside it where
/// it is small, and clear of the badges already set.
fn badge_place(
    anchor: (f32, f32),
    masks: &[Plane],
    zoom: Zoom,
    badges: &[(f32, f32)],
) -> (f32, f32) {
    let size = (masks[0].width * zoom.factor(), masks[0].height * zoom.factor());
    let areas: Vec<f32> = masks.iter().map(|mask| mask.values.iter().sum::<f32>()).collect();
    let cost = |place: (f32, f32), distance: f32| {
        let near =
            |other: &&(f32, f32)| (other.0 - place.0).hypot(other.1 - place.1) < 2.0 * BADGE + 6.0;
        let crowd = badges.iter().filter(near).count() as f32;
        let hidden: f32 = masks
            .iter()
            .zip(&areas)
            .filter(|(_, area)| **area > 0.0)
            .map(|(mask, area)| hidden_by_badge(mask, place, zoom) / area)
            .sum();
        hidden + 0.002 * distance + 4.0 * crowd
    };
    let clamp = |v: f32, side: usize| v.clamp(BADGE + 3.0, (side as f32 - BADGE - 3.0).max(0.0));
    let mut best = (f32::INFINITY, anchor);
    for step in 0..=10 {
        let distance = 8.0 * step as f32;
        for direction in 0..16 {
            let angle = std::f32::consts::TAU * direction as f32 / 16.0;
            let x = clamp(anchor.0 + distance * angle.cos(), size.0);
            let y = clamp(anchor.1 + distance * angle.sin(), size.1);
            let cost = cost((x, y), distance);
            if cost < best.0 {
                best = (cost, (x, y));
            }
        }
    }
    best.1
}

/// How many pixels of the mask lie under a badge.
fn hidden_by_badge(mask: &Plane, (x, y): (f32, f32), zoom: Zoom) -> f32 {
    let reach = BADGE + 3.0;
    let factor = zoom.factor() as f32;
    let range = |center: f32, len: usize| {
        let low = ((center - reach) / factor).floor().max(0.0) as usize;
        low..(((center + reach) / factor).ceil().max(0.0) as usize).min(len)
    };
    let columns = range(x, mask.width);
    let rows = range(y, mask.height);
    let under = rows.flat_map(|row| columns.clone().map(move |column| (row, column)));
    let inside = |(row, column): &(usize, usize)| {
        let (dx, dy) = ((*column as f32 + 0.5) * factor - x, (*row as f32 + 0.5) * factor - y);
        mask.at(*row, *column) > 0.0 && dx.hypot(dy) < reach
    };
    under.filter(inside).map(|(row, column)| mask.at(row, column)).sum()
}

/// A line from a badge to its set.
fn leader(canvas: &mut Canvas, from: (f32, f32), to: (f32, f32), color: Rgb) {
    let length = (to.0 - from.0).hypot(to.1 - from.1);
    if length < BADGE + 3.0 {
        return;
    }
    for (radius, color) in [(2.0, [0; 3]), (1.0, color)] {
        for step in 0..=(2.0 * length) as usize {
            let t = step as f32 / (2.0 * length);
            let (x, y) = (from.0 + t * (to.0 - from.0), from.1 + t * (to.1 - from.1));
            canvas.disc(x, y, radius, color);
        }
    }
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
    fn badges_hide_neither_each_other_nor_a_small_set() {
        let small = Plane::mask(224, 224, [100 * 224 + 100, 100 * 224 + 101]);
        let zoom = Zoom::to_side(224, 224, 448);
        let anchor = densest(&small, zoom);
        let masks = [small.clone(), small];
        let first = badge_place(anchor, &masks, zoom, &[]);
        assert!(hidden_by_badge(&masks[0], first, zoom) < 0.5, "{first:?}");
        let second = badge_place(anchor, &masks, zoom, &[first]);
        assert!((first.0 - second.0).hypot(first.1 - second.1) > 2.0 * BADGE);
    }
}
