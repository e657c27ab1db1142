//! The evaluation of the paper, made again: `cargo xtask reproduce imagenet`, `cub` or `demo`.
//!
//! A study is a list of experiments; each is one evaluation (`hsets-evaluation`) with a file of
//! results of its own, so that whatever is killed goes on where it was. The report is made from
//! these files alone:
//!
//! ```text
//! OUT/study.json     what was asked for
//! OUT/methods.db …   results, one file for each experiment
//! OUT/interactions.csv  what methods say of networks whose interactions are known
//! OUT/examples/      pictures with the maps of all methods
//! OUT/report.html    the report; the same as report.md, tables.tex, and every plot as SVG and PNG
//! ```

mod args;
mod conduct;
mod data;
mod design;
mod examiner;
mod examples;
mod experiment;
mod interactions;
mod manifest;
mod plan;
mod published;
mod report;
mod study;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser as _;

use args::{Args, Common};
use study::Study;

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            watch::tell(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let (name, common) = match args {
        Args::Imagenet(paper) => ("imagenet", &paper.common),
        Args::Cub(paper) => ("cub", &paper.common),
        Args::Demo(common) => ("demo", common),
    };
    let out = common.out.clone().unwrap_or_else(|| PathBuf::from("out/reproduce").join(name));
    use_threads(common)?;
    if !common.report_only {
        let study = match args {
            Args::Imagenet(paper) => Study::imagenet(paper, &out),
            Args::Cub(paper) => Study::cub(paper, &out),
            Args::Demo(common) => Study::demo(common, &out),
        }?;
        conduct::conduct(&study, &out, common)?;
        if !common.estimate_only && common.only.is_empty() {
            interactions::conduct(&out, common.truth_pictures.unwrap_or(study.truth_pictures()))?;
        }
    }
    if !common.estimate_only {
        report::write(&out)?;
        watch::tell(&format!("The report: {}", out.join("report.html").display()));
    }
    Ok(())
}

fn use_threads(common: &Common) -> Result<()> {
    let Some(threads) = common.threads else { return Ok(()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build_global().with_context(|| format!("cannot start {threads} threads"))
}
