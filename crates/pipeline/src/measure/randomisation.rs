//! What a map owes to the weights.

use hsets_core::{Error, Randomisable, Result, SaliencyMap};
use hsets_metrics::{efficient_mprt, mprt};

use super::{
    Better, Curve, Task,
    metric::{Found, Needs, Spec, named},
};

pub(super) const MPRT: Spec = Spec {
    name: "mprt",
    needs: Needs::Weights,
    readings: || {
        named([("mprt-average", Better::Lower, Some("MPRT")), ("mprt-last", Better::Lower, None)])
    },
    measure: |task| {
        let n_layers = network(task)?.n_layers();
        let n_states = task.settings.randomisation.states.min(n_layers);
        let counts: Vec<usize> =
            (1..=n_states).map(|state| (state * n_layers).div_ceil(n_states)).collect();
        let maps = maps(task, &counts)?;
        let found = mprt(task.map, &maps, task.settings.reduction)?;
        let share = |n: usize| 100.0 * n as f64 / n_layers as f64;
        let points = counts.iter().zip(&found.correlations);
        let curve = Curve {
            name: "mprt",
            title: "Random weights",
            caption: "Layers are drawn anew from the logits down, and the picture is explained \
                      again. A map that stays as it was explains the picture, not the network.",
            share_of: "layers with random weights",
            quantity: "rank correlation with the map",
            points: points.map(|(&n, &correlation)| (share(n), correlation)).collect(),
            correct: Vec::new(),
        };
        let curves = vec![curve];
        Ok(Found { values: vec![found.average(), found.last()], curves, note: None })
    },
};

pub(super) const EMPRT: Spec = Spec {
    name: "emprt",
    needs: Needs::Weights,
    readings: || named([("emprt", Better::Higher, Some("eMPRT"))]),
    measure: |task| {
        let maps = maps(task, &[network(task)?.n_layers()])?;
        let (reduction, n_bins) = (task.settings.reduction, task.settings.randomisation.n_bins);
        Ok(Found::of([efficient_mprt(task.map, &maps[0], reduction, n_bins)?]))
    },
};

fn network<'t>(task: &Task<'t>) -> Result<&'t dyn Randomisable> {
    let missing = || Error::config("metrics", "mprt", Needs::Weights.description());
    task.method()?.network().ok_or_else(missing)
}

/// The maps with so many layers drawn anew.
fn maps(task: &Task<'_>, counts: &[usize]) -> Result<Vec<SaliencyMap>> {
    let (network, method) = (network(task)?, task.method()?);
    task.progress.begin("random weights", counts.len() as u64);
    let mut maps = Vec::with_capacity(counts.len());
    for &n in counts {
        if task.progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let random = network.randomised(n, task.settings.randomisation.seed)?;
        maps.push(method.under(random.as_ref())?);
        task.progress.advance(1);
    }
    task.progress.end();
    Ok(maps)
}
