//! From arguments to a plan: networks, settings, and what decides the rows.

use std::path::Path;

use hsets_datasets::Dataset;
use hsets_evaluation::{
    DatasetPlan, MethodPlan, ModelPlan, Plan, Selection, file_hash, metric_plan, segmenter_plan,
    text_hash,
};
use hsets_pipeline::{Method, MetricSettings, Settings, models, segmentation::SegmenterChoice};
use serde_json::{Value, json};

use crate::{
    args::{DeviceChoice, EvaluateArgs, General, ModelArgs, ModelSpec, chosen},
    measuring::metric_settings,
    network::Network,
    output::complain,
    settings::settings,
};

/// A plan with all that is needed to carry it out.
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) models: Vec<Model>,
    pub(super) metrics: MetricSettings,
}

/// A network with what belongs to it.
pub(super) struct Model {
    name: String,
    pub(super) network: Network,
    pub(super) segmenter: SegmenterChoice,
    /// Of each method.
    pub(super) methods: Vec<Settings>,
    pub(super) class_of: Vec<usize>,
}

impl Planned {
    /// Loads all networks; `device` is where they will run.
    pub(super) fn new(
        args: &EvaluateArgs,
        general: &General,
        device: DeviceChoice,
        dataset: &Dataset,
    ) -> anyhow::Result<Self> {
        // What is missing of the segmenter shows before a network is loaded.
        let segmenter = segmenter(args, general)?;
        let methods = chosen(&args.methods);
        let load =
            |spec: &ModelSpec| Model::load(spec, args, general, &methods, dataset, &segmenter);
        let models: Vec<Model> = args.models()?.iter().map(load).collect::<anyhow::Result<_>>()?;
        let metrics = metric_settings(&args.metrics, general, true)?;
        metrics.check()?;
        let plan = Plan {
            format: Plan::FORMAT,
            dataset: DatasetPlan::of(dataset),
            selection: Selection {
                samples: args.data.samples.0,
                seed: args.data.sample_seed.unwrap_or(general.seed),
                correct_only: !args.data.misclassified,
            },
            runs: args.data.runs,
            seed: general.seed,
            models: models
                .iter()
                .map(|model| model.plan(args, device))
                .collect::<anyhow::Result<_>>()?,
            methods: method_plans(&models, &methods, args),
            metrics: metrics.reading_names(),
            metric_settings: metric_settings_plan(&metrics, args.metrics.mask.as_deref())?,
        };
        plan.check()?;
        Ok(Self { plan, models, metrics })
    }
}

impl Model {
    fn load(
        spec: &ModelSpec,
        args: &EvaluateArgs,
        general: &General,
        methods: &[Method],
        dataset: &Dataset,
        segmenter: &SegmenterChoice,
    ) -> anyhow::Result<Self> {
        let (model, weights, input) = (spec.name.clone(), spec.weights.clone(), args.input.clone());
        let network = Network::load(&ModelArgs { model, weights, input }, general, [])?;
        let mut shared = settings(&args.method, general, &network)?;
        shared.attribution.samples = args.subsets.unwrap_or(shared.attribution.samples);
        shared.check()?;
        let of_method = |&method: &Method| Settings { method, ..shared.clone() };
        let classifier = network.classifier();
        let labels: Vec<&str> =
            (0..classifier.labels().len()).map(|class| classifier.labels().name(class)).collect();
        let placement = dataset.classes.onto(&labels, args.data.numbering)?;
        if let Some(note) = placement.note {
            complain(&format!("{}: {note}", network.name()));
        }
        Ok(Self {
            name: spec.name.clone().unwrap_or_else(|| network.name().to_owned()),
            segmenter: segmenter.clone().for_side(network.side()),
            methods: methods.iter().map(of_method).collect(),
            class_of: placement.class_of,
            network,
        })
    }

    fn plan(&self, args: &EvaluateArgs, device: DeviceChoice) -> anyhow::Result<ModelPlan> {
        let classifier = self.network.classifier();
        let preprocessing = classifier.preprocessing();
        Ok(ModelPlan {
            name: self.name.clone(),
            weights_sha256: classifier.weights_sha256().to_owned(),
            settings: json!({
                "architecture": self.network.name(),
                "preprocessing": preprocessing,
                "padding": classifier.padding(),
                "probabilities": classifier.field().link(),
                "segmenter": segmenter_plan(&self.segmenter)?,
                "baseline": baseline_record(&args.method.baseline)?,
                "classes": text_hash(&json!(self.class_of).to_string()),
                "device": device.name(),
            }),
        })
    }
}

/// SAM's masks are kept beside the results unless another folder is named: runs, methods, models
/// and shards share them.
fn segmenter(args: &EvaluateArgs, general: &General) -> Result<SegmenterChoice, models::Error> {
    let mut choice = args.method.segmenter.choice(general)?;
    if let SegmenterChoice::Sam(options) = &mut choice {
        let beside = || Some(args.out.with_file_name("sam-masks"));
        options.cache = options.cache.take().or_else(beside);
    }
    Ok(choice)
}

fn method_plans(models: &[Model], methods: &[Method], args: &EvaluateArgs) -> Vec<MethodPlan> {
    // The settings of methods are the same for all networks: what is not is the network's.
    let settings = models.first().map_or(&[][..], |model| &model.methods);
    let preset = args.method.preset.name();
    let plan = |(method, settings): (&Method, &Settings)| {
        let mut plan = MethodPlan::new(method.name(), settings);
        plan.settings["preset"] = preset.into();
        plan
    };
    methods.iter().zip(settings).map(plan).collect()
}

/// The name, or of an image what is in it.
fn baseline_record(name: &str) -> anyhow::Result<Value> {
    let path = Path::new(name);
    Ok(if path.is_file() { json!({ "image_sha256": file_hash(path)? }) } else { json!(name) })
}

/// The settings of metrics, and of a mask that all pictures share what is in it.
fn metric_settings_plan(settings: &MetricSettings, mask: Option<&Path>) -> anyhow::Result<Value> {
    let mut plan = metric_plan(settings);
    plan["mask"] = match mask {
        Some(file) if file.is_file() => json!({ "mask_sha256": file_hash(file)? }),
        Some(_) => json!("one for each picture"),
        None => Value::Null,
    };
    Ok(plan)
}
