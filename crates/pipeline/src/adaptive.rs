//! What adaptive steps and samples came to, against the fixed ones of a preset.

use hsets_attribution::{PathSettings, Samples, Steps};

use crate::{Explanation, Method, Settings};

/// What was left to be found of an explanation, and what was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Adaptive {
    /// Where [`Steps::UntilGap`] was asked for.
    pub steps: Option<AdaptiveSteps>,
    /// Where [`Samples::UntilSettled`] was asked for and sets were sampled.
    pub samples: Option<AdaptiveSamples>,
}

/// Steps of the path, found.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveSteps {
    /// What was asked for.
    pub asked: Steps,
    /// m that was found.
    pub used: usize,
    /// Whether the gap is as small as asked.
    pub closed: bool,
    /// Gradients that it took.
    pub n_gradients: usize,
    /// Gradients that the fixed number of steps takes.
    pub n_gradients_fixed: usize,
}

/// Subsets of sets, found.
#[derive(Debug, Clone, PartialEq)]
pub struct AdaptiveSamples {
    /// What was asked for.
    pub asked: Samples,
    /// Largest t of a set.
    pub largest: usize,
    /// Ranks, from 1, of the sets whose place is not settled.
    pub open: Vec<usize>,
    /// Subsets of all sets.
    pub n_subsets: usize,
    /// Subsets of as many sets with the fixed t.
    pub n_subsets_fixed: usize,
}

impl Adaptive {
    /// Of an explanation by `settings`; `preset` has what the fixed numbers would be.
    pub fn new(explanation: &Explanation, settings: &Settings, preset: &Settings) -> Self {
        Self {
            steps: steps(explanation, settings, preset),
            samples: samples(explanation, settings, preset),
        }
    }
}

fn steps(
    explanation: &Explanation,
    settings: &Settings,
    preset: &Settings,
) -> Option<AdaptiveSteps> {
    let refinement = explanation.refinement?;
    let path_of = |settings: &Settings| match settings.method {
        Method::Ig => settings.ig.clone(),
        Method::Xrai => settings.xrai.path.clone(),
        _ => settings.attribution.path(),
    };
    let asked = path_of(settings).steps;
    let fixed = path_of(&Settings { method: settings.method, ..preset.clone() });
    match (asked, fixed) {
        (Steps::UntilGap { .. }, PathSettings { steps: Steps::Fixed(steps), quadrature, .. }) => {
            Some(AdaptiveSteps {
                asked,
                used: refinement.steps,
                closed: refinement.closed,
                n_gradients: refinement.n_gradients,
                n_gradients_fixed: steps + usize::from(quadrature.includes_ends()),
            })
        }
        _ => None,
    }
}

fn samples(
    explanation: &Explanation,
    settings: &Settings,
    preset: &Settings,
) -> Option<AdaptiveSamples> {
    let sampled = || explanation.sets.iter().map(|set| set.n_samples);
    let (asked, Samples::Fixed(fixed)) = (settings.attribution.samples, preset.attribution.samples)
    else {
        return None;
    };
    let largest = sampled().max().filter(|&largest| largest > 0)?;
    let ranked = explanation.sets.iter().zip(1..);
    matches!(asked, Samples::UntilSettled { .. }).then(|| AdaptiveSamples {
        asked,
        largest,
        open: ranked.filter(|(set, _)| !set.settled).map(|(_, rank)| rank).collect(),
        n_subsets: sampled().sum(),
        n_subsets_fixed: fixed * explanation.sets.len(),
    })
}
