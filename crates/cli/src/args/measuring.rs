//! Arguments of the commands that measure maps.

use std::path::PathBuf;

use clap::Args;
use hsets_pipeline::{Method, Metric, Needs, core::ChannelReduction};

use super::{MethodArgs, ModelArgs, SingleArgs, TargetArgs};

/// What is measured.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Metrics")]
pub(crate) struct MetricArgs {
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = metrics, help = metrics_help())]
    pub(crate) metrics: Vec<Metrics>,
    /// Shares of the pixels that ROAD removes, in percent [default: 1,3,5,..,99]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) percentages: Vec<f64>,
    /// Deviation of the noise on what ROAD imputes [default: 0.01]
    #[arg(long, value_name = "SIGMA")]
    pub(crate) noise: Option<f64>,
    /// What decides among pixels of equal value: chance, or their place, the last first
    #[arg(long, default_value = "random", value_name = "random|order", value_parser = ["random", "order"])]
    pub(crate) ties: String,
    /// How channels become one number: abs-sum, sum, sum-abs or max-abs
    #[arg(long, default_value = "abs-sum", value_name = "RULE", value_parser = channels)]
    pub(crate) channels: ChannelReduction,
    /// Steps of the insertion and deletion curves [default: 50]
    #[arg(long, value_name = "N")]
    pub(crate) curve_steps: Option<usize>,
    /// Where the evidence is: an image file, everything that is not black; or a folder of them, each
    /// NAME.png for the picture NAME. Adds `mask`
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) mask: Option<PathBuf>,
    /// Networks of mprt, with more and more random layers; each costs an explanation [default: 10]
    #[arg(long, value_name = "N")]
    pub(crate) states: Option<usize>,
}

/// One entry of `--metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Metrics {
    All,
    One(Metric),
}

fn metrics_help() -> String {
    let names = |of: fn(Needs) -> bool| {
        let names = Metric::ALL.iter().filter(|metric| of(metric.needs())).map(|m| m.name());
        names.collect::<Vec<_>>().join(", ")
    };
    format!(
        "{}; with --mask {}; where the methods are known, each at the cost of more explanations, \
         {}; or all [default: those that cost none]",
        names(|needs| needs == Needs::Nothing),
        names(|needs| needs == Needs::Mask),
        names(|needs| !matches!(needs, Needs::Nothing | Needs::Mask)),
    )
}

fn metrics(text: &str) -> Result<Metrics, hsets_pipeline::core::Error> {
    if text == "all" { Ok(Metrics::All) } else { text.parse().map(Metrics::One) }
}

fn channels(text: &str) -> Result<ChannelReduction, hsets_pipeline::core::Error> {
    text.parse()
}

/// One entry of `--methods`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Methods {
    All,
    One(Method),
}

pub(super) fn methods(text: &str) -> Result<Methods, hsets_pipeline::core::Error> {
    if text == "all" { Ok(Methods::All) } else { text.parse().map(Methods::One) }
}

/// The methods of `--methods`, each once, in the order of the table.
pub(crate) fn chosen(list: &[Methods]) -> Vec<Method> {
    let named = |method: &Method| list.contains(&Methods::One(*method));
    let all = list.contains(&Methods::All);
    Method::ALL.iter().copied().filter(|method| all || named(method)).collect()
}

#[derive(Debug, Clone, Args)]
#[command(after_help = METRICS_EXAMPLES)]
pub(crate) struct MetricsArgs {
    /// Maps of any program, `[H,W]` or `[C,H,W]` of the size the network sees: .npy or .safetensors
    /// files, or folders of them
    #[arg(long = "map", required = true, num_args = 1.., value_name = "FILE|DIR")]
    pub(crate) maps: Vec<PathBuf>,
    /// The pictures they explain, or folders of them
    #[arg(long = "input", required = true, num_args = 1.., value_name = "IMAGE|DIR")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Tensor of .safetensors files [default: map, or the only one]
    #[arg(long, value_name = "NAME")]
    pub(crate) tensor: Option<String>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricArgs,
    /// Units of the maps, for infidelity and completeness: of the output (as Integrated Gradients),
    /// of output per input (as gradients), or other (as ranks)
    #[arg(long, default_value = "output", value_name = "output|per-input|other", value_parser = ["output", "per-input", "other"])]
    pub(crate) units: String,
    /// Baseline of completeness and infidelity, as in explain
    #[arg(long, default_value = "zero", value_name = "BASELINE")]
    pub(crate) baseline: String,
    /// Table of all readings
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) csv: Option<PathBuf>,
    /// Folder for a plot of the curves of each map
    #[arg(long, value_name = "DIR")]
    pub(crate) curves: Option<PathBuf>,
}

const METRICS_EXAMPLES: &str = "\
One input takes all maps. Of several, files are paired in the order they are given; where there are
folders, map and picture of the same name belong together (of OUT/NAME/maps.safetensors, as explain
writes it, NAME counts).

Examples:
  hsets metrics --map cat.npy --input cat.jpg --model resnet50
  hsets metrics --map maps/ --input photos/ --model resnet50 --csv scores.csv --metrics road,gini";

#[derive(Debug, Clone, Args)]
#[command(after_help = COMPARE_EXAMPLES)]
pub(crate) struct CompareArgs {
    /// Images, or .safetensors files whose tensor `input` is `[3,H,W]`, normalised
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    /// Methods, as `hsets explain --help` lists them; or all
    #[arg(long, default_value = "all", value_name = "LIST", value_delimiter = ',', value_parser = methods)]
    pub(crate) methods: Vec<Methods>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) method: MethodArgs,
    #[command(flatten)]
    pub(crate) single: SingleArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricArgs,
    /// Folder for the results, a folder in it for each input
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

const COMPARE_EXAMPLES: &str = "\
Written for each input to OUT/NAME/: compare.html and compare.png (every method side by side),
compare.csv, compare.json and maps.safetensors (a tensor for each method).

Examples:
  hsets compare cat.jpg --methods all --model resnet50 --out results
  hsets compare *.jpg --methods hsets,ig,segments-by-ig --metrics road --model resnet50 --out results";

#[derive(Debug, Clone, Args)]
pub(crate) struct AxiomsArgs {
    /// Image, or .safetensors file whose tensor `input` is `[3,H,W]`, normalised
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    /// Methods, each explained about eleven times; or all
    #[arg(
        long,
        default_value = "hsets,ig,gradient-x-input,segments-by-ig,random-map",
        value_name = "LIST",
        value_delimiter = ',',
        value_parser = methods
    )]
    pub(crate) methods: Vec<Methods>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) method: MethodArgs,
    #[command(flatten)]
    pub(crate) single: SingleArgs,
    /// The table as Markdown
    #[arg(long, value_name = "FILE.md")]
    pub(crate) markdown: Option<PathBuf>,
}
