//! Whether a method tells interactions from additions, on scenes whose counterfactuals are drawn.

use std::cell::RefCell;

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Explainer, Explanation, Method, Reference, Settings,
    attribution::{Baseline, Normalisation},
    core::{
        ChannelReduction, Image, Mask, Photo, Removal, Shape, Silent, Target, TwiceDifferentiable,
    },
    detection::{Contrasts, Interaction, arch_detect, find_contrasts, measure_contrasts, ring},
};
use hsets_scenes::overlap;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use super::{contenders::smaller, counterfactual::Counterfactual};

/// A method under its name in the tables, asked for pairs.
#[derive(Debug, Clone)]
pub struct PairContender {
    /// In tables and sheets.
    pub name: String,
    method: PairMethod,
}

#[derive(Debug, Clone)]
enum PairMethod {
    /// The strongest contrast, by the ring alone; groups of three are not looked for.
    Contrasts(Contrasts),
    /// The strongest contrast or effect of a pair, else the first set, else the two best places of
    /// the map.
    Explained(Box<Settings>),
    /// The pair of segments that `ArchDetect` ranks first.
    Archipelago,
    /// Two segments at random.
    Random,
}

/// Two regions that a method says act together.
#[derive(Debug, Clone)]
pub struct NamedPair {
    /// The regions; one and the same for a set.
    pub regions: [Mask; 2],
    /// How strongly, ≥ 0: by the scale of contrasts, by |g(x)| for all others.
    pub strength: f64,
    /// What it measured of them, in log-odds, if it measures that.
    pub effect: Option<f64>,
}

/// What a method says of one picture.
pub struct Answer {
    /// What it ranks first.
    pub first: Option<NamedPair>,
    /// Whether it claims an interaction; `None` for methods that always name something.
    pub claims: Option<bool>,
    /// One number per pixel; none for methods that make no map.
    pub map: Option<Vec<f32>>,
}

/// What a method is asked with.
fn asked(method: Method) -> PairMethod {
    let mut settings = smaller(Settings { method, ..Settings::paper() });
    settings.contrasts.references = vec![Reference::Ring];
    settings.contrasts.regions.trials.order = 2;
    match method {
        Method::Contrasts => PairMethod::Contrasts(settings.contrasts.regions),
        _ => PairMethod::Explained(settings.into()),
    }
}

/// All methods, of which each is asked for its first pair; and the start of the choice.
pub fn of_pairs() -> Vec<PairContender> {
    let of = |name: &str, method| PairContender { name: name.into(), method };
    let own = [
        of("archipelago", PairMethod::Archipelago),
        of("two random segments", PairMethod::Random),
        of("hsets, reference", PairMethod::Explained(smaller(Settings::reference()).into())),
        of("complete", PairMethod::Explained(Settings::complete().into())),
    ];
    // Archipelago is asked for its pairs, not for the sets it merges them to; a random map has no
    // best place.
    let is_asked = |method: &&Method| !matches!(method, Method::Archipelago | Method::RandomMap);
    let methods = Method::ALL.iter().filter(is_asked);
    let methods = methods.map(|&method| of(method.name(), asked(method)));
    methods.chain(own).chain(of_choice().into_iter().take(1)).collect()
}

type Change = (&'static str, fn(&mut Contrasts));

/// What settings of `contrasts` were chosen from.
pub const START: &str = "start";

/// What was chosen.
pub const CHOSEN: &str = "start, keep 0.7";

/// The start, and one setting at a time changed, among which settings are chosen; then what was
/// chosen, and one more setting changed.
pub fn of_choice() -> Vec<PairContender> {
    let changes: [Change; 16] = [
        ("", |_| {}),
        (", delta 0.1", |s| s.trials.delta = 0.1),
        (", delta 0.15", |s| s.trials.delta = 0.15),
        (", delta 0.25", |s| s.trials.delta = 0.25),
        (", keep 0.7", |s| s.trials.keep = 0.7),
        (", keep 0.95", |s| s.trials.keep = 0.95),
        (", 1 copy", |s| (s.proposals.row_copies, s.proposals.copies) = (1, 1)),
        (", 2 copies", |s| (s.proposals.row_copies, s.proposals.copies) = (2, 2)),
        (", 8 copies", |s| (s.proposals.row_copies, s.proposals.copies) = (8, 8)),
        (", 1 round", |s| s.proposals.rounds = 1),
        (", 3 rounds", |s| s.proposals.rounds = 3),
        (", 1 % of the pixels", |s| s.proposals.area = 0.01),
        (", 3 % of the pixels", |s| s.proposals.area = 0.03),
        (", 2, 4 or 8 % of the pixels", |s| s.proposals.larger = vec![0.04, 0.08]),
        (", blur 1", |s| s.proposals.blur = 1.0 / 64.0),
        (", blur 2", |s| s.proposals.blur = 2.0 / 64.0),
    ];
    let more: [Change; 5] = [
        (", 8 copies", |s| (s.proposals.row_copies, s.proposals.copies) = (8, 8)),
        (", 3 rounds", |s| s.proposals.rounds = 3),
        (", 3 % of the pixels", |s| s.proposals.area = 0.03),
        (", 4 % of the pixels", |s| s.proposals.area = 0.04),
        (", 2, 4 or 8 % of the pixels", |s| s.proposals.larger = vec![0.04, 0.08]),
    ];
    let contender = |base: &str, keep: f64, (name, change): Change| {
        let mut settings = Contrasts::standard();
        settings.trials.keep = keep;
        settings.trials.order = 2;
        change(&mut settings);
        PairContender { name: format!("{base}{name}"), method: PairMethod::Contrasts(settings) }
    };
    let first = changes.into_iter().map(|change| contender(START, 0.85, change));
    let second = more.into_iter().map(|change| contender(CHOSEN, 0.7, change));
    first.chain(second).collect()
}

/// Of the methods, those that a short table has room for: one for each way of naming pairs.
pub fn of_pairs_in_short() -> Vec<PairContender> {
    const NAMES: [&str; 9] = [
        "contrasts",
        "moved-contrasts",
        "pair-effects",
        "archipelago",
        "hsets",
        "hsets, reference",
        "integrated-hessians",
        "ig",
        "two random segments",
    ];
    of_pairs().into_iter().filter(|contender| NAMES.contains(&contender.name.as_str())).collect()
}

impl PairContender {
    /// Whether its first pair is found again on disturbed pictures: one for each way of naming pairs
    /// that is not slow.
    pub fn is_asked_again(&self) -> bool {
        ["contrasts", START, "pair-effects", "ig", "hsets"].contains(&self.name.as_str())
    }

    /// Asks it.
    pub fn ask(&self, case: &PairCase<'_>, seed: u64) -> Result<Answer> {
        match &self.method {
            PairMethod::Contrasts(settings) => case.contrasts(settings),
            PairMethod::Explained(settings) => case.explained(settings),
            PairMethod::Archipelago => case.archipelago(),
            PairMethod::Random => Ok(case.random(seed)),
        }
    }
}

/// One picture that methods are asked about; what several need is computed once.
pub struct PairCase<'a> {
    field: &'a dyn TwiceDifferentiable,
    image: &'a Image,
    explainer: Explainer<'a>,
    /// Of the log-odds of the most probable class, by the ring.
    removal: Removal<'a>,
    /// g(x).
    value: f64,
    /// Regions that contrasts proposed, for settings that differ in how these are tested alone.
    proposed: RefCell<Vec<(Contrasts, Vec<[Mask; 2]>)>>,
}

impl<'a> PairCase<'a> {
    /// `explainer` is one of this image.
    pub fn new(
        field: &'a dyn TwiceDifferentiable,
        image: &'a Image,
        explainer: Explainer<'a>,
    ) -> Result<Self> {
        let logits = explainer.logits();
        let top = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        let target = Target::LogOdds(top.context("a network without classes")?);
        let wide: Vec<f64> = logits.iter().map(|&logit| f64::from(logit)).collect();
        let value = target.value(&wide);
        let reference = ring(image, explainer.segments())?;
        let removal = Removal::new(field, image, "ring", reference, target)?;
        Ok(Self { field, image, explainer, removal, value, proposed: RefCell::default() })
    }

    fn shape(&self) -> Shape {
        self.image.shape()
    }

    fn contrasts(&self, settings: &Contrasts) -> Result<Answer> {
        let (removal, segments) = (&self.removal, self.explainer.segments());
        if let Some(regions) = self.known(settings) {
            let found = measure_contrasts(&[removal], segments, &regions, settings, &Silent)?;
            return Ok(of_contrasts(&found));
        }
        let found = find_contrasts(self.field, &[removal], segments, settings, &Silent)?;
        let regions = found.interactions.iter().map(|pair| pair.regions.clone()).collect();
        self.proposed.borrow_mut().push((settings.clone(), regions));
        Ok(Answer { map: Some(found.partners), ..of_contrasts(&found.interactions) })
    }

    fn explained(&self, settings: &Settings) -> Result<Answer> {
        let found = self.explainer.explain(settings, &Silent)?;
        let map = Some(found.map.per_pixel(ChannelReduction::AbsSum));
        if let Some(contrasts) = &found.interactions.contrasts {
            return Ok(Answer { map, ..of_contrasts(&contrasts.interactions) });
        }
        Ok(Answer { first: self.first(&found, map.as_deref())?, claims: None, map })
    }

    fn known(&self, settings: &Contrasts) -> Option<Vec<[Mask; 2]>> {
        let proposed = self.proposed.borrow();
        let alike = proposed.iter().find(|(other, _)| {
            (&other.proposals, other.seed) == (&settings.proposals, settings.seed)
        });
        alike.map(|(_, regions)| regions.clone())
    }

    /// Of a method that tests nothing.
    fn first(&self, found: &Explanation, map: Option<&[f32]>) -> Result<Option<NamedPair>> {
        if let Some(effects) = &found.interactions.pair_effects {
            let strongest = effects.ranked().first().copied();
            return Ok(strongest.map(|[a, b]| {
                let effect = effects.effect(a, b);
                self.of_segments([a, b], effect.abs(), Some(effect))
            }));
        }
        if let Some(set) = found.sets.first() {
            let region = Mask::of_features(&set.features, self.shape())?;
            let regions = [region.clone(), region];
            let strength = self.relative(set.score.abs());
            return Ok(Some(NamedPair { regions, strength, effect: None }));
        }
        map.map_or(Ok(None), |map| self.places(map))
    }

    fn archipelago(&self) -> Result<Answer> {
        let settings = Settings::paper().archipelago.detection;
        let (image, segments) = (self.image, self.explainer.segments());
        let baseline = Image::constant(self.shape(), 0.0);
        let target = self.removal.target();
        let found =
            arch_detect(self.field, &baseline, image, segments, target, &settings, &Silent)?;
        let strongest = found.pairs.first();
        let first = strongest.map(|p| self.of_segments(p.pair, p.strength.sqrt(), None));
        Ok(Answer { first, claims: None, map: None })
    }

    fn random(&self, seed: u64) -> Answer {
        let n = self.explainer.segments().n_segments() as u32;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let a = rng.next_u32() % n;
        let b = (a + 1 + rng.next_u32() % (n - 1).max(1)) % n;
        let strength = f64::from(rng.next_u32()) / f64::from(u32::MAX) * self.value.abs();
        let first = Some(self.of_segments([a, b], strength, None));
        Answer { first, claims: None, map: None }
    }

    fn of_segments(&self, labels: [u32; 2], strength: f64, effect: Option<f64>) -> NamedPair {
        let segments = self.explainer.segments();
        let regions = labels.map(|label| Mask::of_segments(segments, &[label]));
        NamedPair { regions, strength: self.relative(strength), effect }
    }

    fn relative(&self, strength: f64) -> f64 {
        strength / self.value.abs().max(f64::MIN_POSITIVE)
    }

    /// The two best places of a map, and the lesser of what they have of it.
    fn places(&self, map: &[f32]) -> Result<Option<NamedPair>> {
        let Shape { height, width, .. } = self.shape();
        let plane = Image::new(Shape::new(1, height, width), map.to_vec())?;
        let sigma = height.min(width) as f32 / 64.0;
        let blurred =
            Baseline::Blur { sigma }.image(&plane, &Normalisation::identity(1))?.into_data();
        // 2 % of the pixels.
        let radius = (0.02 * (height * width) as f64 / std::f64::consts::PI).sqrt();
        let apart = |p: usize, q: usize| {
            let offset = |a: usize, b: usize| (a as f64 - b as f64).powi(2);
            (offset(p / width, q / width) + offset(p % width, q % width)).sqrt()
        };
        let best = |is_free: &dyn Fn(usize) -> bool| {
            let free = (0..blurred.len()).filter(|&pixel| is_free(pixel));
            free.max_by(|&p, &q| blurred[p].total_cmp(&blurred[q]).then(q.cmp(&p)))
        };
        let Some(first) = best(&|_| true) else { return Ok(None) };
        let Some(second) = best(&|pixel| apart(pixel, first) > 2.0 * radius) else {
            return Ok(None);
        };
        let disc = |centre: usize| {
            let inside = (0..blurred.len()).filter(|&pixel| apart(pixel, centre) <= radius);
            Mask::of_pixels(width, height, inside)
        };
        let regions = [disc(first)?, disc(second)?];
        let mass = |region: &Mask| region.pixels().map(|p| f64::from(map[p])).sum::<f64>();
        let strength = self.relative(mass(&regions[0]).min(mass(&regions[1])));
        Ok(Some(NamedPair { regions, strength, effect: None }))
    }
}

/// Without a map.
fn of_contrasts(found: &[Interaction]) -> Answer {
    let named = |pair: &Interaction| NamedPair {
        regions: pair.regions.clone(),
        strength: pair.strength(),
        effect: Some(pair.contrast.effect.mean),
    };
    let claims = Some(found.iter().any(|pair| pair.claim));
    Answer { first: found.first().map(named), claims, map: None }
}

/// A region holds a part for whoever wants to see it from this share on.
const HELD: f64 = 0.3;
/// And for saying which part a region means.
const TOUCHED: f64 = 0.1;

/// Scores of an answer; NaN where one does not exist. Those that end in `-live` exist on live
/// pictures alone.
pub(super) fn score_pairs(
    answer: &Answer,
    truth: &Counterfactual,
) -> Result<Vec<(&'static str, f64)>> {
    let live = |value: f64| if truth.is_live() { value } else { f64::NAN };
    let claim = answer.claims.map_or(f64::NAN, f64::from);
    let strength = answer.first.as_ref().map_or(0.0, |pair| pair.strength);
    let of = |least| match &answer.first {
        Some(pair) => parts_of(&pair.regions, truth, least),
        None => Ok(None),
    };
    let (held, touched) = (of(HELD)?, of(TOUCHED)?);
    let drawn = |parts: Option<[usize; 2]>| parts.and_then(|parts| truth.interaction(parts));
    let has_pair = truth.largest() >= 0.5 * truth.largest_effect();
    let share = drawn(touched).unwrap_or(0.0).abs() / truth.largest();
    let effect = answer.first.as_ref().and_then(|pair| pair.effect);
    let both = effect.zip(drawn(held));
    let (effect, drawn) = both.unwrap_or((f64::NAN, f64::NAN));
    let on_parts = match &answer.map {
        Some(map) => share_on_parts(map, truth)?,
        None => f64::NAN,
    };
    Ok(vec![
        ("claim", claim),
        ("claim-live", live(claim)),
        ("strength", strength),
        ("strength-live", live(strength)),
        ("held-live", live(f64::from(held.is_some()))),
        ("share", if has_pair { share } else { f64::NAN }),
        ("claim-pair", if has_pair { claim } else { f64::NAN }),
        ("effect", effect),
        ("drawn", drawn),
        ("effect-live", live(effect)),
        ("drawn-live", live(drawn)),
        ("on-parts", on_parts),
    ])
}

/// The two parts of which the regions have at least this share each, those of which they have most.
fn parts_of(regions: &[Mask; 2], truth: &Counterfactual, least: f64) -> Result<Option<[usize; 2]>> {
    let parts = &truth.scene.parts;
    let recall = |region: &Mask, part: usize| -> Result<f64> {
        Ok(overlap(region, &parts[part].mask)?.recall)
    };
    let mut best: Option<([usize; 2], f64)> = None;
    for p in 0..parts.len() {
        for q in (0..parts.len()).filter(|&q| q != p) {
            let (first, second) = (recall(&regions[0], p)?, recall(&regions[1], q)?);
            let is_better = best.is_none_or(|(_, product)| first * second > product);
            if first >= least && second >= least && is_better {
                best = Some(([p, q], first * second));
            }
        }
    }
    Ok(best.map(|(pair, _)| pair))
}

/// Of the first pixels of a map, as many as the parts have, the share on parts; equal pixels share
/// their places.
fn share_on_parts(map: &[f32], truth: &Counterfactual) -> Result<f64> {
    let photo = &truth.scene.photo;
    let pixels = truth.scene.parts.iter().flat_map(|part| part.mask.pixels());
    let union = Mask::of_pixels(photo.width(), photo.height(), pixels)?;
    Ok(hsets_scenes::relevance_rank(map, &union)?)
}

/// Intersection over union of two pairs of regions, the mean of the two, matched as fits best.
pub(super) fn pair_overlap(a: Option<&NamedPair>, b: Option<&NamedPair>) -> Result<f64> {
    let (Some(a), Some(b)) = (a, b) else { return Ok(0.0) };
    let iou = |i: usize, j: usize| overlap(&a.regions[i], &b.regions[j]).map(|found| found.iou);
    let straight = f64::midpoint(iou(0, 0)?, iou(1, 1)?);
    let crossed = f64::midpoint(iou(0, 1)?, iou(1, 0)?);
    Ok(straight.max(crossed))
}

/// The picture after JPEG of this quality.
pub(super) fn jpeg(photo: &Photo, quality: u8) -> Result<Photo> {
    use image::{ExtendedColorType, ImageFormat, codecs::jpeg::JpegEncoder};
    let (width, height) = (photo.width() as u32, photo.height() as u32);
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
    encoder.encode(photo.rgb(), width, height, ExtendedColorType::Rgb8)?;
    let decoded = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg)?.into_rgb8();
    Ok(Photo::new(photo.width(), photo.height(), decoded.into_raw())?)
}

/// Every byte one up, one down, or as it was.
pub(super) fn noisy(photo: &Photo, seed: u64) -> Result<Photo> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut moved = |&byte: &u8| match rng.next_u32() % 3 {
        0 => byte.saturating_sub(1),
        1 => byte.saturating_add(1),
        _ => byte,
    };
    let rgb = photo.rgb().iter().map(&mut moved).collect();
    Ok(Photo::new(photo.width(), photo.height(), rgb)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hsets_scenes::{Scene, Task};

    fn truth(interactions: Vec<([usize; 2], f64)>) -> Counterfactual {
        let scene: Scene = Task::Additive.draw(33, 0, 64).unwrap();
        Counterfactual { scene, log_odds: 4.0, effects: vec![2.0; 5], interactions }
    }

    fn pair(regions: [&Mask; 2]) -> NamedPair {
        NamedPair { regions: regions.map(Clone::clone), strength: 0.5, effect: Some(1.5) }
    }

    fn score(answer: &Answer, truth: &Counterfactual, metric: &str) -> f64 {
        let scores = score_pairs(answer, truth).unwrap();
        scores.iter().find(|(name, _)| *name == metric).unwrap().1
    }

    #[test]
    fn a_pair_means_the_parts_that_it_holds() {
        let truth = truth(vec![([0, 3], -1.0), ([1, 2], 3.0)]);
        let part = |at: usize| &truth.scene.parts[at].mask;
        let of = |regions| Answer { first: Some(pair(regions)), claims: Some(true), map: None };
        let right = of([part(2), part(1)]);
        assert_eq!(score(&right, &truth, "share"), 1.0);
        assert_eq!(score(&right, &truth, "drawn-live"), 3.0);
        assert_eq!(score(&right, &truth, "held-live"), 1.0);
        let other = of([part(0), part(3)]);
        assert!((score(&other, &truth, "share") - 1.0 / 3.0).abs() < 1e-12);
        // Twice the same part is no pair, and neither are two that do not interact.
        assert_eq!(score(&of([part(1), part(1)]), &truth, "share"), 0.0);
        assert_eq!(score(&of([part(1), part(4)]), &truth, "share"), 0.0);
        // One set that holds two parts is one.
        let set = part(1).union(part(2));
        assert_eq!(score(&of([&set, &set]), &truth, "share"), 1.0);
    }

    #[test]
    fn pictures_without_an_interaction_are_not_live() {
        let truth = truth(vec![([0, 3], -0.5), ([1, 2], 0.9)]);
        let nothing = Answer { first: None, claims: Some(false), map: Some(vec![1.0; 64 * 64]) };
        assert!(score(&nothing, &truth, "claim-live").is_nan());
        assert!(score(&nothing, &truth, "share").is_nan());
        assert_eq!(score(&nothing, &truth, "claim"), 0.0);
        let area: usize = truth.scene.parts.iter().map(|part| part.mask.area()).sum();
        let by_chance = area as f64 / 4096.0;
        assert!((score(&nothing, &truth, "on-parts") - by_chance).abs() < 1e-12);
    }

    #[test]
    fn pairs_are_compared_in_either_order() {
        let mask = |from: usize| Mask::of_pixels(10, 10, from..from + 20).unwrap();
        let (a, b) = (mask(0), mask(50));
        let (same, crossed) = (pair([&a, &b]), pair([&b, &a]));
        assert_eq!(pair_overlap(Some(&same), Some(&crossed)).unwrap(), 1.0);
        let moved = pair([&mask(10), &mask(50)]);
        assert!((pair_overlap(Some(&same), Some(&moved)).unwrap() - 2.0 / 3.0).abs() < 1e-12);
        assert_eq!(pair_overlap(Some(&same), None).unwrap(), 0.0);
    }

    #[test]
    fn pictures_are_disturbed_a_little() {
        let photo = Task::Xor.draw(33, 0, 64).unwrap().photo;
        let change = |other: &Photo| {
            let pairs = photo.rgb().iter().zip(other.rgb());
            pairs.map(|(&a, &b)| a.abs_diff(b)).max().unwrap()
        };
        assert_eq!(change(&noisy(&photo, 1).unwrap()), 1);
        assert_ne!(noisy(&photo, 1).unwrap(), noisy(&photo, 2).unwrap());
        let saved = jpeg(&photo, 95).unwrap();
        assert!((2..120).contains(&change(&saved)), "{}", change(&saved));
    }
}
