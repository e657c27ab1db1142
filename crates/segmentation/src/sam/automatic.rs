//! Masks of everything in a photo: a grid of points, filters, and suppression of duplicates.

use hsets_core::{Error, Photo, Progress, Result};
use rayon::prelude::*;

use super::{
    Bounds, Mask, Prompt, Sam,
    crops::{Crop, crops, point_grid},
    frame::Upsampling,
    model::Embedding,
    regions::without_small_regions,
    suppression::suppress,
};

/// A point of a grid, both coordinates in \[0, 1\] of the crop's width and height.
pub type GridPoint = (f64, f64);

/// Settings of the automatic mask generator, by the names of the original.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskSettings {
    /// Points along one side of the grid; 1 or more.
    pub points_per_side: usize,
    /// Points decoded between two looks at progress and cancellation; 1 or more.
    pub points_per_batch: usize,
    /// Masks need a predicted IoU above this; 0 or less keeps all.
    pub pred_iou_thresh: f32,
    /// Masks need at least this stability score; 0 or less keeps all.
    pub stability_score_thresh: f32,
    /// Shift δ of the stability score: area(logit > δ) / area(logit > -δ).
    pub stability_score_offset: f32,
    /// IoU of boxes above which the mask of lower predicted IoU is a duplicate.
    pub box_nms_thresh: f32,
    /// Layers of crops beside the whole photo; layer i has 4ⁱ crops.
    pub crop_n_layers: usize,
    /// As `box_nms_thresh`, between crops; masks of smaller crops win.
    pub crop_nms_thresh: f32,
    /// Overlap of the first layer's crops, as a fraction of the shorter side; later layers halve it.
    pub crop_overlap_ratio: f64,
    /// Each layer divides the points per side by this; 1 or more.
    pub crop_n_points_downscale_factor: usize,
    /// Explicit points for each layer instead of grids.
    pub point_grids: Option<Vec<Vec<GridPoint>>>,
    /// Holes are filled and islands removed that have fewer pixels than this; 0 leaves masks alone.
    pub min_mask_region_area: usize,
}

impl MaskSettings {
    /// The defaults of the original, meant for ViT-H: 1024 points.
    pub fn original() -> Self {
        Self {
            points_per_side: 32,
            points_per_batch: 64,
            pred_iou_thresh: 0.88,
            stability_score_thresh: 0.95,
            stability_score_offset: 1.0,
            box_nms_thresh: 0.7,
            crop_n_layers: 0,
            crop_nms_thresh: 0.7,
            crop_overlap_ratio: 512.0 / 1500.0,
            crop_n_points_downscale_factor: 1,
            point_grids: None,
            min_mask_region_area: 0,
        }
    }

    /// 256 points: a quarter of the decoding; small objects may be missed.
    pub fn fast() -> Self {
        Self { points_per_side: 16, ..Self::original() }
    }

    /// Fails if a setting is outside its range.
    pub fn check(&self) -> Result<()> {
        let at_least_one = |name, value: usize| match value {
            0 => Err(Error::config(name, value, "1 or more")),
            _ => Ok(()),
        };
        at_least_one("points_per_side", self.points_per_side)?;
        at_least_one("points_per_batch", self.points_per_batch)?;
        at_least_one("crop_n_points_downscale_factor", self.crop_n_points_downscale_factor)?;
        let fractions = [
            ("box_nms_thresh", f64::from(self.box_nms_thresh)),
            ("crop_nms_thresh", f64::from(self.crop_nms_thresh)),
            ("crop_overlap_ratio", self.crop_overlap_ratio),
        ];
        for (name, value) in fractions {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::config(name, value, "a number from 0 to 1"));
            }
        }
        if self.crop_n_layers > 5 {
            return Err(Error::config("crop_n_layers", self.crop_n_layers, "0 to 5"));
        }
        let thresholds = [
            ("pred_iou_thresh", self.pred_iou_thresh),
            ("stability_score_thresh", self.stability_score_thresh),
            ("stability_score_offset", self.stability_score_offset),
        ];
        for (name, value) in thresholds {
            if !value.is_finite() {
                return Err(Error::config(name, value, "a finite number"));
            }
        }
        self.check_grids()
    }

    fn check_grids(&self) -> Result<()> {
        let Some(grids) = &self.point_grids else {
            let divisor =
                self.crop_n_points_downscale_factor.checked_pow(self.crop_n_layers as u32);
            let fewest = divisor.map_or(0, |divisor| self.points_per_side / divisor);
            let allowed = "at least one point per side in the last crop layer";
            return if fewest > 0 {
                Ok(())
            } else {
                Err(Error::config("points_per_side", self.points_per_side, allowed))
            };
        };
        let inside = |(x, y): &GridPoint| (0.0..=1.0).contains(x) && (0.0..=1.0).contains(y);
        if grids.len() != self.crop_n_layers + 1 || !grids.iter().flatten().all(inside) {
            let allowed = "points in [0, 1] for the photo and for every crop layer";
            return Err(Error::config("point_grids", format!("{} grids", grids.len()), allowed));
        }
        Ok(())
    }

    /// The points of a crop layer.
    fn points(&self, layer: usize) -> Vec<GridPoint> {
        match &self.point_grids {
            Some(grids) => grids[layer].clone(),
            None => point_grid(
                self.points_per_side / self.crop_n_points_downscale_factor.pow(layer as u32),
            ),
        }
    }
}

/// A mask found by the automatic generator.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundMask {
    /// The mask at the photo's size.
    pub mask: Mask,
    /// The box around it.
    pub bounds: Bounds,
    /// The network's own estimate of its quality.
    pub predicted_iou: f32,
    /// IoU of the masks thresholded above and below 0.
    pub stability_score: f32,
    /// The point it came from, (x, y) in pixels of the photo.
    pub point: (f64, f64),
    /// The crop it came from.
    pub crop: Bounds,
}

/// Masks of everything in the photo, the best predicted first within each crop, as
/// `SamAutomaticMaskGenerator` of the original gives them.
///
/// Masks of too low a predicted IoU are never upscaled: the prediction does not need the mask.
pub fn find_masks(
    sam: &Sam,
    photo: &Photo,
    settings: &MaskSettings,
    progress: &dyn Progress,
) -> Result<Vec<FoundMask>> {
    settings.check()?;
    let crops = crops(photo.height(), photo.width(), settings);
    let n_points: usize = crops.iter().map(|crop| settings.points(crop.layer).len()).sum();
    progress.begin("SAM masks", n_points as u64);
    let mut found = Vec::new();
    for crop in &crops {
        found.extend(masks_of_crop(sam, photo, crop, settings, progress)?);
    }
    progress.end();
    if crops.len() > 1 {
        let scores: Vec<f32> = found.iter().map(|found| 1.0 / box_area(found.crop)).collect();
        found = keep(found, &scores, settings.crop_nms_thresh);
    }
    if settings.min_mask_region_area > 0 {
        found = clean(found, settings);
    }
    Ok(found)
}

fn box_area(crop: Bounds) -> f32 {
    ((crop.right - crop.left) * (crop.bottom - crop.top)) as f32
}

/// The masks that survive suppression by their boxes, best score first.
fn keep(found: Vec<FoundMask>, scores: &[f32], threshold: f32) -> Vec<FoundMask> {
    let boxes: Vec<Bounds> = found.iter().map(|found| found.bounds).collect();
    let mut found: Vec<_> = found.into_iter().map(Some).collect();
    suppress(&boxes, scores, threshold).into_iter().filter_map(|i| found[i].take()).collect()
}

/// Fills small holes, removes small islands, and removes the duplicates that arise; masks that
/// needed no change win.
fn clean(mut found: Vec<FoundMask>, settings: &MaskSettings) -> Vec<FoundMask> {
    let area = settings.min_mask_region_area;
    let clean = |found: &mut FoundMask| match without_small_regions(&found.mask, area) {
        Some(mask) => {
            (found.bounds, found.mask) = (mask.bounds(), mask);
            0.0
        }
        None => 1.0,
    };
    let scores: Vec<f32> = found.par_iter_mut().map(clean).collect();
    keep(found, &scores, settings.box_nms_thresh.max(settings.crop_nms_thresh))
}

fn masks_of_crop(
    sam: &Sam,
    photo: &Photo,
    crop: &Crop,
    settings: &MaskSettings,
    progress: &dyn Progress,
) -> Result<Vec<FoundMask>> {
    let check = || if progress.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) };
    let part = crop.cut(photo)?;
    let embedding = sam.embed(&part, &check)?;
    let generator = Generator {
        sam,
        settings,
        crop,
        photo: (photo.height(), photo.width()),
        embedding: &embedding,
        upsampling: embedding.frame.upsampling(),
    };
    let (width, height) = (part.width() as f64, part.height() as f64);
    let points: Vec<_> = settings.points(crop.layer);
    let points: Vec<_> = points.into_iter().map(|(x, y)| (x * width, y * height)).collect();
    let mut found: Vec<FoundMask> = Vec::new();
    for batch in points.chunks(settings.points_per_batch) {
        check()?;
        let masks: Vec<_> = batch.par_iter().map(|&point| generator.masks_at(point)).collect();
        found.extend(masks.into_iter().flatten());
        progress.advance(batch.len() as u64);
    }
    let scores: Vec<f32> = found.iter().map(|found| found.predicted_iou).collect();
    Ok(keep(found, &scores, settings.box_nms_thresh))
}

/// What all points of a crop share.
struct Generator<'a> {
    sam: &'a Sam,
    settings: &'a MaskSettings,
    crop: &'a Crop,
    photo: (usize, usize),
    embedding: &'a Embedding,
    upsampling: Upsampling,
}

impl Generator<'_> {
    /// The masks of one point of the crop that pass the filters, in the photo's frame.
    fn masks_at(&self, (x, y): (f64, f64)) -> Vec<FoundMask> {
        let (sam, settings, crop) = (self.sam, self.settings, self.crop);
        let min_iou = match settings.pred_iou_thresh {
            threshold if threshold > 0.0 => threshold,
            _ => f32::NEG_INFINITY,
        };
        let tokens = sam.prompts.tokens(&Prompt::point(x, y), self.embedding.frame.scale());
        let decoded =
            sam.decoder.decode(&self.embedding.cells, &sam.positions, &tokens, true, min_iou);
        let mut found = Vec::new();
        for (_, decoded) in decoded {
            let offset = settings.stability_score_offset;
            let thresholded = self.upsampling.threshold(&decoded.logits, offset);
            let stability_score = thresholded.certain as f32 / thresholded.possible as f32;
            // 0 / 0, of a mask without any pixel, is not stable either.
            let stable = stability_score >= settings.stability_score_thresh;
            if settings.stability_score_thresh > 0.0 && !stable {
                continue;
            }
            let bounds = crop.uncropped(thresholded.mask.bounds());
            if crop.cuts(bounds, self.photo) {
                continue;
            }
            let (left, top) = (crop.bounds.left, crop.bounds.top);
            found.push(FoundMask {
                mask: thresholded.mask.placed(left, top, self.photo.1, self.photo.0),
                bounds,
                predicted_iou: decoded.iou,
                stability_score,
                point: (x + left as f64, y + top as f64),
                crop: crop.bounds,
            });
        }
        found
    }
}
