//! How scored sets become a map.

use hsets_core::{FeatureSet, Image, Result, SaliencyMap, SegmentMap};
use hsets_detection::InteractionSet;
use serde::{Deserialize, Serialize};

/// How scored sets become a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    /// Every feature of a set gets the set's score, sets add up, all else is 0: as published. Which
    /// of all the other pixels matter more is left open.
    Sets,
    /// Every pixel has its rank. A set lies inside one segment and has its score: v of all features
    /// of the segment. First come the pixels of the sets, the highest score first and inside a set
    /// the strongest interaction first; then what is left of the segments in the same order.
    ///
    /// Only the order of the values means something, and they are so that few are large: with S
    /// sets, a pixel of the set of rank r has 0.01 + 0.99 (S - r - 1 + strength) / S, another pixel
    /// of its segment 0.01 (S - r) / S, less by up to a hundredth of a step for how little it
    /// attributes.
    Complete,
}

/// What the pixels outside the sets get at most.
const REST: f64 = 0.01;

/// All features of every segment.
pub(super) fn features_of_segments(segments: &SegmentMap, channels: usize) -> Vec<FeatureSet> {
    let n_pixels = segments.labels().len();
    let mut features = vec![Vec::new(); segments.n_segments()];
    for feature in 0..channels * n_pixels {
        features[segments.label(feature % n_pixels) as usize].push(feature);
    }
    features.into_iter().map(FeatureSet::new).collect()
}

/// The map of [`Coverage::Complete`]: `sets` in the order of their ranks, one for every segment.
/// Pixels outside the sets are ordered by the absolute value of `attribution`, summed over channels.
pub(super) fn complete_map(
    image: &Image,
    segments: &SegmentMap,
    sets: &[&InteractionSet],
    attribution: &SaliencyMap,
) -> Result<SaliencyMap> {
    let shape = image.shape();
    let n_sets = sets.len() as f64;
    let attributed: Vec<f64> = (0..shape.n_pixels())
        .map(|pixel| {
            let features = (pixel..shape.len()).step_by(shape.n_pixels());
            features.map(|feature| f64::from(attribution.data()[feature])).sum::<f64>().abs()
        })
        .collect();
    let most = attributed.iter().fold(f64::MIN_POSITIVE, |most, &value| most.max(value));
    let mut left = vec![n_sets; segments.n_segments()];
    for (rank, set) in sets.iter().enumerate() {
        left[set.seed.segment as usize] = n_sets - rank as f64;
    }
    let rest = |pixel: usize| {
        let tie = 0.01 * (1.0 - attributed[pixel] / most);
        REST * (left[segments.label(pixel) as usize] - tie) / n_sets
    };
    let mut values: Vec<f64> = (0..shape.n_pixels()).map(rest).collect();
    for (rank, set) in sets.iter().enumerate() {
        for member in &set.members {
            // A seed has strength 1, and so has the feature that interacts with it most.
            let value = n_sets - rank as f64 - 1.0 + f64::from(member.strength).clamp(0.0, 1.0);
            let cell = &mut values[shape.pixel(member.feature)];
            *cell = cell.max(REST + (1.0 - REST) * value / n_sets);
        }
    }
    // The channels of a pixel share its value.
    let share = |value: &f64| (value / shape.channels as f64) as f32;
    SaliencyMap::new(shape, values.iter().map(share).collect::<Vec<_>>().repeat(shape.channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{ChannelReduction, Shape};
    use hsets_detection::{Member, Seed, Stop};

    fn set(segment: u32, members: &[(usize, f32)]) -> InteractionSet {
        InteractionSet {
            seed: Seed { feature: members[0].0, segment, rank: 0.0 },
            members: members
                .iter()
                .map(|&(feature, strength)| Member { feature, strength })
                .collect(),
            rows: vec![members[0].0],
            stop: Stop::Full,
        }
    }

    #[test]
    fn sets_come_first_then_segments_and_every_pixel_has_its_rank() {
        let shape = Shape::new(2, 2, 4);
        let segments = SegmentMap::new(4, 2, &[0, 0, 1, 1, 0, 0, 1, 1]).unwrap();
        let (first, second) = (set(1, &[(2, 1.0), (3, 0.5)]), set(0, &[(8, 1.0)]));
        let mut attribution = SaliencyMap::zeros(shape);
        for pixel in 0..8 {
            attribution.data_mut()[pixel] = -(pixel as f32);
        }
        let image = Image::constant(shape, 1.0);
        let map = complete_map(&image, &segments, &[&first, &second], &attribution).unwrap();
        let values = map.per_pixel(ChannelReduction::AbsSum);
        let mut order: Vec<usize> = (0..8).collect();
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        // Set of segment 1, set of segment 0 (feature 8 is pixel 0), the rest of 1, the rest of 0.
        assert_eq!(order, [2, 3, 0, 7, 6, 5, 4, 1]);
        assert!((values[2] - 1.0).abs() < 1e-6 && values[7] <= 0.01);
        assert_eq!(features_of_segments(&segments, 2)[1].indices(), [2, 3, 6, 7, 10, 11, 14, 15]);
    }
}
