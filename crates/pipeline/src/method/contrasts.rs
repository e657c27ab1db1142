//! What networks say without parts of a picture: contrasts, effects of pairs, Banzhaf values.

use std::sync::Arc;

use hsets_attribution::{
    Baseline, integrated_gradients,
    methods::{self, Banzhaf, ranked_map, segment_map},
};
use hsets_core::{Error, Mask, Progress, Removal, Result, SaliencyMap, Shape};
use hsets_detection::{
    Contrasted, Contrasts, Interaction, PairEffects, Proposed, main_effects, measure_contrasts,
    measure_triples, propose_pairs, propose_triple, size_pairs,
};
use rand::RngExt as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Findings, Task};
use crate::{Explainer, Reference, Settings};

/// Which scalar is measured where a class is to be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scalar {
    /// Its log-odds: what a class gains over all others.
    LogOdds,
    /// Its logit, or whatever the target is.
    Given,
}

/// Settings of contrasts, pair effects, Banzhaf values and the interaction map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastSettings {
    /// How regions are proposed, measured and tested.
    pub regions: Contrasts,
    /// What removed pixels show. Claims are made under the first, effects under the others stand
    /// beside them; pair effects, Banzhaf values and maps know the first alone.
    pub references: Vec<Reference>,
    /// What is measured of a class.
    pub scalar: Scalar,
    /// How segments are ranked.
    pub banzhaf: Banzhaf,
}

impl ContrastSettings {
    /// The ring, beside it blur, zero and the picture's own pixels; log-odds.
    pub fn standard() -> Self {
        Self {
            regions: Contrasts::standard(),
            references: vec![
                Reference::Ring,
                Reference::Blur,
                Reference::Baseline(Baseline::Zero),
                Reference::Rolled,
            ],
            scalar: Scalar::LogOdds,
            banzhaf: Banzhaf::standard(),
        }
    }

    /// Fails on a setting outside its range.
    pub fn check(&self) -> Result<()> {
        self.regions.check()?;
        self.banzhaf.check()?;
        let twice = |at: usize| self.references[..at].contains(&self.references[at]);
        if let Some(at) = (0..self.references.len()).find(|&at| twice(at)) {
            let expected = "each reference once";
            return Err(Error::config("references", &self.references[at], expected));
        }
        self.first().map(drop)
    }

    /// The reference that claims are made under.
    fn first(&self) -> Result<&Reference> {
        let none = || Error::config("references", "none", "at least one, such as ring");
        self.references.first().ok_or_else(none)
    }
}

/// What is known about parts of a picture that act together.
#[derive(Debug, Clone, Default)]
pub struct Interactions {
    /// Pairs and groups of regions, measured and tested.
    pub contrasts: Option<Arc<Contrasted>>,
    /// Effects of all pairs of segments.
    pub pair_effects: Option<Arc<PairEffects>>,
    /// Banzhaf value of every segment.
    pub banzhaf: Option<Arc<Vec<f64>>>,
}

impl Explainer<'_> {
    /// Measures and tests pairs of regions that are given, as [`Method::Contrasts`](crate::Method)
    /// does those it proposes; the largest |effect| / scale comes first. Regions have the size of the
    /// image. With [`Trials::exhaustive`](hsets_detection::Trials::exhaustive) each is measured in
    /// all contexts and under all references, hopeless or not.
    pub fn contrast(
        &self,
        settings: &Settings,
        pairs: &[[Mask; 2]],
        progress: &dyn Progress,
    ) -> Result<Vec<Interaction>> {
        settings.check()?;
        let target = self.explained(settings);
        let references = settings.contrasts.references.iter();
        let removals: Vec<_> =
            references.map(|name| self.removal(name, &target)).collect::<Result<_>>()?;
        let removals: Vec<_> = removals.iter().map(Arc::as_ref).collect();
        let regions = &settings.contrasts.regions;
        measure_contrasts(&removals, self.segments(), pairs, regions, progress)
    }

    /// By how much one region's being there changes what every other pixel adds \[H·W\], under the
    /// first reference; 0 inside it.
    pub fn partners(
        &self,
        settings: &Settings,
        region: &Mask,
        progress: &dyn Progress,
    ) -> Result<Vec<f32>> {
        settings.check()?;
        let target = self.explained(settings);
        let removal = self.removal(settings.contrasts.first()?, &target)?;
        hsets_detection::partners(
            &self.field,
            &removal,
            region,
            &settings.contrasts.regions,
            progress,
        )
    }
}

/// The ranking first, it is soonest there; then what interacts.
pub(super) fn run(task: &Task<'_, '_>) -> Result<Findings> {
    let banzhaf = banzhaf_values(task)?;
    let contrasts = contrasted(task)?;
    let pair_effects = effects(task)?;
    let map = per_pixel(task.image().shape(), &contrasts.partners)?;
    let interactions = Interactions {
        contrasts: Some(Arc::new(contrasts)),
        pair_effects: Some(Arc::new(pair_effects)),
        banzhaf: Some(Arc::new(banzhaf)),
    };
    Ok(Findings { interactions, ..map.into() })
}

/// Every segment has the sum of the sizes of the effects of its pairs.
pub(super) fn pair_effects(task: &Task<'_, '_>) -> Result<Findings> {
    let found = effects(task)?;
    let map = segment_map(task.image().shape(), task.segments(), &found.totals())?;
    let interactions =
        Interactions { pair_effects: Some(Arc::new(found)), ..Interactions::default() };
    Ok(Findings { interactions, ..map.into() })
}

/// Every pixel has its rank.
pub(super) fn banzhaf(task: &Task<'_, '_>) -> Result<Findings> {
    let values = banzhaf_values(task)?;
    let findings = ranked(task, &values)?;
    let interactions = Interactions { banzhaf: Some(Arc::new(values)), ..Interactions::default() };
    Ok(Findings { interactions, ..findings })
}

pub(super) fn shuffled_banzhaf(task: &Task<'_, '_>) -> Result<Findings> {
    let values = banzhaf_values(task)?;
    ranked(task, &methods::shuffled(&values, task.settings.controls.seed))
}

/// Σ |D_A| of all segments, by differences of Integrated Gradients.
pub(super) fn interaction_map(task: &Task<'_, '_>) -> Result<Findings> {
    let settings = &task.settings.contrasts;
    let removal = task.explainer.removal(settings.first()?, task.target)?;
    let (field, segments) = (task.field(), task.segments());
    let map = task.time("interaction map", || {
        let progress = task.progress;
        hsets_detection::interaction_map(field, &removal, segments, &settings.regions, progress)
    })?;
    Ok(per_pixel(task.image().shape(), &map)?.into())
}

/// Regions and map of contrasts, moved together over the edges of the picture; the regions are
/// measured and tested as those of contrasts are.
pub(super) fn moved(task: &Task<'_, '_>) -> Result<Findings> {
    let proposed = proposed(task)?;
    let shape = task.image().shape();
    let mut rng = ChaCha8Rng::seed_from_u64(task.settings.controls.seed);
    let by = [rng.random_range(0..shape.height), rng.random_range(0..shape.width)];
    let to = |pixel: usize| {
        let (y, x) = (pixel / shape.width + by[0], pixel % shape.width + by[1]);
        y % shape.height * shape.width + x % shape.width
    };
    let mut partners = vec![0.0; shape.n_pixels()];
    proposed.partners.iter().enumerate().for_each(|(pixel, &value)| partners[to(pixel)] = value);
    let region = |mask: &Mask| Mask::of_pixels(shape.width, shape.height, mask.pixels().map(to));
    let pairs = sized(task, &proposed)?;
    let moved = pairs.iter().map(|[p, q]| Ok([region(p)?, region(q)?]));
    let pairs = moved.collect::<Result<Vec<_>>>()?;
    let interactions = measured(task, &pairs)?;
    let map = per_pixel(shape, &partners)?;
    let removal = task.explainer.removal(task.settings.contrasts.first()?, task.target)?;
    let (value, main_effects) = main_effects(&removal, task.segments(), task.progress)?;
    let triples = Vec::new();
    let contrasts = Contrasted { interactions, triples, value, main_effects, partners };
    let interactions = Interactions { contrasts: Some(Arc::new(contrasts)), ..Default::default() };
    Ok(Findings { interactions, ..map.into() })
}

/// Removals under all references, the first of which makes the claims.
fn removals<'a>(task: &Task<'_, 'a>) -> Result<Vec<Arc<Removal<'a>>>> {
    let references = task.settings.contrasts.references.iter();
    references.map(|reference| task.explainer.removal(reference, task.target)).collect()
}

/// Pairs of regions under the first reference, measured under all.
fn contrasted(task: &Task<'_, '_>) -> Result<Contrasted> {
    let proposed = proposed(task)?;
    let removals = removals(task)?;
    let interactions = measured(task, &sized(task, &proposed)?)?;
    let settings = &task.settings.contrasts.regions;
    let mut groups = Vec::new();
    if settings.trials.order > 2 {
        for pair in interactions.iter().filter(|pair| pair.claim) {
            groups.extend(triple(task, &proposed, &pair.regions)?);
        }
    }
    let segments = task.segments();
    let triples = task.time("contrasts", || {
        measure_triples(&removals[0], segments, &groups, settings, task.progress)
    })?;
    let (value, main_effects) = main_effects(&removals[0], segments, task.progress)?;
    let partners = proposed.partners.clone();
    Ok(Contrasted { interactions, triples, value, main_effects, partners })
}

fn proposed(task: &Task<'_, '_>) -> Result<Arc<Proposed>> {
    let settings = &task.settings.contrasts;
    let removal = task.explainer.removal(settings.first()?, task.target)?;
    let key = (settings.regions.clone(), settings.first()?.clone(), task.target.clone());
    task.explainer.memo.removal.proposals.get(&task.field().ledger, key, || {
        let (field, segments) = (task.field(), task.segments());
        let propose = || propose_pairs(field, &removal, segments, &settings.regions, task.progress);
        task.time("proposals", propose).map(Arc::new)
    })
}

fn sized(task: &Task<'_, '_>, proposed: &Proposed) -> Result<Vec<[Mask; 2]>> {
    let settings = &task.settings.contrasts;
    let removal = task.explainer.removal(settings.first()?, task.target)?;
    let (segments, progress) = (task.segments(), task.progress);
    task.time("contrasts", || size_pairs(&removal, segments, proposed, &settings.regions, progress))
}

fn triple(task: &Task<'_, '_>, proposed: &Proposed, pair: &[Mask; 2]) -> Result<Option<[Mask; 3]>> {
    let settings = &task.settings.contrasts;
    let (regions, reference) = (&settings.regions, settings.first()?);
    let removal = task.explainer.removal(reference, task.target)?;
    let key = ((regions.clone(), reference.clone(), task.target.clone()), pair.clone());
    task.explainer.memo.removal.triples.get(&task.field().ledger, key, || {
        let (field, progress) = (task.field(), task.progress);
        let propose = || propose_triple(field, &removal, proposed, pair, regions, progress);
        task.time("proposals", propose)
    })
}

fn measured(task: &Task<'_, '_>, pairs: &[[Mask; 2]]) -> Result<Vec<Interaction>> {
    let removals = removals(task)?;
    let removals: Vec<&Removal<'_>> = removals.iter().map(Arc::as_ref).collect();
    let (segments, settings) = (task.segments(), &task.settings.contrasts.regions);
    task.time("contrasts", || {
        measure_contrasts(&removals, segments, pairs, settings, task.progress)
    })
}

fn effects(task: &Task<'_, '_>) -> Result<PairEffects> {
    let removal = task.explainer.removal(task.settings.contrasts.first()?, task.target)?;
    task.time("pair effects", || {
        hsets_detection::pair_effects(&removal, task.segments(), task.progress)
    })
}

fn banzhaf_values(task: &Task<'_, '_>) -> Result<Vec<f64>> {
    let settings = &task.settings.contrasts;
    let removal = task.explainer.removal(settings.first()?, task.target)?;
    task.time("banzhaf values", || {
        methods::banzhaf(&removal, task.segments(), &settings.banzhaf, task.progress)
    })
}

/// Segments by value, their pixels by Integrated Gradients.
fn ranked(task: &Task<'_, '_>, values: &[f64]) -> Result<Findings> {
    let path = task.path(&task.settings.ig, task.target)?;
    let ig = integrated_gradients(&path)?;
    let map = ranked_map(task.image().shape(), task.segments(), values, &ig.map)?;
    Ok(Findings {
        completeness: Some(ig.completeness),
        baseline_logits: Some(path.baseline_logits().to_vec()),
        ..map.into()
    })
}

/// One number per pixel, split evenly among the channels.
fn per_pixel(shape: Shape, plane: &[f32]) -> Result<SaliencyMap> {
    let share: Vec<f32> = plane.iter().map(|value| value / shape.channels as f32).collect();
    SaliencyMap::new(shape, share.repeat(shape.channels))
}
