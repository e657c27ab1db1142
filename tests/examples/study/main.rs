//! Methods compared: on scenes whose truth is known, and on photos.
//!
//! ```text
//! cargo run --release -p hsets-tests --example study -- truth --out truth.csv
//! HSETS_REAL_DATA=DIR cargo run --release -p hsets-tests --example study -- photos --first 100 --out photos.csv
//! HSETS_REAL_DATA=DIR cargo run --release -p hsets-tests --example study -- settings --out settings.csv
//! HSETS_REAL_DATA=DIR cargo run --release -p hsets-tests --example study -- cifar --out cifar.csv
//! cargo run --release -p hsets-tests --example study -- pairs report --out pairs.csv
//! HSETS_REAL_DATA=DIR cargo run --release -p hsets-tests --example study -- photo-pairs --out photo-pairs.csv
//! cargo run --release -p hsets-tests --example study -- report truth.csv photos.csv settings.csv cifar.csv pairs.csv
//! ```
//!
//! A run that was cut off continues where it was; `--shard I/N` does every N-th picture, so that
//! several programs share the work.
#![allow(clippy::print_stdout, reason = "says how far it is")]

mod pages;
mod pairs;
mod photo_pairs;
mod tables;
mod trials;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use hsets_pipeline::{
    Explainer, Measured, Subject,
    core::{Silent, Target},
    models::{Classifier, Prepared},
    normalisation,
    segmentation::QuickShift,
};
use hsets_scenes::Task;
use hsets_tests::study::{
    Contender, Photo, Sheet, mobilenet, of_photos, of_small_photos, of_truth, photos, resnet20,
    score_photo, score_truth, truth_networks,
};

#[derive(Parser)]
enum Study {
    /// All networks of fixtures/truth.
    Truth {
        #[command(flatten)]
        work: Work,
        /// Pictures for each network.
        #[arg(long, default_value_t = 67)]
        pictures: u64,
        /// Only these tasks.
        #[arg(long, value_delimiter = ',')]
        tasks: Vec<Task>,
    },
    /// MobileNetV2 on the photos of the folder HSETS_REAL_DATA.
    Photos {
        #[command(flatten)]
        work: Work,
        #[command(flatten)]
        places: Places,
    },
    /// Variants of `complete`: on photos of the folder HSETS_REAL_DATA, and on scenes.
    Settings {
        #[command(flatten)]
        work: Work,
        /// Photos, from the beginning of the seeded order.
        #[arg(long, default_value_t = 100)]
        photos: usize,
        /// Scenes for each network.
        #[arg(long, default_value_t = 20)]
        pictures: u64,
    },
    /// `ResNet`-20 on those of these photos that are of a class of CIFAR-10 and that it gets right,
    /// shrunk to 32×32.
    Cifar {
        #[command(flatten)]
        work: Work,
    },
    /// Whether methods tell interactions from additions: the networks of fixtures/truth on scenes
    /// whose counterfactuals are drawn.
    Pairs {
        /// Variants of `contrasts` to choose among, or all methods to be reported.
        asked: pairs::Asked,
        #[command(flatten)]
        work: Work,
        /// Pictures for each network.
        #[arg(long, default_value_t = 20)]
        pictures: u64,
        /// Of these, the first so many are asked about in any case, the others of xor and and only
        /// if they are live.
        #[arg(long, default_value_t = 8)]
        whether_live_or_not: u64,
        /// Only these: xor, and, prod, additive, bag, bagmix.
        #[arg(long, value_delimiter = ',')]
        networks: Vec<String>,
    },
    /// Contrasts on photos of the folder HSETS_REAL_DATA: how faithful effects of pairs are, and
    /// what becomes of them under other references.
    PhotoPairs {
        /// The network that looks at them.
        #[arg(long, value_enum, default_value = "mobilenet-v2")]
        network: photo_pairs::Network,
        #[command(flatten)]
        work: Work,
        #[command(flatten)]
        places: Places,
    },
    /// Tables and figures of the documentation from sheets of results.
    Report {
        /// Sheets of results.
        sheets: Vec<PathBuf>,
        /// Folder of the pages whose tables are filled in.
        #[arg(long, default_value = "docs")]
        docs: PathBuf,
    },
}

#[derive(clap::Args)]
struct Places {
    /// Photos left out at the beginning of the seeded order; settings were chosen on them.
    #[arg(long, default_value_t = 100)]
    first: usize,
    /// Photos.
    #[arg(long, default_value_t = 100)]
    count: usize,
}

impl Places {
    /// The photos at these places, each with its place.
    fn of(&self, photos: Vec<Photo>) -> impl Iterator<Item = (usize, Photo)> {
        photos.into_iter().enumerate().skip(self.first).take(self.count)
    }
}

#[derive(clap::Args)]
struct Work {
    /// Sheet of results, begun or continued.
    #[arg(long)]
    out: PathBuf,
    /// I/N: of every N pictures only the I-th, from 0.
    #[arg(long, default_value = "0/1", value_parser = shard)]
    shard: (u64, u64),
    /// Only contenders of these names, separated by semicolons.
    #[arg(long, value_delimiter = ';')]
    only: Vec<String>,
    /// Leave contenders of these names out.
    #[arg(long, value_delimiter = ';')]
    without: Vec<String>,
}

impl Work {
    fn contenders(&self, all: Vec<Contender>) -> Vec<Contender> {
        all.into_iter().filter(|contender| self.wants(&contender.name)).collect()
    }

    fn wants(&self, name: &str) -> bool {
        let among = |names: &[String]| names.iter().any(|other| other == name);
        (self.only.is_empty() || among(&self.only)) && !among(&self.without)
    }

    fn has(&self, picture: u64) -> bool {
        picture % self.shard.1 == self.shard.0
    }
}

fn shard(typed: &str) -> Result<(u64, u64)> {
    let (i, n) = typed.split_once('/').context("expected I/N")?;
    let (i, n) = (i.parse()?, n.parse()?);
    if i >= n {
        bail!("expected I/N with I below N");
    }
    Ok((i, n))
}

fn main() -> Result<()> {
    match Study::parse() {
        Study::Truth { work, pictures, tasks } => truth(&work, pictures, &tasks),
        Study::Photos { work, places } => on_photos(&work, &places),
        Study::Settings { work, photos, pictures } => {
            trials::on_truth(&work, pictures)?;
            trials::on_photos(&work, &real_data()?, photos)
        }
        Study::Cifar { work } => on_cifar(&work),
        Study::Pairs { asked, work, pictures, whether_live_or_not, networks } => {
            pairs::on_scenes(&work, asked, [pictures, whether_live_or_not], &networks)
        }
        Study::PhotoPairs { network, work, places } => {
            photo_pairs::on_photos(&work, &real_data()?, network, &places)
        }
        Study::Report { sheets, docs } => pages::write(&sheets, &docs),
    }
}

/// The sequence of scenes: not that of training, nor of the tests in training.
const SEED: u64 = 11;

fn truth(work: &Work, pictures: u64, tasks: &[Task]) -> Result<()> {
    let mut sheet = Sheet::open(&work.out)?;
    let contenders = work.contenders(of_truth());
    for network in truth_networks()? {
        if !tasks.is_empty() && !tasks.contains(&network.task) {
            continue;
        }
        let classifier = network.load()?;
        // Where the patch betrayed the class in training, it is drawn independently now.
        let drawn = if network.task == Task::Decoy { Task::DecoyShuffled } else { network.task };
        let first = network.seed * pictures;
        let is_shown = |index: &u64| work.has(*index) && network.sees(*index);
        for index in (first..first + pictures).filter(is_shown) {
            let scene = drawn.draw(SEED, index, classifier.shape().width)?;
            let prepared = classifier.preprocessing().prepare(&scene.photo)?;
            let (subject, picture) = (network.subject(), index.to_string());
            each(&classifier, &prepared, &contenders, |contender, explainer| {
                let of = [subject, &network.name, &picture, &contender.name];
                if sheet.has(of) {
                    return Ok(());
                }
                let explanation = explainer.explain(&contender.settings, &Silent)?;
                sheet.add(of, &score_truth(&explanation, &scene, index)?)
            })?;
        }
        println!("{} {}", network.task, network.name);
    }
    Ok(())
}

fn real_data() -> Result<PathBuf> {
    Ok(std::env::var_os("HSETS_REAL_DATA").context("set HSETS_REAL_DATA")?.into())
}

fn on_photos(work: &Work, places: &Places) -> Result<()> {
    let folder = real_data()?;
    let classifier = mobilenet(&folder)?;
    let mut sheet = Sheet::open(&work.out)?;
    let contenders = work.contenders(of_photos());
    for (index, photo) in places.of(photos(&folder)?) {
        if !work.has(index as u64) {
            continue;
        }
        let prepared = classifier.read(&photo.file)?;
        let of = ["photos", "mobilenet_v2", &photo.name];
        faithfulness(of, index as u64, &classifier, &prepared, &contenders, &mut sheet)?;
        println!("{index} {}", photo.name);
    }
    Ok(())
}

fn on_cifar(work: &Work) -> Result<()> {
    let folder = real_data()?;
    let classifier = resnet20(&folder)?;
    let mut sheet = Sheet::open(&work.out)?;
    let contenders = work.contenders(of_small_photos());
    for (index, photo) in photos(&folder)?.into_iter().enumerate() {
        let Some(class) = photo.cifar_class().filter(|_| work.has(index as u64)) else {
            continue;
        };
        let prepared = classifier.read(&photo.file)?;
        let found = classifier.predict(&prepared.image, 1)?;
        println!("{index} {}: {class}, found {}", photo.name, found[0].label);
        if found[0].label == class {
            let of = ["cifar", "resnet20", &photo.name];
            faithfulness(of, index as u64, &classifier, &prepared, &contenders, &mut sheet)?;
        }
    }
    Ok(())
}

/// Measures the map of every contender.
fn faithfulness(
    [subject, network, photo]: [&str; 3],
    index: u64,
    classifier: &Classifier,
    prepared: &Prepared,
    contenders: &[Contender],
    sheet: &mut Sheet,
) -> Result<()> {
    let measured = Measured {
        field: classifier.field(),
        image: &prepared.image,
        normalisation: &normalisation(classifier.preprocessing()),
        target: &Target::Top,
        mask: None,
    };
    each(classifier, prepared, contenders, |contender, explainer| {
        let of = [subject, network, photo, &contender.name];
        if sheet.has(of) {
            return Ok(());
        }
        let explanation = explainer.explain(&contender.settings, &Silent)?;
        sheet.add(of, &score_photo(&explanation, &measured, index)?)
    })
}

/// Every contender in turn; what several need is computed once.
fn each(
    classifier: &Classifier,
    prepared: &Prepared,
    contenders: &[Contender],
    mut run: impl FnMut(&Contender, &Explainer<'_>) -> Result<()>,
) -> Result<()> {
    let normalisation = normalisation(classifier.preprocessing());
    let (image, photo) = (&prepared.image, &prepared.photo);
    let subject = Subject { image, photo, normalisation: &normalisation };
    let segmenter = QuickShift::photo_of(image.shape().width.min(image.shape().height));
    let explainer = Explainer::new(classifier.field(), &subject, &segmenter, &Silent)?;
    contenders.iter().try_for_each(|contender| run(contender, &explainer))
}
