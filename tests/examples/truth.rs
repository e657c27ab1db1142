//! How well explanations of the bundled classifier find what its class depends on.
//!
//! The class (who wins at rock, paper, scissors) needs both hands, and neither alone tells it. For
//! every picture each map marks pixels: H-Sets those of its sets, all others as many as H-Sets.
//! Printed is the table of the README, with standard errors.
//!
//! ```text
//! cargo run --release -p hsets-tests --example truth -- 200
//! ```
#![allow(clippy::print_stdout, reason = "prints its result")]

use std::path::Path;

use hsets_pipeline::{
    Explanation, Method, Settings, Subject,
    attribution::Normalisation,
    core::{ChannelReduction, Result, SegmentMap, Shape, Silent},
    explain,
    models::{Classifier, LoadOptions, Prepared},
    segmentation::QuickShift,
};
use hsets_scenes::{Mask, Scene, Task, overlap, random_pixels};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// The sequence of pictures: not that of training, nor of `hsets demo`.
const SEED: u64 = 11;
/// A hand counts as found if this share of it is marked.
const FOUND: f64 = 0.1;

/// What `hsets demo` uses on its small pictures.
fn demo_settings(preset: Settings) -> Settings {
    let mut settings = preset;
    settings.detection.max_features = 400;
    settings
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let n_pictures = std::env::args().nth(1).map_or(Ok(200), |typed| typed.parse())?;
    let weights =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/bundled/model.safetensors");
    let options = LoadOptions { weights: Some(weights), ..LoadOptions::default() };
    let classifier = Classifier::load(&options, &Silent)?;
    for (name, preset) in [("paper", Settings::paper()), ("reference", Settings::reference())] {
        let mut rows = [
            Row::new(format!("H-Sets, preset `{name}`")),
            Row::new("Integrated Gradients".into()),
            Row::new("random segments".into()),
            Row::new("random pixels".into()),
        ];
        let mut n_marked = 0;
        for index in 0..n_pictures {
            let scene = Task::Duel.draw(SEED, index, classifier.shape().width)?;
            let prepared = classifier.preprocessing().prepare(&scene.photo)?;
            let found = explained(&classifier, &prepared, &demo_settings(preset.clone()))?;
            let ig = Settings { method: Method::Ig, ..Settings::paper() };
            let ig = explained(&classifier, &prepared, &ig)?;
            let sets = pixels_of_sets(&found)?;
            let n = sets.area();
            n_marked += n;
            rows[0].add(&sets, &scene)?;
            rows[1].add(&strongest_pixels(&ig, n)?, &scene)?;
            rows[2].add(&random_segments(&found.segments, n, index)?, &scene)?;
            rows[3].add(&random_pixels(sets.width(), sets.height(), n, index)?, &scene)?;
        }
        println!(
            "\n{n_pictures} pictures, {:.0} pixels marked on average\n",
            n_marked as f64 / n_pictures as f64
        );
        println!(
            "| as many pixels marked by | of a hand | of the weaker hand | both hands found |"
        );
        println!("|---|---|---|---|");
        rows.iter().for_each(Row::print);
    }
    Ok(())
}

fn explained(
    classifier: &Classifier,
    prepared: &Prepared,
    settings: &Settings,
) -> Result<Explanation> {
    let preprocessing = classifier.preprocessing();
    let normalisation =
        Normalisation { mean: preprocessing.mean.to_vec(), std: preprocessing.std.to_vec() };
    let (image, photo) = (&prepared.image, &prepared.photo);
    let subject = Subject { image, photo, normalisation: &normalisation };
    let segmenter = QuickShift { kernel_size: 1.5, max_dist: 8.0, ..QuickShift::photo() };
    explain(classifier.field(), &subject, &segmenter, settings, &Silent)
}

fn pixels_of_sets(explanation: &Explanation) -> Result<Mask> {
    let shape @ Shape { width, height, .. } = explanation.image.shape();
    let features = explanation.sets.iter().flat_map(|set| set.features.iter());
    Mask::of_pixels(width, height, features.map(|feature| shape.pixel(feature)))
}

/// The `n` pixels of the largest abs(sum over channels).
fn strongest_pixels(explanation: &Explanation, n: usize) -> Result<Mask> {
    let Shape { width, height, .. } = explanation.image.shape();
    let values = explanation.map.per_pixel(ChannelReduction::AbsSum);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
    Mask::of_pixels(width, height, order.into_iter().take(n))
}

/// Whole segments in random order, the last one cut to make `n` pixels.
fn random_segments(segments: &SegmentMap, n: usize, seed: u64) -> Result<Mask> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<(u32, u32)> =
        (0..segments.n_segments() as u32).map(|label| (rng.next_u32(), label)).collect();
    order.sort_unstable();
    let n_pixels = segments.labels().len();
    let of = |label: u32| (0..n_pixels).filter(move |&pixel| segments.label(pixel) == label);
    let marked = order.iter().flat_map(|&(_, label)| of(label)).take(n);
    Mask::of_pixels(segments.width(), segments.height(), marked)
}

/// One line of the table: per picture, shares that add up to means with standard errors.
struct Row {
    name: String,
    /// Share of the marked pixels that lie on a hand.
    on_hands: Vec<f64>,
    /// Share of the hand that is marked less.
    weaker: Vec<f64>,
    /// 1 if both hands are found.
    both: Vec<f64>,
}

impl Row {
    fn new(name: String) -> Self {
        Self { name, on_hands: vec![], weaker: vec![], both: vec![] }
    }

    fn add(&mut self, marked: &Mask, scene: &Scene) -> Result<()> {
        let overlaps: Result<Vec<_>> =
            scene.parts.iter().map(|part| overlap(marked, &part.mask)).collect();
        let overlaps = overlaps?;
        let weaker = overlaps.iter().map(|overlap| overlap.recall).fold(1.0, f64::min);
        self.on_hands.push(overlaps.iter().map(|overlap| overlap.precision).sum());
        self.weaker.push(weaker);
        self.both.push(f64::from(weaker >= FOUND));
        Ok(())
    }

    fn print(&self) {
        let columns = [&self.on_hands, &self.weaker, &self.both].map(|values| percent(values));
        println!("| {} | {} |", self.name, columns.join(" | "));
    }
}

/// Mean ± standard error.
fn percent(values: &[f64]) -> String {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    format!("{:.0} ± {:.0} %", 100.0 * mean, 100.0 * (variance / n).sqrt())
}
