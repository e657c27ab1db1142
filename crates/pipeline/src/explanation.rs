//! What an explanation consists of, with all intermediates.

use std::time::Duration;

use hsets_attribution::Refinement;
use hsets_core::{
    CompletenessGap, FeatureSet, Image, Link, MaskReport, SaliencyMap, SegmentMap, Target,
};
use hsets_detection::Stop;

use crate::{Interactions, Work};

/// One image explained.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The image as the field saw it.
    pub image: Image,
    /// The scalar of the logits that was explained; never [`Target::Top`].
    pub target: Target,
    /// Logits \[`n_classes`\] of the image.
    pub logits: Vec<f32>,
    /// How they become probabilities.
    pub link: Link,
    /// Logits \[`n_classes`\] of the baseline.
    pub baseline_logits: Vec<f32>,
    /// The segments, at the size of the image.
    pub segments: SegmentMap,
    /// The masks that the segments were made of, if they were.
    pub masks: Option<MaskReport>,
    /// The sets, the highest score first. Empty for methods without sets.
    pub sets: Vec<ScoredSet>,
    /// Which regions act together, for methods that measure it.
    pub interactions: Interactions,
    /// One score per feature.
    pub map: SaliencyMap,
    /// How many steps the path of the method came to; `None` for methods without a path.
    pub refinement: Option<Refinement>,
    /// Numbers about the map.
    pub measures: Measures,
    /// What it took.
    pub cost: Cost,
}

/// A set of features that act together, and how much they matter.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSet {
    /// The members.
    pub features: FeatureSet,
    /// How the set was grown, where it was grown from Hessian rows.
    pub grown: Option<Grown>,
    /// Its score; v(I) for methods that score by IDG-Vis, of the set or, where the map is
    /// [complete](crate::Coverage::Complete), of its segment.
    pub score: f64,
    /// Standard error of the score over the sampled subsets; 0 where nothing is sampled.
    pub standard_error: f64,
    /// Subsets that were sampled; 0 where nothing is sampled.
    pub n_samples: usize,
    /// Whether its place in the ranking is settled at the confidence asked for; true where none is.
    pub settled: bool,
}

/// How a set was grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grown {
    /// The feature from which the set was grown.
    pub seed: usize,
    /// The segment of the seed.
    pub segment: u32,
    /// Hessian rows the set used.
    pub n_rows: usize,
    /// Why the set stopped growing.
    pub stop: Stop,
}

/// Numbers about an explanation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measures {
    /// Gini sparsity of the map in 0..=1, its channels reduced by `abs-sum`.
    pub gini: f64,
    /// Of Integrated Gradients along the path that the method used, whatever its map is; `None` for
    /// methods without a path.
    pub completeness: Option<CompletenessGap>,
}

/// What an explanation took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cost {
    /// Wall time by stage, in the order of the stages, of what was computed for this explanation.
    pub timings: Vec<(&'static str, Duration)>,
    /// What the method takes alone.
    pub alone: Work,
    /// How much of that was there already, from earlier explanations by the same
    /// [`Explainer`](crate::Explainer).
    pub reused: Work,
}
