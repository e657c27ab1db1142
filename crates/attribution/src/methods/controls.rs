//! Controls: maps and sets that know nothing of the network, or little. A method that does not beat
//! them has shown nothing.

use hsets_core::{Error, FeatureSet, Result, SaliencyMap, SegmentMap, Shape};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};

use super::segments::{check_segments, segment_map};

/// A random map: every pixel uniform in \[0, 1), split evenly among the channels.
pub fn random_map(shape: Shape, seed: u64) -> Result<SaliencyMap> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let pixels: Vec<f32> = (0..shape.n_pixels()).map(|_| rng.random()).collect();
    let share = |feature| pixels[shape.pixel(feature)] / shape.channels as f32;
    SaliencyMap::new(shape, (0..shape.len()).map(share).collect())
}

/// Random sets of the same sizes as `sets`, each drawn without replacement among all features.
pub fn random_sets(sets: &[FeatureSet], shape: Shape, seed: u64) -> Result<Vec<FeatureSet>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |set: &FeatureSet| {
        if set.len() > shape.len() {
            return Err(Error::shape("size of a set", format!("≤ {}", shape.len()), set.len()));
        }
        Ok(rand::seq::index::sample(&mut rng, shape.len(), set.len()).into_iter().collect())
    };
    sets.iter().map(draw).collect()
}

/// What ranks whole segments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SegmentOrder<'a> {
    /// Uniform random scores.
    Random {
        /// The same seed gives the same scores.
        seed: u64,
    },
    /// Number of pixels: large segments first.
    Area,
    /// 1 - distance of the segment's centroid from the centre of the picture / half its diagonal:
    /// central segments first.
    Centre,
    /// Signed sum of a map over the segment. Rank it with
    /// [`ChannelReduction::Sum`](hsets_core::ChannelReduction::Sum).
    Sum(&'a SaliencyMap),
    /// Mean over the segment's pixels of |sum over channels| of a map.
    MeanAbs(&'a SaliencyMap),
}

/// A map that ranks whole segments; every pixel has the score of its segment, split evenly among the
/// channels.
pub fn segment_control(
    shape: Shape,
    segments: &SegmentMap,
    order: SegmentOrder<'_>,
) -> Result<SaliencyMap> {
    check_segments(shape, segments)?;
    let areas = segments.areas();
    let scores: Vec<f64> = match order {
        SegmentOrder::Random { seed } => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            areas.iter().map(|_| rng.random()).collect()
        }
        SegmentOrder::Area => areas.iter().map(|&area| area as f64).collect(),
        SegmentOrder::Centre => centrality(segments, &areas),
        SegmentOrder::Sum(map) => sums(map, shape, segments, |value| value)?,
        SegmentOrder::MeanAbs(map) => {
            let sums = sums(map, shape, segments, f64::abs)?;
            sums.iter().zip(&areas).map(|(sum, &area)| sum / area as f64).collect()
        }
    };
    segment_map(shape, segments, &scores)
}

/// Σ over the pixels of each segment of `value`(channel sum).
fn sums(
    map: &SaliencyMap,
    shape: Shape,
    segments: &SegmentMap,
    value: impl Fn(f64) -> f64,
) -> Result<Vec<f64>> {
    if map.shape() != shape {
        return Err(Error::shape("saliency map", shape, map.shape()));
    }
    let mut sums = vec![0.0; segments.n_segments()];
    let pixels = map.per_pixel(hsets_core::ChannelReduction::Sum);
    for (pixel, sum) in pixels.into_iter().enumerate() {
        sums[segments.label(pixel) as usize] += value(f64::from(sum));
    }
    Ok(sums)
}

fn centrality(segments: &SegmentMap, areas: &[usize]) -> Vec<f64> {
    let (width, height) = (segments.width() as f64, segments.height() as f64);
    let mut offsets = vec![(0.0, 0.0); areas.len()];
    for (pixel, &label) in segments.labels().iter().enumerate() {
        let (y, x) = (pixel / segments.width(), pixel % segments.width());
        let (sum_y, sum_x) = &mut offsets[label as usize];
        *sum_y += y as f64 + 0.5 - height / 2.0;
        *sum_x += x as f64 + 0.5 - width / 2.0;
    }
    let score = |((y, x), &area): (&(f64, f64), &usize)| {
        1.0 - y.hypot(*x) / area as f64 / (width.hypot(height) / 2.0)
    };
    offsets.iter().zip(areas).map(score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::ChannelReduction;

    const SHAPE: Shape = Shape::new(2, 1, 4);

    #[test]
    fn segments_are_ranked_as_named() {
        let segments = SegmentMap::new(4, 1, &[0, 1, 1, 2]).unwrap();
        let map = SaliencyMap::new(SHAPE, vec![1., -3., 2., 0., 1., 0., 0., -4.]).unwrap();
        let pixels = |order| {
            let control = segment_control(SHAPE, &segments, order).unwrap();
            control.per_pixel(ChannelReduction::Sum)
        };
        assert_eq!(pixels(SegmentOrder::Area), [1.0, 2.0, 2.0, 1.0]);
        assert_eq!(pixels(SegmentOrder::Sum(&map)), [2.0, -1.0, -1.0, -4.0]);
        assert_eq!(pixels(SegmentOrder::MeanAbs(&map)), [2.0, 2.5, 2.5, 4.0]);
        let centre = pixels(SegmentOrder::Centre);
        assert!(centre[1] > centre[0] && (centre[0] - centre[3]).abs() < 1e-6);
    }

    #[test]
    fn random_controls_have_their_seed_and_size() {
        let sets = [FeatureSet::new([1, 2, 5]), FeatureSet::new([0])];
        let drawn = random_sets(&sets, SHAPE, 1).unwrap();
        assert_eq!(drawn.iter().map(FeatureSet::len).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(drawn, random_sets(&sets, SHAPE, 1).unwrap());
        assert_ne!(random_map(SHAPE, 1).unwrap(), random_map(SHAPE, 2).unwrap());
        assert!(random_sets(&[FeatureSet::new(0..9)], SHAPE, 1).is_err());
    }
}
