//! What of the settings decides the rows, as a plan keeps it.

use hsets_pipeline::{
    MetricSettings, Reference, Settings,
    attribution::Baseline,
    segmentation::{SamOptions, SegmenterChoice},
};
use serde_json::{Value, json};

use crate::{MethodPlan, Result, file_hash, text_hash};

impl MethodPlan {
    /// A method with all its settings; of images only what is in them, in short.
    pub fn new(name: impl Into<String>, settings: &Settings) -> Self {
        let mut plan = json!(Settings { baseline: Baseline::Zero, ..settings.clone() });
        plan["baseline"] = baseline_plan(&settings.baseline);
        let references = settings.contrasts.references.iter().map(|reference| match reference {
            Reference::Baseline(baseline) => baseline_plan(baseline),
            reference => json!(reference),
        });
        plan["contrasts"]["references"] = references.collect();
        Self { name: name.into(), settings: plan }
    }
}

/// The settings of metrics.
pub fn metric_plan(settings: &MetricSettings) -> Value {
    let mut plan = json!(MetricSettings { baseline: Baseline::Zero, ..settings.clone() });
    plan["baseline"] = baseline_plan(&settings.baseline);
    plan
}

fn baseline_plan(baseline: &Baseline) -> Value {
    match baseline {
        Baseline::Image(image) => {
            let numbers = image.data().iter().map(f32::to_string).collect::<Vec<_>>().join(" ");
            json!({ "image": { "shape": image.shape(), "sha256": text_hash(&numbers) } })
        }
        baseline => json!(baseline),
    }
}

/// The settings of a segmenter; of its files the content counts, not where they lie.
pub fn segmenter_plan(choice: &SegmenterChoice) -> Result<Value> {
    Ok(match choice {
        SegmenterChoice::LabelMap { file } => {
            json!({ "kind": "label-map", "sha256": file_hash(file)? })
        }
        SegmenterChoice::Sam(options) => {
            let sha256 = options.weights.as_deref().map(file_hash).transpose()?;
            let options = SamOptions { weights: None, cache: None, sha256, ..(**options).clone() };
            json!(SegmenterChoice::Sam(Box::new(options)))
        }
        settings => json!(settings),
    })
}
