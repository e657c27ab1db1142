//! What detection finds.

use hsets_core::FeatureSet;

use crate::Seed;

/// A feature of a set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Member {
    /// The feature.
    pub feature: usize,
    /// Its entry of the scaled row that admitted it, in \[0, 1\]; 1 for a seed that is a member
    /// from the start.
    pub strength: f32,
}

/// Why a set stopped growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It has as many features as a set may have.
    Full,
    /// No row of a member leads to a new feature.
    Exhausted,
    /// It has used as many rows as a set may use.
    RowCap,
}

/// Features that act together.
#[derive(Debug, Clone, PartialEq)]
pub struct InteractionSet {
    /// Where the set began.
    pub seed: Seed,
    /// The members in the order in which they were admitted.
    pub members: Vec<Member>,
    /// The features whose Hessian rows the set used, in order.
    pub rows: Vec<usize>,
    /// Why it stopped growing.
    pub stop: Stop,
}

impl InteractionSet {
    /// The members as a set.
    pub fn features(&self) -> FeatureSet {
        self.members.iter().map(|member| member.feature).collect()
    }
}
