//! Real weights on real photos. Set `HSETS_REAL_DATA` to their folder; without it these tests say
//! that they were skipped.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::path::PathBuf;

use hsets_pipeline::{
    Explanation, Settings, Subject,
    core::Silent,
    explain,
    models::{Classifier, Prepared},
    normalisation,
    segmentation::QuickShift,
};
use hsets_tests::study::mobilenet;

fn real_data() -> Option<PathBuf> {
    let folder = std::env::var_os("HSETS_REAL_DATA").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: HSETS_REAL_DATA is not set");
    }
    folder
}

/// (file, class, probability) of the photos, as the weights' own program gave them.
fn photos(folder: &std::path::Path) -> Vec<(PathBuf, usize, f64)> {
    let text = std::fs::read_to_string(folder.join("images.json")).unwrap();
    let list: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
    let photo = |entry: &serde_json::Value| {
        let file = folder.join("images").join(entry["file"].as_str().unwrap());
        (file, entry["class_index"].as_u64().unwrap() as usize, entry["prob"].as_f64().unwrap())
    };
    list.iter().map(photo).collect()
}

#[test]
fn photos_are_recognised_with_the_known_probability() {
    let Some(folder) = real_data() else { return };
    let classifier = mobilenet(&folder).unwrap();
    let mut off = Vec::new();
    for (file, class, probability) in photos(&folder).into_iter().step_by(10) {
        let prepared = classifier.read(&file).unwrap();
        let top = &classifier.predict(&prepared.image, 1).unwrap()[0];
        assert_eq!(top.class, class, "{}", file.display());
        off.push((top.probability - probability).abs());
    }
    // Decoders of JPEG differ by a grey level here and there, which moves an unsure network.
    let mean = off.iter().sum::<f64>() / off.len() as f64;
    assert!(mean < 0.01 && off.iter().all(|off| *off < 0.1), "{off:?}");
}

fn explained(classifier: &Classifier, prepared: &Prepared, settings: &Settings) -> Explanation {
    let normalisation = normalisation(classifier.preprocessing());
    let subject =
        Subject { image: &prepared.image, photo: &prepared.photo, normalisation: &normalisation };
    explain(classifier.field(), &subject, &QuickShift::photo(), settings, &Silent).unwrap()
}

#[test]
fn a_photo_is_explained_as_the_authors_program_would() {
    let Some(folder) = real_data() else { return };
    let classifier = mobilenet(&folder).unwrap();
    let prepared = classifier.read(&photos(&folder)[0].0).unwrap();
    let explanation = explained(&classifier, &prepared, &Settings::reference());
    // Measured with PyTorch on ten photos: sets of 2001 features, 6 to 18 rows, Gini 0.93.
    assert_eq!(explanation.sets.len(), 5);
    assert!(explanation.sets.iter().all(|set| set.features.len() == 2001));
    assert!((5..=40).contains(&explanation.cost.alone.n_rows), "{}", explanation.cost.alone.n_rows);
    assert!((0.85..0.99).contains(&explanation.measures.gini), "{}", explanation.measures.gini);
}
