//! `hsets demo`: bundled pictures, explained by the bundled model, offline.
//!
//! The pictures are duels of rock, paper, scissors between an orange and a blue hand: neither hand
//! alone tells who wins, so the truth about the interaction is known, and printed beside what was
//! found.

use hsets_pipeline::{
    Explanation, Settings,
    core::Error,
    segmentation::{Grid, QuickShift, SegmenterChoice},
};
use hsets_report::output::Folder;
use hsets_scenes::{Mask, Part, Scene, Task, overlap};

use super::{
    explain::{Job, Names},
    index,
};
use crate::{
    args::{DemoArgs, General},
    failure::{Failure, for_each_input},
    network::Network,
    output::say,
    progress,
};

/// The sequence of pictures, on which the model was not trained, and which of it are shown.
const SEED: u64 = 3;
const PICTURES: [u64; 4] = [10, 45, 35, 1];

pub(crate) fn run(args: &DemoArgs, general: &General) -> Result<(), Failure> {
    let network = Network::bundled()?;
    let settings = settings().with_seed(general.seed);
    let choice = segmenter();
    let segmenter = choice.build()?;
    let job = Job {
        network: &network,
        settings: &settings,
        segmenter: segmenter.as_ref(),
        names: Names { segmenter: &choice, baseline: "zero".into(), preset: "paper" },
        by_hand: None,
        general,
    };
    let scenes = scenes(network.side())?;
    let mut pages = Vec::new();
    let outcome = for_each_input(&scenes, name, |index, scene| {
        progress::check()?;
        let folder = Folder::begin(args.out.join(name(scene)))?;
        let prepared = network.prepare(&scene.photo)?;
        let prefix = format!("[{}/{}] ", index + 1, PICTURES.len());
        let explanation = job.explain(&prepared, prefix)?;
        pages.push(job.write(&explanation, &prepared, &name(scene), folder)?);
        if !general.json && !general.quiet {
            say(&compare(scene, &explanation)?);
        }
        Ok(())
    });
    if !matches!(outcome, Err(Failure::Error(_))) {
        index::write(&args.out, network.name(), pages)?;
    }
    outcome
}

/// The bundled pictures, of `side` pixels.
pub(super) fn scenes(side: usize) -> Result<Vec<Scene>, Error> {
    PICTURES.iter().map(|&index| Task::Duel.draw(SEED, index, side)).collect()
}

/// The paper's settings, but for sets of a size that suits pictures of 64 pixels and not of 224.
pub(super) fn settings() -> Settings {
    let mut settings = Settings::paper();
    settings.detection.max_features = 400;
    settings
}

/// What suits pictures of 64 pixels; the demo needs no weights in any build.
pub(super) fn segmenter() -> SegmenterChoice {
    if cfg!(feature = "quickshift") {
        let quickshift = QuickShift { kernel_size: 1.5, max_dist: 8.0, ..QuickShift::photo() };
        SegmenterChoice::QuickShift(quickshift)
    } else {
        SegmenterChoice::Grid(Grid { rows: 8, columns: 8 })
    }
}

/// "orange-paper-blue-rock".
pub(super) fn name(scene: &Scene) -> String {
    let part = |part: &Part| format!("{}-{}", part.name, part.variant_name);
    scene.parts.iter().map(part).collect::<Vec<_>>().join("-")
}

/// What the class depends on, and how much of it the sets hold together.
fn compare(scene: &Scene, explanation: &Explanation) -> anyhow::Result<String> {
    let shape = explanation.image.shape();
    let features = explanation.sets.iter().flat_map(|set| set.features.iter());
    let found = features.map(|feature| shape.pixel(feature));
    let found = Mask::of_pixels(shape.width, shape.height, found)?;
    let share = |part: &Part| -> anyhow::Result<String> {
        let percent = 100.0 * overlap(&found, &part.mask)?.recall;
        Ok(format!("{percent:.0} % of the {} hand ({})", part.name, part.variant_name))
    };
    let shares: anyhow::Result<Vec<String>> = scene.parts.iter().map(share).collect();
    let truth = Task::Duel.labels()[scene.class];
    Ok(format!("  truth: {truth}; the sets hold {}\n", shares?.join(" and ")))
}
