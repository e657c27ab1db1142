//! Settings of IDG-Vis.

use hsets_core::{Error, Result, Target};
use serde::{Deserialize, Serialize};

use super::Samples;
use crate::{PathSettings, Steps};

/// Which class is explained along the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathClass {
    /// The class (or other target) fixed once, at the image.
    Fixed,
    /// Whichever logit is largest at each point.
    TopAtEachPoint,
}

/// The directional gradient gₖ(T) at a point xₖ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Directional {
    /// The number ∇f(xₖ) · â(T).
    Projection,
    /// The vector |∇f(xₖ)| ⊙ â(T).
    Elementwise,
}

/// How gₖ(T) over the points of the path become the dividend d(T).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PathMean {
    /// Mean over k of ‖gₖ(T)‖; of a number, the norm is its absolute value.
    OfNorms,
    /// Norm of the mean over k of gₖ(T).
    NormOfMean,
}

/// How the dividends of the t sampled subsets become v(I).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SampleSum {
    /// Their mean.
    Mean,
    /// Their sum, which grows with t.
    Sum,
}

/// Settings of IDG-Vis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdgVis {
    /// m: steps of the path, which has m + 1 points. The paper asks for 50 to 100.
    pub steps: Steps,
    /// t: subsets sampled of every set. The paper asks for 50 to 100.
    pub samples: Samples,
    /// Probability in (0, 1] with which a subset keeps each feature of its set.
    pub keep_probability: f64,
    /// Which class is explained along the path.
    pub class: PathClass,
    /// The directional gradient at one point of the path.
    pub directional: Directional,
    /// The mean over the path.
    pub path_mean: PathMean,
    /// The mean, or sum, over the sampled subsets.
    pub sample_sum: SampleSum,
    /// Seed of the subsets: every set draws from a stream of its own.
    pub seed: u64,
}

impl IdgVis {
    /// The published definition: v(I) = mean over subsets of mean over the path of |∇f · â|.
    pub fn paper() -> Self {
        Self {
            steps: Steps::Fixed(50),
            samples: Samples::Fixed(50),
            keep_probability: 0.5,
            class: PathClass::Fixed,
            directional: Directional::Projection,
            path_mean: PathMean::OfNorms,
            sample_sum: SampleSum::Mean,
            seed: 0,
        }
    }

    /// What the authors' program computes: v(I) = sum over subsets of ‖mean of |∇f| ⊙ â‖.
    pub fn reference() -> Self {
        Self {
            steps: Steps::Fixed(30),
            samples: Samples::Fixed(30),
            keep_probability: 0.5,
            class: PathClass::TopAtEachPoint,
            directional: Directional::Elementwise,
            path_mean: PathMean::NormOfMean,
            sample_sum: SampleSum::Sum,
            seed: 0,
        }
    }

    /// The path these settings ask for.
    pub fn path(&self) -> PathSettings {
        PathSettings {
            keep_points: self.path_mean == PathMean::OfNorms,
            ..PathSettings::for_steps(self.steps)
        }
    }

    /// What to differentiate along the path when `chosen` is to be explained.
    pub fn target(&self, chosen: &Target) -> Target {
        match self.class {
            PathClass::Fixed => chosen.clone(),
            PathClass::TopAtEachPoint => Target::Top,
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        self.path().check()?;
        self.samples.check()?;
        if !(self.keep_probability > 0.0 && self.keep_probability <= 1.0) {
            let range = "a probability above 0, at most 1";
            return Err(Error::config("keep-probability", self.keep_probability, range));
        }
        Ok(())
    }
}
