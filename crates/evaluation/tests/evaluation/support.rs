//! A dataset on paper, and an examiner whose numbers follow from names.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use datasets::{Annotations, Classes, Dataset, Layout, Sample};
use hsets_core::{Link, Progress, SaliencyMap, Shape};
use hsets_evaluation::{
    Candidate, Case, Cost, DatasetPlan, Error, Examined, Examiner, Failure, Finished, Job,
    MethodPlan, ModelPlan, Observer, Outcome, Plan, Result, Results, Selection, Shard, Store,
    Subject, Work, datasets, run,
};
use serde_json::json;
use tempfile::TempDir;

pub(crate) const CODE: &str = "hsets 1 (test)";

/// `n` pictures of two classes, with these names at these places.
pub(crate) fn dataset(n: usize, special: &[(usize, &str)]) -> Dataset {
    let sample = |at: usize| {
        let name = special.iter().find(|(place, _)| *place == at).map(|(_, name)| *name);
        Sample {
            id: format!("{}/{at:03}.png", name.unwrap_or("fine")),
            path: PathBuf::new(),
            class: at % 2,
            annotations: Annotations::default(),
        }
    };
    Dataset {
        layout: Layout::Folder,
        classes: Classes::Named(vec!["cat".into(), "dog".into()]),
        samples: (0..n).map(sample).collect(),
        left_out: BTreeMap::new(),
    }
}

pub(crate) fn plan(dataset: &Dataset, samples: Option<usize>) -> Plan {
    let method = |name: &str| MethodPlan { name: name.into(), settings: json!({ "of": name }) };
    let model = |name: &str| ModelPlan {
        name: name.into(),
        weights_sha256: format!("hash of {name}"),
        settings: json!({ "size": 4 }),
    };
    Plan {
        format: Plan::FORMAT,
        dataset: DatasetPlan::of(dataset),
        selection: Selection { samples, seed: 5, correct_only: true },
        runs: 2,
        seed: 10,
        models: vec![model("small"), model("large")],
        methods: vec![method("good"), method("poor")],
        metrics: vec!["gini".into(), "road-1-accuracy".into()],
        metric_settings: json!({ "noise": 0.01 }),
    }
}

/// A number in [0, 1) that follows from a text.
fn number(text: &str) -> f64 {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The lower bits of this hash are poor.
    (hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Right about the class of three pictures out of four.
pub(crate) struct Pretender(pub(crate) &'static str);

impl Pretender {
    pub(crate) fn is_right(&self, id: &str) -> bool {
        number(&format!("{} {id}", self.0)) < 0.75
    }
}

impl Examiner for Pretender {
    fn link(&self) -> Link {
        Link::Softmax
    }

    fn classify(&self, sample: &Sample) -> Result<Vec<f32>, Failure> {
        if sample.id.starts_with("broken") {
            return Err(Failure::Reason(format!("{}: truncated", sample.id)));
        }
        let class = if self.is_right(&sample.id) { sample.class } else { 1 - sample.class };
        Ok([0, 1].map(|c| f32::from(u8::from(c == class))).to_vec())
    }

    fn examine(
        &self,
        sample: &Sample,
        class: usize,
        cases: &[Case],
        _progress: &dyn Progress,
    ) -> Result<Vec<Result<Examined, Failure>>, Failure> {
        assert!(!sample.id.starts_with("panics"), "index out of bounds");
        if sample.id.starts_with("vanished") {
            return Err(Failure::Reason("no such file".into()));
        }
        let examine = |case: &Case| {
            if sample.id.starts_with("hard") && case.method == 1 {
                return Err(Failure::Reason("did not converge".into()));
            }
            let value = number(&format!("{} {} {class} {case:?}", self.0, sample.id));
            let better = if case.method == 0 { 1.0 } else { 0.0 };
            let map = SaliencyMap::new(Shape::new(1, 1, 4), vec![0.0, -1e-9, 5e-10, value as f32]);
            Ok(Examined {
                map: map.unwrap(),
                metrics: vec![better + value, if value < 0.1 { f64::NAN } else { value.sqrt() }],
                work: Work { n_gradients: 50, n_rows: case.run as usize, ..Work::default() },
                n_sets: 5,
                timings: vec![("detection".into(), Duration::from_millis(2))],
            })
        };
        Ok(cases.iter().map(examine).collect())
    }
}

/// Stops after so many questions whether to stop, and keeps what it is told.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) stop_after: Option<usize>,
    pub(crate) asked: AtomicUsize,
    pub(crate) costs: Mutex<Vec<Cost>>,
}

impl Progress for Witness {
    fn begin(&self, _stage: &str, _total: u64) {}
    fn advance(&self, _n: u64) {}
    fn is_cancelled(&self) -> bool {
        let asked = self.asked.fetch_add(1, Ordering::Relaxed);
        self.stop_after.is_some_and(|limit| asked >= limit)
    }
}

impl Observer for Witness {
    fn selecting(&self, _model: &str, _tried: usize, _chosen: usize) {}
    fn cost(&self, cost: &Cost) {
        self.costs.lock().unwrap().push(cost.clone());
    }
    fn finished(&self, _model: &str, _picture: &Candidate, _finished: &Finished, cost: &Cost) {
        self.costs.lock().unwrap().push(cost.clone());
    }
    fn progress(&self) -> &dyn Progress {
        self
    }
}

/// A folder, and what runs in it.
pub(crate) struct Bench {
    folder: TempDir,
    pub(crate) dataset: Dataset,
    pub(crate) plan: Plan,
    pub(crate) maps: bool,
}

impl Bench {
    pub(crate) fn new(dataset: Dataset, samples: Option<usize>) -> Self {
        let plan = plan(&dataset, samples);
        Self { folder: tempfile::tempdir().unwrap(), dataset, plan, maps: false }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn store(&self, name: &str, shard: Shard) -> Result<Store> {
        Store::open(&self.path(name), &self.plan, shard, CODE, false)
    }

    pub(crate) fn job(&self, shard: Shard) -> Job<'_> {
        let subject = |name| Subject {
            examiner: match name {
                "small" => &Pretender("small") as &dyn Examiner,
                _ => &Pretender("large"),
            },
            class_of: vec![0, 1],
        };
        Job {
            dataset: &self.dataset,
            shard,
            models: self.plan.models.iter().map(|model| subject(model.name.as_str())).collect(),
            maps: self.maps.then(|| self.path("maps")),
            estimate_only: false,
        }
    }

    /// Runs, or goes on, until the witness stops it.
    pub(crate) fn run_watched(
        &self,
        name: &str,
        shard: Shard,
        witness: &Witness,
    ) -> Result<Outcome> {
        run(&self.job(shard), &mut self.store(name, shard)?, witness)
    }

    pub(crate) fn run(&self, name: &str) -> Outcome {
        self.run_watched(name, Shard::WHOLE, &Witness::default()).unwrap()
    }

    pub(crate) fn results(&self, name: &str) -> Results {
        Results::open(&self.path(name)).unwrap()
    }

    /// All rows and all pictures tried, without timings.
    pub(crate) fn dump(&self, name: &str) -> String {
        let results = self.results(name);
        format!("{:#?}\n{:#?}", results.rows().unwrap(), results.candidates().unwrap())
    }
}

pub(crate) fn run_job(job: &Job<'_>, store: &mut Store) -> Outcome {
    run(job, store, &Witness::default()).unwrap()
}

#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(result: Result<T>, parts: &[&str]) {
    let error = result.unwrap_err().to_string();
    for part in parts {
        assert!(error.contains(part), "'{part}' is not in: {error}");
    }
}

pub(crate) fn is_cancelled<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Core(hsets_core::Error::Cancelled)))
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).unwrap();
}

/// Writes the checksum of every row anew.
pub(crate) fn seal(connection: &rusqlite::Connection) {
    use rusqlite::types::Value;
    use sha2::{Digest as _, Sha256};
    for (table, n_keys) in [("candidates", 2), ("results", 4)] {
        let sql = format!("SELECT * FROM {table}");
        let mut statement = connection.prepare(&sql).unwrap();
        let names: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let values = |row: &rusqlite::Row<'_>| {
            (0..names.len() - 1).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>()
        };
        let rows: Vec<Vec<Value>> =
            statement.query_map([], values).unwrap().map(Result::unwrap).collect();
        for row in rows {
            let mut hasher = Sha256::new();
            for value in &row {
                let (kind, bytes): (u8, Vec<u8>) = match value {
                    Value::Null => (0, Vec::new()),
                    Value::Integer(number) => (1, number.to_le_bytes().to_vec()),
                    Value::Real(number) => (2, (number + 0.0).to_bits().to_le_bytes().to_vec()),
                    Value::Text(text) => (3, text.as_bytes().to_vec()),
                    Value::Blob(bytes) => (4, bytes.clone()),
                };
                hasher.update([kind]);
                hasher.update((bytes.len() as u64).to_le_bytes());
                hasher.update(bytes);
            }
            let digest: [u8; 8] = hasher.finalize()[..8].try_into().unwrap();
            let keys = names[..n_keys].iter().map(|name| format!("{name} = ?"));
            let keys = keys.collect::<Vec<_>>().join(" AND ");
            let mut values = vec![Value::Integer(i64::from_be_bytes(digest))];
            values.extend_from_slice(&row[..n_keys]);
            let sql = format!("UPDATE {table} SET checksum = ? WHERE {keys}");
            connection.execute(&sql, rusqlite::params_from_iter(values)).unwrap();
        }
    }
}
