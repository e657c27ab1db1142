//! Every metric of one map, by one function: for maps of our own and of anyone else.

mod faithfulness;
mod interactions;
mod mask;
mod metric;
mod randomisation;
mod report;
mod settings;
mod sparsity;
mod stability;

pub use metric::{Metric, Needs};
pub use report::{Better, Curve, MetricReport, Reading};
pub use settings::{MetricSettings, Randomisation, Stability};

use std::sync::Arc;

use hsets_attribution::Normalisation;
use hsets_core::{
    Error, Image, Link, Progress, Randomisable, Removal, Result, SaliencyMap, Scored, SegmentMap,
    Shape, Target, TwiceDifferentiable, Unseen,
};
use hsets_detection::PairEffects;

use crate::{Explainer, Explanation, Interactions, Settings, Subject};
use metric::Named;

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
    /// Which pixels \[H·W\] hold the evidence, where that is known.
    pub mask: Option<&'a [bool]>,
}

/// Measures a map \[C, H, W\] of the image's shape.
///
/// Metrics that need the method are left out here, with a note; [`Explainer::measure`] has them.
pub fn measure(
    of: &Measured<'_>,
    map: &SaliencyMap,
    settings: &MetricSettings,
    progress: &dyn Progress,
) -> Result<MetricReport> {
    run(of, map, None, settings, progress)
}

impl Explainer<'_> {
    /// Measures the map of an explanation that this explainer gave with `settings`. Its target,
    /// and the units of its method, hold. Metrics that need the method explain other images, or
    /// other networks, anew, with the same segments.
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
            mask: self.mask,
        };
        let metrics = MetricSettings {
            baseline: settings.baseline.clone(),
            units: settings.units(),
            ..metrics.clone()
        };
        let settings = Settings { target: explanation.target.clone(), ..settings.clone() };
        let interactions = &explanation.interactions;
        let again = Again { explainer: self, interactions, settings, progress };
        run(&of, &explanation.map, Some(&again), &metrics, progress)
    }
}

/// The method that made a map, to be used again.
trait Explains {
    /// The map of another image, as if it had the segments of this one.
    fn at(&self, image: &Image) -> Result<SaliencyMap>;
    /// The map under another network.
    fn under(&self, field: &dyn TwiceDifferentiable) -> Result<SaliencyMap>;
    /// The network, if its weights can be drawn anew.
    fn network(&self) -> Option<&dyn Randomisable>;
    /// Its effects of pairs, if it gives some.
    fn pairs(&self) -> Result<Option<Pairs<'_>>>;
    /// Whether [`pairs`](Self::pairs) gives some.
    fn has_pairs(&self) -> bool;
}

/// Effects of pairs of segments, and the pictures to try them on.
struct Pairs<'t> {
    effects: &'t PairEffects,
    segments: &'t SegmentMap,
    /// Under the reference of the effects.
    removal: Arc<Removal<'t>>,
    /// Under the next one, if there are several.
    second: Option<Arc<Removal<'t>>>,
}

struct Again<'e, 'a> {
    explainer: &'e Explainer<'a>,
    interactions: &'e Interactions,
    /// The target is never [`Target::Top`].
    settings: Settings,
    /// Asked whether to stop, in the middle of an explanation too.
    progress: &'e dyn Progress,
}

impl Explains for Again<'_, '_> {
    fn at(&self, image: &Image) -> Result<SaliencyMap> {
        self.map(self.explainer.field.field, image)
    }

    fn under(&self, field: &dyn TwiceDifferentiable) -> Result<SaliencyMap> {
        self.map(field, self.explainer.image)
    }

    fn network(&self) -> Option<&dyn Randomisable> {
        self.explainer.network
    }

    fn pairs(&self) -> Result<Option<Pairs<'_>>> {
        let Some(effects) = &self.interactions.pair_effects else { return Ok(None) };
        let segments = &self.explainer.segments;
        let target = self.explainer.explained(&self.settings);
        let removal = |reference| self.explainer.removal(reference, &target);
        let references = &self.settings.contrasts.references;
        Ok(Some(Pairs {
            effects,
            segments,
            removal: removal(&references[0])?,
            second: references.get(1).map(removal).transpose()?,
        }))
    }

    fn has_pairs(&self) -> bool {
        self.interactions.pair_effects.is_some()
    }
}

impl Again<'_, '_> {
    fn map(&self, field: &dyn TwiceDifferentiable, image: &Image) -> Result<SaliencyMap> {
        let Explainer { photo, normalisation, segments, .. } = self.explainer;
        let subject = Subject { image, photo, normalisation };
        let other = Explainer::with_segments(field, &subject, segments.clone())?;
        let map = other.explain(&self.settings, &Unseen(self.progress))?.map;
        self.progress.advance(1);
        Ok(map)
    }
}

/// What a metric is given.
struct Task<'t> {
    of: &'t Measured<'t>,
    map: &'t SaliencyMap,
    settings: &'t MetricSettings,
    /// Never [`Target::Top`].
    target: &'t Target,
    class: usize,
    baseline: &'t Image,
    method: Option<&'t dyn Explains>,
    progress: &'t dyn Progress,
}

impl<'t> Task<'t> {
    /// The method, for metrics that need it.
    fn method(&self) -> Result<&'t dyn Explains> {
        let needs = Needs::Method.description();
        self.method.ok_or_else(|| Error::config("metrics", "of a map alone", needs))
    }

    fn has(&self, needs: Needs) -> bool {
        match needs {
            Needs::Nothing => true,
            Needs::Mask => self.of.mask.is_some(),
            Needs::Method => self.method.is_some(),
            Needs::PairEffects => self.method.is_some_and(Explains::has_pairs),
            Needs::Weights => self.method.is_some_and(|method| method.network().is_some()),
        }
    }
}

fn run(
    of: &Measured<'_>,
    map: &SaliencyMap,
    method: Option<&dyn Explains>,
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
    let class = class_of(&target, &logits);
    let mut report = MetricReport::new(map, settings, class);
    let (target, baseline) = (&target, &baseline);
    let task = Task { of, map, settings, target, class, baseline, method, progress };
    for &metric in &settings.metrics {
        report.add(metric, &task)?;
    }
    Ok(report)
}

impl MetricReport {
    fn add(&mut self, metric: Metric, task: &Task<'_>) -> Result<()> {
        let spec = metric.spec();
        let names = (spec.readings)();
        let values = if task.has(spec.needs) {
            let found = (spec.measure)(task)?;
            self.curves.extend(found.curves);
            self.notes.extend(found.note.map(str::to_owned));
            found.values
        } else {
            self.notes.push(format!("{metric} needs {}: left out", spec.needs.description()));
            vec![f64::NAN; names.len()]
        };
        if values.len() != names.len() {
            return Err(Error::shape(format!("readings of {metric}"), names.len(), values.len()));
        }
        let reading =
            |(Named { name, better, label }, value)| Reading { name, value, better, label };
        self.readings.extend(names.into_iter().zip(values).map(reading));
        Ok(())
    }
}

/// The class that a target is about; of a mixture of logits, the top one.
fn class_of(target: &Target, logits: &[f32]) -> usize {
    target.class().unwrap_or_else(|| {
        let better = |best: usize, i: usize| if logits[i] > logits[best] { i } else { best };
        (1..logits.len()).fold(0, better)
    })
}

/// A field that gives nothing any more once the user wants to stop.
struct Stoppable<'a> {
    field: &'a dyn Scored,
    progress: &'a dyn Progress,
}

impl Scored for Stoppable<'_> {
    fn shape(&self) -> Shape {
        self.field.shape()
    }

    fn n_classes(&self) -> usize {
        self.field.n_classes()
    }

    fn link(&self) -> Link {
        self.field.link()
    }

    fn logits(&self, images: &[Image]) -> Result<Vec<Vec<f32>>> {
        if self.progress.is_cancelled() { Err(Error::Cancelled) } else { self.field.logits(images) }
    }
}
