//! One explanation, measured.

use std::time::Duration;

use crate::Work;

/// The row of an explanation: picture × model × method × run.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The model.
    pub model: String,
    /// The picture.
    pub image: String,
    /// The method.
    pub method: String,
    /// The run, from 0.
    pub run: u32,
    /// Seed of the run.
    pub seed: u64,
    /// The picture's class, as the model numbers classes.
    pub class: usize,
    /// The class that was explained, the model's most probable one; `None` if it is not known.
    pub explained: Option<usize>,
    /// Why there is no explanation; `None` where there is one.
    pub failure: Option<String>,
    /// Number of sets.
    pub n_sets: usize,
    /// What the method takes, alone.
    pub work: Work,
    /// SHA-256 of all settings that the row depends on.
    pub settings_hash: String,
    /// SHA-256 of the weights.
    pub weights_hash: String,
    /// Program that made the row.
    pub code_version: String,
    /// A number for each of the plan's metrics; `None` where it is not defined.
    pub metrics: Vec<Option<f64>>,
}

/// How long the explanation of a [`Row`] took. Kept apart: it is never the same twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// Wall time in seconds, metrics included. What an earlier method of the same picture computed
    /// already took no time.
    pub seconds: f64,
    /// The same by stage.
    pub stages: Vec<(String, f64)>,
}

impl Timing {
    pub(crate) fn new(stages: &[(String, Duration)]) -> Self {
        let stages: Vec<_> =
            stages.iter().map(|(name, took)| (name.clone(), took.as_secs_f64())).collect();
        Self { seconds: stages.iter().map(|(_, seconds)| seconds).sum(), stages }
    }
}
