//! Wall time by stage.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use hsets_core::Result;

/// Takes the time of stages.
#[derive(Debug, Default)]
pub(crate) struct Stopwatch(Vec<(&'static str, Duration)>);

impl Stopwatch {
    /// Runs a stage. A stage that runs in several pieces is timed as one.
    pub(crate) fn time<T>(
        this: &RefCell<Self>,
        stage: &'static str,
        run: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let start = Instant::now();
        let result = run();
        let took = start.elapsed();
        let timings = &mut this.borrow_mut().0;
        match timings.iter_mut().find(|(name, _)| *name == stage) {
            Some((_, total)) => *total += took,
            None => timings.push((stage, took)),
        }
        result
    }

    pub(crate) fn into_timings(self) -> Vec<(&'static str, Duration)> {
        self.0
    }
}
