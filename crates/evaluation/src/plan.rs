//! What is evaluated, in full: whatever decides the rows, and nothing else.

use std::{collections::BTreeSet, path::Path};

use hsets_datasets::Dataset;
use hsets_files::hexadecimal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// Changes when the rows of an older version would no longer be those of this one.
const FORMAT: u32 = 2;

/// More than any dataset has; a forged plan may name more.
const MAX_PICTURES: usize = 1 << 30;

/// Everything that decides the rows. Two files whose plans are equal hold rows of one evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of the plan's own format.
    pub format: u32,
    /// The pictures.
    pub dataset: DatasetPlan,
    /// Which of them.
    pub selection: Selection,
    /// Explanations of every picture by every method; run r has seed `seed` + r.
    pub runs: u32,
    /// Seed of the first run.
    pub seed: u64,
    /// The networks.
    pub models: Vec<ModelPlan>,
    /// The methods.
    pub methods: Vec<MethodPlan>,
    /// Names of the metrics: the columns of the results.
    pub metrics: Vec<String>,
    /// Settings of the metrics.
    pub metric_settings: Value,
}

/// The pictures, whatever folder they lie in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetPlan {
    /// How they lie on disk.
    pub layout: String,
    /// How many.
    pub n: usize,
    /// SHA-256 of all names with their classes, in order.
    pub sha256: String,
}

/// Which pictures are explained.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// How many for every model; `None`: all.
    pub samples: Option<usize>,
    /// Seed of the order in which pictures are tried.
    pub seed: u64,
    /// Only pictures that the model classifies correctly.
    pub correct_only: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// Its name in the results, unique.
    pub name: String,
    /// SHA-256 of its weights, hexadecimal.
    pub weights_sha256: String,
    /// Preprocessing and whatever else decides what it computes.
    pub settings: Value,
}

/// A method with its settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodPlan {
    /// Its name in the results, unique.
    pub name: String,
    /// All its settings.
    pub settings: Value,
}

impl DatasetPlan {
    /// Of a dataset.
    pub fn of(dataset: &Dataset) -> Self {
        let mut hasher = Sha256::new();
        for sample in &dataset.samples {
            hasher.update(format!("{}\0{}\n", sample.id, dataset.classes.name(sample.class)));
        }
        let layout = dataset.layout.to_string();
        Self { layout, n: dataset.samples.len(), sha256: hexadecimal(&hasher.finalize()) }
    }
}

impl Plan {
    /// The version of the format that is written now.
    pub const FORMAT: u32 = FORMAT;

    /// Fails if rows could not be told apart, or there would be none.
    pub fn check(&self) -> Result<()> {
        unique("model", self.models.iter().map(|model| &model.name))?;
        unique("method", self.methods.iter().map(|method| &method.name))?;
        unique("metric", self.metrics.iter())?;
        if self.runs == 0 || self.selection.samples == Some(0) {
            return Err(Error::Usage("--runs and --samples must be at least 1".into()));
        }
        if self.dataset.n > MAX_PICTURES {
            return Err(Error::Usage(format!("{} pictures are too many", self.dataset.n)));
        }
        Ok(())
    }

    /// Seed of a run.
    pub fn seed_of(&self, run: u32) -> u64 {
        self.seed.wrapping_add(u64::from(run))
    }

    /// Rows of one picture under one model.
    pub fn rows_per_picture(&self) -> usize {
        self.methods.len() * self.runs as usize
    }

    /// SHA-256 of all settings that a row of this model and method depends on.
    pub fn settings_hash(&self, model: &ModelPlan, method: &MethodPlan) -> String {
        let settings = json!({
            "format": self.format,
            "seed": self.seed,
            "model": model.settings,
            "method": method.settings,
            "metrics": self.metrics,
            "metric_settings": self.metric_settings,
        });
        hexadecimal(&Sha256::digest(settings.to_string()))
    }

    /// What a file gives back once this is written to it: a number may differ in its last bit.
    pub(crate) fn as_read(&self) -> serde_json::Result<Self> {
        serde_json::from_str(&serde_json::to_string(self)?)
    }

    /// What is different in `other`, one line each: `selection.samples: 10, now 20`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        compare("", &json!(self), &json!(other), &mut found);
        found
    }
}

/// Fails if there is no name, or one twice.
fn unique<'a>(what: &str, names: impl Iterator<Item = &'a String>) -> Result<()> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(Error::Usage(format!("{what} '{name}' is named twice")));
        }
    }
    if seen.is_empty() { Err(Error::Usage(format!("no {what} is named"))) } else { Ok(()) }
}

fn compare(path: &str, old: &Value, new: &Value, found: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.into() } else { format!("{path}.{key}") };
    match (old, new) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort();
            keys.dedup();
            for key in keys {
                let [a, b] = [a, b].map(|map| map.get(key).unwrap_or(&Value::Null));
                compare(&below(key), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                let name = a.get("name").and_then(Value::as_str);
                compare(&below(&name.map_or(at.to_string(), str::to_owned)), a, b, found);
            }
        }
        _ if old != new => found.push(format!("{path}: {}, now {}", shown(old), shown(new))),
        _ => {}
    }
}

/// A value on one line; of a list of named things the names.
fn shown(value: &Value) -> String {
    let name = |item: &Value| item.get("name").unwrap_or(item).to_string();
    match value {
        Value::Array(items) => items.iter().map(name).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// SHA-256 of a text, hexadecimal.
pub fn text_hash(text: &str) -> String {
    hexadecimal(&Sha256::digest(text))
}

/// SHA-256 of a file's content, hexadecimal.
pub fn file_hash(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    Ok(hexadecimal(&Sha256::digest(bytes)))
}

/// Name of this very program: what it is called, and a digest of its code.
pub fn code_version(software: &str) -> Result<String> {
    let program = std::env::current_exe().map_err(|error| Error::io(Path::new("."), error))?;
    Ok(format!("{software} ({})", &file_hash(&program)?[..12]))
}
