//! The gradient, gradient × input, and SmoothGrad.

use hsets_attribution::methods::smooth_grad;
use hsets_core::Result;

use super::{Findings, Task};

pub(super) fn gradient(task: &Task<'_, '_>) -> Result<Findings> {
    Ok(task.gradient(task.target)?.as_ref().clone().into())
}

/// `(xᵢ - x'ᵢ) · ∂f/∂xᵢ`.
pub(super) fn gradient_x_input(task: &Task<'_, '_>) -> Result<Findings> {
    let mut map = task.gradient(task.target)?.as_ref().clone();
    let displacement =
        task.image().data().iter().zip(task.baseline.data()).map(|(x, baseline)| x - baseline);
    map.data_mut().iter_mut().zip(displacement).for_each(|(value, away)| *value *= away);
    Ok(map.into())
}

pub(super) fn smooth(task: &Task<'_, '_>) -> Result<Findings> {
    let settings = &task.settings.smooth_grad;
    let map = task.time("gradients", || {
        smooth_grad(task.field(), task.image(), task.target, settings, task.progress)
    })?;
    Ok(map.into())
}
