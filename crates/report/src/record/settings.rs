//! The settings in full, under the names of their fields.

mod methods;

use hsets_core::{FeatureSet, Smoothing};
use hsets_pipeline::{
    Coverage, Settings,
    attribution::{Directional, IdgVis, PathClass, PathMean, SampleSum, Samples, Steps},
    detection::{
        DetectionClass, GivenSeed, Growth, HessianSets, RowScaling, SeedRanking, SegmentChoice,
        SpatialPrior,
    },
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{Provenance, segmenter::segmenter};

/// What was asked for, in full.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SettingsRecord {
    method: &'static str,
    preset: String,
    segmenter: String,
    segmentation: Value,
    baseline: String,
    coverage: &'static str,
    /// Sizes of the sets that were made by hand; their members are among the tensors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    given_sets: Vec<usize>,
    detection: Value,
    attribution: Value,
    /// Settings of the method beyond these two.
    method_settings: Value,
}

impl SettingsRecord {
    pub(super) fn new(settings: &Settings, from: &Provenance<'_>) -> Self {
        Self {
            method: settings.method.name(),
            preset: from.preset.to_owned(),
            segmenter: from.segmenter.to_string(),
            segmentation: segmenter(from.segmenter),
            baseline: from.baseline.to_owned(),
            coverage: match settings.coverage {
                Coverage::Sets => "sets",
                Coverage::Complete => "complete",
            },
            given_sets: settings.given_sets.iter().map(FeatureSet::len).collect(),
            detection: detection(&settings.detection),
            attribution: attribution(&settings.attribution),
            method_settings: methods::of_method(settings),
        }
    }
}

/// The settings of a method in full, but for where segments and baseline come from.
pub fn settings_record(settings: &Settings) -> Value {
    json!({
        "method": settings.method.name(),
        "detection": detection(&settings.detection),
        "attribution": attribution(&settings.attribution),
        "method_settings": methods::of_method(settings),
    })
}

// Both functions name every field, so that a new setting cannot be forgotten here.

fn detection(settings: &HessianSets) -> Value {
    let HessianSets {
        n_sets,
        max_features,
        max_share,
        overshoot,
        threshold,
        scaling,
        growth,
        prior,
        include_seed,
        max_rows,
        lookahead,
        class,
        smoothing,
        seed_ranking,
        segments,
        given_seeds,
    } = settings;
    json!({
        "n_sets": n_sets,
        "nu": max_features,
        "share": as_typed(*max_share),
        "overshoot": overshoot,
        "mu": as_typed(*threshold),
        "scaling": match scaling {
            RowScaling::MaxAbs => "max-abs",
            RowScaling::MinMax => "min-max",
            RowScaling::OwnValue => "own-value",
        },
        "growth": match growth {
            Growth::BestFirst => "best-first",
            Growth::DepthFirst => "depth-first",
        },
        "prior": match prior {
            SpatialPrior::None => "none",
            SpatialPrior::InsideFirst => "inside-first",
            SpatialPrior::ExhaustInside => "exhaust-inside",
            SpatialPrior::InsideOnly => "inside-only",
        },
        "include_seed": include_seed,
        "max_rows": max_rows,
        "lookahead": lookahead,
        "class": match class {
            DetectionClass::Fixed => "fixed",
            DetectionClass::SmoothedTop => "smoothed-top",
        },
        "smoothing": smoothing_record(*smoothing),
        "seed_ranking": match seed_ranking {
            SeedRanking::IntegratedGradients => "integrated-gradients",
            SeedRanking::Gradient => "gradient",
        },
        "segments": match segments {
            SegmentChoice::HighestSeeds => json!({ "choice": "highest-seeds" }),
            SegmentChoice::UntilNonEmpty { attempts } =>
                json!({ "choice": "until-non-empty", "attempts": attempts }),
            SegmentChoice::Every => json!({ "choice": "every" }),
        },
        "given_seeds": given_seeds.iter().map(given_seed).collect::<Vec<_>>(),
    })
}

fn given_seed(seed: &GivenSeed) -> Value {
    match seed {
        GivenSeed::Pixel { x, y } => json!({ "x": x, "y": y }),
        GivenSeed::Feature(feature) => json!({ "feature": feature }),
    }
}

/// 0.001 rather than 0.0010000000474974513.
pub(super) fn as_typed(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

fn smoothing_record(smoothing: Smoothing) -> Value {
    match smoothing {
        Smoothing::Exact => json!({ "kind": "exact" }),
        Smoothing::Sqrt { tau } => json!({ "kind": "sqrt", "tau": as_typed(tau) }),
        Smoothing::SqrtModules { tau } => {
            json!({ "kind": "sqrt-unclipped", "tau": as_typed(tau) })
        }
        Smoothing::Softplus { beta } => json!({ "kind": "softplus", "beta": as_typed(beta) }),
    }
}

/// A number, or how it is found.
pub(super) fn steps_record(steps: Steps) -> Value {
    match steps {
        Steps::Fixed(steps) => json!(steps),
        Steps::UntilGap { gap, at_most } => json!({ "gap": gap, "at_most": at_most }),
    }
}

fn attribution(settings: &IdgVis) -> Value {
    let IdgVis {
        steps,
        samples,
        keep_probability,
        class,
        directional,
        path_mean,
        sample_sum,
        seed,
    } = settings;
    json!({
        "steps": steps_record(*steps),
        "samples": match samples {
            Samples::Fixed(samples) => json!(samples),
            Samples::UntilSettled { confidence, tie, at_most } => {
                json!({ "confidence": confidence, "tie": tie, "at_most": at_most })
            }
        },
        "keep_probability": keep_probability,
        "class": match class {
            PathClass::Fixed => "fixed",
            PathClass::TopAtEachPoint => "top-at-each-point",
        },
        "directional": match directional {
            Directional::Projection => "projection",
            Directional::Elementwise => "elementwise",
        },
        "path_mean": match path_mean {
            PathMean::OfNorms => "of-norms",
            PathMean::NormOfMean => "norm-of-mean",
        },
        "sample_sum": match sample_sum {
            SampleSum::Mean => "mean",
            SampleSum::Sum => "sum",
        },
        "seed": seed,
    })
}
