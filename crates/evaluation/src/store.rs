//! The file of results, to write to: SQLite, so that it survives a crash at any moment.
//!
//! A picture's rows appear in one transaction, or not at all. The journal is a plain one and not a
//! write-ahead log, which needs memory shared between processes and so no network file system. One
//! process writes at a time (see [`crate::lock`]); others may read meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use crate::{
    Candidate, Error, Plan, Result, Row, Shard, Timing, lock::Lock, results::Results, schema,
};

/// How long to wait for a reader.
const PATIENCE: Duration = Duration::from_mins(2);

/// A file of results, open for writing.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    path: PathBuf,
    plan: Plan,
    code_version: String,
    _lock: Lock,
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
        let lock = Lock::take(path)?;
        let connection = connect(path)?;
        let mut store = Self {
            connection,
            path: path.to_owned(),
            plan: plan.clone(),
            code_version: code_version.to_owned(),
            _lock: lock,
        };
        if store.is_empty()? {
            store.create(shard)?;
        }
        store.results()?.expect(plan, shard, (!any_code).then_some(code_version))?;
        Ok(store)
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
        Results::open(&self.path)
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
            let mut insert = transaction.prepare("INSERT INTO meta (key, value) VALUES (?, ?)")?;
            let shard = shard.to_string();
            for (key, value) in [("plan", &json), ("shard", &shard), ("code", &code_version)] {
                insert.execute([key, value])?;
            }
            Ok(())
        })
    }

    /// Writes down pictures that were tried.
    pub fn add_candidates(&mut self, candidates: &[Candidate]) -> Result<()> {
        self.transaction(|transaction| {
            candidates.iter().try_for_each(|candidate| add_candidate(transaction, candidate))
        })
    }

    /// Writes down a picture with its rows, and that it was tried where that is not written yet.
    pub fn add_picture(&mut self, candidate: &Candidate, finished: &Finished) -> Result<()> {
        let insert_row = schema::insert_row(&self.plan);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let Candidate { model, image, .. } = candidate;
        self.transaction(|transaction| {
            let known: Option<i64> = transaction
                .prepare("SELECT 1 FROM candidates WHERE model = ? AND rank = ?")?
                .query_row(params![model, candidate.rank as i64], |row| row.get(0))
                .optional()?;
            if known.is_none() {
                add_candidate(transaction, candidate)?;
            }
            let mut row_statement = transaction.prepare(&insert_row)?;
            let mut timing_statement =
                transaction.prepare("INSERT INTO timings VALUES (?, ?, ?, ?, ?, ?)")?;
            for (row, timing) in &finished.rows {
                let values = schema::values(row);
                row_statement.execute(rusqlite::params_from_iter(values.iter()))?;
                if let Some(Timing { seconds, stages }) = timing {
                    let stages: serde_json::Map<String, serde_json::Value> =
                        stages.iter().map(|(name, s)| (name.clone(), (*s).into())).collect();
                    let stages = serde_json::Value::Object(stages).to_string();
                    let (method, run) = (&row.method, row.run);
                    timing_statement
                        .execute(params![model, image, method, run, seconds, stages])?;
                }
            }
            transaction.prepare("INSERT INTO pictures VALUES (?, ?, ?, ?, ?)")?.execute(
                params![model, image, finished.seconds, crate::host(), now.cast_signed()],
            )?;
            Ok(())
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
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let run = || {
            let transaction = self.connection.transaction()?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        run().map_err(|error| Error::database(&self.path, error))
    }
}

/// Connects, for writing if the file may be written to.
pub(crate) fn connect(path: &Path) -> Result<Connection> {
    let run = || {
        let connection = Connection::open(path)?;
        connection.busy_timeout(PATIENCE)?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        Ok(connection)
    };
    run().map_err(|error| Error::database(path, error))
}

fn add_candidate(transaction: &Transaction<'_>, candidate: &Candidate) -> rusqlite::Result<()> {
    let Candidate { model, rank, image, class, predicted, probability, verdict, reason } =
        candidate;
    let sql =
        format!("INSERT INTO candidates ({}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", schema::CANDIDATE);
    let mut statement = transaction.prepare(&sql)?;
    let predicted = predicted.map(|class| class as i64);
    let (rank, class, verdict) = (*rank as i64, *class as i64, verdict.name());
    statement.execute(params![
        model,
        rank,
        image,
        class,
        predicted,
        probability,
        verdict,
        reason
    ])?;
    Ok(())
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
