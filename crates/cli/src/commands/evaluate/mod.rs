//! `hsets evaluate`: a whole dataset, explained and measured.

mod planning;
mod reporter;
mod slurm;

use std::{rc::Rc, time::Duration};

use hsets_datasets::{Dataset, OpenOptions};
use hsets_evaluation::{
    Job, NetworkExaminer, Outcome, Shard, Store, Subject, run as run_job, time_left,
};
use hsets_pipeline::core::Segmenter;

use crate::{
    args::{DeviceChoice, EvaluateArgs, General},
    failure::{FAILED, Failure},
    output::{complain, say},
    progress,
};
use planning::Planned;
use reporter::Reporter;

pub(crate) fn run(args: &EvaluateArgs, general: &General) -> Result<(), Failure> {
    let dataset = open(args)?;
    if args.slurm.slurm {
        // Where jobs are submitted there is no GPU; the plan needs none.
        let here = General { device: DeviceChoice::Cpu, ..general.clone() };
        let planned = Planned::new(args, &here, general.device, &dataset)?;
        return Ok(slurm::submit(args, general, &planned.plan)?);
    }
    let planned = Planned::new(args, general, general.device, &dataset)?;
    let shard = args.shard.unwrap_or(Shard::WHOLE);
    let path = shard.file(&args.out);
    let code = hsets_evaluation::code_version(super::explain::SOFTWARE)?;
    let mut store = Store::open(&path, &planned.plan, shard, &code, args.any_code)?;
    store.wait_as_long_as({
        let path = path.display().to_string();
        move |waited| wait(&path, waited)
    });
    if args.retry_failed {
        store.forget_failed()?;
    }
    let segmenters = segmenters(&planned)?;
    let examiners: Vec<NetworkExaminer<'_>> = planned
        .models
        .iter()
        .zip(&segmenters)
        .map(|(model, segmenter)| NetworkExaminer {
            classifier: model.network.classifier(),
            segmenter: segmenter.as_ref(),
            methods: model.methods.clone(),
            metrics: planned.metrics.clone(),
            masks: args.metrics.mask.clone(),
        })
        .collect();
    let subjects = examiners.iter().zip(&planned.models);
    let job = Job {
        dataset: &dataset,
        shard,
        models: subjects
            .map(|(examiner, model)| Subject { examiner, class_of: model.class_of.clone() })
            .collect(),
        maps: args.maps.clone(),
        estimate_only: args.estimate,
    };
    let reporter = Reporter::new(general, &planned.plan, shard);
    let outcome = run_job(&job, &mut store, &reporter)?;
    drop(reporter);
    let (n_rows, n_failed) = store.results()?.counts()?;
    if !general.json && !general.quiet {
        summarise(args, &path.display().to_string(), &outcome, n_rows, n_failed);
    }
    warn(args, &outcome);
    if n_failed > 0 {
        if general.json || general.quiet {
            complain(&format!("{}: {n_failed} of {n_rows} rows failed", path.display()));
        }
        return Err(Failure::Reported(FAILED));
    }
    Ok(())
}

/// Whether to go on waiting for another program that holds the file of results.
fn wait(path: &str, waited: Duration) -> bool {
    // A long run is worth some patience; whoever sits before it should know.
    const PATIENCE: Duration = Duration::from_mins(2);
    if waited < Duration::from_secs(6) {
        complain(&format!("{path}: locked by another program; waiting for it, 2 minutes at most"));
    }
    waited < PATIENCE && !progress::is_cancelled()
}

/// The segmenter of each model. Models whose pictures have one size share it.
fn segmenters(planned: &Planned) -> anyhow::Result<Vec<Rc<dyn Segmenter>>> {
    let mut built: Vec<Rc<dyn Segmenter>> = Vec::new();
    for model in &planned.models {
        let same = planned.models.iter().position(|other| other.segmenter == model.segmenter);
        let segmenter = match same.and_then(|at| built.get(at)) {
            Some(segmenter) => segmenter.clone(),
            None => Rc::from(model.segmenter.build()?),
        };
        built.push(segmenter);
    }
    Ok(built)
}

fn open(args: &EvaluateArgs) -> Result<Dataset, hsets_datasets::Error> {
    let data = &args.data;
    let options =
        OpenOptions { layout: data.dataset, split: data.split, images: data.images.clone() };
    let dataset = Dataset::open(&data.data, &options)?;
    if let Some(note) = dataset.left_out_note() {
        complain(&format!("{}: {note}", data.data.display()));
    }
    Ok(dataset)
}

fn summarise(args: &EvaluateArgs, path: &str, outcome: &Outcome, n_rows: usize, n_failed: usize) {
    say(&format!("{path}: {n_rows} rows, {n_failed} of them failed"));
    if args.estimate {
        let left = time_left(outcome.cost.seconds_left());
        say(&format!("left: {left}; the same command without --estimate goes on"));
    } else if args.shard.is_some() {
        say(&format!("when all shards are done: hsets merge --out {}", args.out.display()));
    } else {
        say(&format!("tables: hsets export {path}"));
    }
    if n_failed > 0 {
        say("the column `failure` says why; --retry-failed does them again");
    }
}

fn warn(args: &EvaluateArgs, outcome: &Outcome) {
    let Some(wanted) = args.data.samples.0 else { return };
    for (model, found) in outcome.n_chosen.iter().filter(|(_, found)| *found < wanted) {
        complain(&format!(
            "{model}: only {found} pictures of the dataset are correctly classified, not {wanted}"
        ));
    }
}
