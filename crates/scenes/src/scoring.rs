//! Scoring sets of pixels and saliency maps against the true parts.

use hsets_core::{Error, Mask, Result};

/// How a set of pixels and a true part overlap, each number in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Overlap {
    /// Share of the part's pixels that are in the set.
    pub recall: f64,
    /// Share of the set's pixels that are in the part.
    pub precision: f64,
    /// Intersection over union.
    pub iou: f64,
}

/// Recall, precision and `IoU` of `set` against `part`; 0 where the denominator is empty.
pub fn overlap(set: &Mask, part: &Mask) -> Result<Overlap> {
    let (shared, n_set, n_part) = (set.shared(part)?, set.area(), part.area());
    Ok(Overlap {
        recall: ratio(shared, n_part),
        precision: ratio(shared, n_set),
        iou: ratio(shared, n_set + n_part - shared),
    })
}

fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// When a set of pixels counts as holding a part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// At least this share of the part's pixels is in the set (recall), in (0, 1].
    ShareOfPart(f64),
    /// At least this share of the set's pixels is in the part (precision), in (0, 1].
    ShareOfSet(f64),
}

impl Criterion {
    /// The least number of shared pixels that satisfies the criterion, never 0.
    pub(crate) fn needed(self, n_set: usize, n_part: usize) -> Result<usize> {
        let (share, of) = match self {
            Self::ShareOfPart(share) => (share, n_part),
            Self::ShareOfSet(share) => (share, n_set),
        };
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::config("criterion", share, "a share above 0 and at most 1"));
        }
        // A share that was meant to be met exactly must not fail by a rounding error.
        Ok(((share * of as f64 - 1e-9).ceil() as usize).max(1))
    }
}

/// How many of `parts` the set holds. Two or more in [`crate::Task::Additive`] is a false
/// interaction.
pub fn n_held(set: &Mask, parts: &[&Mask], criterion: Criterion) -> Result<usize> {
    let n_set = set.area();
    parts.iter().try_fold(0, |held, part| {
        let is_held = set.shared(part)? >= criterion.needed(n_set, part.area())?;
        Ok(held + usize::from(is_held))
    })
}

/// Rank, from 0, of the first of the ranked `sets` that holds *all* of `parts`.
///
/// With the two parts of a pair, `Some(0)` means the pair was ranked first; with the decoy alone,
/// a smaller rank than that of the pair means that the decoy won.
pub fn first_holding(
    sets: &[Mask],
    parts: &[&Mask],
    criterion: Criterion,
) -> Result<Option<usize>> {
    for (rank, set) in sets.iter().enumerate() {
        if n_held(set, parts, criterion)? == parts.len() {
            return Ok(Some(rank));
        }
    }
    Ok(None)
}

/// Share of the positive relevance \[H·W\] that lies in `truth` (relevance mass accuracy, Arras et
/// al. 2022); 0 if nothing is positive. `truth` is usually the union of the parts.
pub fn relevance_mass(relevance: &[f32], truth: &Mask) -> Result<f64> {
    check_map(relevance, truth)?;
    let positive = |&value: &f32| f64::from(value.max(0.0));
    let total: f64 = relevance.iter().map(positive).sum();
    let inside: f64 = truth.pixels().map(|pixel| positive(&relevance[pixel])).sum();
    Ok(if total > 0.0 { inside / total } else { 0.0 })
}

/// Share of the k most relevant pixels that lie in `truth`, k being the truth's area (relevance
/// rank accuracy, Arras et al. 2022). Equal relevances share their ranks: a constant map scores
/// the truth's share of the picture, whatever the order of the pixels.
pub fn relevance_rank(relevance: &[f32], truth: &Mask) -> Result<f64> {
    check_map(relevance, truth)?;
    let k = truth.area();
    if k == 0 {
        return Ok(0.0);
    }
    let mut sorted = relevance.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let cut = sorted[k - 1];
    let n_above = sorted.partition_point(|&value| value > cut);
    let n_tied = sorted.partition_point(|&value| value >= cut) - n_above;
    let in_truth = |keep: &dyn Fn(f32) -> bool| {
        truth.pixels().filter(|&pixel| keep(relevance[pixel])).count() as f64
    };
    let above = in_truth(&|value| value > cut);
    let tied = in_truth(&|value| value >= cut) - above;
    Ok((above + tied * (k - n_above) as f64 / n_tied as f64) / k as f64)
}

fn check_map(relevance: &[f32], truth: &Mask) -> Result<()> {
    if relevance.len() != truth.inside().len() {
        let expected = format!("{}x{} pixels", truth.width(), truth.height());
        return Err(Error::shape("relevance map", expected, format!("{} values", relevance.len())));
    }
    if relevance.iter().any(|value| !value.is_finite()) {
        let hint = "check the method that made it".into();
        return Err(Error::NotFinite { what: "relevance map".into(), hint });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(pixels: impl IntoIterator<Item = usize>) -> Mask {
        Mask::of_pixels(10, 2, pixels).unwrap()
    }

    #[test]
    fn overlap_counts_pixels() {
        let Overlap { recall, precision, iou } = overlap(&mask(0..4), &mask(2..10)).unwrap();
        assert_eq!((recall, precision, iou), (0.25, 0.5, 0.2));
        let nothing = overlap(&mask([]), &mask(2..10)).unwrap();
        assert_eq!(nothing, Overlap { recall: 0.0, precision: 0.0, iou: 0.0 });
        assert!(overlap(&mask([]), &Mask::of_pixels(2, 10, []).unwrap()).is_err());
    }

    #[test]
    fn a_set_holds_a_part_from_the_given_share_on() {
        let (set, part, other) = (mask(0..10), mask(7..17), mask(17..20));
        let held = |criterion| n_held(&set, &[&part, &other], criterion).unwrap();
        assert_eq!(held(Criterion::ShareOfPart(0.3)), 1);
        assert_eq!(held(Criterion::ShareOfPart(0.31)), 0);
        assert_eq!(held(Criterion::ShareOfSet(0.3)), 1);
        assert_eq!(held(Criterion::ShareOfSet(0.31)), 0);
        assert!(n_held(&set, &[&part], Criterion::ShareOfPart(0.0)).is_err());
        assert!(n_held(&set, &[&part], Criterion::ShareOfSet(f64::NAN)).is_err());
    }

    #[test]
    fn the_pair_needs_both_parts_in_one_set() {
        let (a, b) = (mask(0..4), mask(10..14));
        let sets = [a.clone(), b.clone(), mask((0..2).chain(10..12))];
        let rank = |share| first_holding(&sets, &[&a, &b], Criterion::ShareOfPart(share)).unwrap();
        assert_eq!(rank(0.5), Some(2));
        assert_eq!(rank(0.6), None);
    }

    #[test]
    fn relevance_in_the_truth() {
        let truth = mask(0..5);
        let mut relevance = vec![0.0; 20];
        relevance[0] = 3.0;
        relevance[9] = 1.0;
        relevance[3] = -5.0;
        let is = |found: f64, expected: f64| (found - expected).abs() < 1e-12;
        assert!(is(relevance_mass(&relevance, &truth).unwrap(), 0.75));
        // Sure: pixel 0; tied at zero: 17 pixels, 3 of them in the truth, for the 3 open places.
        let expected = (1.0 + 3.0 * 3.0 / 17.0) / 5.0;
        assert!(is(relevance_rank(&relevance, &truth).unwrap(), expected));
        assert!(is(relevance_rank(&[1.0; 20], &truth).unwrap(), 0.25));
        assert!(relevance_mass(&[1.0; 19], &truth).is_err());
        assert!(relevance_rank(&[f32::NAN; 20], &truth).is_err());
    }
}
