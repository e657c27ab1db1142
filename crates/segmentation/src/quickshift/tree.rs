//! From densities to trees.

use rayon::prelude::*;

use super::color::Planes;

/// Pixels to which links are sought.
pub(super) struct Points<'a> {
    pub(super) planes: &'a Planes,
    pub(super) density: &'a [f64],
    pub(super) width: usize,
}

/// A place in the window, relative to its centre.
struct Offset {
    dy: isize,
    dx: isize,
    /// dy² + dx².
    distance2: f64,
}

impl Points<'_> {
    /// The parent of every pixel: the nearest pixel of a higher density among those at most `reach`
    /// rows and columns away, the first in reading order among equals. A pixel whose parent would
    /// be more than `max_dist` away, or who has none, is its own parent.
    pub(super) fn parents(&self, reach: usize, max_dist: f64) -> Vec<u32> {
        let offsets = offsets_by_distance(reach);
        let colors: Vec<[f64; 3]> = (0..self.density.len())
            .map(|pixel| self.planes.each_ref().map(|plane| plane[pixel]))
            .collect();
        let mut parents: Vec<u32> = (0..self.density.len() as u32).collect();
        parents.par_chunks_mut(self.width).enumerate().for_each(|(y, row)| {
            for (x, parent) in row.iter_mut().enumerate() {
                if let Some((closest, pixel)) = self.nearest_denser(&colors, &offsets, y, x)
                    && closest.sqrt() <= max_dist
                {
                    *parent = pixel as u32;
                }
            }
        });
        parents
    }

    /// Squared distance and index of the nearest denser pixel of the window around (y, x).
    fn nearest_denser(
        &self,
        colors: &[[f64; 3]],
        offsets: &[Offset],
        y: usize,
        x: usize,
    ) -> Option<(f64, usize)> {
        let height = colors.len() / self.width;
        let centre = y * self.width + x;
        let (color, density) = (colors[centre], self.density[centre]);
        // (squared distance, index): the smaller index wins among equals.
        let mut nearest = (f64::INFINITY, usize::MAX);
        for offset in offsets {
            // Colour only adds to the distance on the grid: nothing nearer can follow.
            if offset.distance2 > nearest.0 {
                break;
            }
            let (row, column) =
                (y.wrapping_add_signed(offset.dy), x.wrapping_add_signed(offset.dx));
            if row >= height || column >= self.width {
                continue;
            }
            let pixel = row * self.width + column;
            if self.density[pixel] <= density {
                continue;
            }
            let [u, v, w] = std::array::from_fn(|i| color[i] - colors[pixel][i]);
            // Summed in scikit-image's order, so that its ties are ties here.
            let (dy2, dx2) = ((offset.dy * offset.dy) as f64, (offset.dx * offset.dx) as f64);
            let distance2 = u * u + v * v + w * w + dy2 + dx2;
            if distance2.total_cmp(&nearest.0).then(pixel.cmp(&nearest.1)).is_lt() {
                nearest = (distance2, pixel);
            }
        }
        (nearest.1 != usize::MAX).then_some(nearest)
    }
}

/// All places of the window but its centre, nearest first.
fn offsets_by_distance(reach: usize) -> Vec<Offset> {
    let side = -(reach as isize)..=reach as isize;
    let mut offsets: Vec<Offset> = side
        .clone()
        .flat_map(|dy| side.clone().map(move |dx| (dy, dx)))
        .filter(|&place| place != (0, 0))
        .map(|(dy, dx)| Offset { dy, dx, distance2: (dy * dy + dx * dx) as f64 })
        .collect();
    offsets.sort_by(|a, b| a.distance2.total_cmp(&b.distance2));
    offsets
}

/// The root of every pixel's tree. Densities rise from child to parent, so there are no cycles.
pub(super) fn roots(mut parents: Vec<u32>) -> Vec<u32> {
    let mut path = Vec::new();
    for pixel in 0..parents.len() {
        let mut root = pixel;
        while parents[root] as usize != root {
            path.push(root);
            root = parents[root] as usize;
        }
        for child in path.drain(..) {
            parents[child] = root as u32;
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pixel_finds_its_root() {
        assert_eq!(roots(vec![1, 2, 2, 1, 4, 3]), [2, 2, 2, 2, 4, 2]);
    }

    #[test]
    fn the_nearest_denser_pixel_is_the_parent_and_ties_go_to_the_first() {
        let planes = [vec![0.0; 5], vec![0.0; 5], vec![0.0; 5]];
        let points = Points { planes: &planes, density: &[3.0, 1.0, 2.0, 1.0, 9.0], width: 5 };
        assert_eq!(points.parents(4, 10.0), [4, 0, 0, 2, 4]);
        assert_eq!(points.parents(4, 3.0), [0, 0, 0, 2, 4], "the link of length 4 is cut");
        assert_eq!(points.parents(1, 10.0), [0, 0, 2, 2, 4], "a window of one pixel to each side");
    }

    #[test]
    fn a_far_colour_is_a_long_way() {
        let planes = [vec![0.0, 5.0, 1.0], vec![0.0; 3], vec![0.0; 3]];
        let points = Points { planes: &planes, density: &[1.0, 2.0, 3.0], width: 3 };
        assert_eq!(points.parents(2, 10.0), [2, 2, 2]);
    }
}
