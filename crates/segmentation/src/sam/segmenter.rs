//! Segment Anything as a segmenter.

use hsets_core::{
    MaskReport, Photo, Progress, Result, SegmentMap, Segmentation, Segmenter, Silent,
};

use super::{
    FoundMask, Mask, MaskCache, MaskSettings, Sam, SamVariant, Uncovered, find_masks, partition,
};

/// Masks of Segment Anything as a partition, with a fallback where there is none.
pub struct SamSegmenter {
    /// The network.
    pub sam: Sam,
    /// How masks are found.
    pub settings: MaskSettings,
    /// What becomes of pixels that no mask covers.
    pub uncovered: Uncovered,
    /// Used where the masks give less than two segments: none was found, or one covers everything.
    pub fallback: Box<dyn Segmenter + Send>,
    /// Keeps found masks on disk.
    pub cache: Option<MaskCache>,
}

/// A partition with the masks it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct SamSegments {
    /// The partition.
    pub segments: SegmentMap,
    /// How it came about.
    pub report: MaskReport,
    /// The masks, before they became a partition.
    pub masks: Vec<FoundMask>,
}

impl SamSegmenter {
    /// The original's settings, own label for uncovered pixels, no cache.
    pub fn new(sam: Sam, fallback: Box<dyn Segmenter + Send>) -> Self {
        let (settings, uncovered) = (MaskSettings::original(), Uncovered::default());
        Self { sam, settings, uncovered, fallback, cache: None }
    }

    /// The masks of the photo and their partition.
    pub fn run(&self, photo: &Photo, progress: &dyn Progress) -> Result<SamSegments> {
        let masks = self.masks(photo, progress)?;
        let pixels: Vec<&Mask> = masks.iter().map(|found| &found.mask).collect();
        let size = (photo.width(), photo.height());
        let (mut segments, mut report) = partition(&pixels, size, self.uncovered)?;
        if segments.n_segments() < 2 {
            segments = self.fallback.segment(photo)?;
            report.fell_back = true;
            let what =
                if masks.is_empty() { "no mask was found" } else { "one mask covers everything" };
            let count = segments.n_segments();
            report
                .notes
                .push(format!("{what}: {count} segments of the fallback segmenter instead"));
        }
        let report = MaskReport {
            network: self.sam.variant().map_or("custom", SamVariant::name).to_owned(),
            weights_sha256: self.sam.weights_digest().to_owned(),
            partition: report,
        };
        Ok(SamSegments { segments, report, masks })
    }

    /// The photo's masks, from the cache where it has them.
    fn masks(&self, photo: &Photo, progress: &dyn Progress) -> Result<Vec<FoundMask>> {
        let Some(cache) = &self.cache else {
            return find_masks(&self.sam, photo, &self.settings, progress);
        };
        let key = MaskCache::key(photo, self.sam.weights_digest(), &self.settings);
        if let Some(masks) = cache.load(&key, photo) {
            return Ok(masks);
        }
        let masks = find_masks(&self.sam, photo, &self.settings, progress)?;
        cache.store(&key, &masks)?;
        Ok(masks)
    }
}

impl Segmenter for SamSegmenter {
    fn segment(&self, photo: &Photo) -> Result<SegmentMap> {
        Ok(self.run(photo, &Silent)?.segments)
    }

    fn segment_with(&self, photo: &Photo, progress: &dyn Progress) -> Result<Segmentation> {
        let SamSegments { segments, report, .. } = self.run(photo, progress)?;
        Ok(Segmentation { segments, masks: Some(report) })
    }
}

impl std::fmt::Debug for SamSegmenter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SamSegmenter")
            .field("variant", &self.sam.variant())
            .field("settings", &self.settings)
            .field("uncovered", &self.uncovered)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
