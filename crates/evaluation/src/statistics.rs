//! Tables: what the rows say together.

use std::collections::BTreeMap;

use hsets_metrics::{Bootstrap, Summary};

use crate::{Result, Results};

/// One number of a table: a metric of a method under a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// The model.
    pub model: String,
    /// The method.
    pub method: String,
    /// The metric.
    pub metric: String,
    /// Of each run the mean over pictures; `runs.mean` and `runs.std` are what tables print as
    /// mean ± std.
    pub runs: Summary,
    /// Of each picture the mean over runs.
    pub pictures: Summary,
    /// Bootstrap interval of the mean over pictures.
    pub interval: (f64, f64),
    /// Pictures left out, since a run failed or gave no number.
    pub n_left_out: usize,
}

/// How much more one method has than another, on the same pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The model.
    pub model: String,
    /// The metric.
    pub metric: String,
    /// The method.
    pub method: String,
    /// The other.
    pub against: String,
    /// Of each picture that both have: method minus other, means over runs.
    pub difference: Summary,
    /// Paired bootstrap interval of the mean difference. Where it does not hold 0, the methods
    /// differ.
    pub interval: (f64, f64),
}

/// All numbers of an evaluation, ready to be summed up.
#[derive(Debug, Clone)]
pub struct Statistics {
    models: Vec<String>,
    methods: Vec<String>,
    metrics: Vec<String>,
    n_runs: usize,
    /// Values \[picture\]\[run\] by model, method and metric. Pictures are in one order for all, so
    /// that they pair up; `None` where a run lacks.
    values: BTreeMap<[usize; 3], BTreeMap<String, Vec<Option<f64>>>>,
}

impl Statistics {
    /// Reads all rows.
    pub fn of(results: &Results) -> Result<Self> {
        let plan = results.plan();
        let mut statistics = Self {
            models: plan.models.iter().map(|model| model.name.clone()).collect(),
            methods: plan.methods.iter().map(|method| method.name.clone()).collect(),
            metrics: plan.metrics.clone(),
            n_runs: plan.runs as usize,
            values: BTreeMap::new(),
        };
        results.for_each_row(|row, _| {
            let place = |names: &[String], name: &str| names.iter().position(|n| n == name);
            let model = place(&statistics.models, &row.model);
            let method = place(&statistics.methods, &row.method);
            let (Some(model), Some(method)) = (model, method) else { return Ok(()) };
            for (metric, value) in row.metrics.iter().enumerate() {
                let pictures = statistics.values.entry([model, method, metric]).or_default();
                let runs = pictures.entry(row.image.clone());
                let runs = runs.or_insert_with(|| vec![None; statistics.n_runs]);
                if let Some(run) = runs.get_mut(row.run as usize) {
                    *run = *value;
                }
            }
            Ok(())
        })?;
        Ok(statistics)
    }

    /// The models, in the order of the plan.
    pub fn models(&self) -> &[String] {
        &self.models
    }

    /// The methods, in the order of the plan.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// The metrics, in the order of the plan.
    pub fn metrics(&self) -> &[String] {
        &self.metrics
    }

    /// Every model, method and metric that has rows, in this order.
    pub fn cells(&self, bootstrap: &Bootstrap) -> Vec<Cell> {
        self.values.keys().map(|&key| self.cell(key, bootstrap)).collect()
    }

    fn cell(&self, key: [usize; 3], bootstrap: &Bootstrap) -> Cell {
        let complete = self.complete(key);
        let pictures: Vec<f64> = complete.values().map(|runs| mean(runs)).collect();
        let of_run = |run| mean(&complete.values().map(|runs| runs[run]).collect::<Vec<_>>());
        let runs: Vec<f64> = (0..self.n_runs).map(of_run).collect();
        let [model, method, metric] = key;
        Cell {
            model: self.models[model].clone(),
            method: self.methods[method].clone(),
            metric: self.metrics[metric].clone(),
            runs: Summary::of(&runs),
            interval: bootstrap.interval(&pictures),
            n_left_out: self.values.get(&key).map_or(0, BTreeMap::len) - pictures.len(),
            pictures: Summary::of(&pictures),
        }
    }

    /// Every method against one of them, by model and metric.
    pub fn against(&self, other: &str, bootstrap: &Bootstrap) -> Vec<Comparison> {
        let Some(other) = self.methods.iter().position(|name| name == other) else {
            return Vec::new();
        };
        let others = self.values.keys().filter(|[_, method, _]| *method != other);
        others
            .map(|&[model, method, metric]| {
                let [a, b] = [method, other].map(|m| self.complete([model, m, metric]));
                let pairs = a.iter().filter_map(|(image, runs)| Some((runs, b.get(image)?)));
                let differences: Vec<f64> = pairs.map(|(a, b)| mean(a) - mean(b)).collect();
                Comparison {
                    model: self.models[model].clone(),
                    metric: self.metrics[metric].clone(),
                    method: self.methods[method].clone(),
                    against: self.methods[other].clone(),
                    difference: Summary::of(&differences),
                    interval: bootstrap.interval(&differences),
                }
            })
            .collect()
    }

    /// The pictures of which every run has a number.
    fn complete(&self, key: [usize; 3]) -> BTreeMap<&str, Vec<f64>> {
        let pictures = self.values.get(&key).into_iter().flatten();
        pictures
            .filter_map(|(image, runs)| {
                Some((image.as_str(), runs.iter().copied().collect::<Option<_>>()?))
            })
            .collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
