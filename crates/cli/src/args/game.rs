//! Arguments of `hsets game`.

use std::path::PathBuf;

use clap::Args;

use super::{ContrastFlags, ModelArgs, TargetArgs};
use crate::segmenter::SegmenterArgs;

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GameArgs {
    /// Images, or .safetensors files whose tensor `input` is `[3,H,W]`, normalised
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Segments are merged, the smallest first, until so many are left: 2^N forward passes, at most
    /// 16
    #[arg(long, default_value_t = 12, value_name = "N")]
    pub(crate) players: usize,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) segmenter: SegmenterArgs,
    #[command(flatten)]
    pub(crate) contrasts: ContrastFlags,
    /// Folder for game.json and game.safetensors of each input, in a folder of its own
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Printed: the largest Shapley values and interactions, how much of the game is in single segments, in
pairs, in more; then estimators beside the exact numbers (of several pictures the means with their
95 % intervals).

Examples:
  hsets game cat.jpg --model mobilenet_v2
  hsets game *.jpg --model mobilenet_v2 --players 10 --out games";
