//! The tables. All are `STRICT`, and kept in the order of their keys.

use rusqlite::{Connection, Row as SqlRow, ToSql};

use crate::{Candidate, Plan, Row, Verdict, Work};

/// Marks the file as ours: "hset".
pub(crate) const APPLICATION_ID: i32 = 0x6873_6574;
/// Grows when the tables change.
pub(crate) const SCHEMA_VERSION: i32 = 1;

/// Columns of `results` before the metrics: the key, then the rest.
pub(crate) const KEY: [&str; 4] = ["model", "image", "method", "run"];
pub(crate) const FACTS: [(&str, &str); 12] = [
    ("seed", "INTEGER NOT NULL"),
    ("class", "INTEGER NOT NULL"),
    ("explained", "INTEGER"),
    ("failure", "TEXT"),
    ("n_sets", "INTEGER NOT NULL"),
    ("n_forwards", "INTEGER NOT NULL"),
    ("n_gradients", "INTEGER NOT NULL"),
    ("n_linearisations", "INTEGER NOT NULL"),
    ("n_rows", "INTEGER NOT NULL"),
    ("settings_hash", "TEXT NOT NULL"),
    ("weights_hash", "TEXT NOT NULL"),
    ("code_version", "TEXT NOT NULL"),
];

/// Makes all tables for the metrics of a plan.
pub(crate) fn create(connection: &Connection, plan: &Plan) -> rusqlite::Result<()> {
    let facts = FACTS.map(|(name, kind)| format!("{name} {kind}, ")).concat();
    let metric = |name: &String| format!("{} REAL, ", quoted(name));
    let metrics = plan.metrics.iter().map(metric).collect::<Vec<_>>().concat();
    connection.execute_batch(&format!(
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
         CREATE TABLE candidates (
             model TEXT NOT NULL, rank INTEGER NOT NULL, image TEXT NOT NULL,
             class INTEGER NOT NULL, predicted INTEGER, probability REAL, verdict TEXT NOT NULL,
             reason TEXT, PRIMARY KEY (model, rank)) STRICT, WITHOUT ROWID;
         CREATE TABLE results (
             model TEXT NOT NULL, image TEXT NOT NULL, method TEXT NOT NULL, run INTEGER NOT NULL,
             {facts} {metrics} PRIMARY KEY (model, image, method, run)) STRICT, WITHOUT ROWID;
         CREATE TABLE timings (
             model TEXT NOT NULL, image TEXT NOT NULL, method TEXT NOT NULL, run INTEGER NOT NULL,
             seconds REAL NOT NULL, stages TEXT NOT NULL,
             PRIMARY KEY (model, image, method, run)) STRICT, WITHOUT ROWID;
         CREATE TABLE pictures (
             model TEXT NOT NULL, image TEXT NOT NULL, seconds REAL NOT NULL, host TEXT NOT NULL,
             finished INTEGER NOT NULL, PRIMARY KEY (model, image)) STRICT, WITHOUT ROWID;"
    ))?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// A name of any letters as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `INSERT` into results, with a place for each column.
pub(crate) fn insert_row(plan: &Plan) -> String {
    let columns = columns(plan);
    let places = vec!["?"; columns.len()].join(", ");
    format!("INSERT INTO results ({}) VALUES ({places})", columns.join(", "))
}

/// All columns of results, quoted.
pub(crate) fn columns(plan: &Plan) -> Vec<String> {
    let facts = FACTS.iter().map(|(name, _)| *name);
    let names = KEY.into_iter().chain(facts).map(str::to_owned);
    names.chain(plan.metrics.iter().map(|name| quoted(name))).collect()
}

/// The values of a row in the order of the columns.
pub(crate) fn values(row: &Row) -> Vec<Box<dyn ToSql>> {
    let Row { model, image, method, run, seed, class, explained, failure, .. } = row;
    let Work { n_forwards, n_gradients, n_linearisations, n_rows } = row.work;
    let integer = |number: usize| -> Box<dyn ToSql> { Box::new(number as i64) };
    let text = |text: &String| -> Box<dyn ToSql> { Box::new(text.clone()) };
    let mut values: Vec<Box<dyn ToSql>> = vec![
        text(model),
        text(image),
        text(method),
        Box::new(*run),
        // Its bits: the whole range of seeds fits.
        Box::new(seed.cast_signed()),
        integer(*class),
        Box::new(explained.map(|class| class as i64)),
        Box::new(failure.clone()),
        integer(row.n_sets),
        integer(n_forwards),
        integer(n_gradients),
        integer(n_linearisations),
        integer(n_rows),
        text(&row.settings_hash),
        text(&row.weights_hash),
        text(&row.code_version),
    ];
    // SQLite has no NaN.
    values.extend(row.metrics.iter().map(|metric| -> Box<dyn ToSql> { Box::new(*metric) }));
    values
}

/// A row with its columns in their order.
pub(crate) fn row(sql: &SqlRow<'_>, n_metrics: usize) -> rusqlite::Result<Row> {
    let n_facts = KEY.len() + FACTS.len();
    let count = |column: usize| sql.get::<_, i64>(column).map(|number| number as usize);
    Ok(Row {
        model: sql.get(0)?,
        image: sql.get(1)?,
        method: sql.get(2)?,
        run: sql.get(3)?,
        seed: sql.get::<_, i64>(4)?.cast_unsigned(),
        class: count(5)?,
        explained: sql.get::<_, Option<i64>>(6)?.map(|class| class as usize),
        failure: sql.get(7)?,
        n_sets: count(8)?,
        work: Work {
            n_forwards: count(9)?,
            n_gradients: count(10)?,
            n_linearisations: count(11)?,
            n_rows: count(12)?,
        },
        settings_hash: sql.get(13)?,
        weights_hash: sql.get(14)?,
        code_version: sql.get(15)?,
        metrics: (0..n_metrics).map(|at| sql.get(n_facts + at)).collect::<Result<_, _>>()?,
    })
}

pub(crate) const CANDIDATE: &str =
    "model, rank, image, class, predicted, probability, verdict, reason";

pub(crate) fn candidate(sql: &SqlRow<'_>) -> rusqlite::Result<Candidate> {
    let verdict: String = sql.get(6)?;
    let unknown = || {
        let problem = format!("unknown verdict '{verdict}'");
        rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, problem.into())
    };
    Ok(Candidate {
        model: sql.get(0)?,
        rank: sql.get::<_, i64>(1)? as usize,
        image: sql.get(2)?,
        class: sql.get::<_, i64>(3)? as usize,
        predicted: sql.get::<_, Option<i64>>(4)?.map(|class| class as usize),
        probability: sql.get(5)?,
        verdict: Verdict::from_name(&verdict).ok_or_else(unknown)?,
        reason: sql.get(7)?,
    })
}
