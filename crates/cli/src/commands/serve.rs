//! `hsets serve`: the explorer.

use std::{path::PathBuf, process::Command};

use clap::ArgMatches;
use hsets_explorer::{Given, Limits, Options, Server, random_token};
use hsets_pipeline::{
    Settings,
    segmentation::{Grid, SegmenterChoice},
};
use serde_json::json;

use super::{demo, explain::SOFTWARE};
use crate::{
    args::{General, ServeArgs},
    network::Network,
    output, progress,
};

/// Scenes that are drawn where they are asked for.
const N_SCENES: u64 = 12;
/// A sequence on which no network of ours was trained.
const SEED: u64 = 77;
/// Pictures whose sides are at most this are small: sets of 2000 features would cover them.
const SMALL: usize = 96;

/// `typed` is what `args` were read from.
pub(crate) fn run(args: &ServeArgs, general: &General, typed: &ArgMatches) -> anyhow::Result<()> {
    let choice = args.segmenter.choice(general)?;
    let network = Network::load(&args.model(), general, [])?;
    let is_small = network.side() <= SMALL;
    let settings = if is_small { demo::settings() } else { Settings::paper() };
    let pictures = pictures(args, &network)?;
    let mut segmenters = vec![choice];
    let (coarse, fine) = if is_small { (4, 8) } else { (8, 14) };
    let grid = |n| SegmenterChoice::Grid(Grid { rows: n, columns: n });
    for other in [SegmenterChoice::DEFAULT.parse()?, grid(coarse), grid(fine)] {
        let is_ready = !matches!(other, SegmenterChoice::Sam(_));
        if is_ready && segmenters.iter().all(|known| known.to_string() != other.to_string()) {
            segmenters.push(other);
        }
    }
    if is_small {
        // As the demo does.
        for choice in &mut segmenters {
            if matches!(choice, SegmenterChoice::QuickShift(_)) {
                *choice = demo::segmenter();
            }
        }
    }
    let token = match args.token.as_deref() {
        Some("random") => Some(random_token()),
        other => other.map(str::to_owned),
    };
    let server = Server::bind(Options {
        out: args.out.clone(),
        model_arguments: args.model_words(typed),
        model: network.record(),
        classifier: network.into_classifier(),
        pictures,
        segmenters,
        settings: settings.with_seed(general.seed),
        host: args.host,
        port: args.port,
        token,
        hosts: args.allow_host.clone(),
        limits: Limits::DEFAULT,
        software: SOFTWARE.to_owned(),
    })?;
    let url = server.url();
    if general.json {
        output::say(&json!({ "url": url }).to_string());
    } else {
        output::say(&format!("Exploring at {url}"));
        if !general.quiet {
            output::say("Ctrl-C ends it.");
        }
    }
    if args.open && !open(&url) {
        output::complain("no browser could be opened; open the address above");
    }
    server.run(progress::is_cancelled)?;
    Ok(())
}

fn pictures(args: &ServeArgs, network: &Network) -> anyhow::Result<Vec<Given>> {
    let mut pictures: Vec<Given> =
        args.inputs.iter().map(|path: &PathBuf| Given::Path(path.clone())).collect();
    if let Some(task) = args.scenes {
        for index in 0..N_SCENES {
            let scene = task.draw(SEED, index, network.side())?;
            let name = format!("{}-{index}: {}", task.name(), task.labels()[scene.class]);
            pictures.push(Given::Drawn { name, photo: scene.photo });
        }
    }
    if pictures.is_empty() {
        let scenes = demo::scenes(network.side())?;
        let given = |scene: &hsets_scenes::Scene| Given::Drawn {
            name: demo::name(scene),
            photo: scene.photo.clone(),
        };
        pictures.extend(scenes.iter().map(given));
    }
    Ok(pictures)
}

/// Asks the desktop to open an address.
fn open(url: &str) -> bool {
    let (program, arguments): (&str, &[&str]) = if cfg!(target_os = "macos") {
        ("open", &[])
    } else if cfg!(windows) {
        ("explorer", &[])
    } else {
        ("xdg-open", &[])
    };
    Command::new(program).args(arguments).arg(url).spawn().is_ok()
}
