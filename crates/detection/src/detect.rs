//! The stage: image, segments and ranking in, interaction sets out.

use std::collections::{BTreeMap, BTreeSet};

use hsets_core::{
    Curvature, Error, Image, Progress, Result, SaliencyMap, SegmentMap, Target, TwiceDifferentiable,
};

use crate::lockstep::Rows;
use crate::{
    HessianSets, InteractionSet, RowStatistics, Seed, SegmentChoice, given_seeds, ranked_seeds,
};

/// The interaction sets of one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// The sets, that of the highest-ranked seed first; given seeds keep their order.
    pub sets: Vec<InteractionSet>,
    /// What they cost.
    pub statistics: RowStatistics,
    /// Logits of the network as smoothed.
    pub logits: Vec<f32>,
}

/// Finds the interaction sets of `image`.
///
/// `ranking` is the map that [`HessianSets::seed_ranking`] names, `target` what is explained.
/// Linearises the field once; all Hessian rows come from that.
pub fn detect(
    field: &dyn TwiceDifferentiable,
    image: &Image,
    segments: &SegmentMap,
    ranking: &SaliencyMap,
    target: &Target,
    settings: &HessianSets,
    progress: &dyn Progress,
) -> Result<Detection> {
    settings.check()?;
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    if ranking.shape() != image.shape() {
        return Err(Error::shape("map that ranks seeds", image.shape(), ranking.shape()));
    }
    let curvature = field.curvature_at(image, &settings.target(target), settings.smoothing)?;
    detect_at(curvature.as_ref(), segments, ranking, settings, progress)
}

/// [`detect`] with a field that is already linearised at the image: `curvature` must be of the
/// target and the smoothing of `settings` ([`HessianSets::target`]).
pub fn detect_at(
    curvature: &dyn Curvature,
    segments: &SegmentMap,
    ranking: &SaliencyMap,
    settings: &HessianSets,
    progress: &dyn Progress,
) -> Result<Detection> {
    settings.check()?;
    let shape = ranking.shape();
    if curvature.gradient().len() != shape.len() {
        return Err(Error::shape("gradient", shape.len(), curvature.gradient().len()));
    }
    let given = given_seeds(&settings.given_seeds, ranking, segments)?;
    let ranked = ranked_seeds(ranking, segments, settings.segments)?;
    let mut rows = Rows::new(curvature, settings);
    let mut grow = |seeds: &[Seed]| rows.grow(seeds, shape, segments, progress);
    let sets = if given.is_empty() { walk(&ranked, settings, grow)? } else { grow(&given)? };
    Ok(Detection { sets, statistics: rows.statistics(), logits: curvature.logits().to_vec() })
}

/// Goes through the seeds in order and keeps one set a segment, until there are |S|.
///
/// Seeds that are tried one after the other until a set is not empty are here tried together, in
/// the hope that none is: if one is, the walk is repeated with what is known by then.
fn walk(
    seeds: &[Seed],
    settings: &HessianSets,
    mut grow: impl FnMut(&[Seed]) -> Result<Vec<InteractionSet>>,
) -> Result<Vec<InteractionSet>> {
    let mut grown: BTreeMap<usize, InteractionSet> = BTreeMap::new();
    loop {
        let chosen = choose(seeds, settings, &grown);
        let new = chosen.iter().filter(|seed| !grown.contains_key(&seed.feature));
        let new: Vec<Seed> = new.copied().collect();
        if new.is_empty() {
            return Ok(chosen.iter().filter_map(|seed| grown.remove(&seed.feature)).collect());
        }
        let sets = grow(&new)?;
        grown.extend(sets.into_iter().map(|set| (set.seed.feature, set)));
    }
}

/// The first |S| seeds of different segments, without those known to lead to nothing.
fn choose(
    seeds: &[Seed],
    settings: &HessianSets,
    grown: &BTreeMap<usize, InteractionSet>,
) -> Vec<Seed> {
    let n_sets =
        if settings.segments == SegmentChoice::Every { seeds.len() } else { settings.n_sets };
    let leads_to_nothing = |seed: &Seed| {
        matches!(settings.segments, SegmentChoice::UntilNonEmpty { .. })
            && grown
                .get(&seed.feature)
                .is_some_and(|set| set.members.len() <= usize::from(settings.include_seed))
    };
    let mut covered = BTreeSet::new();
    let chosen = seeds.iter().filter(|seed| !leads_to_nothing(seed));
    chosen.filter(|seed| covered.insert(seed.segment)).take(n_sets).copied().collect()
}
