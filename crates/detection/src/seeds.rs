//! Seeds: where sets begin.

use hsets_core::{Error, Result, SaliencyMap, SegmentMap, Shape};

use crate::{GivenSeed, SegmentChoice};

/// A feature from which a set grows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seed {
    /// The feature.
    pub feature: usize,
    /// The segment of its pixel.
    pub segment: u32,
    /// Its value in the map that ranks seeds.
    pub rank: f32,
}

/// Possible seeds, highest-ranked first: of every segment its highest-ranked feature, or as many
/// as `choice` may try.
pub fn ranked_seeds(
    ranking: &SaliencyMap,
    segments: &SegmentMap,
    choice: SegmentChoice,
) -> Result<Vec<Seed>> {
    let shape = ranking.shape();
    check_maps(ranking, segments)?;
    let per_segment = match choice {
        SegmentChoice::HighestSeeds | SegmentChoice::Every => 1,
        SegmentChoice::UntilNonEmpty { attempts } => attempts,
    };
    let rank = |feature: usize| ranking.data()[feature];
    let mut features: Vec<usize> = (0..shape.len()).collect();
    features.sort_unstable_by(|&a, &b| rank(b).total_cmp(&rank(a)).then(a.cmp(&b)));
    let mut taken = vec![0; segments.n_segments()];
    let seeds = features.into_iter().map(|feature| seed(feature, ranking, segments));
    Ok(seeds
        .filter(|seed| {
            let taken = &mut taken[seed.segment as usize];
            *taken += 1;
            *taken <= per_segment
        })
        .collect())
}

/// The seeds that a person chose, in that order.
pub fn given_seeds(
    given: &[GivenSeed],
    ranking: &SaliencyMap,
    segments: &SegmentMap,
) -> Result<Vec<Seed>> {
    let shape = ranking.shape();
    check_maps(ranking, segments)?;
    let find = |given: &GivenSeed| {
        let feature = match *given {
            GivenSeed::Feature(feature) if feature < shape.len() => feature,
            GivenSeed::Feature(feature) => {
                let range = format!("a feature below {}", shape.len());
                return Err(Error::config("seed", feature, range));
            }
            GivenSeed::Pixel { x, y } => brightest_channel(x, y, ranking)?,
        };
        Ok(seed(feature, ranking, segments))
    };
    given.iter().map(find).collect()
}

fn seed(feature: usize, ranking: &SaliencyMap, segments: &SegmentMap) -> Seed {
    let segment = segments.label(ranking.shape().pixel(feature));
    Seed { feature, segment, rank: ranking.data()[feature] }
}

/// The feature of a pixel that ranks highest; among equals, the first channel.
fn brightest_channel(x: usize, y: usize, ranking: &SaliencyMap) -> Result<usize> {
    let shape @ Shape { channels, height, width } = ranking.shape();
    if x >= width || y >= height {
        let range = format!("a pixel of the {width}x{height} input");
        return Err(Error::config("seed-pixel", format!("{x},{y}"), range));
    }
    let better = |best: usize, channel: usize| {
        let feature = shape.index(channel, y, x);
        if ranking.data()[feature] > ranking.data()[best] { feature } else { best }
    };
    Ok((1..channels).fold(shape.index(0, y, x), better))
}

fn check_maps(ranking: &SaliencyMap, segments: &SegmentMap) -> Result<()> {
    let Shape { height, width, .. } = ranking.shape();
    if (segments.width(), segments.height()) != (width, height) {
        let found = format!("{}x{}", segments.width(), segments.height());
        return Err(Error::shape("segment map", format!("{width}x{height}"), found));
    }
    if !ranking.data().iter().all(|v| v.is_finite()) {
        return Err(Error::NotFinite {
            what: "map that ranks seeds".into(),
            hint: "check the weights of the network for NaN and infinity".into(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two channels of 2×2 pixels; the left and the right column are segments.
    fn maps() -> (SaliencyMap, SegmentMap) {
        let rank = vec![0.1, 0.8, -0.5, 0.8, 0.3, 0.2, 0.9, -2.0];
        let ranking = SaliencyMap::new(Shape::new(2, 2, 2), rank).unwrap();
        (ranking, SegmentMap::new(2, 2, &[0, 1, 0, 1]).unwrap())
    }

    fn features(seeds: &[Seed]) -> Vec<usize> {
        seeds.iter().map(|seed| seed.feature).collect()
    }

    #[test]
    fn every_segment_has_its_highest_feature_as_seed() {
        let (ranking, segments) = maps();
        let seeds = ranked_seeds(&ranking, &segments, SegmentChoice::HighestSeeds).unwrap();
        assert_eq!(features(&seeds), [6, 1]);
        assert_eq!(seeds[1], Seed { feature: 1, segment: 1, rank: 0.8 });
        let choice = SegmentChoice::UntilNonEmpty { attempts: 2 };
        assert_eq!(features(&ranked_seeds(&ranking, &segments, choice).unwrap()), [6, 1, 3, 4]);
    }

    #[test]
    fn a_pixel_gives_its_highest_channel() {
        let (ranking, segments) = maps();
        let given = [GivenSeed::Pixel { x: 0, y: 1 }, GivenSeed::Feature(7)];
        let seeds = given_seeds(&given, &ranking, &segments).unwrap();
        assert_eq!(features(&seeds), [6, 7]);
    }

    #[test]
    fn bad_input_is_refused() {
        let (ranking, segments) = maps();
        let refused = |given| given_seeds(&[given], &ranking, &segments).unwrap_err().to_string();
        let pixel = refused(GivenSeed::Pixel { x: 2, y: 0 });
        assert_eq!(pixel, "seed-pixel = 2,0: a pixel of the 2x2 input");
        assert_eq!(refused(GivenSeed::Feature(8)), "seed = 8: a feature below 8");
        let other = SegmentMap::whole(3, 2).unwrap();
        let error = ranked_seeds(&ranking, &other, SegmentChoice::HighestSeeds).unwrap_err();
        assert_eq!(error.to_string(), "segment map: expected 2x2, found 3x2");
        let nan = SaliencyMap::new(Shape::new(1, 1, 1), vec![f32::NAN]).unwrap();
        let whole = SegmentMap::whole(1, 1).unwrap();
        let error = ranked_seeds(&nan, &whole, SegmentChoice::HighestSeeds).unwrap_err();
        assert!(matches!(error, Error::NotFinite { .. }));
    }
}
