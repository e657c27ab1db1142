//! Real weights and photos, where `HSETS_REAL_DATA` names their folder; passes without it.

use std::path::{Path, PathBuf};

use hsets_core::Silent;
use hsets_models::{Classifier, LoadOptions, PaddingMode};

fn folder() -> Option<PathBuf> {
    std::env::var_os("HSETS_REAL_DATA").map(PathBuf::from)
}

fn mobilenet(folder: &Path, padding: PaddingMode) -> Classifier {
    let options = LoadOptions {
        model: Some("mobilenet_v2".into()),
        weights: Some(folder.join("mobilenet_v2_imagenet.safetensors")),
        labels: Some(folder.join("labels_imagenet.json")),
        mean: Some([0.5; 3]),
        std: Some([0.5; 3]),
        padding: Some(padding),
        ..LoadOptions::default()
    };
    Classifier::load(&options, &Silent).expect("the weights load")
}

/// Photos with the class that a PyTorch run of the same network gives them (key `class`), and its
/// probability (4 decimals). JPEG decoders differ by a level here and there.
///
/// Returns how many photos are named rightly, and how many there are.
#[allow(clippy::print_stdout, reason = "for whoever looks at the numbers")]
fn agrees_with_pytorch(
    classifier: &Classifier,
    folder: &Path,
    list: &str,
    class: &str,
) -> [u32; 2] {
    let listed = std::fs::read_to_string(folder.join(list)).expect("the list of photos is sound");
    let listed: serde_json::Value =
        serde_json::from_str(&listed).expect("the list of photos is sound");
    let (mut n_photos, mut n_same, mut n_right, mut differences) = (0, 0, 0, Vec::new());
    for entry in listed.as_array().expect("the list of photos is sound") {
        let file = folder
            .join("images")
            .join(entry["file"].as_str().expect("the list of photos is sound"));
        let index = |key: &str| entry[key].as_u64().expect("the list of photos is sound") as usize;
        let prepared = classifier.read(&file).expect("the list of photos is sound");
        let top = classifier.predict(&prepared.image, 1000).expect("the list of photos is sound");
        let probability = top
            .iter()
            .find(|p| p.class == index(class))
            .expect("the list of photos is sound")
            .probability;
        differences.push(
            (probability - entry["prob"].as_f64().expect("the list of photos is sound")).abs(),
        );
        n_same += u32::from(top[0].class == index(class));
        n_right += u32::from(top[0].class == index("class_index"));
        n_photos += 1;
    }
    differences.sort_by(f64::total_cmp);
    let mean: f64 = differences.iter().sum::<f64>() / f64::from(n_photos);
    let (median, worst) = (differences[differences.len() / 2], differences[differences.len() - 1]);
    println!(
        "{n_right} of {n_photos} right, {n_same} as there; probability off by {mean:.5} (median \
         {median:.5}, worst {worst:.4})"
    );
    assert!(f64::from(n_same) >= 0.99 * f64::from(n_photos), "{n_same} of {n_photos}");
    assert!(mean < 0.005, "probabilities are off by {mean} on average");
    [n_right, n_photos]
}

#[test]
fn mobilenet_v2_gets_the_photos_right() {
    let Some(folder) = folder() else { return };
    let classifier = mobilenet(&folder, PaddingMode::Same);
    agrees_with_pytorch(&classifier, &folder, "images.json", "class_index");
}

/// By its name alone: padding, eps and preprocessing are the architecture's.
#[test]
fn efficientnet_lite0_gets_the_photos_right() {
    let Some(folder) = folder() else { return };
    let options = LoadOptions {
        model: Some("tf_efficientnet_lite0".into()),
        weights: Some(folder.join("efficientnet_lite0_imagenet.safetensors")),
        ..LoadOptions::default()
    };
    let classifier = Classifier::load(&options, &Silent).unwrap();
    let list = "images_efficientnet_lite0.json";
    let [n_right, n_photos] = agrees_with_pytorch(&classifier, &folder, list, "top");
    assert!((193..=197).contains(&n_right) && n_photos == 200, "{n_right} of {n_photos}");
}

#[test]
fn cifar_resnet_loads_and_is_recognised() {
    let Some(folder) = folder() else { return };
    let options = LoadOptions {
        weights: Some(folder.join("resnet20_cifar10.safetensors")),
        labels: Some(folder.join("labels_cifar10.json")),
        ..LoadOptions::default()
    };
    let classifier = Classifier::load(&options, &Silent).unwrap();
    assert_eq!(classifier.name(), "resnet20");
    assert_eq!(classifier.shape().to_string(), "[3, 32, 32]");
    let file = folder.join("images/n01443537_goldfish.JPEG");
    let prepared = classifier.read(&file).unwrap();
    let top = classifier.predict(&prepared.image, 10).unwrap();
    assert!((top.iter().map(|p| p.probability).sum::<f64>() - 1.0).abs() < 1e-9);
}

#[test]
fn the_wrong_architecture_is_named() {
    let Some(folder) = folder() else { return };
    let options = LoadOptions {
        model: Some("vgg16".into()),
        weights: Some(folder.join("mobilenet_v2_imagenet.safetensors")),
        ..LoadOptions::default()
    };
    let error = Classifier::load(&options, &Silent).err().unwrap().to_string();
    assert!(error.contains("looks like a mobilenet_v2, not a vgg16"), "{error}");
    assert!(error.len() < 1200 && !error.contains('\n'), "{error}");
}
