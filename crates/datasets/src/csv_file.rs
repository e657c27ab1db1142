//! A file of `path,label`; semicolons and tabs separate as well.

use std::path::{Path, PathBuf};

use csv::{ReaderBuilder, StringRecord, StringRecordsIntoIter, Trim};

use crate::{
    Annotations, Classes, Dataset, Error, Layout, Result, Sample,
    classes::number,
    files::{is_picture, read},
};

/// Names of the columns; the first that is there counts.
const PATH: &str = "path, file, filename, filepath, file_path, file_name, image, image_path, \
                    image_name, images, img, img_path";
const LABEL: &str = "class, label, labels, class_index, class_name, class_id, category, target, \
                     wnid, y";

pub(crate) fn open(file: &Path, images: Option<&Path>) -> Result<Dataset> {
    let folder: PathBuf = images.or_else(|| file.parent()).unwrap_or(Path::new("")).to_owned();
    let rows = rows(&read(file)?).map_err(|problem| Error::malformed(file, problem))?;
    let (classes, numbers) = classes(rows.iter().map(|(_, label)| label.as_str()));
    let samples = rows.into_iter().zip(numbers).map(|((id, _), class)| Sample {
        path: folder.join(&id),
        id,
        class,
        annotations: Annotations::default(),
    });
    let left_out = std::collections::BTreeMap::new();
    Ok(Dataset { layout: Layout::Csv, classes, samples: samples.collect(), left_out })
}

/// Path and label of every line.
fn rows(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut records = records(text, separator(text)).peekable();
    let head = match records.peek() {
        Some(Ok(first)) => columns(first),
        _ => None,
    };
    if head.is_some() {
        records.next();
    }
    let (path_column, label_column) = head.unwrap_or((0, 1));
    let mut rows: Vec<(String, String)> = Vec::new();
    for record in records {
        let record = record.map_err(|error| error.to_string())?;
        let line = record.position().map_or(0, csv::Position::line);
        let field = |column: usize| {
            let found = record.get(column).filter(|field| !field.is_empty());
            found.ok_or_else(|| {
                let written: Vec<&str> = record.iter().collect();
                format!("line {line}: expected path,label, found '{}'", written.join(","))
            })
        };
        rows.push((field(path_column)?.to_owned(), field(label_column)?.to_owned()));
    }
    // A line of names that are not known is no picture.
    if let (None, [(path, label), rest @ ..]) = (head, &rows[..])
        && !is_picture(path)
        && rest.iter().any(|(path, _)| is_picture(path))
    {
        return Err(format!(
            "line 1: '{path}' and '{label}' name no columns that are known: expected one of {PATH} \
             and one of {LABEL}"
        ));
    }
    Ok(rows)
}

fn records(text: &str, separator: u8) -> StringRecordsIntoIter<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.has_headers(false).flexible(true).trim(Trim::All).delimiter(separator);
    builder.from_reader(text.as_bytes()).into_records()
}

/// What separates the fields: whatever makes names of columns of the first line, or else splits it.
fn separator(text: &str) -> u8 {
    const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
    let first = |separator| records(text, separator).next().and_then(Result::ok);
    // What is nowhere separates nothing, and readers are dear.
    let there = SEPARATORS.into_iter().filter(|separator| text.as_bytes().contains(separator));
    let lines: Vec<(u8, StringRecord)> =
        there.map(|separator| (separator, first(separator).unwrap_or_default())).collect();
    let named = lines.iter().find(|(_, line)| columns(line).is_some());
    let splits = || lines.iter().find(|(_, line)| line.len() > 1);
    named.or_else(splits).map_or(b',', |(separator, _)| *separator)
}

/// Columns of path and label, if this is a line of names.
fn columns(first: &StringRecord) -> Option<(usize, usize)> {
    let find = |names: &str| {
        let at = |name: &str| first.iter().position(|field| field.eq_ignore_ascii_case(name));
        names.split(", ").find_map(at)
    };
    Some((find(PATH)?, find(LABEL)?))
}

/// The classes, and which of them each label is: numbers if all labels are indices.
fn classes<'a>(labels: impl Iterator<Item = &'a str> + Clone) -> (Classes, Vec<usize>) {
    let numbers: Option<Vec<usize>> = labels.clone().map(number).collect();
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
