//! `--segmenter`: what is missing shows at once, and results tell how segments were made.

use std::fs;

use serde_json::Value;

use crate::support::{Place, QUICK, Ran, program};

/// Runs with a hub of which nothing was ever downloaded. The classifier's weights do not exist, so
/// an error about the segmenter came before they were looked for.
#[track_caller]
fn fails_early(line: &str, code: i32, parts: &[&str]) {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.file("cut.safetensors", [8, 0, 0, 0, 0, 0, 0, 0, b'{']);
    let explain =
        format!("explain cat.png --model vgg16 --weights none.safetensors --out out {line}");
    let mut command = program();
    command.args(explain.split(' ')).current_dir(place.path(""));
    let ran = Ran::of(command.env("HF_HUB_CACHE", place.path("hub")).output().unwrap());
    ran.failed(code, parts);
    assert!(place.names("out").is_empty());
}

#[test]
fn what_is_missing_shows_before_the_classifier_is_loaded() {
    fails_early("--segmenter labels.png", 2, &["labels.png"]);
    fails_early(
        "--segmenter grid --sam-points 8",
        2,
        &["sam-points = 8", "--segmenter mobile-sam"],
    );
    if !cfg!(feature = "quickshift") {
        fails_early("--segmenter quickshift", 2, &["--features quickshift"]);
    }
}

#[test]
fn published_weights_that_cannot_be_had_say_what_to_do() {
    if !cfg!(feature = "sam") {
        return;
    }
    for (name, file) in [
        ("sam", "sam_vit_b_01ec64.pth"),
        ("sam-vit-b", "sam_vit_b_01ec64.pth"),
        ("sam-vit-l", "sam_vit_l_0b3195.pth"),
        ("sam-vit-h", "sam_vit_h_4b8939.pth"),
        ("mobile-sam", "mobile_sam.pt"),
    ] {
        fails_early(&format!("--segmenter {name}"), 1, &[file, "--sam-weights FILE"]);
    }
    fails_early("--segmenter sam --sam-weights no.pth", 2, &["sam-weights = no.pth"]);
}

#[test]
fn settings_of_sam_are_checked() {
    if !cfg!(feature = "sam") {
        return;
    }
    for (option, part) in [
        ("--sam-points 0", "points_per_side = 0"),
        ("--sam-crops 9", "crop_n_layers = 9"),
        ("--sam-set crop_overlap_ratio=2", "crop_overlap_ratio = 2"),
        ("--sam-set points=3", "points_per_side"),
        ("--sam-set points_per_side", "NAME=VALUE"),
        ("--sam-set box_nms_thresh=much", "box_nms_thresh=much"),
        ("--sam-stability NaN", "stability_score_thresh = NaN"),
    ] {
        fails_early(&format!("--segmenter mobile-sam {option}"), 2, &[part]);
    }
    let place = Place::new();
    let usage = place.run(["segment", "a.png", "--out", "b.png", "--sam-uncovered", "none"]);
    assert_eq!(usage.code, Some(2), "{usage:?}");
    assert!(usage.stderr.contains("own or nearest"), "{usage:?}");
}

#[test]
fn damaged_weights_of_sam_are_named() {
    if !cfg!(feature = "sam") {
        return;
    }
    let place = Place::new();
    place.picture("cat.png", 1, 64);
    place.file("cut.safetensors", [8, 0, 0, 0, 0, 0, 0, 0, b'{']);
    place.file("half.pth", include_bytes!("../../../../fixtures/sam/half.pth"));
    for (file, part) in [("cut.safetensors", "whole"), ("half.pth", "not the weights")] {
        let line = format!("segment cat.png --segmenter sam --sam-weights {file} --out l.png");
        place.run(line.split(' ')).failed(1, &[file, part]);
    }
    assert!(!place.path("l.png").exists());
}

#[test]
fn records_tell_the_segmenter_in_full() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let read = |line: &str| -> Value {
        place.run_model(&format!("explain cat.png --out out {QUICK} {line}")).ok();
        let record = fs::read(place.path("out/cat/explanation.json")).unwrap();
        serde_json::from_slice(&record).unwrap()
    };
    let record = read("--segmenter grid:2x4");
    let expected = serde_json::json!({ "kind": "grid", "rows": 2, "columns": 4 });
    assert_eq!(record["settings"]["segmentation"], expected);
    assert_eq!(
        (&record["settings"]["segmenter"], &record["n_segments"]),
        (&"grid:2x4".into(), &8.into())
    );
    assert!(record.get("masks").is_none());
    if cfg!(feature = "quickshift") {
        let record = read("--segmenter quickshift");
        let quickshift = &record["settings"]["segmentation"];
        // 4 pixels at 224, so 64 / 56 at 64.
        assert_eq!(quickshift["kernel_size"], 64.0 / 56.0);
        assert_eq!((&quickshift["max_dist"], &quickshift["ratio"]), (&200.0.into(), &0.2.into()));
    }
}

/// The same picture at the size that the network sees has the same segments in both commands.
#[test]
fn segment_and_explain_agree() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let segment = place.run(["segment", "cat.png", "--out", "l.png", "--json"]).ok().json();
    let explain = place.run_model(&format!("explain cat.png --out out --json {QUICK}")).ok().json();
    assert_eq!(segment["n_segments"], explain["n_segments"]);
}
