//! Banzhaf values of segments, by regression on random coalitions.
//!
//! The Banzhaf value of a segment is the mean of what it adds to a coalition of the others, each of
//! which is there with probability ½. It is also the coefficient of the best linear fit of g to the
//! coalitions (Hammer and Holzman 1992), and that is how it is estimated here.

use hsets_core::{Error, Mask, Progress, Removal, Result, SaliencyMap, SegmentMap, Shape};
use rand::{RngExt as _, seq::SliceRandom as _};
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use super::segments::check_segments;

/// Settings of Banzhaf values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Banzhaf {
    /// Coalitions, an even number: each comes with its complement, so that interactions of pairs
    /// cancel.
    pub coalitions: usize,
    /// Ridge ≥ 0, in coalitions: keeps the fit steady where segments are as many as coalitions.
    pub ridge: f64,
    /// Seed of the coalitions.
    pub seed: u64,
}

impl Banzhaf {
    /// 192 coalitions.
    pub fn standard() -> Self {
        Self { coalitions: 192, ridge: 1.0, seed: 0 }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.coalitions < 2 || !self.coalitions.is_multiple_of(2) {
            return Err(Error::config("coalitions", self.coalitions, "an even number from 2 on"));
        }
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return Err(Error::config("ridge", self.ridge, "a number ≥ 0"));
        }
        Ok(())
    }
}

/// Banzhaf value of every segment, in units of the target.
pub fn banzhaf(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    settings: &Banzhaf,
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    settings.check()?;
    check_segments(removal.image().shape(), segments)?;
    let n = segments.n_segments();
    let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
    let mut coalition = |_| (0..n).map(|_| rng.random_bool(0.5)).collect();
    let coalitions: Vec<Vec<bool>> = (0..settings.coalitions / 2).map(&mut coalition).collect();
    let without = |coalition: &[bool], is_in: bool| {
        let out = (0..n as u32).filter(|&label| coalition[label as usize] != is_in);
        Mask::of_segments(segments, &out.collect::<Vec<_>>())
    };
    let masks: Vec<Mask> =
        coalitions.iter().flat_map(|c| [without(c, true), without(c, false)]).collect();
    progress.begin("banzhaf values", masks.len() as u64);
    let values = removal.values(&masks, progress)?;
    progress.end();
    // With z = ±½ for a segment that is there or not, a coalition and its complement differ by
    // Σ φ z - Σ φ (-z) = 2 Σ φ z, whatever the constant.
    let rows = coalitions.iter().map(|c| c.iter().map(|&is_in| if is_in { 1.0 } else { -1.0 }));
    let rows: Vec<Vec<f64>> = rows.map(Iterator::collect).collect();
    let differences: Vec<f64> = values.chunks_exact(2).map(|pair| pair[0] - pair[1]).collect();
    Ok(ridge(&rows, &differences, 2.0 * settings.ridge))
}

/// argmin over φ of Σ (y - φ·z)² + λ |φ|², by conjugate gradients: rows have few entries, and with
/// λ > 0 there is one solution.
fn ridge(rows: &[Vec<f64>], y: &[f64], lambda: f64) -> Vec<f64> {
    let n = rows.first().map_or(0, Vec::len);
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let normal = |v: &[f64]| {
        let mut product: Vec<f64> = v.iter().map(|v| lambda * v).collect();
        for row in rows {
            let along = dot(row, v);
            product.iter_mut().zip(row).for_each(|(p, z)| *p += along * z);
        }
        product
    };
    let mut residual = vec![0.0; n];
    for (row, y) in rows.iter().zip(y) {
        residual.iter_mut().zip(row).for_each(|(r, z)| *r += y * z);
    }
    let (mut solution, mut direction) = (vec![0.0; n], residual.clone());
    let mut square = dot(&residual, &residual);
    let goal = 1e-24 * square;
    // Exact after n steps but for rounding.
    for _ in 0..4 * n {
        if square <= goal {
            break;
        }
        let product = normal(&direction);
        let step = square / dot(&direction, &product);
        solution.iter_mut().zip(&direction).for_each(|(s, d)| *s += step * d);
        residual.iter_mut().zip(&product).for_each(|(r, p)| *r -= step * p);
        let next = dot(&residual, &residual);
        direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / square * *d);
        square = next;
    }
    solution
}

/// The same values, dealt to the segments at random: a control.
pub fn shuffled(values: &[f64], seed: u64) -> Vec<f64> {
    let mut dealt = values.to_vec();
    dealt.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    dealt
}

/// A rank for every pixel, in (0, 1\]: segments by their value, the highest first, and inside a
/// segment its pixels by |`inside`|, its channels summed. Split evenly among the channels.
pub fn ranked_map(
    shape: Shape,
    segments: &SegmentMap,
    values: &[f64],
    inside: &SaliencyMap,
) -> Result<SaliencyMap> {
    check_segments(shape, segments)?;
    if values.len() != segments.n_segments() {
        return Err(Error::shape("values of segments", segments.n_segments(), values.len()));
    }
    if inside.shape() != shape {
        return Err(Error::shape("saliency map", shape, inside.shape()));
    }
    let strength = inside.per_pixel(hsets_core::ChannelReduction::AbsSum);
    let mut order: Vec<usize> = (0..shape.n_pixels()).collect();
    let value = |pixel: usize| values[segments.label(pixel) as usize];
    order.sort_by(|&a, &b| {
        value(a)
            .total_cmp(&value(b))
            .then(segments.label(b).cmp(&segments.label(a)))
            .then(strength[a].total_cmp(&strength[b]))
            .then(b.cmp(&a))
    });
    let mut ranks = vec![0.0; shape.n_pixels()];
    for (rank, pixel) in order.into_iter().enumerate() {
        ranks[pixel] = (rank + 1) as f32 / shape.n_pixels() as f32 / shape.channels as f32;
    }
    SaliencyMap::new(shape, ranks.repeat(shape.channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{ChannelReduction, Image, Silent, Target, analytic::Polynomial};

    /// f = 3 x₀ - x₁ + 4 x₂x₃: Banzhaf values 3, -1, 2, 2.
    #[test]
    fn values_of_sums_and_products() {
        let shape = Shape::new(1, 1, 4);
        let terms = vec![(3.0, vec![0]), (-1.0, vec![1]), (4.0, vec![2, 3])];
        let field = Polynomial::new(shape, vec![terms]);
        let (image, zero) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
        let removal = Removal::new(&field, &image, "zero", zero, Target::Logit(0)).unwrap();
        let segments = SegmentMap::new(4, 1, &[0, 1, 2, 3]).unwrap();
        let settings = Banzhaf { ridge: 0.0, ..Banzhaf::standard() };
        let values = banzhaf(&removal, &segments, &settings, &Silent).unwrap();
        // A product of two is even in their joint complement, and cancels to its main effects.
        for (value, expected) in values.iter().zip([3.0, -1.0, 2.0, 2.0]) {
            assert!((value - expected).abs() < 1e-6, "{values:?}");
        }
        let kept = banzhaf(&removal, &segments, &Banzhaf::standard(), &Silent).unwrap();
        assert!(kept.iter().zip(&values).all(|(a, b)| (a / b - 96.0 / 98.0).abs() < 0.02));
        let odd = Banzhaf { coalitions: 3, ..settings };
        assert!(banzhaf(&removal, &segments, &odd, &Silent).is_err());
    }

    #[test]
    fn every_pixel_has_a_rank_of_its_own() {
        let shape = Shape::new(2, 1, 5);
        let segments = SegmentMap::new(5, 1, &[0, 0, 1, 1, 2]).unwrap();
        let mut inside = SaliencyMap::zeros(shape);
        inside.data_mut()[..5].copy_from_slice(&[1.0, -2.0, 0.0, 3.0, 9.0]);
        let map = ranked_map(shape, &segments, &[-1.0, 5.0, 0.5], &inside).unwrap();
        let ranks = map.per_pixel(ChannelReduction::Sum);
        let mut order: Vec<usize> = (0..5).collect();
        order.sort_by(|&a, &b| ranks[b].total_cmp(&ranks[a]));
        assert_eq!(order, [3, 2, 4, 1, 0]);
        assert!((ranks[3] - 1.0).abs() < 1e-6 && (ranks[0] - 0.2).abs() < 1e-6);
        let dealt = shuffled(&[1.0, 2.0, 3.0], 4);
        assert_eq!(dealt.iter().sum::<f64>(), 6.0);
    }
}
