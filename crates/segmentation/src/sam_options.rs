//! What a user chooses about Segment Anything. Exists in full in every build.

use std::{fmt, path::PathBuf, str::FromStr};

use hsets_core::{Error, Result};
use serde::{Deserialize, Serialize};

use crate::{QuickShift, path};

/// Segment Anything with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SamOptions {
    /// Which network; without one, whichever the weights are of.
    pub variant: Option<SamVariant>,
    /// File of the weights, needed to build the segmenter.
    #[serde(serialize_with = "path::serialize_option")]
    pub weights: Option<PathBuf>,
    /// SHA-256 in hexadecimal that the file must have, checked before it is read.
    pub sha256: Option<String>,
    /// How masks are found.
    #[serde(flatten)]
    pub masks: MaskSettings,
    /// What becomes of pixels that no mask covers.
    pub uncovered: Uncovered,
    /// Stands in where the masks give less than two segments. Without it, and in builds that lack
    /// QuickShift, the whole photo is one segment then.
    pub fallback: Option<QuickShift>,
    /// Folder that keeps found masks.
    #[serde(serialize_with = "path::serialize_option")]
    pub cache: Option<PathBuf>,
    /// Where the network runs. Like the number of threads no part of what is asked for, so it is not
    /// written down.
    #[serde(skip)]
    pub device: SamDevice,
}

impl SamOptions {
    /// A network with the original's settings, and QuickShift to fall back to.
    pub fn new(variant: Option<SamVariant>) -> Self {
        Self {
            variant,
            weights: None,
            sha256: None,
            masks: MaskSettings::original(),
            uncovered: Uncovered::default(),
            fallback: cfg!(feature = "quickshift").then(QuickShift::photo),
            cache: None,
            device: SamDevice::default(),
        }
    }

    /// The name by which the network is asked for.
    pub fn name(&self) -> &'static str {
        self.variant.map_or("sam", SamVariant::name)
    }

    /// Fails with the first setting that is out of range.
    pub fn check(&self) -> Result<()> {
        self.masks.check()?;
        self.fallback.map_or(Ok(()), |quickshift| quickshift.check())
    }
}

/// A device for the network. Those that are not compiled in are refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SamDevice {
    /// Our own kernels, on rayon's threads.
    #[default]
    Cpu,
    /// The first CUDA device, by candle; feature `cuda`.
    Cuda,
    /// The first Metal device, by candle; feature `metal`.
    Metal,
}

#[cfg(feature = "sam")]
impl From<SamDevice> for hsets_models::Device {
    fn from(device: SamDevice) -> Self {
        match device {
            SamDevice::Cpu => Self::Cpu,
            SamDevice::Cuda => Self::Cuda,
            SamDevice::Metal => Self::Metal,
        }
    }
}

/// The published networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SamVariant {
    /// ViT-B: 91 million parameters.
    #[serde(rename = "sam-vit-b")]
    VitB,
    /// ViT-L: 308 million parameters.
    #[serde(rename = "sam-vit-l")]
    VitL,
    /// ViT-H: 636 million parameters.
    #[serde(rename = "sam-vit-h")]
    VitH,
    /// `MobileSAM`: `TinyViT` 5M as encoder, 10 million parameters in all.
    #[serde(rename = "mobile-sam")]
    Mobile,
}

impl SamVariant {
    /// All variants, smallest encoder first.
    pub const ALL: [Self; 4] = [Self::Mobile, Self::VitB, Self::VitL, Self::VitH];

    /// The name users type.
    pub fn name(self) -> &'static str {
        match self {
            Self::VitB => "sam-vit-b",
            Self::VitL => "sam-vit-l",
            Self::VitH => "sam-vit-h",
            Self::Mobile => "mobile-sam",
        }
    }
}

impl fmt::Display for SamVariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for SamVariant {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let known = Self::ALL.into_iter().find(|variant| variant.name() == name);
        let names = Self::ALL.map(Self::name).join(", ");
        known.ok_or_else(|| Error::config("SAM variant", name, format!("one of {names}")))
    }
}

/// What becomes of pixels that no mask covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Uncovered {
    /// They share a label of their own.
    #[default]
    #[serde(rename = "own")]
    OwnLabel,
    /// They join the nearest mask, by steps to the four neighbours.
    #[serde(rename = "nearest")]
    NearestMask,
}

impl Uncovered {
    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnLabel => "own",
            Self::NearestMask => "nearest",
        }
    }
}

impl FromStr for Uncovered {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "own" => Ok(Self::OwnLabel),
            "nearest" => Ok(Self::NearestMask),
            _ => Err(Error::config("uncovered pixels", name, "own or nearest")),
        }
    }
}

/// A point of a grid, both coordinates in \[0, 1\] of the crop's width and height.
pub type GridPoint = (f64, f64);

/// Settings of the automatic mask generator, by the names of the original.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskSettings {
    /// Points along one side of the grid; 1 or more.
    pub points_per_side: usize,
    /// Points decoded together; 1 or more. The masks do not depend on it.
    pub points_per_batch: usize,
    /// Masks need a predicted IoU above this; 0 or less keeps all.
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub pred_iou_thresh: f32,
    /// Masks need at least this stability score; 0 or less keeps all.
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub stability_score_thresh: f32,
    /// Shift δ of the stability score: area(logit > δ) / area(logit > -δ).
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub stability_score_offset: f32,
    /// IoU of boxes above which the mask of lower predicted IoU is a duplicate.
    #[serde(serialize_with = "hsets_core::as_typed")]
    pub box_nms_thresh: f32,
    /// Layers of crops beside the whole photo; layer i has 4ⁱ crops.
    pub crop_n_layers: usize,
    /// As `box_nms_thresh`, between crops; masks of smaller crops win.
    #[serde(serialize_with = "hsets_core::as_typed")]
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

    /// What [`Self::set`] can set.
    pub const NAMES: [&str; 11] = [
        "points_per_side",
        "points_per_batch",
        "pred_iou_thresh",
        "stability_score_thresh",
        "stability_score_offset",
        "box_nms_thresh",
        "crop_n_layers",
        "crop_nms_thresh",
        "crop_overlap_ratio",
        "crop_n_points_downscale_factor",
        "min_mask_region_area",
    ];

    /// Sets a number by its name, from text. Fails if nothing has this name or the text is no such
    /// number; whether the number is in range is for [`Self::check`] to say.
    pub fn set(&mut self, name: &str, text: &str) -> Result<()> {
        fn parse<T: FromStr>(setting: &mut T, text: &str) -> bool {
            text.parse().map(|value| *setting = value).is_ok()
        }
        let parsed = match name {
            "points_per_side" => parse(&mut self.points_per_side, text),
            "points_per_batch" => parse(&mut self.points_per_batch, text),
            "pred_iou_thresh" => parse(&mut self.pred_iou_thresh, text),
            "stability_score_thresh" => parse(&mut self.stability_score_thresh, text),
            "stability_score_offset" => parse(&mut self.stability_score_offset, text),
            "box_nms_thresh" => parse(&mut self.box_nms_thresh, text),
            "crop_n_layers" => parse(&mut self.crop_n_layers, text),
            "crop_nms_thresh" => parse(&mut self.crop_nms_thresh, text),
            "crop_overlap_ratio" => parse(&mut self.crop_overlap_ratio, text),
            "crop_n_points_downscale_factor" => {
                parse(&mut self.crop_n_points_downscale_factor, text)
            }
            "min_mask_region_area" => parse(&mut self.min_mask_region_area, text),
            _ => {
                let names = format!("one of {}", Self::NAMES.join(", "));
                return Err(Error::config("SAM parameter", name, names));
            }
        };
        if parsed {
            return Ok(());
        }
        Err(Error::config("SAM parameter", format!("{name}={text}"), "a number that fits it"))
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_can_be_set_by_name() {
        let mut settings = MaskSettings::original();
        for name in MaskSettings::NAMES {
            let before = settings.clone();
            settings.set(name, "7").unwrap();
            assert_ne!(settings, before, "{name}");
        }
        assert_eq!(settings.crop_n_layers, 7);
        let error = settings.set("pred_iou", "0.5").unwrap_err().to_string();
        assert!(error.contains("pred_iou_thresh"), "{error}");
        let error = settings.set("points_per_side", "-1").unwrap_err().to_string();
        assert_eq!(error, "SAM parameter = points_per_side=-1: a number that fits it");
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for variant in SamVariant::ALL {
            assert_eq!(variant.to_string().parse::<SamVariant>().unwrap(), variant);
        }
        for uncovered in [Uncovered::OwnLabel, Uncovered::NearestMask] {
            assert_eq!(uncovered.name().parse::<Uncovered>().unwrap(), uncovered);
        }
        assert!("tiny".parse::<SamVariant>().is_err() && "".parse::<Uncovered>().is_err());
    }
}
