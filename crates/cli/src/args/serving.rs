//! What can be typed about the explorer.

use std::{net::IpAddr, path::PathBuf};

use clap::{ArgMatches, Args, Command};
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
    /// The network that was asked for, or the bundled one.
    pub(crate) fn model(&self) -> ModelArgs {
        let Self { model, weights, input, .. } = self;
        let bundled = || weights.is_none().then(|| BUNDLED_NAME.to_owned());
        ModelArgs {
            model: model.clone().or_else(bundled),
            weights: weights.clone(),
            input: input.clone(),
        }
    }

    /// The same as words of a command line: every option of [`ModelArgs`] that was typed, as typed.
    pub(crate) fn model_words(&self, typed: &ArgMatches) -> Vec<String> {
        let options = ModelArgs::augment_args(Command::new(""));
        let words = options.get_arguments().flat_map(|option| {
            let values = typed.try_get_raw(option.get_id().as_str()).ok().flatten();
            let name = option.get_long().unwrap_or_default();
            values
                .into_iter()
                .flatten()
                .flat_map(move |value| [format!("--{name}"), value.to_string_lossy().into_owned()])
        });
        let is_bundled = self.model.is_none() && self.weights.is_none();
        let bundled = is_bundled.then(|| ["--model".to_owned(), BUNDLED_NAME.to_owned()]);
        bundled.into_iter().flatten().chain(words).collect()
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser as _};

    use super::*;
    use crate::args::Cli;

    fn words(typed: &[&str]) -> Vec<String> {
        let typed = ["hsets", "serve", "photos"].iter().chain(typed);
        let matches = Cli::command().get_matches_from(typed);
        let (_, matches) = matches.subcommand().unwrap();
        ServeArgs::from_arg_matches(matches).unwrap().model_words(matches)
    }

    /// Values for every option that a network is told, other than the usual ones.
    fn typed() -> Vec<String> {
        let options = ModelArgs::augment_args(Command::new(""));
        let value = |name: &str| match name {
            "mean" | "std" => "0.1,0.2,0.3",
            "padding" => "same",
            "probabilities" => "sigmoid",
            "size" => "192x320",
            "exif" => "ignore",
            "crop" => "0.9",
            "interpolation" => "bicubic",
            _ => "word",
        };
        // --crop says the same as --resize.
        let names = options.get_arguments().filter_map(clap::Arg::get_long);
        let names = names.filter(|name| *name != "resize");
        names.flat_map(|name| [format!("--{name}"), value(name).to_owned()]).collect()
    }

    #[test]
    fn all_that_a_network_is_told_is_told_again() {
        let typed = typed();
        assert!(typed.len() > 20, "{typed:?}");
        let words = words(&typed.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(words, typed);
        // The command that is printed takes them.
        let command = ["hsets", "explain", "a.png", "--out", "o"].map(str::to_owned);
        assert!(Cli::try_parse_from(command.into_iter().chain(words)).is_ok());
    }

    #[test]
    fn the_bundled_model_is_named() {
        assert_eq!(words(&[]), ["--model", "bundled"]);
        assert_eq!(words(&["--resize", "90"]), ["--model", "bundled", "--resize", "90"]);
        assert_eq!(words(&["--port", "0", "-w", "w.pt"]), ["--weights", "w.pt"]);
    }
}
