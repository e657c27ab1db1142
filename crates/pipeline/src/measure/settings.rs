//! How things are measured.

use hsets_attribution::Baseline;
use hsets_core::{ChannelReduction, Error, Result};
use hsets_metrics::{MaxSensitivity, PairSampling, RoadSettings, Ties, Units};
use serde::{Deserialize, Serialize};

use super::{Metric, Needs, report::COVERAGE};

/// Settings of [`measure`](super::measure).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetricSettings {
    /// What is measured, in the order of tables.
    pub metrics: Vec<Metric>,
    /// How the channels of the map become one number per pixel, for all metrics of pixels.
    pub reduction: ChannelReduction,
    /// ROAD. Its ties hold for every other order of pixels too, its batch for all forward passes,
    /// its seed for the squares of infidelity; `reduction` above replaces its own.
    pub road: RoadSettings,
    /// ≥ 1: steps of the insertion and the deletion curve. RISE takes 224 on 224×224 pixels.
    pub curve_steps: usize,
    /// σ > 0 in pixels of the blurred image that insertion starts from; deletion ends at 0.
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub insertion_blur: f32,
    /// ≥ 1: squares of a quarter of the smaller side, at random places, that infidelity sets to the
    /// baseline. The map is scaled by the factor that fits best.
    pub infidelity_samples: usize,
    /// Units of the map, for infidelity; completeness is left out unless they are the output's.
    pub units: Units,
    /// x' of completeness, and what infidelity's squares are set to.
    pub baseline: Baseline,
    /// ≥ 1: cells a side, at most, of the grid on which earth is moved between map and mask.
    pub emd_side: usize,
    /// Max-sensitivity.
    pub max_sensitivity: MaxSensitivity,
    /// Stability.
    pub stability: Stability,
    /// Random weights.
    pub randomisation: Randomisation,
    /// Pairs whose effects are measured, in contexts of the metric's own.
    pub pairs: PairSampling,
}

/// What is done to a picture that should change no explanation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stability {
    /// Quality of the JPEG, 1..=100, at 4:4:4 and the size the network sees.
    pub jpeg_quality: u8,
    /// σ > 0 of normal noise on pixel values in \[0, 1\].
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub noise: f32,
    /// Share of the pixels, in (0, 1], whose overlap is measured.
    pub top: f64,
    /// Seed of the noise.
    pub seed: u64,
}

/// How weights are drawn anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Randomisation {
    /// ≥ 1: states of MPRT, in which more and more of the layers are random, in even steps from the
    /// logits down to all; never more than there are layers. Each costs an explanation.
    pub states: usize,
    /// ≥ 1: bins of the histogram whose entropy efficient MPRT compares.
    pub n_bins: usize,
    /// Seed of the weights.
    pub seed: u64,
}

impl MetricSettings {
    /// All metrics that need nothing but a map, and so no further explanation; channels by
    /// `abs-sum`, ties in seeded random order, ROAD at 1, 3, … 99 %, 50 steps of insertion and
    /// deletion; JPEG of quality 95 and noise of 1/255; ten states of random weights.
    pub fn paper() -> Self {
        let all = Metric::ALL.iter().copied();
        Self {
            metrics: all.filter(|metric| metric.needs() == Needs::Nothing).collect(),
            reduction: ChannelReduction::AbsSum,
            road: RoadSettings::paper(),
            curve_steps: 50,
            insertion_blur: 5.0,
            infidelity_samples: 32,
            units: Units::Output,
            baseline: Baseline::Zero,
            emd_side: 32,
            max_sensitivity: MaxSensitivity::captum(),
            stability: Stability { jpeg_quality: 95, noise: 1.0 / 255.0, top: 0.05, seed: 0 },
            randomisation: Randomisation { states: 10, n_bins: 100, seed: 0 },
            pairs: PairSampling::standard(),
        }
    }

    /// Names of all readings that these settings give, in their order.
    pub fn reading_names(&self) -> Vec<String> {
        let of_metrics = self.metrics.iter().flat_map(|metric| metric.reading_names());
        std::iter::once(COVERAGE.to_owned()).chain(of_metrics).collect()
    }

    /// With this seed for everything random.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.road.seed = seed;
        self.max_sensitivity.seed = seed;
        self.stability.seed = seed;
        self.randomisation.seed = seed;
        self.pairs.seed = seed;
        if self.road.ties != Ties::LastFirst {
            self.road.ties = Ties::Seeded(seed);
        }
        self
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let at_least_one = [
            ("curve-steps", self.curve_steps),
            ("infidelity-samples", self.infidelity_samples),
            ("emd-side", self.emd_side),
            ("states", self.randomisation.states),
            ("bins", self.randomisation.n_bins),
        ];
        if let Some((setting, value)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(setting, value, "at least 1"));
        }
        self.road.check()?;
        self.max_sensitivity.check()?;
        self.stability.check()?;
        self.pairs.check()
    }
}

impl Stability {
    fn check(&self) -> Result<()> {
        if !(1..=100).contains(&self.jpeg_quality) {
            return Err(Error::config("jpeg-quality", self.jpeg_quality, "1 to 100"));
        }
        if !(self.noise > 0.0 && self.noise.is_finite()) {
            return Err(Error::config("noise", self.noise, "a standard deviation > 0"));
        }
        if !(self.top > 0.0 && self.top <= 1.0) {
            return Err(Error::config("top", self.top, "a share above 0 and at most 1"));
        }
        Ok(())
    }
}
