//! Masks of everything in a photo: a grid of points, filters, and suppression of duplicates.

use hsets_core::{Error, Photo, Progress, Result};
use rayon::prelude::*;

use super::{
    Bounds, GridPoint, Mask, MaskSettings, Prompt, Sam,
    crops::{Crop, crops, point_grid},
    frame::Upsampling,
    model::Embedding,
    regions::without_small_regions,
    suppression::suppress,
};

impl MaskSettings {
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
    let mut found = Vec::new();
    for (number, crop) in (1..).zip(&crops) {
        let stage = match crops.len() {
            1 => "SAM masks".to_owned(),
            n => format!("SAM masks {number}/{n}"),
        };
        found.extend(masks_of_crop(sam, photo, crop, settings, (&stage, progress))?);
    }
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
    (stage, progress): (&str, &dyn Progress),
) -> Result<Vec<FoundMask>> {
    let part = crop.cut(photo)?;
    let embedding = sam.embed(&part, progress)?;
    let generator = Generator {
        sam,
        settings,
        crop,
        photo: (photo.height(), photo.width()),
        embedding: &embedding,
        upsampling: Upsampling::new(&embedding.frame),
    };
    let (width, height) = (part.width() as f64, part.height() as f64);
    let points: Vec<_> = settings.points(crop.layer);
    let points: Vec<_> = points.into_iter().map(|(x, y)| (x * width, y * height)).collect();
    let masks_at = |&point: &(f64, f64)| {
        if progress.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let masks = generator.masks_at(point)?;
        progress.advance(1);
        Ok(masks)
    };
    progress.begin(stage, points.len() as u64);
    let mut found: Vec<FoundMask> = Vec::new();
    for batch in points.chunks(settings.points_per_batch) {
        let masks: Result<Vec<_>> = batch.par_iter().map(masks_at).collect();
        found.extend(masks?.into_iter().flatten());
    }
    progress.end();
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
    fn masks_at(&self, (x, y): (f64, f64)) -> Result<Vec<FoundMask>> {
        let (sam, settings, crop) = (self.sam, self.settings, self.crop);
        let min_iou = match settings.pred_iou_thresh {
            threshold if threshold > 0.0 => threshold,
            _ => f32::NEG_INFINITY,
        };
        let decoded = sam.decode(self.embedding, &Prompt::point(x, y), true, min_iou)?;
        let mut found = Vec::new();
        for decoded in decoded {
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
        Ok(found)
    }
}
