//! IDG-Vis: one score per set of features, from directional gradients along the path.
//!
//! For a subset T of a set I let a(T) be x - x' inside T and 0 outside, and â(T) = a(T) / ‖a(T)‖. The
//! *dividend* d(T) is the size of the directional gradient along â(T), averaged over the path; v(I)
//! gathers the dividends of random subsets of I. What exactly "size" and "gathers" mean differs
//! between the paper and the authors' program: see [`IdgVis`].

mod config;
mod dividend;
mod samples;
mod sampling;
mod score;
mod settling;

pub use config::{Directional, IdgVis, PathClass, PathMean, SampleSum};
pub use dividend::{ExactScore, MAX_EXACT_PLAYERS, dividend, score_exactly};
pub use samples::Samples;
pub use sampling::sample_subsets;
pub use score::{SetScore, saliency_map, score_sets, score_subsets};
