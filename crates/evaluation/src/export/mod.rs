//! Results for other programs, and for people.

mod markdown;
#[cfg(feature = "parquet")]
mod parquet;

use std::{borrow::Cow, fs::File, io::Write as _, path::Path, str::FromStr};

use hsets_files::Draft;

use crate::{Error, Result, Results, Row, Timing, Work, schema};

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

/// A field of a row.
enum Field {
    Text(Option<String>),
    Integer(Option<i64>),
    Real(Option<f64>),
}

/// Names and values of all columns. Hashes and seeds are texts: few programs read 64 bits.
fn columns(results: &Results, timings: bool) -> Vec<String> {
    let facts = schema::FACTS.iter().map(|(name, _)| *name);
    let names = schema::KEY.into_iter().chain(facts).map(str::to_owned);
    let metrics = results.plan().metrics.iter().cloned();
    let timed = timings.then(|| ["seconds", "stages"].map(str::to_owned));
    names.chain(metrics).chain(timed.into_iter().flatten()).collect()
}

fn fields(row: Row, timing: Option<Timing>, timings: bool) -> Vec<Field> {
    let Work { n_forwards, n_gradients, n_linearisations, n_rows } = row.work;
    let text = |text: String| Field::Text(Some(text));
    let integer = |number: usize| Field::Integer(Some(number as i64));
    let mut fields = vec![
        text(row.model),
        text(row.image),
        text(row.method),
        Field::Integer(Some(i64::from(row.run))),
        text(row.seed.to_string()),
        integer(row.class),
        Field::Integer(row.explained.map(|class| class as i64)),
        Field::Text(row.failure),
        integer(row.n_sets),
        integer(n_forwards),
        integer(n_gradients),
        integer(n_linearisations),
        integer(n_rows),
        text(row.settings_hash),
        text(row.weights_hash),
        text(row.code_version),
    ];
    fields.extend(row.metrics.into_iter().map(Field::Real));
    if timings {
        fields.push(Field::Real(timing.as_ref().map(|timing| timing.seconds)));
        fields.push(Field::Text(timing.map(|timing| {
            let stage = |(name, seconds): &(String, f64)| format!("{name} {seconds:.6}");
            timing.stages.iter().map(stage).collect::<Vec<_>>().join("; ")
        })));
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
    writer.write_record(columns(results, timings)).map_err(failed)?;
    results.for_each_row(|row, timing| {
        let fields = fields(row, timing, timings).into_iter().map(|field| match field {
            Field::Text(text) => csv_text(&text.unwrap_or_default()).into_owned(),
            Field::Integer(number) => number.map_or(String::new(), |number| number.to_string()),
            // The shortest text that reads back as the same number.
            Field::Real(number) => number.map_or(String::new(), |number| number.to_string()),
        });
        writer.write_record(fields).map_err(failed)
    })?;
    writer.flush().map_err(|error| Error::io(out, error))
}
