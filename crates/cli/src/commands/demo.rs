//! `hsets demo`: bundled pictures, explained by bundled networks, offline.
//!
//! The pictures are duels of rock, paper, scissors between an orange and a blue hand: neither hand
//! alone tells who wins, so the truth about the interaction is known, and printed beside what was
//! found: by contrasts, which test it, and by the published sets. In the pictures of the control
//! nothing acts together, and contrasts have to say so.

use hsets_pipeline::{
    Explanation, Method, Settings,
    core::Error,
    models::LoadOptions,
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
    network::{BUNDLED_NAME, Network},
    output::say,
    progress,
};

/// The sequence of pictures, on which the model was not trained, and which of it are shown.
const SEED: u64 = 3;
const PICTURES: [u64; 4] = [10, 45, 35, 1];

/// How many are shown of the control.
const CONTROLS: u64 = 2;

/// A picture under a network, explained by a method.
struct Exhibit<'a> {
    /// Of its folder.
    name: String,
    network: &'a Network,
    method: Method,
    task: Task,
    scene: &'a Scene,
}

pub(crate) fn run(args: &DemoArgs, general: &General) -> Result<(), Failure> {
    let network = &Network::bundled(&LoadOptions::default())?;
    let control = &Network::control()?;
    let scenes = scenes(network.side())?;
    let draw = |index| Task::Additive.draw(SEED, index, control.side());
    let controls: Vec<Scene> = (0..CONTROLS).map(draw).collect::<Result<_, _>>()?;
    let duels = |method, suffix: &'static str| {
        scenes.iter().map(move |scene| {
            let name = format!("{}-{suffix}", name(scene));
            Exhibit { name, network, method, task: Task::Duel, scene }
        })
    };
    let controls = controls.iter().zip(1..).map(|(scene, rank)| {
        let (network, method, task) = (control, Method::Contrasts, Task::Additive);
        Exhibit { name: format!("control-{rank}"), network, method, task, scene }
    });
    let shown: Vec<Exhibit<'_>> = duels(Method::Contrasts, "pairs")
        .chain(controls)
        .chain(duels(Method::HSets, "sets"))
        .collect();
    let choice = segmenter();
    let segmenter = choice.build()?;
    let mut pages = Vec::new();
    let outcome = for_each_input(
        &shown,
        |exhibit| exhibit.name.clone(),
        |index, Exhibit { name, network, method, task, scene }| {
            progress::check()?;
            let settings = Settings { method: *method, ..settings().with_seed(general.seed) };
            let job = Job {
                network,
                settings: &settings,
                segmenter: segmenter.as_ref(),
                names: Names { segmenter: &choice, baseline: "zero".into(), preset: "paper" },
                by_hand: None,
                general,
            };
            let folder = Folder::begin(args.out.join(name))?;
            let prepared = network.prepare(&scene.photo)?;
            let explanation =
                job.explain(&prepared, format!("[{}/{}] ", index + 1, shown.len()))?;
            pages.push(job.write(&explanation, &prepared, name, folder)?);
            if !general.json && !general.quiet {
                say(&format!("  truth: {}\n", compare(*task, scene, &explanation)?));
            }
            Ok(())
        },
    );
    index::write_after(outcome, &args.out, "Explanations", BUNDLED_NAME, pages)
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

/// What the class depends on, and how much of it was found.
fn compare(task: Task, scene: &Scene, explanation: &Explanation) -> anyhow::Result<String> {
    if task == Task::Additive {
        return Ok("this network only adds, by construction: there is nothing to be found".into());
    }
    let of_scene = |found: &Mask| -> anyhow::Result<String> {
        let share = |part: &Part| -> anyhow::Result<String> {
            let percent = 100.0 * overlap(found, &part.mask)?.recall;
            Ok(format!("{percent:.0} % of the {} hand ({})", part.name, part.variant_name))
        };
        let shares: anyhow::Result<Vec<String>> = scene.parts.iter().map(share).collect();
        Ok(shares?.join(" and "))
    };
    let truth = task.labels()[scene.class];
    let Some(contrasts) = &explanation.interactions.contrasts else {
        let shape = explanation.image.shape();
        let features = explanation.sets.iter().flat_map(|set| set.features.iter());
        let pixels = features.map(|feature| shape.pixel(feature));
        let found = Mask::of_pixels(shape.width, shape.height, pixels)?;
        return Ok(format!("{truth}; the sets hold {}", of_scene(&found)?));
    };
    let Some(pair) = contrasts.interactions.first() else { return Ok(truth.into()) };
    let [first, second] = &pair.regions;
    Ok(format!(
        "{truth}, which neither hand tells alone; (a) holds {}, (b) {}",
        of_scene(first)?,
        of_scene(second)?
    ))
}
