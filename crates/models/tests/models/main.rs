//! Networks against PyTorch and candle, weights and pictures as people have them.
#![allow(clippy::unwrap_used, reason = "tests")]

mod candle_modules;
mod goldens;
mod onnx;
mod preprocessing;
mod real_data;
mod support;
mod weights;
