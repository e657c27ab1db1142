//! Variants of the preset `complete`, among which its settings are chosen.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use anyhow::{Context as _, Result};
use hsets_pipeline::{
    Coverage, Explainer, Explanation, Method, ScoredSet, Settings,
    attribution::{Baseline, Normalisation},
    core::{ChannelReduction, SaliencyMap, SegmentMap, Silent},
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// Where the path starts.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Start {
    Zero,
    Blur,
}

/// What ranks the segments.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Judge {
    /// IDG-Vis of all features of the segment.
    Segment(Start),
    /// IDG-Vis of its set.
    Set,
    /// Mean of |IG| over its pixels.
    MeanAbsIg,
    /// Sum of IG over its pixels.
    SumIg,
}

/// What chooses and orders the pixels of a segment that come first.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Strength {
    /// |H[seed, i]|.
    Row,
    /// |H[seed, i]| · |x - x'|.
    RowTimesInput,
    /// |IG|.
    Ig,
    /// Nothing: those by |H[seed, i]|, in random order.
    Random,
}

/// A way to rank all pixels.
#[derive(Debug, Clone)]
pub struct Variant {
    /// In tables and sheets.
    pub name: &'static str,
    /// Segments have this many times fewer pixels than those of the preset.
    pub finer: u32,
    /// Of the features of each segment, in front; 0 for none.
    share: f32,
    /// Which pixels these are: as many as the features by [`Strength::Row`] lie on.
    front: Strength,
    /// Their order, where it is not by `front`.
    inside: Option<Strength>,
    /// Each ranks the segments; the mean rank counts.
    judges: &'static [Judge],
    start: Start,
    /// The other pixels of a segment by |IG|, or at random.
    rest: Strength,
}

/// The preset.
pub const PRESET: &str = "complete";

/// The preset itself, then one thing at a time changed, then some changes together.
pub fn variants() -> Vec<Variant> {
    use Judge::{MeanAbsIg, Segment, Set, SumIg};
    use Strength::{Ig, Random, Row, RowTimesInput};
    let preset = Variant {
        name: PRESET,
        finer: 1,
        share: 0.05,
        front: Row,
        inside: None,
        judges: &[Segment(Start::Zero)],
        start: Start::Zero,
        rest: Ig,
    };
    let of = |name| Variant { name, ..preset.clone() };
    vec![
        preset.clone(),
        Variant { share: 0.0, ..of("no sets") },
        Variant { share: 0.0, rest: Random, ..of("no sets, segments in random order inside") },
        Variant { share: 0.1, ..of("sets of 10 %") },
        Variant { share: 0.2, ..of("sets of 20 %") },
        Variant { front: Ig, ..of("sets by absolute IG") },
        Variant { front: Ig, share: 0.1, ..of("sets of 10 % by absolute IG") },
        Variant { front: RowTimesInput, ..of("sets by row times input") },
        Variant { inside: Some(Ig), ..of("sets ranked inside by absolute IG") },
        Variant { inside: Some(Random), ..of("sets in random order inside") },
        Variant { judges: &[Set], ..of("segments by IDG-Vis of the set") },
        Variant { judges: &[MeanAbsIg], ..of("segments by mean absolute IG") },
        Variant { judges: &[SumIg], ..of("segments by sum of IG") },
        Variant {
            judges: &[Segment(Start::Zero), MeanAbsIg],
            ..of("segments by IDG-Vis and mean absolute IG")
        },
        Variant { start: Start::Blur, judges: &[Segment(Start::Blur)], ..of("baseline blur") },
        Variant {
            judges: &[Segment(Start::Zero), Segment(Start::Blur)],
            ..of("segments by IDG-Vis from zero and from blur")
        },
        Variant {
            judges: &[Segment(Start::Zero), MeanAbsIg],
            front: Ig,
            ..of("segments by both, sets by absolute IG")
        },
        Variant { finer: 2, ..of("segments half as large") },
    ]
}

/// One picture whose variants are made; what they share is computed once.
pub struct Tried<'a> {
    explainer: Explainer<'a>,
    normalisation: &'a Normalisation,
    found: RefCell<Vec<(Settings, Rc<Explanation>)>>,
}

impl<'a> Tried<'a> {
    /// Nothing is computed yet.
    pub fn new(explainer: Explainer<'a>, normalisation: &'a Normalisation) -> Self {
        Self { explainer, normalisation, found: RefCell::default() }
    }

    /// The same picture in other segments.
    pub fn resegmented(self, segments: SegmentMap) -> Result<Self> {
        Ok(Self::new(self.explainer.resegmented(segments)?, self.normalisation))
    }

    /// An explanation, computed once.
    pub fn explain(&self, settings: Settings) -> Result<Rc<Explanation>> {
        if let Some((_, known)) = self.found.borrow().iter().find(|(key, _)| *key == settings) {
            return Ok(Rc::clone(known));
        }
        let explanation = Rc::new(self.explainer.explain(&settings, &Silent)?);
        self.found.borrow_mut().push((settings, Rc::clone(&explanation)));
        Ok(explanation)
    }

    /// A map whose values are the ranks of its pixels.
    pub fn map(&self, variant: &Variant) -> Result<Rc<Explanation>> {
        let complete = self.explain(self.complete(variant.share, variant.start))?;
        let order = self.order(variant, &complete)?;
        let shape = complete.map.shape();
        let mut plane = vec![0.0; shape.n_pixels()];
        for (rank, pixel) in order.into_iter().enumerate() {
            plane[pixel] = 1.0 - rank as f32 / shape.n_pixels() as f32;
        }
        let map = SaliencyMap::new(shape, plane.repeat(shape.channels))?;
        Ok(Rc::new(Explanation { map, ..complete.as_ref().clone() }))
    }

    fn complete(&self, share: f32, start: Start) -> Settings {
        let mut settings = Settings { baseline: self.baseline(start), ..Settings::complete() };
        if share > settings.detection.max_share {
            settings.detection.max_share = share;
            settings.detection.max_features = usize::MAX;
        }
        settings
    }

    /// A blur of 10 pixels at 224×224.
    fn baseline(&self, start: Start) -> Baseline {
        let segments = self.explainer.segments();
        let side = segments.width().min(segments.height()) as f32;
        match start {
            Start::Zero => Baseline::Zero,
            Start::Blur => Baseline::Blur { sigma: 10.0 * side / 224.0 },
        }
    }

    /// All pixels, the most relevant first.
    fn order(&self, variant: &Variant, complete: &Explanation) -> Result<Vec<usize>> {
        let ranks = self.ranks(variant)?;
        let segments = self.explainer.segments();
        let chosen_by = self.strength(variant.front, variant)?;
        let front = if variant.share > 0.0 {
            front(complete, &chosen_by)?
        } else {
            vec![false; segments.labels().len()]
        };
        let inside = match variant.inside {
            Some(strength) => self.strength(strength, variant)?,
            None => chosen_by,
        };
        let rest = self.strength(variant.rest, variant)?;
        let rank = |pixel: usize| ranks[segments.label(pixel) as usize];
        let key = |pixel: usize| if front[pixel] { inside[pixel] } else { rest[pixel] };
        let mut order: Vec<usize> = (0..front.len()).collect();
        order.sort_by(|&a, &b| {
            front[b]
                .cmp(&front[a])
                .then(rank(a).total_cmp(&rank(b)))
                .then(key(b).total_cmp(&key(a)))
        });
        Ok(order)
    }

    /// Of every segment, how late it comes.
    fn ranks(&self, variant: &Variant) -> Result<Vec<f64>> {
        let mut ranks = vec![0.0; self.explainer.segments().n_segments()];
        for (i, &judge) in variant.judges.iter().enumerate() {
            let scores = self.scores(judge, variant)?;
            let mut order: Vec<usize> = (0..scores.len()).collect();
            order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
            // The first judge weighs a little more, so that no two segments are equal.
            let weight = if i == 0 { 1.001 } else { 1.0 };
            for (rank, segment) in order.into_iter().enumerate() {
                ranks[segment] += weight * rank as f64;
            }
        }
        Ok(ranks)
    }

    fn scores(&self, judge: Judge, variant: &Variant) -> Result<Vec<f64>> {
        let segments = self.explainer.segments();
        let ig = |value: fn(f64) -> f64| -> Result<Vec<f64>> {
            let mut sums = vec![0.0; segments.n_segments()];
            for (pixel, ig) in self.ig(variant.start)?.into_iter().enumerate() {
                sums[segments.label(pixel) as usize] += value(ig);
            }
            Ok(sums)
        };
        match judge {
            Judge::Segment(start) => of_segments(self.explain(self.complete(0.0, start))?.as_ref()),
            Judge::Set => {
                let settings = self.complete(variant.share, variant.start);
                let of_sets = Settings { coverage: Coverage::Sets, ..settings };
                of_segments(self.explain(of_sets)?.as_ref())
            }
            Judge::SumIg => ig(|ig| ig),
            Judge::MeanAbsIg => {
                let means = ig(f64::abs)?.into_iter().zip(segments.areas());
                Ok(means.map(|(sum, area)| sum / area as f64).collect())
            }
        }
    }

    /// Integrated Gradients \[H, W\], summed over channels.
    fn ig(&self, start: Start) -> Result<Vec<f64>> {
        let baseline = self.baseline(start);
        let settings = Settings { method: Method::Ig, baseline, ..Settings::complete() };
        let pixels = self.explain(settings)?.map.per_pixel(ChannelReduction::Sum);
        Ok(pixels.into_iter().map(f64::from).collect())
    }

    /// One number per pixel; those of different segments are not compared.
    fn strength(&self, by: Strength, of: &Variant) -> Result<Vec<f64>> {
        match by {
            Strength::Ig => Ok(self.ig(of.start)?.into_iter().map(f64::abs).collect()),
            Strength::Row => {
                let complete = self.explain(self.complete(of.share, of.start))?;
                let pixels = complete.map.per_pixel(ChannelReduction::AbsSum);
                Ok(pixels.into_iter().map(f64::from).collect())
            }
            Strength::RowTimesInput => self.row_times_input(of.start),
            Strength::Random => {
                let mut rng = ChaCha8Rng::seed_from_u64(0);
                let n_pixels = self.explainer.segments().labels().len();
                Ok((0..n_pixels).map(|_| f64::from(rng.next_u32())).collect())
            }
        }
    }

    /// The complete map of sets that are whole segments is a step for each plus the strength.
    fn row_times_input(&self, start: Start) -> Result<Vec<f64>> {
        let complete = self.explain(self.complete(1.0, start))?;
        let segments = &complete.segments;
        let n_sets = complete.sets.len() as f64;
        let mut step = vec![0.0; segments.n_segments()];
        for (rank, set) in complete.sets.iter().enumerate() {
            step[segment_of(set)?] = n_sets - rank as f64 - 1.0;
        }
        let image = &complete.image;
        let n_pixels = segments.labels().len();
        let baseline = self.baseline(start).image(image, self.normalisation)?;
        let values = complete.map.per_pixel(ChannelReduction::AbsSum);
        let product = |(pixel, value): (usize, f32)| {
            let step = step[segments.label(pixel) as usize];
            let strength = ((f64::from(value) - 0.01) / 0.99 * n_sets - step).clamp(0.0, 1.0);
            let channels = (pixel..image.data().len()).step_by(n_pixels);
            let moved = channels.map(|i| f64::from((image.data()[i] - baseline.data()[i]).abs()));
            strength * moved.sum::<f64>()
        };
        Ok(values.into_iter().enumerate().map(product).collect())
    }
}

fn segment_of(set: &ScoredSet) -> Result<usize> {
    Ok(set.grown.context("a set without a seed")?.segment as usize)
}

/// Scores by segment.
fn of_segments(explanation: &Explanation) -> Result<Vec<f64>> {
    let mut scores = vec![f64::NEG_INFINITY; explanation.segments.n_segments()];
    for set in &explanation.sets {
        scores[segment_of(set)?] = set.score;
    }
    Ok(scores)
}

/// In each segment the pixels of the highest `strength`, as many as its set has.
fn front(explanation: &Explanation, strength: &[f64]) -> Result<Vec<bool>> {
    let segments = &explanation.segments;
    let n_pixels = segments.labels().len();
    let mut pixels = vec![Vec::new(); segments.n_segments()];
    for pixel in 0..n_pixels {
        pixels[segments.label(pixel) as usize].push(pixel);
    }
    let mut front = vec![false; n_pixels];
    for set in &explanation.sets {
        let of_set: BTreeSet<usize> = set.features.iter().map(|f| f % n_pixels).collect();
        let inside = &mut pixels[segment_of(set)?];
        inside.sort_by(|&a, &b| strength[b].total_cmp(&strength[a]));
        inside.iter().take(of_set.len()).for_each(|&pixel| front[pixel] = true);
    }
    Ok(front)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::truth_networks;
    use hsets_pipeline::{Subject, normalisation, segmentation::QuickShift};

    #[test]
    fn the_first_variant_is_the_preset_and_the_others_are_not() {
        let network = &truth_networks().unwrap()[0];
        let classifier = network.load().unwrap();
        let scene = network.task.draw(3, 0, classifier.shape().width).unwrap();
        let prepared = classifier.preprocessing().prepare(&scene.photo).unwrap();
        let normalisation = normalisation(classifier.preprocessing());
        let (image, photo) = (&prepared.image, &prepared.photo);
        let subject = Subject { image, photo, normalisation: &normalisation };
        let segmenter = QuickShift::photo_of(64);
        let explainer = Explainer::new(classifier.field(), &subject, &segmenter, &Silent).unwrap();
        let tried = Tried::new(explainer, &normalisation);
        let pixels = |map: &SaliencyMap| map.per_pixel(ChannelReduction::AbsSum);
        let preset = pixels(&tried.explain(Settings::complete()).unwrap().map);
        // The preset has some ties, the variants have none.
        let like_the_preset = |variant: &Variant| {
            let values = pixels(&tried.map(variant).unwrap().map);
            let mut order: Vec<usize> = (0..values.len()).collect();
            order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
            order.is_sorted_by(|&a, &b| preset[a] >= preset[b])
        };
        let of_these_segments = variants().into_iter().filter(|variant| variant.finer == 1);
        let alike: Vec<&str> =
            of_these_segments.filter(like_the_preset).map(|variant| variant.name).collect();
        assert_eq!(alike, [PRESET]);
    }
}
