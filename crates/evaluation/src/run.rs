//! The loop over a dataset: picture after picture, each with all its rows or none.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    time::Instant,
};

use hsets_core::{Error as CoreError, Progress};
use hsets_datasets::{Dataset, Sample};

use crate::{
    Candidate, Case, Cost, Error, Examined, Examiner, Failure, Finished, Plan, Result, Row, Shard,
    Store, Timing, Verdict, Work, maps, selection,
};

/// Pictures of every model that are measured before the cost is told.
const MEASURED: usize = 2;
/// So many failures in a row are not the pictures' fault.
const MAX_FAILURES: usize = 20;
/// Tried pictures that are written down at a time.
const CANDIDATES_AT_A_TIME: usize = 32;

/// What is evaluated, by what.
pub struct Job<'a> {
    /// The pictures.
    pub dataset: &'a Dataset,
    /// Which share of them.
    pub shard: Shard,
    /// The plan's models, in its order.
    pub models: Vec<Subject<'a>>,
    /// Folder for the maps, if they are wanted.
    pub maps: Option<PathBuf>,
    /// Measure the first pictures, tell the cost, and stop.
    pub estimate_only: bool,
}

/// A model with what examines pictures under it.
pub struct Subject<'a> {
    /// Explains and measures.
    pub examiner: &'a dyn Examiner,
    /// For each class of the dataset the index of the model's class.
    pub class_of: Vec<usize>,
}

/// Is told how a run goes.
pub trait Observer {
    /// Of a model's pictures `tried` were classified, of which `chosen` will be explained.
    fn selecting(&self, model: &str, tried: usize, chosen: usize);
    /// What the run will cost, after the first pictures of each model.
    fn cost(&self, cost: &Cost);
    /// A picture has its rows. `cost` is what is left.
    fn finished(&self, model: &str, candidate: &Candidate, finished: &Finished, cost: &Cost);
    /// Progress within a picture; asks whether to stop.
    fn progress(&self) -> &dyn Progress;
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Pictures that got their rows now.
    pub n_pictures: usize,
    /// Pictures × models chosen of those asked for: fewer where the dataset has no more.
    pub n_chosen: Vec<(String, usize)>,
    /// What is left: nothing, unless only an estimate was asked for.
    pub cost: Cost,
}

/// Evaluates what the store lacks.
pub fn run(job: &Job<'_>, store: &mut Store, observer: &dyn Observer) -> Result<Outcome> {
    let plan = store.plan().clone();
    let order = selection::order(plan.dataset.n, plan.selection.seed);
    let cost = Cost::default();
    let mut run = Run { job, plan, order, observer, failures: 0, n_pictures: 0, cost };
    if run.plan.selection.samples.is_some() {
        for model in 0..run.plan.models.len() {
            run.select(model, store)?;
        }
        store.forget_unchosen()?;
    }
    run.cost = Cost::of(&store.results()?, job.shard)?;
    for model in 0..run.plan.models.len() {
        run.examine(model, store, Some(MEASURED))?;
    }
    observer.cost(&run.cost);
    if !job.estimate_only {
        for model in 0..run.plan.models.len() {
            run.examine(model, store, None)?;
        }
    }
    let candidates = store.results()?.candidates()?;
    let chosen = |model: &str| {
        let is_chosen = |c: &&Candidate| c.model == model && c.verdict == Verdict::Chosen;
        candidates.iter().filter(is_chosen).count()
    };
    let models = run.plan.models.iter();
    Ok(Outcome {
        n_chosen: models.map(|model| (model.name.clone(), chosen(&model.name))).collect(),
        n_pictures: run.n_pictures,
        cost: run.cost,
    })
}

struct Run<'a> {
    job: &'a Job<'a>,
    plan: Plan,
    order: Vec<usize>,
    observer: &'a dyn Observer,
    /// In a row.
    failures: usize,
    n_pictures: usize,
    cost: Cost,
}

impl Run<'_> {
    fn sample(&self, rank: usize) -> &Sample {
        &self.job.dataset.samples[self.order[rank]]
    }

    fn check_cancelled(&self) -> Result<()> {
        let cancelled = self.observer.progress().is_cancelled();
        if cancelled { Err(CoreError::Cancelled.into()) } else { Ok(()) }
    }

    /// Tries pictures in order until there are as many as asked for. Every shard does the same.
    fn select(&self, model: usize, store: &mut Store) -> Result<()> {
        let wanted = self.plan.selection.samples.unwrap_or(usize::MAX);
        let name = &self.plan.models[model].name;
        let known = store.results()?.candidates_of(name)?;
        let mut chosen = known.iter().filter(|c| c.verdict == Verdict::Chosen).count();
        let mut fresh = Vec::new();
        for rank in known.len()..self.order.len() {
            if chosen >= wanted {
                break;
            }
            if let Err(cancelled) = self.check_cancelled() {
                store.add_candidates(&fresh)?;
                return Err(cancelled);
            }
            let candidate = self.candidate(model, rank)?;
            chosen += usize::from(candidate.verdict == Verdict::Chosen);
            fresh.push(candidate);
            if fresh.len() == CANDIDATES_AT_A_TIME {
                store.add_candidates(&fresh)?;
                fresh.clear();
                self.observer.selecting(name, rank + 1, chosen);
            }
        }
        store.add_candidates(&fresh)
    }

    /// Classifies a picture.
    fn candidate(&self, model: usize, rank: usize) -> Result<Candidate> {
        let sample = self.sample(rank);
        let subject = &self.job.models[model];
        let class = subject.class_of[sample.class];
        let logits = guarded(|| subject.examiner.classify(sample));
        let mut candidate = Candidate {
            model: self.plan.models[model].name.clone(),
            rank,
            image: sample.id.clone(),
            class,
            predicted: None,
            probability: None,
            verdict: Verdict::Unreadable,
            reason: None,
        };
        match logits {
            Ok(logits) => {
                let link = subject.examiner.link();
                let (top, _) = top(&logits);
                let is_right = top == class && link.is_predicted(&logits, class);
                let is_wanted = !self.plan.selection.correct_only || is_right;
                candidate.predicted = Some(top);
                candidate.probability = Some(link.probability(&logits, top));
                candidate.verdict =
                    if is_wanted { Verdict::Chosen } else { Verdict::Misclassified };
            }
            Err(Failure::Cancelled) => return Err(CoreError::Cancelled.into()),
            Err(Failure::Reason(reason)) => candidate.reason = Some(anywhere(&reason, sample)),
        }
        Ok(candidate)
    }

    /// Examines what a model's part of the shard lacks; only its first `limit` pictures, if given.
    fn examine(&mut self, model: usize, store: &mut Store, limit: Option<usize>) -> Result<()> {
        let name = self.plan.models[model].name.clone();
        let results = store.results()?;
        let done = results.done(&name)?;
        let known = results.candidates_of(&name)?;
        let left = limit.map_or(usize::MAX, |limit| limit.saturating_sub(done.len()));
        let n_before = self.n_pictures;
        let shard = self.job.shard;
        let ranks = match self.plan.selection.samples {
            Some(_) => known.len(),
            None => self.order.len(),
        };
        let mut known = known.into_iter().peekable();
        for rank in 0..ranks {
            let candidate = known.next_if(|candidate| candidate.rank == rank);
            let is_done = |c: &Candidate| !c.verdict.has_rows() || done.contains(&c.image);
            if !shard.holds(rank) || candidate.as_ref().is_some_and(is_done) {
                continue;
            }
            if self.n_pictures - n_before >= left {
                break;
            }
            self.check_cancelled()?;
            let is_known = candidate.is_some();
            let candidate = match candidate {
                Some(candidate) => candidate,
                None => self.candidate(model, rank)?,
            };
            if candidate.verdict.has_rows() {
                self.picture(model, &candidate, store)?;
            } else if !is_known {
                store.add_candidates(&[candidate])?;
                self.cost.models[model].n_left -= 1;
            }
        }
        Ok(())
    }

    /// Makes and writes all rows of a picture.
    fn picture(&mut self, model: usize, candidate: &Candidate, store: &mut Store) -> Result<()> {
        let begun = Instant::now();
        let results = self.results_of(model, candidate)?;
        if let Some(folder) = &self.job.maps {
            maps::write(folder, candidate, &self.plan, &results)?;
        }
        let rows = self.rows(model, candidate, results, store.code_version());
        let finished = Finished { rows, seconds: begun.elapsed().as_secs_f64() };
        store.add_picture(candidate, &finished)?;
        self.n_pictures += 1;
        let has_failed = finished.rows.iter().all(|(row, _)| row.failure.is_some());
        self.cost.models[model].finished((!has_failed).then_some(finished.seconds));
        self.observer.finished(&self.plan.models[model].name, candidate, &finished, &self.cost);
        self.count_failures(&finished)
    }

    /// What every case of a picture gives, in the order of [`Run::cases`].
    fn results_of(
        &self,
        model: usize,
        candidate: &Candidate,
    ) -> Result<Vec<Result<Examined, String>>> {
        let cases = self.cases();
        let all_failed = |reason: &String| vec![Err(reason.clone()); cases.len()];
        let (None, Some(class)) = (&candidate.reason, candidate.predicted) else {
            return Ok(all_failed(candidate.reason.as_ref().unwrap_or(&String::new())));
        };
        let sample = self.sample(candidate.rank);
        let progress = self.observer.progress();
        let examiner = self.job.models[model].examiner;
        match guarded(|| examiner.examine(sample, class, &cases, progress)) {
            Err(Failure::Cancelled) => Err(CoreError::Cancelled.into()),
            Err(Failure::Reason(reason)) => Ok(all_failed(&anywhere(&reason, sample))),
            Ok(results) => {
                let reasons = results.into_iter().map(|result| match result {
                    Ok(examined) => Ok(Ok(examined)),
                    Err(Failure::Reason(reason)) => Ok(Err(anywhere(&reason, sample))),
                    Err(Failure::Cancelled) => Err(CoreError::Cancelled.into()),
                });
                reasons.collect()
            }
        }
    }

    /// Method by method, run by run.
    fn cases(&self) -> Vec<Case> {
        let case = |method, run| Case { method, run, seed: self.plan.seed_of(run) };
        let methods = 0..self.plan.methods.len();
        methods.flat_map(|method| (0..self.plan.runs).map(move |run| case(method, run))).collect()
    }

    fn rows(
        &self,
        model: usize,
        candidate: &Candidate,
        results: Vec<Result<Examined, String>>,
        code_version: &str,
    ) -> Vec<(Row, Option<Timing>)> {
        let model = &self.plan.models[model];
        let row = |(case, result): (Case, Result<Examined, String>)| {
            let method = &self.plan.methods[case.method];
            let mut row = Row {
                model: model.name.clone(),
                image: candidate.image.clone(),
                method: method.name.clone(),
                run: case.run,
                seed: case.seed,
                class: candidate.class,
                explained: candidate.predicted,
                failure: None,
                n_sets: 0,
                work: Work::default(),
                settings_hash: self.plan.settings_hash(model, method),
                weights_hash: model.weights_sha256.clone(),
                code_version: code_version.to_owned(),
                metrics: vec![None; self.plan.metrics.len()],
            };
            match result {
                Ok(examined) => {
                    row.n_sets = examined.n_sets;
                    row.work = examined.work;
                    row.metrics =
                        examined.metrics.iter().map(|&m| Some(m).filter(|m| !m.is_nan())).collect();
                    (row, Some(Timing::new(&examined.timings)))
                }
                Err(reason) => {
                    row.failure = Some(reason);
                    (row, None)
                }
            }
        };
        self.cases().into_iter().zip(results).map(row).collect()
    }

    fn count_failures(&mut self, finished: &Finished) -> Result<()> {
        let failures = finished.rows.iter().map(|(row, _)| row.failure.as_ref());
        let Some(reason) = failures.collect::<Option<Vec<_>>>().and_then(|all| all.last().copied())
        else {
            self.failures = 0;
            return Ok(());
        };
        self.failures += 1;
        if self.failures < MAX_FAILURES {
            return Ok(());
        }
        Err(Error::KeepsFailing { n: self.failures, reason: reason.clone() })
    }
}

/// A reason that reads the same whatever folder the dataset lies in.
fn anywhere(reason: &str, sample: &Sample) -> String {
    match sample.path.to_str() {
        Some(path) if !path.is_empty() => reason.replace(path, &sample.id),
        _ => reason.to_owned(),
    }
}

/// Class of the highest logit, the first of equal ones.
fn top(logits: &[f32]) -> (usize, f32) {
    let higher = |best: (usize, f32), (class, &logit): (usize, &f32)| {
        if logit > best.1 { (class, logit) } else { best }
    };
    logits.iter().enumerate().fold((0, f32::NEG_INFINITY), higher)
}

/// A panic is a fault of the program, but not one that should end a run of a week.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(ToString::to_string);
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Failure::Reason(format!("a fault in the program: {text}")))
    })
}
