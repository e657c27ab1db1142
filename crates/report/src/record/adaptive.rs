//! What adaptive settings came to.

use hsets_pipeline::{Adaptive, AdaptiveSamples, AdaptiveSteps, Explanation, Settings};
use serde_json::{Value, json};

/// What was asked for, what was used, and what was spared against the fixed numbers of `preset`;
/// `None` where nothing was left to be found.
pub(super) fn adaptive(
    explanation: &Explanation,
    settings: &Settings,
    preset: &str,
) -> Option<Value> {
    let preset = Settings::named(preset).unwrap_or_else(Settings::paper);
    let Adaptive { steps, samples } = Adaptive::new(explanation, settings, &preset);
    (steps.is_some() || samples.is_some())
        .then(|| json!({ "steps": steps.as_ref().map(of_steps), "samples": samples.as_ref().map(of_samples) }))
}

fn of_steps(found: &AdaptiveSteps) -> Value {
    let AdaptiveSteps { asked, used, closed, n_gradients, n_gradients_fixed } = found;
    json!({
        "asked": asked.to_string(),
        "used": used,
        "gap_closed": closed,
        "n_gradients": n_gradients,
        "n_gradients_fixed": n_gradients_fixed,
        "saved": saved(*n_gradients, *n_gradients_fixed),
    })
}

fn of_samples(found: &AdaptiveSamples) -> Value {
    let AdaptiveSamples { asked, largest, open, n_subsets, n_subsets_fixed } = found;
    json!({
        "asked": asked.to_string(),
        "largest": largest,
        "ranks_not_settled": open,
        "n_subsets": n_subsets,
        "n_subsets_fixed": n_subsets_fixed,
        "saved": saved(*n_subsets, *n_subsets_fixed),
    })
}

/// The share that was spared; negative where more was needed.
fn saved(used: usize, fixed: usize) -> f64 {
    1.0 - used as f64 / fixed as f64
}
