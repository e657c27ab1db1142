//! The tables. All are `STRICT`, and kept in the order of their keys; the last column of every row is
//! a checksum of the others.

use rusqlite::{Connection, Row as SqlRow, params_from_iter, types::Value};
use sha2::{Digest as _, Sha256};

use crate::{Candidate, Plan, Row, Verdict, Work};

/// Marks the file as ours: "hset".
pub(crate) const APPLICATION_ID: i32 = 0x6873_6574;
/// Grows when the tables change.
pub(crate) const SCHEMA_VERSION: i32 = 2;

/// All tables.
pub(crate) const TABLES: [&str; 5] = ["meta", "candidates", "results", "timings", "pictures"];

/// Columns of `results` before the metrics: the key, then the rest.
pub(crate) const FACTS: [(&str, &str); 16] = [
    ("model", "TEXT NOT NULL"),
    ("image", "TEXT NOT NULL"),
    ("method", "TEXT NOT NULL"),
    ("run", "INTEGER NOT NULL"),
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

/// The table that says what the others hold.
const META: &str = "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL, \
                    checksum INTEGER NOT NULL) STRICT, WITHOUT ROWID";

/// Makes all tables for the metrics of a plan.
pub(crate) fn create(connection: &Connection, plan: &Plan) -> rusqlite::Result<()> {
    let facts = FACTS.map(|(name, kind)| format!("{name} {kind}, ")).concat();
    let metric = |name: &String| format!("{} REAL, ", quoted(name));
    let metrics = plan.metrics.iter().map(metric).collect::<Vec<_>>().concat();
    connection.execute_batch(&format!(
        "{META};
         CREATE TABLE candidates (
             model TEXT NOT NULL, rank INTEGER NOT NULL, image TEXT NOT NULL,
             class INTEGER NOT NULL, predicted INTEGER, probability REAL, verdict TEXT NOT NULL,
             reason TEXT, checksum INTEGER NOT NULL,
             PRIMARY KEY (model, rank)) STRICT, WITHOUT ROWID;
         CREATE TABLE results (
             {facts} {metrics} checksum INTEGER NOT NULL,
             PRIMARY KEY (model, image, method, run)) STRICT, WITHOUT ROWID;
         CREATE TABLE timings (
             model TEXT NOT NULL, image TEXT NOT NULL, method TEXT NOT NULL, run INTEGER NOT NULL,
             seconds REAL NOT NULL, stages TEXT NOT NULL, checksum INTEGER NOT NULL,
             PRIMARY KEY (model, image, method, run)) STRICT, WITHOUT ROWID;
         CREATE TABLE pictures (
             model TEXT NOT NULL, image TEXT NOT NULL, seconds REAL NOT NULL, host TEXT NOT NULL,
             finished INTEGER NOT NULL, checksum INTEGER NOT NULL,
             PRIMARY KEY (model, image)) STRICT, WITHOUT ROWID;"
    ))?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", SCHEMA_VERSION)
}

/// A name of any letters as SQL has it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Puts a row into a table, with its checksum; `values` are the other columns in their order.
pub(crate) fn insert(
    connection: &Connection,
    table: &str,
    mut values: Vec<Value>,
) -> rusqlite::Result<()> {
    // SQLite has no NaN.
    for value in &mut values {
        if matches!(value, Value::Real(number) if number.is_nan()) {
            *value = Value::Null;
        }
    }
    values.push(Value::Integer(checksum(&values)));
    let places = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO {table} VALUES ({places})");
    connection.prepare(&sql)?.execute(params_from_iter(values)).map(drop)
}

/// Eight bytes of the SHA-256 of a row: of damage, one in 2⁶⁴ goes unseen.
fn checksum(values: &[Value]) -> i64 {
    let mut hasher = Sha256::new();
    for value in values {
        // A kind, a length, the bytes: no two rows are the same bytes.
        let (kind, bytes): (u8, Vec<u8>) = match value {
            Value::Null => (0, Vec::new()),
            Value::Integer(number) => (1, number.to_le_bytes().to_vec()),
            // SQLite forgets the sign of zero.
            Value::Real(number) => (2, (number + 0.0).to_bits().to_le_bytes().to_vec()),
            Value::Text(text) => (3, text.as_bytes().to_vec()),
            Value::Blob(bytes) => (4, bytes.clone()),
        };
        hasher.update([kind]);
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    }
    let digest = hasher.finalize();
    digest.iter().take(8).fold(0_u64, |sum, &byte| sum << 8 | u64::from(byte)).cast_signed()
}

/// What is wrong with a file, before anything in it is believed; `None` where nothing is.
///
/// Views and triggers run whatever they say when a table is asked, so there must be none, and the
/// table `meta` must be that of this program.
pub(crate) fn foreign(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let parts = parts(connection)?;
    if let Some([kind, name, _]) =
        parts.iter().find(|[kind, ..]| kind == "view" || kind == "trigger")
    {
        return Ok(Some(format!("holds a {kind} '{name}', which this program did not make")));
    }
    let is_meta =
        |[kind, name, sql]: &&[String; 3]| kind == "table" && name == "meta" && sql == META;
    let is_ours = parts.iter().any(|part| is_meta(&part));
    Ok((!is_ours).then(|| "lacks the table 'meta' of this program".into()))
}

/// What is wrong with the tables or rows of a file whose plan is `plan`; `None` where nothing is.
pub(crate) fn damaged(connection: &Connection, plan: &Plan) -> rusqlite::Result<Option<String>> {
    let check: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if check != "ok" {
        return Ok(Some(check.replace('\n', "; ")));
    }
    let model = Connection::open_in_memory()?;
    create(&model, plan)?;
    let found = parts(connection)?;
    if let Some([_, name, _]) = parts(&model)?.iter().find(|part| !found.contains(part)) {
        return Ok(Some(format!("its table '{name}' is not that of this program")));
    }
    for table in TABLES {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}"))?;
        let n = statement.column_count() - 1;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values: Vec<Value> = (0..n).map(|at| row.get(at)).collect::<Result<_, _>>()?;
            if checksum(&values) != row.get::<_, i64>(n)? {
                let key = values.iter().take(2).filter_map(|value| match value {
                    Value::Text(text) => Some(text.as_str()),
                    _ => None,
                });
                let key = key.collect::<Vec<_>>().join(", ");
                return Ok(Some(format!("a row of '{table}' ({key}) is not as it was written")));
            }
        }
    }
    Ok(None)
}

/// Kind, name and text of all that is defined in a file.
fn parts(connection: &Connection) -> rusqlite::Result<Vec<[String; 3]>> {
    let sql = "SELECT type, name, coalesce(sql, '') FROM sqlite_schema";
    let part = |row: &SqlRow<'_>| Ok([row.get(0)?, row.get(1)?, row.get(2)?]);
    connection.prepare(sql)?.query_map([], part)?.collect()
}

/// All columns of results, quoted.
pub(crate) fn columns(plan: &Plan) -> Vec<String> {
    let names = FACTS.iter().map(|(name, _)| (*name).to_owned());
    names.chain(plan.metrics.iter().map(|name| quoted(name))).collect()
}

/// The values of a row in the order of the columns.
pub(crate) fn values(row: &Row) -> Vec<Value> {
    let Row { model, image, method, run, seed, class, explained, failure, .. } = row;
    let Work { n_forwards, n_gradients, n_linearisations, n_rows } = row.work;
    let integer = |number: usize| Value::Integer(number as i64);
    let text = |text: &String| Value::Text(text.clone());
    let mut values = vec![
        text(model),
        text(image),
        text(method),
        Value::Integer(i64::from(*run)),
        // Its bits: the whole range of seeds fits.
        Value::Integer(seed.cast_signed()),
        integer(*class),
        Value::from(explained.map(|class| class as i64)),
        Value::from(failure.clone()),
        integer(row.n_sets),
        integer(n_forwards),
        integer(n_gradients),
        integer(n_linearisations),
        integer(n_rows),
        text(&row.settings_hash),
        text(&row.weights_hash),
        text(&row.code_version),
    ];
    values.extend(row.metrics.iter().map(|metric| Value::from(*metric)));
    values
}

/// A row with its columns in their order.
pub(crate) fn row(sql: &SqlRow<'_>, n_metrics: usize) -> rusqlite::Result<Row> {
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
        metrics: (0..n_metrics).map(|at| sql.get(FACTS.len() + at)).collect::<Result<_, _>>()?,
    })
}

pub(crate) const CANDIDATE: &str =
    "model, rank, image, class, predicted, probability, verdict, reason";

/// The values of a picture that was tried, in the order of the columns.
pub(crate) fn candidate_values(candidate: &Candidate) -> Vec<Value> {
    let Candidate { model, rank, image, class, predicted, probability, verdict, reason } =
        candidate;
    vec![
        Value::Text(model.clone()),
        Value::Integer(*rank as i64),
        Value::Text(image.clone()),
        Value::Integer(*class as i64),
        Value::from(predicted.map(|class| class as i64)),
        Value::from(*probability),
        Value::Text(verdict.name().to_owned()),
        Value::from(reason.clone()),
    ]
}

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
