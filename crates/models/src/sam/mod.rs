//! Segment Anything (Kirillov et al. 2023) and `MobileSAM` (Zhang et al. 2023) as graphs of the engine
//! that runs the classifiers, for values alone.
//!
//! [`SamNetwork::embed`] runs the image encoder once per image, [`SamNetwork::decode`] answers points,
//! a box or a mask. What becomes of the masks is `hsets-segmentation`'s business.

mod config;
mod decoder;
mod encoder;
mod frame;
mod network;
mod prompt;
mod tiny_vit;
mod vit;
mod weights;

pub use config::{EncoderConfig, SamConfig, TinyVitConfig, VitConfig};
pub use frame::Frame;
pub use network::{DecodedMask, SamEmbedding, SamNetwork};
pub use prompt::{Point, Prompt};
pub use weights::{SamWeights, WeightsError, hugging_face_name};
