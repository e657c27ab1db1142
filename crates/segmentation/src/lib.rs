//! Photo → segments: the spatial prior of H-Sets.
//!
//! Every segmenter implements [`Segmenter`] and returns a [`SegmentMap`]; the stages behind it see
//! the labels only. What there is:
//!
//! | segmenter | name | segments |
//! |---|---|---|
//! | [`QuickShift`] | `quickshift` | modes of colour and place, as scikit-image finds them |
//! | [`Grid`] | `grid`, `grid:7`, `grid:4x6` | equal rectangles |
//! | [`Whole`] | `none` | one, the whole photo |
//! | [`LabelMap`] | `FILE.png` | what the user drew |
//! | SAM, `MobileSAM` | `sam`, `sam-vit-b`, `mobile-sam`, … | masks of a network (feature `sam`) |
//!
//! ```
//! use hsets_segmentation::{Photo, SegmenterChoice};
//!
//! let photo = Photo::new(4, 2, vec![0; 3 * 4 * 2])?;
//! let choice: SegmenterChoice = "grid:1x2".parse()?;
//! let segments = choice.build()?.segment(&photo)?;
//! assert_eq!(segments.labels(), [0, 0, 1, 1, 0, 0, 1, 1]);
//! # Ok::<(), hsets_segmentation::Error>(())
//! ```
//!
//! [`SegmenterChoice`] always parses every name; what this build lacks is a named error of
//! [`SegmenterChoice::build`]. [`adjusted_rand_index`] says how far two segmentations agree; [`merged`]
//! makes few segments of many.

mod choice;
mod grid;
mod label_map;
mod merged;
mod partition;
mod path;
pub mod quickshift;
#[cfg(feature = "sam")]
pub mod sam;
mod sam_options;
mod whole;

pub use choice::SegmenterChoice;
pub use grid::Grid;
pub use hsets_core::{Error, Photo, Result, SegmentMap, Segmenter};
pub use label_map::LabelMap;
pub use merged::merged;
pub use partition::adjusted_rand_index;
pub use quickshift::QuickShift;
pub use sam_options::{GridPoint, MaskSettings, SamDevice, SamOptions, SamVariant, Uncovered};
pub use whole::Whole;
