//! What can be typed.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use hsets_pipeline::models::{Exif, PaddingMode};

use crate::experiment::Kind;

/// Repeat the paper's evaluation: run it, or go on with it, and write the report.
#[derive(clap::Parser)]
#[command(name = "cargo xtask reproduce", bin_name = "cargo xtask reproduce")]
pub(crate) enum Args {
    /// The tables on ImageNet, with all controls and ablations.
    Imagenet(Paper),
    /// The tables on CUB-200-2011.
    Cub(Paper),
    /// All of it, small, on drawn pictures and the bundled model, offline. HSETS_REAL_DATA adds
    /// real photos.
    Demo(Common),
}

/// Which evaluation, of the paper's pictures and models.
#[derive(clap::Args)]
pub(crate) struct Paper {
    /// Folder of the pictures.
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// How pictures are prepared and chosen, and which preset is the standard.
    #[arg(long, value_enum, default_value = "clean")]
    pub(crate) protocol: Protocol,
    /// Architectures, separated by commas; those of the paper's tables unless given.
    #[arg(long, value_delimiter = ',')]
    pub(crate) models: Vec<String>,
    /// Weights of a model, MODEL=FILE; from the Hugging Face hub unless given.
    #[arg(long, value_parser = model_file)]
    pub(crate) weights: Vec<(String, PathBuf)>,
    /// Names of a model's classes, MODEL=FILE.
    #[arg(long, value_parser = model_file)]
    pub(crate) labels: Vec<(String, PathBuf)>,
    /// Mean of each channel, of pixel values in 0 to 1: A,B,C [default: of the weights, or of the
    /// protocol].
    #[arg(long, value_parser = triple)]
    pub(crate) mean: Option<[f32; 3]>,
    /// Standard deviation of each channel, likewise.
    #[arg(long, value_parser = triple)]
    pub(crate) std: Option<[f32; 3]>,
    /// Padding of strided convolutions: torch, or same as TensorFlow [default: of the weights].
    #[arg(long)]
    pub(crate) padding: Option<PaddingMode>,
    /// Orientation that cameras write into photos: obey, or ignore as torchvision [default: obey].
    #[arg(long)]
    pub(crate) exif: Option<Exif>,
    /// Weights of Segment Anything; QuickShift stands in without them.
    #[arg(long)]
    pub(crate) sam_weights: Option<PathBuf>,
    /// Pictures of each ablation.
    #[arg(long, default_value_t = 200)]
    pub(crate) ablation_samples: usize,
    /// Where networks run.
    #[arg(long, value_enum, default_value = "cpu")]
    pub(crate) device: Device,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// What every study takes.
#[derive(clap::Args)]
pub(crate) struct Common {
    /// Folder of the results and of the report. A study that was stopped goes on where it was.
    #[arg(long)]
    pub(crate) out: Option<PathBuf>,
    /// Pictures for each model of the main table: 1000, in the demo 6.
    #[arg(long)]
    pub(crate) samples: Option<usize>,
    /// Explanations of every picture, with different seeds: 5, in the demo 2.
    #[arg(long)]
    pub(crate) runs: Option<u32>,
    /// Pictures for each network whose interactions are known: 20, in the demo 2; 0 for none.
    #[arg(long)]
    pub(crate) truth_pictures: Option<u64>,
    /// Only these experiments, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Kind>,
    /// Threads; all cores unless given.
    #[arg(long)]
    pub(crate) threads: Option<usize>,
    /// Measure the first pictures, tell the cost, and stop.
    #[arg(long)]
    pub(crate) estimate_only: bool,
    /// Write the report of what is there, and compute nothing.
    #[arg(long, conflicts_with = "estimate_only")]
    pub(crate) report_only: bool,
    /// Go on with results of another version of this program.
    #[arg(long)]
    pub(crate) any_code: bool,
}

/// How pictures are prepared and chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Protocol {
    /// Normalised as the weights want it, correctly classified pictures only, the preset `paper`.
    Clean,
    /// As the authors' programs do: pixels in 0..1 without normalisation, every picture, the
    /// preset `reference`, ROAD ranked by the signed sum with ties by position.
    Authors,
}

impl Protocol {
    /// The name as it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Authors => "authors",
        }
    }
}

/// Where networks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Device {
    /// Our own kernels.
    Cpu,
    /// The first CUDA device.
    Cuda,
    /// The first Metal device.
    Metal,
}

fn triple(text: &str) -> Result<[f32; 3]> {
    let numbers: Option<Vec<f32>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
    let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
    numbers.context("expected three numbers such as 0.485,0.456,0.406")
}

fn model_file(text: &str) -> Result<(String, PathBuf)> {
    let (model, file) = text.split_once('=').context("expected MODEL=FILE")?;
    Ok((model.to_owned(), file.into()))
}
