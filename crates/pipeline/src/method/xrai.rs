//! XRAI on the segments of the picture.

use hsets_attribution::{
    Baseline, PathSettings, integrated_gradients,
    methods::{Xrai, xrai},
};
use hsets_core::{Result, SaliencyMap};
use serde::{Deserialize, Serialize};

use super::{Findings, Task};

/// Whose Integrated Gradients rank the regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum XraiBaselines {
    /// The mean of those from a black and from a white baseline, as in the original.
    BlackAndWhite,
    /// Those from the baseline of the explanation.
    Own,
}

/// Settings of XRAI.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct XraiSettings {
    /// How regions are ranked.
    pub regions: Xrai,
    /// Whose Integrated Gradients rank them.
    pub baselines: XraiBaselines,
    /// The path of the Integrated Gradients.
    pub path: PathSettings,
}

impl XraiSettings {
    /// Black and white baselines, 100 points from end to end.
    pub fn paper() -> Self {
        Self {
            regions: Xrai::paper(),
            baselines: XraiBaselines::BlackAndWhite,
            path: PathSettings { keep_points: false, ..PathSettings::riemann(99) },
        }
    }
}

pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let settings = &task.settings.xrai;
    let (attributions, completeness, refinement) = match settings.baselines {
        XraiBaselines::Own => {
            let path = task.path(&settings.path, task.target)?;
            let ig = integrated_gradients(&path)?;
            (ig.map, Some(ig.completeness), Some(path.refinement()))
        }
        XraiBaselines::BlackAndWhite => (black_and_white(task)?, None, None),
    };
    let segments = std::slice::from_ref(task.segments());
    let map = task.time("regions", || xrai(&attributions, segments, &settings.regions))?;
    Ok(Findings { completeness, refinement, ..map.into() })
}

fn black_and_white(task: &Task<'_, '_>) -> Result<SaliencyMap> {
    let mut mean = SaliencyMap::zeros(task.image().shape());
    for baseline in [Baseline::Black, Baseline::White] {
        let start = baseline.image(task.image(), task.explainer.normalisation)?;
        let path = task.path_from(&baseline, &start, &task.settings.xrai.path, task.target)?;
        let ig = integrated_gradients(&path)?.map;
        mean.data_mut().iter_mut().zip(ig.data()).for_each(|(mean, ig)| *mean += ig / 2.0);
    }
    Ok(mean)
}
