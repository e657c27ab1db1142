//! Runs Segment Anything as a request in JSON asks, for comparison with the reference code.
//!
//! `cargo run --release -p hsets-segmentation --features sam --example sam -- request.json`
//! with `{"weights": …, "photo": "photo.png", "out": "folder", "points": [[x, y], …],
//! "masks": {"points_per_side": …, "pred_iou_thresh": …, …}}`. Writes `embedding.f32`
//! (\[dim, grid, grid\]), `low_res.f32`, `masks.u8` and `answer.json` with numbers and seconds.

use std::{error::Error, fs, path::Path, time::Instant};

use hsets_core::{Photo, Silent};
use hsets_models::Device;
use hsets_segmentation::sam::{MaskSettings, Prompt, Sam, find_masks};
use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).ok_or("usage: sam request.json")?;
    let request: Value = serde_json::from_slice(&fs::read(path)?)?;
    let text = |name: &str| request[name].as_str().ok_or(format!("no {name} in the request"));
    let out = Path::new(text("out")?);
    let image = image::open(text("photo")?)?.to_rgb8();
    let (width, height) = (image.width() as usize, image.height() as usize);
    let photo = Photo::new(width, height, image.into_raw())?;

    let start = Instant::now();
    let sam = Sam::load(Path::new(text("weights")?), None, Device::Cpu)?;
    let load_seconds = start.elapsed().as_secs_f64();
    let mut embed_seconds = f64::INFINITY;
    let mut embedding = sam.embed(&photo, &Silent)?;
    for _ in 0..request["repeat"].as_u64().unwrap_or(1) {
        let start = Instant::now();
        embedding = sam.embed(&photo, &Silent)?;
        embed_seconds = embed_seconds.min(start.elapsed().as_secs_f64());
    }
    write_floats(&out.join("embedding.f32"), embedding.values())?;

    let (mut low_res, mut ious) = (Vec::new(), Vec::new());
    for point in request["points"].as_array().into_iter().flatten() {
        let place = |i: usize| point[i].as_f64().ok_or("a point is [x, y]");
        for mask in sam.predict(&embedding, &Prompt::point(place(0)?, place(1)?), true)? {
            low_res.extend(mask.logits);
            ious.push(mask.predicted_iou);
        }
    }
    write_floats(&out.join("low_res.f32"), &low_res)?;

    let mut answer = json!({
        "load_seconds": load_seconds, "embed_seconds": embed_seconds, "ious": ious,
    });
    if let Some(settings) = request.get("masks") {
        let start = Instant::now();
        let found = find_masks(&sam, &photo, &mask_settings(settings), &Silent)?;
        answer["masks_seconds"] = start.elapsed().as_secs_f64().into();
        answer["masks"] = found
            .iter()
            .map(|found| json!({"iou": found.predicted_iou, "stability": found.stability_score}))
            .collect();
        let pixels: Vec<u8> =
            found.iter().flat_map(|found| found.mask.pixels()).map(u8::from).collect();
        fs::write(out.join("masks.u8"), pixels)?;
    }
    fs::write(out.join("answer.json"), answer.to_string())?;
    Ok(())
}

fn mask_settings(request: &Value) -> MaskSettings {
    let number = |name: &str, default: f64| request[name].as_f64().unwrap_or(default);
    let whole = |name: &str, default: usize| number(name, default as f64) as usize;
    let original = MaskSettings::original();
    MaskSettings {
        points_per_side: whole("points_per_side", original.points_per_side),
        points_per_batch: whole("points_per_batch", original.points_per_batch),
        pred_iou_thresh: number("pred_iou_thresh", original.pred_iou_thresh.into()) as f32,
        stability_score_thresh: number(
            "stability_score_thresh",
            original.stability_score_thresh.into(),
        ) as f32,
        stability_score_offset: number(
            "stability_score_offset",
            original.stability_score_offset.into(),
        ) as f32,
        box_nms_thresh: number("box_nms_thresh", original.box_nms_thresh.into()) as f32,
        crop_n_layers: whole("crop_n_layers", original.crop_n_layers),
        crop_n_points_downscale_factor: whole("crop_n_points_downscale_factor", 1),
        min_mask_region_area: whole("min_mask_region_area", original.min_mask_region_area),
        ..original
    }
}

fn write_floats(path: &Path, values: &[f32]) -> Result<()> {
    Ok(fs::write(path, values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<_>>())?)
}
