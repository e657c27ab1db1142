//! Explanations of whole datasets: measured, kept, shared out, summed up.
//!
//! A [`Plan`] says what is evaluated; [`run`] explains picture after picture and keeps the rows in
//! a [`Store`], one SQLite file. Whatever happens to the process, a picture has all its rows or
//! none, and starting again goes on where it was and ends with the same rows, bit for bit. A
//! [`Shard`] is the share of one of several processes; [`merge`] joins their files. [`Results`]
//! reads a file, [`Statistics`] sums it up, [`export()`] writes it for other programs.
//!
//! | table of the file | a row is |
//! |---|---|
//! | `results` | one explanation, measured: picture × model × method × run. A failure is a row with its reason |
//! | `candidates` | a picture that was tried, in the order of the seeded shuffle, and what became of it |
//! | `timings`, `pictures` | how long an explanation, a picture took; never the same twice, hence apart |
//! | `meta` | the plan, in full |

mod cost;
mod error;
mod examiner;
mod export;
mod lock;
mod maps;
mod merge;
mod network;
mod pace;
mod plan;
mod results;
mod row;
mod run;
mod schema;
mod selection;
mod settings;
mod shard;
mod statistics;
mod store;

pub use cost::{Cost, ModelCost};
pub use error::{Error, Result};
pub use examiner::{Case, Examined, Examiner, Failure};
pub use export::{Format, csv_text, export, tables};
pub use maps::file as map_file;
pub use merge::{Merged, merge};
pub use network::NetworkExaminer;
pub use pace::{Pace, time_left};
pub use plan::{
    DatasetPlan, MethodPlan, ModelPlan, Plan, Selection, code_version, file_hash, text_hash,
};
pub use results::{Missing, Results};
pub use row::{Row, Timing};
pub use run::{Job, Observer, Outcome, Subject, run};
pub use selection::{Candidate, Verdict, order};
pub use settings::{metric_plan, segmenter_plan};
pub use shard::Shard;
pub use statistics::{Cell, Comparison, Statistics};
pub use store::{Finished, Store};

pub use hsets_datasets as datasets;
pub use hsets_pipeline::Work;

/// Name of this machine.
fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    let name = name.or_else(|_| std::env::var("HOSTNAME"));
    name.map_or_else(|_| "this machine".into(), |name| name.trim().to_owned())
}
