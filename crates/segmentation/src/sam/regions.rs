//! Small holes and islands of masks.

use super::Mask;

/// The mask with its holes filled and its islands removed that have fewer than `area` pixels, parts
/// that touch at a corner being one; `None` if nothing changes.
///
/// If every island is small, the largest (the first of equals) remains.
pub(super) fn without_small_regions(mask: &Mask, area: usize) -> Option<Mask> {
    let (width, height) = (mask.width(), mask.height());
    let mut pixels = mask.pixels();
    let holes = regions(&pixels, width, false);
    let filled = holes.sizes.iter().any(|&size| size < area);
    for (pixel, label) in pixels.iter_mut().zip(&holes.labels) {
        *pixel |= label.is_some_and(|label| holes.sizes[label] < area);
    }
    let islands = regions(&pixels, width, true);
    let removed = islands.sizes.iter().any(|&size| size < area);
    if !filled && !removed {
        return None;
    }
    if removed {
        let top = islands.sizes.iter().max().copied().unwrap_or(0);
        let largest = islands.sizes.iter().position(|&size| size == top);
        let kept = |label: usize| {
            if top >= area { islands.sizes[label] >= area } else { Some(label) == largest }
        };
        for (pixel, label) in pixels.iter_mut().zip(&islands.labels) {
            *pixel = label.is_some_and(kept);
        }
    }
    Some(Mask::from_fn(width, height, |i| pixels[i]))
}

/// Connected regions, numbered in raster order of their first pixel.
struct Regions {
    /// Region of each pixel, `None` outside.
    labels: Vec<Option<usize>>,
    sizes: Vec<usize>,
}

/// The 8-connected regions of the pixels equal to `value`.
fn regions(pixels: &[bool], width: usize, value: bool) -> Regions {
    let height = pixels.len() / width;
    let mut regions = Regions { labels: vec![None; pixels.len()], sizes: Vec::new() };
    let mut open = Vec::new();
    for start in 0..pixels.len() {
        if pixels[start] != value || regions.labels[start].is_some() {
            continue;
        }
        let label = regions.sizes.len();
        let mut size = 0;
        regions.labels[start] = Some(label);
        open.push(start);
        while let Some(pixel) = open.pop() {
            size += 1;
            let (y, x) = (pixel / width, pixel % width);
            for y in y.saturating_sub(1)..height.min(y + 2) {
                for x in x.saturating_sub(1)..width.min(x + 2) {
                    let neighbour = y * width + x;
                    if pixels[neighbour] == value && regions.labels[neighbour].is_none() {
                        regions.labels[neighbour] = Some(label);
                        open.push(neighbour);
                    }
                }
            }
        }
        regions.sizes.push(size);
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(rows: &[&str]) -> Mask {
        let text: Vec<u8> = rows.concat().into_bytes();
        Mask::from_fn(rows[0].len(), rows.len(), |i| text[i] == b'#')
    }

    #[test]
    fn holes_are_filled_and_islands_removed() {
        let before = mask(&["####...#", "#.##....", "####..#.", "####...."]);
        let after = mask(&["####....", "####....", "####....", "####...."]);
        assert_eq!(without_small_regions(&before, 2), Some(after.clone()));
        assert_eq!(without_small_regions(&after, 2), None);
    }

    #[test]
    fn regions_touch_at_corners_and_the_largest_stays() {
        let before = mask(&["#.....", ".#....", "....##", "......"]);
        assert_eq!(without_small_regions(&before, 2), None);
        let after = mask(&["#.....", ".#....", "......", "......"]);
        assert_eq!(without_small_regions(&before, 3), Some(after));
    }
}
