//! The tiny networks against the reference code (`fixtures/sam/golden.py`), and bad input.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashMap},
    path::Path,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
};

use candle_core::{Device, Tensor};
use hsets_core::{Error, Photo, Progress, SegmentMap, Segmenter, Silent};
use serde_json::Value;

use super::{
    testing::{drawn_photo, network, random_tensor, tiny_config, tiny_mobile_config},
    weights::Weights,
    *,
};

const TINY: &str = include_str!("../../../../fixtures/sam/tiny.json");
const TINY_MOBILE: &str = include_str!("../../../../fixtures/sam/tiny-vit-encoder.json");
const HALF: &[u8] = include_bytes!("../../../../fixtures/sam/half.pth");

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

fn check_network(sam: &Sam, golden: &str) {
    let golden: Value = serde_json::from_str(golden).unwrap();
    let photo = drawn_photo(97, 64);
    let embedding = sam.embed(&photo, &|| Ok(())).unwrap();
    assert_sample(embedding.values(), &golden["embedding"], 1e-4, "embedding");
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

/// Settings under which the tiny network finds masks.
fn settings() -> MaskSettings {
    MaskSettings {
        points_per_side: 4,
        points_per_batch: 6,
        pred_iou_thresh: -9.0,
        stability_score_thresh: 0.0,
        ..MaskSettings::original()
    }
}

#[derive(Default)]
struct Counter {
    total: AtomicU64,
    done: AtomicU64,
    /// Cancels once this many are done.
    limit: Option<u64>,
}

impl Progress for Counter {
    fn begin(&self, _stage: &str, total: u64) {
        self.total.store(total, Ordering::Relaxed);
    }
    fn advance(&self, n: u64) {
        self.done.fetch_add(n, Ordering::Relaxed);
    }
    fn is_cancelled(&self) -> bool {
        self.limit.is_some_and(|limit| self.done.load(Ordering::Relaxed) >= limit)
    }
}

#[test]
fn progress_counts_points_and_cancels() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let progress = Counter::default();
    let all = find_masks(&sam, &photo, &settings(), &progress).unwrap();
    assert_eq!(progress.total.into_inner(), 16);
    assert_eq!(progress.done.into_inner(), 16);
    assert!(!all.is_empty());
    let progress = Counter { limit: Some(6), ..Counter::default() };
    let cancelled = find_masks(&sam, &photo, &settings(), &progress);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert_eq!(progress.done.into_inner(), 6);
    let progress = Counter { limit: Some(0), ..Counter::default() };
    assert!(matches!(find_masks(&sam, &photo, &settings(), &progress), Err(Error::Cancelled)));
}

/// Explicit points equal to the grid's give the grid's masks.
#[test]
fn explicit_points_replace_the_grid() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let places = [0.125, 0.375, 0.625, 0.875];
    let grid = places.iter().flat_map(|&y| places.iter().map(move |&x| (x, y))).collect();
    let explicit = MaskSettings { point_grids: Some(vec![grid]), ..settings() };
    let masks = |settings| find_masks(&sam, &photo, &settings, &Silent).unwrap();
    assert_eq!(masks(explicit), masks(settings()));
}

struct Halves;

impl Segmenter for Halves {
    fn segment(&self, photo: &Photo) -> hsets_core::Result<SegmentMap> {
        let (width, height) = (photo.width(), photo.height());
        let labels: Vec<u32> =
            (0..width * height).map(|i| u32::from(i % width > width / 2)).collect();
        SegmentMap::new(width, height, &labels)
    }
}

#[test]
fn without_masks_the_fallback_segments() {
    let photo = drawn_photo(40, 40);
    let mut segmenter = SamSegmenter::new(network(tiny_config()), Box::new(Halves));
    segmenter.settings = MaskSettings { pred_iou_thresh: 1e9, ..settings() };
    let result = segmenter.run(&photo, &Silent).unwrap();
    assert!(result.report.fell_back && result.masks.is_empty());
    assert_eq!(
        result.report.notes,
        ["no mask was found: 2 segments of the fallback segmenter instead"]
    );
    assert_eq!(result.segments, Halves.segment(&photo).unwrap());
    segmenter.settings = settings();
    let result = segmenter.run(&photo, &Silent).unwrap();
    assert!(!result.report.fell_back && result.segments.n_segments() > 1);
    assert_eq!(segmenter.segment(&photo).unwrap(), result.segments);
}

#[test]
fn odd_photos_have_masks_of_their_size() {
    let sam = network(tiny_config());
    for (width, height) in [(1, 40), (40, 1), (1, 1), (700, 3), (1, 2000), (300, 200)] {
        let photo = drawn_photo(width, height);
        let crops = MaskSettings { crop_n_layers: 1, min_mask_region_area: 3, ..settings() };
        for found in find_masks(&sam, &photo, &crops, &Silent).unwrap() {
            assert_eq!((found.mask.width(), found.mask.height()), (width, height));
        }
    }
}

#[test]
fn bad_prompts_and_settings_are_refused() {
    let (sam, photo) = (network(tiny_config()), drawn_photo(50, 30));
    let embedding = sam.embed(&photo, &|| Ok(())).unwrap();
    let outside = sam.predict(&embedding, &Prompt::point(20.0, 31.0), true).unwrap_err();
    assert_eq!(outside.to_string(), "prompt = (20, 31): a place within the photo, 50x30 pixels");
    let nan = Prompt::bounds([0.0, 0.0, f64::NAN, 3.0]);
    assert!(matches!(sam.predict(&embedding, &nan, false), Err(Error::Config { .. })));
    let small = Prompt { mask: Some(vec![0.0; 16]), ..Prompt::default() };
    assert!(matches!(sam.predict(&embedding, &small, false), Err(Error::Shape { .. })));
    let original = MaskSettings::original;
    let bad = [
        MaskSettings { points_per_side: 0, ..original() },
        MaskSettings { points_per_batch: 0, ..original() },
        MaskSettings { box_nms_thresh: f32::NAN, ..original() },
        MaskSettings { stability_score_thresh: f32::NAN, ..original() },
        MaskSettings { crop_n_layers: 99, ..original() },
        MaskSettings { crop_n_layers: 2, crop_n_points_downscale_factor: 8, ..original() },
        MaskSettings { point_grids: Some(vec![vec![(0.5, 1.5)]]), ..original() },
    ];
    for settings in bad {
        assert!(matches!(settings.check(), Err(Error::Config { .. })), "{settings:?}");
    }
}

/// The tiny network's tensors by Meta's names, as the network asks for them.
fn tensors() -> BTreeMap<String, Tensor> {
    let seen = Rc::new(RefCell::new(BTreeMap::new()));
    let record = Rc::clone(&seen);
    let weights = Weights::generated(Box::new(move |name, shape| {
        let values = random_tensor(name, shape);
        let tensor = Tensor::from_vec(values.clone(), shape, &Device::Cpu).unwrap();
        record.borrow_mut().insert(name.to_string(), tensor);
        values
    }));
    Sam::new(tiny_config(), &weights).unwrap();
    drop(weights);
    Rc::into_inner(seen).unwrap().into_inner()
}

fn save(path: &Path, tensors: impl IntoIterator<Item = (String, Tensor)>) {
    let tensors: HashMap<String, Tensor> = tensors.into_iter().collect();
    candle_core::safetensors::save(&tensors, path).unwrap();
}

#[test]
fn both_namings_load_the_same_network() {
    let folder = tempfile::tempdir().unwrap();
    let (meta, hugging_face) =
        (folder.path().join("a.safetensors"), folder.path().join("b.safetensors"));
    save(&meta, tensors());
    let renamed = |name: &str| match weights::hugging_face_name(name) {
        // The published files keep one copy of this matrix.
        name if name.ends_with("positional_embedding") => {
            "shared_image_embedding.positional_embedding".into()
        }
        name => name,
    };
    save(&hugging_face, tensors().into_iter().map(|(name, tensor)| (renamed(&name), tensor)));
    let photo = drawn_photo(30, 40);
    let masks = |path: &Path| {
        let weights = Weights::open(path).unwrap();
        assert_eq!(weights.variant().unwrap(), Variant::VitB);
        let sam = Sam::new(tiny_config(), &weights).unwrap();
        find_masks(&sam, &photo, &settings(), &Silent).unwrap()
    };
    let expected = find_masks(&network(tiny_config()), &photo, &settings(), &Silent).unwrap();
    assert!(masks(&meta) == expected, "Meta's names");
    assert!(masks(&hugging_face) == expected, "Hugging Face's names");
}

/// Names as in `facebook/sam-vit-base`.
#[test]
fn hugging_face_names() {
    for (meta, expected) in [
        ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
        ("image_encoder.patch_embed.proj.bias", "vision_encoder.patch_embed.projection.bias"),
        ("image_encoder.blocks.3.norm1.weight", "vision_encoder.layers.3.layer_norm1.weight"),
        ("image_encoder.blocks.3.attn.rel_pos_h", "vision_encoder.layers.3.attn.rel_pos_h"),
        ("image_encoder.neck.3.bias", "vision_encoder.neck.layer_norm2.bias"),
        ("prompt_encoder.point_embeddings.2.weight", "prompt_encoder.point_embed.2.weight"),
        ("prompt_encoder.mask_downscaling.6.bias", "prompt_encoder.mask_embed.conv3.bias"),
        (
            "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix",
            "prompt_encoder.shared_embedding.positional_embedding",
        ),
        ("mask_decoder.output_upscaling.3.weight", "mask_decoder.upscale_conv2.weight"),
        (
            "mask_decoder.transformer.norm_final_attn.bias",
            "mask_decoder.transformer.layer_norm_final_attn.bias",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.1.layers.1.weight",
            "mask_decoder.output_hypernetworks_mlps.1.layers.0.weight",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.1.layers.2.weight",
            "mask_decoder.output_hypernetworks_mlps.1.proj_out.weight",
        ),
        (
            "mask_decoder.iou_prediction_head.layers.0.weight",
            "mask_decoder.iou_prediction_head.proj_in.weight",
        ),
        (
            "mask_decoder.iou_prediction_head.layers.1.weight",
            "mask_decoder.iou_prediction_head.layers.0.weight",
        ),
    ] {
        assert_eq!(weights::hugging_face_name(meta), expected);
    }
}

#[test]
fn pickled_half_floats_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("half.pth");
    std::fs::write(&path, HALF).unwrap();
    let weights = Weights::open(&path).unwrap();
    let values = weights.get("image_encoder.a", &[2, 3]).unwrap();
    assert_eq!(values, [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]);
    assert_eq!(weights.get("b", &[2]).unwrap(), [1.5, -2.0]);
    let error = weights.get("b", &[3]).unwrap_err().to_string();
    assert!(error.contains("tensor b has shape [2], expected [3]"), "{error}");
    let error = weights.variant().unwrap_err().to_string();
    assert!(error.contains("not the weights of a Segment Anything network"), "{error}");
}

#[test]
fn bad_weight_files_are_named_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    save(&path, tensors());
    let error = Sam::load(&path, Some(Variant::VitH)).unwrap_err();
    assert!(matches!(error, WeightsError::WrongVariant { found: Variant::VitB, .. }));
    assert!(error.to_string().contains("holds the weights of sam-vit-b, not of sam-vit-h"));
    // The tiny network has the blocks of no published one.
    assert!(matches!(Sam::load(&path, None), Err(WeightsError::Shape { .. })));
    let whole = std::fs::read(&path).unwrap();
    for (name, bytes) in [
        ("cut.safetensors", &whole[..whole.len() / 2]),
        ("empty.safetensors", &[]),
        ("cut.pth", &HALF[..HALF.len() / 2]),
        ("weights.bin", &whole),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let error = Sam::load(&path, None).unwrap_err();
        assert!(matches!(error, WeightsError::Read { .. }), "{name}: {error}");
        assert!(error.to_string().contains(name), "{error}");
    }
    let absent = Sam::load(&folder.path().join("absent.pth"), None).unwrap_err();
    assert!(matches!(absent, WeightsError::Read { .. }));
}

#[test]
fn found_masks_are_cached() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("weights.safetensors");
    save(&weights, tensors());
    let mut sam = network(tiny_config());
    sam.set_path(&weights);
    let mut segmenter = SamSegmenter::new(sam, Box::new(Halves));
    segmenter.settings = settings();
    segmenter.cache = Some(MaskCache::new(folder.path().join("cache")).unwrap());
    let photo = drawn_photo(40, 40);
    let progress = Counter::default();
    let first = segmenter.run(&photo, &progress).unwrap();
    assert_eq!(progress.done.into_inner(), 16);
    let progress = Counter::default();
    assert_eq!(segmenter.run(&photo, &progress).unwrap(), first);
    assert_eq!(progress.done.into_inner(), 0, "the second run decodes nothing");
}

/// The published ViT-B on a drawn photo; in release builds, as it takes a minute otherwise.
#[test]
#[cfg(not(debug_assertions))]
fn vit_b_answers_as_the_reference() {
    let golden: Value =
        serde_json::from_str(include_str!("../../../../fixtures/sam/sam-vit-b.json")).unwrap();
    let sam = network(Variant::VitB.config());
    let embedding = sam.embed(&drawn_photo(97, 64), &|| Ok(())).unwrap();
    assert_sample(
        &embedding.values().iter().copied().step_by(101).collect::<Vec<_>>(),
        &golden["embedding"],
        1e-4,
        "embedding",
    );
}
