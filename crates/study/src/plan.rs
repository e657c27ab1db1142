//! What an experiment is, in full, as its results keep it.

use anyhow::{Context as _, Result};
use hsets_evaluation::{DatasetPlan, MethodPlan, ModelPlan, Plan, Selection, file_hash};
use hsets_pipeline::{
    metrics::{RoadSettings, Ties},
    models::PaddingMode,
    segmentation::SegmenterChoice,
};
use hsets_report::record;
use serde_json::{Value, json};

use crate::{
    args::Protocol,
    examiner::Columns,
    experiment::{Experiment, Prior, Variant},
    study::{Model, Study},
};

/// Seed of the order of pictures and of the first run.
const SEED: u64 = 0;

/// The columns of an experiment's results.
pub(crate) fn columns(experiment: &Experiment) -> Columns {
    let road = experiment.variants.first().map(|variant| variant.road.percentages.clone());
    Columns { only_gini: experiment.is_timed(), percentages: road.unwrap_or_default() }
}

/// The plan of an experiment.
pub(crate) fn plan(study: &Study, experiment: &Experiment) -> Result<Plan> {
    let models = experiment.models.iter().map(|name| study.model(name));
    let models: Vec<&Model> = models.collect::<Result<_>>()?;
    let data = models.first().context("an experiment without models")?.data;
    let methods = experiment.variants.iter().map(method).collect::<Result<_>>()?;
    Ok(Plan {
        format: Plan::FORMAT,
        dataset: DatasetPlan::of(&study.data[data]),
        selection: Selection {
            samples: Some(experiment.samples),
            seed: SEED,
            correct_only: study.protocol == Protocol::Clean,
        },
        runs: experiment.runs,
        seed: SEED,
        models: models.into_iter().map(model).collect(),
        methods,
        metrics: columns(experiment).names(),
        metric_settings: json!({ "gini_channels": "abs-sum", "alone": experiment.is_timed() }),
    })
}

fn model(model: &Model) -> ModelPlan {
    let preprocessing = model.classifier.preprocessing();
    ModelPlan {
        name: model.name.clone(),
        weights_sha256: model.classifier.weights_sha256().to_owned(),
        settings: json!({
            "architecture": model.classifier.name(),
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "resize": preprocessing.resize,
            "crop": preprocessing.crop,
            "interpolation": format!("{:?}", preprocessing.interpolation).to_lowercase(),
            "padding": match model.classifier.padding() {
                Some(PaddingMode::Torch) => "torch",
                Some(PaddingMode::Same) => "same",
                None => "of the file",
            },
        }),
    }
}

fn method(variant: &Variant) -> Result<MethodPlan> {
    let settings = json!({
        "settings": record::settings_record(&variant.settings),
        "baseline": "zero",
        "segments": segments(&variant.prior)?,
        "road": road(&variant.road),
    });
    Ok(MethodPlan { name: variant.name.clone(), settings })
}

/// The settings of the segmenter; of SAM's weights the content counts, not where they lie.
fn segments(prior: &Prior) -> Result<Value> {
    let choice = match prior {
        Prior::Pixels => return Ok(json!({ "kind": "none: every pixel by itself" })),
        Prior::Segments(choice) => choice,
    };
    let mut settings = record::segmenter(choice);
    if let SegmenterChoice::Sam(options) = choice {
        settings["weights"] = json!(options.weights.as_deref().map(file_hash).transpose()?);
        settings["cache"] = Value::Null;
    }
    Ok(settings)
}

fn road(settings: &RoadSettings) -> Value {
    let RoadSettings { percentages, noise, seed: _, ties, reduction, batch_size: _ } = settings;
    json!({
        "percentages": percentages,
        "noise": noise,
        "ties": match ties {
            Ties::Seeded(_) => "seeded by the run",
            Ties::LastFirst => "last first",
        },
        "channels": reduction.name(),
    })
}
