//! `explanation.json`: everything about an explanation that is not a picture or a tensor.

mod adaptive;
mod interactions;
mod metrics;
mod settings;

use hsets_core::{ChannelReduction, Link, MaskReport, Shape, Target};
#[cfg(feature = "models")]
use hsets_pipeline::models::{Classifier, PaddingMode};
use hsets_pipeline::{
    Explanation, Grown, ScoredSet, Settings, Work, detection::Stop, segmentation::SegmenterChoice,
};
use serde::Serialize;
use serde_json::Value;

use crate::{Error, Result};
use interactions::InteractionsRecord;
pub use interactions::{group_record, interaction_record, verdict};
pub use metrics::{curves_plot, metrics_record};
use settings::settings_record;

/// Version of the format of [`Record`]. It grows when a field changes its meaning or goes away;
/// new fields may come without.
pub const FORMAT_VERSION: u32 = 1;

/// Where an explanation comes from.
#[derive(Clone, Copy)]
pub struct Provenance<'a> {
    /// The input as the user named it.
    pub input: &'a str,
    /// The network.
    pub model: &'a ModelRecord,
    /// Name of a class; empty where there is none.
    pub label: &'a dyn Fn(usize) -> String,
    /// The segmenter with its settings.
    pub segmenter: &'a SegmenterChoice,
    /// The baseline as the user named it.
    pub baseline: &'a str,
    /// The preset the settings started from.
    pub preset: &'a str,
    /// Program and version.
    pub software: &'a str,
}

/// The network and how its input was prepared.
#[derive(Debug, Clone, Serialize)]
pub struct ModelRecord {
    /// Architecture.
    pub name: String,
    /// File or hub address of the weights.
    pub weights: String,
    /// SHA-256 of the weights, hexadecimal.
    pub weights_sha256: String,
    /// Mean of each channel.
    pub mean: [f32; 3],
    /// Standard deviation of each channel.
    pub std: [f32; 3],
    /// Short side of pictures after resizing.
    pub resize: usize,
    /// (height, width) of what the network sees.
    pub crop: [usize; 2],
    /// Filter of the resize.
    pub interpolation: String,
    /// What becomes of the orientation in photos.
    pub exif: String,
    /// Padding of strided convolutions.
    pub padding: String,
}

#[cfg(feature = "models")]
impl ModelRecord {
    /// Of a classifier; `weights` says where they came from.
    pub fn new(classifier: &Classifier, weights: &str) -> Self {
        let preprocessing = classifier.preprocessing();
        Self {
            name: classifier.name().to_owned(),
            weights: weights.to_owned(),
            weights_sha256: classifier.weights_sha256().to_owned(),
            mean: preprocessing.mean,
            std: preprocessing.std,
            resize: preprocessing.resize,
            crop: preprocessing.crop,
            interpolation: preprocessing.interpolation.name().to_owned(),
            exif: preprocessing.exif.name().to_owned(),
            padding: match classifier.padding() {
                Some(PaddingMode::Torch) => "torch".into(),
                Some(PaddingMode::Same) => "same".into(),
                None => "of the file".into(),
            },
        }
    }
}

/// An explanation as it is written to `explanation.json`.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    format_version: u32,
    software: String,
    input: String,
    input_shape: [usize; 3],
    model: ModelRecord,
    target: TargetRecord,
    class: Option<ClassRecord>,
    top: Vec<ClassRecord>,
    /// How logits become probabilities.
    probabilities: Link,
    seed: u64,
    settings: Value,
    n_segments: usize,
    /// The masks that the segments were made of, if they were.
    #[serde(skip_serializing_if = "Option::is_none")]
    masks: Option<MaskReport>,
    sets: Vec<SetRecord>,
    /// Of methods that measure what acts together.
    #[serde(flatten)]
    interactions: InteractionsRecord,
    measures: MeasuresRecord,
    /// What was left to be found, where anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    adaptive: Option<Value>,
    /// What a person did, where anybody did anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    by_hand: Option<Value>,
    cost: CostRecord,
    logits: Vec<f32>,
    baseline_logits: Vec<f32>,
    /// It stands among the settings.
    #[serde(skip)]
    claim_reference: String,
}

/// The scalar that was explained.
#[derive(Debug, Clone, Serialize)]
struct TargetRecord {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<ClassRecord>,
    /// Its value at the image.
    value: f64,
    /// Its value at the baseline.
    baseline_value: f64,
}

/// A class and what the network says about it.
#[derive(Debug, Clone, Serialize)]
pub struct ClassRecord {
    /// Index among the logits.
    pub index: usize,
    /// Name.
    pub label: String,
    /// By the [`Link`] of the network.
    pub probability: f64,
    /// Logit.
    pub logit: f32,
}

#[derive(Debug, Clone, Serialize)]
struct SetRecord {
    rank: usize,
    score: f64,
    standard_error: f64,
    /// 0 where nothing is sampled.
    n_samples: usize,
    n_features: usize,
    /// Of sets that were grown from Hessian rows.
    #[serde(flatten)]
    grown: Option<GrownRecord>,
}

#[derive(Debug, Clone, Serialize)]
struct GrownRecord {
    seed: FeatureRecord,
    segment: u32,
    n_rows: usize,
    stop: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct FeatureRecord {
    feature: usize,
    channel: usize,
    y: usize,
    x: usize,
}

#[derive(Debug, Clone, Serialize)]
struct MeasuresRecord {
    gini: f64,
    gini_channels: &'static str,
    completeness_gap: Option<f64>,
}

#[derive(Debug, Clone, Serialize)]
struct CostRecord {
    /// In the order of the stages.
    timings: Vec<StageRecord>,
    n_forwards: usize,
    n_gradients: usize,
    n_linearisations: usize,
    n_rows: usize,
}

#[derive(Debug, Clone, Serialize)]
struct StageRecord {
    stage: &'static str,
    seconds: f64,
}

impl Record {
    /// Everything about `explanation`, which `settings` led to.
    pub fn new(explanation: &Explanation, settings: &Settings, from: &Provenance<'_>) -> Self {
        let shape = explanation.image.shape();
        let (logits, link) = (&explanation.logits, explanation.link);
        let sets = explanation.sets.iter().enumerate();
        let stages = explanation.cost.timings.iter();
        let completeness = explanation.measures.completeness;
        let Work { n_forwards, n_gradients, n_linearisations, n_rows } = explanation.cost.alone;
        Self {
            format_version: FORMAT_VERSION,
            software: from.software.to_owned(),
            input: from.input.to_owned(),
            input_shape: [shape.channels, shape.height, shape.width],
            model: from.model.clone(),
            target: target(explanation, from.label),
            class: explanation.target.class().map(|c| class_record(c, logits, link, from.label)),
            top: top_classes(logits, link, 5, from.label),
            probabilities: link,
            seed: settings.attribution.seed,
            settings: settings_record(settings, from),
            n_segments: explanation.segments.n_segments(),
            masks: explanation.masks.clone(),
            sets: sets.map(|(rank, set)| set_record(rank, set, shape)).collect(),
            interactions: InteractionsRecord::new(explanation),
            measures: MeasuresRecord {
                gini: explanation.measures.gini,
                gini_channels: ChannelReduction::AbsSum.name(),
                completeness_gap: completeness.map(|gap| gap.absolute()),
            },
            adaptive: adaptive::adaptive(explanation, settings, from.preset),
            by_hand: None,
            cost: CostRecord {
                timings: stages
                    .map(|(stage, took)| StageRecord { stage, seconds: took.as_secs_f64() })
                    .collect(),
                n_forwards,
                n_gradients,
                n_linearisations,
                n_rows,
            },
            logits: logits.clone(),
            baseline_logits: explanation.baseline_logits.clone(),
            claim_reference: settings
                .contrasts
                .references
                .first()
                .filter(|_| settings.method.is_by_removal())
                .map_or(String::new(), ToString::to_string),
        }
    }

    /// With what a person did, and what came of it.
    #[must_use]
    pub fn with_steps_by_hand(self, steps: Value) -> Self {
        Self { by_hand: Some(steps), ..self }
    }

    /// What was explained, in words: "log-odds of tabby".
    pub(crate) fn scalar(&self) -> String {
        let label = |class: &ClassRecord| match class.label.as_str() {
            "" => format!("class {}", class.index),
            label => label.to_owned(),
        };
        match &self.class {
            Some(class) => format!("{} of {}", self.target.kind, label(class)),
            None => format!("{} of the logits", self.target.kind),
        }
    }

    /// Name of the reference under which interactions are claimed; empty for methods without.
    pub(crate) fn claim_reference(&self) -> String {
        self.claim_reference.clone()
    }

    /// For people: indented.
    pub fn to_pretty_json(&self) -> Result<String> {
        let json = serde_json::to_string_pretty(self);
        json.map(|json| json + "\n").map_err(|error| Error::encode("record", error))
    }

    /// For programs: one line.
    pub fn to_json_line(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|error| Error::encode("record", error))
    }
}

/// The `n` most probable classes, the most probable first.
pub fn top_classes(
    logits: &[f32],
    link: Link,
    n: usize,
    label: &dyn Fn(usize) -> String,
) -> Vec<ClassRecord> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&a, &b| logits[b].total_cmp(&logits[a]).then(a.cmp(&b)));
    order.into_iter().take(n).map(|class| class_record(class, logits, link, label)).collect()
}

fn class_record(
    class: usize,
    logits: &[f32],
    link: Link,
    label: &dyn Fn(usize) -> String,
) -> ClassRecord {
    ClassRecord {
        index: class,
        label: label(class),
        probability: link.probability(logits, class),
        logit: logits[class],
    }
}

fn target(explanation: &Explanation, label: &dyn Fn(usize) -> String) -> TargetRecord {
    let value = |logits: &[f32]| {
        let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        explanation.target.value(&wide)
    };
    let (kind, against) = match explanation.target {
        Target::Logit(_) => ("logit", None),
        Target::Top => ("top", None),
        Target::Difference { against, .. } => ("difference", Some(against)),
        Target::LogProbability(_) | Target::LogSigmoid(_) => ("log-probability", None),
        Target::LogOdds(_) => ("log-odds", None),
        Target::Weighted(_) => ("weighted", None),
    };
    TargetRecord {
        kind,
        against: against
            .map(|class| class_record(class, &explanation.logits, explanation.link, label)),
        value: value(&explanation.logits),
        baseline_value: value(&explanation.baseline_logits),
    }
}

fn set_record(rank: usize, set: &ScoredSet, shape: Shape) -> SetRecord {
    SetRecord {
        rank: rank + 1,
        score: set.score,
        standard_error: set.standard_error,
        n_samples: set.n_samples,
        n_features: set.features.len(),
        grown: set.grown.map(|grown| grown_record(grown, shape)),
    }
}

fn grown_record(grown: Grown, shape: Shape) -> GrownRecord {
    let (channel, y, x) = shape.position(grown.seed);
    GrownRecord {
        seed: FeatureRecord { feature: grown.seed, channel, y, x },
        segment: grown.segment,
        n_rows: grown.n_rows,
        stop: match grown.stop {
            Stop::Full => "full",
            Stop::Exhausted => "exhausted",
            Stop::RowCap => "row-cap",
        },
    }
}
