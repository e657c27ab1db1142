//! How well predicted effects of pairs agree with what taking the pairs away does.
//!
//! The second difference of a pair of segments in a context of others is
//! δ_ij(S) = ν(S ∪ ij) - ν(S ∪ i) - ν(S ∪ j) + ν(S).
//! Pairs are drawn, half of them where main effects are large; their second differences are measured
//! in contexts of the metric's own; and the predictions are correlated with the means, with their
//! signs.

use hsets_core::{Error, Mask, Progress, Removal, Result, SegmentMap};
use rand::RngExt;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use crate::correlation::spearman;

/// Settings of [`PairTrials::measure`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PairSampling {
    /// Pairs drawn uniformly, without replacement.
    pub n_uniform: usize,
    /// Pairs drawn with probabilities in proportion to the product |Δ_i Δ_j| of the effects of
    /// taking one away, without replacement, none of them above.
    pub n_by_effect: usize,
    /// ≥ 2: contexts in which each pair is measured.
    pub n_contexts: usize,
    /// Probability, in (0, 1], that any other segment is in a context.
    pub keep: f64,
    /// Seed of pairs and contexts.
    pub seed: u64,
}

impl PairSampling {
    /// 12 pairs uniformly and 14 by effect, 8 contexts that keep 85 %.
    pub fn standard() -> Self {
        Self { n_uniform: 12, n_by_effect: 14, n_contexts: 8, keep: 0.85, seed: 0 }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        if self.n_contexts < 2 {
            return Err(Error::config("contexts", self.n_contexts, "at least 2, to be halved"));
        }
        if !(self.keep > 0.0 && self.keep <= 1.0) {
            return Err(Error::config("keep", self.keep, "a probability above 0 and at most 1"));
        }
        if self.n_uniform + self.n_by_effect < 3 {
            let n_pairs = self.n_uniform + self.n_by_effect;
            return Err(Error::config("pairs", n_pairs, "at least 3, to be ranked"));
        }
        Ok(())
    }
}

/// Effects of pairs, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct PairTrials {
    /// The segments, ascending.
    pub pairs: Vec<[u32; 2]>,
    /// Which segments are there in each context.
    pub contexts: Vec<Vec<bool>>,
    /// δ_ij in every context, one row for each pair, in units of the target.
    pub differences: Vec<Vec<f64>>,
    /// Δ_i = ν(all) - ν(all but i) of every segment.
    pub main_effects: Vec<f64>,
}

impl PairTrials {
    /// Draws pairs of segments and measures them: 1 + n forward passes for n segments, then four
    /// for each pair and context.
    pub fn measure(
        removal: &Removal<'_>,
        segments: &SegmentMap,
        settings: &PairSampling,
        progress: &dyn Progress,
    ) -> Result<Self> {
        settings.check()?;
        let n = segments.n_segments();
        let n_pairs = n * n.saturating_sub(1) / 2;
        if n_pairs < 3 {
            let expected = "at least 3, for three pairs to rank: choose another segmenter";
            return Err(Error::config("segments", n, expected));
        }
        let n_measured = n_pairs.min(settings.n_uniform + settings.n_by_effect);
        let n_forwards = 1 + n + 4 * n_measured * settings.n_contexts;
        progress.begin("effects of pairs", n_forwards as u64);
        let without = |out: usize| (0..n).map(|i| i != out).collect::<Vec<bool>>();
        // The first leaves out nobody.
        let singles = std::iter::once(n).chain(0..n).map(without);
        let values = values(removal, segments, singles, progress)?;
        let main_effects: Vec<f64> = values[1..].iter().map(|value| values[0] - value).collect();
        let mut rng = ChaCha8Rng::seed_from_u64(settings.seed);
        // Contexts that nothing else has seen which draws by the same seed.
        rng.set_stream(u64::from_be_bytes(*b"contexts"));
        let pairs = draw_pairs(&main_effects, settings, &mut rng);
        let contexts: Vec<Vec<bool>> = (0..settings.n_contexts)
            .map(|_| (0..n).map(|_| rng.random::<f64>() < settings.keep).collect())
            .collect();
        let differences = second_differences(removal, segments, &pairs, &contexts, progress)?;
        progress.end();
        Ok(Self { pairs, contexts, differences, main_effects })
    }

    /// The same pairs in the same contexts under another reference, or on another picture. The main
    /// effects stay what they are: they only chose the pairs.
    pub fn repeated(
        &self,
        removal: &Removal<'_>,
        segments: &SegmentMap,
        progress: &dyn Progress,
    ) -> Result<Self> {
        progress.begin("effects of pairs", 4 * (self.pairs.len() * self.contexts.len()) as u64);
        let Self { pairs, contexts, .. } = self;
        let differences = second_differences(removal, segments, pairs, contexts, progress)?;
        progress.end();
        Ok(Self { differences, ..self.clone() })
    }

    /// Mean second difference of each pair.
    pub fn means(&self) -> Vec<f64> {
        self.differences.iter().map(|row| mean(row)).collect()
    }

    /// Signed rank correlation of predictions with the measured means, in \[-1, 1\]. NaN where all
    /// predictions, or all means, are equal.
    pub fn faithfulness(&self, predict: impl Fn([u32; 2]) -> f64) -> f64 {
        let predictions: Vec<f64> = self.pairs.iter().map(|&pair| predict(pair)).collect();
        spearman(&predictions, &self.means())
    }

    /// Control: the faithfulness of the product Δ_i Δ_j of the main effects, which knows of no
    /// interaction.
    pub fn faithfulness_of_mains(&self) -> f64 {
        self.faithfulness(|[i, j]| self.main_effects[i as usize] * self.main_effects[j as usize])
    }

    /// r, the rank correlation of the means over one half of the contexts with those over the other:
    /// what a measurement half as long says of its like.
    pub fn split_half(&self) -> f64 {
        let half = |first: bool| -> Vec<f64> {
            let middle = |row: &Vec<f64>| row.len() / 2;
            let part = |row: &Vec<f64>| {
                if first { mean(&row[..middle(row)]) } else { mean(&row[middle(row)..]) }
            };
            self.differences.iter().map(part).collect()
        };
        spearman(&half(true), &half(false))
    }

    /// √(2r / (1 + r)), the correlation that the true effects themselves would have with these means
    /// (Spearman 1910, Brown 1910); 0 where r ≤ 0. No prediction can be expected to do better.
    pub fn ceiling(&self) -> f64 {
        let r = self.split_half();
        if r <= 0.0 { 0.0 } else { (2.0 * r / (1.0 + r)).sqrt() }
    }
}

/// δ_ij of every pair in every context, a row for each pair. A context says of every segment whether
/// it is present; what it says of i and j does not matter.
pub fn second_differences(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    pairs: &[[u32; 2]],
    contexts: &[Vec<bool>],
    progress: &dyn Progress,
) -> Result<Vec<Vec<f64>>> {
    let coalitions = pairs.iter().flat_map(|&[i, j]| {
        contexts.iter().flat_map(move |context| {
            [(true, true), (true, false), (false, true), (false, false)].map(|(with_i, with_j)| {
                let mut present = context.clone();
                present[i as usize] = with_i;
                present[j as usize] = with_j;
                present
            })
        })
    });
    let values = values(removal, segments, coalitions, progress)?;
    let difference = |four: &[f64]| four[0] - four[1] - four[2] + four[3];
    let differences: Vec<f64> = values.chunks_exact(4).map(difference).collect();
    Ok(differences.chunks(contexts.len().max(1)).map(<[f64]>::to_vec).collect())
}

/// The target of each coalition of segments: all others are removed.
pub(crate) fn values(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    coalitions: impl IntoIterator<Item = Vec<bool>>,
    progress: &dyn Progress,
) -> Result<Vec<f64>> {
    let removed = |present: Vec<bool>| {
        let out = (0..segments.n_segments() as u32).filter(|&label| !present[label as usize]);
        Mask::of_segments(segments, &out.collect::<Vec<_>>())
    };
    let removed: Vec<Mask> = coalitions.into_iter().map(removed).collect();
    removal.values(&removed, progress)
}

fn draw_pairs(
    main_effects: &[f64],
    settings: &PairSampling,
    rng: &mut ChaCha8Rng,
) -> Vec<[u32; 2]> {
    let n = main_effects.len() as u32;
    let mut left: Vec<[u32; 2]> = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j])).collect();
    let mut drawn = Vec::new();
    for _ in 0..settings.n_uniform.min(left.len()) {
        drawn.push(left.swap_remove(rng.random_range(0..left.len())));
    }
    for _ in 0..settings.n_by_effect.min(left.len()) {
        let weight =
            |&[i, j]: &[u32; 2]| (main_effects[i as usize] * main_effects[j as usize]).abs();
        let total: f64 = left.iter().map(weight).sum();
        let mut at = rng.random::<f64>() * total;
        let reached = |pair: &[u32; 2]| {
            at -= weight(pair);
            at < 0.0
        };
        // Where nothing has an effect, or rounding ran past the end: the last.
        let chosen = left.iter().position(reached).unwrap_or(left.len() - 1);
        drawn.push(left.swap_remove(chosen));
    }
    drawn.sort_unstable();
    drawn
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_core::{Image, Shape, Silent, Target, analytic::Polynomial};

    const N: usize = 9;

    /// Every pixel a segment; f = Σ aᵢ xᵢ + Σ bᵢⱼ xᵢ xⱼ over all pairs.
    fn effect([i, j]: [u32; 2]) -> f64 {
        f64::from((i * 7 + j * 5) % 11) - 5.0 + 0.01 * f64::from(i * 9 + j)
    }

    fn measured(terms: Vec<(f64, Vec<usize>)>, settings: &PairSampling) -> PairTrials {
        let shape = Shape::new(1, 1, N);
        let field = Polynomial::new(shape, vec![terms]);
        let (image, reference) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
        let segments = SegmentMap::new(N, 1, &(0..N as u32).collect::<Vec<_>>()).unwrap();
        let removal = Removal::new(&field, &image, "zero", reference, Target::Logit(0)).unwrap();
        PairTrials::measure(&removal, &segments, settings, &Silent).unwrap()
    }

    fn quadratic() -> Vec<(f64, Vec<usize>)> {
        let n = N as u32;
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| [i, j]));
        let products = pairs.map(|[i, j]| (effect([i, j]), vec![i as usize, j as usize]));
        products.chain((0..N).map(|i| (3.0, vec![i]))).collect()
    }

    #[test]
    fn true_effects_are_perfectly_faithful_and_opposite_ones_are_not() {
        let found = measured(quadratic(), &PairSampling::standard());
        assert_eq!(found.pairs.len(), 26);
        assert!((found.faithfulness(effect) - 1.0).abs() < 1e-12);
        assert!((found.faithfulness(|pair| -effect(pair)) + 1.0).abs() < 1e-12);
        // A quadratic has the same second difference in every context.
        assert!((found.split_half() - 1.0).abs() < 1e-12 && (found.ceiling() - 1.0).abs() < 1e-12);
        assert!(found.faithfulness_of_mains().abs() < 0.9);
        for (&pair, mean) in found.pairs.iter().zip(found.means()) {
            assert!((mean - effect(pair)).abs() < 1e-5, "{pair:?}");
        }
    }

    #[test]
    fn an_additive_network_gives_no_number() {
        let found =
            measured((0..N).map(|i| (i as f64, vec![i])).collect(), &PairSampling::standard());
        assert!(found.faithfulness(effect).is_nan());
        assert_eq!(found.main_effects, (0..N).map(|i| i as f64).collect::<Vec<_>>());
    }

    #[test]
    fn contexts_that_disagree_lower_the_ceiling() {
        // Triples: the effect of a pair depends on who else is there.
        let triples = (0..N).map(|i| (1.0 + i as f64, vec![i, (i + 2) % N, (i + 5) % N]));
        let settings = PairSampling { keep: 0.5, n_contexts: 4, ..PairSampling::standard() };
        let found = measured(triples.collect(), &settings);
        assert!(found.ceiling() < 0.99 && found.ceiling() > found.split_half());
    }

    #[test]
    fn pairs_are_drawn_once_seeded_and_where_the_effects_are() {
        let mut mains = vec![0.0; 30];
        mains[3] = 5.0;
        mains[17] = -2.0;
        let draw = |seed| {
            let settings =
                PairSampling { seed, n_uniform: 2, n_by_effect: 1, ..PairSampling::standard() };
            draw_pairs(&mains, &settings, &mut ChaCha8Rng::seed_from_u64(seed))
        };
        assert!((0..20).all(|seed| draw(seed).contains(&[3, 17])));
        assert_eq!(draw(1), draw(1));
        assert!((1..20).any(|seed| draw(seed) != draw(0)));
        let settings = PairSampling { n_uniform: 100, ..PairSampling::standard() };
        let mut all = draw_pairs(&[1.0; 6], &settings, &mut ChaCha8Rng::seed_from_u64(0));
        all.dedup();
        assert_eq!(all.len(), 15);
    }

    #[test]
    fn settings_are_checked() {
        let standard = PairSampling::standard();
        for wrong in [
            PairSampling { n_contexts: 1, ..standard },
            PairSampling { keep: 0.0, ..standard },
            PairSampling { n_uniform: 2, n_by_effect: 0, ..standard },
        ] {
            assert!(wrong.check().is_err(), "{wrong:?}");
        }
    }
}
