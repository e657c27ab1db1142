//! What an experiment is, in full, as its results keep it.

use anyhow::{Context as _, Result};
use hsets_evaluation::{DatasetPlan, MethodPlan, ModelPlan, Plan, Selection, segmenter_plan};
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
            "preprocessing": preprocessing,
            "padding": model.classifier.padding(),
            "probabilities": model.classifier.field().link(),
        }),
    }
}

fn method(variant: &Variant) -> Result<MethodPlan> {
    let mut plan = MethodPlan::new(&variant.name, &variant.settings);
    plan.settings["segments"] = segments(&variant.prior)?;
    plan.settings["road"] = json!(variant.road);
    Ok(plan)
}

fn segments(prior: &Prior) -> Result<Value> {
    match prior {
        Prior::Pixels => Ok(json!({ "kind": "none: every pixel by itself" })),
        Prior::Segments(choice) => Ok(segmenter_plan(choice)?),
    }
}
