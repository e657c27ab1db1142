//! The file of results, to write to: SQLite, so that it survives a crash at any moment.
//!
//! A picture's rows appear in one transaction, or not at all. The journal is a plain one and not a
//! write-ahead log, which needs memory shared between processes and so no network file system. One
//! process writes at a time (see [`crate::lock`]); others may read meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rusqlite::{
    Connection, ErrorCode, OptionalExtension as _, Transaction, TransactionBehavior, params,
    types::Value,
};

use crate::{
    Candidate, Error, Plan, Result, Row, Shard, Timing, lock::Lock, results::Results, schema,
};

/// How long to wait for another program before it is told.
const PATIENCE: Duration = Duration::from_secs(3);

/// A file of results, open for writing.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    plan: Plan,
    code_version: String,
    patience: Patience,
    _lock: Lock,
}

/// Says, after a time of waiting for another program, whether to go on waiting.
struct Patience(Box<dyn Fn(Duration) -> bool>);

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Patience")
    }
}

/// All rows of a picture under a model.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The rows, with how long each took where it did not fail.
    pub rows: Vec<(Row, Option<Timing>)>,
    /// Wall time of the picture in seconds.
    pub seconds: f64,
}

impl Store {
    /// Makes the file, or goes on with it: then plan, shard and program must be the same. A
    /// difference of programs alone passes if `any_code`.
    pub fn open(
        path: &Path,
        plan: &Plan,
        shard: Shard,
        code_version: &str,
        any_code: bool,
    ) -> Result<Self> {
        plan.check()?;
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        if let Some(folder) = folder {
            fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        }
        // SQLite would open a pipe, and say that the disk is broken.
        if path.exists() {
            hsets_files::regular(path).map_err(|error| Error::io(path, error))?;
        }
        let lock = Lock::take(path)?;
        let connection = connect(path)?;
        let mut store = Self {
            connection,
            path: path.to_owned(),
            plan: plan.clone(),
            code_version: code_version.to_owned(),
            patience: Patience(Box::new(|_| false)),
            _lock: lock,
        };
        if store.is_empty()? {
            store.create(shard)?;
        }
        Results::open(&store.path)?.expect(plan, shard, (!any_code).then_some(code_version))?;
        Ok(store)
    }

    /// While another program holds the file, `patience` is asked every few seconds, with the time
    /// waited, whether to go on waiting. By default that is an error.
    pub fn wait_as_long_as(&mut self, patience: impl Fn(Duration) -> bool + 'static) {
        self.patience = Patience(Box::new(patience));
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The program that writes.
    pub fn code_version(&self) -> &str {
        &self.code_version
    }

    /// The file, to read from.
    pub fn results(&self) -> Result<Results> {
        Results::open_checked(&self.path)
    }

    fn is_empty(&self) -> Result<bool> {
        let sql = "SELECT count(*) FROM sqlite_schema";
        let tables = self.connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        Ok(tables.map_err(|error| Error::database(&self.path, error))? == 0)
    }

    fn create(&mut self, shard: Shard) -> Result<()> {
        let plan = self.plan.clone();
        let code_version = self.code_version.clone();
        let json = serde_json::to_string(&plan).map_err(|error| Error::io(&self.path, error))?;
        self.transaction(|transaction| {
            schema::create(transaction, &plan)?;
            let shard = shard.to_string();
            for (key, value) in [("plan", &json), ("shard", &shard), ("code", &code_version)] {
                let row = [key.to_owned(), value.clone()].map(Value::Text);
                schema::insert(transaction, "meta", row.into())?;
            }
            Ok(())
        })
    }

    /// Writes down pictures that were tried.
    pub fn add_candidates(&mut self, candidates: &[Candidate]) -> Result<()> {
        self.transaction(|transaction| {
            let add = |candidate| {
                schema::insert(transaction, "candidates", schema::candidate_values(candidate))
            };
            candidates.iter().try_for_each(add)
        })
    }

    /// Writes down a picture with its rows, and that it was tried where that is not written yet.
    pub fn add_picture(&mut self, candidate: &Candidate, finished: &Finished) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Candidate { model, image, .. } = candidate;
        self.transaction(|transaction| {
            let known: Option<i64> = transaction
                .prepare("SELECT 1 FROM candidates WHERE model = ? AND rank = ?")?
                .query_row(params![model, candidate.rank as i64], |row| row.get(0))
                .optional()?;
            if known.is_none() {
                schema::insert(transaction, "candidates", schema::candidate_values(candidate))?;
            }
            let text = |text: &String| Value::Text(text.clone());
            for (row, timing) in &finished.rows {
                schema::insert(transaction, "results", schema::values(row))?;
                if let Some(Timing { seconds, stages }) = timing {
                    let stages: serde_json::Map<String, serde_json::Value> =
                        stages.iter().map(|(name, s)| (name.clone(), (*s).into())).collect();
                    let stages = serde_json::Value::Object(stages).to_string();
                    let values = vec![
                        text(model),
                        text(image),
                        text(&row.method),
                        Value::Integer(i64::from(row.run)),
                        Value::Real(*seconds),
                        Value::Text(stages),
                    ];
                    schema::insert(transaction, "timings", values)?;
                }
            }
            let values = vec![
                text(model),
                text(image),
                Value::Real(finished.seconds),
                Value::Text(crate::host()),
                Value::Integer(now.cast_signed()),
            ];
            schema::insert(transaction, "pictures", values)
        })
    }

    /// Forgets all pictures of which a row failed, so that they are done again. A picture that
    /// could not be read is tried again; of a number of samples, so are all after it, since it may be
    /// one of them now.
    pub fn forget_failed(&mut self) -> Result<usize> {
        let untried = match self.plan.selection.samples {
            None => "DELETE FROM candidates WHERE verdict = 'unreadable'",
            Some(_) => {
                "DELETE FROM candidates AS c WHERE rank >= (SELECT min(rank) FROM candidates AS u
                 WHERE u.model = c.model AND u.verdict = 'unreadable')"
            }
        };
        self.transaction(|transaction| {
            let forgotten = forget_pictures(
                transaction,
                "SELECT DISTINCT model, image FROM results WHERE failure IS NOT NULL",
            )?;
            transaction.execute(untried, [])?;
            Ok(forgotten)
        })
    }

    /// Forgets pictures that are no longer among the samples.
    pub fn forget_unchosen(&mut self) -> Result<usize> {
        self.transaction(|transaction| {
            forget_pictures(
                transaction,
                "SELECT model, image FROM pictures AS p WHERE NOT EXISTS (SELECT 1 FROM candidates
                 AS c WHERE c.model = p.model AND c.image = p.image
                 AND c.verdict <> 'misclassified')",
            )
        })
    }

    /// Does all of `work` or nothing.
    fn transaction<T>(
        &mut self,
        work: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let mut run = || {
            let immediate = TransactionBehavior::Immediate;
            let transaction = self.connection.transaction_with_behavior(immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        let begun = Instant::now();
        loop {
            let done: rusqlite::Result<T> = run();
            let is_busy = done.as_ref().is_err_and(|error: &rusqlite::Error| {
                error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
            });
            if !is_busy || !(self.patience.0)(begun.elapsed()) {
                return done.map_err(|error| Error::database(&self.path, error));
            }
        }
    }
}

/// Connects, for writing if the file may be written to.
pub(crate) fn connect(path: &Path) -> Result<Connection> {
    let run = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        // The file may be anyone's: what is defined in it does nothing but hold rows.
        connection.pragma_update(None, "trusted_schema", false)?;
        connection.pragma_update(None, "cell_size_check", true)?;
        Ok(connection)
    };
    run().map_err(|error| Error::database(path, error))
}

/// Deletes the rows of the pictures that `which` selects; says how many pictures.
fn forget_pictures(transaction: &Transaction<'_>, which: &str) -> rusqlite::Result<usize> {
    let pictures: BTreeSet<(String, String)> = transaction
        .prepare(which)?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for table in ["results", "timings", "pictures"] {
        let sql = format!("DELETE FROM {table} WHERE model = ? AND image = ?");
        let mut delete = transaction.prepare(&sql)?;
        for (model, image) in &pictures {
            delete.execute([model, image])?;
        }
    }
    Ok(pictures.len())
}

/// By model: how many pictures are done, and in how many seconds.
pub(crate) type Paces = BTreeMap<String, (usize, f64)>;
