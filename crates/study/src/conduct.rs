//! Runs the experiments of a study: first what they will cost, then all of them.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use anyhow::{Context as _, Result};
use hsets_evaluation::{Cost, Job, Outcome, Shard, Store, Subject, code_version, run, time_left};
use hsets_pipeline::{core::Segmenter, segmentation::Grid};

use crate::{
    args::Common,
    examiner::StudyExaminer,
    examples::Gallery,
    experiment::{Experiment, Kind, Prior, Variant},
    manifest::{self, Manifest, SOFTWARE},
    plan,
    study::{Model, Study},
    watch::{Watch, tell},
};

/// File of the results of an experiment.
pub(crate) fn file(out: &Path, kind: Kind) -> PathBuf {
    out.join(format!("{}.db", kind.name()))
}

/// Evaluates what the folder lacks.
pub(crate) fn conduct(study: &Study, out: &Path, args: &Common) -> Result<()> {
    let mut manifest = Manifest::of(study, out)?;
    for experiment in &study.experiments {
        manifest.commands.insert(experiment.kind.name().into(), manifest::typed());
    }
    manifest.write(out)?;
    let mut segmenters = Segmenters::default();
    let mut total = Some(0.0);
    tell("Measuring the first pictures of every experiment.");
    for experiment in &study.experiments {
        let outcome = evaluate(study, experiment, out, args, &mut segmenters, true)?;
        let left = outcome.cost.seconds_left();
        tell(&estimate(experiment, &outcome.cost));
        total = total.zip(left).map(|(total, left)| total + left);
    }
    tell(&format!("Everything: about {} left.", time_left(total)));
    if args.estimate_only {
        return Ok(());
    }
    for experiment in &study.experiments {
        let outcome = evaluate(study, experiment, out, args, &mut segmenters, false)?;
        tell_shortage(experiment, &outcome);
    }
    Ok(())
}

/// "methods: 4000 pictures left, 12.5 s each: 13.9 h".
fn estimate(experiment: &Experiment, cost: &Cost) -> String {
    let pace = |m: &hsets_evaluation::ModelCost| {
        let pace = m.seconds_per_picture().map_or("-".into(), |s| format!("{s:.2} s"));
        format!("{} {} × {pace}", m.model, m.n_left)
    };
    let models: Vec<String> = cost.models.iter().map(pace).collect();
    let left = time_left(cost.seconds_left());
    format!("  {:9} {left:>12} left: {}", experiment.kind.name(), models.join(", "))
}

fn tell_shortage(experiment: &Experiment, outcome: &Outcome) {
    for (model, n) in outcome.n_chosen.iter().filter(|(_, n)| *n < experiment.samples) {
        let (kind, wanted) = (experiment.kind.name(), experiment.samples);
        tell(&format!("{kind}: only {n} of {wanted} pictures of the dataset suit {model}"));
    }
}

fn evaluate(
    study: &Study,
    experiment: &Experiment,
    out: &Path,
    args: &Common,
    segmenters: &mut Segmenters,
    estimate_only: bool,
) -> Result<Outcome> {
    let plan = plan::plan(study, experiment)?;
    let path = file(out, experiment.kind);
    let code = code_version(SOFTWARE)?;
    let mut store = Store::open(&path, &plan, Shard::WHOLE, &code, args.any_code)?;
    let models = experiment.models.iter().map(|name| study.model(name));
    let models: Vec<&Model> = models.collect::<Result<_>>()?;
    let mut built = Vec::new();
    for model in &models {
        built.push(segmenters.of(&experiment.variants, model)?);
    }
    let examiners: Vec<StudyExaminer<'_>> = models
        .iter()
        .zip(&built)
        .map(|(model, segmenters)| examiner(experiment, model, segmenters, out))
        .collect();
    let subjects = models.iter().zip(&examiners);
    let job = Job {
        dataset: &study.data[models.first().context("no models")?.data],
        shard: Shard::WHOLE,
        models: subjects
            .map(|(model, examiner)| Subject { examiner, class_of: model.class_of.clone() })
            .collect(),
        maps: None,
        estimate_only,
    };
    Ok(run(&job, &mut store, &Watch::new(experiment.kind.name()))?)
}

/// Of one model; the methods' pictures are kept as examples.
fn examiner<'a>(
    experiment: &'a Experiment,
    model: &'a Model,
    segmenters: &'a [Rc<dyn Segmenter>],
    out: &Path,
) -> StudyExaminer<'a> {
    let segmenters: Vec<&dyn Segmenter> = segmenters.iter().map(AsRef::as_ref).collect();
    let (columns, alone) = (plan::columns(experiment), experiment.is_timed());
    let variants = &experiment.variants;
    let mut examiner = StudyExaminer::new(&model.classifier, variants, &segmenters, columns, alone);
    if matches!(experiment.kind, Kind::Methods | Kind::Photos) {
        examiner.gallery = Some(Gallery::new(out, &model.name));
    }
    examiner
}

/// Segmenters that were built: the weights of SAM are read once.
#[derive(Default)]
pub(crate) struct Segmenters(Vec<(Prior, Rc<dyn Segmenter>)>);

impl Segmenters {
    /// For each variant the segmenter of its prior, for pictures as the model sees them.
    pub(crate) fn of(
        &mut self,
        variants: &[Variant],
        model: &Model,
    ) -> Result<Vec<Rc<dyn Segmenter>>> {
        variants.iter().map(|variant| self.one(&variant.prior, model)).collect()
    }

    fn one(&mut self, prior: &Prior, model: &Model) -> Result<Rc<dyn Segmenter>> {
        let shape = model.classifier.shape();
        let prior = match prior {
            Prior::Segments(choice) => {
                Prior::Segments(choice.clone().for_side(shape.height.min(shape.width)))
            }
            Prior::Pixels => {
                let grid = Grid { rows: shape.height, columns: shape.width };
                Prior::Segments(hsets_pipeline::segmentation::SegmenterChoice::Grid(grid))
            }
        };
        if let Some((_, built)) = self.0.iter().find(|(known, _)| *known == prior) {
            return Ok(Rc::clone(built));
        }
        let Prior::Segments(choice) = &prior else { anyhow::bail!("a prior without a segmenter") };
        let built: Rc<dyn Segmenter> = Rc::from(choice.build()?);
        self.0.push((prior, Rc::clone(&built)));
        Ok(built)
    }
}
