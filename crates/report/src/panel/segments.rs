//! The boundaries of the segments on the photo.

use hsets_core::{Photo, SegmentMap};

use super::zoom;
use crate::draw::{Canvas, Rgb, Zoom};

/// Seen on light and dark photos.
const BOUNDARY: Rgb = [255, 221, 51];

/// The photo with a line, dark on its outer side, along every boundary between segments.
pub fn segments(photo: &Photo, segments: &SegmentMap) -> Canvas {
    let zoom = zoom(photo);
    segments_on(zoom.photo(photo), zoom, segments)
}

/// [`segments`] on the enlarged photo.
pub(super) fn segments_on(canvas: Canvas, zoom: Zoom, segments: &SegmentMap) -> Canvas {
    lines_on(canvas, zoom, segments, BOUNDARY)
}

/// Lines of one colour along the boundaries, on any enlarged picture.
pub(super) fn lines_on(
    mut canvas: Canvas,
    zoom: Zoom,
    segments: &SegmentMap,
    color: Rgb,
) -> Canvas {
    let (width, height) = (canvas.width(), canvas.height());
    let label = |y: usize, x: usize| {
        segments.label(y / zoom.factor() * segments.width() + x / zoom.factor())
    };
    for y in 0..height {
        for x in 0..width {
            let differs = |dy: usize, dx: usize| {
                y + dy < height && x + dx < width && label(y, x) != label(y + dy, x + dx)
            };
            if differs(1, 0) || differs(0, 1) || differs(1, 1) {
                canvas.blend(y as i64, x as i64, color, 1.0);
            } else if differs(2, 0) || differs(0, 2) {
                canvas.blend(y as i64, x as i64, [0; 3], 0.45);
            }
        }
    }
    canvas
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_lies_on_the_boundary() {
        let photo = Photo::new(4, 4, vec![0; 48]).unwrap();
        let labels: Vec<u32> = (0..16).map(|i| u32::from(i % 4 >= 2)).collect();
        let canvas = segments(&photo, &SegmentMap::new(4, 4, &labels).unwrap());
        let factor = canvas.width() / 4;
        assert_eq!(canvas.get(5, 2 * factor - 1), BOUNDARY);
        assert_eq!(canvas.get(5, factor), [0; 3]);
    }
}
