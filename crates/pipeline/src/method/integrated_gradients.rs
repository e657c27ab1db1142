//! Integrated Gradients alone.

use hsets_attribution::{IntegratedGradients, integrated_gradients};
use hsets_core::Result;

use super::{Findings, Task};

/// The map of Integrated Gradients, of the fixed target.
pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let path = task.path(&task.settings.ig, task.target)?;
    let IntegratedGradients { map, completeness } = integrated_gradients(&path)?;
    Ok(Findings {
        completeness: Some(completeness),
        refinement: Some(path.refinement()),
        baseline_logits: Some(path.baseline_logits().to_vec()),
        ..map.into()
    })
}
