//! Integrated Hessians of the pairs inside sets.

use hsets_attribution::methods::{IntegratedHessians, integrated_hessians_within};
use hsets_core::{FeatureSet, Result};
use hsets_detection::InteractionSet;
use serde::{Deserialize, Serialize};

use super::{Findings, Task, hessian_sets};
use crate::ScoredSet;

/// Whose pairs are integrated. All d² pairs of a photo are out of reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairedSets {
    /// The sets that H-Sets finds with the same settings.
    Found,
    /// These.
    Given(Vec<FeatureSet>),
}

/// Settings of Integrated Hessians.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HessiansWithin {
    /// The integral and the smoothing.
    pub integral: IntegratedHessians,
    /// Whose pairs.
    pub sets: PairedSets,
}

impl HessiansWithin {
    /// The pairs inside the sets found; 20 points of the path.
    pub fn paper() -> Self {
        Self { integral: IntegratedHessians::paper(), sets: PairedSets::Found }
    }

    /// The pairs inside the sets found; the nested sums of `path_explain`.
    pub fn reference() -> Self {
        Self { integral: IntegratedHessians::reference(), ..Self::paper() }
    }
}

/// Every feature has the sum of its pairs, every set that of its features.
pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let HessiansWithin { integral, sets } = &task.settings.integrated_hessians;
    let sets: Vec<FeatureSet> = match sets {
        PairedSets::Given(sets) => sets.clone(),
        PairedSets::Found => {
            let found = hessian_sets::find(task)?.detection;
            found.sets.iter().map(InteractionSet::features).collect()
        }
    };
    let map = task.time("pairs", || {
        let (field, image) = (task.field(), task.image());
        let (target, progress) = (task.target, task.progress);
        integrated_hessians_within(field, task.baseline, image, &sets, target, integral, progress)
    })?;
    let scored = |features: FeatureSet| {
        let score = features.iter().map(|feature| f64::from(map.data()[feature])).sum();
        ScoredSet { features, grown: None, score, standard_error: 0.0, n_samples: 0, settled: true }
    };
    let mut sets: Vec<ScoredSet> = sets.into_iter().map(scored).collect();
    sets.sort_by(|a, b| b.score.total_cmp(&a.score));
    Ok(Findings { sets, ..map.into() })
}
