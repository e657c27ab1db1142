//! How well an explanation finds what the class of a scene depends on.

use anyhow::Result;
use hsets_pipeline::{
    Explanation,
    core::{ChannelReduction, FeatureSet},
    metrics::{Removal, Ties, removal_order},
};
use hsets_scenes::{
    Criterion, Mask, Overlap, Scene, chance_of_holding, n_held, overlap, relevance_rank,
};

/// A part counts as found if this share of it is marked.
pub const FOUND: f64 = 0.1;

/// Of the map, whose k first pixels are marked, k being the area of all parts: share of them on
/// parts, mean and least recall, mean IoU, whether all parts are found. Of the sets: whether the
/// first holds two parts or more, by chance too, and any; how it overlaps. Of the decoy, if there
/// is one: share of it among as many first pixels, and whether it outranks the parts.
pub fn score_truth(
    explanation: &Explanation,
    scene: &Scene,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let shape = explanation.image.shape();
    let reduction = ChannelReduction::AbsSum;
    let order = removal_order(&explanation.map, reduction, Ties::Seeded(seed), Removal::Morf)?;
    let k = scene.parts.iter().map(|part| part.mask.area()).sum();
    let marked = Mask::of_pixels(shape.width, shape.height, order.iter().copied().take(k))?;
    let found = overlaps(&marked, scene)?;
    let weaker = least(&found);
    let mut scores = vec![
        ("precision", found.iter().map(|part| part.precision).sum()),
        ("recall", mean(&found, |part| part.recall)),
        ("weaker", weaker),
        ("iou", mean(&found, |part| part.iou)),
        ("all-found", f64::from(weaker >= FOUND)),
    ];
    scores.extend(of_sets(explanation, scene)?);
    if let Some(decoy) = &scene.decoy {
        let relevance = explanation.map.per_pixel(reduction);
        let ranks = |mask: &Mask| relevance_rank(&relevance, mask);
        let level = |mask: &Mask| {
            mask.pixels().map(|pixel| f64::from(relevance[pixel])).sum::<f64>() / mask.area() as f64
        };
        let parts = scene.parts.iter().map(|part| level(&part.mask)).fold(0.0, f64::max);
        scores.push(("decoy", ranks(&decoy.mask)?));
        scores.push(("decoy-wins", f64::from(level(&decoy.mask) > parts)));
    }
    Ok(scores)
}

/// NaN for methods without sets.
fn of_sets(explanation: &Explanation, scene: &Scene) -> Result<Vec<(&'static str, f64)>> {
    const NAMES: [&str; 6] = [
        "pair-first",
        "pair-by-chance",
        "pair-any",
        "first-recall",
        "first-precision",
        "first-pixels",
    ];
    let shape = explanation.image.shape();
    let mask = |features: &FeatureSet| Mask::of_features(features, shape);
    let masks: Vec<Mask> =
        explanation.sets.iter().map(|set| mask(&set.features)).collect::<Result<_, _>>()?;
    let Some(first) = masks.first() else {
        return Ok(NAMES.map(|name| (name, f64::NAN)).to_vec());
    };
    let parts: Vec<&Mask> = scene.parts.iter().map(|part| &part.mask).collect();
    let criterion = Criterion::ShareOfPart(FOUND);
    let held = |set: &Mask| n_held(set, &parts, criterion);
    let mut any = false;
    for set in &masks {
        any |= held(set)? >= 2;
    }
    let by_chance = chance_of_holding(first.area(), &parts[..2], criterion)?;
    let found = overlaps(first, scene)?;
    let values = [
        f64::from(held(first)? >= 2),
        by_chance,
        f64::from(any),
        least(&found),
        found.iter().map(|part| part.precision).sum(),
        first.area() as f64,
    ];
    Ok(NAMES.into_iter().zip(values).collect())
}

fn overlaps(set: &Mask, scene: &Scene) -> Result<Vec<Overlap>> {
    Ok(scene.parts.iter().map(|part| overlap(set, &part.mask)).collect::<Result<_, _>>()?)
}

fn least(parts: &[Overlap]) -> f64 {
    parts.iter().map(|part| part.recall).fold(1.0, f64::min)
}

fn mean(parts: &[Overlap], value: impl Fn(&Overlap) -> f64) -> f64 {
    parts.iter().map(value).sum::<f64>() / parts.len() as f64
}
