//! What acts together, as `explanation.json` has it.

use hsets_core::{Mask, SegmentMap};
use hsets_pipeline::{
    Explanation, Interactions,
    detection::{Contrast, Contrasted, Estimate, Interaction, PairEffects, Triple},
};
use serde::Serialize;

/// `verdict` where a pair is claimed.
const INTERACTION: &str = "interaction";
/// `verdict` where none is.
const NONE_FOUND: &str = "none found";

/// Fields are left out by methods that do not measure them.
#[derive(Debug, Clone, Serialize)]
pub(super) struct InteractionsRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<&'static str>,
    /// Pairs of regions, the strongest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    interactions: Option<Vec<InteractionRecord>>,
    /// Groups of three regions.
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<GroupRecord>>,
    /// Segments by their Banzhaf values, the highest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    ranking: Option<Vec<RankRecord>>,
    /// Pairs of segments by the size of their effects, the largest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    segment_pairs: Option<Vec<SegmentPairRecord>>,
}

/// Pairs of segments that are listed; all effects are in `maps.safetensors`.
const LISTED_PAIRS: usize = 20;

#[derive(Debug, Clone, Serialize)]
struct RankRecord {
    segment: u32,
    banzhaf: f64,
    centre: [f64; 2],
}

#[derive(Debug, Clone, Serialize)]
struct SegmentPairRecord {
    segments: [u32; 2],
    effect: f64,
    /// g(x) - g(x without it) of each.
    main_effects: [f64; 2],
}

/// A pair of regions.
#[derive(Debug, Clone, Serialize)]
pub struct InteractionRecord {
    effect: f64,
    standard_error: f64,
    /// 95 %.
    interval: [f64; 2],
    n_contexts: usize,
    p_value: f64,
    claim: bool,
    sign: &'static str,
    scale: f64,
    contrast: ContrastRecord,
    /// `null` where it was measured under one reference alone.
    depends_on_reference: Option<bool>,
    references: Vec<ReferenceRecord>,
    regions: Vec<RegionRecord>,
}

#[derive(Debug, Clone, Serialize)]
struct ContrastRecord {
    both: f64,
    without_first: f64,
    without_second: f64,
    without_both: f64,
    /// What `without_both` would be if the regions only added up.
    additive_without_both: f64,
}

#[derive(Debug, Clone, Serialize)]
struct ReferenceRecord {
    name: String,
    effect: f64,
    standard_error: f64,
    n_contexts: usize,
    contrast: ContrastRecord,
}

#[derive(Debug, Clone, Serialize)]
struct RegionRecord {
    n_pixels: usize,
    /// The one that holds most of it.
    segment: u32,
    /// Mean column and row.
    centre: [f64; 2],
}

/// A group of three regions.
#[derive(Debug, Clone, Serialize)]
pub struct GroupRecord {
    dividend: f64,
    standard_error: f64,
    interval: [f64; 2],
    n_contexts: usize,
    p_value: f64,
    claim: bool,
    scale: f64,
    /// Of the first two regions, where the third is there.
    with_third: ContrastRecord,
    without_third: ContrastRecord,
    regions: Vec<RegionRecord>,
}

impl InteractionsRecord {
    pub(super) fn new(explanation: &Explanation) -> Self {
        let segments = &explanation.segments;
        let Interactions { contrasts, pair_effects, banzhaf } = &explanation.interactions;
        let contrasts = contrasts.as_deref();
        let pairs = |found: &Contrasted| {
            found.interactions.iter().map(|pair| interaction_record(pair, segments)).collect()
        };
        let groups = |found: &Contrasted| {
            found.triples.iter().map(|group| group_record(group, segments)).collect()
        };
        Self {
            verdict: contrasts.map(|found| verdict(&found.interactions)),
            interactions: contrasts.map(pairs),
            groups: contrasts.map(groups),
            ranking: banzhaf.as_ref().map(|values| ranking(values, segments)),
            segment_pairs: pair_effects.as_ref().map(|effects| segment_pairs(effects)),
        }
    }
}

/// `interaction` if a pair is claimed, or `none found`.
pub fn verdict(interactions: &[Interaction]) -> &'static str {
    if interactions.iter().any(|pair| pair.claim) { INTERACTION } else { NONE_FOUND }
}

/// A pair of regions, as `explanation.json` has it.
pub fn interaction_record(pair: &Interaction, segments: &SegmentMap) -> InteractionRecord {
    let Estimate { mean, standard_error, n } = pair.contrast.effect;
    let beside = pair.references.iter().map(|other| ReferenceRecord {
        name: other.name.clone(),
        effect: other.contrast.effect.mean,
        standard_error: other.contrast.effect.standard_error,
        n_contexts: other.contrast.effect.n,
        contrast: contrast_record(&other.contrast),
    });
    InteractionRecord {
        effect: mean,
        standard_error,
        interval: pair.contrast.effect.interval(),
        n_contexts: n,
        p_value: pair.p_value,
        claim: pair.claim,
        sign: pair.sign().name(),
        scale: pair.scale,
        contrast: contrast_record(&pair.contrast),
        depends_on_reference: (!pair.references.is_empty()).then(|| pair.depends_on_reference()),
        references: beside.collect(),
        regions: pair.regions.iter().map(|region| region_record(region, segments)).collect(),
    }
}

/// A group of three regions, as `explanation.json` has it.
pub fn group_record(group: &Triple, segments: &SegmentMap) -> GroupRecord {
    let Estimate { mean, standard_error, n } = group.dividend;
    GroupRecord {
        dividend: mean,
        standard_error,
        interval: group.dividend.interval(),
        n_contexts: n,
        p_value: group.p_value,
        claim: group.claim,
        scale: group.scale,
        with_third: contrast_record(&group.with_third),
        without_third: contrast_record(&group.without_third),
        regions: group.regions.iter().map(|region| region_record(region, segments)).collect(),
    }
}

fn contrast_record(contrast: &Contrast) -> ContrastRecord {
    let Contrast { effect: _, both, without_first, without_second, without_both } = *contrast;
    let additive_without_both = contrast.additive_without_both();
    ContrastRecord { both, without_first, without_second, without_both, additive_without_both }
}

fn region_record(region: &Mask, segments: &SegmentMap) -> RegionRecord {
    let mut shares = vec![0usize; segments.n_segments()];
    region.pixels().for_each(|pixel| shares[segments.label(pixel) as usize] += 1);
    // The first of equal ones.
    let most = (0..shares.len()).rev().max_by_key(|&label| shares[label]).unwrap_or(0);
    RegionRecord {
        n_pixels: region.area(),
        segment: most as u32,
        centre: region.centre().unwrap_or_default(),
    }
}

fn ranking(values: &[f64], segments: &SegmentMap) -> Vec<RankRecord> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    let rank = |segment: usize| RankRecord {
        segment: segment as u32,
        banzhaf: values[segment],
        centre: Mask::of_segments(segments, &[segment as u32]).centre().unwrap_or_default(),
    };
    order.into_iter().map(rank).collect()
}

fn segment_pairs(effects: &PairEffects) -> Vec<SegmentPairRecord> {
    let pair = |[a, b]: [u32; 2]| SegmentPairRecord {
        segments: [a, b],
        effect: effects.effect(a, b),
        main_effects: [a, b].map(|label| effects.main_effects[label as usize]),
    };
    effects.ranked().into_iter().take(LISTED_PAIRS).map(pair).collect()
}
