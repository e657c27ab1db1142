//! `hsets`: see which groups of pixels act together when an image classifier decides.
//!
//! Thin: [`args`] is what can be typed, [`settings`] what it means, [`commands`] call the pipeline
//! and write what `report` makes of it.

mod args;
mod commands;
mod failure;
mod map_file;
mod measuring;
mod network;
mod output;
mod progress;
mod regions;
mod segmenter;
mod settings;
mod table;

use std::process::ExitCode;

use args::{Cli, Command, DeviceChoice, General};
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};
use failure::{Failure, INTERRUPTED};
use hsets_pipeline::core::Error;

/// More than any machine has cores.
const MAX_THREADS: usize = 4096;

fn main() -> ExitCode {
    let typed = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&typed).unwrap_or_else(|error| error.exit());
    let typed = typed.subcommand().map_or(&typed, |(_, typed)| typed);
    let outcome = prepare(&cli.general).map_err(Failure::from).and_then(|()| run(&cli, typed));
    match outcome.and_then(|()| Ok(output::check()?)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// `typed` is what the options of the command were read from.
fn run(cli: &Cli, typed: &ArgMatches) -> Result<(), Failure> {
    let general = &cli.general;
    match &cli.command {
        Command::Demo(args) => commands::demo::run(args, general),
        Command::Explain(args) => commands::explain::run(args, general),
        Command::Serve(args) => Ok(commands::serve::run(args, general, typed)?),
        Command::Compare(args) => commands::compare::run(args, general),
        Command::Metrics(args) => commands::metrics::run(args, general),
        Command::Contrast(args) => Ok(commands::contrast::run(args, general)?),
        Command::Game(args) => commands::game::run(args, general),
        Command::Axioms(args) => Ok(commands::axioms::run(args, general)?),
        Command::Predict(args) => commands::predict::run(args, general),
        Command::Gradient(args) => Ok(commands::gradient::run(args, general)?),
        Command::Hessian(args) => Ok(commands::hessian::run(args, general)?),
        Command::Ig(args) => Ok(commands::ig::run(args, general)?),
        Command::Segment(args) => Ok(commands::segment::run(args, general)?),
        Command::Train(args) => Ok(commands::train::run(args, general)?),
        Command::Evaluate(args) => commands::evaluate::run(args, general),
        Command::Merge(args) => commands::merge::run(args, general),
        Command::Export(args) => Ok(commands::export::run(args, general)?),
        Command::Models(args) => Ok(commands::models::run(args, general)?),
        Command::Completions(args) => Ok(commands::shell::completions(args)?),
        Command::Man(args) => Ok(commands::shell::man(args, general)?),
    }
}

/// Everything that holds for the whole process.
fn prepare(general: &General) -> anyhow::Result<()> {
    progress::listen_to_ctrl_c()?;
    check_device(general.device)?;
    if let Some(threads) = general.threads {
        // A slip of the finger shall not take all processes that the system has.
        if !(1..=MAX_THREADS).contains(&threads) {
            let expected = format!("at least 1, and at most {MAX_THREADS}");
            return Err(Error::config("threads", threads, expected).into());
        }
        rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    }
    Ok(())
}

fn check_device(device: DeviceChoice) -> Result<(), Error> {
    let (name, is_in_build) = match device {
        DeviceChoice::Cpu => return Ok(()),
        DeviceChoice::Cuda => ("cuda", cfg!(feature = "cuda")),
        DeviceChoice::Metal => ("metal", cfg!(feature = "metal")),
    };
    if is_in_build {
        return Ok(());
    }
    Err(Error::Unsupported(format!(
        "device '{name}' is not in this build; rebuild with --features {name}, or use cpu"
    )))
}
