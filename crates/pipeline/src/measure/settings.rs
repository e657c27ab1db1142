//! What is measured, and how.

use std::{fmt, str::FromStr};

use hsets_attribution::Baseline;
use hsets_core::{ChannelReduction, Error, Result};
use hsets_metrics::{MaxSensitivity, RoadSettings, Ties, Units};

/// A metric, or several that are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Metric {
    /// Gini sparsity, and that of as many equal pixels.
    Gini,
    /// Entropy of the pixels' shares.
    Entropy,
    /// ROAD, most and least relevant pixels first.
    Road,
    /// Areas under the insertion and deletion curves.
    InsertionDeletion,
    /// How badly the map predicts what grey squares do to the output.
    Infidelity,
    /// Σ map against f(x) - f(x').
    Completeness,
    /// How much the map changes when the image hardly does.
    MaxSensitivity,
}

impl Metric {
    /// All metrics.
    pub const ALL: &[Self] = &[
        Self::Gini,
        Self::Entropy,
        Self::Road,
        Self::InsertionDeletion,
        Self::Infidelity,
        Self::Completeness,
        Self::MaxSensitivity,
    ];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gini => "gini",
            Self::Entropy => "entropy",
            Self::Road => "road",
            Self::InsertionDeletion => "insertion-deletion",
            Self::Infidelity => "infidelity",
            Self::Completeness => "completeness",
            Self::MaxSensitivity => "max-sensitivity",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|metric| metric.name() == name);
        let names = || Self::ALL.iter().map(|m| m.name()).collect::<Vec<_>>().join(", ");
        found.copied().ok_or_else(|| Error::config("metrics", name, format!("of {}", names())))
    }
}

/// Settings of [`measure`](super::measure).
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSettings {
    /// What is measured.
    pub metrics: Vec<Metric>,
    /// How the channels of the map become one number per pixel, for all metrics of pixels.
    pub reduction: ChannelReduction,
    /// ROAD. Its ties hold for insertion and deletion too, its batch for all forward passes, its
    /// seed for the squares of infidelity; `reduction` above replaces its own.
    pub road: RoadSettings,
    /// ≥ 1: steps of the insertion and the deletion curve. RISE takes 224 on 224×224 pixels.
    pub curve_steps: usize,
    /// σ > 0 in pixels of the blurred image that insertion starts from; deletion ends at 0.
    pub insertion_blur: f32,
    /// ≥ 1: squares of a quarter of the smaller side, at random places, that infidelity sets to the
    /// baseline. The map is scaled by the factor that fits best.
    pub infidelity_samples: usize,
    /// Units of the map, for infidelity; completeness is left out unless they are the output's.
    pub units: Units,
    /// x' of completeness, and what infidelity's squares are set to.
    pub baseline: Baseline,
    /// Max-sensitivity.
    pub max_sensitivity: MaxSensitivity,
}

impl MetricSettings {
    /// All metrics but max-sensitivity, which costs ten explanations; channels by `abs-sum`, ties
    /// in seeded random order, ROAD at 1, 3, … 99 %, 50 steps of insertion and deletion.
    pub fn paper() -> Self {
        let all = Metric::ALL.iter().copied();
        Self {
            metrics: all.filter(|metric| *metric != Metric::MaxSensitivity).collect(),
            reduction: ChannelReduction::AbsSum,
            road: RoadSettings::paper(),
            curve_steps: 50,
            insertion_blur: 5.0,
            infidelity_samples: 32,
            units: Units::Output,
            baseline: Baseline::Zero,
            max_sensitivity: MaxSensitivity::captum(),
        }
    }

    /// With this seed for everything random.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.road.seed = seed;
        self.max_sensitivity.seed = seed;
        if self.road.ties != Ties::LastFirst {
            self.road.ties = Ties::Seeded(seed);
        }
        self
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let at_least_one =
            [("curve-steps", self.curve_steps), ("infidelity-samples", self.infidelity_samples)];
        if let Some((setting, value)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(setting, value, "at least 1"));
        }
        super::check(&self.road, &self.max_sensitivity)
    }
}
