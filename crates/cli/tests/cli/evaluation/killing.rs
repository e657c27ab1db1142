//! kill -9 at any moment loses no row and changes none.
#![cfg(unix)]

use std::{
    env, fs,
    process::{Child, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use super::{command, content, draw};
use crate::support::{Place, Ran, program};

fn start(place: &Place, line: &str) -> Child {
    program()
        .args(command(line))
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// `HSETS_KILLS=100` kills more often than the usual 20 times.
#[test]
fn killed_at_random_moments_it_ends_with_the_same_rows() {
    let n_kills: usize = env::var("HSETS_KILLS").map_or(20, |text| text.parse().unwrap());
    let place = Place::new();
    draw(&place, 8);
    fs::write(place.path("data/draw/broken.png"), b"no picture").unwrap();
    let begun = Instant::now();
    place.run(command("--runs 2 --samples 7 --out whole.db")).ok();
    let whole_run = begun.elapsed();
    let whole = content(&place.path("whole.db"));
    assert_eq!(whole.0.iter().filter(|row| row.failure.is_none()).count(), 7 * 3 * 2);
    let mut state = 2026_u64;
    let mut random = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    let (mut kills, mut rounds) = (0, 0);
    while kills < n_kills {
        rounds += 1;
        let out = format!("{rounds}.db");
        loop {
            let mut child = start(&place, &format!("--runs 2 --samples 7 --out {out}"));
            sleep(whole_run.mul_f64(0.6 * random()));
            if child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            let output = child.wait_with_output().unwrap();
            if output.status.code().is_some() {
                Ran::of(output).ok();
                break;
            }
        }
        assert_eq!(content(&place.path(&out)), whole, "after {kills} kills");
    }
    println!("{kills} kills in {rounds} runs, each of which ended with the same rows");
}

#[test]
fn two_processes_do_not_share_a_file() {
    let place = Place::new();
    draw(&place, 8);
    let mut first = start(&place, "--runs 50 --out r.db");
    let begun = Instant::now();
    while !place.path("r.db.lock").exists() && begun.elapsed() < Duration::from_mins(1) {
        sleep(Duration::from_millis(10));
    }
    let owner = format!("in use by process {}", first.id());
    // The file of the lock is there before its owner's name is.
    sleep(Duration::from_millis(100));
    place.run(command("--runs 50 --out r.db")).failed(1, &["r.db", &owner]);
    first.kill().unwrap();
    first.wait().unwrap();
    // Whoever held it is gone, and so is the lock.
    place.run(command("--runs 50 --estimate --out r.db")).ok();
}
