//! Fewer, larger segments.

use hsets_core::{Error, Result, SegmentMap};

/// Merges segments until at most `n` are left: again and again the smallest joins the neighbour with
/// which it shares the longest border, the lower label among equals.
pub fn merged(segments: &SegmentMap, n: usize) -> Result<SegmentMap> {
    if n == 0 {
        return Err(Error::config("players", 0, "at least 1 segment"));
    }
    let (width, height) = (segments.width(), segments.height());
    let mut labels = segments.labels().to_vec();
    let mut areas = segments.areas();
    // Edges of pixels that two segments share, both ways.
    let mut borders = vec![vec![0usize; areas.len()]; areas.len()];
    for pixel in 0..labels.len() {
        let right = (pixel % width + 1 < width).then_some(pixel + 1);
        let below = (pixel + width < width * height).then_some(pixel + width);
        for other in right.into_iter().chain(below) {
            let (a, b) = (labels[pixel] as usize, labels[other] as usize);
            if a != b {
                borders[a][b] += 1;
                borders[b][a] += 1;
            }
        }
    }
    let mut left: Vec<usize> = (0..areas.len()).collect();
    while left.len() > n {
        let smallest = *left.iter().min_by_key(|&&label| (areas[label], label)).unwrap_or(&0);
        left.retain(|&label| label != smallest);
        let border = |&&label: &&usize| (borders[smallest][label], std::cmp::Reverse(label));
        let into = *left.iter().max_by_key(border).unwrap_or(&0);
        areas[into] += areas[smallest];
        for &other in &left {
            let shared = borders[smallest][other];
            if other != into {
                borders[into][other] += shared;
                borders[other][into] += shared;
            }
        }
        labels.iter_mut().filter(|label| **label as usize == smallest).for_each(|label| {
            *label = into as u32;
        });
    }
    SegmentMap::new(width, height, &labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_joins_the_neighbour_with_the_longest_border() {
        // 1 is smallest; it touches 0 along one edge, 2 along three.
        let labels = [0, 0, 0, 0, 2, 1, 2, 2, 2, 2, 2, 2];
        let map = SegmentMap::new(4, 3, &labels).unwrap();
        let merged = merged(&map, 2).unwrap();
        assert_eq!(merged.labels(), [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn as_many_are_left_as_were_asked_for() {
        let labels: Vec<u32> = (0..400).map(|i| (i / 20 / 3 * 7 + i % 20 / 3) as u32).collect();
        let map = SegmentMap::new(20, 20, &labels).unwrap();
        for n in [1, 2, 12, 30] {
            assert_eq!(merged(&map, n).unwrap().n_segments(), n.min(map.n_segments()));
        }
        assert_eq!(merged(&map, 1000).unwrap(), map);
        assert!(merged(&map, 0).is_err());
    }
}
