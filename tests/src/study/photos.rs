//! Photos, and how faithful maps of them are.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Explanation, Measured, Metric, MetricSettings,
    core::{SaliencyMap, Silent},
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

impl Photo {
    /// The class of CIFAR-10 that its WordNet id, which the name begins with, is a kind of.
    pub fn cifar_class(&self) -> Option<&'static str> {
        let id = self.name.split('_').next()?;
        let is_one = |(_, ids): &&(_, &[(&str, &str)])| {
            ids.iter().any(|&(first, last)| (first..=last).contains(&id))
        };
        CIFAR.iter().find(is_one).map(|&(class, _)| class)
    }
}

/// Ranges of WordNet ids, of which ImageNet has these classes alone; it has no deer.
#[rustfmt::skip]
const CIFAR: [(&str, &[(&str, &str)]); 9] = [
    ("airplane", &[("n02690373", "n02690373"), ("n04552348", "n04552348")]),
    ("automobile", &[
        ("n02814533", "n02814533"), ("n02930766", "n02930766"), ("n03100240", "n03100240"),
        ("n03594945", "n03594945"), ("n03670208", "n03670208"), ("n03770679", "n03770679"),
        ("n04285008", "n04285008"),
    ]),
    ("bird", &[
        ("n01514668", "n01622779"), ("n01795545", "n01855672"), ("n02002556", "n02058221"),
    ]),
    ("cat", &[("n02123045", "n02124075")]),
    ("dog", &[("n02085620", "n02113978")]),
    ("frog", &[("n01641577", "n01644900")]),
    ("horse", &[("n02389026", "n02389026")]),
    ("ship", &[
        ("n03095699", "n03095699"), ("n03344393", "n03344393"), ("n03447447", "n03447447"),
        ("n03662601", "n03662601"), ("n03673027", "n03673027"), ("n03947888", "n03947888"),
        ("n04147183", "n04147183"), ("n04273569", "n04273569"), ("n04483307", "n04483307"),
        ("n04612504", "n04612504"),
    ]),
    ("truck", &[
        ("n03345487", "n03345487"), ("n03417042", "n03417042"), ("n03796401", "n03796401"),
        ("n03930630", "n03930630"), ("n04461696", "n04461696"), ("n04467665", "n04467665"),
    ]),
];

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
    let reading = |name: &str| report.reading(name).unwrap_or(f64::NAN);
    let aopc = |aopc: Aopc| (aopc.name(), reading(&format!("road-{}", aopc.name())));
    Ok(vec![
        ("gini", reading("gini")),
        aopc(Aopc::OneMinusAccuracy),
        aopc(Aopc::ProbabilityDrop),
        aopc(Aopc::LerfMinusMorfAccuracy),
        aopc(Aopc::LerfMinusMorfProbability),
        ("insertion", reading("insertion-auc")),
        ("deletion", reading("deletion-auc")),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_have_their_cifar_class() {
        let class = |name: &str| Photo { name: name.into(), file: PathBuf::new() }.cifar_class();
        assert_eq!(class("n02085936_Maltese_dog.JPEG"), Some("dog"));
        assert_eq!(class("n02115913_dhole.JPEG"), None);
        assert_eq!(class("n02009912_American_egret.JPEG"), Some("bird"));
        assert_eq!(class("n01632458_spotted_salamander.JPEG"), None);
        assert_eq!(class("n04467665_trailer_truck.JPEG"), Some("truck"));
        assert_eq!(class("n03673027_liner.JPEG"), Some("ship"));
    }
}
