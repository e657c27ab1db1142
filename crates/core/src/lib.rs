//! Nouns and traits shared by every stage of H-Sets.
//!
//! A stage never sees a neural network. It sees a *field*: something that gives logits
//! ([`Scored`]), input gradients ([`Differentiable`]) and rows of the input Hessian
//! ([`TwiceDifferentiable`]). Anything that implements these traits gets every stage.
//!
//! Images are planar: a *feature* is one element (channel, y, x), numbered
//! `(channel * height + y) * width + x`.
//!
//! ```
//! use hsets_core::{Shape, FeatureSet};
//! let shape = Shape::new(3, 224, 224);
//! let feature = shape.index(0, 10, 20);
//! assert_eq!(shape.position(feature), (0, 10, 20));
//! let set = FeatureSet::new([feature, feature, 3]);
//! assert_eq!(set.len(), 2);
//! ```

mod as_typed;
mod completeness;
mod error;
mod feature_set;
mod field;
mod image;
mod link;
mod mask;
mod progress;
mod removal;
mod saliency_map;
mod segment_map;
mod segmenter;
mod smoothing;
mod target;

#[cfg(any(test, feature = "testing"))]
pub mod analytic;

pub use as_typed::as_typed;
pub use completeness::CompletenessGap;
pub use error::{Error, Result};
pub use feature_set::FeatureSet;
pub use field::{Curvature, Differentiable, Evaluation, Randomisable, Scored, TwiceDifferentiable};
pub use image::{Image, Photo, Shape};
pub use link::{Link, softmax};
pub use mask::Mask;
pub use progress::{Progress, Silent, Unseen};
pub use removal::Removal;
pub use saliency_map::{ChannelReduction, SaliencyMap};
pub use segment_map::SegmentMap;
pub use segmenter::{MaskReport, PartitionReport, Segmentation, Segmenter};
pub use smoothing::Smoothing;
pub use target::Target;
