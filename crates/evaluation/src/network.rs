//! Pictures under a real network, through the pipeline.

use std::{path::PathBuf, time::Instant};

use hsets_core::{Link, Progress, Segmenter, Target};
use hsets_datasets::Sample;
use hsets_pipeline::{
    Explainer, Explanation, MetricSettings, Settings, Subject,
    attribution::Baseline,
    models::{Classifier, Prepared, mask_file},
    normalisation,
};

use crate::{Case, Examined, Examiner, Failure};

/// Explains pictures of a classifier by the methods of a plan.
pub struct NetworkExaminer<'a> {
    /// The network.
    pub classifier: &'a Classifier,
    /// Segments of every picture.
    pub segmenter: &'a dyn Segmenter,
    /// Settings of the plan's methods, in its order. Their targets and seeds do not matter.
    pub methods: Vec<Settings>,
    /// The metrics. Their seeds do not matter.
    pub metrics: MetricSettings,
    /// A mask of the evidence, or a folder with one for each picture.
    pub masks: Option<PathBuf>,
}

impl Examiner for NetworkExaminer<'_> {
    fn classify(&self, sample: &Sample) -> Result<Vec<f32>, Failure> {
        let prepared = self.classifier.read(&sample.path)?;
        let logits = self.classifier.field().logits(&[prepared.image])?.swap_remove(0);
        if logits.iter().all(|logit| logit.is_finite()) {
            return Ok(logits);
        }
        Err(Failure::Reason("the network's output is not finite".into()))
    }

    fn link(&self) -> Link {
        self.classifier.field().link()
    }

    fn examine(
        &self,
        sample: &Sample,
        class: usize,
        cases: &[Case],
        progress: &dyn Progress,
    ) -> Result<Vec<Result<Examined, Failure>>, Failure> {
        let masks = self.masks.as_deref();
        let file = masks.map(|place| mask_file(place, &sample.path)).transpose()?;
        let mask = file.map(|file| self.classifier.read_mask(&file)).transpose()?;
        let prepared = self.classifier.read(&sample.path)?;
        self.examine_prepared(&prepared, mask.as_deref(), class, cases, progress)
    }
}

impl NetworkExaminer<'_> {
    /// [`Examiner::examine`] of a picture that is read already. Cases of one method that follow each
    /// other share the explanation if no seed can change it; each is measured with its own.
    pub fn examine_prepared(
        &self,
        prepared: &Prepared,
        mask: Option<&[bool]>,
        class: usize,
        cases: &[Case],
        progress: &dyn Progress,
    ) -> Result<Vec<Result<Examined, Failure>>, Failure> {
        let normalisation = normalisation(self.classifier.preprocessing());
        let subject = Subject {
            image: &prepared.image,
            photo: &prepared.photo,
            normalisation: &normalisation,
        };
        let explainer =
            Explainer::new(self.classifier.field(), &subject, self.segmenter, progress)?
                .known(mask, Some(self.classifier));
        let mut last: Option<(usize, Result<Explanation, Failure>)> = None;
        let mut results = Vec::with_capacity(cases.len());
        for case in cases {
            let settings = self.settings(class, case);
            let known = last.take_if(|(method, _)| *method == case.method);
            let (_, found) = last.insert(match known.filter(|_| !settings.is_random()) {
                Some(known) => known,
                None => {
                    (case.method, explainer.explain(&settings, progress).map_err(Failure::from))
                }
            });
            let measure = |found| self.measured(&explainer, found, &settings, case, progress);
            results.push(found.as_ref().map_err(Clone::clone).and_then(measure));
        }
        Ok(results)
    }

    fn measured(
        &self,
        explainer: &Explainer<'_>,
        found: &Explanation,
        settings: &Settings,
        case: &Case,
        progress: &dyn Progress,
    ) -> Result<Examined, Failure> {
        let begun = Instant::now();
        let metrics = self.metrics.clone().with_seed(case.seed);
        let report = explainer.measure(found, settings, &metrics, progress)?;
        let stages = found.cost.timings.iter();
        let mut timings: Vec<_> = stages.map(|(name, took)| ((*name).to_owned(), *took)).collect();
        timings.push(("measures".into(), begun.elapsed()));
        Ok(Examined {
            metrics: report.readings.iter().map(|reading| reading.value).collect(),
            work: found.cost.alone,
            n_sets: found.sets.len(),
            map: found.map.clone(),
            timings,
        })
    }

    fn settings(&self, class: usize, case: &Case) -> Settings {
        let mut settings = self.methods[case.method].clone().with_seed(case.seed);
        settings.target = Target::Logit(class);
        if let Baseline::Noise { seed } = &mut settings.baseline {
            *seed = case.seed;
        }
        settings
    }
}
