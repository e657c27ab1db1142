//! The numbers of one file of results, as cells of tables.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use hsets_evaluation::{Cell as Mean, Comparison, Plan, Results, Row, Statistics, Timing};
use hsets_pipeline::metrics::{Bootstrap, Summary};
use hsets_report::document::{Cell, Estimate, Table};

use crate::{
    conduct,
    experiment::Kind,
    manifest::Manifest,
    published::{self, Quantity, STAND_IN},
};

/// Gini sparsity.
pub(super) const GINI: &str = "gini";
/// Gini of as many equal pixels.
pub(super) const EQUAL: &str = "gini-of-equal";
/// The reading of ROAD_AOPC that stands beside the paper's.
pub(super) const AOPC: &str = "road-1-accuracy";
/// How much later the least relevant pixels matter.
pub(super) const GAP: &str = "road-lerf-minus-morf-accuracy";
/// Share of pixels whose order was left to ties.
pub(super) const TIED: &str = "road-tied-share";

/// Intervals are of so many samples: there are thousands of them.
const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 2000, ..Bootstrap::STANDARD };
/// So much of a hash tells settings apart.
const SHORT_HASH: usize = 12;

/// Model, method, metric.
type Key = (String, String, String);

/// An experiment's numbers.
pub(super) struct Numbers {
    pub(super) kind: Kind,
    pub(super) plan: Plan,
    /// Programs that wrote the results.
    pub(super) software: String,
    /// Rows, and how many of them failed.
    pub(super) counts: (usize, usize),
    means: BTreeMap<Key, Mean>,
    comparisons: BTreeMap<Key, Comparison>,
    /// By model and method.
    failures: BTreeMap<(String, String), String>,
    efforts: BTreeMap<(String, String), Effort>,
}

/// What a method takes for a picture, in the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Effort {
    n: f64,
    /// Forward passes, gradients, linearisations, rows.
    pub(super) work: [f64; 4],
    /// Wall time without that of measuring.
    pub(super) seconds: f64,
    /// How much of it the segmenter takes.
    pub(super) segmentation: f64,
}

impl Effort {
    fn add(&mut self, row: &Row, timing: &Timing) {
        let work = row.work;
        let counts = [work.n_forwards, work.n_gradients, work.n_linearisations, work.n_rows];
        let stage = |wanted: &str| {
            timing.stages.iter().filter(|(name, _)| name == wanted).map(|(_, s)| s).sum::<f64>()
        };
        self.n += 1.0;
        for (mean, count) in self.work.iter_mut().zip(counts) {
            *mean += (count as f64 - *mean) / self.n;
        }
        let seconds = timing.seconds - stage("measures") - stage("road");
        self.seconds += (seconds - self.seconds) / self.n;
        self.segmentation += (stage("segmentation") - self.segmentation) / self.n;
    }
}

impl Numbers {
    /// Those of an experiment, if its file is there.
    pub(super) fn open(out: &Path, kind: Kind, manifest: &Manifest) -> Result<Option<Self>> {
        let path = conduct::file(out, kind);
        if !path.exists() {
            return Ok(None);
        }
        let results = Results::open(&path)?;
        let statistics = Statistics::of(&results)?;
        let means = statistics.cells(&BOOTSTRAP).into_iter();
        let comparisons = statistics.against(&manifest.standard, &BOOTSTRAP).into_iter();
        let (mut failures, mut efforts) = (BTreeMap::new(), BTreeMap::<_, Effort>::new());
        results.for_each_row(|row, timing| {
            let key = (row.model.clone(), row.method.clone());
            match (&row.failure, timing) {
                (Some(reason), _) => drop(failures.insert(key, reason.clone())),
                (None, Some(timing)) => efforts.entry(key).or_default().add(&row, &timing),
                (None, None) => {}
            }
            Ok(())
        })?;
        Ok(Some(Self {
            kind,
            plan: results.plan().clone(),
            software: results.code_versions()?.into_iter().collect::<Vec<_>>().join(", "),
            counts: results.counts()?,
            means: means
                .map(|m| ((m.model.clone(), m.method.clone(), m.metric.clone()), m))
                .collect(),
            comparisons: comparisons
                .map(|c| ((c.model.clone(), c.method.clone(), c.metric.clone()), c))
                .collect(),
            failures,
            efforts,
        }))
    }

    /// Names of the models.
    pub(super) fn models(&self) -> Vec<&str> {
        self.plan.models.iter().map(|model| model.name.as_str()).collect()
    }

    /// Names of what is compared.
    pub(super) fn methods(&self) -> Vec<&str> {
        self.plan.methods.iter().map(|method| method.name.as_str()).collect()
    }

    /// The mean of a metric, if any picture has it.
    pub(super) fn mean(&self, model: &str, method: &str, metric: &str) -> Option<&Mean> {
        let key = (model.to_owned(), method.to_owned(), metric.to_owned());
        self.means.get(&key).filter(|mean| mean.pictures.n > 0)
    }

    /// What a method takes.
    pub(super) fn effort(&self, model: &str, method: &str) -> Option<&Effort> {
        self.efforts.get(&(model.to_owned(), method.to_owned()))
    }

    /// Mean ± standard deviation over runs; of one run the mean.
    pub(super) fn of_runs(&self, model: &str, method: &str, metric: &str) -> Cell {
        match self.mean(model, method, metric) {
            Some(mean) => Cell::Number(runs(&mean.runs)),
            None => self.reason(model, method),
        }
    }

    /// The mean alone.
    pub(super) fn of_pictures(&self, model: &str, method: &str, metric: &str) -> Cell {
        match self.mean(model, method, metric) {
            Some(mean) => Cell::number(mean.pictures.mean),
            None => self.reason(model, method),
        }
    }

    /// The same with deviation, beside the paper's number, where it has one.
    pub(super) fn beside(
        &self,
        model: &str,
        method: &str,
        of: Quantity,
        manifest: &Manifest,
    ) -> Cell {
        let metric = match of {
            Quantity::Gini => GINI,
            Quantity::Aopc => AOPC,
        };
        let published = self.published(model, method, of, manifest);
        match (self.mean(model, method, metric), published) {
            (Some(mean), Some(published)) => Cell::beside(runs(&mean.runs), published),
            _ => self.of_runs(model, method, metric),
        }
    }

    /// The paper's number; for pictures and networks that it does not have, that of a network
    /// like them.
    pub(super) fn published(
        &self,
        model: &str,
        method: &str,
        of: Quantity,
        manifest: &Manifest,
    ) -> Option<f64> {
        if manifest.is_of_paper() {
            return published::published(&manifest.study, model, method, of);
        }
        let stand_in = if self.kind == Kind::Prior { "resnet101" } else { STAND_IN };
        published::published("imagenet", stand_in, method, of)
    }

    /// Mean with its interval over pictures.
    pub(super) fn interval(&self, model: &str, method: &str, metric: &str) -> Cell {
        match self.mean(model, method, metric) {
            Some(mean) => Cell::Number(interval(&mean.pictures, mean.interval)),
            None => self.reason(model, method),
        }
    }

    /// Difference from the standard on the same pictures, with its interval.
    pub(super) fn difference(&self, model: &str, method: &str, metric: &str) -> Cell {
        let key = (model.to_owned(), method.to_owned(), metric.to_owned());
        match self.comparisons.get(&key).filter(|found| found.difference.n > 0) {
            Some(found) => Cell::Number(interval(&found.difference, found.interval)),
            // The standard itself.
            None if self.mean(model, method, metric).is_some() => Cell::number(0.0),
            None => self.reason(model, method),
        }
    }

    /// Why there is no number.
    fn reason(&self, model: &str, method: &str) -> Cell {
        let found = self.failures.get(&(model.to_owned(), method.to_owned()));
        let unknown = || "not computed, or not defined for any picture".to_owned();
        Cell::Failed(found.cloned().unwrap_or_else(unknown))
    }

    /// With the command and the settings behind the numbers.
    pub(super) fn with_origin(&self, table: Table, manifest: &Manifest) -> Table {
        let command = manifest.commands.get(self.kind.name()).cloned().unwrap_or_default();
        let table = self.left_out().map_or(table.clone(), |note| table.note(note));
        table.command(command).settings(self.facts())
    }

    /// Pictures, seeds, software, weights, and the hash of the settings of every method.
    pub(super) fn facts(&self) -> Vec<(String, String)> {
        let Plan { dataset, selection, runs, seed, .. } = &self.plan;
        let wanted = selection.samples.map_or("all".into(), |n| n.to_string());
        let which = if selection.correct_only { ", correctly classified" } else { "" };
        let mut facts = vec![
            (
                "pictures".to_owned(),
                format!("{wanted} for each model{which}, of {} ({})", dataset.n, dataset.layout),
            ),
            ("dataset, SHA-256 of names and classes".into(), short(&dataset.sha256)),
            ("seed of the choice of pictures".into(), selection.seed.to_string()),
            ("runs".into(), format!("{runs}, with seeds from {seed}")),
            ("software".into(), self.software.clone()),
        ];
        for model in &self.plan.models {
            let weights = short(&model.weights_sha256);
            facts.push((format!("{}, SHA-256 of the weights", model.name), weights));
            let hash = |method| short(&self.plan.settings_hash(model, method));
            let methods = self.plan.methods.iter();
            let hashes: Vec<String> =
                methods.map(|method| format!("{} {}", method.name, hash(method))).collect();
            facts.push((format!("{}, hash of the settings", model.name), hashes.join(" · ")));
        }
        facts
    }

    /// How many pictures some means lack.
    fn left_out(&self) -> Option<String> {
        let most = self.means.values().map(|mean| mean.n_left_out).max().unwrap_or(0);
        let (rows, failed) = self.counts;
        (most > 0).then(|| {
            format!("{failed} of {rows} explanations failed; up to {most} pictures are left out.")
        })
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(SHORT_HASH).collect()
}

fn runs(runs: &Summary) -> Estimate {
    match runs.n {
        0 | 1 => Estimate::exact(runs.mean),
        _ => Estimate::std(runs.mean, runs.std),
    }
}

fn interval(pictures: &Summary, (low, high): (f64, f64)) -> Estimate {
    match pictures.n {
        0 | 1 => Estimate::exact(pictures.mean),
        _ => Estimate::interval(pictures.mean, low, high),
    }
}
