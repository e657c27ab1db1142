//! Sampled contrasts: which regions of a picture act together, measured and tested.
//!
//! Two regions P and Q interact if the network loses more, or less, without both than it loses
//! without each: d = g(both) - g(without P) - g(without Q) + g(without both) is not 0, where what is
//! removed shows a fixed reference b.
//!
//! 1. *Propose.* D_A = (x - b) ⊙ (∇g(x) - ∇g(x without A)) of every segment A is its row of the
//!    Hessian at finite size: exact `ReLU`, no linearisation. From the strongest row on, each region
//!    of a pair is found anew from the other, by differences of Integrated Gradients.
//! 2. *Measure.* d, a mean over random contexts, in which other segments are out as well.
//! 3. *Test.* Against |effect| ≤ δ · scale, not against 0: no network of the real world adds
//!    exactly. Pairs that pass are claimed; where none does, none was found, in so many words.
//!
//! Nothing here asks for second derivatives: any [`Differentiable`] field will do.
//!
//! ```
//! use hsets_core::{Image, Mask, Removal, SegmentMap, Shape, Silent, Target, analytic::Polynomial};
//! use hsets_detection::{Contrasts, measure_contrasts};
//!
//! // f(x) = 3·x₀·x₂ + x₁ + x₃: the first and the third act together, the others add.
//! let shape = Shape::new(1, 1, 4);
//! let terms = vec![(3.0, vec![0, 2]), (1.0, vec![1]), (1.0, vec![3])];
//! let field = Polynomial::new(shape, vec![terms]);
//! let (image, zero) = (Image::constant(shape, 1.0), Image::constant(shape, 0.0));
//! let removal = Removal::new(&field, &image, "zero", zero, Target::Logit(0))?;
//! let segments = SegmentMap::new(4, 1, &[0, 1, 2, 3])?;
//! let pixel = |at| Mask::of_pixels(4, 1, [at]);
//! let pairs = [[pixel(0)?, pixel(2)?], [pixel(1)?, pixel(3)?]];
//!
//! let settings = Contrasts::standard();
//! let found = measure_contrasts(&[&removal], &segments, &pairs, &settings, &Silent)?;
//! assert!(found[0].claim && found[0].regions == pairs[0]);
//! assert!((found[0].contrast.effect.mean - 3.0).abs() < 1e-6);
//! assert!(!found[1].claim);
//! # Ok::<(), hsets_core::Error>(())
//! ```

mod config;
mod effects;
mod interaction;
mod propose;
mod region;
mod ring;
mod slopes;
mod trial;

pub use config::{Contrasts, Proposals, Trials};
pub use effects::{PairEffects, pair_effects};
pub use interaction::{Contrast, Contrasted, Estimate, Interaction, ReferenceEffect, Sign, Triple};
pub use propose::Proposed;
pub use ring::ring;

use hsets_core::{Differentiable, Error, Mask, Progress, Removal, Result, SegmentMap, Shape};

use slopes::Slopes;
use trial::{Contexts, Stream};

/// Proposes pairs of regions, measures and tests them.
///
/// Claims are made under the first of `removals`, which are of one image and one target; effects
/// under the others stand beside them. `field` is the one that all of them score with.
pub fn find_contrasts(
    field: &dyn Differentiable,
    removals: &[&Removal<'_>],
    segments: &SegmentMap,
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Contrasted> {
    let removal = checked(removals, segments)?;
    let proposed = propose_pairs(field, removal, segments, settings, progress)?;
    let pairs = size_pairs(removal, segments, &proposed, settings, progress)?;
    let interactions = measure_contrasts(removals, segments, &pairs, settings, progress)?;
    let mut groups = Vec::new();
    if settings.trials.order > 2 {
        for Interaction { regions, .. } in interactions.iter().filter(|pair| pair.claim) {
            groups.extend(propose_triple(field, removal, &proposed, regions, settings, progress)?);
        }
    }
    let triples = measure_triples(removal, segments, &groups, settings, progress)?;
    let (value, main_effects) = main_effects(removal, segments, progress)?;
    let partners = proposed.partners;
    Ok(Contrasted { interactions, triples, value, main_effects, partners })
}

/// Pairs of regions that may interact, by gradients alone.
pub fn propose_pairs(
    field: &dyn Differentiable,
    removal: &Removal<'_>,
    segments: &SegmentMap,
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Proposed> {
    settings.check()?;
    checked(&[removal], segments)?;
    let slopes = Slopes::new(field, removal, &settings.proposals, settings.seed, progress);
    let n = propose::n_gradients(&slopes, &settings.proposals, segments.n_segments());
    progress.begin("proposals", n);
    let proposed = Proposed::new(&slopes, segments, &settings.proposals)?;
    progress.end();
    Ok(proposed)
}

/// The proposed pairs, each at one of the areas it may have: the smallest that has nearly the
/// strongest effect. Its contexts are not those of the tests, so choosing makes no claim likelier.
pub fn size_pairs(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    proposed: &Proposed,
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Vec<[Mask; 2]>> {
    settings.check()?;
    checked(&[removal], segments)?;
    let pairs = &proposed.pairs;
    if pairs.iter().all(|sizes| sizes.len() == 1) {
        return Ok(pairs.iter().flatten().cloned().collect());
    }
    let scale = least_scale(removal, segments, progress)?;
    let Trials { sizing_contexts: n, keep, .. } = settings.trials;
    let contexts = Contexts::new(segments, n, keep, settings.seed, Stream::Sizes);
    progress.begin("areas", (4 * n * pairs.iter().map(Vec::len).sum::<usize>()) as u64);
    let chosen = trial::sized(removal, &contexts, pairs, scale, progress)?;
    progress.end();
    Ok(chosen)
}

/// A pair with the third region on which its interaction depends most; `None` if it depends on
/// none. By gradients alone.
pub fn propose_triple(
    field: &dyn Differentiable,
    removal: &Removal<'_>,
    proposed: &Proposed,
    pair: &[Mask; 2],
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Option<[Mask; 3]>> {
    settings.check()?;
    pair.iter().try_for_each(|region| check_region(region, removal.image().shape()))?;
    let slopes = Slopes::new(field, removal, &settings.proposals, settings.seed, progress);
    progress.begin("third regions", 3 * slopes.n_along());
    let third = proposed.third(&slopes, pair, &settings.proposals)?;
    progress.end();
    Ok(third.map(|third| [pair[0].clone(), pair[1].clone(), third]))
}

/// Measures and tests pairs of regions that are given, as [`find_contrasts`] does those it proposes:
/// the same regions give the same numbers. The largest |effect| / scale comes first.
pub fn measure_contrasts(
    removals: &[&Removal<'_>],
    segments: &SegmentMap,
    pairs: &[[Mask; 2]],
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Vec<Interaction>> {
    settings.check()?;
    let removal = checked(removals, segments)?;
    for pair in pairs {
        check_disjoint(pair, removal.image().shape())?;
    }
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let scale = least_scale(removal, segments, progress)?;
    let trials = &settings.trials;
    let n_contexts = trials.contexts + (removals.len() - 1) * trials.reference_contexts;
    progress.begin("contrasts", (4 * n_contexts * pairs.len()) as u64);
    let contexts = contexts(segments, settings);
    let found = trial::pairs(removals, &contexts, pairs, scale, trials, progress)?;
    progress.end();
    Ok(found)
}

/// Measures and tests groups of three regions, under one reference.
pub fn measure_triples(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    groups: &[[Mask; 3]],
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Vec<Triple>> {
    settings.check()?;
    checked(&[removal], segments)?;
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    for group in groups {
        check_disjoint(group, removal.image().shape())?;
    }
    let scale = least_scale(removal, segments, progress)?;
    let trials = &settings.trials;
    progress.begin("groups of three", (8 * trials.contexts * groups.len()) as u64);
    let contexts = contexts(segments, settings);
    let found = trial::triples(removal, &contexts, groups, scale, trials, progress)?;
    progress.end();
    Ok(found)
}

/// D of one region \[H·W\]: by how much its being there changes what every other pixel adds, by the
/// difference of Integrated Gradients with and without it; 0 inside it. Not blurred.
pub fn partners(
    field: &dyn Differentiable,
    removal: &Removal<'_>,
    region: &Mask,
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Vec<f32>> {
    settings.check()?;
    let shape = removal.image().shape();
    check_region(region, shape)?;
    let slopes = Slopes::new(field, removal, &settings.proposals, settings.seed, progress);
    progress.begin("partners", 2 * slopes.n_along());
    let present = slopes.along(&Mask::empty(shape.width, shape.height))?;
    let absent = slopes.along(region)?;
    progress.end();
    Ok(slopes.partners(&present, &absent, region))
}

/// Σ over segments A of |D_A| \[H·W\], blurred, each D_A by the difference of Integrated Gradients:
/// where a picture's pixels depend on what else is there. [`Contrasted::partners`] is the same from
/// gradients at the image alone.
pub fn interaction_map(
    field: &dyn Differentiable,
    removal: &Removal<'_>,
    segments: &SegmentMap,
    settings: &Contrasts,
    progress: &dyn Progress,
) -> Result<Vec<f32>> {
    settings.check()?;
    checked(&[removal], segments)?;
    let shape = removal.image().shape();
    let slopes = Slopes::new(field, removal, &settings.proposals, settings.seed, progress);
    let n = segments.n_segments() as u32;
    progress.begin("interaction map", (u64::from(n) + 1) * slopes.n_along());
    let present = slopes.along(&Mask::empty(shape.width, shape.height))?;
    let mut sum = vec![0.0; shape.n_pixels()];
    for label in 0..n {
        let segment = Mask::of_segments(segments, &[label]);
        let row = slopes.partners(&present, &slopes.along(&segment)?, &segment);
        sum.iter_mut().zip(row).for_each(|(sum, d)| *sum += d.abs());
    }
    progress.end();
    Ok(region::Blur::new(shape, settings.proposals.blur).apply(&sum))
}

/// The first removal, once all is as it should be.
fn checked<'r, 'a>(removals: &[&'r Removal<'a>], segments: &SegmentMap) -> Result<&'r Removal<'a>> {
    let Some((&first, others)) = removals.split_first() else {
        return Err(Error::config("references", "none", "at least one"));
    };
    let shape = first.image().shape();
    if (segments.width(), segments.height()) != (shape.width, shape.height) {
        let found = format!("{}x{}", segments.width(), segments.height());
        return Err(Error::shape("segments", format!("{}x{}", shape.width, shape.height), found));
    }
    if segments.n_segments() < 2 {
        let expected = "at least 2, or there is no context: choose another segmenter";
        return Err(Error::config("segments", segments.n_segments(), expected));
    }
    let is_alike =
        |other: &&Removal<'_>| other.target() == first.target() && other.image() == first.image();
    if others.iter().all(is_alike) {
        return Ok(first);
    }
    Err(Error::config("references", "of several images or targets", "one image and one target"))
}

fn check_region(region: &Mask, shape: Shape) -> Result<()> {
    region.expect_size("region", shape)?;
    if region.is_empty() {
        return Err(Error::config("regions", "an empty region", "at least one pixel each"));
    }
    Ok(())
}

fn check_disjoint(regions: &[Mask], shape: Shape) -> Result<()> {
    for (at, region) in regions.iter().enumerate() {
        check_region(region, shape)?;
        for other in &regions[..at] {
            let shared = region.shared(other)?;
            if shared > 0 {
                return Err(Error::config("regions", format!("{shared} shared pixels"), "none"));
            }
        }
    }
    Ok(())
}

fn contexts(segments: &SegmentMap, settings: &Contrasts) -> Contexts {
    let trials = &settings.trials;
    let n = trials.contexts.max(trials.reference_contexts);
    Contexts::new(segments, n, trials.keep, settings.seed, Stream::Tests)
}

/// g(x), and g(x) - g(x without A) of every segment A.
pub fn main_effects(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    progress: &dyn Progress,
) -> Result<(f64, Vec<f64>)> {
    let n = segments.n_segments() as u32;
    let mut masks = vec![Mask::empty(segments.width(), segments.height())];
    masks.extend((0..n).map(|label| Mask::of_segments(segments, &[label])));
    progress.begin("segments", masks.len() as u64);
    let values = removal.values(&masks, progress)?;
    progress.end();
    Ok((values[0], values[1..].iter().map(|without| values[0] - without).collect()))
}

/// The largest of |g| and of what a segment adds: effects are measured by it.
fn least_scale(
    removal: &Removal<'_>,
    segments: &SegmentMap,
    progress: &dyn Progress,
) -> Result<f64> {
    let (value, effects) = main_effects(removal, segments, progress)?;
    Ok(effects.iter().fold(value.abs(), |scale, effect| scale.max(effect.abs())))
}
