//! Photos, and how faithful maps of them are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Explanation, Measured, Metric, MetricSettings,
    core::Silent,
    measure,
    metrics::{Aopc, RoadSettings},
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

/// Fewer points than published, to measure many maps: 12 percentages and 25 steps.
fn coarse(seed: u64) -> MetricSettings {
    let road = RoadSettings {
        percentages: (0..12).map(|i| 8.0 * f64::from(i) + 4.0).collect(),
        ..RoadSettings::paper()
    };
    MetricSettings {
        metrics: vec![Metric::Gini, Metric::Road, Metric::InsertionDeletion],
        road,
        curve_steps: 25,
        ..MetricSettings::paper()
    }
    .with_seed(seed)
}

/// Gini, readings of ROAD, areas of insertion and deletion.
pub fn score_photo(
    explanation: &Explanation,
    of: &Measured<'_>,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let report = measure(of, &explanation.map, &coarse(seed), &Silent)?;
    let road = report.road.as_ref().context("ROAD was asked for")?;
    let aopc = |aopc: Aopc| (aopc.name(), aopc.of(road));
    let area = |curve: &Option<hsets_pipeline::metrics::ProbabilityCurve>| {
        curve.as_ref().map_or(f64::NAN, hsets_pipeline::metrics::ProbabilityCurve::auc)
    };
    Ok(vec![
        ("gini", report.gini.unwrap_or(f64::NAN)),
        aopc(Aopc::OneMinusAccuracy),
        aopc(Aopc::ProbabilityDrop),
        aopc(Aopc::LerfMinusMorfAccuracy),
        aopc(Aopc::LerfMinusMorfProbability),
        ("insertion", area(&report.insertion)),
        ("deletion", area(&report.deletion)),
        ("rows", explanation.cost.alone.n_rows as f64),
        ("gradients", explanation.cost.alone.n_gradients as f64),
    ])
}
