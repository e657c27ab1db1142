//! H-Sets: detect interaction sets, then score them along the path.

use std::sync::Arc;

use hsets_attribution::{
    PathGradients, PathSettings, SetScore, integrated_gradients, saliency_map, score_sets,
};
use hsets_core::{CompletenessGap, Error, FeatureSet, Result, SaliencyMap, Target};
use hsets_detection::{Detection, InteractionSet, SeedRanking, detect_at};

use super::{
    Findings, Task,
    coverage::{Coverage, complete_map, features_of_segments},
};
use crate::{Grown, ScoredSet, memo::DetectionKey};

/// Path gradients once, shared by seeds and scores; one linearisation for all Hessian rows.
pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    if !task.settings.given_sets.is_empty() {
        return given(task);
    }
    let Found { path, detection } = find(task)?;
    let found = &detection.sets;
    if task.settings.coverage == Coverage::Complete {
        return complete(task, &path, found);
    }
    let features: Vec<FeatureSet> = found.iter().map(InteractionSet::features).collect();
    score(task, &path, features, found.iter().map(grown).map(Some))
}

/// Scores the sets that were made by hand.
fn given(task: &Task<'_, '_>) -> Result<Findings> {
    let sets = task.settings.given_sets.clone();
    let n_features = task.image().shape().len();
    for set in &sets {
        if set.iter().last().is_none_or(|last| last >= n_features) {
            let expected = format!("some of the {n_features} features of the image");
            return Err(Error::config("given set", format!("{} features", set.len()), expected));
        }
    }
    let attribution = &task.settings.attribution;
    let path = task.path(&attribution.path(), &attribution.target(task.target))?;
    let grown = vec![None; sets.len()];
    score(task, &path, sets, grown.into_iter())
}

fn grown(set: &InteractionSet) -> Grown {
    Grown {
        seed: set.seed.feature,
        segment: set.seed.segment,
        n_rows: set.rows.len(),
        stop: set.stop,
    }
}

/// [`Coverage::Complete`]: scores the segments, each of which has one set, and ranks all pixels.
fn complete(
    task: &Task<'_, '_>,
    path: &PathGradients,
    found: &[InteractionSet],
) -> Result<Findings> {
    let features = features_of_segments(task.segments(), task.image().shape().channels);
    let scores = task.time("scores", || score_sets(path, &features, &task.settings.attribution))?;
    let score = |set: &InteractionSet| scores[set.seed.segment as usize];
    let mut ranked: Vec<&InteractionSet> = found.iter().collect();
    ranked.sort_by(|a, b| {
        score(b).value.total_cmp(&score(a).value).then(a.seed.segment.cmp(&b.seed.segment))
    });
    let ig = integrated_gradients(path)?;
    let map = complete_map(task.image(), task.segments(), &ranked, &ig.map)?;
    let with_score = |set: &InteractionSet| scored(set.features(), Some(grown(set)), score(set));
    let sets = ranked.into_iter().map(with_score).collect();
    Ok(findings(sets, map, path, ig.completeness))
}

fn scored(features: FeatureSet, grown: Option<Grown>, score: SetScore) -> ScoredSet {
    let SetScore { value, standard_error, n_samples, settled } = score;
    ScoredSet { features, grown, score: value, standard_error, n_samples, settled }
}

/// Scores sets by IDG-Vis and ranks them.
pub(super) fn score(
    task: &Task<'_, '_>,
    path: &PathGradients,
    features: Vec<FeatureSet>,
    grown: impl Iterator<Item = Option<Grown>>,
) -> Result<Findings> {
    let settings = &task.settings.attribution;
    let scores = task.time("scores", || score_sets(path, &features, settings))?;
    let map = saliency_map(task.image().shape(), &features, &scores)?;
    let all = features.into_iter().zip(grown).zip(scores);
    let mut sets: Vec<ScoredSet> =
        all.map(|((features, grown), score)| scored(features, grown, score)).collect();
    let seed = |set: &ScoredSet| set.grown.map(|grown| grown.seed);
    sets.sort_by(|a, b| b.score.total_cmp(&a.score).then(seed(a).cmp(&seed(b))));
    Ok(findings(sets, map, path, integrated_gradients(path)?.completeness))
}

/// With what `path` tells besides.
fn findings(
    sets: Vec<ScoredSet>,
    map: SaliencyMap,
    path: &PathGradients,
    completeness: CompletenessGap,
) -> Findings {
    Findings {
        sets,
        completeness: Some(completeness),
        refinement: Some(path.refinement()),
        baseline_logits: Some(path.baseline_logits().to_vec()),
        ..map.into()
    }
}

/// The path of IDG-Vis and the sets that detection finds.
pub(super) struct Found {
    pub(super) path: Arc<PathGradients>,
    pub(super) detection: Arc<Detection>,
}

pub(super) fn find(task: &Task<'_, '_>) -> Result<Found> {
    let (settings, attribution) = (&task.settings.detection, &task.settings.attribution);
    let path_target = attribution.target(task.target);
    let path = task.path(&attribution.path(), &path_target)?;
    let ranking = rank_seeds(task, &path, &path_target)?;
    let curvature = task.curvature(&settings.target(task.target), settings.smoothing)?;
    let key = DetectionKey {
        settings: settings.clone(),
        target: task.target.clone(),
        baseline: task.settings.baseline.clone(),
        steps: attribution.steps,
    };
    let explainer = task.explainer;
    let detection = explainer.memo.detections.get(&task.field().ledger, key, || {
        let (curvature, segments) = (curvature.as_ref(), task.segments());
        let detect = || detect_at(curvature, segments, &ranking, settings, task.progress);
        task.time("detection", detect).map(Arc::new)
    })?;
    Ok(Found { path, detection })
}

/// The map that ranks seeds. It comes from `path`, whose target is `path_target`, where that holds
/// what is asked for: Integrated Gradients of the target, or the gradient at the end of the path.
fn rank_seeds(
    task: &Task<'_, '_>,
    path: &PathGradients,
    path_target: &Target,
) -> Result<SaliencyMap> {
    match task.settings.detection.seed_ranking {
        SeedRanking::IntegratedGradients if path_target == task.target => {
            task.time("seeds", || Ok(integrated_gradients(path)?.map))
        }
        SeedRanking::IntegratedGradients => {
            let settings = PathSettings::for_steps(task.settings.attribution.steps);
            let path = task.path(&settings, task.target)?;
            task.time("seeds", || Ok(integrated_gradients(&path)?.map))
        }
        SeedRanking::Gradient => {
            let known = path.image_gradient().filter(|_| *path_target == Target::Top);
            match known {
                Some(gradient) => SaliencyMap::new(path.shape(), gradient.to_vec()),
                None => Ok(task.gradient(&Target::Top)?.as_ref().clone()),
            }
        }
    }
}
