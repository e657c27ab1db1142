//! The seam between the loop over a dataset and what happens to one picture.

use std::time::Duration;

use hsets_core::{Error, Link, Progress, SaliencyMap};
use hsets_datasets::Sample;
use hsets_pipeline::{Work, models};

/// Explains and measures pictures under one model.
pub trait Examiner {
    /// Logits \[K\] of a picture.
    fn classify(&self, sample: &Sample) -> Result<Vec<f32>, Failure>;

    /// How the logits become probabilities.
    fn link(&self) -> Link;

    /// Explains a picture's class in every case, and measures each map. One result per case, in
    /// their order; an error is of the whole picture.
    fn examine(
        &self,
        sample: &Sample,
        class: usize,
        cases: &[Case],
        progress: &dyn Progress,
    ) -> Result<Vec<Result<Examined, Failure>>, Failure>;
}

/// One of the explanations of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// Which of the plan's methods.
    pub method: usize,
    /// Which run, from 0.
    pub run: u32,
    /// Seed of everything random.
    pub seed: u64,
}

/// What is known of an explanation.
#[derive(Debug, Clone)]
pub struct Examined {
    /// The map.
    pub map: SaliencyMap,
    /// A number for each of the plan's metrics, in their order; NaN where it is not defined.
    pub metrics: Vec<f64>,
    /// What it takes, alone.
    pub work: Work,
    /// Number of sets.
    pub n_sets: usize,
    /// Wall time by stage, in their order.
    pub timings: Vec<(String, Duration)>,
}

/// Why there is no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The user wants to stop.
    Cancelled,
    /// Something is wrong with this picture.
    Reason(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Cancelled => Self::Cancelled,
            error => Self::Reason(error.to_string()),
        }
    }
}

impl From<models::Error> for Failure {
    fn from(error: models::Error) -> Self {
        match error {
            models::Error::Core(error) => error.into(),
            error => Self::Reason(error.to_string()),
        }
    }
}
