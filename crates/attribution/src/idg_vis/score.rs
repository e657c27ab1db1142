//! v(I) of every set, by sampling subsets.

use hsets_core::{Error, FeatureSet, Result, SaliencyMap, Shape};
use rayon::prelude::*;

use super::dividend::Dividends;
use super::settling::score_until_settled;
use super::{IdgVis, SampleSum, Samples, sample_subsets};
use crate::PathGradients;

/// The score of one set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SetScore {
    /// v(I).
    pub value: f64,
    /// Standard error of v(I) from the sampling of subsets.
    pub standard_error: f64,
    /// t: subsets that were sampled.
    pub n_samples: usize,
    /// Whether [`Samples::UntilSettled`] found it in order with its neighbours in the ranking; true
    /// where t was given.
    pub settled: bool,
}

/// v(I) of each set from the gradients along `path`, which must be the path of the same settings
/// ([`IdgVis::path`], [`IdgVis::target`]).
pub fn score_sets(
    path: &PathGradients,
    sets: &[FeatureSet],
    settings: &IdgVis,
) -> Result<Vec<SetScore>> {
    settings.check()?;
    let samples = match settings.samples {
        Samples::Fixed(samples) => samples,
        Samples::UntilSettled { confidence, tie, at_most } => {
            return score_until_settled(path, sets, settings, [confidence, tie], at_most);
        }
    };
    let score = |(stream, set): (usize, &FeatureSet)| {
        let IdgVis { keep_probability, seed, .. } = *settings;
        let subsets = sample_subsets(set, samples, keep_probability, seed, stream as u64);
        score_subsets(path, set, &subsets, settings)
    };
    sets.par_iter().enumerate().map(score).collect()
}

/// v(I) of one set from the given subsets of it, at least two.
pub fn score_subsets(
    path: &PathGradients,
    set: &FeatureSet,
    subsets: &[FeatureSet],
    settings: &IdgVis,
) -> Result<SetScore> {
    if subsets.len() < 2 {
        return Err(Error::config("samples", subsets.len(), "at least 2 subsets"));
    }
    let dividends = Dividends::new(path, set, settings)?.of_subsets(subsets)?;
    Ok(summarise(&dividends, settings.sample_sum))
}

pub(super) fn summarise(values: &[f64], sample_sum: SampleSum) -> SetScore {
    let t = values.len() as f64;
    let mean = values.iter().sum::<f64>() / t;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (t - 1.0);
    let standard_error = (variance / t).sqrt();
    let scale = match sample_sum {
        SampleSum::Mean => 1.0,
        SampleSum::Sum => t,
    };
    SetScore {
        value: scale * mean,
        standard_error: scale * standard_error,
        n_samples: values.len(),
        settled: true,
    }
}

/// The saliency map: every feature of a set gets its v(I), and sets add up.
pub fn saliency_map(shape: Shape, sets: &[FeatureSet], scores: &[SetScore]) -> Result<SaliencyMap> {
    if sets.len() != scores.len() {
        return Err(Error::shape("set scores", sets.len(), scores.len()));
    }
    let mut map = SaliencyMap::zeros(shape);
    for (set, score) in sets.iter().zip(scores) {
        for feature in set.iter() {
            let Some(cell) = map.data_mut().get_mut(feature) else {
                return Err(outside(feature, shape.len()));
            };
            *cell += score.value as f32;
        }
    }
    Ok(map)
}

/// A feature that the image does not have.
pub(super) fn outside(feature: usize, len: usize) -> Error {
    Error::config("set", feature, format!("features below {len}"))
}
