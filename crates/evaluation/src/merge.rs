//! Many files of one evaluation become one.

use std::path::{Path, PathBuf};

use hsets_files::Draft;
use rusqlite::{Connection, types::Value};

use crate::{Error, Missing, Plan, Result, Results, Shard, lock::Lock, schema, store::connect};

/// What became of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// Rows in the file now.
    pub n_rows: usize,
    /// Of those, failed ones.
    pub n_failed: usize,
    /// What lacks, by shard of `count`.
    pub missing: Missing,
    /// The largest number of shards that a file was one of.
    pub count: usize,
    /// Files to which a process writes at this moment.
    pub in_use: Vec<PathBuf>,
}

/// Joins files of results in `out`, which appears whole or stays as it was. What `out` holds
/// already is kept if it is of the same evaluation.
///
/// Fails if `out` is a shard, or if the files are not of one evaluation, were written by different
/// programs (unless `any_code`), or contradict each other. Gaps are no failure: they are
/// [`Merged::missing`].
pub fn merge(parts: &[PathBuf], out: &Path, any_code: bool) -> Result<Merged> {
    let _lock = Lock::take(out)?;
    let mut parts: Vec<PathBuf> = parts.to_vec();
    if out.exists() && !parts.iter().any(|part| part == out) {
        parts.push(out.to_owned());
    }
    let Some(first) = parts.first() else {
        return Err(Error::Usage("no file to merge".into()));
    };
    let first = Results::open(first)?;
    let code = first.code_versions()?;
    let mut count = 1;
    for path in &parts {
        let part = Results::open(path)?;
        let differences = first.plan().differences(part.plan());
        if !differences.is_empty() {
            let (first, list) = (first.path().display(), differences.join("; "));
            let problem = format!("is of another evaluation than {first} ({list})");
            return Err(Error::mismatch(path, problem));
        }
        if let Some(other) = part.code_versions()?.difference(&code).next().filter(|_| !any_code) {
            let begun = code.iter().next().cloned().unwrap_or_default();
            let problem = format!(
                "was written by {other}, {} by {begun}; pass --any-code to join them all the same",
                first.path().display()
            );
            return Err(Error::mismatch(path, problem));
        }
        if path == out && part.shard() != Shard::WHOLE {
            let shard = part.shard();
            let problem =
                format!("holds shard {shard}, which goes on as that alone: name another file");
            return Err(Error::mismatch(out, problem));
        }
        count = count.max(part.shard().count);
    }
    let draft = Draft::beside(out).map_err(|error| Error::io(out, error))?;
    fill(&draft, first.plan(), &parts)?;
    draft.publish(out).map_err(|error| Error::io(out, error))?;
    let merged = Results::open(out)?;
    let (n_rows, n_failed) = merged.counts()?;
    let in_use = parts.into_iter().filter(|part| part != out && Lock::owner(part).is_some());
    Ok(Merged {
        n_rows,
        n_failed,
        missing: merged.missing(Shard::WHOLE, count)?,
        count,
        in_use: in_use.collect(),
    })
}

/// Makes the tables in an empty file and copies everything.
fn fill(draft: &Draft, plan: &Plan, parts: &[PathBuf]) -> Result<()> {
    let connection = connect(draft.path())?;
    let failed = |error| Error::database(draft.path(), error);
    schema::create(&connection, plan).map_err(failed)?;
    for part in parts {
        let attached = part.to_str().ok_or_else(|| {
            Error::Usage(format!("{}: the name is not UTF-8; rename it", part.display()))
        })?;
        let run =
            |sql: &str| connection.execute_batch(sql).map_err(|error| Error::database(part, error));
        let attach = connection.execute("ATTACH DATABASE ? AS part", [attached]);
        attach.map_err(|error| Error::database(part, error))?;
        check_conflicts(&connection, part)?;
        let copy =
            |table: &str| format!("INSERT OR IGNORE INTO main.{table} SELECT * FROM part.{table};");
        let copies: String = schema::TABLES.map(copy).concat();
        run(&format!("BEGIN; {copies} COMMIT; DETACH DATABASE part"))?;
    }
    connection.execute("DELETE FROM meta WHERE key = 'shard'", []).map_err(failed)?;
    let row = ["shard".to_owned(), Shard::WHOLE.to_string()].map(Value::Text);
    schema::insert(&connection, "meta", row.into()).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))
}

/// Fails if `part` says something else than `main` about the same thing. Of pictures that were
/// tried, the last bits of a probability do not matter: machines differ in them.
fn check_conflicts(connection: &Connection, part: &Path) -> Result<()> {
    let results = "SELECT model, image, method || ' in run ' || run FROM (
        SELECT p.* FROM part.results AS p JOIN main.results USING (model, image, method, run)
        EXCEPT SELECT * FROM main.results)";
    let candidates =
        "SELECT model, p.image, 'whether it is one of the samples: ' || m.image || ' was '
        || m.verdict || ' before, ' || p.image || ' is ' || p.verdict
        FROM part.candidates AS p JOIN main.candidates AS m USING (model, rank)
        WHERE (p.image, p.class, p.verdict) IS NOT (m.image, m.class, m.verdict)";
    for sql in [candidates, results] {
        let find = || {
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            rows.next()?.map(|row| Ok([row.get(0)?, row.get(1)?, row.get(2)?])).transpose()
        };
        let found: Option<[String; 3]> = find().map_err(|error| Error::database(part, error))?;
        if let Some([model, image, what]) = found {
            let problem = format!(
                "contradicts the files before it about {image} under {model} ({what}): the same \
                 work was done twice, on machines that compute differently; leave one of them out"
            );
            return Err(Error::conflict(part, problem));
        }
    }
    Ok(())
}
