//! Every metric of one map, by one function: for maps of our own and of anyone else.

mod report;
mod settings;

pub use report::{Better, MetricReport, Reading};
pub use settings::{Metric, MetricSettings};

use hsets_attribution::{Baseline, Normalisation};
use hsets_core::{
    CompletenessGap, Error, Image, Progress, Result, SaliencyMap, Scored, Shape, Silent, Target,
};
use hsets_metrics::{
    Infidelity, InsertionDeletion, MaxSensitivity, Perturb, RoadSettings, Units, deletion, entropy,
    gini, gini_of_equal, infidelity, insertion, max_sensitivity, road,
};

use crate::{Explainer, Explanation, Settings, Subject};

/// A picture whose maps are measured.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// Gives the logits.
    pub field: &'a dyn Scored,
    /// Normalised, \[C, H, W\].
    pub image: &'a Image,
    /// How `image` was normalised.
    pub normalisation: &'a Normalisation,
    /// What the map explains. Metrics of probability and correctness take its class.
    pub target: &'a Target,
}

/// Measures a map \[C, H, W\] of the image's shape.
///
/// Max-sensitivity needs the method and is left out here, with a note; [`Explainer::measure`] has
/// it.
pub fn measure(
    of: &Measured<'_>,
    map: &SaliencyMap,
    settings: &MetricSettings,
    progress: &dyn Progress,
) -> Result<MetricReport> {
    settings.check()?;
    let Measured { field, image, normalisation, .. } = *of;
    image.expect_shape("image", field.shape())?;
    if map.shape() != image.shape() {
        return Err(Error::shape("saliency map", image.shape(), map.shape()));
    }
    let logits = field.logits(std::slice::from_ref(image))?.pop();
    let logits = logits.ok_or_else(|| Error::shape("logits", "1 image", "none"))?;
    let target = of.target.fixed(&logits);
    target.check(field.n_classes())?;
    let baseline = settings.baseline.image(image, normalisation)?;
    let mut report = MetricReport::new(map, settings, class_of(&target, &logits));
    let task = Task { of, map, settings, target: &target, baseline: &baseline, progress };
    for &metric in &settings.metrics {
        task.add(metric, &mut report)?;
    }
    Ok(report)
}

impl Explainer<'_> {
    /// Measures the map of an explanation that this explainer gave with `settings`. Its target,
    /// and the units of its method, hold; max-sensitivity explains images nearby anew, with the
    /// same segments.
    pub fn measure(
        &self,
        explanation: &Explanation,
        settings: &Settings,
        metrics: &MetricSettings,
        progress: &dyn Progress,
    ) -> Result<MetricReport> {
        let of = Measured {
            field: self.field.field,
            image: self.image,
            normalisation: self.normalisation,
            target: &explanation.target,
        };
        let metrics = MetricSettings {
            baseline: settings.baseline.clone(),
            units: settings.units(),
            ..metrics.clone()
        };
        let mut report = measure(&of, &explanation.map, &metrics, progress)?;
        if metrics.metrics.contains(&Metric::MaxSensitivity) {
            let settings = Settings { target: explanation.target.clone(), ..settings.clone() };
            let maps = |images: &[Image]| self.maps_nearby(images, &settings);
            let found = max_sensitivity(self.image, maps, &metrics.max_sensitivity)?;
            report.max_sensitivity = Some(found);
            report.notes.retain(|note| *note != NEEDS_METHOD);
        }
        Ok(report)
    }

    /// Maps of other images, as if they had the segments of this one.
    fn maps_nearby(&self, images: &[Image], settings: &Settings) -> Result<Vec<SaliencyMap>> {
        let map = |image: &Image| {
            let (photo, normalisation) = (self.photo, self.normalisation);
            let subject = Subject { image, photo, normalisation };
            let nearby =
                Explainer::with_segments(self.field.field, &subject, self.segments.clone())?;
            Ok(nearby.explain(settings, &Silent)?.map)
        };
        images.iter().map(map).collect()
    }
}

const NEEDS_UNITS: &str = "completeness needs a map in units of the output: not a number";
const NEEDS_METHOD: &str = "max-sensitivity needs the method that made the map: left out";

/// The class that a target is about; of a mixture of logits, the top one.
fn class_of(target: &Target, logits: &[f32]) -> usize {
    match *target {
        Target::Logit(class)
        | Target::LogProbability(class)
        | Target::LogOdds(class)
        | Target::Difference { class, .. } => class,
        Target::Top | Target::Weighted(_) => {
            let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
            (1..logits.len()).fold(0, better)
        }
    }
}

struct Task<'t> {
    of: &'t Measured<'t>,
    map: &'t SaliencyMap,
    settings: &'t MetricSettings,
    /// Never [`Target::Top`].
    target: &'t Target,
    baseline: &'t Image,
    progress: &'t dyn Progress,
}

impl Task<'_> {
    fn add(&self, metric: Metric, report: &mut MetricReport) -> Result<()> {
        let (map, reduction) = (self.map, self.settings.reduction);
        match metric {
            Metric::Gini => {
                let pixels = map.per_pixel(reduction);
                let n_marked = pixels.iter().filter(|value| **value != 0.0).count();
                report.gini = Some(gini(map, reduction)?);
                report.gini_of_equal = Some(gini_of_equal(n_marked, pixels.len()));
            }
            Metric::Entropy => report.entropy = Some(entropy(map, reduction)?),
            Metric::Road => {
                let settings = RoadSettings { reduction, ..self.settings.road.clone() };
                let Measured { field, image, .. } = *self.of;
                let found = road(field, image, map, report.class, &settings, self.progress)?;
                report.road = Some(found);
            }
            Metric::InsertionDeletion => self.add_curves(report)?,
            Metric::Infidelity => report.infidelity = Some(self.infidelity()?),
            Metric::Completeness if self.settings.units == Units::Output => {
                report.completeness = Some(self.completeness()?);
            }
            Metric::Completeness => {
                report.completeness = Some(CompletenessGap::new(self.map, f64::NAN, f64::NAN));
                report.notes.push(NEEDS_UNITS);
            }
            Metric::MaxSensitivity => report.notes.push(NEEDS_METHOD),
        }
        Ok(())
    }

    fn add_curves(&self, report: &mut MetricReport) -> Result<()> {
        let Measured { field, image, normalisation, .. } = *self.of;
        let Shape { height, width, .. } = image.shape();
        let settings = InsertionDeletion {
            pixels_per_step: (height * width).div_ceil(self.settings.curve_steps),
            ties: self.settings.road.ties,
            reduction: self.settings.reduction,
            batch_size: self.settings.road.batch_size,
        };
        let (map, class, progress) = (self.map, report.class, self.progress);
        let blurred = Baseline::Blur { sigma: self.settings.insertion_blur };
        let blurred = blurred.image(image, normalisation)?;
        let zero = Image::constant(image.shape(), 0.0);
        report.deletion = Some(deletion(field, image, &zero, map, class, &settings, progress)?);
        report.insertion =
            Some(insertion(field, image, &blurred, map, class, &settings, progress)?);
        Ok(())
    }

    fn infidelity(&self) -> Result<f64> {
        let Measured { field, image, .. } = *self.of;
        let Shape { height, width, .. } = image.shape();
        let perturb = Perturb::Square {
            side: (height.min(width) / 4).max(1),
            baseline: self.baseline.clone(),
            units: self.settings.units,
        };
        let settings = Infidelity {
            perturb,
            n_samples: self.settings.infidelity_samples,
            seed: self.settings.road.seed,
            normalize: true,
            batch_size: self.settings.road.batch_size,
        };
        infidelity(field, image, self.map, self.target, &settings)
    }

    fn completeness(&self) -> Result<CompletenessGap> {
        let images = [self.of.image.clone(), self.baseline.clone()];
        let value = |logits: &Vec<f32>| {
            self.target.value(&logits.iter().map(|&z| f64::from(z)).collect::<Vec<_>>())
        };
        match &self.of.field.logits(&images)?.iter().map(value).collect::<Vec<_>>()[..] {
            [image, baseline] => Ok(CompletenessGap::new(self.map, *image, *baseline)),
            values => Err(Error::shape("logits", "2 images", values.len())),
        }
    }
}

/// Fails on settings outside their range.
pub(crate) fn check(road: &RoadSettings, sensitivity: &MaxSensitivity) -> Result<()> {
    road.check()?;
    sensitivity.check()
}
