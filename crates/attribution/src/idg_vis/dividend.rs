//! The dividend d(T) of any subset, and small games enumerated in full.

use hsets_core::{Error, FeatureSet, Result};
use rayon::prelude::*;

use super::score::outside;
use super::{Directional, IdgVis, PathMean};
use crate::PathGradients;

/// More players than this are not enumerated: there are 2ⁿ subsets.
pub const MAX_EXACT_PLAYERS: usize = 12;

/// Subsets whose sums are built together, and members added to them in one go: the members' rows
/// and the sums fit into the first-level cache, so the rows are read from afar once per group.
const GROUP: usize = 8;
const BLOCK: usize = 32;

/// d(T) for subsets T of one set, as sums over the members of T.
///
/// Every variant has the form `d(T) = Σ_k w_k · finish(Σ_{i∈T} c_ik) / √(Σ_{i∈T} a_i²)`. The mean
/// over the path is taken before the sum over members where that is the definition; then there
/// is a single c per member.
pub(super) struct Dividends<'a> {
    set: &'a FeatureSet,
    /// One row per member: its c for every weight, then a².
    rows: Vec<f64>,
    weights: Vec<f64>,
    finish: Scalar,
}

/// A function of one number.
type Scalar = fn(f64) -> f64;

impl<'a> Dividends<'a> {
    pub(super) fn new(
        path: &'a PathGradients,
        set: &'a FeatureSet,
        settings: &IdgVis,
    ) -> Result<Self> {
        let len = path.shape().len();
        if let Some(feature) = set.iter().find(|&feature| feature >= len) {
            return Err(outside(feature, len));
        }
        let columns: Vec<&[f32]> = match (settings.path_mean, settings.directional) {
            (PathMean::NormOfMean, Directional::Projection) => vec![path.mean()],
            (PathMean::NormOfMean, Directional::Elementwise) => vec![path.mean_abs()],
            (PathMean::OfNorms, _) => path.points().iter().map(Vec::as_slice).collect(),
        };
        if columns.is_empty() {
            let hint = "needs the gradient of every point: set keep_points of the path";
            return Err(Error::config("path-mean", "of-norms", hint));
        }
        let weights = match settings.path_mean {
            PathMean::NormOfMean => vec![1.0],
            PathMean::OfNorms => path.weights().to_vec(),
        };
        let (term, finish): (Scalar, Scalar) = match settings.directional {
            Directional::Projection => (|ga| ga, f64::abs),
            Directional::Elementwise => (|ga| ga * ga, f64::sqrt),
        };
        let mut rows = Vec::with_capacity(set.len() * (columns.len() + 1));
        for i in set.iter() {
            let a = f64::from(path.displacement()[i]);
            rows.extend(columns.iter().map(|column| term(f64::from(column[i]) * a)));
            rows.push(a * a);
        }
        Ok(Self { set, rows, weights, finish })
    }

    /// d(T) of each T; all must be subsets of the set.
    pub(super) fn of_subsets(&self, subsets: &[FeatureSet]) -> Result<Vec<f64>> {
        let positions = |subset| positions(self.set, subset);
        let subsets: Vec<Vec<usize>> = subsets.par_iter().map(positions).collect::<Result<_>>()?;
        Ok(self.of_positions(&subsets))
    }

    /// d(T) of each T, given by ascending positions in the set.
    fn of_positions(&self, subsets: &[Vec<usize>]) -> Vec<f64> {
        subsets.par_chunks(GROUP).flat_map_iter(|group| self.of_group(group)).collect()
    }

    /// The members of each subset are added one by one in ascending order, whatever the group, so
    /// the result depends on neither the other subsets nor the number of threads.
    fn of_group(&self, subsets: &[Vec<usize>]) -> Vec<f64> {
        let width = self.weights.len() + 1;
        let mut sums = vec![0.0; subsets.len() * width];
        let mut left: Vec<&[usize]> = subsets.iter().map(Vec::as_slice).collect();
        for block in 1..=self.set.len().div_ceil(BLOCK) {
            for (left, sums) in left.iter_mut().zip(sums.chunks_exact_mut(width)) {
                let now;
                (now, *left) = left.split_at(left.partition_point(|&i| i < block * BLOCK));
                for &member in now {
                    let row = &self.rows[member * width..][..width];
                    sums.iter_mut().zip(row).for_each(|(sum, c)| *sum += c);
                }
            }
        }
        sums.chunks_exact(width).map(|sums| self.finish(sums)).collect()
    }

    /// d(T) from the sums over T. d(∅) = 0, as is d(T) where x = x' on all of T.
    fn finish(&self, sums: &[f64]) -> f64 {
        let (square, sums) = match sums.split_last() {
            Some((&square, sums)) if square > 0.0 => (square, sums),
            _ => return 0.0,
        };
        let norms = sums.iter().zip(&self.weights).map(|(&sum, w)| w * (self.finish)(sum));
        norms.sum::<f64>() / square.sqrt()
    }
}

/// Where in `set` the members of `subset` are, in ascending order.
fn positions(set: &FeatureSet, subset: &FeatureSet) -> Result<Vec<usize>> {
    let mut members = set.iter().enumerate();
    let position = |feature: usize| match members.find(|&(_, member)| member >= feature) {
        Some((position, member)) if member == feature => Ok(position),
        _ => Err(Error::config("subset", feature, "features of the set that is scored")),
    };
    subset.iter().map(position).collect()
}

/// A small set scored without sampling.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactScore {
    /// d(T) of all 2ⁿ subsets T; bit i of the index stands for the i-th feature of the set.
    pub dividends: Vec<f64>,
    /// `v(I) = Σ_{T⊆I} d(T)`.
    pub value: f64,
}

impl ExactScore {
    /// Mean of d(T) when every feature is kept with probability `keep`: what sampling estimates.
    pub fn expectation(&self, keep: f64) -> f64 {
        let n = self.dividends.len().ilog2();
        let probability = |subset: usize| {
            let kept = subset.count_ones();
            keep.powi(kept as i32) * (1.0 - keep).powi((n - kept) as i32)
        };
        self.dividends.iter().enumerate().map(|(subset, d)| probability(subset) * d).sum()
    }
}

/// d(T) of every subset of a set of at most [`MAX_EXACT_PLAYERS`] features.
pub fn score_exactly(
    path: &PathGradients,
    set: &FeatureSet,
    settings: &IdgVis,
) -> Result<ExactScore> {
    settings.check()?;
    let n = set.len();
    if n > MAX_EXACT_PLAYERS {
        let limit = format!("at most {MAX_EXACT_PLAYERS} features to enumerate all subsets");
        return Err(Error::config("set size", n, limit));
    }
    let game = Dividends::new(path, set, settings)?;
    let members = |subset: usize| (0..n).filter(move |i| subset >> i & 1 == 1).collect();
    let dividends = game.of_positions(&(0..1 << n).map(members).collect::<Vec<_>>());
    let value = dividends.iter().sum();
    Ok(ExactScore { dividends, value })
}

/// `v(T) = Σ_{S⊆T} d(S)` for all subsets T of n players, from 2ⁿ dividends by bit mask (zeta
/// transform).
///
/// # Panics
/// If the number of dividends is not a power of two.
pub fn coalition_values(dividends: &[f64]) -> Vec<f64> {
    transform(dividends, |with, without| with + without)
}

/// `d(T) = Σ_{S⊆T} (-1)^(|T|-|S|) v(S)` for all subsets T of n players, from 2ⁿ coalition values by
/// bit mask (Möbius transform). The inverse of [`coalition_values`].
///
/// # Panics
/// If the number of values is not a power of two.
pub fn harsanyi_dividends(values: &[f64]) -> Vec<f64> {
    transform(values, |with, without| with - without)
}

/// Player by player, joins the entry with the player and the entry without.
fn transform(entries: &[f64], join: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    assert!(entries.len().is_power_of_two(), "one entry per subset: a power of two");
    let mut entries = entries.to_vec();
    let n = entries.len().ilog2();
    for player in 0..n {
        for subset in (0..entries.len()).filter(|subset| subset >> player & 1 == 1) {
            entries[subset] = join(entries[subset], entries[subset ^ (1 << player)]);
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transforms_match_their_sums_and_invert_each_other() {
        let dividends: Vec<f64> = (0..16).map(|i| f64::from(i * i % 7) - 2.0).collect();
        let values = coalition_values(&dividends);
        for (subset, value) in values.iter().enumerate() {
            let inside = (0..16).filter(|other| other & subset == *other);
            let expected: f64 = inside.map(|other| dividends[other]).sum();
            assert!((value - expected).abs() < 1e-12);
        }
        assert_eq!(harsanyi_dividends(&values), dividends);
    }

    #[test]
    fn unanimity_game_has_one_dividend() {
        // v(T) = 1 if T contains players 0 and 2.
        let values: Vec<f64> = (0..8).map(|t: usize| f64::from(u8::from(t & 5 == 5))).collect();
        let mut expected = vec![0.0; 8];
        expected[5] = 1.0;
        assert_eq!(harsanyi_dividends(&values), expected);
    }
}
