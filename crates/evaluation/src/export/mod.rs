//! Results for other programs, and for people.

mod markdown;
#[cfg(feature = "parquet")]
mod parquet;

use std::{borrow::Cow, fs::File, io::Write as _, path::Path, str::FromStr};

use hsets_files::Draft;
use rusqlite::types::Value;

use crate::{Error, Result, Results, Row, Timing, schema};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// All rows, as text.
    Csv,
    /// All rows, as columns.
    Parquet,
    /// Tables of means, as text.
    Markdown,
}

impl Format {
    /// By the end of a file's name.
    pub fn of(path: &Path) -> Result<Self> {
        let end = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        end.parse()
    }
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "csv" => Ok(Self::Csv),
            "parquet" => Ok(Self::Parquet),
            "md" => Ok(Self::Markdown),
            _ => Err(Error::Usage(format!(
                "export to '{name}': expected a file that ends in .csv, .parquet or .md"
            ))),
        }
    }
}

/// Writes results to a file, which appears whole or stays as it was. The order of the rows is that
/// of [`Results::rows`]. Without `timings` the same evaluation gives the same file, byte for byte,
/// however often it was interrupted and however it was shared out.
pub fn export(results: &Results, out: &Path, format: Format, timings: bool) -> Result<()> {
    let mut draft = Draft::beside(out).map_err(|error| Error::io(out, error))?;
    match format {
        Format::Csv => csv(results, out, draft.file(), timings)?,
        Format::Markdown => {
            let text = markdown::tables(results)?;
            draft.file().write_all(text.as_bytes()).map_err(|error| Error::io(out, error))?;
        }
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::write(results, out, draft.file(), timings)?,
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => {
            let problem = "Parquet is not in this build; rebuild with --features parquet, or \
                           export to .csv";
            return Err(hsets_core::Error::Unsupported(problem.into()).into());
        }
    }
    draft.publish(out).map_err(|error| Error::io(out, error))
}

/// Tables of means, as Markdown.
pub fn tables(results: &Results) -> Result<String> {
    markdown::tables(results)
}

/// Name and kind, `TEXT`, `INTEGER` or `REAL`, of all columns. Seeds and hashes are texts: few
/// programs read 64 bits.
fn columns(results: &Results, timings: bool) -> Vec<(String, &'static str)> {
    let kind = |name, sql: &'static str| match sql.split_once(' ') {
        _ if name == SEED => "TEXT",
        Some((kind, _)) => kind,
        None => sql,
    };
    let facts = schema::FACTS.iter().map(|&(name, sql)| (name.to_owned(), kind(name, sql)));
    let metrics = results.plan().metrics.iter().map(|name| (name.clone(), "REAL"));
    let timed = [("seconds".to_owned(), "REAL"), ("stages".to_owned(), "TEXT")];
    facts.chain(metrics).chain(timed.into_iter().filter(|_| timings)).collect()
}

const SEED: &str = "seed";

/// The values of all columns.
fn fields(row: &Row, timing: Option<&Timing>, timings: bool) -> Vec<Value> {
    let mut fields = schema::values(row);
    let facts = schema::FACTS.iter().zip(&mut fields);
    facts.filter(|((name, _), _)| *name == SEED).for_each(|(_, field)| {
        *field = Value::Text(row.seed.to_string());
    });
    if timings {
        fields.push(timing.map(|timing| timing.seconds).into());
        let stage = |(name, seconds): &(String, f64)| format!("{name} {seconds:.6}");
        let stages = |timing: &Timing| timing.stages.iter().map(stage).collect::<Vec<_>>();
        fields.push(timing.map(|timing| stages(timing).join("; ")).into());
    }
    fields
}

/// A text as a cell of CSV, whoever wrote it. What a spreadsheet would take for a formula gets an
/// apostrophe before it, as OWASP recommends; numbers stay what they are.
pub fn csv_text(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && text.parse::<f64>().is_err() {
        return format!("'{text}").into();
    }
    text.into()
}

fn csv(results: &Results, out: &Path, file: &File, timings: bool) -> Result<()> {
    let failed = |error: csv::Error| Error::io(out, error);
    let mut writer = csv::Writer::from_writer(file);
    let names = columns(results, timings).into_iter().map(|(name, _)| name);
    writer.write_record(names).map_err(failed)?;
    results.for_each_row(|row, timing| {
        let fields = fields(&row, timing.as_ref(), timings).into_iter().map(|field| match field {
            Value::Text(text) => csv_text(&text).into_owned(),
            Value::Integer(number) => number.to_string(),
            // The shortest text that reads back as the same number.
            Value::Real(number) => number.to_string(),
            Value::Null | Value::Blob(_) => String::new(),
        });
        writer.write_record(fields).map_err(failed)
    })?;
    writer.flush().map_err(|error| Error::io(out, error))
}
