//! What contrasts find.

use hsets_core::Mask;
use statrs::distribution::{ContinuousCDF as _, StudentsT};

/// How two regions act together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// Together they are worth more than the sum: each needs the other.
    Synergy,
    /// Together they are worth less than the sum: each stands in for the other.
    Redundancy,
}

impl Sign {
    /// Of an effect; 0 counts as synergy.
    pub fn of(effect: f64) -> Self {
        if effect >= 0.0 { Self::Synergy } else { Self::Redundancy }
    }

    /// `synergy` or `redundancy`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Synergy => "synergy",
            Self::Redundancy => "redundancy",
        }
    }
}

/// A mean over contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Contexts, at least 2.
    pub n: usize,
}

impl Estimate {
    /// Of at least two samples.
    pub fn of(samples: &[f64]) -> Self {
        let n = samples.len() as f64;
        let mean = samples.iter().sum::<f64>() / n;
        let squares: f64 = samples.iter().map(|sample| (sample - mean).powi(2)).sum();
        let standard_error = (squares / (n - 1.0) / n).sqrt();
        Self { mean, standard_error, n: samples.len() }
    }

    /// 95 % interval of the mean, by Student's t.
    pub fn interval(&self) -> [f64; 2] {
        let student = StudentsT::new(0.0, 1.0, self.n.saturating_sub(1) as f64);
        let quantile = student.map_or(f64::INFINITY, |student| student.inverse_cdf(0.975));
        let reach = quantile * self.standard_error;
        [self.mean - reach, self.mean + reach]
    }
}

/// d = g(both) - g(without first) - g(without second) + g(without both), in random contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// Mean of d: by how much the regions together are worth more than the sum of their parts.
    pub effect: Estimate,
    /// Mean of g with both regions.
    pub both: f64,
    /// Mean of g without the first.
    pub without_first: f64,
    /// Mean of g without the second.
    pub without_second: f64,
    /// Mean of g without both.
    pub without_both: f64,
}

impl Contrast {
    /// Of at least two contexts, each with g at both, without first, without second, without both.
    pub(super) fn of(values: &[[f64; 4]]) -> Self {
        let effects: Vec<f64> = values.iter().map(difference).collect();
        let mean = |at: usize| values.iter().map(|v| v[at]).sum::<f64>() / values.len() as f64;
        Self {
            effect: Estimate::of(&effects),
            both: mean(0),
            without_first: mean(1),
            without_second: mean(2),
            without_both: mean(3),
        }
    }

    /// What g would be without both if the regions only added up.
    pub fn additive_without_both(&self) -> f64 {
        self.without_first + self.without_second - self.both
    }

    /// The larger of the effects of the regions alone, |g(both) - g(without one)|.
    pub fn main_effect(&self) -> f64 {
        (self.both - self.without_first).abs().max((self.both - self.without_second).abs())
    }
}

/// d = g(both) - g(without first) - g(without second) + g(without both).
pub(super) fn difference([both, first, second, neither]: &[f64; 4]) -> f64 {
    both - first - second + neither
}

/// An effect under another reference than that of the claim.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceEffect {
    /// Name of the reference.
    pub name: String,
    /// The contrast there.
    pub contrast: Contrast,
}

/// Two regions, and how they act together.
#[derive(Debug, Clone, PartialEq)]
pub struct Interaction {
    /// The regions. They share no pixel.
    pub regions: [Mask; 2],
    /// The contrast, under the first reference.
    pub contrast: Contrast,
    /// What effects are measured by: the largest of |g|, the effect of any segment, and of each of
    /// the regions.
    pub scale: f64,
    /// Of the one-sided t-test of |effect| ≤ δ · scale, after Holm's correction for all pairs tested.
    pub p_value: f64,
    /// Whether p is at most the level asked for.
    pub claim: bool,
    /// The contrasts under the other references; empty for pairs that are not claimed, unless they
    /// are the strongest, or every pair was to have all of them.
    pub references: Vec<ReferenceEffect>,
}

impl Interaction {
    /// Synergy or redundancy, under the first reference.
    pub fn sign(&self) -> Sign {
        Sign::of(self.contrast.effect.mean)
    }

    /// |effect| / scale: compare it with δ.
    pub fn strength(&self) -> f64 {
        if self.scale > 0.0 { self.contrast.effect.mean.abs() / self.scale } else { 0.0 }
    }

    /// Whether the effect has another sign under any other reference.
    pub fn depends_on_reference(&self) -> bool {
        let sign = self.sign();
        self.references.iter().any(|other| Sign::of(other.contrast.effect.mean) != sign)
    }
}

/// Three regions, and what they are worth together beyond their pairs.
#[derive(Debug, Clone, PartialEq)]
pub struct Triple {
    /// The regions of the pair, then the third.
    pub regions: [Mask; 3],
    /// Contrast of the pair where the third region is there.
    pub with_third: Contrast,
    /// Contrast of the pair where it is not.
    pub without_third: Contrast,
    /// Mean of the difference of the two: the dividend of the three regions.
    pub dividend: Estimate,
    /// As [`Interaction::scale`].
    pub scale: f64,
    /// Of the one-sided t-test of |dividend| ≤ δ · scale, after Holm's correction for all triples.
    pub p_value: f64,
    /// Whether p is at most the level asked for.
    pub claim: bool,
}

/// What contrasts find in one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Contrasted {
    /// Pairs of regions, the largest |effect| / scale first.
    pub interactions: Vec<Interaction>,
    /// Groups of three: one for each pair that is claimed and has a third region.
    pub triples: Vec<Triple>,
    /// g(x).
    pub value: f64,
    /// g(x) - g(x without A) of every segment A.
    pub main_effects: Vec<f64>,
    /// Σ over segments A of |D_A| \[H·W\], blurred: where the gradient depends on what else is there.
    pub partners: Vec<f32>,
}

impl Contrasted {
    /// Whether any pair is claimed to interact.
    pub fn has_claim(&self) -> bool {
        self.interactions.iter().any(|interaction| interaction.claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 ± 4.3027 · (1 / √3), the tabulated quantile for two degrees of freedom.
    #[test]
    fn intervals_are_those_of_student() {
        let estimate = Estimate::of(&[1.0, 2.0, 3.0]);
        assert!((estimate.standard_error - 1.0 / 3f64.sqrt()).abs() < 1e-12);
        let [low, high] = estimate.interval();
        let reach = 4.302_65 / 3f64.sqrt();
        assert!((low - 2.0 + reach).abs() < 1e-4 && (high - 2.0 - reach).abs() < 1e-4);
    }

    #[test]
    fn a_contrast_is_the_mean_of_differences() {
        let contrast = Contrast::of(&[[9.0, 4.0, 5.0, 3.0], [7.0, 4.0, 4.0, 2.0]]);
        assert_eq!((contrast.effect.mean, contrast.effect.n), (2.0, 2));
        assert_eq!(contrast.additive_without_both(), 0.5);
        assert_eq!(contrast.without_both - contrast.additive_without_both(), 2.0);
        assert_eq!(contrast.main_effect(), 4.0);
    }
}
