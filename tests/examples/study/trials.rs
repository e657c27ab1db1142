//! Variants of `complete`, tried on photos and on scenes whose truth is known.

use std::path::Path;

use anyhow::Result;
use hsets_pipeline::{
    Explainer, Measured, Subject,
    core::{Segmenter as _, Silent, Target},
    models::{Classifier, Prepared},
    normalisation,
    segmentation::QuickShift,
};
use hsets_tests::study::{
    Sheet, Tried, Variant, mobilenet, photos, score_truth, score_variant, truth_networks, variants,
};

use crate::Work;

/// MobileNetV2 on the first `count` photos.
pub(crate) fn on_photos(work: &Work, folder: &Path, count: usize) -> Result<()> {
    let classifier = mobilenet(folder)?;
    let mut sheet = Sheet::open(&work.out)?;
    for (index, photo) in photos(folder)?.into_iter().enumerate().take(count) {
        let prepared = classifier.read(&photo.file)?;
        let normalisation = normalisation(classifier.preprocessing());
        let measured = Measured {
            field: classifier.field(),
            image: &prepared.image,
            normalisation: &normalisation,
            target: &Target::Top,
            mask: None,
        };
        let of = |variant: &Variant| ["settings", "mobilenet_v2", &photo.name, variant.name];
        let wanted = chosen(work, index as u64, |variant| !sheet.has(of(variant)));
        each(&classifier, &prepared, &wanted, |variant, tried| {
            let map = &tried.map(variant)?.map;
            sheet.add(of(variant), &score_variant(map, &measured, index as u64)?)
        })?;
        println!("{index} {}", photo.name);
    }
    Ok(())
}

/// Not the sequence of the scenes that are reported.
const SEED: u64 = 12;

/// All networks on which two parts decide, each on scenes of its own.
pub(crate) fn on_truth(work: &Work, pictures: u64) -> Result<()> {
    let mut sheet = Sheet::open(&work.out)?;
    for network in truth_networks()? {
        let subject = match network.subject() {
            "xor" => "settings-xor",
            "and" => "settings-and",
            _ => continue,
        };
        let classifier = network.load()?;
        let first = network.seed * pictures;
        for index in first..first + pictures {
            let scene = network.task.draw(SEED, index, classifier.shape().width)?;
            let prepared = classifier.preprocessing().prepare(&scene.photo)?;
            let picture = index.to_string();
            let of = |variant: &Variant| [subject, &network.name, &picture, variant.name];
            // Segments of such small pictures cannot be finer.
            let is_new = |variant: &Variant| variant.finer == 1 && !sheet.has(of(variant));
            let wanted = chosen(work, index, is_new);
            each(&classifier, &prepared, &wanted, |variant, tried| {
                let found = tried.map(variant)?;
                sheet.add(of(variant), &score_truth(&found, &scene, index)?)
            })?;
        }
        println!("{subject} {}", network.name);
    }
    Ok(())
}

fn chosen(work: &Work, picture: u64, is_new: impl Fn(&Variant) -> bool) -> Vec<Variant> {
    let wanted =
        |variant: &Variant| work.has(picture) && work.wants(variant.name) && is_new(variant);
    variants().into_iter().filter(wanted).collect()
}

/// Every variant in turn; those with the same segments stand together.
fn each(
    classifier: &Classifier,
    prepared: &Prepared,
    variants: &[Variant],
    mut run: impl FnMut(&Variant, &Tried<'_>) -> Result<()>,
) -> Result<()> {
    if variants.is_empty() {
        return Ok(());
    }
    let normalisation = normalisation(classifier.preprocessing());
    let (image, photo) = (&prepared.image, &prepared.photo);
    let subject = Subject { image, photo, normalisation: &normalisation };
    let preset = QuickShift::photo_of(image.shape().width.min(image.shape().height));
    let explainer = Explainer::new(classifier.field(), &subject, &preset, &Silent)?;
    let (mut tried, mut finer) = (Tried::new(explainer, &normalisation), 1);
    for variant in variants {
        if variant.finer != finer {
            finer = variant.finer;
            let kernel_size = preset.kernel_size / f64::from(finer).sqrt();
            let segments = QuickShift { kernel_size, ..preset }.segment(photo)?;
            tried = tried.resegmented(segments)?;
        }
        run(variant, &tried)?;
    }
    Ok(())
}
