//! Segment Anything (Kirillov et al. 2023) and `MobileSAM` (Zhang et al. 2023): photo → masks.
//!
//! [`Sam`] is the network: [`Sam::embed`] runs the image encoder once per photo, [`Sam::predict`]
//! answers points, a box or a mask. [`find_masks`] prompts it with a grid of points and filters what
//! comes back, as the original's `SamAutomaticMaskGenerator` does. [`partition`] makes one label per
//! pixel of the masks, and [`SamSegmenter`] joins all of it with a cache ([`MaskCache`]) and a fallback.
//!
//! ```no_run
//! use hsets_segmentation::{Photo, Segmenter, Whole, sam::{Device, Sam, SamSegmenter, SamVariant}};
//!
//! let sam = Sam::load("mobile_sam.pt".as_ref(), Some(SamVariant::Mobile), Device::Cpu)?;
//! let segmenter = SamSegmenter::new(sam, Box::new(Whole));
//! let photo = Photo::new(2, 1, vec![0; 6])?;
//! let result = segmenter.run(&photo, &hsets_core::Silent)?;
//! println!("{} masks, {:.0} % covered", result.masks.len(), 100.0 * result.report.partition.coverage);
//! # Ok::<(), hsets_segmentation::Error>(())
//! ```
//!
//! The networks are graphs of `hsets-models`, run by the engine that runs the classifiers. The same
//! numbers as the original come out, faster: see `docs/sam.md`.

#![allow(clippy::inline_always, reason = "only what is inlined is compiled for wide vectors")]

mod automatic;
mod cache;
mod crops;
mod frame;
mod mask;
mod model;
mod partition;
mod regions;
mod segmenter;
mod suppression;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use automatic::{FoundMask, find_masks};
pub use cache::MaskCache;
pub use mask::{Bounds, Mask};
pub use model::{Embedding, Prediction, Sam};
pub use partition::partition;
pub use segmenter::{SamSegmenter, SamSegments};

pub use hsets_models::{
    Device,
    sam::{EncoderConfig, Point, Prompt, SamConfig, TinyVitConfig, VitConfig, WeightsError},
};

pub use crate::sam_options::{GridPoint, MaskSettings, SamVariant, Uncovered};
pub use hsets_core::{MaskReport, PartitionReport};
