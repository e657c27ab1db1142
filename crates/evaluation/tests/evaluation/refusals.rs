//! What must not be mixed is not.

use std::fs;

use hsets_evaluation::{Error, Results, Shard, Store};

use crate::support::{Bench, CODE, Witness, dataset, refused, run_job};

#[test]
fn other_settings_say_what_differs() {
    let mut bench = Bench::new(dataset(20, &[]), Some(4));
    bench.run("r.db");
    let plan = bench.plan.clone();
    let mut refused_with = |change: &dyn Fn(&mut Bench), parts: &[&str]| {
        change(&mut bench);
        refused(bench.store("r.db", Shard::WHOLE), parts);
        bench.plan = plan.clone();
    };
    refused_with(&|b| b.plan.selection.samples = Some(5), &["selection.samples: 4, now 5"]);
    refused_with(&|b| b.plan.seed = 1, &["seed: 10, now 1"]);
    let other = serde_json::json!({ "of": "good", "nu": 250 });
    refused_with(
        &|b| b.plan.methods[0].settings = other.clone(),
        &["methods.good.settings.nu: null, now 250"],
    );
    refused_with(
        &|b| b.plan.models[1].weights_sha256 = "x".into(),
        &["models.large.weights_sha256: \"hash of large\", now \"x\""],
    );
    refused_with(
        &|b| {
            b.plan.methods.pop();
        },
        &["methods: \"good\" \"poor\", now \"good\""],
    );
    refused_with(&|b| b.plan.dataset.sha256 = "y".into(), &["dataset.sha256"]);
    refused(bench.store("r.db", Shard { index: 0, count: 2 }), &["holds shard 0/1, not 0/2"]);
    bench.store("r.db", Shard::WHOLE).unwrap();
}

#[test]
fn another_program_must_be_allowed() {
    let bench = Bench::new(dataset(20, &[]), Some(4));
    let witness = Witness { stop_after: Some(9), ..Witness::default() };
    let _ = bench.run_watched("r.db", Shard::WHOLE, &witness);
    let open = |any| Store::open(&bench.path("r.db"), &bench.plan, Shard::WHOLE, "hsets 2", any);
    refused(open(false), &["begun by hsets 1 (test), this is hsets 2", "--any-code"]);
    let mut store = open(true).unwrap();
    run_job(&bench.job(Shard::WHOLE), &mut store);
    // The rows say who made them.
    let versions = bench.results("r.db").code_versions().unwrap();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), [CODE, "hsets 2"]);
}

#[test]
fn one_writer_at_a_time() {
    let bench = Bench::new(dataset(20, &[]), Some(4));
    let first = bench.store("r.db", Shard::WHOLE).unwrap();
    let second = bench.store("r.db", Shard::WHOLE);
    let owner = format!("process {}", std::process::id());
    assert!(matches!(second, Err(Error::InUse { .. })));
    refused(second, &["r.db: in use by", &owner]);
    // Readers are welcome.
    assert_eq!(bench.results("r.db").counts().unwrap(), (0, 0));
    drop(first);
    bench.run("r.db");
}

#[test]
fn files_that_are_something_else() {
    let bench = Bench::new(dataset(4, &[]), None);
    fs::write(bench.path("text.db"), "not a database, but long enough to be taken for one")
        .unwrap();
    refused(bench.store("text.db", Shard::WHOLE), &["text.db: is no file of results"]);
    refused(Results::open(&bench.path("text.db")), &["is no file of results"]);
    let other = rusqlite::Connection::open(bench.path("other.db")).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    refused(bench.store("other.db", Shard::WHOLE), &["is no file of results"]);
    refused(Results::open(&bench.path("none.db")), &["none.db"]);
    assert!(!bench.path("none.db").exists());
}

#[test]
fn nonsense_plans() {
    let mut bench = Bench::new(dataset(4, &[]), None);
    let twice = bench.plan.models[0].clone();
    bench.plan.models.push(twice);
    refused(bench.store("r.db", Shard::WHOLE), &["model 'small' is named twice"]);
    bench.plan.models.clear();
    refused(bench.store("r.db", Shard::WHOLE), &["no model"]);
    assert!(!bench.path("r.db").exists());
}
