//! How a run goes, for people and for programs.

use std::{io::IsTerminal as _, time::Duration};

use hsets_evaluation::{Candidate, Cost, Finished, Observer, Pace, Plan, Shard, time_left};
use hsets_pipeline::core::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{args::General, output::say, progress::Bars};

/// Between two lines, where there is no terminal.
const EVERY: Duration = Duration::from_secs(20);

/// A bar on a terminal; elsewhere a line now and then.
pub(super) struct Reporter {
    json: bool,
    quiet: bool,
    bar: Option<ProgressBar>,
    pace: Pace,
    /// Shows nothing; says when to stop.
    within_a_picture: Bars,
}

impl Reporter {
    pub(super) fn new(general: &General, plan: &Plan, shard: Shard) -> Self {
        let quiet = general.quiet || general.json;
        let bar = (!quiet && std::io::stderr().is_terminal()).then(bar);
        let reporter = Self {
            json: general.json,
            quiet,
            bar,
            pace: Pace::new(EVERY),
            within_a_picture: Bars::new(true, String::new()),
        };
        reporter.line(&introduction(plan, shard));
        reporter
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.suspend(|| say(text)),
            None => say(text),
        }
    }
}

impl Observer for Reporter {
    fn selecting(&self, model: &str, tried: usize, chosen: usize) {
        if self.pace.is_time(false) {
            self.line(&format!("{model}: {chosen} of {tried} pictures chosen"));
        }
    }

    fn cost(&self, cost: &Cost) {
        for model in &cost.models {
            let pace = model.seconds_per_picture();
            let pace = pace.map_or("not measured".into(), |s| format!("{s:.2} s a picture"));
            self.line(&format!(
                "{}: {pace}; {} pictures done, {} left",
                model.model, model.n_done, model.n_left
            ));
        }
        let rows = cost.n_left() * cost.rows_per_picture;
        let left = time_left(cost.seconds_left());
        self.line(&format!("cost: {rows} more rows, about {left} on this machine"));
    }

    fn finished(&self, model: &str, candidate: &Candidate, finished: &Finished, cost: &Cost) {
        let failures = finished.rows.iter().filter_map(|(row, _)| row.failure.as_deref());
        let n_failed = failures.clone().count();
        let (done, left) = (cost.n_done(), cost.n_left());
        let image = &candidate.image;
        if self.json {
            let seconds_left = cost.seconds_left();
            let (rows, seconds) = (finished.rows.len(), finished.seconds);
            say(&json!({
                "model": model, "image": image, "rows": rows, "failed": n_failed,
                "seconds": seconds, "done": done, "left": left, "seconds_left": seconds_left,
            })
            .to_string());
            return;
        }
        if let Some(reason) = failures.clone().next_back() {
            let rows = if n_failed == 1 { "row" } else { "rows" };
            self.line(&format!("{model} {image}: {n_failed} {rows} failed: {reason}"));
        }
        if let Some(bar) = &self.bar {
            bar.set_length((done + left) as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{} left  {model} {image}", time_left(cost.seconds_left())));
        } else if self.pace.is_time(left == 0) {
            self.line(&format!("{model} {image}: {cost}"));
        }
    }

    fn progress(&self) -> &dyn Progress {
        &self.within_a_picture
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(1);
    if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len}  {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

fn introduction(plan: &Plan, shard: Shard) -> String {
    let samples = match (plan.selection.samples, plan.selection.correct_only) {
        (Some(n), true) => format!("{n} correctly classified pictures of {}", plan.dataset.n),
        (Some(n), false) => format!("{n} pictures of {}", plan.dataset.n),
        (None, true) => format!("the correctly classified of {} pictures", plan.dataset.n),
        (None, false) => format!("{} pictures", plan.dataset.n),
    };
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let share = if shard == Shard::WHOLE { String::new() } else { format!(", shard {shard}") };
    format!(
        "{samples} ({}) × {} × {} × {}{share}",
        plan.dataset.layout,
        count(plan.models.len(), "model"),
        count(plan.methods.len(), "method"),
        count(plan.runs as usize, "run"),
    )
}
