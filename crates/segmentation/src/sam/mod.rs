//! Segment Anything (Kirillov et al. 2023) and `MobileSAM` (Zhang et al. 2023) on the CPU.
//!
//! [`Sam`] is the network: [`Sam::embed`] runs the image encoder once per photo, [`Sam::predict`]
//! answers points, a box or a mask. [`find_masks`] prompts it with a grid of points and filters what
//! comes back, as the original's `SamAutomaticMaskGenerator` does. [`partition`] makes one label per
//! pixel of the masks, and [`SamSegmenter`] joins all of it with a cache ([`MaskCache`]) and a fallback.
//!
//! ```no_run
//! use hsets_segmentation::{Photo, Segmenter, Whole, sam::{Sam, SamSegmenter, SamVariant}};
//!
//! let sam = Sam::load("mobile_sam.pt".as_ref(), Some(SamVariant::Mobile))?;
//! let segmenter = SamSegmenter::new(sam, Box::new(Whole));
//! let photo = Photo::new(2, 1, vec![0; 6])?;
//! let result = segmenter.run(&photo, &hsets_core::Silent)?;
//! println!("{} masks, {:.0} % covered", result.masks.len(), 100.0 * result.report.partition.coverage);
//! # Ok::<(), hsets_segmentation::Error>(())
//! ```
//!
//! The network lives here and not among the classifiers because nothing differentiates it and no
//! class is involved: a segmenter is whole by itself. Its layers are written on plain slices rather
//! than taken from candle-transformers, whose decoder and `TinyViT` use the tanh form of GELU (the
//! original uses the exact one) and whose mask generator scores 256×256 masks and does not map crops
//! back. The same numbers as the original come out, faster: see
//! `docs/sam.md`.
//!
//! Activations are channels-last, \[pixels or tokens, channels\].

#![allow(clippy::inline_always, reason = "only what is inlined is compiled for wide vectors")]

mod attention;
mod automatic;
mod cache;
mod config;
mod conv;
mod crops;
mod cross_attention;
mod decoder;
mod frame;
mod gemm;
mod layers;
mod mask;
mod model;
mod neck;
mod ops;
mod partition;
mod prompt;
mod regions;
mod segmenter;
mod suppression;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod tiny_vit;
mod vit;
mod weights;

pub use automatic::{FoundMask, find_masks};
pub use cache::MaskCache;
pub use config::{EncoderConfig, SamConfig, TinyVitConfig, VitConfig};
pub use mask::{Bounds, Mask};
pub use model::{Embedding, Prediction, Sam};
pub use partition::partition;
pub use prompt::{Point, Prompt};
pub use segmenter::{SamSegmenter, SamSegments};
pub use weights::WeightsError;

pub use crate::sam_options::{GridPoint, MaskSettings, SamVariant, Uncovered};
pub use hsets_core::{MaskReport, PartitionReport};

/// Asked between layers; fails when the user wants to stop.
type Check<'a> = dyn Fn() -> hsets_core::Result<()> + 'a;
