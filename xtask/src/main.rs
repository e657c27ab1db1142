//! Development tasks, run as `cargo xtask TASK`.

mod scenes;
mod tidy;

use clap::Parser;

/// Development tasks of H-Sets.
#[derive(Parser)]
enum Command {
    Scenes(scenes::Args),
    /// Check the map of ARCHITECTURE.md and the house rules.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Scenes(args) => scenes::run(&args),
        Command::Tidy => tidy::run(),
    }
}
