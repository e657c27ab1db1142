//! What can be typed after `hsets train`, and the settings it means.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use hsets_training::{Augmentation, Crop, Optimizer, Settings};

use crate::args::{General, ModelArgs};

/// `hsets train`.
#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
// Here --crop is the way in which views are cut.
#[command(mut_arg("crop-share", |share| share.long("crop-share")))]
pub(crate) struct TrainArgs {
    /// Folder of a dataset (CUB, Imagenette, a folder per class), or a CSV file of path,label
    #[arg(long, value_name = "PATH")]
    pub(super) data: PathBuf,
    /// Held-out pictures, likewise [default: the dataset's own, else a share of the pictures]
    #[arg(long, value_name = "PATH")]
    pub(super) val: Option<PathBuf>,
    /// Folder of the paths in the CSV file of --data [default: where the file is]
    #[arg(long, value_name = "DIR")]
    pub(super) images: Option<PathBuf>,
    /// Folder of the paths in the CSV file of --val [default: where the file is]
    #[arg(long, value_name = "DIR")]
    pub(super) val_images: Option<PathBuf>,
    /// Share of each class that is held out where the dataset holds out none
    #[arg(long, default_value_t = 0.1, value_name = "SHARE")]
    pub(super) val_share: f64,
    #[command(flatten)]
    pub(super) model: ModelArgs,
    /// Start from random weights
    #[arg(long, conflicts_with_all = ["weights", "head_only", "keep_head"])]
    pub(super) scratch: bool,
    /// Train the last layer only, on features that are computed once
    #[arg(long)]
    pub(super) head_only: bool,
    /// Keep the last layer of the weights, whose classes are those of the dataset
    #[arg(long, conflicts_with = "aid")]
    pub(super) keep_head: bool,
    /// Column of the CSV file of --data with further questions about each picture (such as 0|2),
    /// which help to learn and are forgotten in the end
    #[arg(long, value_name = "COLUMN")]
    pub(super) aid: Option<String>,
    #[command(flatten)]
    how: How,
    /// Folder for model.safetensors, checkpoint.safetensors, curves.csv, curves.png and loss.png
    #[arg(long, short, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// Go on from the checkpoint in the folder; from the start if there is none
    #[arg(long)]
    pub(super) resume: bool,
    /// Write a checkpoint after so many steps, too, and not only after each epoch
    #[arg(long, default_value_t = 0, value_name = "STEPS", hide_default_value = true)]
    pub(super) save_every: u64,
}

const EXAMPLES: &str = "\
Defaults in brackets are those for fine-tuning, then those for --scratch.

Examples:
  hsets train --data CUB_200_2011 --model resnet50 --crop resized:0.25 --flip --out cub
  hsets train --data CUB_200_2011 --model resnet50 --head-only --flip --out cub-head
  hsets train --data flowers --model resnet20 --scratch --size 64 --crop shifted:4 --out flowers-net
  hsets explain bird.jpg --weights cub/model.safetensors --out results";

/// How weights are trained.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Training")]
struct How {
    /// Times every picture is seen [10; 30]
    #[arg(long, value_name = "N")]
    epochs: Option<u64>,
    /// Pictures of a step [32; 128]
    #[arg(long, value_name = "N")]
    batch: Option<usize>,
    /// sgd or adamw [sgd; sgd with Nesterov's momentum]
    #[arg(long, value_enum)]
    optimizer: Option<OptimizerChoice>,
    /// Highest learning rate [0.01; 0.1; adamw: 0.001]
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
    /// Momentum of sgd [0.9]
    #[arg(long, value_name = "MU")]
    momentum: Option<f64>,
    /// Weight decay [1e-4; 5e-4]
    #[arg(long, value_name = "LAMBDA")]
    weight_decay: Option<f64>,
    /// Epochs in which the learning rate rises before it falls as a cosine [0.5; 1]
    #[arg(long, value_name = "EPOCHS")]
    warmup: Option<f64>,
    /// Label smoothing [0.1; 0]
    #[arg(long, value_name = "EPSILON")]
    label_smoothing: Option<f64>,
    /// Views of a picture: center, shifted:PIXELS, resized or resized:LEAST-AREA
    #[arg(long, default_value = "center", value_name = "CROP")]
    crop: Crop,
    /// Mirror every second view
    #[arg(long)]
    flip: bool,
    /// Keep the running statistics of batch norms
    #[arg(long)]
    freeze_norms: bool,
    /// Stop after so many epochs without a better validation accuracy
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OptimizerChoice {
    Sgd,
    Adamw,
}

impl TrainArgs {
    pub(super) fn settings(&self, general: &General) -> Settings {
        let how = &self.how;
        let usual = if self.scratch { Settings::scratch() } else { Settings::fine_tuning() };
        let mut optimizer = match how.optimizer {
            Some(OptimizerChoice::Adamw) => Optimizer::ADAM_W,
            Some(OptimizerChoice::Sgd) | None => usual.optimizer,
        };
        if let (Optimizer::Sgd { momentum, .. }, Some(typed)) = (&mut optimizer, how.momentum) {
            *momentum = typed;
        }
        let rate = match optimizer {
            Optimizer::Sgd { .. } => usual.learning_rate,
            Optimizer::AdamW { .. } => 1e-3,
        };
        Settings {
            epochs: how.epochs.unwrap_or(usual.epochs),
            batch: how.batch.unwrap_or(usual.batch),
            optimizer,
            learning_rate: how.learning_rate.unwrap_or(rate),
            warmup: how.warmup.unwrap_or(usual.warmup),
            weight_decay: how.weight_decay.unwrap_or(usual.weight_decay),
            label_smoothing: how.label_smoothing.unwrap_or(usual.label_smoothing),
            augmentation: Augmentation { crop: how.crop, flip: how.flip },
            frozen_norms: how.freeze_norms,
            patience: how.patience,
            seed: general.seed,
            ..usual
        }
    }
}
