//! Integrated Gradients alone.

use hsets_attribution::{PathSettings, integrated_gradients};
use hsets_core::Result;

use super::{Findings, Task};
use crate::stopwatch::Stopwatch;

/// The map of Integrated Gradients, of the fixed target; no sets.
pub(super) fn run(task: &Task<'_>, stopwatch: &mut Stopwatch) -> Result<Findings> {
    let steps = task.settings.attribution.steps;
    let settings = PathSettings { keep_points: false, ..PathSettings::riemann(steps) };
    let path = stopwatch.time("path gradients", || task.path(&settings, task.target))?;
    let ig = integrated_gradients(&path)?;
    Ok(Findings {
        sets: Vec::new(),
        map: ig.map,
        completeness_gap: ig.completeness.gap(),
        n_gradients: path.weights().len(),
        n_rows: 0,
    })
}
