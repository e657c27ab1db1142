//! The segmenter's settings in full, and the masks it found.

use hsets_core::{MaskReport, PartitionReport};
use hsets_pipeline::segmentation::{
    Grid, MaskSettings, QuickShift, SamOptions, SamVariant, SegmenterChoice,
};
use serde_json::{Value, json};

use super::settings::as_typed;

/// A segmenter with all its settings.
pub fn segmenter(choice: &SegmenterChoice) -> Value {
    match choice {
        SegmenterChoice::QuickShift(settings) => quickshift(settings),
        SegmenterChoice::Grid(Grid { rows, columns }) => {
            json!({ "kind": "grid", "rows": rows, "columns": columns })
        }
        SegmenterChoice::Whole => json!({ "kind": "none" }),
        SegmenterChoice::LabelMap(path) => {
            json!({ "kind": "label-map", "file": path.display().to_string() })
        }
        SegmenterChoice::Sam(options) => sam(options),
        other => json!({ "kind": other.to_string() }),
    }
}

// These name every field, so that a new setting cannot be forgotten here.

fn quickshift(settings: &QuickShift) -> Value {
    let QuickShift { kernel_size, max_dist, ratio, sigma, convert_to_lab, seed } = settings;
    json!({
        "kind": "quickshift",
        "kernel_size": kernel_size,
        "max_dist": max_dist,
        "ratio": ratio,
        "sigma": sigma,
        "convert_to_lab": convert_to_lab,
        "seed": seed,
    })
}

fn sam(options: &SamOptions) -> Value {
    let SamOptions { variant, weights, sha256: _, masks, uncovered, fallback, cache } = options;
    let MaskSettings {
        points_per_side,
        points_per_batch,
        pred_iou_thresh,
        stability_score_thresh,
        stability_score_offset,
        box_nms_thresh,
        crop_n_layers,
        crop_nms_thresh,
        crop_overlap_ratio,
        crop_n_points_downscale_factor,
        point_grids,
        min_mask_region_area,
    } = masks;
    json!({
        "kind": "sam",
        "variant": variant.map(SamVariant::name),
        "weights": weights.as_ref().map(|path| path.display().to_string()),
        "points_per_side": points_per_side,
        "points_per_batch": points_per_batch,
        "pred_iou_thresh": as_typed(*pred_iou_thresh),
        "stability_score_thresh": as_typed(*stability_score_thresh),
        "stability_score_offset": as_typed(*stability_score_offset),
        "box_nms_thresh": as_typed(*box_nms_thresh),
        "crop_n_layers": crop_n_layers,
        "crop_nms_thresh": as_typed(*crop_nms_thresh),
        "crop_overlap_ratio": crop_overlap_ratio,
        "crop_n_points_downscale_factor": crop_n_points_downscale_factor,
        "point_grids": point_grids,
        "min_mask_region_area": min_mask_region_area,
        "uncovered": uncovered.name(),
        "fallback": fallback.as_ref().map(quickshift),
        "cache": cache.as_ref().map(|path| path.display().to_string()),
    })
}

/// The masks that a network found, and what became of them.
pub fn masks(report: &MaskReport) -> Value {
    let MaskReport { network, weights_sha256, partition } = report;
    let PartitionReport { n_masks, n_visible, coverage, overlap, deepest, notes, fell_back } =
        partition;
    json!({
        "network": network,
        "weights_sha256": weights_sha256,
        "n_masks": n_masks,
        "n_visible": n_visible,
        "coverage": coverage,
        "overlap": overlap,
        "deepest": deepest,
        "notes": notes,
        "fell_back": fell_back,
    })
}
