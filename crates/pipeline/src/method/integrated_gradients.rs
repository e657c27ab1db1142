//! Integrated Gradients alone.

use hsets_attribution::{IntegratedGradients, integrated_gradients};
use hsets_core::Result;

use super::{Findings, Task};

/// The map of Integrated Gradients, of the fixed target.
pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let path = task.path(&task.settings.ig, task.target)?;
    let IntegratedGradients { map, completeness } = integrated_gradients(&path)?;
    let refinement = Some(path.refinement());
    Ok(Findings { sets: Vec::new(), map, completeness: Some(completeness), refinement })
}
