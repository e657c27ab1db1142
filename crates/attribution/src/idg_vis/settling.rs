//! Sampling until the order of the sets is settled.

use hsets_core::{FeatureSet, Result};
use rayon::prelude::*;

use super::dividend::Dividends;
use super::sampling::Subsets;
use super::score::summarise;
use super::{IdgVis, SampleSum, Samples, SetScore};
use crate::PathGradients;

/// What is sampled of one set so far.
struct Sampled<'a> {
    dividends: Dividends<'a>,
    subsets: Subsets<'a>,
    values: Vec<f64>,
    /// Whether its place in the ranking is still open.
    open: bool,
}

impl Sampled<'_> {
    fn draw(&mut self, n: usize) -> Result<()> {
        let subsets: Vec<FeatureSet> = self.subsets.by_ref().take(n).collect();
        self.values.extend(self.dividends.of_subsets(&subsets)?);
        Ok(())
    }
}

/// v(I) of each set for [`Samples::UntilSettled`].
pub(super) fn score_until_settled<'a>(
    path: &'a PathGradients,
    sets: &'a [FeatureSet],
    settings: &IdgVis,
    [confidence, tie]: [f64; 2],
    at_most: usize,
) -> Result<Vec<SetScore>> {
    let begin = |(stream, set): (usize, &'a FeatureSet)| {
        let dividends = Dividends::new(path, set, settings)?;
        let subsets = Subsets::new(set, settings.keep_probability, settings.seed, stream as u64);
        Ok(Sampled { dividends, subsets, values: Vec::new(), open: true })
    };
    let mut sampled: Vec<Sampled<'_>> =
        sets.par_iter().enumerate().map(begin).collect::<Result<_>>()?;
    for round in 1.. {
        let n = if round == 1 { Samples::FIRST } else { Samples::BLOCK };
        let short = |set: &Sampled<'_>| set.open && set.values.len() + n <= at_most;
        sampled.par_iter_mut().filter(|set| short(set)).try_for_each(|set| set.draw(n))?;
        let alpha = (1.0 - confidence) / f64::from(round * (round + 1));
        let open = open_places(&summaries(&sampled), tie, alpha);
        sampled.iter_mut().zip(&open).for_each(|(set, &open)| set.open = open);
        // A sum over subsets is comparable only where all sets have as many.
        if settings.sample_sum == SampleSum::Sum && open.contains(&true) {
            sampled.iter_mut().for_each(|set| set.open = true);
        }
        let n = Samples::BLOCK;
        if !sampled.iter().any(|set| set.open && set.values.len() + n <= at_most) {
            break;
        }
    }
    let score = |set: &Sampled<'_>| SetScore {
        settled: !set.open,
        ..summarise(&set.values, settings.sample_sum)
    };
    Ok(sampled.iter().map(score).collect())
}

/// (mean, squared standard error) of the dividends of each set.
fn summaries(sampled: &[Sampled<'_>]) -> Vec<(f64, f64)> {
    let summary = |set: &Sampled<'_>| {
        let SetScore { value, standard_error, .. } = summarise(&set.values, SampleSum::Mean);
        (value, standard_error.powi(2))
    };
    sampled.iter().map(summary).collect()
}

/// Which sets may stand on the wrong side of a neighbour in the ranking: if the lower one were better
/// by `tie` of the largest mean, their difference would be as large by chance with more than their
/// share of probability `alpha`.
fn open_places(summaries: &[(f64, f64)], tie: f64, alpha: f64) -> Vec<bool> {
    let largest = summaries.iter().fold(0.0f64, |largest, (mean, _)| largest.max(mean.abs()));
    let mut ranking: Vec<usize> = (0..summaries.len()).collect();
    ranking.sort_by(|&a, &b| summaries[b].0.total_cmp(&summaries[a].0));
    let mut open = vec![false; summaries.len()];
    let share = alpha / (summaries.len().max(2) - 1) as f64;
    for pair in ranking.windows(2) {
        let [(higher, e), (lower, f)] = [summaries[pair[0]], summaries[pair[1]]];
        // Where nothing varies, the order is what it is.
        let difference = higher - lower + tie * largest;
        if e + f > 0.0 && upper_tail(difference / (e + f).sqrt()) > share {
            pair.iter().for_each(|&set| open[set] = true);
        }
    }
    open
}

/// P(Z > z) of the standard normal distribution.
fn upper_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z / std::f64::consts::SQRT_2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_open_where_neighbours_overlap() {
        // Standard error of each difference √2 or 1; P(Z > 3) = 0.00135.
        let scores = [(10.0, 1.0), (3.0, 1.0), (4.0, 1.0), (-20.0, 0.0), (-20.0, 0.0)];
        let open = |scores: &[(f64, f64)], alpha| open_places(scores, 0.0, alpha);
        assert_eq!(open(&scores, 0.05), [false, true, true, false, false]);
        assert_eq!(open(&[(3.0, 0.5), (0.0, 0.5)], 0.0014), [false, false]);
        assert_eq!(open(&[(3.0, 0.5), (0.0, 0.5)], 0.0013), [true, true]);
        assert_eq!(open(&[(1.0, 1.0)], 0.05), [false]);
        assert!(open(&[], 0.05).is_empty());
        // Equal means with a standard error of 1 each: a tie of 3√2 of 10 is known as well.
        let equal = [(10.0, 1.0), (10.0, 1.0)];
        assert_eq!(open_places(&equal, 0.43, 0.0014), [false, false]);
        assert_eq!(open_places(&equal, 0.42, 0.0013), [true, true]);
    }
}
