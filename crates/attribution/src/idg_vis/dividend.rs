//! The dividend d(T) of any subset, and small sets enumerated in full.

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

/// d(I) of a whole set.
pub fn dividend(path: &PathGradients, set: &FeatureSet, settings: &IdgVis) -> Result<f64> {
    settings.check()?;
    let found = Dividends::new(path, set, settings)?.of_subsets(std::slice::from_ref(set))?;
    Ok(found[0])
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
