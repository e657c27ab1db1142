//! How a run goes, for people and for programs.

use std::{
    cell::Cell,
    io::IsTerminal as _,
    time::{Duration, Instant},
};

use hsets_evaluation::{Candidate, Cost, Finished, Observer, Plan, Shard};
use hsets_pipeline::core::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{args::General, output::say, progress::Bars};

/// Between two lines, where there is no terminal.
const PACE: Duration = Duration::from_secs(20);

/// A bar on a terminal; elsewhere a line now and then.
pub(super) struct Reporter {
    json: bool,
    quiet: bool,
    bar: Option<ProgressBar>,
    last_line: Cell<Option<Instant>>,
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
            last_line: Cell::new(None),
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

    /// True now and then.
    fn is_time(&self) -> bool {
        let is_time = self.last_line.get().is_none_or(|last| last.elapsed() >= PACE);
        if is_time {
            self.last_line.set(Some(Instant::now()));
        }
        is_time
    }
}

impl Observer for Reporter {
    fn selecting(&self, model: &str, tried: usize, chosen: usize) {
        if self.is_time() {
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
        let left = cost.seconds_left().map_or("unknown".into(), duration);
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
            self.line(&format!("{model} {image}: {n_failed} rows failed: {reason}"));
        }
        let time = cost.seconds_left().map_or("unknown".into(), duration);
        if let Some(bar) = &self.bar {
            bar.set_length((done + left) as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{time} left  {model} {image}"));
        } else if self.is_time() || left == 0 {
            self.line(&format!("[{done}/{}] {time} left  {model} {image}", done + left));
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

/// "3 h 12 min".
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.round() as u64;
    let (days, hours, minutes) = (total / 86_400, total / 3600 % 24, total / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{total} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", total % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_for_people() {
        let shown = [0.4, 59.6, 3599.0, 11_520.0, 200_000.0].map(duration);
        assert_eq!(shown, ["0 s", "1 min 0 s", "59 min 59 s", "3 h 12 min", "2 d 7 h"]);
    }
}
