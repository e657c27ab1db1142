//! Tests of several crates together.
#![allow(clippy::unwrap_used, reason = "tests")]

mod bundled_model;
mod originals;
mod random_weights;
mod real_photos;
mod reference_steps;
mod threads;
