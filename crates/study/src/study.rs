//! The three studies: which pictures, models and experiments.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hsets_evaluation::datasets::Dataset;
use hsets_pipeline::{
    core::Silent,
    models::{self, Classifier, LoadOptions, PaddingMode},
    segmentation::{SamDevice, SamOptions, SegmenterChoice},
};

use crate::{
    args::{Common, Device, Paper, Protocol},
    data,
    design::{Design, quickshift},
    experiment::{Experiment, Kind},
};

/// The bundled model: ResNet-20 that plays rock, paper, scissors.
const BUNDLED: &[u8] = include_bytes!("../../../fixtures/bundled/model.safetensors");
/// Its name in results.
const BUNDLED_NAME: &str = "bundled";
/// Folder with real photos and weights, for the demo.
const REAL_DATA: &str = "HSETS_REAL_DATA";
/// Weights of MobileNetV2 in that folder.
const REAL_WEIGHTS: &str = "mobilenet_v2_imagenet.safetensors";
/// Timing needs few pictures.
const TIMED: usize = 10;

/// What is to be done.
pub(crate) struct Study {
    /// `imagenet`, `cub` or `demo`.
    pub(crate) name: &'static str,
    /// How pictures are prepared and chosen.
    pub(crate) protocol: Protocol,
    /// What segments the pictures: `sam` or `quickshift`.
    pub(crate) prior: &'static str,
    /// The datasets.
    pub(crate) data: Vec<Dataset>,
    /// The models.
    pub(crate) models: Vec<Model>,
    /// The experiments, in the order of the report.
    pub(crate) experiments: Vec<Experiment>,
}

/// A model that was loaded.
pub(crate) struct Model {
    /// Its name in results.
    pub(crate) name: String,
    /// Network, preprocessing and labels.
    pub(crate) classifier: Classifier,
    /// Which of the study's datasets it looks at.
    pub(crate) data: usize,
    /// For each class of the dataset the index of the model's class.
    pub(crate) class_of: Vec<usize>,
}

impl Model {
    fn new(name: &str, classifier: Classifier, data: usize, dataset: &Dataset) -> Result<Self> {
        let labels: Vec<&str> = classifier.labels().names().collect();
        let class_of = dataset.classes.onto(&labels, None);
        let class_of = class_of.with_context(|| format!("model {name}"))?.class_of;
        Ok(Self { name: name.to_owned(), classifier, data, class_of })
    }
}

impl Study {
    /// The study on `ImageNet`.
    pub(crate) fn imagenet(args: &Paper, out: &Path) -> Result<Self> {
        let dataset = data::imagenet(args.data.as_deref(), args.protocol)?;
        let models = ["vgg16", "resnet101", "densenet121", "mobilenet_v3_large"];
        let design = Design::paper(args.protocol, 2000, prior(args, out)?);
        let study = Self::of_paper("imagenet", dataset, &models, args)?;
        Ok(study.with_experiments(&design, ["mobilenet_v3_large", "resnet101"], args))
    }

    /// The study on CUB.
    pub(crate) fn cub(args: &Paper, out: &Path) -> Result<Self> {
        let dataset = data::cub(args.data.as_deref())?;
        let design = Design::paper(args.protocol, 3000, prior(args, out)?);
        let study = Self::of_paper("cub", dataset, &["densenet121", "vgg16"], args)?;
        Ok(study.with_experiments(&design, ["vgg16"; 2], args))
    }

    fn of_paper(
        name: &'static str,
        dataset: Dataset,
        of_tables: &[&str],
        args: &Paper,
    ) -> Result<Self> {
        let of_tables = of_tables.iter().map(ToString::to_string).collect();
        let wanted = if args.models.is_empty() { of_tables } else { args.models.clone() };
        let load = |model: &String| {
            let options = load_options(model, name, args)?;
            let classifier = Classifier::load(&options, &Silent)
                .with_context(|| format!("cannot load {model}"))?;
            Model::new(model, classifier, 0, &dataset)
        };
        let models = wanted.iter().map(load).collect::<Result<_>>()?;
        let prior = if args.sam_weights.is_some() { "sam" } else { "quickshift" };
        let (protocol, data, experiments) = (args.protocol, vec![dataset], Vec::new());
        Ok(Self { name, protocol, prior, data, models, experiments })
    }

    /// All experiments; ablations on the first model that is named, that of the prior on the second,
    /// where they are among the models.
    fn with_experiments(
        mut self,
        design: &Design,
        [ablated, of_prior]: [&str; 2],
        args: &Paper,
    ) -> Self {
        let all: Vec<String> = self.models.iter().map(|model| model.name.clone()).collect();
        let one = |name: &str| {
            let found = all.iter().find(|model| *model == name).or(all.last());
            found.cloned().into_iter().collect::<Vec<_>>()
        };
        let samples = args.common.samples.unwrap_or(1000);
        let runs = args.common.runs.unwrap_or(5);
        let few = args.ablation_samples.min(samples);
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Photos) {
            let (models, samples, runs) = match kind {
                Kind::Methods => (all.clone(), samples, runs),
                Kind::Cost => (all.clone(), samples.min(TIMED), 1),
                Kind::Prior => (one(of_prior), few, runs),
                _ => (one(ablated), few, runs),
            };
            let variants = design.variants(kind);
            self.experiments.push(Experiment { kind, models, variants, samples, runs });
        }
        self.only(&args.common.only)
    }

    /// The study that needs nothing but the repository; drawn pictures go to `out`.
    pub(crate) fn demo(args: &Common, out: &Path) -> Result<Self> {
        let samples = args.samples.unwrap_or(6);
        let runs = args.runs.unwrap_or(2);
        // Some are misclassified, or may be.
        let dataset = data::drawn(&out.join("pictures"), samples + 4)?;
        let bundled = Path::new("the bundled model");
        let classifier = Classifier::from_bytes(BUNDLED, bundled, &LoadOptions::default())?;
        let model = Model::new(BUNDLED_NAME, classifier, 0, &dataset)?;
        let mut study = Self {
            name: "demo",
            protocol: Protocol::Clean,
            prior: "quickshift",
            data: vec![dataset],
            models: vec![model],
            experiments: Vec::new(),
        };
        let few = samples.div_ceil(2).max(2).min(samples);
        let design = small();
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Photos) {
            let samples = match kind {
                Kind::Methods => samples,
                Kind::Cost => 1,
                _ => few,
            };
            let runs = if kind == Kind::Methods { runs } else { 1 };
            let (models, variants) = (vec![BUNDLED_NAME.into()], design.variants(kind));
            study.experiments.push(Experiment { kind, models, variants, samples, runs });
        }
        if let Some(folder) = std::env::var_os(REAL_DATA) {
            study.add_photos(Path::new(&folder), samples)?;
        }
        Ok(study.only(&args.only))
    }

    /// Real photos under a real network, a few.
    fn add_photos(&mut self, folder: &Path, samples: usize) -> Result<()> {
        let dataset = data::real_photos(folder)?;
        let options = LoadOptions {
            model: Some("mobilenet_v2".into()),
            weights: Some(folder.join(REAL_WEIGHTS)),
            mean: Some([0.5; 3]),
            std: Some([0.5; 3]),
            padding: Some(PaddingMode::Same),
            ..LoadOptions::default()
        };
        let classifier = Classifier::load(&options, &Silent)?;
        self.models.push(Model::new("mobilenet_v2", classifier, 1, &dataset)?);
        self.data.push(dataset);
        let design = Design { nu: 2000, every_method: false, ..small() };
        self.experiments.push(Experiment {
            kind: Kind::Photos,
            models: vec!["mobilenet_v2".into()],
            variants: design.variants(Kind::Photos),
            samples: samples.min(2),
            runs: 1,
        });
        Ok(())
    }

    /// Pictures for each network whose interactions are known, unless typed.
    pub(crate) fn truth_pictures(&self) -> u64 {
        if self.name == "demo" { 2 } else { 20 }
    }

    fn only(mut self, kinds: &[Kind]) -> Self {
        if !kinds.is_empty() {
            self.experiments.retain(|experiment| kinds.contains(&experiment.kind));
        }
        self
    }

    /// The model of this name.
    pub(crate) fn model(&self, name: &str) -> Result<&Model> {
        let found = self.models.iter().find(|model| model.name == name);
        found.with_context(|| format!("model {name} is not part of this study"))
    }
}

/// Sizes for pictures of 64 × 64, and fewer points of ROAD.
fn small() -> Design {
    Design {
        nus: vec![10, 25, 50, 100, 400],
        counts: vec![10, 30, 50, 100],
        moxi_grid: 5,
        percentages: (0..13).map(|i| f64::from(1 + 8 * i)).collect(),
        every_method: true,
        ..Design::paper(Protocol::Clean, 400, quickshift())
    }
}

/// SAM, whose masks are kept beside the results; without its weights QuickShift.
fn prior(args: &Paper, out: &Path) -> Result<SegmenterChoice> {
    let Some(weights) = &args.sam_weights else { return Ok(quickshift()) };
    anyhow::ensure!(
        weights.is_file(),
        "--sam-weights {}: there is no such file. Give weights of Segment Anything, or leave the \
         option out, and QuickShift stands in",
        weights.display()
    );
    Ok(SegmenterChoice::Sam(Box::new(SamOptions {
        weights: Some(weights.clone()),
        cache: Some(out.join("masks")),
        device: match args.device {
            Device::Cpu => SamDevice::Cpu,
            Device::Cuda => SamDevice::Cuda,
            Device::Metal => SamDevice::Metal,
        },
        ..SamOptions::new(None)
    })))
}

fn load_options(model: &str, study: &str, args: &Paper) -> Result<LoadOptions> {
    let of = |files: &[(String, PathBuf)]| {
        files.iter().find(|(name, _)| name == model).map(|(_, file)| file.clone())
    };
    let weights = of(&args.weights);
    if study == "cub" && weights.is_none() {
        anyhow::bail!(
            "no weights for {model} with CUB's 200 classes were ever published: train them with \
             `hsets train --data DIR --model {model}` and give them as --weights {model}=FILE"
        );
    }
    let options = LoadOptions {
        model: Some(model.to_owned()),
        weights,
        labels: of(&args.labels),
        mean: args.mean,
        std: args.std,
        padding: args.padding,
        exif: args.exif,
        device: match args.device {
            Device::Cpu => models::Device::Cpu,
            Device::Cuda => models::Device::Cuda,
            Device::Metal => models::Device::Metal,
        },
        ..LoadOptions::default()
    };
    Ok(match args.protocol {
        Protocol::Clean => options,
        // Pixels in 0..1; the short side to 224, where the authors squash both sides to it.
        Protocol::Authors => {
            let mean = options.mean.or(Some([0.0; 3]));
            LoadOptions { mean, std: options.std.or(Some([1.0; 3])), resize: Some(224), ..options }
        }
    })
}
