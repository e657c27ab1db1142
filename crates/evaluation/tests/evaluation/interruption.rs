//! Stopped anywhere, gone on with: the same rows.

use std::fs;

use hsets_evaluation::Shard;

use crate::support::{Bench, Witness, dataset, is_cancelled, run_job};

/// Stops a run again and again, `step` questions after each start, until it is through.
fn in_pieces(bench: &Bench, name: &str, step: usize) -> usize {
    for pieces in 1..100 {
        let witness = Witness { stop_after: Some(step), ..Witness::default() };
        let result = bench.run_watched(name, Shard::WHOLE, &witness);
        if !is_cancelled(&result) {
            result.unwrap();
            return pieces;
        }
    }
    panic!("it never ends")
}

#[test]
fn pieces_make_the_whole() {
    for samples in [Some(12), None] {
        let bench = Bench::new(dataset(40, &[(4, "broken"), (9, "hard")]), samples);
        bench.run("whole.db");
        for step in [7, 20, 33] {
            let name = format!("{step}.db");
            let pieces = in_pieces(&bench, &name, step);
            assert!(pieces > 1, "{pieces}");
            assert_eq!(bench.dump(&name), bench.dump("whole.db"));
        }
    }
}

/// A crash in the middle of a transaction leaves a journal; whoever opens the file next rolls back.
#[test]
fn a_half_written_transaction_is_undone() {
    let bench = Bench::new(dataset(20, &[]), None);
    let witness = Witness { stop_after: Some(12), ..Witness::default() };
    assert!(is_cancelled(&bench.run_watched("r.db", Shard::WHOLE, &witness)));
    let before = bench.dump("r.db");
    // What a crash leaves: the file with changes that were never committed, and their journal.
    let connection = rusqlite::Connection::open(bench.path("r.db")).unwrap();
    connection
        .execute_batch(
            "PRAGMA cache_size = 1; BEGIN; UPDATE results SET image = image || 'x';
                        UPDATE results SET failure = hex(zeroblob(3000));",
        )
        .unwrap();
    for end in ["", "-journal"] {
        fs::copy(bench.path(&format!("r.db{end}")), bench.path(&format!("crashed.db{end}")))
            .unwrap();
    }
    drop(connection);
    assert!(fs::metadata(bench.path("crashed.db-journal")).unwrap().len() > 512);
    assert_eq!(bench.dump("crashed.db"), before);
    bench.run("crashed.db");
    bench.run("whole.db");
    assert_eq!(bench.dump("crashed.db"), bench.dump("whole.db"));
}

#[test]
fn nothing_is_done_twice() {
    let bench = Bench::new(dataset(20, &[]), Some(8));
    assert_eq!(bench.run("r.db").n_pictures, 16);
    let bytes = fs::read(bench.path("r.db")).unwrap();
    assert_eq!(bench.run("r.db").n_pictures, 0);
    assert_eq!(fs::read(bench.path("r.db")).unwrap(), bytes);
}

#[test]
fn cost_is_known_after_the_first_pictures() {
    let bench = Bench::new(dataset(40, &[]), Some(10));
    let witness = Witness::default();
    bench.run_watched("r.db", Shard::WHOLE, &witness).unwrap();
    let costs = witness.costs.lock().unwrap();
    // Two pictures of each of two models, then the estimate, then the other sixteen.
    let estimate = &costs[4];
    assert_eq!((estimate.n_done(), estimate.n_left(), costs.len()), (4, 16, 21));
    assert_eq!(estimate.rows_per_picture, 4);
    let pace = |at: usize| estimate.models[at].seconds_per_picture().unwrap();
    let expected = 8.0 * (pace(0) + pace(1));
    assert!((estimate.seconds_left().unwrap() - expected).abs() < 1e-12);
    assert_eq!(costs[20].seconds_left(), Some(0.0));
    // Only an estimate: the rest is left, and is done later.
    let mut job = bench.job(Shard::WHOLE);
    job.estimate_only = true;
    let mut store = bench.store("estimate.db", Shard::WHOLE).unwrap();
    let outcome = run_job(&job, &mut store);
    assert_eq!((outcome.n_pictures, outcome.cost.n_left()), (4, 16));
}
