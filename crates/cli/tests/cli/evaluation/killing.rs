//! kill -9 at any moment loses no row and changes none.
#![cfg(unix)]

use std::{
    fs,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use hsets_evaluation::{Results, Row};

use super::{command, content, draw, small};
use crate::support::{Killer, Place, program, wait_until};

fn start(place: &Place, line: &str) -> Child {
    program()
        .args(command(line))
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The rows that a killed run left, none if it had not begun. They are read from a copy: whoever
/// opens the file mends it, and that is up to the next run.
fn left(place: &Place, out: &str) -> Vec<Row> {
    for suffix in ["", "-journal"] {
        let copy = place.path(&format!("copy.db{suffix}"));
        let _ = fs::remove_file(&copy);
        let _ = fs::copy(place.path(&format!("{out}{suffix}")), copy);
    }
    let copy = place.path("copy.db");
    if !copy.exists() {
        return Vec::new();
    }
    let results = Results::open(&copy);
    if fs::metadata(&copy).unwrap().len() == 0 {
        return Vec::new();
    }
    results.unwrap().rows().unwrap()
}

/// `HSETS_KILLS=100` kills more often than the usual 20 times.
#[test]
fn killed_at_random_moments_it_ends_with_the_same_rows() {
    let place = Place::new();
    draw(&place, 8);
    fs::write(place.path("data/draw/broken.png"), b"no picture").unwrap();
    let begun = Instant::now();
    place.run(small("--out whole.db")).ok();
    let whole_run = begun.elapsed();
    let whole = content(&place.path("whole.db"));
    assert_eq!(whole.0.iter().filter(|row| row.failure.is_none()).count(), 7 * 2 * 4);
    let mut killer = Killer::new(20);
    let mut n_rounds = 0;
    while !killer.is_done() {
        n_rounds += 1;
        let out = format!("{n_rounds}.db");
        let start = || {
            let mut run = program();
            run.args(small(&format!("--out {out}"))).current_dir(place.path(""));
            run
        };
        let mut kept: Vec<Row> = Vec::new();
        killer.run(whole_run.mul_f64(0.6), start, || {
            let rows = left(&place, &out);
            assert!(kept.iter().all(|row| rows.contains(row)), "lost in {out}");
            let n_right = whole.0.iter().filter(|row| rows.contains(row)).count();
            assert_eq!(n_right, rows.len(), "doubled or changed in {out}");
            kept = rows;
        });
        assert_eq!(content(&place.path(&out)), whole, "after {} kills", killer.n_kills);
    }
    let n_kills = killer.n_kills;
    println!("{n_kills} kills in {n_rounds} runs, each of which ended with the same rows");
}

#[test]
fn two_processes_do_not_share_a_file() {
    let place = Place::new();
    draw(&place, 8);
    let mut first = start(&place, "--runs 50 --out r.db");
    wait_until(|| place.path("r.db.lock").exists());
    let owner = format!("in use by process {}", first.id());
    // The file of the lock is there before its owner's name is.
    sleep(Duration::from_millis(100));
    place.run(command("--runs 50 --out r.db")).failed(1, &["r.db", &owner]);
    first.kill().unwrap();
    first.wait().unwrap();
    // Whoever held it is gone, and so is the lock.
    place.run(command("--runs 50 --estimate --out r.db")).ok();
}
