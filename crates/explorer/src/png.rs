//! Photos as PNG.

use bytes::Bytes;
use hsets_core::Photo;
use image::{
    ExtendedColorType, ImageEncoder as _,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

use crate::error::Refusal;

/// Fast rather than small: it goes no further than this machine, mostly.
pub(crate) fn png(photo: &Photo) -> Result<Bytes, Refusal> {
    let mut bytes = Vec::new();
    let (width, height) = (photo.width() as u32, photo.height() as u32);
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(photo.rgb(), width, height, ExtendedColorType::Rgb8)
        .map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(bytes.into())
}
