//! Sets of features (coalitions of players).

use serde::{Deserialize, Serialize};

/// Sorted, unique feature indices.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<usize>")]
pub struct FeatureSet(Vec<usize>);

impl From<Vec<usize>> for FeatureSet {
    fn from(indices: Vec<usize>) -> Self {
        Self::new(indices)
    }
}

impl FeatureSet {
    /// Sorts and removes duplicates.
    pub fn new(indices: impl IntoIterator<Item = usize>) -> Self {
        let mut indices: Vec<usize> = indices.into_iter().collect();
        indices.sort_unstable();
        indices.dedup();
        Self(indices)
    }

    /// Number of features.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any feature.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `feature` is a member.
    pub fn contains(&self, feature: usize) -> bool {
        self.0.binary_search(&feature).is_ok()
    }

    /// The members in ascending order.
    pub fn indices(&self) -> &[usize] {
        &self.0
    }

    /// The members in ascending order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.0.iter().copied()
    }

    /// Members of either set.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.iter().chain(other.iter()))
    }

    /// Members of both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self(self.iter().filter(|&feature| other.contains(feature)).collect())
    }

    /// The members for which `keep` holds.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(usize) -> bool) -> Self {
        Self(self.iter().filter(|&feature| keep(feature)).collect())
    }
}

impl FromIterator<usize> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        Self::new(indices)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_algebra() {
        let a = FeatureSet::new([5, 1, 3, 3]);
        let b = FeatureSet::new([3, 4]);
        assert_eq!(a.indices(), [1, 3, 5]);
        assert_eq!(a.union(&b).indices(), [1, 3, 4, 5]);
        assert_eq!(a.intersection(&b).indices(), [3]);
        assert!(a.contains(5) && !a.contains(2));
    }
}
