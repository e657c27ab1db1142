//! From a Hessian row to the features that interact, strongest first.

use std::cmp::Ordering;

use hsets_core::{Error, Result};

use crate::RowScaling;

/// A feature above the threshold of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Candidate {
    pub(crate) feature: usize,
    pub(crate) strength: f32,
}

impl Candidate {
    /// Stronger first; among equals, the lower index.
    pub(crate) fn by_strength(&self, other: &Self) -> Ordering {
        other.strength.total_cmp(&self.strength).then(self.feature.cmp(&other.feature))
    }
}

/// The features of row `j` above threshold µ, strongest first. None where nothing interacts.
pub(crate) fn candidates(
    row: &[f32],
    j: usize,
    scaling: RowScaling,
    threshold: f32,
) -> Result<Vec<Candidate>> {
    if !row.iter().all(|h| h.is_finite()) {
        return Err(Error::NotFinite {
            what: format!("Hessian row of feature {j}"),
            hint: "check the weights of the network for NaN and infinity".into(),
        });
    }
    let largest = row.iter().fold(0.0f32, |largest, h| largest.max(h.abs()));
    if largest == 0.0 {
        return Ok(Vec::new());
    }
    let mut found = match scaling {
        RowScaling::MaxAbs => above(row, threshold, |h| h.abs() / largest),
        RowScaling::OwnValue => {
            above(row, threshold * (row[j].abs() / largest), |h| h.abs() / largest)
        }
        RowScaling::MinMax => {
            let min = row.iter().copied().fold(f32::INFINITY, f32::min);
            let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let range = max - min + 1e-8;
            above(row, threshold, |h| (h - min) / range)
        }
    };
    found.sort_unstable_by(Candidate::by_strength);
    Ok(found)
}

fn above(row: &[f32], threshold: f32, scaled: impl Fn(f32) -> f32) -> Vec<Candidate> {
    let candidate = |(feature, &h): (usize, &f32)| Candidate { feature, strength: scaled(h) };
    row.iter().enumerate().map(candidate).filter(|c| c.strength > threshold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: [f32; 5] = [-2.0, 0.0, 0.9, 4.0, -4.0];

    fn features(scaling: RowScaling, threshold: f32) -> Vec<usize> {
        let found = candidates(&ROW, 2, scaling, threshold).unwrap();
        found.iter().map(|candidate| candidate.feature).collect()
    }

    #[test]
    fn max_abs_ignores_the_sign_and_breaks_ties_by_index() {
        assert_eq!(features(RowScaling::MaxAbs, 0.4), [3, 4, 0]);
        // |-2| / 4 is not above 0.5.
        assert_eq!(features(RowScaling::MaxAbs, 0.5), [3, 4]);
        assert_eq!(features(RowScaling::MaxAbs, 0.0), [3, 4, 0, 2]);
    }

    #[test]
    fn min_max_lets_no_interaction_pass_where_the_row_is_mostly_negative() {
        assert_eq!(features(RowScaling::MinMax, 0.49), [3, 2, 1]);
        assert_eq!(features(RowScaling::MinMax, 0.2), [3, 2, 1, 0]);
    }

    #[test]
    fn own_value_is_the_measure_of_the_threshold() {
        assert_eq!(features(RowScaling::OwnValue, 0.5), [3, 4, 0, 2]);
        let lone = candidates(&[0.0, 5.0, 1.0], 1, RowScaling::OwnValue, 0.5).unwrap();
        assert_eq!(lone, [Candidate { feature: 1, strength: 1.0 }]);
    }

    #[test]
    fn a_blank_row_has_no_candidates_and_nan_is_an_error() {
        for scaling in [RowScaling::MaxAbs, RowScaling::MinMax, RowScaling::OwnValue] {
            assert!(candidates(&[0.0; 4], 1, scaling, 0.0).unwrap().is_empty());
            let error = candidates(&[0.0, f32::NAN], 1, scaling, 0.5).unwrap_err();
            assert!(error.to_string().contains("feature 1"), "{error}");
        }
    }
}
