//! One image through all stages of H-Sets.

mod explanation;

pub use explanation::{Cost, Explanation, Measures, ScoredSet};
