//! Tells on stderr how an evaluation goes.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hsets_evaluation::{Candidate, Cost, Finished, Observer};
use hsets_pipeline::core::{Progress, Silent};

/// Lines come no faster, but for the last.
const EVERY: Duration = Duration::from_secs(5);

/// Watches one experiment.
pub(crate) struct Watch<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// When something was last told.
    pub(crate) told: Mutex<Option<Instant>>,
}

impl<'a> Watch<'a> {
    /// Of the experiment `name`.
    pub(crate) fn new(name: &'a str) -> Self {
        Self { name, told: Mutex::new(None) }
    }
}

impl Observer for Watch<'_> {
    fn selecting(&self, model: &str, tried: usize, chosen: usize) {
        tell(&format!("{}: {model}: {chosen} of {tried} pictures chosen", self.name));
    }

    fn cost(&self, _cost: &Cost) {}

    fn finished(&self, model: &str, _picture: &Candidate, _finished: &Finished, cost: &Cost) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_last = cost.n_left() == 0;
        if !is_last && told.is_some_and(|told| told.elapsed() < EVERY) {
            return;
        }
        *told = Some(Instant::now());
        let (done, left) = (cost.n_done(), cost.n_left());
        let time = cost.seconds_left().map_or(String::new(), |s| format!(", {} left", time(s)));
        tell(&format!("{}: {model}: {done} of {} pictures{time}", self.name, done + left));
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

/// "45 s", "12 min", "3.5 h", "4.2 days".
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        s if s < 90.0 => format!("{s:.0} s"),
        s if s < 5400.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86_400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        let found = [0.4, 89.0, 600.0, 12_600.0, 400_000.0].map(time);
        assert_eq!(found, ["0 s", "89 s", "10 min", "3.5 h", "4.6 days"]);
    }
}
