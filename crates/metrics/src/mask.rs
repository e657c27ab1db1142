//! Maps against the truth, where it is known as a mask (Clark et al. 2024, XAI-TRIS).

use hsets_core::{ChannelReduction, Error, Result, SaliencyMap, Shape};

use crate::{complexity::finite_pixels, transport::cheapest_flow};

/// A map beside a mask, each number in \[0, 1\], higher is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MaskAgreement {
    /// Share of the k most relevant pixels that lie in the mask, which has k; pixels of 0 are none
    /// of them.
    pub precision: f64,
    /// The mask's share of the picture: the precision of a random map.
    pub precision_of_chance: f64,
    /// 1 - EMD / largest distance, between the map's shares and the mask as one; NaN for a map of
    /// zeros.
    pub earth_mover: f64,
    /// The same of a map that is equal everywhere.
    pub earth_mover_of_uniform: f64,
    /// Height and width of the grid on which earth is moved.
    pub grid: [usize; 2],
}

/// `map`, by absolute values, against `mask` \[H·W\], which says where the evidence is.
///
/// The earth mover's distance is exact on a grid of at most `side` cells a side, Euclidean between
/// the centres of its cells; larger maps are summed into them. XAI-TRIS takes the pixels of its
/// 8×8 or 64×64 pictures.
pub fn mask_agreement(
    map: &SaliencyMap,
    mask: &[bool],
    reduction: ChannelReduction,
    side: usize,
) -> Result<MaskAgreement> {
    let shape = map.shape();
    if mask.len() != shape.n_pixels() {
        let expected = format!("{}x{} pixels", shape.width, shape.height);
        return Err(Error::shape("mask", expected, format!("{} flags", mask.len())));
    }
    let area = mask.iter().filter(|&&inside| inside).count();
    if area == 0 {
        return Err(Error::config("mask", "empty", "a mask with at least one pixel inside"));
    }
    if side == 0 {
        return Err(Error::config("emd-side", 0, "at least 1 cell"));
    }
    let pixels: Vec<f64> =
        finite_pixels(map, reduction)?.into_iter().map(|value| f64::from(value.abs())).collect();
    let grid = Grid::of(shape, side);
    let truth: Vec<f64> = mask.iter().map(|&inside| f64::from(u8::from(inside))).collect();
    let truth = grid.shares(&truth);
    Ok(MaskAgreement {
        precision: top_k_precision(&pixels, mask, area),
        precision_of_chance: area as f64 / mask.len() as f64,
        earth_mover: grid.closeness(&grid.shares(&pixels), &truth),
        earth_mover_of_uniform: grid.closeness(&grid.shares(&vec![1.0; mask.len()]), &truth),
        grid: [grid.height, grid.width],
    })
}

/// Equal pixels share their places among the first k, so that chance decides nothing.
fn top_k_precision(pixels: &[f64], mask: &[bool], k: usize) -> f64 {
    let mut sorted: Vec<f64> = pixels.iter().copied().filter(|&value| value > 0.0).collect();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let Some(&cut) = sorted.get(k - 1).or(sorted.last()) else { return 0.0 };
    let n_above = sorted.partition_point(|&value| value > cut);
    let n_tied = sorted.partition_point(|&value| value >= cut) - n_above;
    let inside = |keep: &dyn Fn(f64) -> bool| {
        let both = |&(&value, &inside): &(&f64, &bool)| inside && keep(value);
        pixels.iter().zip(mask).filter(both).count() as f64
    };
    let places = k.min(sorted.len()) - n_above;
    let above = inside(&|value| value > cut);
    let tied = inside(&|value| value == cut);
    (above + tied * places as f64 / n_tied as f64) / k as f64
}

/// Cells of pixels.
struct Grid {
    shape: Shape,
    height: usize,
    width: usize,
}

impl Grid {
    fn of(shape: Shape, side: usize) -> Self {
        Self { shape, height: shape.height.min(side), width: shape.width.min(side) }
    }

    fn cell(&self, pixel: usize) -> usize {
        let (y, x) = (pixel / self.shape.width, pixel % self.shape.width);
        y * self.height / self.shape.height * self.width + x * self.width / self.shape.width
    }

    /// Sums over the cells, divided by the whole; NaN if there is nothing.
    fn shares(&self, pixels: &[f64]) -> Vec<f64> {
        let mut cells = vec![0.0; self.height * self.width];
        for (pixel, value) in pixels.iter().enumerate() {
            cells[self.cell(pixel)] += value;
        }
        let total: f64 = cells.iter().sum();
        cells.iter().map(|cell| cell / total).collect()
    }

    /// 1 - EMD / Dmax, where Dmax is the way from one corner of the grid to the other.
    fn closeness(&self, map: &[f64], truth: &[f64]) -> f64 {
        if map.iter().any(|share| share.is_nan()) {
            return f64::NAN;
        }
        // What is in its place already stays there: no detour is shorter (triangle inequality).
        let surplus = |(i, (map, truth)): (usize, (&f64, &f64))| (i, map - truth);
        let surplus: Vec<(usize, f64)> = map.iter().zip(truth).enumerate().map(surplus).collect();
        let side = |sign: f64| -> (Vec<usize>, Vec<f64>) {
            let of_sign = surplus.iter().map(|&(cell, mass)| (cell, sign * mass));
            of_sign.filter(|(_, mass)| *mass > 0.0).unzip()
        };
        let ((from, supply), (to, demand)) = (side(1.0), side(-1.0));
        let moved: f64 = supply.iter().sum();
        if from.is_empty() || to.is_empty() {
            return 1.0;
        }
        let place = |cell: usize| ((cell / self.width) as f64, (cell % self.width) as f64);
        let distance = |i: usize, j: usize| {
            let ((y, x), (v, u)) = (place(from[i]), place(to[j]));
            (y - v).hypot(x - u)
        };
        let work = moved * cheapest_flow(&supply, &demand, distance);
        let largest = ((self.height - 1) as f64).hypot((self.width - 1) as f64);
        if largest == 0.0 { 1.0 } else { 1.0 - work / largest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreement(map: &[f32], mask: &[bool], width: usize) -> MaskAgreement {
        let shape = Shape::new(1, map.len() / width, width);
        let map = SaliencyMap::new(shape, map.to_vec()).unwrap();
        mask_agreement(&map, mask, ChannelReduction::Sum, 32).unwrap()
    }

    #[test]
    fn the_mask_itself_is_perfect_and_its_opposite_corner_is_not() {
        let mut mask = vec![false; 64];
        mask[0] = true;
        let perfect =
            agreement(&mask.iter().map(|&m| f32::from(u8::from(m))).collect::<Vec<_>>(), &mask, 8);
        assert_eq!((perfect.precision, perfect.earth_mover), (1.0, 1.0));
        let mut opposite = vec![0.0; 64];
        opposite[63] = -3.0;
        let worst = agreement(&opposite, &mask, 8);
        assert!(worst.precision == 0.0 && worst.earth_mover.abs() < 1e-9, "{worst:?}");
    }

    #[test]
    fn a_flat_map_is_the_control() {
        let mask: Vec<bool> = (0..64).map(|i| i % 8 < 2).collect();
        let flat = agreement(&[0.7; 64], &mask, 8);
        assert!((flat.precision - flat.precision_of_chance).abs() < 1e-12);
        assert!((flat.earth_mover - flat.earth_mover_of_uniform).abs() < 1e-9);
        let nothing = agreement(&[0.0; 64], &mask, 8);
        assert!(nothing.precision == 0.0 && nothing.earth_mover.is_nan());
    }

    #[test]
    fn zeros_do_not_fill_the_places_of_a_sparse_map() {
        let mask: Vec<bool> = (0..16).map(|i| i < 4).collect();
        let mut map = [0.0; 16];
        map[1] = 1.0;
        assert_eq!(agreement(&map, &mask, 4).precision, 0.25);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let map = SaliencyMap::zeros(Shape::new(1, 2, 2));
        let refused = |mask: &[bool], side| {
            mask_agreement(&map, mask, ChannelReduction::Sum, side).unwrap_err().to_string()
        };
        assert!(refused(&[true; 3], 8).contains("3 flags"));
        assert!(refused(&[false; 4], 8).contains("at least one pixel"));
        assert!(refused(&[true; 4], 0).contains("emd-side"));
    }
}
