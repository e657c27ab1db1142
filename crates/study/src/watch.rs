//! Tells on stderr how an evaluation goes.

use std::time::Duration;

use hsets_evaluation::{Candidate, Cost, Finished, Observer, Pace};
use hsets_pipeline::core::{Progress, Silent};

/// Lines come no faster, but for the last.
const EVERY: Duration = Duration::from_secs(5);

/// Watches one experiment.
pub(crate) struct Watch<'a> {
    /// Its name.
    name: &'a str,
    pace: Pace,
}

impl<'a> Watch<'a> {
    /// Of the experiment `name`.
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, pace: Pace::new(EVERY) }
    }
}

impl Observer for Watch<'_> {
    fn selecting(&self, model: &str, tried: usize, chosen: usize) {
        tell(&format!("{}: {model}: {chosen} of {tried} pictures chosen", self.name));
    }

    fn cost(&self, _cost: &Cost) {}

    fn finished(&self, model: &str, _picture: &Candidate, _finished: &Finished, cost: &Cost) {
        if self.pace.is_time(cost.n_left() == 0) {
            tell(&format!("{}: {model}: {cost}", self.name));
        }
    }

    fn progress(&self) -> &dyn Progress {
        &Silent
    }
}

/// A line on stderr.
#[expect(clippy::print_stderr, reason = "this is the program's own voice")]
pub(crate) fn tell(line: &str) {
    eprintln!("{line}");
}
