//! A file of `path,label`.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::{Annotations, Classes, Dataset, Error, Layout, Result, Sample};

/// Names of the columns; the first that is there counts.
const PATH: [&str; 5] = ["path", "file", "filename", "image", "image_path"];
const LABEL: [&str; 5] = ["class", "label", "class_index", "target", "wnid"];

pub(crate) fn open(file: &Path, images: Option<&Path>) -> Result<Dataset> {
    let wrong = |problem: String| Error::malformed(file, problem);
    let folder: PathBuf = images.or_else(|| file.parent()).unwrap_or(Path::new("")).to_owned();
    let reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_path(file);
    let mut records = reader.map_err(|error| wrong(error.to_string()))?.into_records().peekable();
    let columns = match records.peek() {
        Some(Ok(first)) => columns(first),
        _ => None,
    };
    if columns.is_some() {
        records.next();
    }
    let (path_column, label_column) = columns.unwrap_or((0, 1));
    let mut rows = Vec::new();
    for record in records {
        let record = record.map_err(|error| wrong(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| {
            let found = record.get(column).filter(|field| !field.is_empty());
            found.ok_or_else(|| wrong(format!("line {line}: expected path,label")))
        };
        rows.push((field(path_column)?.to_owned(), field(label_column)?.to_owned()));
    }
    let mut seen = HashSet::new();
    if let Some((path, _)) = rows.iter().find(|(path, _)| !seen.insert(path)) {
        return Err(wrong(format!("'{path}' is listed twice")));
    }
    let (classes, numbers) = classes(rows.iter().map(|(_, label)| label.as_str()));
    let samples = rows.into_iter().zip(numbers).map(|((id, _), class)| Sample {
        path: folder.join(&id),
        id,
        class,
        annotations: Annotations::default(),
    });
    Ok(Dataset { layout: Layout::Csv, classes, samples: samples.collect() })
}

/// Columns of path and label, if this is a line of names.
fn columns(first: &StringRecord) -> Option<(usize, usize)> {
    let find = |names: &[&str]| {
        let at = |name: &&str| first.iter().position(|field| field.eq_ignore_ascii_case(name));
        names.iter().find_map(at)
    };
    Some((find(&PATH)?, find(&LABEL)?))
}

/// The classes, and which of them each label is: numbers if all labels are.
fn classes<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> (Classes, Vec<usize>) {
    let numbers: Option<Vec<usize>> = labels.clone().map(|label| label.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let n = numbers.iter().max().map_or(0, |largest| largest + 1);
        return (Classes::Numbered { n }, numbers);
    }
    let mut names: Vec<String> = labels.clone().map(str::to_owned).collect();
    names.sort();
    names.dedup();
    let numbers = labels.map(|label| names.partition_point(|name| name.as_str() < label)).collect();
    (Classes::Named(names), numbers)
}
