//! `cargo xtask bench costs`: what an explanation costs against its size, from `hsets explain`.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use hsets_report::plot::{Axis, LinePlot, Plot, Series};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::bench::build;

/// Which explanations to time.
#[derive(clap::Args)]
pub(crate) struct Costs {
    /// What is explained.
    #[arg(long)]
    photo: PathBuf,
    /// Arguments of `hsets explain` that tell the network, in one string.
    #[arg(long, allow_hyphen_values = true)]
    network: String,
    /// Threads, where they are not what is varied.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Runs of each explanation; the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Folder for `costs.md`, and a plot of each sweep.
    #[arg(long)]
    out: PathBuf,
}

/// One setting that is varied, all others as the preset has them.
struct Sweep {
    name: &'static str,
    /// Axis of the plot.
    axis: &'static str,
    preset: &'static str,
    option: &'static str,
    values: &'static [&'static str],
}

const SWEEPS: [Sweep; 7] = [
    Sweep {
        name: "side",
        axis: "side of the image (pixels)",
        preset: "paper",
        option: "--size",
        values: &["96", "128", "160", "224", "320", "512"],
    },
    Sweep {
        name: "rows",
        axis: "most Hessian rows of a set",
        preset: "paper",
        option: "--max-rows",
        values: &["1", "2", "4", "8", "16", "32", "64", "128", "256"],
    },
    Sweep {
        name: "features",
        axis: "most features of a set",
        preset: "reference",
        option: "--nu",
        values: &["250", "500", "1000", "2000", "5000"],
    },
    Sweep {
        name: "steps",
        axis: "steps of the path",
        preset: "paper",
        option: "--steps",
        values: &["10", "20", "50", "100", "200"],
    },
    Sweep {
        name: "samples",
        axis: "sampled subsets of a set",
        preset: "paper",
        option: "--samples",
        values: &["10", "50", "200", "1000"],
    },
    Sweep {
        name: "sets",
        axis: "sets",
        preset: "paper",
        option: "--sets",
        values: &["1", "2", "5", "10", "20"],
    },
    Sweep {
        name: "threads",
        axis: "threads",
        preset: "paper",
        option: "--threads",
        values: &["1", "2", "4"],
    },
];

/// An explanation with one value of the varied setting.
struct Run {
    value: &'static str,
    path_gradients: f64,
    detection: f64,
    total: f64,
    gradients: u64,
    rows: u64,
    features: BTreeSet<usize>,
}

/// Runs all sweeps, prints their tables and writes them with the plots.
pub(crate) fn run(settings: &Costs) -> Result<()> {
    let hsets = build("hsets")?;
    fs::create_dir_all(&settings.out)?;
    let scratch = std::env::temp_dir().join(format!("hsets-costs-{}", std::process::id()));
    let mut page = String::new();
    for sweep in &SWEEPS {
        let runs: Result<Vec<Run>> = sweep
            .values
            .iter()
            .map(|value| explain(settings, &hsets, sweep, value, &scratch))
            .collect();
        let runs = runs?;
        let text = table(sweep, &runs)?;
        emit(&text);
        page += &text;
        let file = settings.out.join(format!("{}.svg", sweep.name));
        fs::write(&file, plot(sweep, &runs).svg()?)
            .with_context(|| format!("cannot write {}", file.display()))?;
    }
    fs::remove_dir_all(&scratch)?;
    fs::write(settings.out.join("costs.md"), page)?;
    Ok(())
}

#[allow(clippy::print_stdout)] // the tables are the result
fn emit(table: &str) {
    println!("{table}");
}

fn explain(
    settings: &Costs,
    hsets: &Path,
    sweep: &Sweep,
    value: &'static str,
    scratch: &Path,
) -> Result<Run> {
    let mut runs = Vec::new();
    for _ in 0..settings.runs {
        let mut command = Command::new(hsets);
        command.arg("explain").arg(&settings.photo).args(settings.network.split_whitespace());
        command.args(["--json", "--quiet", "--preset", sweep.preset, sweep.option, value]);
        if sweep.option != "--threads" {
            command.args(["--threads", &settings.threads.to_string()]);
        }
        let output = command.arg("--out").arg(scratch).output()?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        runs.push(read(&serde_json::from_slice(&output.stdout)?, settings, scratch, value)?);
    }
    runs.sort_by(|a, b| a.total.total_cmp(&b.total));
    let middle = runs.len() / 2;
    Ok(runs.swap_remove(middle))
}

/// Times, counts and features of an explanation that was just written.
fn read(record: &Value, settings: &Costs, out: &Path, value: &'static str) -> Result<Run> {
    let cost = &record["cost"];
    let stages = cost["timings"].as_array().context("no timings in the record")?;
    let seconds = |named: &dyn Fn(&str) -> bool| -> f64 {
        let chosen = stages.iter().filter(|stage| stage["stage"].as_str().is_some_and(named));
        chosen.filter_map(|stage| stage["seconds"].as_f64()).sum()
    };
    let stem = settings.photo.file_stem().context("the photo has no name")?;
    let maps = fs::read(out.join(stem).join("maps.safetensors"))?;
    let maps = SafeTensors::deserialize(&maps)?;
    let sets = maps.tensor("sets")?;
    let size: usize = sets.shape()[1..].iter().product();
    let members = sets.data().iter().enumerate().filter(|(_, member)| **member != 0);
    Ok(Run {
        value,
        path_gradients: seconds(&|stage| stage == "path gradients"),
        detection: seconds(&|stage| stage == "detection"),
        total: seconds(&|_| true),
        gradients: cost["n_gradients"].as_u64().context("no count of gradients")?,
        rows: cost["n_rows"].as_u64().context("no count of rows")?,
        features: members.map(|(at, _)| at % size).collect(),
    })
}

/// Markdown; the last column says how the features change from one value to the next.
fn table(sweep: &Sweep, runs: &[Run]) -> Result<String> {
    let mut text = format!(
        "### {}\n\nPreset `{}`, `{}`.\n\n\
         | {} | path gradients, s | detection, s | all stages, s | gradients | rows | features \
         | shared with the next |\n|---:|---:|---:|---:|---:|---:|---:|---:|\n",
        capitalised(sweep.axis),
        sweep.preset,
        sweep.option,
        sweep.name,
    );
    for (index, run) in runs.iter().enumerate() {
        let shared = runs.get(index + 1).filter(|_| sweep.option != "--size").map(|next| {
            let both = run.features.intersection(&next.features).count();
            let either = run.features.union(&next.features).count();
            format!("{:.0} %", 100.0 * both as f64 / either.max(1) as f64)
        });
        writeln!(
            text,
            "| {} | {:.2} | {:.2} | {:.2} | {} | {} | {} | {} |",
            run.value,
            run.path_gradients,
            run.detection,
            run.total,
            run.gradients,
            run.rows,
            run.features.len(),
            shared.unwrap_or_default(),
        )?;
    }
    writeln!(text, "\n![Seconds against {}](performance/{}.svg)\n", sweep.axis, sweep.name)?;
    Ok(text)
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

fn plot(sweep: &Sweep, runs: &[Run]) -> Plot {
    let points = |seconds: fn(&Run) -> f64| {
        let at = |run: &Run| run.value.parse().map(|value: f64| (value, seconds(run))).ok();
        runs.iter().filter_map(at).collect::<Vec<_>>()
    };
    LinePlot::new(format!("An explanation against {}", sweep.axis))
        .x(Axis::new(sweep.axis))
        .y(Axis::new("time").unit("s"))
        .series(Series::new("all stages", points(|run| run.total)))
        .series(Series::new("detection", points(|run| run.detection)))
        .series(Series::new("path gradients", points(|run| run.path_gradients)))
        .into()
}
