//! The networks against the reference code (`fixtures/sam/golden.py`).

use hsets_autodiff::Device;
use hsets_core::{Photo, Silent};
use hsets_models::sam::{SamNetwork, SamWeights};
use serde_json::Value;

use super::super::{
    testing::{drawn_photo, network, random_tensor, tiny_config, tiny_mobile_config},
    *,
};

const TINY: &str = include_str!("../../../../../fixtures/sam/tiny.json");
const TINY_MOBILE: &str = include_str!("../../../../../fixtures/sam/tiny-vit-encoder.json");
fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// Every 37th value and the norm agree with the golden.
fn assert_sample(found: &[f32], golden: &Value, tolerance: f32, what: &str) {
    let norm = found.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
    let relative = norm / golden["norm"].as_f64().unwrap() - 1.0;
    assert!(relative.abs() < f64::from(tolerance), "{what}: norm off by {relative}");
    let sample = found.iter().step_by(37);
    let values = floats(&golden["values"]);
    assert_eq!(sample.len(), values.len(), "{what}");
    let error = sample.zip(values).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(error < tolerance, "{what}: off by {error}");
}

/// An embedding \[dim, grid²\] cell by cell, as the goldens have it.
fn cell_by_cell(embedding: &Embedding, sam: &Sam) -> Vec<f32> {
    let (dim, cells) = (sam.config().dim, sam.config().grid().pow(2));
    (0..cells * dim).map(|i| embedding.values()[i % dim * cells + i / dim]).collect()
}

fn check_network(sam: &Sam, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let photo = drawn_photo(97, 64);
    let embedding = sam.embed(&photo, &Silent).unwrap();
    assert_sample(&cell_by_cell(&embedding, sam), &golden["embedding"], 1e-4, "embedding");
    check_prompts(sam, &embedding, &golden["prompts"]);
    for run in golden["automatic"].as_array().unwrap() {
        check_automatic(sam, &photo, run);
    }
}

fn check_prompts(sam: &Sam, embedding: &Embedding, golden: &Value) {
    let points = vec![
        Point { x: 30.0, y: 20.0, foreground: true },
        Point { x: 70.5, y: 41.25, foreground: false },
    ];
    let bounds = Some([10.0, 5.0, 60.0, 50.0]);
    let first = sam.predict(embedding, &Prompt::point(30.0, 20.0), true).unwrap();
    let mask = Some(first[0].logits.clone());
    let cases = [
        ("point", Prompt::point(30.0, 20.0), true),
        ("points", Prompt { points: points.clone(), ..Prompt::default() }, false),
        ("box", Prompt { bounds, ..Prompt::default() }, false),
        ("box and points", Prompt { points: points.clone(), bounds, mask: None }, true),
        ("mask", Prompt { points, bounds: None, mask }, true),
    ];
    for (name, prompt, multimask) in cases {
        let golden = &golden[name];
        let found = sam.predict(embedding, &prompt, multimask).unwrap();
        let ious = floats(&golden["ious"]);
        assert_eq!(found.len(), ious.len(), "{name}");
        for (found, iou) in found.iter().zip(&ious) {
            assert!((found.predicted_iou - iou).abs() < 1e-3, "{name}: {}", found.predicted_iou);
        }
        let logits: Vec<f32> = found.iter().flat_map(|found| found.logits.clone()).collect();
        assert_sample(&logits, &golden["low_res"], 1e-3, name);
        let areas = found.iter().map(|found| found.mask.area() as f32);
        for (area, golden) in areas.zip(floats(&golden["areas"])) {
            assert!((area - golden).abs() <= 3.0, "{name}: area {area} against {golden}");
        }
    }
}

fn check_automatic(sam: &Sam, photo: &Photo, run: &Value) {
    let number = |name: &str| run["settings"][name].as_f64().unwrap();
    let settings = MaskSettings {
        points_per_side: number("points_per_side") as usize,
        points_per_batch: number("points_per_batch") as usize,
        pred_iou_thresh: number("pred_iou_thresh") as f32,
        stability_score_thresh: number("stability_score_thresh") as f32,
        stability_score_offset: number("stability_score_offset") as f32,
        box_nms_thresh: number("box_nms_thresh") as f32,
        crop_n_layers: number("crop_n_layers") as usize,
        min_mask_region_area: number("min_mask_region_area") as usize,
        ..MaskSettings::original()
    };
    let found = find_masks(sam, photo, &settings, &Silent).unwrap();
    let golden = run["masks"].as_array().unwrap();
    assert_eq!(found.len(), golden.len(), "{settings:?}");
    let mut iou = 0.0;
    for (found, golden) in found.iter().zip(golden) {
        let mask = unpack(golden["bits"].as_str().unwrap(), photo);
        iou += found.mask.iou(&mask) / golden_len(run);
        let Bounds { left, top, right, bottom } = found.bounds;
        let bounds = [left, top, right, bottom].map(|side| side as f32);
        assert_eq!(bounds.to_vec(), floats(&golden["bounds"]));
        assert!((f64::from(found.predicted_iou) - golden["iou"].as_f64().unwrap()).abs() < 1e-3);
        let stability = golden["stability"].as_f64().unwrap();
        assert!((f64::from(found.stability_score) - stability).abs() < 0.02);
        let point = floats(&golden["point"]);
        assert!((found.point.0 - f64::from(point[0])).abs() < 1e-4);
        assert!((found.point.1 - f64::from(point[1])).abs() < 1e-4);
    }
    assert!(iou >= 0.99, "mean IoU {iou}, {settings:?}");
}

fn golden_len(run: &Value) -> f64 {
    run["masks"].as_array().unwrap().len() as f64
}

/// A mask from the hexadecimal digits of its pixels, eight to a byte, the first in the highest bit.
fn unpack(bits: &str, photo: &Photo) -> Mask {
    let digit = |i: usize| bits.as_bytes()[i / 4] as char;
    let inside = |i: usize| digit(i).to_digit(16).unwrap() >> (3 - i % 4) & 1 == 1;
    Mask::from_fn(photo.width(), photo.height(), inside)
}

#[test]
fn vit_answers_as_the_reference() {
    check_network(&network(tiny_config()), TINY);
}

#[test]
fn tiny_vit_answers_as_the_reference() {
    check_network(&network(tiny_mobile_config()), TINY_MOBILE);
}

/// The same graphs on candle's CPU, which stands for its other devices.
#[test]
fn candle_answers_as_the_reference() {
    for (config, golden) in [(tiny_config(), TINY), (tiny_mobile_config(), TINY_MOBILE)] {
        let weights = SamWeights::generated(random_tensor);
        let device = Device::new(candle_core::Device::Cpu);
        check_network(&Sam::of(SamNetwork::on(device, config, &weights).unwrap()), golden);
    }
}

/// Photos larger than the encoder's square are shrunk as the original does, and one may be a line.
#[test]
fn photos_of_any_size_answer_as_the_reference() {
    let goldens: Value =
        serde_json::from_str(include_str!("../../../../../fixtures/sam/sizes.json")).unwrap();
    let sam = network(tiny_config());
    for golden in goldens.as_array().unwrap() {
        let [width, height] = [0, 1].map(|side| golden["size"][side].as_u64().unwrap() as usize);
        let what = format!("{width}x{height}");
        let embedding = sam.embed(&drawn_photo(width, height), &Silent).unwrap();
        assert_sample(&cell_by_cell(&embedding, &sam), &golden["embedding"], 1e-4, &what);
        let point = Prompt::point(width as f64 / 2.0, height as f64 / 3.0);
        let found = sam.predict(&embedding, &point, true).unwrap();
        let logits: Vec<f32> = found.iter().flat_map(|found| found.logits.clone()).collect();
        assert_sample(&logits, &golden["low_res"], 1e-3, &what);
        let (ious, areas) = (floats(&golden["ious"]), floats(&golden["areas"]));
        for (found, (iou, area)) in found.iter().zip(ious.into_iter().zip(areas)) {
            assert!((found.predicted_iou - iou).abs() < 1e-3, "{what}: {}", found.predicted_iou);
            let off = (found.mask.area() as f32 - area).abs();
            assert!(off <= 0.005 * area, "{what}: area off by {off} of {area}");
        }
    }
}

/// The published ViT-B on a drawn photo; in release builds, as it takes a minute otherwise.
#[test]
#[cfg(not(debug_assertions))]
fn vit_b_answers_as_the_reference() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../../fixtures/sam/sam-vit-b.json")).unwrap();
    let sam = network(SamVariant::VitB.config());
    let embedding = sam.embed(&drawn_photo(97, 64), &Silent).unwrap();
    assert_sample(
        &cell_by_cell(&embedding, &sam).into_iter().step_by(101).collect::<Vec<_>>(),
        &golden["embedding"],
        1e-4,
        "embedding",
    );
}
