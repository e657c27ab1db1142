//! Files of results that were damaged, forged, locked or reached through links.

use std::{fs, time::Instant};

use hsets_evaluation::{Error, Results, Shard};
use rusqlite::Connection;

use crate::support::{Bench, dataset, refused};

/// Whatever byte changes: the file is refused, or says what it said.
#[test]
fn damage_is_seen() {
    let bench = Bench::new(dataset(12, &[(3, "hard")]), Some(4));
    bench.run("r.db");
    let whole = bench.dump("r.db");
    let bytes = fs::read(bench.path("r.db")).unwrap();
    let mut n_refused = 0;
    for at in (0..bytes.len()).step_by(bytes.len() / 300) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x11;
        fs::write(bench.path("d.db"), &damaged).unwrap();
        match Results::open(&bench.path("d.db")) {
            Err(_) => n_refused += 1,
            Ok(_) => assert_eq!(bench.dump("d.db"), whole, "byte {at}"),
        }
    }
    assert!(n_refused > 30, "{n_refused}");
    for end in [0, 100, 4096, bytes.len() / 2, bytes.len() - 1] {
        fs::write(bench.path("d.db"), &bytes[..end]).unwrap();
        let opened = Results::open(&bench.path("d.db"));
        assert!(opened.is_err() || bench.dump("d.db") == whole, "cut at {end}");
    }
}

#[test]
fn a_changed_number_is_named() {
    let bench = Bench::new(dataset(12, &[]), Some(4));
    bench.run("r.db");
    let change =
        |sql: &str| Connection::open(bench.path("r.db")).unwrap().execute_batch(sql).unwrap();
    change("UPDATE results SET gini = gini + 1 WHERE run = 0 AND method = 'good'");
    refused(Results::open(&bench.path("r.db")), &["a row of 'results' (", "not as it was written"]);
    refused(bench.store("r.db", Shard::WHOLE), &["not as it was written"]);
    change("UPDATE results SET gini = gini - 1 WHERE run = 0 AND method = 'good'");
}

/// Views and triggers run when a table is asked; they may never end.
#[test]
fn forged_tables_are_refused_unread() {
    let forged = |sql: &str| {
        let bench = Bench::new(dataset(8, &[]), Some(2));
        bench.run("r.db");
        Connection::open(bench.path("r.db")).unwrap().execute_batch(sql).unwrap();
        let begun = Instant::now();
        let opened = Results::open(&bench.path("r.db")).map(drop);
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
        opened
    };
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i, i, i FROM n";
    refused(
        forged(&format!("DROP TABLE meta; CREATE VIEW meta (key, value, checksum) AS {endless}")),
        &["view 'meta'"],
    );
    refused(forged(&format!("CREATE VIEW extra AS {endless}")), &["view 'extra'"]);
    let trigger = "CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM results; END";
    refused(forged(trigger), &["trigger 't'"]);
    refused(forged("DROP TABLE timings; CREATE TABLE timings (x)"), &["table 'timings'"]);
    refused(
        forged(
            "UPDATE meta SET value = json_set(value, '$.dataset.n', 1000000000000) WHERE key = 'plan'",
        ),
        &["1000000000000 pictures"],
    );
    refused(
        forged("UPDATE meta SET value = '0/4000000000' WHERE key = 'shard'"),
        &["0/4000000000"],
    );
}

#[test]
fn a_file_that_another_program_holds_is_told_soon() {
    let bench = Bench::new(dataset(8, &[]), Some(2));
    bench.run("r.db");
    let other = Connection::open(bench.path("r.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    refused(bench.store("r.db", Shard::WHOLE), &["r.db: locked by another program"]);
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
    other.execute_batch("COMMIT").unwrap();
    bench.run("r.db");
}

/// While it runs, a lock is waited for, as long as it is wanted; then the run goes on.
#[test]
fn a_lock_that_ends_does_no_harm() {
    let bench = Bench::new(dataset(8, &[]), Some(2));
    let mut store = bench.store("r.db", Shard::WHOLE).unwrap();
    let other = Connection::open(bench.path("r.db")).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let asked = std::rc::Rc::new(std::cell::Cell::new(0));
    store.wait_as_long_as({
        let asked = asked.clone();
        move |_| {
            asked.set(asked.get() + 1);
            if asked.get() == 2 {
                other.execute_batch("COMMIT").unwrap();
            }
            asked.get() < 5
        }
    });
    store.add_candidates(&[]).unwrap();
    assert_eq!(asked.get(), 2);
}

#[test]
#[cfg(unix)]
fn links_lead_to_one_lock() {
    use std::os::unix::fs::symlink;
    let bench = Bench::new(dataset(8, &[]), Some(2));
    // Also where nothing is yet.
    symlink("r.db", bench.path("link.db")).unwrap();
    fs::create_dir(bench.path("elsewhere")).unwrap();
    symlink("../r.db", bench.path("elsewhere/link.db")).unwrap();
    let first = bench.store("r.db", Shard::WHOLE).unwrap();
    for name in ["link.db", "elsewhere/link.db", "./elsewhere/../r.db"] {
        assert!(matches!(bench.store(name, Shard::WHOLE), Err(Error::InUse { .. })), "{name}");
    }
    drop(first);
    bench.run("link.db");
    assert_eq!(bench.dump("r.db"), bench.dump("link.db"));
}

/// Names of pictures come from lists of anyone.
#[test]
fn maps_stay_in_their_folder() {
    use std::path::Path;
    let file = |image: &str| hsets_evaluation::map_file(Path::new("maps"), "m", image);
    assert_eq!(file("a/b.png"), Path::new("maps/m/a/b.png.safetensors.gz"));
    for image in ["../../x", "/etc/x", "a/../../../x", "..\\x", "C:\\x", ""] {
        let file = file(image);
        assert!(file.starts_with("maps"), "{image}: {}", file.display());
        let parts: Vec<_> = file.components().collect();
        assert!(
            parts.iter().all(|part| matches!(part, std::path::Component::Normal(_))),
            "{image}"
        );
    }
    assert_ne!(file("../a.png"), file("a.png"));
}

/// What lies in the place of the lock and is no file is neither written over nor waited for.
#[test]
#[cfg(unix)]
fn a_link_is_no_lock() {
    let bench = Bench::new(dataset(8, &[]), Some(2));
    fs::write(bench.path("mine"), "mine").unwrap();
    std::os::unix::fs::symlink(bench.path("mine"), bench.path("r.db.lock")).unwrap();
    refused(bench.store("r.db", Shard::WHOLE), &["r.db.lock", "a link"]);
    assert_eq!(fs::read_to_string(bench.path("mine")).unwrap(), "mine");
}
