//! The bundled classifier needs both hands, as its README says.

use std::path::PathBuf;

use hsets_core::Silent;
use hsets_models::{Classifier, LoadOptions};
use hsets_scenes::{Scene, Task};

/// Pictures of this seed took no part in training or in the README's table.
const SEED: u64 = 11;
const N: u64 = 60;

fn bundled() -> Classifier {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/bundled/model.safetensors");
    let options = LoadOptions { weights: Some(PathBuf::from(file)), ..LoadOptions::default() };
    Classifier::load(&options, &Silent).expect("the bundled model loads")
}

/// Share of the scenes whose class gets the highest logit.
fn accuracy(classifier: &Classifier, scenes: &[Scene]) -> f64 {
    let hit = |scene: &&Scene| {
        let image = classifier.preprocessing().prepare(&scene.photo).expect("scenes are photos");
        classifier.predict(&image.image, 1).expect("the image fits")[0].class == scene.class
    };
    scenes.iter().filter(hit).count() as f64 / scenes.len() as f64
}

fn draw(scene: impl Fn(u64) -> hsets_core::Result<Scene>) -> Vec<Scene> {
    (0..N).map(scene).collect::<Result<_, _>>().expect("the size is allowed")
}

#[test]
fn knows_its_labels_and_input() {
    let classifier = bundled();
    let labels: Vec<&str> = (0..3).map(|class| classifier.labels().name(class)).collect();
    assert_eq!(labels, Task::Duel.labels());
    assert_eq!((classifier.shape().height, classifier.shape().width), (64, 64));
    assert_eq!(classifier.field().n_classes(), 3);
}

#[test]
fn is_right_at_any_resolution() {
    let classifier = bundled();
    for size in [64, 192] {
        let scenes = draw(|index| Task::Duel.draw(SEED, index, size));
        let accuracy = accuracy(&classifier, &scenes);
        assert!(accuracy >= 0.97, "{accuracy} at {size} pixels");
    }
}

#[test]
fn is_at_chance_without_either_hand() {
    let classifier = bundled();
    for part in 0..2 {
        let scenes = draw(|index| Task::Duel.draw_without(&[part], SEED, index, 64));
        let accuracy = accuracy(&classifier, &scenes);
        // Three standard errors around 1/3.
        assert!((accuracy - 1.0 / 3.0).abs() < 0.183, "{accuracy} without part {part}");
    }
}
