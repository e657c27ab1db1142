//! Development tasks, run as `cargo xtask TASK`.

mod bench;
mod costs;
mod reproduce;
mod scenes;
mod tidy;

use clap::Parser;

/// Development tasks of H-Sets.
#[derive(Parser)]
enum Command {
    Scenes(scenes::Args),
    /// Check the map of ARCHITECTURE.md and the house rules.
    Tidy,
    Reproduce(reproduce::Args),
    /// Time this engine beside others.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(clap::Subcommand)]
enum Bench {
    /// Gradients and Hessian rows beside PyTorch's, in turns on the same weights and inputs.
    Peers(bench::Peers),
    /// Whole explanations beside the same steps in PyTorch.
    Explanations(bench::Explanations),
    /// Whole explanations against image side, rows, features, steps, samples, sets and threads.
    Costs(costs::Costs),
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Scenes(args) => scenes::run(&args),
        Command::Tidy => tidy::run(),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Bench(Bench::Peers(settings)) => bench::peers(&settings),
        Command::Bench(Bench::Explanations(settings)) => bench::explanations(&settings),
        Command::Bench(Bench::Costs(settings)) => costs::run(&settings),
    }
}
