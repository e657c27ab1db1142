//! Interactions on photos: how faithful effects of pairs are, and what becomes of them under other
//! references.

use std::path::Path;

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Explainer, Explanation, Method, Reference, Settings, Subject,
    core::{Mask, Silent},
    detection::{Interaction, Sign},
    metrics::{PairSampling, PairTrials},
    models::Classifier,
    normalisation,
    segmentation::QuickShift,
};
use hsets_tests::study::{Sheet, efficientnet_lite0, mobilenet, photos};

use crate::{Places, Work};

/// Which network looks at the photos.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Network {
    /// MobileNetV2.
    MobilenetV2,
    /// EfficientNet-Lite0, on which nothing was chosen.
    EfficientnetLite0,
}

impl Network {
    fn load(self, folder: &Path) -> Result<(&'static str, Classifier)> {
        Ok(match self {
            Self::MobilenetV2 => ("photo-pairs", mobilenet(folder)?),
            Self::EfficientnetLite0 => ("photo-pairs-lite0", efficientnet_lite0(folder)?),
        })
    }
}

/// All measurements of the photos at these places of the seeded order.
pub(crate) fn on_photos(
    work: &Work,
    folder: &Path,
    network: Network,
    places: &Places,
) -> Result<()> {
    let (subject, classifier) = network.load(folder)?;
    let mut sheet = Sheet::open(&work.out)?;
    for (index, photo) in places.of(photos(folder)?) {
        let of = [subject, classifier.name(), &photo.name, "contrasts"];
        if work.has(index as u64) && !sheet.has(of) {
            sheet.add(of, &measured(&classifier, &photo.file, index as u64)?)?;
            println!("{index} {}", photo.name);
        }
    }
    Ok(())
}

fn measured(classifier: &Classifier, file: &Path, seed: u64) -> Result<Vec<(&'static str, f64)>> {
    let prepared = classifier.read(file)?;
    let normalisation = normalisation(classifier.preprocessing());
    let (image, photo) = (&prepared.image, &prepared.photo);
    let subject = Subject { image, photo, normalisation: &normalisation };
    let segmenter = QuickShift::photo_of(image.shape().width.min(image.shape().height));
    let explainer = Explainer::new(classifier.field(), &subject, &segmenter, &Silent)?;
    let settings = Settings { method: Method::Contrasts, ..Settings::paper() };
    let explanation = explainer.explain(&settings, &Silent)?;
    let mut scores = vec![("segments", explanation.segments.n_segments() as f64)];
    scores.extend(of_regions(&explainer, &explanation, settings.clone(), seed)?);
    scores.extend(of_segments(&explainer, &explanation, &settings, seed)?);
    Ok(scores)
}

/// What is claimed of the regions found; and their signs, measured again in fresh contexts, under
/// the reference they were found with (the most that can be asked for) and under the others.
fn of_regions(
    explainer: &Explainer<'_>,
    explanation: &Explanation,
    mut settings: Settings,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let found = explanation.interactions.contrasts.as_ref().context("no contrasts")?;
    let pairs: Vec<[Mask; 2]> =
        found.interactions.iter().map(|pair| pair.regions.clone()).collect();
    let trials = &mut settings.contrasts.regions.trials;
    // Every pair in as many contexts under every reference, the first too.
    (trials.delta, trials.contexts) = (0.0, trials.reference_contexts);
    trials.first_contexts = trials.contexts;
    settings.contrasts.regions.seed = seed.wrapping_add(1 << 32);
    let again = explainer.contrast(&settings, &pairs, &Silent)?;
    let signs = |of: &dyn Fn(&Interaction, &Interaction) -> Option<Sign>| -> f64 {
        mean(found.interactions.iter().filter_map(|pair| {
            let other = again.iter().find(|other| other.regions == pair.regions)?;
            Some(f64::from(of(pair, other)? == other.sign()))
        }))
    };
    let under = |name: &str| {
        signs(&|_, again| {
            let other = again.references.iter().find(|other| other.name == name)?;
            Some(Sign::of(other.contrast.effect.mean))
        })
    };
    let strongest = found.interactions.first();
    Ok(vec![
        ("claim", f64::from(found.has_claim())),
        ("strength", strongest.map_or(0.0, Interaction::strength)),
        ("sign-again", signs(&|pair, _| Some(pair.sign()))),
        ("sign-blur", under("blur")),
        ("sign-zero", under("zero")),
        ("sign-rolled", under("rolled")),
    ])
}

/// How faithful the effects of pairs of segments are, under the reference they were measured with
/// and under blur.
fn of_segments(
    explainer: &Explainer<'_>,
    explanation: &Explanation,
    settings: &Settings,
    seed: u64,
) -> Result<Vec<(&'static str, f64)>> {
    let effects = explanation.interactions.pair_effects.as_ref().context("no effects of pairs")?;
    let predicted = |[a, b]: [u32; 2]| effects.effect(a, b);
    let removal = |reference: &Reference| explainer.removal(reference, &explanation.target);
    let sampling = PairSampling { seed, ..PairSampling::standard() };
    let segments = &explanation.segments;
    let first = removal(&settings.contrasts.references[0])?;
    let trials = PairTrials::measure(&first, segments, &sampling, &Silent)?;
    let blurred = trials.repeated(&*removal(&Reference::Blur)?, segments, &Silent)?;
    Ok(vec![
        ("faithfulness", trials.faithfulness(predicted)),
        ("faithfulness-of-mains", trials.faithfulness_of_mains()),
        ("split-half", trials.split_half()),
        ("ceiling", trials.ceiling()),
        ("faithfulness-blur", blurred.faithfulness(predicted)),
        ("ceiling-blur", blurred.ceiling()),
    ])
}

/// NaN for none.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    sum / f64::from(n)
}
