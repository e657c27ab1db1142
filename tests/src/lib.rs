//! Tests across crates, and the studies behind `docs/`: methods compared on drawn pictures whose
//! truth is known, and on photos.

pub mod parsers;
pub mod study;
