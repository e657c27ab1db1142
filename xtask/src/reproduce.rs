//! `cargo xtask reproduce`: builds `hsets-study` with what the arguments need, and becomes it.

use std::{path::Path, process::Command};

use anyhow::{Context as _, Result};

/// Repeat the paper's evaluation: `reproduce imagenet|cub|demo`, see `reproduce --help`.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Arguments of the study.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    let mut command = Command::new(env!("CARGO"));
    command.args(["run", "--release", "--quiet", "--package", "hsets-study"]);
    command.arg("--manifest-path").arg(manifest);
    let features = features(&args.arguments);
    if !features.is_empty() {
        command.arg("--features").arg(features.join(","));
    }
    command.arg("--").args(&args.arguments);
    become_it(&mut command)
}

/// The features that the arguments need.
fn features(arguments: &[String]) -> Vec<&'static str> {
    let has = |name: &str| {
        arguments
            .iter()
            .any(|a| a.strip_prefix(name).is_some_and(|a| a.is_empty() || a.starts_with('=')))
    };
    let device = |name: &str| {
        let pair = arguments.windows(2).any(|two| two[0] == "--device" && two[1] == name);
        pair || arguments.iter().any(|a| a.strip_prefix("--device=") == Some(name))
    };
    let needed =
        [("sam", has("--sam-weights")), ("cuda", device("cuda")), ("metal", device("metal"))];
    needed.into_iter().filter(|(_, is_needed)| *is_needed).map(|(name, _)| name).collect()
}

/// Signals and the exit status are then the study's own.
#[cfg(unix)]
fn become_it(command: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(command.exec()).context("cannot start cargo")
}

#[cfg(not(unix))]
fn become_it(command: &mut Command) -> Result<()> {
    let status = command.status().context("cannot start cargo")?;
    if status.success() { Ok(()) } else { std::process::exit(status.code().unwrap_or(1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_tell_the_features() {
        let of = |line: &str| features(&line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(of("demo --samples 4"), [""; 0]);
        assert_eq!(of("imagenet --sam-weights vit_h.pth --device cuda"), ["sam", "cuda"]);
        assert_eq!(of("imagenet --sam-weights=vit_h.pth --device=cpu"), ["sam"]);
    }
}
