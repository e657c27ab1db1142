//! Archipelago: pairs of segments by masking, merged into sets.

use hsets_attribution::methods::{ArchipelagoMap, arch_attribute, archipelago_map, merge_pairs};
use hsets_core::{Error, FeatureSet, Result, SegmentMap, Shape};
use hsets_detection::{ArchDetect, ArchDetection, arch_detect};
use serde::{Deserialize, Serialize};

use super::{Findings, Task};
use crate::ScoredSet;

/// Settings of Archipelago.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Archipelago {
    /// How pairs are found.
    pub detection: ArchDetect,
    /// k ≥ 1: the strongest pairs that are merged into sets. The authors take 5 on ImageNet.
    pub n_pairs: usize,
    /// How scored sets become a map.
    pub map: ArchipelagoMap,
}

impl Archipelago {
    /// The five strongest pairs; the map of their positive sets, as in the tables of H-Sets.
    pub fn paper() -> Self {
        Self {
            detection: ArchDetect::paper(),
            n_pairs: 5,
            map: ArchipelagoMap::PositiveSets { n: 5 },
        }
    }

    /// The same with the rounding of the authors' program.
    pub fn reference() -> Self {
        Self { detection: ArchDetect::reference(), ..Self::paper() }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.n_pairs == 0 {
            return Err(Error::config("pairs", 0, "at least 1"));
        }
        self.detection.check()
    }
}

pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let settings = &task.settings.archipelago;
    let (field, segments) = (task.field(), task.segments());
    let (image, baseline, target) = (task.image(), task.baseline, task.target);
    if segments.n_segments() < 2 {
        let expected = "at least 2, or there is no pair: choose another segmenter";
        return Err(Error::config("segments", segments.n_segments(), expected));
    }
    let ArchDetection { pairs, main_effects } = task.time("pairs", || {
        arch_detect(field, baseline, image, segments, target, &settings.detection, task.progress)
    })?;
    let strongest: Vec<[u32; 2]> =
        pairs.iter().take(settings.n_pairs).map(|pair| pair.pair).collect();
    let mut sets = merge_pairs(&strongest);
    let mut scores = task.time("scores", || {
        let batch = settings.detection.batch;
        arch_attribute(field, baseline, image, segments, &sets, target, batch)
    })?;
    let single = |label: &u32| !sets.iter().any(|set| set.contains(label));
    let singles: Vec<u32> = (0..segments.n_segments() as u32).filter(single).collect();
    scores.extend(singles.iter().map(|&label| main_effects[label as usize]));
    let n_merged = sets.len();
    sets.extend(singles.into_iter().map(|label| vec![label]));
    let map = archipelago_map(image, segments, &sets, &scores, settings.map)?;
    let scored = |(set, &score): (&Vec<u32>, &f64)| ScoredSet {
        features: features(image.shape(), segments, set),
        grown: None,
        score,
        standard_error: 0.0,
        n_samples: 0,
        settled: true,
    };
    let mut sets: Vec<ScoredSet> = sets.iter().zip(&scores).take(n_merged).map(scored).collect();
    sets.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(Findings { sets, ..map.into() })
}

/// All features of some segments.
fn features(shape: Shape, segments: &SegmentMap, labels: &[u32]) -> FeatureSet {
    let inside = |&feature: &usize| labels.contains(&segments.label(shape.pixel(feature)));
    (0..shape.len()).filter(inside).collect()
}
