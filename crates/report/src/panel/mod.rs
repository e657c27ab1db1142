//! The four panels of an explanation, each a picture of its own: photo, segments, sets, heat map.

mod overlay;
mod plane;
mod segments;
mod sets;

pub use overlay::overlay;
pub(crate) use overlay::{heat_opacity, normalised};
pub(crate) use plane::Plane;
pub use segments::segments;
pub use sets::sets;
pub(crate) use sets::{BADGE, DENSE, badge, layout, pale};

use hsets_core::{FeatureSet, Photo, SaliencyMap, SegmentMap};

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
    /// [`sets`]
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
        map: &SaliencyMap,
    ) -> Result<Self> {
        let zoom = zoom(photo);
        let enlarged = zoom.photo(photo);
        let pale = enlarged.map(pale);
        let (sets, (segments, overlay)) = rayon::join(
            || sets::sets_on(pale.clone(), photo, sets),
            || {
                let segments = segments::segments_on(enlarged.clone(), zoom, segments);
                (segments, overlay::overlay_on(pale.clone(), zoom, map))
            },
        );
        Ok(Self { photo: enlarged, segments, sets: sets?, overlay })
    }
}
