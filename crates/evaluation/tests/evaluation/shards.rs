//! Shared out and joined again.

use std::path::PathBuf;

use hsets_evaluation::{Format, Results, Shard, Store, export, merge};

use crate::support::{Bench, Witness, copy, dataset, refused, run_job, seal};

fn run_shards(bench: &Bench, indices: &[usize], count: usize) -> Vec<PathBuf> {
    let run = |&index: &usize| {
        let shard = Shard { index, count };
        let path = shard.file(&bench.path("r.db"));
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        bench.run_watched(&name, shard, &Witness::default()).unwrap();
        path
    };
    indices.iter().map(run).collect()
}

#[test]
fn shards_together_are_the_whole() {
    for samples in [Some(11), None] {
        let bench = Bench::new(dataset(40, &[(4, "broken"), (9, "hard")]), samples);
        bench.run("whole.db");
        let parts = run_shards(&bench, &[0, 1, 2], 3);
        let merged = merge(&parts, &bench.path("r.db"), false).unwrap();
        assert!(merged.missing.is_nothing(), "{merged:?}");
        assert_eq!(bench.dump("r.db"), bench.dump("whole.db"));
        assert_eq!((merged.n_rows, merged.count), (bench.results("r.db").rows().unwrap().len(), 3));
        let csv = |name: &str| {
            let out = bench.path("rows.csv");
            export(&bench.results(name), &out, Format::Csv, false).unwrap();
            std::fs::read(out).unwrap()
        };
        assert_eq!(csv("r.db"), csv("whole.db"));
        // Once more, with what is there already: nothing changes.
        merge(&parts, &bench.path("r.db"), false).unwrap();
        assert_eq!(bench.dump("r.db"), bench.dump("whole.db"));
        // A merged file is like any other: there is nothing left to do.
        assert_eq!(bench.run("r.db").n_pictures, 0);
    }
}

#[test]
fn gaps_are_found_and_filled() {
    let bench = Bench::new(dataset(40, &[]), None);
    bench.run("whole.db");
    let mut parts = run_shards(&bench, &[0, 2], 4);
    let shard = Shard { index: 3, count: 4 };
    let witness = Witness { stop_after: Some(7), ..Witness::default() };
    let _ = bench.run_watched("r.shard-3-of-4.db", shard, &witness);
    parts.push(bench.path("r.shard-3-of-4.db"));
    let merged = merge(&parts, &bench.path("r.db"), false).unwrap();
    assert_eq!(merged.missing.shards().into_iter().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(merged.missing.untried[&1], 20);
    assert!(merged.missing.untried[&3] < 20);
    // Shards fill the gaps, or the joined file itself goes on.
    bench.run("r.db");
    assert_eq!(bench.dump("r.db"), bench.dump("whole.db"));
    // Of samples the places are known, and so are the pictures that lack.
    let bench = Bench::new(dataset(40, &[]), Some(12));
    let parts = run_shards(&bench, &[0, 1], 3);
    let merged = merge(&parts, &bench.path("r.db"), false).unwrap();
    assert_eq!(merged.missing.pictures.keys().copied().collect::<Vec<_>>(), [2]);
    assert!(merged.missing.pictures[&2].iter().all(|(_, image)| image.starts_with("fine/")));
}

#[test]
fn other_evaluations_are_refused() {
    let bench = Bench::new(dataset(40, &[]), None);
    let parts = run_shards(&bench, &[0], 2);
    let out = bench.path("r.db");
    let mut other = Bench::new(dataset(40, &[]), None);
    other.plan.seed = 77;
    let strange = run_shards(&other, &[1], 2);
    let joined = merge(&[parts[0].clone(), strange[0].clone()], &out, false);
    refused(joined, &["shard-1-of-2.db", "seed: 10, now 77"]);
    assert!(!out.exists());
    // Another program: only if that is wanted.
    let shard = Shard { index: 1, count: 2 };
    let path = bench.path("r.shard-1-of-2.db");
    let mut store = Store::open(&path, &bench.plan, shard, "hsets 2", false).unwrap();
    run_job(&bench.job(shard), &mut store);
    drop(store);
    let both = [parts[0].clone(), path];
    refused(merge(&both, &out, false), &["written by hsets 2", "by hsets 1 (test)", "--any-code"]);
    assert!(merge(&both, &out, true).unwrap().missing.is_nothing());
    refused(merge(&[], &bench.path("none.db"), false), &["no file to merge"]);
}

#[test]
fn contradictions_are_refused() {
    let bench = Bench::new(dataset(40, &[]), None);
    bench.run("a.db");
    copy(&bench.path("a.db"), &bench.path("b.db"));
    let change = |sql: &str| {
        let connection = rusqlite::Connection::open(bench.path("b.db")).unwrap();
        connection.execute_batch(sql).unwrap();
        // As another machine would have written it, not as damage.
        seal(&connection);
    };
    let parts = [bench.path("a.db"), bench.path("b.db")];
    let out = bench.path("r.db");
    // The same twice is no contradiction, nor is the last bit of a probability.
    change("UPDATE candidates SET probability = probability + 1e-15");
    merge(&parts, &out, false).unwrap();
    let row = &bench.results("a.db").rows().unwrap()[5];
    change(&format!(
        "UPDATE results SET gini = gini + 1e-15 WHERE model = '{}' AND image = '{}' AND run = 1",
        row.model, row.image
    ));
    refused(merge(&parts, &out, false), &["b.db", "contradicts", &row.image, &row.model]);
    copy(&bench.path("a.db"), &bench.path("b.db"));
    change("UPDATE candidates SET verdict = 'misclassified' WHERE rank = 3 AND model = 'small'");
    let result = merge(&parts, &out, false);
    let is_refused = result.is_err();
    let was_misclassified = bench.results("a.db").candidates_of("small").unwrap()[3].verdict.name();
    assert_eq!(is_refused, was_misclassified != "misclassified");
}

/// A shard that still runs is joined as far as it is.
#[test]
fn a_running_shard_is_told() {
    let bench = Bench::new(dataset(40, &[]), None);
    let parts = run_shards(&bench, &[0, 1], 2);
    let writer = bench.store("r.shard-1-of-2.db", Shard { index: 1, count: 2 }).unwrap();
    let merged = merge(&parts, &bench.path("r.db"), false).unwrap();
    assert_eq!(merged.in_use, [parts[1].clone()]);
    drop(writer);
    assert!(merge(&parts, &bench.path("r.db"), false).unwrap().in_use.is_empty());
    assert_eq!(Results::open(&bench.path("r.db")).unwrap().shard(), Shard::WHOLE);
}
