//! Whole evaluations, with an examiner that is quick and knows no network.
#![allow(clippy::unwrap_used, reason = "tests")]

mod exports;
mod interruption;
mod network;
mod refusals;
mod samples;
mod shards;
mod statistics;
mod support;
