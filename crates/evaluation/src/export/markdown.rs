//! Tables of means: a table for each metric, a line for each method, a column for each model.

use std::fmt::Write as _;

use hsets_metrics::Bootstrap;

use crate::{Cell, Result, Results, Shard, Statistics, statistics::Comparison};

pub(super) fn tables(results: &Results) -> Result<String> {
    let statistics = Statistics::of(results)?;
    let bootstrap = Bootstrap::STANDARD;
    let cells = statistics.cells(&bootstrap);
    let reference = statistics.methods().first().cloned().unwrap_or_default();
    let comparisons = statistics.against(&reference, &bootstrap);
    let mut text = introduction(results, &reference)?;
    for metric in statistics.metrics() {
        let _ = write!(text, "\n## {metric}\n\n| method |");
        for model in statistics.models() {
            let _ = write!(text, " {model} | against {reference} |");
        }
        let _ = write!(text, "\n|---|{}\n", "---|---|".repeat(statistics.models().len()));
        for method in statistics.methods() {
            let _ = write!(text, "| {method} |");
            for model in statistics.models() {
                let is_it = |c: &&Cell| (&c.model, &c.method, &c.metric) == (model, method, metric);
                let cell = cells.iter().find(is_it).map_or("-".into(), shown);
                let is_it =
                    |c: &&Comparison| (&c.model, &c.method, &c.metric) == (model, method, metric);
                let against = comparisons.iter().find(is_it).map_or(String::new(), difference);
                let _ = write!(text, " {cell} | {against} |");
            }
            text.push('\n');
        }
    }
    Ok(text)
}

fn introduction(results: &Results, reference: &str) -> Result<String> {
    let plan = results.plan();
    let (n_rows, n_failed) = results.counts()?;
    let pictures = match plan.selection.samples {
        Some(n) => format!("{n} pictures"),
        None => "all pictures".into(),
    };
    let correct = if plan.selection.correct_only { ", correctly classified" } else { "" };
    Ok(format!(
        "# Results\n\n{pictures}{correct} of {} ({}), order seed {}; {} runs from seed {}; {n_rows} \
         rows, {n_failed} of them failed.{}\n\n\
         Mean over pictures ± standard deviation over runs, [95 % bootstrap interval over \
         pictures]. \"against {reference}\": difference on the same pictures, [95 % paired bootstrap \
         interval].\n",
        plan.dataset.layout,
        plan.dataset.n,
        plan.selection.seed,
        plan.runs,
        plan.seed,
        incomplete(results)?,
    ))
}

/// What lacks, of a shard or of an evaluation that was cut short: means over a part of the pictures
/// are other means.
fn incomplete(results: &Results) -> Result<String> {
    let missing = results.missing(Shard::WHOLE, 1)?;
    if missing.is_nothing() {
        return Ok(String::new());
    }
    let n: usize = missing.pictures.values().map(Vec::len).sum();
    let untried: usize = missing.untried.values().sum();
    Ok(format!(
        " **Incomplete**: {n} pictures have no rows yet, and {untried} are not looked at; \
         `hsets evaluate` goes on."
    ))
}

fn shown(cell: &Cell) -> String {
    let (low, high) = cell.interval;
    let std =
        if cell.runs.std.is_nan() { String::new() } else { format!(" ± {:.4}", cell.runs.std) };
    let left_out = match cell.n_left_out {
        0 => String::new(),
        n => format!(" ({n} left out)"),
    };
    match cell.pictures.n {
        0 => format!("-{left_out}"),
        1 => format!("{:.4}{std}{left_out}", cell.runs.mean),
        _ => format!("{:.4}{std} [{low:.4}, {high:.4}]{left_out}", cell.runs.mean),
    }
}

fn difference(comparison: &Comparison) -> String {
    let (low, high) = comparison.interval;
    match comparison.difference.n {
        0 => "-".into(),
        1 => format!("{:+.4}", comparison.difference.mean),
        _ => format!("{:+.4} [{low:+.4}, {high:+.4}]", comparison.difference.mean),
    }
}
