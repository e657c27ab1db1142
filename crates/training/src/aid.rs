//! Further questions about each picture, which help to learn and are forgotten in the end.
//!
//! Where a class depends on several parts together and on none alone, a blank network finds almost
//! no gradient to follow. Asked to name the parts too, by further logits of the same last layer, it
//! learns to see them first. The weight of these questions fades to 0, and their rows of the last
//! layer are thrown away.

use std::collections::BTreeMap;
use std::path::Path;

use hsets_datasets::Sample;

use crate::{Error, Result};

/// Answers to further questions about the pictures of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aid {
    /// Number of possible answers of each question.
    pub groups: Vec<usize>,
    /// Answers to all questions, of each picture.
    pub answers: Vec<Vec<usize>>,
}

impl Aid {
    /// Reads a column of a CSV file whose first column names the pictures as the samples do; a cell
    /// holds the numbers of the answers with `|` between them, from 0.
    pub fn read(file: &Path, column: &str, samples: &[Sample]) -> Result<Self> {
        let broken = |problem: String| Error::file(file, problem);
        let mut reader = csv::Reader::from_path(file).map_err(|error| broken(error.to_string()))?;
        let header = reader.headers().map_err(|error| broken(error.to_string()))?;
        let at = header.iter().position(|name| name == column);
        let at = at.ok_or_else(|| broken(format!("has no column '{column}'")))?;
        let mut rows = BTreeMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| broken(error.to_string()))?;
            let (name, cell) = (&record[0], record.get(at).unwrap_or_default());
            let answers: Result<Vec<usize>, _> = cell.split('|').map(str::parse).collect();
            let answers = answers.map_err(|_| {
                broken(format!(
                    "{name}: expected numbers such as 0|2 in '{column}', found '{cell}'"
                ))
            })?;
            rows.insert(name.to_owned(), answers);
        }
        let answers = samples.iter().map(|sample| {
            let answers = rows.remove(&sample.id);
            answers.ok_or_else(|| broken(format!("says nothing about '{}'", sample.id)))
        });
        let answers = answers.collect::<Result<Vec<_>>>()?;
        let n = answers.first().map_or(0, Vec::len);
        if let Some(odd) = answers.iter().position(|answers| answers.len() != n) {
            let name = &samples[odd].id;
            return Err(broken(format!("{name}: as many answers as the first row has, {n}")));
        }
        let most = |question: usize| answers.iter().map(|answers| answers[question]).max();
        let groups = (0..n).map(|question| most(question).map_or(1, |most| most + 1)).collect();
        Ok(Self { groups, answers })
    }
}
