//! What a person did: sets made by hand, regions taken away, partners that were measured. It is
//! written beside what was saved, and `hsets explain --by-hand` does it again.

use std::path::Path;

use hsets_core::{Error, FeatureSet, Link, Mask, Progress, Result, Shape, Target};
use hsets_pipeline::{
    Explainer, Explanation, Method, Reference, Settings,
    models::{Classifier, Prepared},
    normalisation,
};
use hsets_report::record::interaction_record;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    region::Region,
    removal::{check_number, reference, without},
};

/// Steps made by hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ByHand {
    /// Regions that are scored as sets, all channels of each.
    #[serde(default)]
    pub sets: Vec<Region>,
    /// What was taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_away: Option<TakenAway>,
    /// What was measured with the region that was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// Regions that were taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenAway {
    /// The regions.
    pub regions: Vec<Region>,
    /// What their pixels show: `ring`, `imputed`, `blur`, `rolled`, `mean`, `zero`, `black` or
    /// `white`.
    pub reference: String,
}

/// Contrasts of a region with others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The region that was chosen.
    pub region: Region,
    /// Those whose contrasts with it were measured. The tests are corrected for all of them.
    pub partners: Vec<Region>,
}

impl ByHand {
    /// Reads a file that the explorer saved.
    pub fn open(path: &Path) -> Result<Self> {
        let refused = |why: String| Error::config("by-hand", path.display(), why);
        let text = hsets_files::read(path).map_err(|error| refused(error.to_string()))?;
        serde_json::from_slice(&text)
            .map_err(|error| refused(format!("not what the explorer saves: {error}")))
    }

    /// The sets, as features of images of this shape.
    pub fn sets(&self, shape: Shape) -> Result<Vec<FeatureSet>> {
        let set = |region: &Region| {
            region.check(shape)?;
            Ok(region.features(shape))
        };
        self.sets.iter().map(set).collect()
    }

    /// The steps with what comes of them, for the record of an explanation of the same picture that
    /// was made with these settings; `explainer` has its segments.
    pub fn repeat(
        &self,
        classifier: &Classifier,
        prepared: &Prepared,
        explanation: &Explanation,
        explainer: &Explainer<'_>,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Value> {
        let Self { sets, taken_away, measured } = self;
        let mut steps = json!({ "sets": sets });
        if let Some(taken) = taken_away {
            steps["taken_away"] = taken.measure(classifier, prepared, explanation)?;
        }
        if let Some(measured) = measured {
            steps["measured"] = measured.measure(explainer, settings, progress)?;
        }
        Ok(steps)
    }
}

/// The settings of contrasts of the same target, under one reference.
pub(crate) fn contrasting(settings: &Settings) -> Settings {
    let mut settings = Settings { method: Method::Contrasts, ..settings.clone() };
    settings.contrasts.references.truncate(1);
    settings
}

impl Measured {
    /// The largest effect for its scale comes first.
    fn measure(
        &self,
        explainer: &Explainer<'_>,
        settings: &Settings,
        progress: &dyn Progress,
    ) -> Result<Value> {
        let Self { region, partners } = self;
        check_number(partners)?;
        let segments = explainer.segments();
        let shape = Shape::new(1, segments.height(), segments.width());
        let mask = |region: &Region| {
            region.check(shape)?;
            region.mask(shape)
        };
        let first = mask(region)?;
        let pair = |partner: &Region| Ok([first.clone(), mask(partner)?]);
        let pairs: Vec<[Mask; 2]> = partners.iter().map(pair).collect::<Result<_>>()?;
        let settings = contrasting(settings);
        let found = explainer.contrast(&settings, &pairs, progress)?;
        let partners = found.iter().map(|pair| {
            let mut record = json!(interaction_record(pair, segments));
            record["region"] = json!(Region::new(pair.regions[1].pixels()));
            record
        });
        Ok(json!({
            "region": region,
            "reference": settings.contrasts.references.first().map(Reference::name),
            "unit": explainer.explained(&settings).unit(),
            "partners": partners.collect::<Vec<_>>(),
        }))
    }
}

impl TakenAway {
    fn measure(
        &self,
        classifier: &Classifier,
        prepared: &Prepared,
        explanation: &Explanation,
    ) -> Result<Value> {
        let Self { regions, reference: name } = self;
        check_number(regions)?;
        let image = &prepared.image;
        let normalisation = normalisation(classifier.preprocessing());
        let shown = reference(name)?.image(image, &explanation.segments, &normalisation)?;
        let all = [Region::union(regions)];
        let images = regions.iter().chain(&all).map(|region| without(image, region, &shown));
        let logits = classifier.field().logits(&images.collect::<Result<Vec<_>>>()?)?;
        let target = scalar(&explanation.target, explanation.link);
        let effects = Effects::of(&target, &explanation.logits, &logits);
        Ok(json!({ "reference": name, "regions": regions, "effects": effects }))
    }
}

/// What the network loses, by a [`scalar`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Effects {
    unit: &'static str,
    whole: f64,
    /// Without each region alone.
    alone: Vec<f64>,
    together: f64,
    /// What the changes without each sum to.
    additive: f64,
    /// What the change without all is beyond that.
    interaction: f64,
}

impl Effects {
    /// `logits` of the picture without each region, and of the picture without all last.
    pub(crate) fn of(target: &Target, whole: &[f32], logits: &[Vec<f32>]) -> Self {
        let value = |logits: &[f32]| target.value(&wide(logits));
        let mut values: Vec<f64> = logits.iter().map(|logits| value(logits)).collect();
        let whole = value(whole);
        let together = values.pop().unwrap_or(whole);
        let additive: f64 = values.iter().map(|alone| alone - whole).sum();
        let interaction = together - whole - additive;
        Self { unit: target.unit(), whole, alone: values, together, additive, interaction }
    }
}

/// What additivity is asked of: of a class its log-odds.
pub(crate) fn scalar(target: &Target, link: Link) -> Target {
    match target {
        Target::Logit(class) => link.log_odds(*class),
        other => other.clone(),
    }
}

pub(crate) fn wide(logits: &[f32]) -> Vec<f64> {
    logits.iter().map(|&logit| f64::from(logit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_odds_are_those_of_the_link() {
        let logits = [1.0, -0.5, 2.0];
        for link in [Link::Softmax, Link::Sigmoid] {
            for (class, p) in link.probabilities(&logits).into_iter().enumerate() {
                let expected = (p / (1.0 - p)).ln();
                let found = scalar(&Target::Logit(class), link).value(&logits);
                assert!((found - expected).abs() < 1e-12);
            }
        }
        let difference = Target::Difference { class: 2, against: 0 };
        assert!((scalar(&difference, Link::Softmax).value(&logits) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_beyond_the_sum_is_the_interaction() {
        let target = Target::Difference { class: 0, against: 1 };
        let without = [vec![3.0, 0.0], vec![2.5, 0.5], vec![1.0, 0.0]];
        let effects = Effects::of(&target, &[4.0, 0.0], &without);
        assert_eq!(effects.alone, [3.0, 2.0]);
        assert_eq!((effects.additive, effects.together, effects.interaction), (-3.0, 1.0, 0.0));
    }

    #[test]
    fn steps_are_read_as_they_are_written() {
        let steps = ByHand {
            sets: vec![Region::new([1, 2])],
            taken_away: Some(TakenAway {
                regions: vec![Region::new([3])],
                reference: "blur".into(),
            }),
            measured: Some(Measured { region: Region::new([4]), partners: vec![Region::new([5])] }),
        };
        let text = serde_json::to_string(&steps).unwrap();
        assert_eq!(serde_json::from_str::<ByHand>(&text).unwrap(), steps);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("by-hand.json");
        std::fs::write(&path, "{\"sets\": 3}").unwrap();
        let error = ByHand::open(&path).unwrap_err().to_string();
        assert!(error.starts_with("by-hand = ") && error.contains("not what"), "{error}");
    }
}
