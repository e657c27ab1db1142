//! Settings of sampled contrasts.

use hsets_core::{Error, Result};
use serde::{Deserialize, Serialize};

/// How regions that interact are proposed.
///
/// Lengths and areas are shares, so that the settings hold at every size of picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposals {
    /// Pairs of regions, at least 1. No pixel is in two pairs.
    pub n_pairs: usize,
    /// Noisy copies over which the gradients of rows D_A are averaged, at least 1. They decide where
    /// the search begins, and the map.
    pub row_copies: usize,
    /// Noisy copies over which the gradients of refinements are averaged, at least 1. One alone
    /// follows the kinks of `ReLU`: with 4 (of both) the first pair overlaps itself in 0.45 to 0.58
    /// after JPEG, with 1 in 0.33.
    pub copies: usize,
    /// Deviation of their noise, ≥ 0, as a share of max - min of the image. 5 % gained nothing.
    pub noise: f64,
    /// Midpoints of the path from the reference, at least 1, at which gradients of a refinement are
    /// taken. With noisy copies, 3 find what 6 find.
    pub midpoints: usize,
    /// Times that each region of a pair is found anew from the other, at least 1.
    pub rounds: usize,
    /// σ > 0 of the blur of partner maps, as a share of the shorter side: 1.5 pixels at 64. It makes
    /// regions of scattered pixels.
    pub blur: f64,
    /// Least distance of the two regions of a pair, as a share of the shorter side. What is closer
    /// shares receptive fields of the first layers, and interacts in every network.
    pub gap: f64,
    /// Pixels of a region, in (0, 1), as a share of the picture.
    pub area: f64,
    /// Farthest that a pixel of a region is from its peak, as a share of the shorter side, above 0. A
    /// region is then one place; with 1 or more, it is as many as there are.
    pub reach: f64,
    /// Larger areas that a pair may have instead, ascending, below 1. The smallest that has nine
    /// tenths of the strongest effect is taken, on contexts that no test sees.
    pub larger: Vec<f64>,
}

/// How contrasts are measured and tested.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trials {
    /// T ≥ 2: random contexts.
    pub contexts: usize,
    /// Contexts after which a pair that is out of reach of a claim is not measured further, at
    /// least 2. Stopping there can only lose claims, never make one. As many as `contexts`: every
    /// pair has all of them, and all references.
    pub first_contexts: usize,
    /// Contexts, at least 1, on which the area of a pair is chosen where there are several.
    pub sizing_contexts: usize,
    /// Contexts under each reference beyond the first, at least 2. No claim is made there, so pairs
    /// that are not claimed are not measured there, but for the strongest.
    pub reference_contexts: usize,
    /// Probability, in (0, 1), of every segment to be kept in a context. At one half photos are
    /// nearly additive: interactions are claimed near the picture, not anywhere. With 0.7 the
    /// strongest pair is more often the same after JPEG than with 0.85.
    pub keep: f64,
    /// δ ≥ 0. An effect counts from δ · scale on. Against 0 everything is significant, networks
    /// that are trained to add included.
    pub delta: f64,
    /// Level of the tests together, in (0, 1).
    pub level: f64,
    /// 2: pairs alone; 3: a third region is looked for beside every pair that is claimed.
    pub order: usize,
}

/// Settings of sampled contrasts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrasts {
    /// How regions are proposed.
    pub proposals: Proposals,
    /// How they are tested.
    pub trials: Trials,
    /// Seed of noise and contexts.
    pub seed: u64,
}

impl Contrasts {
    /// Chosen on drawn scenes and confirmed on others: see docs/ground-truth.md.
    pub fn standard() -> Self {
        Self {
            proposals: Proposals {
                n_pairs: 5,
                row_copies: 4,
                copies: 4,
                noise: 0.02,
                midpoints: 3,
                rounds: 2,
                blur: 1.5 / 64.0,
                gap: 0.07,
                area: 0.02,
                reach: 1.0,
                larger: Vec::new(),
            },
            trials: Trials {
                contexts: 24,
                first_contexts: 8,
                sizing_contexts: 4,
                reference_contexts: 8,
                keep: 0.7,
                delta: 0.2,
                level: 0.05,
                order: 3,
            },
            seed: 0,
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        self.proposals.check()?;
        self.trials.check()
    }
}

impl Proposals {
    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("pairs", self.n_pairs),
            ("row-copies", self.row_copies),
            ("copies", self.copies),
            ("midpoints", self.midpoints),
            ("rounds", self.rounds),
        ];
        if let Some((setting, value)) = counts.into_iter().find(|(_, value)| *value == 0) {
            return Err(Error::config(setting, value, "at least 1"));
        }
        let shares = [
            ("noise", self.noise, self.noise >= 0.0),
            ("blur", self.blur, self.blur > 0.0),
            ("gap", self.gap, self.gap >= 0.0),
            ("area", self.area, self.area > 0.0),
        ];
        if !(self.reach > 0.0 && self.reach.is_finite()) {
            return Err(Error::config("reach", self.reach, "a share above 0"));
        }
        let areas: Vec<f64> = [self.area].iter().chain(&self.larger).copied().collect();
        if !areas.is_sorted_by(|a, b| a < b) || !areas.iter().all(|&area| area < 1.0) {
            let expected = "shares below 1, ascending, above the area itself";
            return Err(Error::config("larger", format!("{:?}", self.larger), expected));
        }
        match shares.into_iter().find(|(_, value, holds)| !holds || *value >= 1.0) {
            Some((setting, value, _)) => Err(Error::config(
                setting,
                value,
                "a share above 0 (noise and gap: from 0), below 1",
            )),
            None => Ok(()),
        }
    }
}

impl Trials {
    /// Every pair in all contexts and under all references, for regions that somebody names.
    pub fn exhaustive(&mut self) {
        self.first_contexts = self.contexts;
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("contexts", self.contexts),
            ("first-contexts", self.first_contexts),
            ("reference-contexts", self.reference_contexts),
        ];
        if let Some((setting, value)) = counts.into_iter().find(|(_, value)| *value < 2) {
            return Err(Error::config(setting, value, "at least 2, or there is no standard error"));
        }
        if self.sizing_contexts == 0 {
            return Err(Error::config("sizing-contexts", 0, "at least 1"));
        }
        for (setting, value) in [("keep", self.keep), ("level", self.level)] {
            if !(value > 0.0 && value < 1.0) {
                return Err(Error::config(setting, value, "above 0, below 1"));
            }
        }
        if !(self.delta >= 0.0 && self.delta.is_finite()) {
            return Err(Error::config("delta", self.delta, "a number ≥ 0"));
        }
        if !(2..=3).contains(&self.order) {
            return Err(Error::config(
                "order",
                self.order,
                "2 for pairs, 3 for groups of three too",
            ));
        }
        Ok(())
    }
}
