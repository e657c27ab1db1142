//! Axioms of the values of sets.

use hsets_attribution::{
    IdgVis, PathGradients, coalition_values, sample_subsets, score_exactly, score_sets,
};
use hsets_core::{Error, FeatureSet, Result};
use hsets_metrics::Summary;

use super::{Axiom, AxiomSettings, Violation};
use crate::{Method, ScoredSet, Settings};

/// What is not more than this share of a value is rounding.
const ROUNDING: f64 = 1e-9;

fn some(sets: &[ScoredSet]) -> Result<&[ScoredSet]> {
    if sets.is_empty() { Err(Error::Unsupported("no sets".into())) } else { Ok(sets) }
}

/// -min v / max |v|, or 0.
pub(super) fn non_negativity(sets: &[ScoredSet]) -> Result<Violation> {
    let scores = || some(sets).map(|sets| sets.iter().map(|set| set.score));
    let lowest = scores()?.fold(0.0, f64::min);
    let largest = scores()?.map(f64::abs).fold(0.0, f64::max);
    Ok(if largest == 0.0 { 0.0.into() } else { (-lowest / largest).abs().into() })
}

/// Monotonicity or superadditivity of IDG-Vis on the sets.
pub(super) fn of_halves(
    axiom: Axiom,
    sets: &[ScoredSet],
    path: &PathGradients,
    settings: &Settings,
    axioms: &AxiomSettings,
) -> Result<Violation> {
    if !matches!(settings.method, Method::HSets | Method::RandomSets) {
        return Err(Error::Unsupported("its sets have no values by IDG-Vis".into()));
    }
    let idg = &settings.attribution;
    let (mut excesses, mut shares) = (Vec::new(), Vec::new());
    for (stream, set) in some(sets)?.iter().enumerate() {
        let halves =
            sample_subsets(&set.features, axioms.n_halves, 0.5, axioms.seed, stream as u64);
        excesses.extend(excess(axiom, &set.features, &halves, path, idg)?);
        shares.push(exact_share(axiom, &set.features, path, idg, axioms, stream as u64)?);
    }
    let summary = Summary::of(&excesses);
    Ok(Violation {
        value: summary.mean,
        standard_error: Some(summary.standard_error()),
        exact: Some(Summary::of(&shares).mean),
    })
}

/// By how much each half violates the axiom, as a share of the value of the whole set.
fn excess(
    axiom: Axiom,
    whole: &FeatureSet,
    halves: &[FeatureSet],
    path: &PathGradients,
    settings: &IdgVis,
) -> Result<Vec<f64>> {
    let value = |sets: &[FeatureSet]| -> Result<Vec<f64>> {
        Ok(score_sets(path, sets, settings)?.into_iter().map(|score| score.value).collect())
    };
    let rest = |half: &FeatureSet| whole.filter(|feature| !half.contains(feature));
    let rests: Vec<FeatureSet> = halves.iter().map(rest).collect();
    let all = value(std::slice::from_ref(whole))?[0].max(f64::MIN_POSITIVE);
    let (of_halves, of_rests) = (value(halves)?, value(&rests)?);
    let parts = of_halves.iter().zip(&of_rests).map(|(half, rest)| match axiom {
        Axiom::Superadditivity => half + rest,
        _ => *half,
    });
    Ok(parts.map(|parts| ((parts - all) / all).max(0.0)).collect())
}

/// Share of the pairs of coalitions that violate the axiom, among `n_players` members of the set.
fn exact_share(
    axiom: Axiom,
    set: &FeatureSet,
    path: &PathGradients,
    settings: &IdgVis,
    axioms: &AxiomSettings,
    stream: u64,
) -> Result<f64> {
    let keep = (2.0 * axioms.n_players as f64 / set.len().max(1) as f64).min(1.0);
    // Half as many again as needed as a rule; a set too small is taken whole.
    let drawn = sample_subsets(set, 1, keep, axioms.seed, u64::MAX - stream);
    let players: FeatureSet = drawn[0].iter().take(axioms.n_players).collect();
    let values = coalition_values(&score_exactly(path, &players, settings)?.dividends);
    let (mut n_pairs, mut n_violations) = (0usize, 0usize);
    for small in 1..values.len() {
        for other in (1..values.len()).filter(|other| other & small == 0) {
            let union = values[small | other];
            let parts = match axiom {
                Axiom::Superadditivity => values[small] + values[other],
                _ => values[small],
            };
            n_pairs += 1;
            n_violations += usize::from(parts > union * (1.0 + ROUNDING));
        }
    }
    Ok(n_violations as f64 / n_pairs.max(1) as f64)
}
