//! Controls.

use hsets_attribution::{
    integrated_gradients,
    methods::{self, SegmentOrder, segment_control},
};
use hsets_core::{FeatureSet, Result};
use hsets_detection::InteractionSet;
use serde::{Deserialize, Serialize};

use super::{Findings, Task, hessian_sets};

/// How a segment's Integrated Gradients become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SegmentSummary {
    /// Mean over its pixels of |sum over channels|.
    MeanAbs,
    /// Signed sum. Metrics that take absolute values rank strongly negative segments high.
    Sum,
}

/// Settings of the controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controls {
    /// Seed of the random ones.
    pub seed: u64,
    /// What ranks the segments in `segments-by-ig`.
    pub summary: SegmentSummary,
}

impl Controls {
    /// Seed 0; mean of absolute values.
    pub fn paper() -> Self {
        Self { seed: 0, summary: SegmentSummary::MeanAbs }
    }
}

pub(super) fn random_map(task: &Task<'_, '_>) -> Result<Findings> {
    Ok(methods::random_map(task.image().shape(), task.settings.controls.seed)?.into())
}

/// H-Sets with chance instead of detection.
pub(super) fn random_sets(task: &Task<'_, '_>) -> Result<Findings> {
    let found = hessian_sets::find(task)?;
    let sets: Vec<FeatureSet> = found.detection.sets.iter().map(InteractionSet::features).collect();
    let (shape, seed) = (task.image().shape(), task.settings.controls.seed);
    let drawn = methods::random_sets(&sets, shape, seed)?;
    let grown = vec![None; drawn.len()];
    hessian_sets::score(task, &found.path, drawn, grown.into_iter())
}

pub(super) fn random_segments(task: &Task<'_, '_>) -> Result<Findings> {
    ranked(task, SegmentOrder::Random { seed: task.settings.controls.seed })
}

pub(super) fn by_area(task: &Task<'_, '_>) -> Result<Findings> {
    ranked(task, SegmentOrder::Area)
}

pub(super) fn by_centre(task: &Task<'_, '_>) -> Result<Findings> {
    ranked(task, SegmentOrder::Centre)
}

pub(super) fn by_ig(task: &Task<'_, '_>) -> Result<Findings> {
    let path = task.path(&task.settings.ig, task.target)?;
    let ig = integrated_gradients(&path)?;
    let order = match task.settings.controls.summary {
        SegmentSummary::MeanAbs => SegmentOrder::MeanAbs(&ig.map),
        SegmentSummary::Sum => SegmentOrder::Sum(&ig.map),
    };
    Ok(Findings { completeness: Some(ig.completeness), ..ranked(task, order)? })
}

fn ranked(task: &Task<'_, '_>, order: SegmentOrder<'_>) -> Result<Findings> {
    Ok(segment_control(task.image().shape(), task.segments(), order)?.into())
}
