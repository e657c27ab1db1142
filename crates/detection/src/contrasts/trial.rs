//! Measures contrasts in random contexts, and tests them.

use hsets_core::{Error, Mask, Progress, Removal, Result, SegmentMap};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use statrs::distribution::{ContinuousCDF as _, StudentsT};

use super::{
    config::Trials,
    interaction::{Contrast, Estimate, Interaction, ReferenceEffect, Triple, difference},
};

/// Tail of Student's t beyond which a pair is out of reach of a claim. Of pairs whose effect is just
/// where it begins to count, one in a hundred is given up.
const HOPELESS: f64 = 1e-2;

/// Random contexts: what is out beside the regions. The same for every pair and every reference.
pub(super) struct Contexts(Vec<Mask>);

/// Contexts of their own for what is chosen and what is tested. Gradients draw their noise from
/// stream 0.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stream {
    Tests = 1,
    Sizes = 2,
}

impl Contexts {
    /// `n` contexts in which every segment is kept with probability `keep`.
    pub(super) fn new(
        segments: &SegmentMap,
        n: usize,
        keep: f64,
        seed: u64,
        stream: Stream,
    ) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64);
        let mut draw = |_| {
            let out = (0..segments.n_segments() as u32).filter(|_| !rng.random_bool(keep));
            Mask::of_segments(segments, &out.collect::<Vec<_>>())
        };
        Self((0..n).map(&mut draw).collect())
    }
}

/// The values of g in one context with each subset of regions out: `2^n` of them, bit i of the index
/// for region i.
fn subsets(context: &Mask, regions: &[&Mask]) -> Vec<Mask> {
    let outside = regions.iter().fold(context.clone(), |rest, region| rest.difference(region));
    let subset = |bits: usize| {
        let out = regions.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1);
        out.fold(outside.clone(), |all, (_, region)| all.union(region))
    };
    (0..1 << regions.len()).map(subset).collect()
}

/// g in the given contexts, all subsets of the regions of each group one after the other.
fn values(
    removal: &Removal<'_>,
    contexts: &[Mask],
    groups: &[Vec<&Mask>],
    progress: &dyn Progress,
) -> Result<Vec<Vec<Vec<f64>>>> {
    let masks: Vec<Mask> = groups
        .iter()
        .flat_map(|regions| contexts.iter().flat_map(|context| subsets(context, regions)))
        .collect();
    let mut values = removal.values(&masks, progress)?.into_iter();
    let of_context = |regions: &Vec<&Mask>| values.by_ref().take(1 << regions.len()).collect();
    let mut of_context = of_context;
    let of_group = |regions| contexts.iter().map(|_| of_context(regions)).collect();
    Ok(groups.iter().map(of_group).collect())
}

/// Bits of the index: 1 for the first region out, 2 for the second.
fn contrast(values: &[Vec<f64>], third_out: bool) -> Contrast {
    let offset = if third_out { 4 } else { 0 };
    let of = |v: &Vec<f64>| [v[offset], v[offset + 1], v[offset + 2], v[offset + 3]];
    Contrast::of(&values.iter().map(of).collect::<Vec<_>>())
}

/// Share of the strongest effect that a smaller area is content with.
const ENOUGH: f64 = 0.9;

/// Of every pair, the smallest area at which it has nearly its strongest effect, in units of the
/// scale.
pub(super) fn sized(
    removal: &Removal<'_>,
    contexts: &Contexts,
    pairs: &[Vec<[Mask; 2]>],
    floor: f64,
    progress: &dyn Progress,
) -> Result<Vec<[Mask; 2]>> {
    let groups: Vec<Vec<&Mask>> =
        pairs.iter().flatten().map(|pair| pair.iter().collect()).collect();
    let mut samples = values(removal, &contexts.0, &groups, progress)?.into_iter();
    let strength = |samples: Vec<Vec<f64>>| {
        let found = contrast(&samples, false);
        found.effect.mean.abs() / floor.max(found.main_effect()).max(f64::MIN_POSITIVE)
    };
    let mut chosen = Vec::with_capacity(pairs.len());
    for sizes in pairs {
        let strengths: Vec<f64> = samples.by_ref().take(sizes.len()).map(strength).collect();
        let most = strengths.iter().copied().fold(0.0, f64::max);
        let enough = strengths.iter().position(|&strength| strength >= ENOUGH * most);
        chosen.extend(enough.map(|at| sizes[at].clone()));
    }
    Ok(chosen)
}

/// Measures and tests pairs of regions: the claims under the first removal, the others beside.
///
/// `floor` is the least scale: the largest of |g| and of the effect of any segment.
pub(super) fn pairs(
    removals: &[&Removal<'_>],
    contexts: &Contexts,
    regions: &[[Mask; 2]],
    floor: f64,
    settings: &Trials,
    progress: &dyn Progress,
) -> Result<Vec<Interaction>> {
    let Some((own, others)) = removals.split_first() else {
        return Err(Error::config("references", "none", "at least one"));
    };
    let Contexts(contexts) = contexts;
    let groups: Vec<Vec<&Mask>> = regions.iter().map(|pair| pair.iter().collect()).collect();
    let n_first = settings.first_contexts.min(settings.contexts);
    let mut samples = values(own, &contexts[..n_first], &groups, progress)?;
    let is_thrifty = n_first < settings.contexts;
    let goes_on = |samples: &Vec<Vec<f64>>| {
        !(is_thrifty && is_hopeless(&contrast(samples, false), floor, settings))
    };
    let open: Vec<usize> = (0..groups.len()).filter(|&at| goes_on(&samples[at])).collect();
    if is_thrifty {
        let chosen: Vec<Vec<&Mask>> = open.iter().map(|&at| groups[at].clone()).collect();
        let rest = &contexts[n_first..settings.contexts];
        progress.advance((4 * rest.len() * (groups.len() - open.len())) as u64);
        let more = values(own, rest, &chosen, progress)?;
        open.iter().zip(more).for_each(|(&at, more)| samples[at].extend(more));
    }
    let contrasts: Vec<Contrast> = samples.iter().map(|samples| contrast(samples, false)).collect();
    let scales: Vec<f64> = contrasts.iter().map(|found| floor.max(found.main_effect())).collect();
    let tested = contrasts.iter().zip(&scales);
    let p_values: Vec<f64> =
        tested.map(|(found, scale)| p_value(&found.effect, settings.delta * scale)).collect();
    let p_values = holm(&p_values);
    let strength =
        |at: &usize| contrasts[*at].effect.mean.abs() / scales[*at].max(f64::MIN_POSITIVE);
    let strongest = (0..groups.len()).max_by(|a, b| strength(a).total_cmp(&strength(b)));
    let is_shown =
        |&at: &usize| !is_thrifty || p_values[at] <= settings.level || Some(at) == strongest;
    let shown: Vec<usize> = (0..groups.len()).filter(is_shown).collect();
    let chosen: Vec<Vec<&Mask>> = shown.iter().map(|&at| groups[at].clone()).collect();
    let mut beside: Vec<Vec<ReferenceEffect>> = vec![Vec::new(); regions.len()];
    for removal in others {
        let n = settings.reference_contexts.min(contexts.len());
        progress.advance((4 * n * (groups.len() - shown.len())) as u64);
        let found = values(removal, &contexts[..n], &chosen, progress)?;
        for (&at, samples) in shown.iter().zip(&found) {
            let (name, contrast) = (removal.name().to_owned(), contrast(samples, false));
            beside[at].push(ReferenceEffect { name, contrast });
        }
    }
    let all = regions.iter().zip(contrasts).zip(scales).zip(p_values).zip(beside);
    let interaction = |((((regions, contrast), scale), p_value), references)| Interaction {
        regions: <[Mask; 2]>::clone(regions),
        contrast,
        scale,
        p_value,
        claim: p_value <= settings.level,
        references,
    };
    let mut found: Vec<Interaction> = all.map(interaction).collect();
    found.sort_by(|a, b| b.strength().total_cmp(&a.strength()));
    Ok(found)
}

/// Measures and tests groups of three.
pub(super) fn triples(
    removal: &Removal<'_>,
    contexts: &Contexts,
    regions: &[[Mask; 3]],
    floor: f64,
    settings: &Trials,
    progress: &dyn Progress,
) -> Result<Vec<Triple>> {
    let groups: Vec<Vec<&Mask>> = regions.iter().map(|group| group.iter().collect()).collect();
    let samples = values(removal, &contexts.0[..settings.contexts], &groups, progress)?;
    let mut found = Vec::with_capacity(regions.len());
    for (regions, samples) in regions.iter().zip(&samples) {
        let dividends: Vec<f64> = samples.iter().map(|v| dividend(v)).collect();
        let dividend = Estimate::of(&dividends);
        let (with_third, without_third) = (contrast(samples, false), contrast(samples, true));
        let scale = floor.max(with_third.main_effect()).max(without_third.main_effect());
        let p_value = p_value(&dividend, settings.delta * scale);
        let regions = regions.clone();
        let claim = false;
        found.push(Triple { regions, with_third, without_third, dividend, scale, p_value, claim });
    }
    let p_values: Vec<f64> = found.iter().map(|triple| triple.p_value).collect();
    for (triple, p_value) in found.iter_mut().zip(holm(&p_values)) {
        triple.p_value = p_value;
        triple.claim = p_value <= settings.level;
    }
    Ok(found)
}

/// The contrast of the first two regions with the third, minus that without it.
fn dividend(values: &[f64]) -> f64 {
    let contrast =
        |at: usize| difference(&[values[at], values[at + 1], values[at + 2], values[at + 3]]);
    contrast(0) - contrast(4)
}

/// p of the one-sided t-test of |mean| ≤ bound.
fn p_value(estimate: &Estimate, bound: f64) -> f64 {
    tail(estimate.mean.abs() - bound, estimate)
}

/// Whether the effect is so far below the bound that measuring on is in vain.
fn is_hopeless(contrast: &Contrast, floor: f64, settings: &Trials) -> bool {
    let bound = settings.delta * floor.max(contrast.main_effect());
    tail(bound - contrast.effect.mean.abs(), &contrast.effect) < HOPELESS
}

/// P(T > excess / standard error) of Student's t.
fn tail(excess: f64, estimate: &Estimate) -> f64 {
    if estimate.standard_error == 0.0 {
        // The same in every context.
        return if excess > 0.0 { 0.0 } else { 1.0 };
    }
    let student = StudentsT::new(0.0, 1.0, (estimate.n - 1) as f64);
    student.map_or(1.0, |student| student.sf(excess / estimate.standard_error))
}

/// Holm's correction: p-values that may be compared with the level of all tests together.
fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]).then(a.cmp(&b)));
    let (mut adjusted, mut largest) = (vec![1.0; p_values.len()], 0.0f64);
    for (rank, at) in order.into_iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[at]).min(1.0);
        adjusted[at] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_by_hand() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02]);
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    /// `scipy.stats.t.sf((2.5 - 1) / 0.5, 4)`.
    #[test]
    fn tails_are_those_of_student() {
        let estimate = Estimate { mean: -2.5, standard_error: 0.5, n: 5 };
        assert!((p_value(&estimate, 1.0) - 0.019_970_984).abs() < 1e-6);
        let exact = Estimate { standard_error: 0.0, ..estimate };
        assert_eq!((p_value(&exact, 1.0), p_value(&exact, 2.5)), (0.0, 1.0));
    }

    #[test]
    fn a_context_never_decides_over_the_regions() {
        let mask = |pixels: &[usize]| Mask::of_pixels(6, 1, pixels.iter().copied()).unwrap();
        let (context, first, second) = (mask(&[0, 3, 5]), mask(&[0, 1]), mask(&[3]));
        let subsets = subsets(&context, &[&first, &second]);
        let expected = [mask(&[5]), mask(&[0, 1, 5]), mask(&[3, 5]), mask(&[0, 1, 3, 5])];
        assert_eq!(subsets, expected);
    }
}
