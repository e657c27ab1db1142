//! The networks that are explained.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    core::Silent,
    models::{Classifier, LoadOptions, PaddingMode},
};
use hsets_scenes::Task;

/// A small network of `fixtures/truth`, or the bundled one.
pub struct TruthNetwork {
    /// What it was trained on.
    pub task: Task,
    /// Its name, `vgg11_bn-0`: architecture or control, and training seed.
    pub name: String,
    /// Its training seed.
    pub seed: u64,
    file: PathBuf,
}

/// Trained where the patch told the class, and yet at 0.95 where it does not: this one looks at the
/// parts.
const RESISTED: (Task, &str) = (Task::Decoy, "vgg11_bn-2");

/// Controls: additive, a product, and a sum with one product, by construction.
const CONTROLS: [&str; 3] = ["bag", "prod", "bagmix"];

impl TruthNetwork {
    /// What its results are gathered under: the task, but for the controls by construction and for
    /// the network that the decoy did not lead astray.
    pub fn subject(&self) -> &'static str {
        let kind = self.name.split('-').next();
        if let Some(control) = CONTROLS.into_iter().find(|&control| kind == Some(control)) {
            return control;
        }
        if (self.task, self.name.as_str()) == RESISTED {
            return "decoy-resisted";
        }
        self.task.name()
    }

    /// Whether it is shown this picture: networks that take long to explain see every sixth.
    pub fn sees(&self, picture: u64) -> bool {
        !self.name.starts_with("densenet") || picture.is_multiple_of(6)
    }

    /// Reads the weights.
    pub fn load(&self) -> Result<Classifier> {
        let options = LoadOptions { weights: Some(self.file.clone()), ..LoadOptions::default() };
        Ok(Classifier::load(&options, &Silent)?)
    }
}

/// All networks in the repository, in the order of their names, the bundled one last.
pub fn truth_networks() -> Result<Vec<TruthNetwork>> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let folder = fixtures.join("truth");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let file = entry?.path();
        if file.extension().is_some_and(|extension| extension == "safetensors") {
            files.push(file);
        }
    }
    files.sort();
    let mut networks: Vec<TruthNetwork> =
        files.iter().map(|file| network(file)).collect::<Result<_>>()?;
    let file = fixtures.join("bundled/model.safetensors");
    networks.push(TruthNetwork { task: Task::Duel, name: "bundled".into(), seed: 0, file });
    Ok(networks)
}

/// `TASK-ARCHITECTURE-SEED.safetensors`.
fn network(file: &Path) -> Result<TruthNetwork> {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let unknown = || format!("{}: expected TASK-ARCHITECTURE-SEED", file.display());
    let (task, name) = stem.split_once('-').with_context(unknown)?;
    let (_, seed) = name.split_once('-').with_context(unknown)?;
    Ok(TruthNetwork {
        task: task.parse()?,
        name: name.to_owned(),
        seed: seed.parse().with_context(unknown)?,
        file: file.to_owned(),
    })
}

/// MobileNetV2 of the folder of real data, as converted from TensorFlow.
pub fn mobilenet(folder: &Path) -> Result<Classifier> {
    let options = LoadOptions {
        model: Some("mobilenet_v2".into()),
        weights: Some(folder.join("mobilenet_v2_imagenet.safetensors")),
        labels: Some(folder.join("labels_imagenet.json")),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        padding: Some(PaddingMode::Same),
        ..LoadOptions::default()
    };
    Ok(Classifier::load(&options, &Silent)?)
}

/// EfficientNet-Lite0 of the folder of real data: nothing is chosen on it.
pub fn efficientnet_lite0(folder: &Path) -> Result<Classifier> {
    let options = LoadOptions {
        model: Some("tf_efficientnet_lite0".into()),
        weights: Some(folder.join("efficientnet_lite0_imagenet.safetensors")),
        labels: Some(folder.join("labels_imagenet.json")),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        ..LoadOptions::default()
    };
    Ok(Classifier::load(&options, &Silent)?)
}

/// ResNet-20 of the folder of real data, trained on CIFAR-10.
pub fn resnet20(folder: &Path) -> Result<Classifier> {
    let options = LoadOptions {
        model: Some("resnet20".into()),
        weights: Some(folder.join("resnet20_cifar10.safetensors")),
        labels: Some(folder.join("labels_cifar10.json")),
        ..LoadOptions::default()
    };
    Ok(Classifier::load(&options, &Silent)?)
}
