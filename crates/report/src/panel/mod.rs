//! The four panels of an explanation, each a picture of its own: photo, segments, sets, heat map.

mod overlay;
mod pairs;
mod plane;
mod segments;
mod sets;

pub use overlay::overlay;
pub(crate) use overlay::{heat_opacity, normalised};
pub(crate) use pairs::{Link, RANKED, by_worth, link};
pub(crate) use plane::Plane;
pub use segments::segments;
pub use sets::sets;
pub(crate) use sets::{BADGE, DENSE, Layout, badge, layout, pale};

use hsets_core::{FeatureSet, Photo, SaliencyMap, SegmentMap};
use hsets_pipeline::Interactions;

use crate::{
    Result,
    draw::{Canvas, Zoom},
};

/// Length in pixels to which the longer side of every panel is brought.
pub const SIDE: usize = 448;

/// The zoom of all panels of a photo.
pub fn zoom(photo: &Photo) -> Zoom {
    Zoom::to_side(photo.width(), photo.height(), SIDE)
}

/// The photo as the network sees it, enlarged.
pub fn photo(photo: &Photo) -> Canvas {
    zoom(photo).photo(photo)
}

/// All panels of an explanation, each drawn once: for files of their own and for the figure.
#[derive(Debug, Clone)]
pub struct Panels {
    /// [`photo`]
    pub photo: Canvas,
    /// [`segments`]
    pub segments: Canvas,
    /// [`sets`]; of methods that look for interactions the pairs that are claimed, joined, or, where
    /// none is, the segments by what they are worth.
    pub sets: Canvas,
    /// [`overlay`]
    pub overlay: Canvas,
}

impl Panels {
    /// Draws them, at the same time where there are threads.
    pub fn draw(
        photo: &Photo,
        segments: &SegmentMap,
        sets: &[&FeatureSet],
        interactions: &Interactions,
        map: &SaliencyMap,
    ) -> Result<Self> {
        let zoom = zoom(photo);
        let enlarged = zoom.photo(photo);
        let pale = enlarged.map(pale);
        let (sets, (segments, overlay)) = rayon::join(
            || {
                let pale = pale.clone();
                let contrasts = interactions.contrasts.as_deref();
                match (contrasts, &interactions.banzhaf) {
                    (Some(found), Some(values)) if !found.has_claim() => {
                        pairs::ranking_on(pale, photo, segments, values)
                    }
                    (Some(found), _) => {
                        let claimed = found.interactions.iter();
                        let claimed: Vec<_> = claimed
                            .filter(|pair| pair.claim || !found.has_claim())
                            .map(|pair| (pair.regions.each_ref(), pair.claim))
                            .collect();
                        pairs::pairs_on(pale, photo, &claimed)
                    }
                    (None, Some(values)) => pairs::ranking_on(pale, photo, segments, values),
                    (None, None) => sets::sets_on(pale, photo, sets),
                }
            },
            || {
                let segments = segments::segments_on(enlarged.clone(), zoom, segments);
                (segments, overlay::overlay_on(pale.clone(), zoom, map))
            },
        );
        Ok(Self { photo: enlarged, segments, sets: sets?, overlay })
    }
}
