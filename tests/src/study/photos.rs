//! Photos, and how faithful maps of them are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Explanation, Measured, Metric, MetricSettings,
    core::{SaliencyMap, Silent},
    measure,
    metrics::{Aopc, ProbabilityCurve, RoadSettings},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A photo whose class the network gets right.
pub struct Photo {
    /// Name of the file.
    pub name: String,
    /// Where it is.
    pub file: PathBuf,
}

/// Seed of the order of the photos.
const SEED: u64 = 5;

/// All photos of the folder of real data in a seeded order; settings are chosen on the first
/// hundred, and reported are the others.
pub fn photos(folder: &Path) -> Result<Vec<Photo>> {
    let list = folder.join("images.json");
    let text = std::fs::read_to_string(&list).with_context(|| list.display().to_string())?;
    let entries: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    let mut names: Vec<String> = entries
        .iter()
        .map(|entry| entry["file"].as_str().map(str::to_owned))
        .collect::<Option<_>>()
        .with_context(|| format!("{}: entries without a file", list.display()))?;
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    for i in 0..names.len() {
        let other = i + rng.next_u32() as usize % (names.len() - i);
        names.swap(i, other);
    }
    let photo = |name: String| Photo { file: folder.join("images").join(&name), name };
    Ok(names.into_iter().map(photo).collect())
}

/// Fewer points than published, to measure many maps: so many percentages of ROAD, so many steps of
/// insertion and deletion.
fn coarse(percentages: u32, curve_steps: usize, seed: u64) -> MetricSettings {
    let step = 96.0 / f64::from(percentages);
    let road = RoadSettings {
        percentages: (0..percentages).map(|i| step * (f64::from(i) + 0.5)).collect(),
        ..RoadSettings::paper()
    };
    MetricSettings {
        metrics: vec![Metric::Gini, Metric::Road, Metric::InsertionDeletion],
        road,
        curve_steps,
        ..MetricSettings::paper()
    }
    .with_seed(seed)
}

/// Gini, readings of ROAD, areas of insertion and deletion: 12 percentages, 25 steps.
pub fn score_photo(
    explanation: &Explanation,
    of: &Measured<'_>,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let mut scores = faithfulness(&explanation.map, of, &coarse(12, 25, seed))?;
    scores.push(("rows", explanation.cost.alone.n_rows as f64));
    scores.push(("gradients", explanation.cost.alone.n_gradients as f64));
    Ok(scores)
}

/// The same of a variant, at 8 percentages and in 16 steps, and what variants are compared by: the sum
/// of 1 - accuracy, LeRF - MoRF, insertion, and 1 - deletion.
pub fn score_variant(
    map: &SaliencyMap,
    of: &Measured<'_>,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let mut scores = faithfulness(map, of, &coarse(8, 16, seed))?;
    let value = |(name, value): &(&str, f64)| match *name {
        "1-accuracy" | "lerf-minus-morf-accuracy" | "insertion" => *value,
        "deletion" => 1.0 - value,
        _ => 0.0,
    };
    scores.push(("sum", scores.iter().map(value).sum()));
    Ok(scores)
}

fn faithfulness(
    map: &SaliencyMap,
    of: &Measured<'_>,
    settings: &MetricSettings,
) -> Result<Vec<(&'static str, f64)>> {
    let report = measure(of, map, settings, &Silent)?;
    let road = report.road.as_ref().context("ROAD was asked for")?;
    let aopc = |aopc: Aopc| (aopc.name(), aopc.of(road));
    let area = |curve: &Option<ProbabilityCurve>| {
        curve.as_ref().map_or(f64::NAN, ProbabilityCurve::auc)
    };
    Ok(vec![
        ("gini", report.gini.unwrap_or(f64::NAN)),
        aopc(Aopc::OneMinusAccuracy),
        aopc(Aopc::ProbabilityDrop),
        aopc(Aopc::LerfMinusMorfAccuracy),
        aopc(Aopc::LerfMinusMorfProbability),
        ("insertion", area(&report.insertion)),
        ("deletion", area(&report.deletion)),
    ])
}
