//! H-Sets: detect interaction sets, then score them along the path.

use hsets_attribution::{
    PathGradients, PathSettings, SetScore, integrated_gradients, saliency_map, score_sets,
};
use hsets_core::{Error, FeatureSet, Result, SaliencyMap, Target};
use hsets_detection::{Detection, InteractionSet, SeedRanking, detect};

use super::{Findings, Task};
use crate::{ScoredSet, stopwatch::Stopwatch};

/// Path gradients once, shared by seeds and scores; one linearisation for all Hessian rows.
pub(super) fn run(task: &Task<'_>, stopwatch: &mut Stopwatch) -> Result<Findings> {
    let Task { field, image, target, segments, settings, progress, .. } = *task;
    let attribution = &settings.attribution;
    let path_target = attribution.target(target);
    let path = stopwatch.time("path gradients", || task.path(&attribution.path(), &path_target))?;
    let (ranking, n_more) =
        stopwatch.time("seeds", || rank_seeds(task, &path, path_target == *target))?;
    let Detection { sets: found, statistics, .. } = stopwatch.time("detection", || {
        detect(field, image, segments, &ranking, target, &settings.detection, progress)
    })?;
    let features: Vec<FeatureSet> = found.iter().map(InteractionSet::features).collect();
    let scores = stopwatch.time("scores", || score_sets(&path, &features, attribution))?;
    let map = saliency_map(image.shape(), &features, &scores)?;
    let mut sets: Vec<ScoredSet> = found
        .iter()
        .zip(features)
        .zip(scores)
        .map(|((set, features), SetScore { value, standard_error })| ScoredSet {
            features,
            seed: set.seed.feature,
            segment: set.seed.segment,
            n_rows: set.rows.len(),
            stop: set.stop,
            score: value,
            standard_error,
        })
        .collect();
    sets.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.seed.cmp(&b.seed)));
    Ok(Findings {
        sets,
        map,
        completeness_gap: integrated_gradients(&path)?.completeness.gap(),
        n_gradients: path.weights().len() + n_more,
        n_rows: statistics.rows,
    })
}

/// The map that ranks seeds, and how many gradients it took beyond those of `path`.
///
/// Integrated Gradients of the fixed target come from `path` where that is what it holds.
fn rank_seeds(
    task: &Task<'_>,
    path: &PathGradients,
    path_is_of_target: bool,
) -> Result<(SaliencyMap, usize)> {
    match task.settings.detection.seed_ranking {
        SeedRanking::IntegratedGradients if path_is_of_target => {
            Ok((integrated_gradients(path)?.map, 0))
        }
        SeedRanking::IntegratedGradients => {
            let steps = task.settings.attribution.steps;
            let settings = PathSettings { keep_points: false, ..PathSettings::riemann(steps) };
            let path = task.path(&settings, task.target)?;
            Ok((integrated_gradients(&path)?.map, path.weights().len()))
        }
        SeedRanking::Gradient => {
            let images = std::slice::from_ref(task.image);
            let evaluation = task.field.gradients(images, &Target::Top)?.pop();
            let evaluation = evaluation.ok_or_else(|| Error::shape("gradients", 1, 0))?;
            Ok((SaliencyMap::new(task.image.shape(), evaluation.gradient)?, 1))
        }
    }
}
