//! `hsets demo`: bundled pictures, explained by the bundled model, offline.
//!
//! The pictures are duels of rock, paper, scissors between an orange and a blue hand: neither hand
//! alone tells who wins, so the truth about the interaction is known, and printed beside what was
//! found.

use hsets_pipeline::{
    Explanation, Settings,
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
    let mut settings = Settings::paper().with_seed(general.seed);
    // The paper's numbers are for photos of 224 pixels; these pictures have 64.
    settings.detection.max_features = 400;
    let choice = segmenter();
    let segmenter = choice.build()?;
    let job = Job {
        network: &network,
        settings: &settings,
        segmenter: segmenter.as_ref(),
        names: Names { segmenter: &choice, baseline: "zero".into(), preset: "paper" },
        general,
    };
    let scenes: Result<Vec<Scene>, _> =
        PICTURES.iter().map(|&index| Task::Duel.draw(SEED, index, network.side())).collect();
    let mut pages = Vec::new();
    let outcome = for_each_input(&scenes?, name, |index, scene| {
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

/// What suits pictures of 64 pixels; the demo needs no weights in any build.
fn segmenter() -> SegmenterChoice {
    if cfg!(feature = "quickshift") {
        let quickshift = QuickShift { kernel_size: 1.5, max_dist: 8.0, ..QuickShift::photo() };
        SegmenterChoice::QuickShift(quickshift)
    } else {
        SegmenterChoice::Grid(Grid { rows: 8, columns: 8 })
    }
}

/// "orange-paper-blue-rock".
fn name(scene: &Scene) -> String {
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
