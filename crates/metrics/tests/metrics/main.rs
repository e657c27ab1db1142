//! Metrics against their definitions and against Quantus.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;
mod faithfulness;
mod newer;
mod quantus;
