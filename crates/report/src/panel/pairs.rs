//! Pairs of regions on the photo, joined; and segments by what they are worth.

use hsets_core::{FeatureSet, Mask, Photo, SegmentMap};

use super::{
    BADGE, Layout,
    plane::Plane,
    sets::{badge, layout, outline_of, tint_of},
    zoom,
};
use crate::{
    Result,
    draw::{AGAINST, Canvas, FOR, Font, Line, set_color},
};

/// Where a pair lies, and where its number goes.
pub(crate) struct Link {
    /// Of its regions.
    pub(crate) layouts: [Layout; 2],
    /// The middle of its badge, on the line between the regions, in pixels of the enlarged picture.
    pub(crate) badge: (f32, f32),
}

/// Lays out the pairs of a photo, the strongest first.
pub(crate) fn link(photo: &Photo, pairs: &[[&Mask; 2]]) -> Vec<Link> {
    let mut badges: Vec<(f32, f32)> = Vec::new();
    let mut links = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let features: [FeatureSet; 2] = pair.map(|region| region.pixels().collect());
        let layouts = features.each_ref().map(|set| layout(photo, &[set]).remove(0));
        let [(x, y), (to_x, to_y)] = layouts.each_ref().map(|layout| layout.anchor);
        let on_line = |share: f32| (x + share * (to_x - x), y + share * (to_y - y));
        let is_free = |place: &(f32, f32)| {
            badges
                .iter()
                .all(|other| (other.0 - place.0).hypot(other.1 - place.1) > 2.0 * BADGE + 6.0)
        };
        let places = [0.5, 0.4, 0.6, 0.3, 0.7].map(on_line);
        let badge = places.into_iter().find(is_free).unwrap_or(places[0]);
        badges.push(badge);
        links.push(Link { layouts, badge });
    }
    links
}

/// The pairs on the enlarged, greyed photo: regions tinted and outlined, joined by a line with the
/// rank on it. Lines of pairs that are not claimed are dashed.
pub(super) fn pairs_on(
    mut canvas: Canvas,
    photo: &Photo,
    pairs: &[([&Mask; 2], bool)],
) -> Result<Canvas> {
    let (zoom, font) = (zoom(photo), Font::embedded()?);
    let regions: Vec<[&Mask; 2]> = pairs.iter().map(|(regions, _)| *regions).collect();
    let links = link(photo, &regions);
    for (rank, (link, (_, claim))) in links.iter().zip(pairs).enumerate().rev() {
        let color = set_color(rank);
        for layout in &link.layouts {
            tint_of(&mut canvas, layout, zoom, color);
            outline_of(&mut canvas, layout, zoom, color);
        }
        let ends = link.layouts.each_ref().map(|layout| [layout.anchor.0, layout.anchor.1]);
        let dashes: &[f32] = if *claim { &[] } else { &[9.0, 7.0] };
        canvas.polyline(&ends, 6.0, dashes, [0; 3]);
        canvas.polyline(&ends, 3.0, dashes, color);
    }
    for (rank, link) in links.iter().enumerate() {
        badge(&mut canvas, &font, link.badge, rank, set_color(rank));
        for (layout, name) in link.layouts.iter().zip(["a", "b"]) {
            letter(&mut canvas, &font, layout.anchor, name);
        }
    }
    Ok(canvas)
}

fn letter(canvas: &mut Canvas, font: &Font, (x, y): (f32, f32), name: &str) {
    let line = Line { x, y: y + 7.0, size: 22.0, color: [255; 3] };
    for (dx, dy) in [(-1.5, 0.0), (1.5, 0.0), (0.0, -1.5), (0.0, 1.5)] {
        font.draw_centered(canvas, name, Line { x: x + dx, y: line.y + dy, color: [0; 3], ..line });
    }
    font.draw_centered(canvas, name, line);
}

/// Segments on the enlarged, greyed photo: blue where they speak for the class, orange where against
/// it, the more the deeper.
pub(super) fn ranking_on(
    mut canvas: Canvas,
    photo: &Photo,
    segments: &SegmentMap,
    values: &[f64],
) -> Result<Canvas> {
    let most = values.iter().fold(f64::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let zoom = zoom(photo);
    let label = |pixel: usize| segments.label(pixel) as usize;
    let signed = (0..segments.labels().len()).map(|pixel| (values[label(pixel)] / most) as f32);
    let plane = Plane::new(segments.width(), segments.height(), signed.collect());
    let factor = zoom.factor();
    for y in 0..canvas.height() {
        for x in 0..canvas.width() {
            let value = plane.at(y / factor, x / factor);
            let color = if value < 0.0 { AGAINST } else { FOR };
            canvas.blend(y as i64, x as i64, color, 0.8 * value.abs());
        }
    }
    let mut canvas = super::segments::lines_on(canvas, zoom, segments, [255; 3]);
    let best: Vec<usize> = by_worth(values).into_iter().take(RANKED).collect();
    let features = best.iter().map(|&segment| Mask::of_segments(segments, &[segment as u32]));
    let features: Vec<FeatureSet> = features.map(|mask| mask.pixels().collect()).collect();
    let layouts = layout(photo, &features.iter().collect::<Vec<_>>());
    let font = Font::embedded()?;
    for (rank, (layout, &segment)) in layouts.iter().zip(&best).enumerate() {
        let color = if values[segment] < 0.0 { AGAINST } else { FOR };
        badge(&mut canvas, &font, layout.anchor, rank, color);
    }
    Ok(canvas)
}

/// Segments that have a number in the picture and a bar below it.
pub(crate) const RANKED: usize = 5;

/// Segments by |value|, the largest first.
pub(crate) fn by_worth(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()).then(a.cmp(&b)));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_joined_and_its_number_lies_between() {
        let photo = Photo::new(64, 64, vec![90; 3 * 64 * 64]).unwrap();
        let square = |y0: usize, x0: usize| {
            let pixels = (0..6).flat_map(|y| (0..6).map(move |x| (y0 + y) * 64 + x0 + x));
            Mask::of_pixels(64, 64, pixels).unwrap()
        };
        let (a, b) = (square(5, 5), square(50, 50));
        let links = link(&photo, &[[&a, &b], [&a, &b]]);
        let factor = zoom(&photo).factor() as f32;
        let middle = 30.5 * factor;
        assert!((links[0].badge.0 - middle).abs() < 4.0 * factor, "{:?}", links[0].badge);
        assert_ne!(links[0].badge, links[1].badge);
        let canvas = pairs_on(zoom(&photo).photo(&photo), &photo, &[([&a, &b], true)]).unwrap();
        let same = canvas.bytes().chunks(3).filter(|p| **p == set_color(0)).count();
        assert!(same > 300, "{same}");
    }

    #[test]
    fn segments_for_and_against_differ() {
        let photo = Photo::new(8, 8, vec![128; 192]).unwrap();
        let labels: Vec<u32> = (0..64).map(|i| u32::from(i % 8 > 3)).collect();
        let segments = SegmentMap::new(8, 8, &labels).unwrap();
        let canvas =
            ranking_on(zoom(&photo).photo(&photo), &photo, &segments, &[2.0, -2.0]).unwrap();
        let (left, right) = (canvas.get(100, 40), canvas.get(100, canvas.width() - 40));
        assert!(left[2] > left[0] && right[0] > right[2], "{left:?} {right:?}");
    }
}
