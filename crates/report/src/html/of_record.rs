//! Pages of explanations: they say what `explanation.json` says.

use std::time::Duration;

use hsets_core::{Link, Photo};
use hsets_pipeline::Explanation;
use serde_json::Value;

use super::{ImageReport, Measure, MethodReport, SetReport};
use crate::{
    Error, Record, Result,
    document::{Better, Estimate},
};

/// Fields of a record that a page shows elsewhere than among the settings.
const SHOWN: [&str; 11] = [
    "settings",
    "sets",
    "interactions",
    "groups",
    "ranking",
    "segment_pairs",
    "measures",
    "cost",
    "top",
    "logits",
    "baseline_logits",
];

impl<'a> ImageReport<'a> {
    /// The page of a picture that was explained by several methods, each with its record. `title`
    /// is what was explained, as the figure says it.
    pub fn new(
        title: impl Into<String>,
        photo: &'a Photo,
        explained: &[(&'a Explanation, &Record)],
    ) -> Result<Self> {
        let methods: Vec<MethodReport<'_>> = explained
            .iter()
            .map(|(explanation, record)| MethodReport::new(explanation, record))
            .collect::<Result<_>>()?;
        let [(first, first_record), ..] = explained else {
            return Err(Error::Picture("a page needs at least one explanation".into()));
        };
        let record = value(first_record)?;
        let shared: Vec<(String, String)> = record
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(name, _)| !SHOWN.contains(&name.as_str()))
            .flat_map(|(name, value)| flat(name, value))
            .collect();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            title: title.into(),
            subtitle: format!("{}, by {}", text(&record["input"]), text(&record["model"]["name"])),
            facts: facts(&record, &methods),
            photo,
            segments: &first.segments,
            scalar: first_record.scalar(),
            reference: first_record.claim_reference(),
            methods,
            settings: shared,
            command: String::new(),
        })
    }
}

impl<'a> MethodReport<'a> {
    /// What one method found.
    pub fn new(explanation: &'a Explanation, record: &Record) -> Result<Self> {
        let record = value(record)?;
        let sets = explanation.sets.iter().enumerate();
        let sets = sets.map(|(rank, set)| {
            let known = &record["sets"][rank];
            SetReport {
                features: &set.features,
                score: set.score,
                standard_error: set.standard_error,
                segment: known["segment"].as_u64().map(|segment| segment as u32),
                details: details(known),
            }
        });
        Ok(Self {
            name: record["settings"]["method"].as_str().unwrap_or_default().to_owned(),
            sets: sets.collect(),
            interactions: explanation.interactions.clone(),
            map: &explanation.map,
            measures: measures(&record["measures"]),
            curves: Vec::new(),
            settings: flat("", &record["settings"]),
            timings: timings(&record["cost"]["timings"]),
            counts: counts(&record["cost"]),
        })
    }
}

fn value(record: &Record) -> Result<Value> {
    serde_json::to_value(record).map_err(|error| Error::encode("record", error))
}

/// What stands beside the title.
fn facts(record: &Value, methods: &[MethodReport<'_>]) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let classes = record["top"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = if record["probabilities"] == Link::Sigmoid.name() { " (sigmoid)" } else { "" };
    for class in classes.iter().take(2) {
        let label = match class["label"].as_str() {
            None | Some("") => format!("class {}", class["index"]),
            Some(label) => label.to_owned(),
        };
        let probability = class["probability"].as_f64().unwrap_or(f64::NAN);
        facts.push((label, format!("{:.1} %{kind}", 100.0 * probability)));
    }
    if let [method] = methods {
        for measure in &method.measures {
            facts.push((measure.name.clone(), measure.value.written(measure.decimals)));
        }
    }
    facts
}

/// Seed, rows and end of a set, where it was grown from a seed.
fn details(set: &Value) -> Vec<(String, String)> {
    let mut details = Vec::new();
    if let (Some(x), Some(y)) = (set["seed"]["x"].as_u64(), set["seed"]["y"].as_u64()) {
        let channel = set["seed"]["channel"].as_u64().unwrap_or(u64::MAX);
        let channel = ["red", "green", "blue"].get(channel as usize).copied().unwrap_or("?");
        details.push(("seed (x, y)".into(), format!("{x}, {y} {channel}")));
    }
    for (key, name) in [("segment", "segment"), ("n_rows", "Hessian rows"), ("stop", "stopped")] {
        if !set[key].is_null() {
            details.push((name.into(), plain(&set[key])));
        }
    }
    details
}

fn measures(record: &Value) -> Vec<Measure> {
    let number = |(name, value): (String, Value)| {
        let value = value.as_f64()?;
        let better = (name == "gini").then_some(Better::Higher);
        let name = if name == "gini" { "Gini".into() } else { name.replace(['_', '.'], " ") };
        Some(Measure { name, value: Estimate::exact(value), decimals: 3, better })
    };
    leaves("", record).into_iter().filter_map(number).collect()
}

fn timings(record: &Value) -> Vec<(String, Duration)> {
    let stage = |stage: &Value| {
        let took = Duration::try_from_secs_f64(stage["seconds"].as_f64()?).ok()?;
        Some((stage["stage"].as_str()?.to_owned(), took))
    };
    record.as_array().into_iter().flatten().filter_map(stage).collect()
}

/// All whole numbers among the costs.
fn counts(record: &Value) -> Vec<(String, u64)> {
    let count = |(name, value): (String, Value)| {
        Some((
            name.trim_start_matches("n_").replace(".n_", ", ").replace('_', " "),
            value.as_u64()?,
        ))
    };
    leaves("", record).into_iter().filter_map(count).collect()
}

/// Names and texts of everything in `value`.
fn flat(name: &str, value: &Value) -> Vec<(String, String)> {
    leaves(name, value).into_iter().map(|(name, value)| (name, plain(&value))).collect()
}

/// Names, joined by points, and values of everything in `value`; short lists are kept whole.
fn leaves(name: &str, value: &Value) -> Vec<(String, Value)> {
    match value {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(field, value)| match name {
                "" => leaves(field, value),
                _ => leaves(&format!("{name}.{field}"), value),
            })
            .collect(),
        Value::Null => vec![],
        _ => vec![(name.to_owned(), value.clone())],
    }
}

/// A value without the quotes of JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_settings_become_lines() {
        let settings = json!({"a": {"b": 1, "c": [1, 2]}, "d": null, "e": "x"});
        let lines = flat("", &settings);
        let expected = [("a.b", "1"), ("a.c", "1, 2"), ("e", "x")];
        assert_eq!(lines, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn sets_that_were_not_grown_have_no_seed() {
        assert!(details(&json!({"score": 1.0, "seed": null})).is_empty());
        let grown = json!({"seed": {"channel": 2, "x": 3, "y": 4}, "n_rows": 7, "stop": "full"});
        let expected = [("seed (x, y)", "3, 4 blue"), ("Hessian rows", "7"), ("stopped", "full")];
        assert_eq!(details(&grown), expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }
}
