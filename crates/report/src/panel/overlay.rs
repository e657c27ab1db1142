//! The heat map over a greyed photo.

use hsets_core::{ChannelReduction, Photo, SaliencyMap};

use super::{pale, plane::Plane, zoom};
use crate::draw::{Canvas, Zoom, heat};

/// Below this share of pixels a map is thin, and its pixels are dilated to be seen.
const THIN: f32 = 0.25;

/// Heat on grey: the reduction `abs(sum over channels)` of the map, its 99.5th percentile the
/// hottest. Where the map is zero, the photo shows.
pub fn overlay(photo: &Photo, map: &SaliencyMap) -> Canvas {
    let zoom = zoom(photo);
    overlay_on(zoom.photo(photo).map(pale), zoom, map)
}

/// [`overlay`] on the enlarged, greyed photo.
pub(super) fn overlay_on(mut canvas: Canvas, zoom: Zoom, map: &SaliencyMap) -> Canvas {
    let plane = normalised(map).enlarged(zoom);
    for (at, &value) in plane.values.iter().enumerate().filter(|(_, value)| **value > 0.0) {
        let (y, x) = ((at / plane.width) as i64, (at % plane.width) as i64);
        canvas.blend(y, x, heat(value), heat_opacity(value));
    }
    canvas
}

/// How much of the photo heat covers.
pub(crate) fn heat_opacity(value: f32) -> f32 {
    (6.0 * value).min(1.0) * (0.65 + 0.30 * value)
}

/// One value in 0..=1 per pixel.
pub(crate) fn normalised(map: &SaliencyMap) -> Plane {
    let shape = map.shape();
    let pixels = map.per_pixel(ChannelReduction::AbsSum);
    let mut plane = Plane::new(shape.width, shape.height, pixels);
    let side = shape.width.max(shape.height);
    if plane.coverage() < THIN && side > 110 {
        plane = plane.dilated(side.div_ceil(220)).blurred(side as f32 / 400.0);
    } else if side > 110 {
        plane = plane.blurred(side as f32 / 250.0);
    }
    let top = plane.quantile_above_zero(0.995);
    if top > 0.0 {
        plane.values.iter_mut().for_each(|v| *v = (*v / top).min(1.0));
    }
    plane
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::Shape;

    #[test]
    fn one_lonely_pixel_is_seen() {
        let photo = Photo::new(224, 224, vec![128; 3 * 224 * 224]).unwrap();
        let shape = Shape::new(3, 224, 224);
        let mut map = SaliencyMap::zeros(shape);
        map.data_mut()[shape.index(1, 100, 50)] = 0.5;
        let canvas = overlay(&photo, &map);
        let colourful = canvas
            .bytes()
            .chunks(3)
            .filter(|p| p.iter().max().zip(p.iter().min()).is_some_and(|(a, b)| a - b > 60))
            .count();
        assert!((20..200).contains(&colourful), "{colourful}");
    }

    #[test]
    fn an_empty_map_is_the_grey_photo() {
        let photo = Photo::new(2, 2, vec![200; 12]).unwrap();
        let canvas = overlay(&photo, &SaliencyMap::zeros(Shape::new(3, 2, 2)));
        let [r, g, b] = canvas.get(0, 0);
        assert!(r == g && g == b);
    }
}
