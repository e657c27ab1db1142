//! Random subsets of a set.

use hsets_core::FeatureSet;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// `samples` subsets of `set`, each keeping every feature with probability `keep`.
///
/// Drawn from stream `stream` of the generator seeded with `seed`, so that the subsets of one set
/// depend neither on the other sets nor on the order of work.
pub fn sample_subsets(
    set: &FeatureSet,
    samples: usize,
    keep: f64,
    seed: u64,
    stream: u64,
) -> Vec<FeatureSet> {
    Subsets::new(set, keep, seed, stream).take(samples).collect()
}

/// Random subsets of a set, without end.
pub(super) struct Subsets<'a> {
    set: &'a FeatureSet,
    threshold: u64,
    rng: ChaCha8Rng,
}

impl<'a> Subsets<'a> {
    pub(super) fn new(set: &'a FeatureSet, keep: f64, seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        let threshold = (keep * (u64::from(u32::MAX) + 1) as f64) as u64;
        Self { set, threshold, rng }
    }
}

impl Iterator for Subsets<'_> {
    type Item = FeatureSet;

    fn next(&mut self) -> Option<FeatureSet> {
        let Self { set, threshold, rng } = self;
        Some(set.filter(|_| u64::from(rng.next_u32()) < *threshold))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_reproducible_and_independent() {
        let set = FeatureSet::new(0..64);
        let draw = |seed, stream| sample_subsets(&set, 4, 0.5, seed, stream);
        assert_eq!(draw(7, 0), draw(7, 0));
        assert_ne!(draw(7, 0), draw(7, 1));
        assert_ne!(draw(7, 0), draw(8, 0));
    }

    #[test]
    fn every_feature_is_kept_as_often_as_asked() {
        let set = FeatureSet::new(0..10);
        for keep in [0.1, 0.5, 0.9] {
            let subsets = sample_subsets(&set, 4000, keep, 1, 0);
            for feature in set.iter() {
                let kept = subsets.iter().filter(|subset| subset.contains(feature)).count();
                // Four standard deviations of a binomial with 4000 trials.
                let slack = 4.0 * (4000.0 * keep * (1.0 - keep)).sqrt();
                assert!((kept as f64 - 4000.0 * keep).abs() < slack, "{keep}: {kept}");
            }
        }
        assert!(sample_subsets(&set, 5, 1.0, 1, 0).iter().all(|subset| *subset == set));
    }
}
