//! Whole explanations of functions whose explanations are known.
#![allow(clippy::unwrap_used, reason = "tests")]

mod axioms;
mod contrasts;
mod explain;
mod explainer;
mod game;
mod measure;
mod prior;
