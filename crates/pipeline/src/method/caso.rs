//! CAFO and CASO.

use hsets_attribution::methods::{Caso, caso};
use hsets_core::Result;

use super::{Findings, Task};

pub(super) fn run(task: &Task<'_, '_>, settings: &Caso) -> Result<Findings> {
    let class = task.class()?;
    let normalisation = task.explainer.normalisation;
    let map = task.time("perturbation", || {
        caso(task.field(), task.image(), class, normalisation, settings, task.progress)
    })?;
    Ok(map.into())
}
