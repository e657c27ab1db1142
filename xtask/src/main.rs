//! Development tasks, run as `cargo xtask TASK`.

mod tidy;

use clap::Parser;

/// Development tasks of H-Sets.
#[derive(Parser)]
enum Command {
    /// Check the map of ARCHITECTURE.md and the house rules.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Command::parse() {
        Command::Tidy => tidy::run(),
    }
}
