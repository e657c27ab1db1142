//! All sets of one image grow together, so that the rows they need go through as one batch.

use std::collections::{BTreeMap, BTreeSet};

use hsets_core::{Curvature, Error, Progress, Result, SegmentMap, Shape};

use crate::growth::Grower;
use crate::row::{Candidate, candidates};
use crate::{HessianSets, InteractionSet, Seed, SpatialPrior};

/// What the Hessian rows of one image cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RowStatistics {
    /// Rows computed, each feature's once.
    pub rows: usize,
    /// Batches they went through in.
    pub batches: usize,
    /// Rows without any interaction above the threshold.
    pub blank_rows: usize,
}

/// Rows of one image, computed once and shared by all sets.
///
/// Only the entries above the threshold are kept. That is little: a row with as many as a set may
/// have fills the set that asked for it.
pub(crate) struct Rows<'a> {
    curvature: &'a dyn Curvature,
    settings: &'a HessianSets,
    known: BTreeMap<usize, Vec<Candidate>>,
    statistics: RowStatistics,
}

impl<'a> Rows<'a> {
    pub(crate) fn new(curvature: &'a dyn Curvature, settings: &'a HessianSets) -> Self {
        Self { curvature, settings, known: BTreeMap::new(), statistics: RowStatistics::default() }
    }

    pub(crate) fn statistics(&self) -> RowStatistics {
        self.statistics
    }

    /// Grows one set per seed until all have stopped.
    pub(crate) fn grow(
        &mut self,
        seeds: &[Seed],
        shape: Shape,
        segments: &SegmentMap,
        progress: &dyn Progress,
    ) -> Result<Vec<InteractionSet>> {
        let settings = self.settings;
        let grower = |&seed: &Seed| Grower::new(seed, shape, segments, settings);
        let mut growers: Vec<Grower> = seeds.iter().map(grower).collect();
        let n_members: usize = growers.iter().map(Grower::limit).sum();
        progress.begin("interaction sets", n_members as u64);
        loop {
            for grower in &mut growers {
                let before = grower.n_members();
                self.feed(grower);
                progress.advance((grower.n_members() - before) as u64);
            }
            let wanted = growers.iter().flat_map(|grower| grower.wanted_rows(settings.lookahead));
            let unknown = wanted.filter(|feature| !self.known.contains_key(feature));
            let unknown: BTreeSet<usize> = unknown.collect();
            if unknown.is_empty() {
                break;
            }
            if progress.is_cancelled() {
                return Err(Error::Cancelled);
            }
            self.compute(&unknown.into_iter().collect::<Vec<_>>(), shape, segments)?;
        }
        progress.end();
        Ok(growers.into_iter().map(Grower::finish).collect())
    }

    /// Grows one set as far as the rows already known allow.
    fn feed(&self, grower: &mut Grower) {
        while let Some(row) = grower.wanted_rows(1).first().and_then(|next| self.known.get(next)) {
            grower.take_row(row);
        }
    }

    fn compute(&mut self, features: &[usize], shape: Shape, segments: &SegmentMap) -> Result<()> {
        let rows = self.curvature.rows(features)?;
        if rows.len() != features.len() {
            return Err(Error::shape("Hessian rows", features.len(), rows.len()));
        }
        self.statistics.batches += 1;
        self.statistics.rows += rows.len();
        let HessianSets { scaling, threshold, prior, .. } = *self.settings;
        for (&feature, row) in features.iter().zip(rows) {
            let mut found = candidates(&row, feature, scaling, threshold)?;
            if prior == SpatialPrior::InsideOnly {
                // Sets that ask for this row lie in the segment of its feature.
                let label = |feature| segments.label(shape.pixel(feature));
                found.retain(|candidate| label(candidate.feature) == label(feature));
                found.shrink_to_fit();
            }
            self.statistics.blank_rows += usize::from(found.is_empty());
            self.known.insert(feature, found);
        }
        Ok(())
    }
}

/// Grows one set from each of `seeds`, over the Hessian of `curvature` at an image of `shape`.
///
/// The sets are those that growing one after the other would give: a set sees only the rows of its
/// own members, whoever asked for them first.
pub fn grow_sets(
    curvature: &dyn Curvature,
    shape: Shape,
    segments: &SegmentMap,
    seeds: &[Seed],
    settings: &HessianSets,
    progress: &dyn Progress,
) -> Result<(Vec<InteractionSet>, RowStatistics)> {
    settings.check()?;
    if (segments.width(), segments.height()) != (shape.width, shape.height) {
        let found = format!("{}x{}", segments.width(), segments.height());
        let expected = format!("{}x{}", shape.width, shape.height);
        return Err(Error::shape("segment map", expected, found));
    }
    if let Some(seed) = seeds.iter().find(|seed| seed.feature >= shape.len()) {
        let range = format!("a feature below {}", shape.len());
        return Err(Error::config("seed", seed.feature, range));
    }
    let mut rows = Rows::new(curvature, settings);
    let sets = rows.grow(seeds, shape, segments, progress)?;
    Ok((sets, rows.statistics()))
}
