//! The segmenter of a command: what can be typed about it, and where its weights come from.

use std::path::PathBuf;

use clap::Args;
use hsets_pipeline::{
    core::{Error, MaskReport},
    models::{self, Hub},
    sam_weights::with_published_weights,
    segmentation::{MaskSettings, SamOptions, SegmenterChoice, Uncovered},
};

use crate::{args::General, progress::Bars};

/// Where segments come from.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Segments")]
pub(crate) struct SegmenterArgs {
    /// quickshift, grid, grid:N, grid:ROWSxCOLUMNS, none, a label map FILE.png, or a Segment
    /// Anything network: mobile-sam, sam-vit-b, sam-vit-l, sam-vit-h, or sam for whichever
    /// --sam-weights holds [without: sam-vit-b]
    #[arg(
        long,
        env = "HSETS_SEGMENTER",
        default_value = SegmenterChoice::DEFAULT,
        value_name = "SEGMENTER"
    )]
    segmenter: SegmenterChoice,
    /// Keep SAM's masks in this folder, and use those that are there
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(flatten)]
    sam: SamArgs,
}

/// What only Segment Anything needs.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Segments by Segment Anything")]
#[allow(clippy::struct_field_names, reason = "named as they are typed")]
struct SamArgs {
    /// Weights: .safetensors, .pth or .pt [default: from the hub]
    #[arg(long, value_name = "FILE")]
    sam_weights: Option<PathBuf>,
    /// 16 points per side: four times as fast, but small objects may be missed
    #[arg(long, conflicts_with = "sam_points")]
    sam_fast: bool,
    /// Points per side of the grid of prompts [default: 32]
    #[arg(long, value_name = "N")]
    sam_points: Option<usize>,
    /// Masks need a predicted IoU above this [default: 0.88]
    #[arg(long, value_name = "IOU", allow_negative_numbers = true)]
    sam_iou: Option<f32>,
    /// Masks need at least this stability score [default: 0.95]
    #[arg(long, value_name = "SCORE")]
    sam_stability: Option<f32>,
    /// Fill holes and drop islands of fewer pixels than this [default: 0]
    #[arg(long, value_name = "PIXELS")]
    sam_min_area: Option<usize>,
    /// Layers of crops beside the whole picture, layer i with 4^i crops [default: 0]
    #[arg(long, value_name = "N")]
    sam_crops: Option<usize>,
    /// Pixels that no mask covers get a label of their `own`, or join the `nearest` mask [default:
    /// own]
    #[arg(long, value_name = "own|nearest")]
    sam_uncovered: Option<Uncovered>,
    /// Any parameter of the original's mask generator by its name there; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    sam_set: Vec<String>,
}

impl SegmenterArgs {
    /// The segmenter with its options, its weights at hand. Fails on what can be told before
    /// anything is loaded.
    pub(crate) fn choice(&self, general: &General) -> Result<SegmenterChoice, models::Error> {
        let mut choice = self.segmenter.clone();
        let SegmenterChoice::Sam(options) = &mut choice else {
            if let Some((option, value)) = self.sam.first() {
                let expected = "only Segment Anything has this; add --segmenter mobile-sam or sam";
                return Err(Error::config(option, value, expected).into());
            }
            choice.check()?;
            return Ok(choice);
        };
        self.sam.apply(options)?;
        options.cache.clone_from(&self.cache);
        options.device = general.device.into();
        choice.check()?;
        with_weights(choice, general)
    }
}

/// SAM with a file of weights that exists.
fn with_weights(
    choice: SegmenterChoice,
    general: &General,
) -> Result<SegmenterChoice, models::Error> {
    let SegmenterChoice::Sam(options) = choice else { return Ok(choice) };
    if let Some(path) = options.weights.as_ref().filter(|path| !path.is_file()) {
        let expected = "no such file; leave the option away to use the published weights";
        return Err(Error::config("sam-weights", path.display(), expected).into());
    }
    let bars = Bars::new(general.quiet, String::new());
    let options = with_published_weights(*options, &Hub::from_env(), &bars)?;
    Ok(SegmenterChoice::Sam(Box::new(options)))
}

impl SamArgs {
    /// The first of the options that was typed.
    fn first(&self) -> Option<(&'static str, String)> {
        fn typed<T: ToString>(
            name: &'static str,
            value: Option<&T>,
        ) -> Option<(&'static str, String)> {
            value.map(|value| (name, value.to_string()))
        }
        let weights = self.sam_weights.as_ref().map(|path| path.display().to_string());
        let uncovered = self.sam_uncovered.map(Uncovered::name);
        typed("sam-weights", weights.as_ref())
            .or(typed("sam-fast", self.sam_fast.then_some(&true)))
            .or(typed("sam-points", self.sam_points.as_ref()))
            .or(typed("sam-iou", self.sam_iou.as_ref()))
            .or(typed("sam-stability", self.sam_stability.as_ref()))
            .or(typed("sam-min-area", self.sam_min_area.as_ref()))
            .or(typed("sam-crops", self.sam_crops.as_ref()))
            .or(typed("sam-uncovered", uncovered.as_ref()))
            .or(typed("sam-set", self.sam_set.first()))
    }

    fn apply(&self, options: &mut SamOptions) -> Result<(), Error> {
        options.weights.clone_from(&self.sam_weights);
        let masks = &mut options.masks;
        if self.sam_fast {
            *masks = MaskSettings::fast();
        }
        masks.points_per_side = self.sam_points.unwrap_or(masks.points_per_side);
        masks.pred_iou_thresh = self.sam_iou.unwrap_or(masks.pred_iou_thresh);
        masks.stability_score_thresh = self.sam_stability.unwrap_or(masks.stability_score_thresh);
        masks.min_mask_region_area = self.sam_min_area.unwrap_or(masks.min_mask_region_area);
        masks.crop_n_layers = self.sam_crops.unwrap_or(masks.crop_n_layers);
        for typed in &self.sam_set {
            let Some((name, value)) = typed.split_once('=') else {
                return Err(Error::config("sam-set", typed, "expected NAME=VALUE"));
            };
            masks.set(name.trim(), value.trim())?;
        }
        options.uncovered = self.sam_uncovered.unwrap_or(options.uncovered);
        Ok(())
    }
}

/// What people should know of the masks: how many, how much they cover, what went otherwise.
pub(crate) fn described(masks: &MaskReport) -> String {
    let partition = &masks.partition;
    let noun = if partition.n_masks == 1 { "mask" } else { "masks" };
    let mut text = format!(
        "{} {noun} of {}, {:.1} % covered, {:.1} % covered twice",
        partition.n_masks,
        masks.network,
        100.0 * partition.coverage,
        100.0 * partition.overlap,
    );
    for note in &partition.notes {
        text += "; ";
        text += note;
    }
    text
}
