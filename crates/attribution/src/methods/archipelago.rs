//! Archipelago (Tsang et al. 2020), second half: `ArchAttribute`, and maps from its scores.
//!
//! Players are the segments of a label map. Pairs come from `ArchDetect` in crate `detection`.

use std::collections::BTreeMap;

use hsets_core::{Error, Image, Result, SaliencyMap, Scored, SegmentMap, Target};
use serde::{Deserialize, Serialize};

use super::segments::{check_segments, composed, values};

/// Merges pairs that share a segment, transitively; each set ascending, sets by first appearance.
pub fn merge_pairs(pairs: &[[u32; 2]]) -> Vec<Vec<u32>> {
    let mut parent: BTreeMap<u32, u32> = BTreeMap::new();
    for &[i, j] in pairs {
        parent.entry(i).or_insert(i);
        parent.entry(j).or_insert(j);
        let (root_i, root_j) = (root(&parent, i), root(&parent, j));
        parent.insert(root_j, root_i);
    }
    let mut sets: Vec<(u32, Vec<u32>)> = Vec::new();
    for &first in pairs.iter().flatten() {
        let root_first = root(&parent, first);
        match sets.iter_mut().find(|(root, _)| *root == root_first) {
            Some((_, set)) if set.contains(&first) => {}
            Some((_, set)) => set.push(first),
            None => sets.push((root_first, vec![first])),
        }
    }
    let sorted = |(_, mut set): (u32, Vec<u32>)| {
        set.sort_unstable();
        set
    };
    sets.into_iter().map(sorted).collect()
}

fn root(parent: &BTreeMap<u32, u32>, mut node: u32) -> u32 {
    while parent[&node] != node {
        node = parent[&node];
    }
    node
}

/// `ArchAttribute` φ(I) = f(x on I, x' elsewhere) - f(x') of every set I of segments.
pub fn arch_attribute(
    field: &dyn Scored,
    baseline: &Image,
    image: &Image,
    segments: &SegmentMap,
    sets: &[Vec<u32>],
    target: &Target,
    batch: usize,
) -> Result<Vec<f64>> {
    target.check(field.n_classes())?;
    image.expect_shape("image", field.shape())?;
    baseline.expect_shape("baseline", field.shape())?;
    check_segments(image.shape(), segments)?;
    if let Some(label) = sets.iter().flatten().find(|l| **l as usize >= segments.n_segments()) {
        let expected = format!("a segment below {}", segments.n_segments());
        return Err(Error::config("sets", label, expected));
    }
    let insert = |set: &Vec<u32>| composed(baseline, image, segments, set.iter().copied());
    let images = std::iter::once(Ok(baseline.clone())).chain(sets.iter().map(insert));
    let values = values(field, images, target, batch)?;
    Ok(values[1..].iter().map(|value| value - values[0]).collect())
}

/// How scored sets of segments become a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ArchipelagoMap {
    /// The up to `n` highest positive sets of more than one segment, added up, zero elsewhere: what
    /// the tables of H-Sets use, with n = 5. It leaves most of a picture tied at zero.
    PositiveSets {
        /// Largest number of sets.
        n: usize,
    },
    /// Every set with its signed score, single segments too: Archipelago's own explanation, where
    /// the segments outside all merged sets keep their main effects.
    All,
}

/// A map of scored sets. Every pixel of a set gets its score, split evenly among the channels;
/// overlapping sets add up.
pub fn archipelago_map(
    image: &Image,
    segments: &SegmentMap,
    sets: &[Vec<u32>],
    scores: &[f64],
    rule: ArchipelagoMap,
) -> Result<SaliencyMap> {
    if sets.len() != scores.len() {
        return Err(Error::shape("scores of sets", sets.len(), scores.len()));
    }
    let mut chosen: Vec<usize> = (0..sets.len()).collect();
    if let ArchipelagoMap::PositiveSets { n } = rule {
        chosen.retain(|&i| sets[i].len() > 1 && scores[i] > 0.0);
        chosen.sort_by(|&i, &j| scores[j].total_cmp(&scores[i]));
        chosen.truncate(n);
    }
    let mut totals = vec![0.0; segments.n_segments()];
    for i in chosen {
        for &label in &sets[i] {
            totals[label as usize] += scores[i];
        }
    }
    super::segment_map(image.shape(), segments, &totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_merge_transitively() {
        let sets = merge_pairs(&[[4, 7], [0, 1], [2, 7], [1, 0], [5, 2]]);
        assert_eq!(sets, [vec![2, 4, 5, 7], vec![0, 1]]);
        assert!(merge_pairs(&[]).is_empty());
    }
}
