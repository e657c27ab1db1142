//! Every method alone, on a bundled picture of 64×64 with sets of 400 features:
//! `cargo bench -p hsets-pipeline`.

use std::path::{Path, PathBuf};

use divan::{Bencher, black_box};
use hsets_core::Silent;
use hsets_models::{Classifier, LoadOptions, Prepared};
use hsets_pipeline::{Method, Settings, Subject, explain, normalisation};
use hsets_segmentation::QuickShift;

fn bundled(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/bundled").join(file)
}

fn classifier() -> Classifier {
    let weights = Some(bundled("model.safetensors"));
    let options = LoadOptions { weights, ..LoadOptions::default() };
    Classifier::load(&options, &Silent).expect("the bundled model loads")
}

fn picture(classifier: &Classifier) -> Prepared {
    let folder = bundled("pictures").read_dir().expect("a folder of pictures");
    let files = folder.map(|entry| entry.expect("a readable entry").path());
    classifier.read(&files.min().expect("a picture")).expect("the picture is readable")
}

#[divan::bench(args = Method::ALL.iter().copied(), sample_count = 7, sample_size = 1)]
fn explanation(bencher: Bencher, method: Method) {
    let classifier = classifier();
    let Prepared { image, photo, .. } = &picture(&classifier);
    let normalisation = normalisation(classifier.preprocessing());
    let subject = Subject { image, photo, normalisation: &normalisation };
    let mut settings = Settings { method, ..Settings::paper() };
    settings.detection.max_features = 400;
    let segmenter = QuickShift::photo_of(image.shape().width);
    bencher
        .bench(|| explain(classifier.field(), black_box(&subject), &segmenter, &settings, &Silent));
}

fn main() {
    divan::main();
}
