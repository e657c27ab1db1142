//! What can be typed. What it means is worked out in [`crate::settings`].

mod contrasts;
mod evaluation;
mod game;
mod measuring;
mod serving;

use std::path::PathBuf;

use clap::{
    Args, Parser, Subcommand, ValueEnum,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
};
use hsets_pipeline::{
    Method,
    attribution::{Quadrature, Samples, Steps},
    core::Link,
    models::{Device, Exif, Interpolation, LoadOptions, PaddingMode},
    segmentation::SamDevice,
};

use crate::{commands::train::TrainArgs, segmenter::SegmenterArgs};

pub(crate) use contrasts::{ContrastArgs, ContrastFlags, Polygon};
pub(crate) use evaluation::{EvaluateArgs, ExportArgs, MergeArgs, ModelSpec, SlurmArgs};
pub(crate) use game::GameArgs;
pub(crate) use measuring::{AxiomsArgs, CompareArgs, MetricArgs, Metrics, MetricsArgs, chosen};
pub(crate) use serving::ServeArgs;

/// See which groups of pixels act together when an image classifier decides.
#[derive(Debug, Parser)]
#[command(name = "hsets", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) general: General,
}

const EXAMPLES: &str = "\
Examples:
  hsets demo                                             explain bundled pictures, offline
  hsets explain cat.jpg --model resnet50 --out results   explain a photo, weights from the hub
  hsets explain *.jpg --model mobilenet_v2 --weights my.safetensors --labels my.json --out results
  hsets serve photos/ --model resnet50 --open            explore pictures in a browser
  hsets explain cat.jpg --model net.onnx --like vit_base_patch16_224 --out results
  hsets predict cat.jpg --model vgg16 --json | jq '.top[0].label'

Exit codes: 0 all done, 1 something failed, 2 wrong usage, 130 stopped by Ctrl-C, SIGTERM or SIGHUP.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Explain bundled pictures with the bundled model, offline
    Demo(DemoArgs),
    /// Explain pictures: overlay, sets, segments, JSON and tensors for each
    Explain(Box<ExplainArgs>),
    /// Explore pictures in a browser: what acts together with what, and what happens without it
    Serve(Box<ServeArgs>),
    /// Explain pictures with several methods and measure their maps, side by side
    Compare(Box<CompareArgs>),
    /// Measure saliency maps of any program: Gini, ROAD, insertion, deletion and more
    Metrics(Box<MetricsArgs>),
    /// Take two regions away, alone and together, and see what the network says
    Contrast(Box<ContrastArgs>),
    /// Play every coalition of a dozen segments, and see how near estimates come
    Game(Box<GameArgs>),
    /// Measure how far methods are from the axioms of attribution, on one picture
    Axioms(Box<AxiomsArgs>),
    /// Print the five most probable classes of each picture
    Predict(PredictArgs),
    /// Write logits and input gradient as tensors
    Gradient(GradientArgs),
    /// Write rows of the input Hessian as tensors
    Hessian(HessianArgs),
    /// Write the Integrated Gradients of a picture as a tensor
    Ig(IgArgs),
    /// Segment a picture and write its label map as PNG
    Segment(SegmentArgs),
    /// Train a network, from random weights or from trained ones
    Train(Box<TrainArgs>),
    /// Explain and measure a whole dataset; goes on where it was
    Evaluate(Box<EvaluateArgs>),
    /// Join the shards of an evaluation
    Merge(MergeArgs),
    /// Write the rows of an evaluation, or its tables
    Export(ExportArgs),
    /// List what can be loaded, and from where; or say what an ONNX file holds
    Models(ModelsArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all commands
    Man(ManArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  hsets completions bash > ~/.local/share/bash-completion/completions/hsets
  hsets completions zsh > ~/.zfunc/_hsets
  hsets completions fish > ~/.config/fish/completions/hsets.fish")]
pub(crate) struct CompletionsArgs {
    /// Which shell
    #[arg(value_enum)]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:
  hsets man | man -l -
  hsets man --out ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder for a page of every command
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "General")]
pub(crate) struct General {
    /// Machine-readable output: one JSON object a line and input
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress bars and no summary; results and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// Number of threads; the results do not depend on it [default: all cores]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Where networks run
    #[arg(long, global = true, value_enum, default_value_t = DeviceChoice::Cpu)]
    pub(crate) device: DeviceChoice,
    /// Memory for the network's activations, as 512MiB or 4GiB: larger batches are faster [default:
    /// 2GiB]
    #[arg(long, global = true, value_name = "SIZE", value_parser = memory)]
    pub(crate) memory: Option<Memory>,
    /// Seed of everything random; written into every result
    #[arg(long, global = true, default_value_t = 0, value_name = "N")]
    pub(crate) seed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceChoice {
    Cpu,
    Cuda,
    Metal,
}

impl DeviceChoice {
    /// As it is typed.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
            Self::Metal => "metal",
        }
    }
}

impl From<DeviceChoice> for Device {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Cpu => Self::Cpu,
            DeviceChoice::Cuda => Self::Cuda,
            DeviceChoice::Metal => Self::Metal,
        }
    }
}

impl From<DeviceChoice> for SamDevice {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Cpu => Self::Cpu,
            DeviceChoice::Cuda => Self::Cuda,
            DeviceChoice::Metal => Self::Metal,
        }
    }
}

/// Which network, and how its pictures are prepared.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct ModelArgs {
    /// Architecture or alias, as `hsets models` lists them, an ONNX file, or `bundled` for the model of
    /// the demo [default: what the weights look like]
    #[arg(long, short, value_name = "NAME", required_unless_present = "weights")]
    pub(crate) model: Option<String>,
    /// Weights: .safetensors, .safetensors.index.json, .pth or .pt [default: from the hub]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) input: InputArgs,
}

/// What a network is told about its input and its output.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub(crate) struct InputArgs {
    /// Class names: one a line, or JSON: an array, an object from index to name, or id2label of a
    /// config.json
    #[arg(long, value_name = "FILE")]
    pub(crate) labels: Option<PathBuf>,
    /// Mean of each channel, of pixel values in 0 to 1 [default: of the weights]
    #[arg(long, value_name = "A,B,C", value_parser = triple)]
    pub(crate) mean: Option<[f32; 3]>,
    /// Standard deviation of each channel [default: of the weights]
    #[arg(long, value_name = "A,B,C", value_parser = triple)]
    pub(crate) std: Option<[f32; 3]>,
    /// Padding of strided convolutions: torch, or same as TensorFlow [default: of the weights]
    #[arg(long, value_name = "torch|same")]
    pub(crate) padding: Option<PaddingMode>,
    /// Height and width in pixels of what the network sees, the middle of the resized picture; the
    /// resize scales along unless --resize is given [default: of the weights, or of .safetensors
    /// inputs]
    #[arg(long, value_name = "N|HxW", value_parser = size)]
    pub(crate) size: Option<Size>,
    /// Short side of pictures after resizing: torchvision's Resize(232) and CenterCrop(224) are
    /// --resize 232 --size 224 [default: of the weights]
    #[arg(long, value_name = "N")]
    pub(crate) resize: Option<usize>,
    /// The same as a share, above 0 and at most 1: the short side is resized to the size that the
    /// network sees, divided by this, as timm's crop_pct has it: 0.875 for 224 of 256 [default: of
    /// the weights]
    #[arg(long, id = "crop-share", value_name = "SHARE", conflicts_with = "resize")]
    pub(crate) crop: Option<f64>,
    /// Filter of the resize, as PIL has it: bilinear or bicubic [default: of the weights]
    #[arg(long, value_name = "FILTER")]
    pub(crate) interpolation: Option<Interpolation>,
    /// Orientation that cameras write into photos: obey turns them as viewers show them; ignore leaves
    /// the pixels as they lie in the file, as PIL, torchvision and timm do unless told otherwise
    /// [default: obey]
    #[arg(long, value_name = "obey|ignore")]
    pub(crate) exif: Option<Exif>,
    /// How logits become probabilities: softmax, or sigmoid where several classes may be true of a
    /// picture at once [default: of the weights, or softmax]
    #[arg(long, value_name = "softmax|sigmoid")]
    pub(crate) probabilities: Option<Link>,
    /// For an ONNX file that does not say how pictures are prepared: as for this network of timm
    #[arg(long, value_name = "NAME")]
    pub(crate) like: Option<String>,
    /// For an ONNX file with several outputs: the one with the logits
    #[arg(long, value_name = "NAME")]
    pub(crate) output: Option<String>,
}

impl InputArgs {
    /// What was typed about input and output, to load a network with.
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions {
            labels: self.labels.clone(),
            mean: self.mean,
            std: self.std,
            input_size: self.size.map(|size| size.0),
            resize: self.resize,
            crop_fraction: self.crop,
            interpolation: self.interpolation,
            exif: self.exif,
            padding: self.padding,
            probabilities: self.probabilities,
            like: self.like.clone(),
            output: self.output.clone(),
            ..LoadOptions::default()
        }
    }
}

impl ModelArgs {
    /// What was typed about the network, to load it with.
    pub(crate) fn load_options(&self) -> LoadOptions {
        LoadOptions {
            model: self.model.clone(),
            weights: self.weights.clone(),
            ..self.input.load_options()
        }
    }
}

/// `hsets models`.
#[derive(Debug, Clone, Args)]
pub(crate) struct ModelsArgs {
    /// Read this ONNX file and print what it holds, and how it is understood
    #[arg(long, value_name = "FILE.onnx")]
    pub(crate) onnx: Option<PathBuf>,
    /// Height and width in pixels, where the file leaves them free
    #[arg(long, value_name = "N|HxW", value_parser = size, requires = "onnx")]
    pub(crate) size: Option<Size>,
    /// The output with the logits, where there are several
    #[arg(long, value_name = "NAME", requires = "onnx")]
    pub(crate) output: Option<String>,
}

/// Which output is explained.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Target")]
pub(crate) struct TargetArgs {
    /// Class to explain, index or label; logprob:CLASS for its log-probability, logodds:CLASS for its
    /// log-odds, which contrasts and its kin measure in any case [default: the most probable]
    #[arg(long, short, value_name = "CLASS", allow_negative_numbers = true)]
    pub(crate) target: Option<String>,
    /// Explain why the target rather than this class: the difference of their logits
    #[arg(long, value_name = "CLASS", requires = "target")]
    pub(crate) against: Option<String>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DemoArgs {
    /// Folder for the results
    #[arg(long, short, default_value = "hsets-demo", value_name = "DIR")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = EXPLAIN_EXAMPLES)]
pub(crate) struct ExplainArgs {
    /// Images, or .safetensors files whose tensor `input` is `[3,H,W]`, normalised
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// What makes the saliency map
    #[arg(long, default_value_t = Method::HSets, value_name = "METHOD", value_parser = methods())]
    pub(crate) method: Method,
    #[command(flatten)]
    pub(crate) settings: MethodArgs,
    #[command(flatten)]
    pub(crate) single: SingleArgs,
    /// Repeat what was done in the explorer: the by-hand.json that it saved
    #[arg(long, value_name = "FILE", help_heading = "Method")]
    pub(crate) by_hand: Option<PathBuf>,
    /// Folder for the results, a folder in it for each input
    #[arg(long, short, value_name = "DIR")]
    pub(crate) out: PathBuf,
}

const EXPLAIN_EXAMPLES: &str = "\
Written for each input to OUT/NAME/: explanation.html (a page on which sets light up), figure.png
(everything side by side), overlay.png, sets.png, segments.png, explanation.json and
maps.safetensors.

Examples:
  hsets explain cat.jpg --model resnet50 --out results
  hsets explain cat.jpg --model resnet50 --target 'tiger cat' --against tabby --out results
  hsets explain cat.jpg --model resnet50 --seed-pixel 120,80 --segmenter my-labels.png --out results
  hsets explain cat.jpg --model resnet50 --segmenter mobile-sam --out results
  hsets explain cat.jpg --model resnet50 --method contrasts --out results";

/// How pictures are explained.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Method")]
pub(crate) struct MethodArgs {
    /// Settings as published, or as in the authors' program
    #[arg(long, value_enum, default_value_t = Preset::Paper)]
    pub(crate) preset: Preset,
    #[command(flatten)]
    pub(crate) segmenter: SegmenterArgs,
    /// Threshold on the scaled Hessian row, 0 to 1 [default: of the preset]
    #[arg(long, value_name = "MU")]
    pub(crate) mu: Option<f32>,
    /// Largest number of features of a set [default: of the preset]
    #[arg(long, value_name = "N")]
    pub(crate) nu: Option<usize>,
    /// Number of sets [default: of the preset]
    #[arg(long, value_name = "N")]
    pub(crate) sets: Option<usize>,
    /// Most Hessian rows a set may use, or `all` [default: of the preset]
    #[arg(long, value_name = "N|all", value_parser = row_cap)]
    pub(crate) max_rows: Option<RowCap>,
    /// Steps of the path from the baseline; auto: as few as leave a completeness gap of at most GAP,
    /// 0.1 unless given [default: of the preset]
    #[arg(long, value_name = "M|auto[:GAP]")]
    pub(crate) steps: Option<Steps>,
    /// Points of the path of Integrated Gradients: riemann, trapezoid, gauss-legendre or
    /// clenshaw-curtis [default: of the preset, or the last for --steps auto]
    #[arg(long, value_name = "RULE")]
    pub(crate) quadrature: Option<Quadrature>,
    /// Where the path starts: zero (normalised), black, white, mean, blur, blur:SIGMA, noise or an image
    /// FILE
    #[arg(long, default_value = "zero", value_name = "BASELINE")]
    pub(crate) baseline: String,
    #[command(flatten)]
    pub(crate) contrasts: ContrastFlags,
}

/// How single pictures are explained.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Method")]
pub(crate) struct SingleArgs {
    /// Subsets sampled of every set; auto: as few as settle the order of the sets at CONFIDENCE, 0.95
    /// unless given, but for scores that differ by less than TIE of the largest, 0.1 unless given
    /// [default: of the preset]
    #[arg(long, value_name = "T|auto[:CONFIDENCE[:TIE]]")]
    pub(crate) samples: Option<Samples>,
    /// Grow a set from this pixel of what the network sees; may be repeated
    #[arg(long, value_name = "X,Y", value_parser = pair)]
    pub(crate) seed_pixel: Vec<[usize; 2]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    Paper,
    Reference,
    /// A set and a score for every segment, a rank for every pixel
    Complete,
}

/// `--size`: height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) [usize; 2]);

/// `--memory`: bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory(pub(crate) usize);

/// `--max-rows`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowCap(pub(crate) Option<usize>);

#[derive(Debug, Clone, Args)]
pub(crate) struct PredictArgs {
    /// Images, or .safetensors files whose tensor `input` is `[3,H,W]`, normalised
    #[arg(required = true, value_name = "INPUT")]
    pub(crate) inputs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
}

/// One input, one file of tensors.
#[derive(Debug, Clone, Args)]
pub(crate) struct OneInput {
    /// Image, or .safetensors file whose tensor `input` is `[3,H,W]`, normalised
    #[arg(value_name = "INPUT")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) model: ModelArgs,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    /// File for the tensors
    #[arg(long, short, value_name = "FILE.safetensors")]
    pub(crate) out: PathBuf,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct GradientArgs {
    #[command(flatten)]
    pub(crate) one: OneInput,
    /// Smooth ReLU as detection does
    #[arg(long)]
    pub(crate) smooth: bool,
    /// Whose smoothing
    #[arg(long, value_enum, default_value_t = Preset::Paper)]
    pub(crate) preset: Preset,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct HessianArgs {
    #[command(flatten)]
    pub(crate) one: OneInput,
    /// Feature whose row is written: channel, y, x; may be repeated
    #[arg(long, required = true, value_name = "C,Y,X", value_parser = feature)]
    pub(crate) at: Vec<[usize; 3]>,
    /// Whose smoothing
    #[arg(long, value_enum, default_value_t = Preset::Paper)]
    pub(crate) preset: Preset,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct IgArgs {
    #[command(flatten)]
    pub(crate) one: OneInput,
    /// Steps of the path; auto: as few as leave a completeness gap of at most GAP, 0.1 unless given
    #[arg(long, default_value_t = Steps::Fixed(50), value_name = "M|auto[:GAP]")]
    pub(crate) steps: Steps,
    /// Where the path starts: zero (normalised), black, white, mean, blur, blur:SIGMA, noise or an image
    /// FILE
    #[arg(long, default_value = "zero", value_name = "BASELINE")]
    pub(crate) baseline: String,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct SegmentArgs {
    /// Image to segment, at its own size
    #[arg(value_name = "IMAGE")]
    pub(crate) image: PathBuf,
    #[command(flatten)]
    pub(crate) segmenter: SegmenterArgs,
    /// Orientation that a camera wrote into the photo: obey or ignore, as in `hsets explain`
    #[arg(long, default_value = "obey", value_name = "obey|ignore")]
    pub(crate) exif: Exif,
    /// Label map: grey values are labels, 16 bits if there are more than 256
    #[arg(long, short, value_name = "LABELS.png")]
    pub(crate) out: PathBuf,
}

/// Methods by name, with what each is for `--help`.
fn methods() -> impl TypedValueParser<Value = Method> {
    let value = |method: &Method| PossibleValue::new(method.name()).help(method.description());
    PossibleValuesParser::new(Method::ALL.iter().map(value)).try_map(|name| name.parse::<Method>())
}

fn triple(text: &str) -> Result<[f32; 3], String> {
    numbers(text, "three numbers such as 0.485,0.456,0.406")
}

fn pair(text: &str) -> Result<[usize; 2], String> {
    numbers(text, "column and row of a pixel such as 120,80")
}

fn feature(text: &str) -> Result<[usize; 3], String> {
    numbers(text, "channel, row and column such as 0,80,120")
}

/// `N` numbers separated by commas.
fn numbers<T: std::str::FromStr, const N: usize>(
    text: &str,
    expected: &str,
) -> Result<[T; N], String> {
    let parsed: Result<Vec<T>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let parsed = parsed.ok().and_then(|numbers| numbers.try_into().ok());
    parsed.ok_or_else(|| format!("expected {expected}"))
}

fn size(text: &str) -> Result<Size, String> {
    let (height, width) = text.split_once('x').unwrap_or((text, text));
    let side = |text: &str| text.parse().map_err(|_| "expected a side such as 224, or 192x320");
    Ok(Size([side(height)?, side(width)?]))
}

fn memory(text: &str) -> Result<Memory, String> {
    let expected = "expected a size such as 512MiB or 4GiB";
    let units = [("MiB", 1 << 20), ("GiB", 1 << 30)];
    let split = |(unit, bytes)| text.strip_suffix(unit).map(|number: &str| (number, bytes));
    let (number, unit): (&str, usize) = units.into_iter().find_map(split).ok_or(expected)?;
    let number: usize = number.trim().parse().map_err(|_| expected)?;
    number.checked_mul(unit).filter(|&bytes| bytes > 0).map(Memory).ok_or(expected.into())
}

fn row_cap(text: &str) -> Result<RowCap, String> {
    if text == "all" {
        return Ok(RowCap(None));
    }
    text.parse().map(|n| RowCap(Some(n))).map_err(|_| "expected a number or `all`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_memory_have_units() {
        assert_eq!(memory("512MiB"), Ok(Memory(512 << 20)));
        assert_eq!(memory("4 GiB"), Ok(Memory(4 << 30)));
        for text in ["4", "0GiB", "-1MiB", "4GB", "99999999999999999GiB"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }
    use clap::CommandFactory as _;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_of_numbers() {
        assert_eq!(triple("0.5, .25,1"), Ok([0.5, 0.25, 1.0]));
        assert_eq!(pair("3,4"), Ok([3, 4]));
        assert_eq!(size("224"), Ok(Size([224, 224])));
        assert_eq!(size("192x320"), Ok(Size([192, 320])));
        assert!(feature("0,1").is_err() && pair("3,-4").is_err() && triple("a,b,c").is_err());
    }
}
