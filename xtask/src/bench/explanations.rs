//! `cargo xtask bench explanations`: whole explanations beside the same steps in PyTorch.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use super::{build, page, root};

const TASK: &str = "explanations";

/// What to explain.
#[derive(clap::Args)]
pub(crate) struct Explanations {
    /// A Python with torch, torchvision, safetensors, pillow and scikit-image.
    #[arg(long, default_value = "python3")]
    python: PathBuf,
    /// What is explained.
    #[arg(long)]
    photo: PathBuf,
    /// Networks: NAME (random weights), NAME=FILE, or NAME=FILE=same for weights that pad as
    /// TensorFlow does.
    #[arg(long, value_delimiter = ',', default_value = "mobilenet_v2,resnet101")]
    models: Vec<String>,
    /// Threads of each side.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of each side, in turns; medians count.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// A page that has a place for the table; the rest of it stays as it is.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// Times both sides and prints (and writes) the table.
pub(crate) fn explanations(settings: &Explanations) -> Result<()> {
    if let Some(out) = &settings.out {
        page::check(out, TASK)?;
    }
    let text = run(settings, &build("hsets")?)?;
    page::write(settings.out.as_deref(), TASK, &text)
}

fn run(settings: &Explanations, hsets: &Path) -> Result<String> {
    let mut script = Command::new(&settings.python);
    script.arg(root()?.join("fixtures/bench/explanations.py"));
    script.arg("--hsets").arg(hsets).arg("--photo").arg(&settings.photo);
    script.args(["--threads", &settings.threads.to_string()]);
    script.args(["--runs", &settings.runs.to_string(), "--models"]).args(&settings.models);
    let output = script.stderr(Stdio::inherit()).output();
    let output = output.with_context(|| format!("cannot start {}", settings.python.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", settings.python.display(), output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}
