//! What is answered.

use hsets_core::{ChannelReduction, Link, Progress as _, SegmentMap, Segmentation, Shape, Target};
use hsets_pipeline::{
    Method, Settings,
    detection::{GivenSeed, Stop},
    segmentation::SegmenterChoice,
};
use hsets_report::{ModelRecord, html::base64, record::top_classes, verdict_words};
use serde_json::{Value, json};

use crate::{
    by_hand::{contrasting, scalar, wide},
    catalog::Entry,
    desk::{Desk, SegmentsKey, Warm},
    error::Refusal,
    png::png,
    question::{Ask, AskedSegments},
    region::Region,
    removal::check_number,
    save::Place,
    ticket::Ticket,
};

/// Classes that are listed.
const N_TOP: usize = 5;
/// Partners that are listed.
const N_PARTNERS: usize = 6;
/// Partners weaker than this share of the strongest are not listed.
const WEAKEST: f64 = 0.02;

/// What all answers need to know.
pub(crate) struct Context<'c> {
    pub(crate) warm: &'c Warm,
    pub(crate) settings: &'c Settings,
    pub(crate) segmenters: &'c [SegmenterChoice],
    pub(crate) target: Target,
    pub(crate) entry: &'c Entry,
    pub(crate) model: &'c ModelRecord,
    pub(crate) saving: &'c Place,
    pub(crate) ticket: &'c Ticket,
}

impl Context<'_> {
    /// Answers at a desk of the picture.
    pub(crate) fn answer(&self, ask: &Ask, desk: &mut Desk<'_>) -> Result<Value, Refusal> {
        match ask {
            Ask::Predict => Ok(self.predict(desk)),
            Ask::Segments { segments } => self.segments(segments),
            Ask::Partners { region, segments } => self.partners(desk, region, segments),
            Ask::Glance { region, segments } => self.glance(desk, region, segments),
            Ask::Contrasts { region, segments } => self.contrasts(desk, region, segments),
            Ask::Without { regions, reference, segments } => {
                self.without(desk, regions, reference, segments)
            }
            Ask::Grow { x, y, rows, segments } => self.grow(desk, [*x, *y], *rows, segments),
            Ask::Layer { method, segments } => self.layer(desk, method, segments),
            Ask::Save(save) => self.save(desk, save),
        }
    }

    pub(crate) fn shape(&self) -> Shape {
        self.warm.prepared.image.shape()
    }

    fn predict(&self, desk: &Desk<'_>) -> Value {
        let shape = self.shape();
        json!({
            "width": shape.width,
            "height": shape.height,
            "said": self.said(desk, &self.warm.logits),
        })
    }

    /// What the network says, of the classes that are looked at.
    fn said(&self, desk: &Desk<'_>, logits: &[f32]) -> Value {
        let label = |class: usize| desk.classifier.labels().name(class).to_owned();
        let (wide, link) = (wide(logits), desk.classifier.field().link());
        let probabilities = link.probabilities(&wide);
        let watched = self.watched();
        let watched = watched.iter().map(|&class| {
            json!({ "index": class, "label": label(class), "probability": probabilities[class] })
        });
        json!({
            "value": scalar(&self.target, link).value(&wide),
            "probability": probabilities[self.class()],
            "top": top_classes(logits, link, N_TOP, &label),
            "watched": watched.collect::<Vec<_>>(),
        })
    }

    /// The most probable classes of the whole picture, and those that are explained.
    fn watched(&self) -> Vec<usize> {
        let mut classes: Vec<usize> = vec![self.class()];
        if let Target::Difference { against, .. } = self.target {
            classes.push(against);
        }
        let top = top_classes(&self.warm.logits, Link::default(), N_TOP, &|_| String::new());
        for class in top.iter().map(|class| class.index) {
            if !classes.contains(&class) && classes.len() < N_TOP + 1 {
                classes.push(class);
            }
        }
        classes
    }

    fn class(&self) -> usize {
        self.target.class().unwrap_or_default()
    }

    pub(crate) fn segmentation(
        &self,
        asked: &AskedSegments,
    ) -> Result<(SegmentsKey, std::sync::Arc<Segmentation>), Refusal> {
        let choice = self.segmenters.iter().find(|choice| choice.to_string() == asked.by);
        let choice = choice.ok_or_else(|| {
            let names: Vec<String> = self.segmenters.iter().map(ToString::to_string).collect();
            Refusal::bad(format!("segments by '{}': one of {}", asked.by, names.join(", ")))
        })?;
        for edit in &asked.edits {
            edit.check(self.shape())?;
        }
        let key = (asked.by.clone(), asked.edits.clone());
        let found = self.warm.segments(&key, choice, self.ticket)?;
        Ok((key, found))
    }

    fn segments(&self, asked: &AskedSegments) -> Result<Value, Refusal> {
        let (_, found) = self.segmentation(asked)?;
        let labels = found.segments.labels().iter();
        let bytes: Vec<u8> = labels.flat_map(|&label| label.to_le_bytes()).collect();
        Ok(json!({ "n": found.segments.n_segments(), "labels": base64(&bytes) }))
    }

    /// The second-order effect of A and every other pixel p on the target t: with d = x - x' and A
    /// the region, `Σ_{a ∈ A} d_a H_ap d_p`, summed over channels, H the Hessian of t.
    fn partners(
        &self,
        desk: &mut Desk<'_>,
        region: &Region,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        let shape = self.shape();
        region.check(shape)?;
        let (_, found) = self.segmentation(asked)?;
        let baseline = desk.baseline(&self.settings.baseline)?;
        let difference: Vec<f32> =
            desk.image().data().iter().zip(baseline.data()).map(|(x, b)| x - b).collect();
        let mut direction = vec![0.0; shape.len()];
        for feature in region.features(shape).iter() {
            direction[feature] = difference[feature];
        }
        let product = desk.curvature(&self.target)?.products(&[direction])?.remove(0);
        let mut map = vec![0.0f32; shape.n_pixels()];
        for (feature, (h, d)) in product.iter().zip(&difference).enumerate() {
            map[shape.pixel(feature)] += h * d;
        }
        let own: f64 = region.pixels().map(|pixel| f64::from(map[pixel])).sum();
        region.pixels().for_each(|pixel| map[pixel] = 0.0);
        Ok(json!({
            "map": encode(&map),
            "own": own,
            "partners": by_segment(&map, &found.segments, region),
            "unit": "logit",
        }))
    }

    /// D of the region at a glance: by how much its being there changes what every other pixel adds,
    /// from one gradient with and one without it.
    fn glance(
        &self,
        desk: &mut Desk<'_>,
        region: &Region,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        region.check(self.shape())?;
        let (key, found) = self.segmentation(asked)?;
        let settings = self.contrasting();
        let target = settings.explained(&self.warm.logits, desk.classifier.field().link());
        let (mask, segments) = (region.mask(self.shape())?, &found.segments);
        let key = (&key, segments);
        let map = desk.glance(&mask, &target, &settings.contrasts, key, self.ticket)?;
        let partners = by_segment(&map, segments, region);
        Ok(json!({ "map": encode(&map), "partners": partners, "unit": target.unit() }))
    }

    fn contrasting(&self) -> Settings {
        contrasting(&Settings { target: self.target.clone(), ..self.settings.clone() })
    }

    /// D of the region, as contrasts are proposed; then, one after the other, the contrasts of the
    /// region with the segments in which it is strongest.
    fn contrasts(
        &self,
        desk: &mut Desk<'_>,
        region: &Region,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        let shape = self.shape();
        region.check(shape)?;
        let (key, found) = self.segmentation(asked)?;
        let mask = region.mask(shape)?;
        let settings = self.contrasting();
        let explainer = desk.explainer(&self.target, &key, &found)?;
        let unit = explainer.explained(&settings).unit();
        let partial = |map: &[f32], partners: &[Value]| {
            let answer = json!({ "map": encode(map), "partners": partners, "unit": unit });
            self.ticket.tell(&json!({ "partial": answer }));
        };
        let map = explainer.partners(&settings, &mask, self.ticket)?;
        let mut partners = by_segment(&map, &found.segments, region);
        partial(&map, &partners);
        let mut pairs = Vec::new();
        for at in 0..partners.len() {
            let other: Region = partners[at]["region"].as_str().unwrap_or_default().parse()?;
            pairs.push([mask.clone(), other.mask(shape)?]);
            // What was measured before is known; the tests are corrected for all pairs so far.
            let measured = explainer.contrast(&settings, &pairs, self.ticket)?;
            for pair in &measured {
                let rank = pairs.iter().position(|known| *known == pair.regions);
                if let Some(partner) = rank.and_then(|rank| partners.get_mut(rank)) {
                    partner["value"] = pair.contrast.effect.mean.into();
                    partner["interval"] = json!(pair.contrast.effect.interval());
                    partner["claim"] = pair.claim.into();
                    partner["verdict"] = verdict_words(pair).into();
                }
            }
            partial(&map, &partners);
        }
        // Claims first, then by size.
        let key = |partner: &Value| {
            let size = partner["value"].as_f64().unwrap_or(0.0).abs();
            (partner["claim"] == true, size)
        };
        partners.sort_by(|a, b| {
            let ((a, size_a), (b, size_b)) = (key(a), key(b));
            b.cmp(&a).then(size_b.total_cmp(&size_a))
        });
        let reference = settings.contrasts.references.first().map(hsets_pipeline::Reference::name);
        Ok(json!({
            "map": encode(&map),
            "partners": partners,
            "unit": unit,
            "reference": reference,
        }))
    }

    fn without(
        &self,
        desk: &mut Desk<'_>,
        regions: &[Region],
        reference: &str,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        check_number(regions)?;
        let all = Region::union(regions);
        for region in regions.iter().chain([&all]) {
            region.check(self.shape())?;
        }
        let (key, found) = self.segmentation(asked)?;
        let shown = desk.reference(reference, &key, &found.segments)?;
        let seen = png(&desk.seen_without(&all, &shown)?)?;
        let removed: Vec<Region> = regions.iter().cloned().chain([all]).collect();
        let logits = desk.logits_without(&removed, &shown)?;
        let said: Vec<Value> = logits.iter().map(|logits| self.said(desk, logits)).collect();
        let (together, alone) = said.split_last().unwrap_or((&Value::Null, &[]));
        Ok(json!({
            "whole": self.said(desk, &self.warm.logits),
            "alone": alone,
            "together": together,
            "picture": base64(&seen),
            "unit": scalar(&self.target, desk.classifier.field().link()).unit(),
        }))
    }

    fn grow(
        &self,
        desk: &mut Desk<'_>,
        [x, y]: [usize; 2],
        rows: usize,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        let (key, found) = self.segmentation(asked)?;
        let mut settings = Settings {
            method: Method::HSets,
            target: self.target.clone(),
            ..self.settings.clone()
        };
        settings.detection.given_seeds = vec![GivenSeed::Pixel { x, y }];
        settings.detection.max_rows = Some(rows);
        let explainer = desk.explainer(&self.target, &key, &found)?;
        let explanation = explainer.explain(&settings, self.ticket)?;
        let set = explanation.sets.first();
        let set = set.ok_or_else(|| Refusal::internal("a seed without a set"))?;
        let region = Region::of_features(&set.features, self.shape());
        let grown = set.grown.ok_or_else(|| Refusal::internal("a set that was not grown"))?;
        let (channel, ..) = self.shape().position(grown.seed);
        let channel = ["red", "green", "blue"].get(channel);
        Ok(json!({
            "region": region,
            "n_features": set.features.len(),
            "n_rows": grown.n_rows,
            "channel": channel,
            "score": set.score,
            "standard_error": set.standard_error,
            "stop": match grown.stop {
                Stop::Full => "full",
                Stop::Exhausted => "exhausted",
                Stop::RowCap => "row-cap",
            },
        }))
    }

    fn layer(
        &self,
        desk: &mut Desk<'_>,
        method: &str,
        asked: &AskedSegments,
    ) -> Result<Value, Refusal> {
        let method: Method = method.parse()?;
        let (key, found) = self.segmentation(asked)?;
        let settings = Settings { method, target: self.target.clone(), ..self.settings.clone() };
        let explainer = desk.explainer(&self.target, &key, &found)?;
        let explanation = explainer.explain(&settings, self.ticket)?;
        if self.ticket.is_cancelled() {
            return Err(hsets_core::Error::Cancelled.into());
        }
        let sets = explanation.sets.iter().map(|set| {
            json!({
                "region": Region::of_features(&set.features, self.shape()),
                "score": set.score,
                "standard_error": set.standard_error,
            })
        });
        let seconds: f64 =
            explanation.cost.timings.iter().map(|(_, took)| took.as_secs_f64()).sum();
        Ok(json!({
            "map": encode(&explanation.map.per_pixel(ChannelReduction::Sum)),
            "gini": explanation.measures.gini,
            "sets": sets.collect::<Vec<_>>(),
            "seconds": seconds,
        }))
    }
}

/// The segments with the largest sums of `map`, of either sign, without the region.
fn by_segment(map: &[f32], segments: &SegmentMap, region: &Region) -> Vec<Value> {
    let mine = region.flags(map.len());
    let areas = segments.areas();
    let mut found: Vec<(f64, Vec<usize>)> = vec![(0.0, Vec::new()); segments.n_segments()];
    for (pixel, (value, &label)) in map.iter().zip(segments.labels()).enumerate() {
        if !mine[pixel] {
            let (sum, pixels) = &mut found[label as usize];
            *sum += f64::from(*value);
            pixels.push(pixel);
        }
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| found[b].0.abs().total_cmp(&found[a].0.abs()).then(a.cmp(&b)));
    let most = order.first().map_or(0.0, |&first| found[first].0.abs());
    let strong = |&segment: &usize| found[segment].0.abs() > (WEAKEST * most).max(0.0);
    let listed = order.into_iter().take_while(strong).take(N_PARTNERS);
    let partner = |segment: usize| {
        let (sum, pixels) = &found[segment];
        let mut partner = json!({ "value": sum, "region": Region::new(pixels.iter().copied()) });
        if pixels.len() == areas[segment] {
            // All of it, and not what the region leaves of it.
            partner["segment"] = segment.into();
        }
        partner
    };
    listed.map(partner).collect()
}

/// Little-endian f32 in base64.
fn encode(map: &[f32]) -> String {
    base64(&map.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_segments_come_first_whatever_their_sign() {
        let segments = SegmentMap::new(4, 1, &[0, 1, 2, 2]).unwrap();
        let listed = by_segment(&[0.5, -2.0, 0.7, 0.7], &segments, &Region::new([3]));
        let values: Vec<f64> = listed.iter().map(|p| p["value"].as_f64().unwrap()).collect();
        assert_eq!(values.len(), 3);
        assert!((values[0] + 2.0).abs() < 1e-6 && (values[1] - 0.7).abs() < 1e-6);
        assert_eq!(listed[1]["region"], "2.1");
        assert!(listed[0]["segment"] == 1 && listed[1]["segment"].is_null());
        assert!(by_segment(&[0.0; 4], &segments, &Region::new([3])).is_empty());
    }
}
