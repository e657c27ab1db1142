//! The command line as scripts see it: exit codes, stdout, stderr, files.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod bad_input;
mod contract;
mod contrasts;
mod determinism;
mod evaluation;
mod hostile;
#[cfg(feature = "sam")]
mod hub;
mod interruption;
mod measuring;
mod segmenters;
mod serving;
mod support;
mod training;
