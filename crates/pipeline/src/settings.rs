//! What to explain, and how.

use hsets_attribution::{Baseline, IdgVis};
use hsets_core::{Result, Target};
use hsets_detection::HessianSets;

use crate::Method;

/// Settings of an explanation.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which method makes the map.
    pub method: Method,
    /// The scalar of the logits to explain. [`Target::Top`] is fixed to the logit of the most
    /// probable class of the image, once.
    pub target: Target,
    /// x', where the path starts.
    pub baseline: Baseline,
    /// First stage: how sets are found.
    pub detection: HessianSets,
    /// Second stage: how they are scored. Its steps m and its seed hold for all methods.
    pub attribution: IdgVis,
}

impl Settings {
    /// H-Sets as published.
    pub fn paper() -> Self {
        Self {
            method: Method::HSets,
            target: Target::Top,
            baseline: Baseline::Zero,
            detection: HessianSets::paper(),
            attribution: IdgVis::paper(),
        }
    }

    /// H-Sets as the authors' program computes it.
    pub fn reference() -> Self {
        Self {
            detection: HessianSets::reference(),
            attribution: IdgVis::reference(),
            ..Self::paper()
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        self.detection.check()?;
        self.attribution.check()
    }
}
