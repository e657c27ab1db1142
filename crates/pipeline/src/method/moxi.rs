//! MoXI: patches in greedy order.

use hsets_attribution::methods::{Moxi, MoxiMap, moxi, moxi_map};
use hsets_core::Result;
use serde::{Deserialize, Serialize};

use super::{Findings, Task};

/// Settings of MoXI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoxiSettings {
    /// How patches are ordered.
    pub order: Moxi,
    /// How the order becomes a map.
    pub map: MoxiMap,
}

impl MoxiSettings {
    /// As compared in the tables of H-Sets; every patch has its marginal gain.
    pub fn paper() -> Self {
        Self { order: Moxi::paper(), map: MoxiMap::MarginalGain }
    }

    /// The defaults of MoXI's authors; every patch has its marginal gain.
    pub fn reference() -> Self {
        Self { order: Moxi::reference(), ..Self::paper() }
    }
}

pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let MoxiSettings { order, map } = &task.settings.moxi;
    let (image, class) = (task.image(), task.class()?);
    let found = task.time("patches", || {
        moxi(task.field(), task.baseline, image, class, order, task.progress)
    })?;
    Ok(moxi_map(image, &found, *map)?.into())
}
