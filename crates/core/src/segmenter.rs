//! What makes segments, and what is known about them afterwards.

use serde::Serialize;

use crate::{Photo, Progress, Result, SegmentMap};

/// Splits a photo into segments. It never sees a class or a network's gradient.
pub trait Segmenter: Sync {
    /// The segments of `photo`, one label per pixel of it.
    fn segment(&self, photo: &Photo) -> Result<SegmentMap>;

    /// The same, with what is known about it. Segmenters that take long override this: they report
    /// progress and stop when asked to.
    fn segment_with(&self, photo: &Photo, progress: &dyn Progress) -> Result<Segmentation> {
        progress.begin("segmentation", 1);
        let segments = self.segment(photo)?;
        progress.advance(1);
        progress.end();
        Ok(Segmentation { segments, masks: None })
    }
}

/// Segments, and how they came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmentation {
    /// The segments.
    pub segments: SegmentMap,
    /// Of segmenters that find masks first.
    pub masks: Option<MaskReport>,
}

/// The masks that a network found in a photo.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MaskReport {
    /// Name of the network.
    pub network: String,
    /// SHA-256 of its weights, hexadecimal.
    pub weights_sha256: String,
    /// How the masks became segments.
    #[serde(flatten)]
    pub partition: PartitionReport,
}

/// How masks, which may overlap and leave pixels out, became a partition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionReport {
    /// Masks found.
    pub n_masks: usize,
    /// Masks of which a pixel is left to see.
    pub n_visible: usize,
    /// Fraction of the pixels that some mask covers.
    pub coverage: f64,
    /// Fraction of the pixels that two masks or more cover.
    pub overlap: f64,
    /// Most masks that cover one pixel.
    pub deepest: usize,
    /// What the user should know, in sentences.
    pub notes: Vec<String>,
    /// Whether the segments are another segmenter's, because the masks gave less than two.
    pub fell_back: bool,
}
