//! Whole evaluations, with an examiner that is quick and knows no network.
#![allow(clippy::unwrap_used, reason = "tests")]

mod damage;
mod exports;
mod interruption;
mod network;
mod refusals;
mod samples;
mod settings;
mod shards;
mod statistics;
mod support;
