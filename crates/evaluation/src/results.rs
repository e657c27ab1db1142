//! The file of results, to read from.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use serde_json::Value;

use crate::{
    Candidate, Error, Plan, Result, Row, Shard, Timing, Verdict,
    schema::{self, APPLICATION_ID, SCHEMA_VERSION},
    store::{self, Paces},
};

/// A file of results.
///
/// ```no_run
/// let results = hsets_evaluation::Results::open("results.db".as_ref())?;
/// let gini = results.plan().metrics.iter().position(|name| name == "gini");
/// for row in results.rows()? {
///     println!("{} {}: {:?}", row.image, row.method, gini.and_then(|at| row.metrics[at]));
/// }
/// # Ok::<(), hsets_evaluation::Error>(())
/// ```
#[derive(Debug)]
pub struct Results {
    connection: Connection,
    path: PathBuf,
    plan: Plan,
    shard: Shard,
}

/// What an evaluation lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Missing {
    /// Pictures without rows, by shard of `count` shards: model and picture.
    pub pictures: BTreeMap<usize, Vec<(String, String)>>,
    /// Places in the order of which nothing is known, by shard. They are pictures if the model is
    /// right about them.
    pub untried: BTreeMap<usize, usize>,
}

impl Missing {
    /// True if nothing lacks.
    pub fn is_nothing(&self) -> bool {
        self.pictures.is_empty() && self.untried.is_empty()
    }

    /// The shards that are not complete.
    pub fn shards(&self) -> BTreeSet<usize> {
        self.pictures.keys().chain(self.untried.keys()).copied().collect()
    }
}

impl Results {
    /// Opens a file that is there, and checks that it is whole: that its tables are those of this
    /// program, that the database is sound, and that every row is as it was written.
    pub fn open(path: &Path) -> Result<Self> {
        let results = Self::open_checked(path)?;
        let damaged = schema::damaged(&results.connection, &results.plan);
        match damaged.map_err(|error| Error::damaged_database(path, error))? {
            Some(problem) => Err(Error::damaged(path, &problem)),
            None => Ok(results),
        }
    }

    /// Opens a file whose rows are known to be as they were written.
    pub(crate) fn open_checked(path: &Path) -> Result<Self> {
        hsets_files::regular(path).map_err(|error| Error::io(path, error))?;
        let connection = store::connect(path)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let not_ours = || Error::mismatch(path, "is no file of results of hsets evaluate");
        let (id, version) = pragma("application_id")
            .and_then(|id| Ok((id, pragma("user_version")?)))
            .map_err(|error| {
                if Error::is_busy(&error) { Error::database(path, error) } else { not_ours() }
            })?;
        if id != APPLICATION_ID {
            return Err(not_ours());
        }
        if version != SCHEMA_VERSION {
            let problem = format!(
                "has tables of version {version}, this program has {SCHEMA_VERSION}: read it with \
                 the program that made it"
            );
            return Err(Error::mismatch(path, problem));
        }
        let foreign = schema::foreign(&connection).map_err(|error| Error::database(path, error))?;
        if let Some(problem) = foreign {
            return Err(Error::damaged(path, &problem));
        }
        let meta = |key: &str| {
            let sql = "SELECT value FROM meta WHERE key = ?";
            let value = connection.query_row(sql, [key], |row| row.get::<_, String>(0));
            value.map_err(|error| Error::database(path, error))
        };
        let plan: Plan = serde_json::from_str(&meta("plan")?)
            .map_err(|error| Error::mismatch(path, format!("its plan cannot be read: {error}")))?;
        plan.check().map_err(|error| Error::mismatch(path, format!("its plan: {error}")))?;
        let shard = meta("shard")?.parse()?;
        Ok(Self { path: path.to_owned(), plan, shard, connection })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was asked for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Which share of the pictures the file holds.
    pub fn shard(&self) -> Shard {
        self.shard
    }

    /// Fails unless the file belongs to this plan and shard, and all of it was written by this
    /// program, if one is named.
    pub fn expect(&self, plan: &Plan, shard: Shard, code_version: Option<&str>) -> Result<()> {
        let plan = plan.as_read().map_err(|error| Error::io(&self.path, error))?;
        let differences = self.plan.differences(&plan);
        if !differences.is_empty() {
            let problem = format!(
                "holds another evaluation ({}); give another --out, or the same settings",
                differences.join("; ")
            );
            return Err(Error::mismatch(&self.path, problem));
        }
        if self.shard != shard {
            let problem = format!("holds shard {}, not {shard}; give another --out", self.shard);
            return Err(Error::mismatch(&self.path, problem));
        }
        let Some(code_version) = code_version else { return Ok(()) };
        if let Some(other) = self.code_versions()?.iter().find(|other| *other != code_version) {
            let problem = format!(
                "was begun by {other}, this is {code_version}; go on with that program, or pass \
                 --any-code"
            );
            return Err(Error::mismatch(&self.path, problem));
        }
        Ok(())
    }

    /// The programs that wrote to the file.
    pub fn code_versions(&self) -> Result<BTreeSet<String>> {
        let sql = "SELECT value FROM meta WHERE key = 'code'
                   UNION SELECT DISTINCT code_version FROM results";
        Ok(self.query(sql, |row| row.get(0))?.into_iter().collect())
    }

    /// All rows, ordered by model, picture, method and run.
    pub fn rows(&self) -> Result<Vec<Row>> {
        let mut rows = Vec::new();
        self.for_each_row(|row, _| {
            rows.push(row);
            Ok(())
        })?;
        Ok(rows)
    }

    /// Does something with every row and how long it took, one at a time, in the order of
    /// [`Results::rows`].
    pub fn for_each_row(
        &self,
        mut work: impl FnMut(Row, Option<Timing>) -> Result<()>,
    ) -> Result<()> {
        let columns: Vec<String> =
            schema::columns(&self.plan).iter().map(|name| format!("r.{name}")).collect();
        let n = columns.len();
        let sql = format!(
            "SELECT {}, t.seconds, t.stages FROM results AS r LEFT JOIN timings AS t
             USING (model, image, method, run) ORDER BY r.model, r.image, r.method, r.run",
            columns.join(", ")
        );
        let failed = |error| Error::database(&self.path, error);
        let mut statement = self.connection.prepare(&sql).map_err(failed)?;
        let mut found = statement.query([]).map_err(failed)?;
        while let Some(sql) = found.next().map_err(failed)? {
            let row = schema::row(sql, self.plan.metrics.len()).map_err(failed)?;
            let seconds: Option<f64> = sql.get(n).map_err(failed)?;
            let stages: Option<String> = sql.get(n + 1).map_err(failed)?;
            work(row, seconds.map(|seconds| timing(seconds, stages.as_deref())))?;
        }
        Ok(())
    }

    /// Every picture that was tried, ordered by model and rank.
    pub fn candidates(&self) -> Result<Vec<Candidate>> {
        let sql = format!("SELECT {} FROM candidates ORDER BY model, rank", schema::CANDIDATE);
        self.query(&sql, schema::candidate)
    }

    /// Every picture that was tried for one model, by rank.
    pub fn candidates_of(&self, model: &str) -> Result<Vec<Candidate>> {
        let all = self.candidates()?;
        Ok(all.into_iter().filter(|candidate| candidate.model == model).collect())
    }

    /// The pictures of a model that have their rows.
    pub fn done(&self, model: &str) -> Result<BTreeSet<String>> {
        let sql = "SELECT model, image FROM pictures";
        let all = self.query(sql, |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        Ok(all.into_iter().filter(|(name, _)| name == model).map(|(_, image)| image).collect())
    }

    /// Number of rows, and of those that failed.
    pub fn counts(&self) -> Result<(usize, usize)> {
        let sql = "SELECT count(*), count(failure) FROM results";
        let counts = self.query(sql, |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
        Ok(counts.first().map_or((0, 0), |&(all, failed)| (all as usize, failed as usize)))
    }

    /// By model: how many pictures are done that did not fail, and in how many seconds.
    pub(crate) fn paces(&self) -> Result<Paces> {
        let sql = "SELECT p.model, count(*), sum(p.seconds) FROM pictures AS p WHERE EXISTS
                   (SELECT 1 FROM timings AS t WHERE t.model = p.model AND t.image = p.image)
                   GROUP BY p.model";
        let paces = self
            .query(sql, |row| Ok((row.get(0)?, (row.get::<_, i64>(1)? as usize, row.get(2)?))))?;
        Ok(paces.into_iter().collect())
    }

    /// What lacks, of all pictures or of a shard; by shard of `count`.
    pub fn missing(&self, of: Shard, count: usize) -> Result<Missing> {
        let mut missing = Missing::default();
        for model in &self.plan.models {
            let candidates = self.candidates_of(&model.name)?;
            let done = self.done(&model.name)?;
            let undone = candidates.iter().filter(|candidate| {
                candidate.verdict.has_rows()
                    && of.holds(candidate.rank)
                    && !done.contains(&candidate.image)
            });
            for candidate in undone {
                let pictures = missing.pictures.entry(candidate.rank % count).or_default();
                pictures.push((model.name.clone(), candidate.image.clone()));
            }
            for (shard, n) in self.untried(&candidates, of, count) {
                *missing.untried.entry(shard).or_default() += n;
            }
        }
        Ok(missing)
    }

    /// How many places in the order must still be tried, by shard of `count`. Of a number of
    /// samples, nobody knows how many these are: all that are left stand for them.
    fn untried(&self, candidates: &[Candidate], of: Shard, count: usize) -> BTreeMap<usize, usize> {
        let n = self.plan.dataset.n;
        let ranks: Vec<usize> = candidates.iter().map(|candidate| candidate.rank).collect();
        let (from, tried) = match self.plan.selection.samples {
            None => (0, ranks),
            Some(samples) => {
                let chosen = candidates.iter().filter(|c| c.verdict == Verdict::Chosen).count();
                (if chosen >= samples { n } else { ranks.len() }, Vec::new())
            }
        };
        let tried: BTreeSet<usize> = tried.into_iter().filter(|&rank| of.holds(rank)).collect();
        let in_shard = |shard: usize| {
            let first = from + (shard + count - from % count) % count;
            let ranks = (first..n).step_by(count);
            // All of them or none, unless the shards are cut in two ways.
            let n = match count.is_multiple_of(of.count) {
                true if of.holds(shard) => ranks.len(),
                true => 0,
                false => ranks.filter(|&rank| of.holds(rank)).count(),
            };
            n - tried.iter().filter(|&&rank| rank % count == shard).count()
        };
        let shards = (0..count.min(n)).map(|shard| (shard, in_shard(shard)));
        shards.filter(|(_, n)| *n > 0).collect()
    }

    pub(crate) fn query<T>(
        &self,
        sql: &str,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>> {
        let run = || self.connection.prepare(sql)?.query_map([], read)?.collect::<Result<_, _>>();
        run().map_err(|error| Error::database(&self.path, error))
    }
}

fn timing(seconds: f64, stages: Option<&str>) -> Timing {
    let stages = stages.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let stages: serde_json::Map<String, Value> = stages;
    let stages = stages.into_iter().map(|(name, s)| (name, s.as_f64().unwrap_or(0.0)));
    Timing { seconds, stages: stages.collect() }
}
