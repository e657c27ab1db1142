//! What a reader should take away, in words.

use hsets_core::{FeatureSet, Photo};

use super::SetReport;

/// Scores that differ by fewer standard errors cannot be told apart.
const SURE: f64 = 2.0;

/// "Set 1 matters most: upper left of the picture, …. The order of the sets is sure: …."
pub(super) fn verdict(photo: &Photo, sets: &[SetReport<'_>]) -> String {
    let [first, rest @ ..] = sets else { return "No set was found.".into() };
    let (_, place) = whereabouts(photo, first.features);
    let mut text = format!("Set 1 matters most: {place} of the picture");
    if let Some(share) = share(sets, 0).filter(|_| !rest.is_empty()) {
        let (percent, n) = (100.0 * share, sets.len());
        text.push_str(&format!(", {percent:.0} % of the score of all {n} sets"));
    }
    text.push_str(". ");
    text + &order(sets)
}

/// Which ranks are sure.
fn order(sets: &[SetReport<'_>]) -> String {
    if sets.len() < 2 {
        return String::new();
    }
    if sets.iter().all(|set| set.standard_error == 0.0) {
        return "The scores are exact.".into();
    }
    let ties = ties(sets);
    match ties.as_slice() {
        [] => "The order of the sets is sure: each score is more than two standard errors from \
               the next."
            .into(),
        ties => {
            let names: Vec<String> = ties.iter().map(|(a, b)| names(*a, *b)).collect();
            let whose =
                if ties.len() == 1 { "their order" } else { "the order within these groups" };
            format!(
                "Sets {} score alike within two standard errors: {whose} is not sure.",
                names.join(", and sets ")
            )
        }
    }
}

/// Ranges of ranks, first and last, within which neighbours cannot be told apart.
fn ties(sets: &[SetReport<'_>]) -> Vec<(usize, usize)> {
    let mut ties: Vec<(usize, usize)> = Vec::new();
    for rank in 1..sets.len() {
        let (a, b) = (&sets[rank - 1], &sets[rank]);
        let is_sure = a.score - b.score > SURE * a.standard_error.hypot(b.standard_error);
        match ties.last_mut() {
            _ if is_sure => {}
            Some(tie) if tie.1 == rank - 1 => tie.1 = rank,
            _ => ties.push((rank - 1, rank)),
        }
    }
    ties
}

fn names(first: usize, last: usize) -> String {
    let ranks: Vec<String> = (first..=last).map(|rank| (rank + 1).to_string()).collect();
    match ranks.as_slice() {
        [all @ .., last] => format!("{} and {last}", all.join(", ")),
        [] => String::new(),
    }
}

/// Share of a set in the sum of all scores; `None` unless all are positive.
pub(super) fn share(sets: &[SetReport<'_>], rank: usize) -> Option<f64> {
    let total: f64 = sets.iter().map(|set| set.score).sum();
    let is_positive = sets.iter().all(|set| set.score >= 0.0) && total > 0.0;
    is_positive.then(|| sets[rank].score / total)
}

/// Number of pixels of a set, and in which of nine fields of the picture their middle lies.
pub(super) fn whereabouts(photo: &Photo, features: &FeatureSet) -> (usize, String) {
    let n_pixels = photo.width() * photo.height();
    let pixels = FeatureSet::new(features.iter().map(|feature| feature % n_pixels));
    let n = pixels.len();
    let mean = |coordinate: &dyn Fn(usize) -> usize, side: usize| {
        let sum: usize = pixels.iter().map(coordinate).sum();
        let third = 3.0 * (sum as f64 / n.max(1) as f64 + 0.5) / side as f64;
        (third as usize).min(2)
    };
    let row = ["upper", "", "lower"][mean(&|pixel| pixel / photo.width(), photo.height())];
    let column = ["left", "middle", "right"][mean(&|pixel| pixel % photo.width(), photo.width())];
    (n, format!("{row} {column}").trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets<'a>(features: &'a FeatureSet, scores: &[(f64, f64)]) -> Vec<SetReport<'a>> {
        let set = |&(score, standard_error): &(f64, f64)| SetReport {
            features,
            score,
            standard_error,
            segment: None,
            details: vec![],
        };
        scores.iter().map(set).collect()
    }

    #[test]
    fn what_is_not_sure_is_said() {
        let features = FeatureSet::new([0]);
        let of = |scores: &[(f64, f64)]| order(&sets(&features, scores));
        assert!(of(&[(3.0, 0.1), (2.0, 0.1), (1.0, 0.1)]).contains("is sure"));
        let text = of(&[(3.0, 0.1), (2.9, 0.1), (2.8, 0.1), (1.0, 0.1), (0.9, 0.1)]);
        assert!(text.contains("1, 2 and 3, and sets 4 and 5"), "{text}");
        assert!(of(&[(3.0, 0.0), (2.9, 0.0)]).contains("exact"));
    }

    #[test]
    fn places_have_names() {
        let photo = Photo::new(30, 30, vec![0; 2700]).unwrap();
        let at = |y: usize, x: usize| {
            whereabouts(&photo, &FeatureSet::new([y * 30 + x, 900 + y * 30 + x]))
        };
        assert_eq!(at(2, 3), (1, "upper left".into()));
        assert_eq!(at(15, 15), (1, "middle".into()));
        assert_eq!(at(15, 29), (1, "right".into()));
        assert_eq!(at(29, 15), (1, "lower middle".into()));
    }
}
