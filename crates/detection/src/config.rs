//! Settings of the detection stage.

use hsets_core::{Error, Result, Smoothing, Target};
use serde::{Deserialize, Serialize};

/// Which class the Hessian belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectionClass {
    /// The class (or other target) fixed once, by the true network at the image.
    Fixed,
    /// The largest logit of the network as smoothed, which may be another class.
    SmoothedTop,
}

/// What ranks features as seeds. The stage is handed the map; this names the one it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeedRanking {
    /// Integrated Gradients, signed.
    IntegratedGradients,
    /// The gradient of the largest logit of the true network, signed.
    Gradient,
}

/// Which segments get a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "choice", rename_all = "kebab-case")]
pub enum SegmentChoice {
    /// The |S| segments whose seeds rank highest.
    HighestSeeds,
    /// Segments in the order of their seeds, until |S| sets have a member that came from a row.
    UntilNonEmpty {
        /// Seeds tried in one segment, from its highest-ranked feature down, before it is given up.
        /// The authors' program has no such bound, and hangs where the Hessian vanishes.
        attempts: usize,
    },
    /// All of them, whatever |S|.
    Every,
}

/// How a Hessian row is scaled before the threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowScaling {
    /// `|H[j, i]| / max |H[j, :]|`: strong interactions of either sign.
    MaxAbs,
    /// `(H[j, i] - min) / (max - min + 1e-8)`: signed, so no interaction maps to somewhere inside
    /// (0, 1), above the threshold wherever -min > max.
    MinMax,
    /// As [`RowScaling::MaxAbs`], but the threshold is relative to `|H[j, j]|`: the workshop
    /// paper's "half of the seed's own value".
    OwnValue,
}

/// In which order a set grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    /// Take the strongest candidate across all rows known so far; when none is left, the
    /// strongest member whose row is unknown gives the next row.
    BestFirst,
    /// Take all new candidates of a row, strongest first; then do the same for each of them in
    /// that order, with all that follows from one before the next.
    DepthFirst,
}

/// What segments say about a set after its seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpatialPrior {
    /// Nothing.
    None,
    /// Of the candidates known, those inside the seed's segment come first.
    InsideFirst,
    /// No candidate outside the seed's segment is taken, and no row outside it is asked for, as
    /// long as a member inside may still lead to candidates inside. Needs
    /// [`Growth::BestFirst`].
    ExhaustInside,
    /// No feature outside the seed's segment is ever taken.
    InsideOnly,
}

/// A seed chosen by a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GivenSeed {
    /// The highest-ranked channel of a pixel.
    Pixel {
        /// Column.
        x: usize,
        /// Row.
        y: usize,
    },
    /// A feature, by its index.
    Feature(usize),
}

/// Settings of the detection stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HessianSets {
    /// |S| ≥ 1: number of sets.
    pub n_sets: usize,
    /// ν ≥ 1: features of a set. The paper uses 2000, and 3000 on CUB.
    #[serde(rename = "nu")]
    pub max_features: usize,
    /// Largest share, in (0, 1], of the features of its seed's segment that a set may have.
    #[serde(rename = "share", serialize_with = "hsets_core::as_typed")]
    pub max_share: f32,
    /// Stop one feature past ν, as the authors' program does.
    pub overshoot: bool,
    /// µ in [0, 1): a feature joins if its entry of the scaled row is above it.
    #[serde(rename = "mu", serialize_with = "hsets_core::as_typed")]
    pub threshold: f32,
    /// How rows are scaled before the threshold.
    pub scaling: RowScaling,
    /// In which order sets grow.
    pub growth: Growth,
    /// What segments say about a set after its seed.
    pub prior: SpatialPrior,
    /// The seed is a member from the start; otherwise only if a row leads to it.
    pub include_seed: bool,
    /// Rows a set may use, at least 1; `None` for as many as needed to fill the set.
    ///
    /// The paper names no cap. On MobileNetV2 at 224×224 a row admits about three new features, so
    /// that ν = 2000 takes some 700 rows a set. On ten photos, taking the sets of 8, 16, 32 and 64
    /// rows out of the image lowered the logit by 1.0, 1.3, 1.4 and 1.6 on average, and as many
    /// random features of the same segments by 0.3, 0.5, 0.7 and 0.9: beyond the first 16 to 32
    /// rows a set gains no more than chance does.
    pub max_rows: Option<usize>,
    /// Rows asked for at once per set, at least 1: those beyond the first are guesses at what the
    /// set will need next. Larger batches, some rows in vain; the sets stay the same.
    pub lookahead: usize,
    /// Which class the Hessian belongs to.
    pub class: DetectionClass,
    /// How `ReLU` is smoothed.
    pub smoothing: Smoothing,
    /// What ranks features as seeds.
    pub seed_ranking: SeedRanking,
    /// Which segments get a set.
    pub segments: SegmentChoice,
    /// Seeds chosen by a person, one set each; if there are any, nothing else is a seed.
    pub given_seeds: Vec<GivenSeed>,
}

impl HessianSets {
    /// The published method, with the rows of a set capped.
    pub fn paper() -> Self {
        Self {
            n_sets: 5,
            max_features: 2000,
            max_share: 1.0,
            overshoot: false,
            threshold: 0.5,
            scaling: RowScaling::MaxAbs,
            growth: Growth::BestFirst,
            prior: SpatialPrior::InsideFirst,
            include_seed: true,
            max_rows: Some(32),
            lookahead: 2,
            class: DetectionClass::Fixed,
            smoothing: Smoothing::PAPER,
            seed_ranking: SeedRanking::IntegratedGradients,
            segments: SegmentChoice::HighestSeeds,
            given_seeds: Vec::new(),
        }
    }

    /// What the authors' program does.
    pub fn reference() -> Self {
        Self {
            overshoot: true,
            scaling: RowScaling::MinMax,
            growth: Growth::DepthFirst,
            prior: SpatialPrior::None,
            include_seed: false,
            max_rows: None,
            lookahead: 1,
            class: DetectionClass::SmoothedTop,
            smoothing: Smoothing::REFERENCE,
            seed_ranking: SeedRanking::Gradient,
            segments: SegmentChoice::UntilNonEmpty { attempts: 8 },
            ..Self::paper()
        }
    }

    /// A set for every segment and inside it: the features that interact with the seed most, one in
    /// twenty of the segment, from one row. No threshold: the strongest interactions inside a
    /// segment may be weak beside those with other segments.
    pub fn complete() -> Self {
        Self {
            max_share: 0.05,
            threshold: 0.0,
            prior: SpatialPrior::InsideOnly,
            max_rows: Some(1),
            lookahead: 1,
            segments: SegmentChoice::Every,
            ..Self::paper()
        }
    }

    /// What to differentiate twice when `chosen` is to be explained.
    pub fn target(&self, chosen: &Target) -> Target {
        match self.class {
            DetectionClass::Fixed => chosen.clone(),
            DetectionClass::SmoothedTop => Target::Top,
        }
    }

    /// Features at which a set is full, if its segment has `n_features`.
    pub(crate) fn limit(&self, n_features: usize) -> usize {
        let limit = self.max_features.saturating_add(usize::from(self.overshoot));
        if self.max_share >= 1.0 {
            // A set may reach beyond its segment.
            return limit;
        }
        limit.min((f64::from(self.max_share) * n_features as f64).ceil() as usize)
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let at_least_one = [
            ("sets", self.n_sets),
            ("nu", self.max_features),
            ("lookahead", self.lookahead),
            ("max-rows", self.max_rows.unwrap_or(1)),
        ];
        if let Some((setting, value)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(setting, value, "at least 1"));
        }
        if !(0.0..1.0).contains(&self.threshold) {
            return Err(Error::config("mu", self.threshold, "at least 0, below 1"));
        }
        if !(self.max_share > 0.0 && self.max_share <= 1.0) {
            return Err(Error::config("share", self.max_share, "above 0, at most 1"));
        }
        if self.segments == (SegmentChoice::UntilNonEmpty { attempts: 0 }) {
            return Err(Error::config("attempts", 0, "at least 1 seed in a segment"));
        }
        if self.growth == Growth::DepthFirst && self.prior == SpatialPrior::ExhaustInside {
            return Err(Error::config("prior", "exhaust-inside", "growth best-first with it"));
        }
        Ok(())
    }
}
