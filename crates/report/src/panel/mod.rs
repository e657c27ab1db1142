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

use crate::draw::{Canvas, Zoom};
use hsets_core::Photo;

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
