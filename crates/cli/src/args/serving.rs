//! What can be typed about the explorer.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;
use hsets_scenes::Task;

use super::{InputArgs, ModelArgs};
use crate::{network::BUNDLED_NAME, segmenter::SegmenterArgs};

#[derive(Debug, Clone, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// Pictures, or folders of them [default: bundled pictures]
    #[arg(value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Drawn scenes to choose from: duel, xor, and, additive, decoy or decoy-shuffled
    #[arg(long, value_name = "TASK")]
    pub(crate) scenes: Option<Task>,
    /// Architecture or alias, as `hsets models` lists them, or an ONNX file [default: what the weights
    /// look like, or the bundled model]
    #[arg(long, short, value_name = "NAME", help_heading = "Model")]
    model: Option<String>,
    /// Weights: .safetensors, .safetensors.index.json, .pth or .pt [default: from the hub]
    #[arg(long, short, value_name = "FILE", help_heading = "Model")]
    weights: Option<PathBuf>,
    #[command(flatten)]
    input: InputArgs,
    #[command(flatten)]
    pub(crate) segmenter: SegmenterArgs,
    /// Folder for what is saved on the page; made when something is
    #[arg(long, short, default_value = "hsets-explorer", value_name = "DIR")]
    pub(crate) out: PathBuf,
    /// Port to listen on; 0 for any that is free
    #[arg(long, default_value_t = 8765, value_name = "N", help_heading = "Server")]
    pub(crate) port: u16,
    /// Address to listen on; beyond this machine it needs a token
    #[arg(long, default_value = "127.0.0.1", value_name = "ADDRESS", help_heading = "Server")]
    pub(crate) host: IpAddr,
    /// What everybody must know: at least 16 characters, or `random`
    #[arg(
        long,
        env = "HSETS_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN",
        help_heading = "Server"
    )]
    pub(crate) token: Option<String>,
    /// Name under which others reach it, as behind a proxy; may be repeated
    #[arg(long, value_name = "NAME", help_heading = "Server")]
    pub(crate) allow_host: Vec<String>,
    /// Open the page in the browser
    #[arg(long, help_heading = "Server")]
    pub(crate) open: bool,
}

const EXAMPLES: &str = "\
Examples:
  hsets serve --open                                     bundled pictures and model
  hsets serve photos/ --model resnet50 --open
  hsets serve cat.jpg --model resnet50 --segmenter mobile-sam
  hsets serve photos/ --model resnet50 --host 0.0.0.0 --token random

The page is at the address that is printed. It ends with Ctrl-C.";

impl ServeArgs {
    /// The network that was asked for; nothing for the bundled one.
    pub(crate) fn model(&self) -> Option<ModelArgs> {
        let Self { model, weights, input, .. } = self;
        let is_asked = model.is_some() || weights.is_some();
        is_asked.then(|| ModelArgs {
            model: model.clone(),
            weights: weights.clone(),
            input: input.clone(),
        })
    }

    /// The same as words of a command line.
    pub(crate) fn model_words(&self, padding: &str) -> Vec<String> {
        let Self { model, weights, input, .. } = self;
        let InputArgs {
            labels,
            mean,
            std,
            padding: asked,
            size,
            resize,
            interpolation,
            like,
            output,
        } = input;
        let path = |path: &PathBuf| path.display().to_string();
        let triple = |[a, b, c]: &[f32; 3]| format!("{a},{b},{c}");
        let is_bundled = model.is_none() && weights.is_none();
        let bundled = is_bundled.then(|| BUNDLED_NAME.to_owned());
        let options = [
            ("--model", model.clone().or(bundled)),
            ("--weights", weights.as_ref().map(path)),
            ("--labels", labels.as_ref().map(path)),
            ("--mean", mean.as_ref().map(triple)),
            ("--std", std.as_ref().map(triple)),
            ("--padding", asked.map(|_| padding.to_owned())),
            ("--size", size.map(|size| format!("{}x{}", size.0[0], size.0[1]))),
            ("--resize", resize.map(|side| side.to_string())),
            ("--interpolation", interpolation.map(|filter| filter.name().to_owned())),
            ("--like", like.clone()),
            ("--output", output.clone()),
        ];
        let words = options.into_iter().filter_map(|(name, value)| Some([name.into(), value?]));
        words.flatten().collect()
    }
}
