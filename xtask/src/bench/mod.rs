//! `cargo xtask bench peers`: both sides in turns on the same weights and inputs.

mod explanations;
mod page;
mod side;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

pub(crate) use explanations::{Explanations, explanations};
use side::Side;
use table::Row;

const TASK: &str = "peers";

/// What to time.
#[derive(clap::Args)]
pub(crate) struct Peers {
    /// A Python with torch, torchvision, timm and safetensors.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Timings of each kind; their median counts.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Side of the square images.
    #[arg(long, default_value_t = 224)]
    side: usize,
    /// Networks.
    #[arg(long, value_delimiter = ',', default_values_t = MODELS.map(str::to_owned))]
    models: Vec<String>,
    /// A page that has a place for the table; the rest of it stays as it is.
    #[arg(long)]
    out: Option<PathBuf>,
}

const MODELS: [&str; 9] = [
    "vgg16",
    "resnet101",
    "densenet121",
    "mobilenet_v3_large",
    "mobilenet_v2",
    "efficientnet_b0",
    "convnext_tiny",
    "vit_small_patch16_224",
    "vit_base_patch16_224",
];

/// A kind of work.
struct Kind {
    /// What both sides are asked to do.
    command: &'static str,
    name: &'static str,
    /// Whether the pass forward has one back behind it: that of a gradient, and of a row once the
    /// network is linearised.
    back: bool,
    /// Images or rows.
    units: f64,
}

/// Large batches come last: they leave more memory behind.
const KINDS: [Kind; 6] = [
    Kind { command: "forward 1", name: "forward", back: false, units: 1.0 },
    Kind { command: "gradient 1", name: "gradient", back: true, units: 1.0 },
    Kind { command: "rows 1", name: "Hessian row", back: true, units: 1.0 },
    Kind { command: "rows 8", name: "row of 8 Hessian rows", back: true, units: 8.0 },
    Kind { command: "forward 8", name: "forward, batch 8", back: false, units: 8.0 },
    Kind { command: "gradient 8", name: "gradient, batch 8", back: true, units: 8.0 },
];

/// Milliseconds of PyTorch's below which a turn does the work twice and times the second: so short a
/// time would be that of what the other side left behind, cold caches and threads that still spin.
const SHORT: f64 = 500.0;

/// Least ratios that are aimed at: of gradients, and of rows in a batch.
fn targets(model: &str) -> Option<[f64; 2]> {
    match model {
        "vgg16" => Some([2.0, 4.0]),
        "resnet101" => Some([1.3, 4.0]),
        "densenet121" | "convnext_tiny" => Some([1.5, 4.0]),
        "mobilenet_v2" | "mobilenet_v3_large" | "efficientnet_b0" => Some([2.0, 12.0]),
        "vit_small_patch16_224" | "vit_base_patch16_224" => Some([1.3, 3.0]),
        _ => None,
    }
}

/// Times both sides and prints (and writes) the table.
pub(crate) fn peers(settings: &Peers) -> Result<()> {
    // Whatever is wrong with the page is said before the minutes of timing.
    if let Some(out) = &settings.out {
        page::check(out, TASK)?;
    }
    let folder = std::env::temp_dir().join(format!("hsets-bench-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let table = run(settings, &folder);
    fs::remove_dir_all(&folder)?;
    page::write(settings.out.as_deref(), TASK, &table?)
}

fn run(settings: &Peers, folder: &Path) -> Result<String> {
    let program = build("hsets-bench")?;
    let (mut rows, mut rate) = (Vec::new(), 0f64);
    for model in &settings.models {
        // New processes for every network, so that memory is this one's.
        let mut sides = start(settings, &program)?;
        time(settings, model, folder, &mut sides, &mut rows, &mut rate)?;
    }
    let heading = format!(
        "Both sides on {} threads, {1}×{1}, f32, medians (and quartiles) of {2}; best matrix \
         product seen in the run {rate:.0} GFLOP/s.",
        settings.threads, settings.side, settings.runs
    );
    table::render(&heading, &rows, rate * 1e9)
}

/// Builds a package, and says where its program is.
pub(crate) fn build(package: &str) -> Result<PathBuf> {
    let built = Command::new(env!("CARGO"))
        .current_dir(root()?)
        .args(["build", "--release", "--quiet", "--package", package])
        .status()?;
    if !built.success() {
        bail!("{package} does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root()?.join("target"), PathBuf::from);
    Ok(target.join("release").join(package))
}

fn root() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent")
}

/// PyTorch's side and ours.
fn start(settings: &Peers, program: &Path) -> Result<[Side; 2]> {
    let threads = settings.threads.to_string();
    let script = root()?.join("fixtures/bench/peer.py");
    let theirs = Side::start(Command::new(&settings.python).arg(script).arg(&threads))?;
    let ours = Side::start(Command::new(program).env("RAYON_NUM_THREADS", &threads))?;
    Ok([theirs, ours])
}

/// Times every kind of work on one network. `rate` becomes the best matrix product of either side.
fn time(
    settings: &Peers,
    model: &str,
    folder: &Path,
    [theirs, ours]: &mut [Side; 2],
    rows: &mut Vec<Row>,
    rate: &mut f64,
) -> Result<()> {
    let weights = folder.join(format!("{model}.safetensors"));
    theirs.ask(&format!("weights {model} {}", weights.display()))?;
    let load = format!("load {model} {} {}", settings.side, weights.display());
    theirs.ask(&load)?;
    let [direct, forward, back] = ours.ask_many(&load)?[..] else {
        bail!("'load' takes three numbers")
    };
    for kind in KINDS {
        for side in [&mut *theirs, &mut *ours] {
            side.ask("reset")?;
            if kind.command.starts_with("rows") {
                side.ask("linearize")?;
            }
        }
        let first = theirs.ask(kind.command)?;
        ours.ask(kind.command)?;
        let repeats = if first < SHORT { 2 } else { 1 };
        let (mut their_times, mut our_times) = (Vec::new(), Vec::new());
        for _ in 0..settings.runs {
            *rate = rate.max(theirs.ask("product 1024")?).max(ours.ask("product 1024")?);
            for (side, times) in [(&mut *theirs, &mut their_times), (&mut *ours, &mut our_times)] {
                let answers = (0..repeats).map(|_| side.ask(kind.command));
                times.extend(answers.collect::<Result<Vec<_>>>()?.pop());
            }
        }
        let target = targets(model).and_then(|[gradient, row]| match kind.command {
            "gradient 1" | "gradient 8" => Some(gradient),
            "rows 8" => Some(row),
            _ => None,
        });
        let once = if kind.back { [2.0 * direct, forward + back] } else { [direct, forward] };
        rows.push(Row {
            model: model.to_owned(),
            work: kind.name,
            units: kind.units,
            target,
            theirs: their_times,
            ours: our_times,
            memory: [theirs.ask("peak")?, ours.ask("peak")?],
            operations: once.map(|n| 2.0 * n * kind.units),
        });
    }
    fs::remove_file(weights)?;
    Ok(())
}
