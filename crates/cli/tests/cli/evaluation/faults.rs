//! Whatever lacks while it runs: a clear error, and afterwards the same rows as without.
#![cfg(unix)]

use std::{
    fs,
    process::{Child, Stdio},
};

use super::{command, content, draw, small};
use crate::support::{Place, Ran, program, wait_until};

/// What takes long enough to be disturbed.
fn slow(out: &str) -> Vec<String> {
    command(&format!("--runs 2 --samples 6 --maps maps --out {out}"))
}

/// A folder with pictures and the rows of an undisturbed run.
fn place(whole: &[String]) -> Place {
    let place = Place::new();
    draw(&place, 8);
    place.run(whole).ok();
    fs::remove_dir_all(place.path("maps")).unwrap();
    place
}

fn goes_on(place: &Place, command: &[String], out: &str) {
    place.run(command).ok();
    assert!(content(&place.path(out)) == content(&place.path("whole.db")), "{out}");
}

fn start(place: &Place, out: &str) -> Child {
    program()
        .args(slow(out))
        .current_dir(place.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until something is measured.
fn wait_for_a_picture(place: &Place) {
    wait_until(|| !place.names("maps/bundled").is_empty());
}

/// A limit on the size of files stands for a full disk.
#[test]
fn a_full_disk() {
    let quick = |out: &str| small(&format!("--maps maps --out {out}"));
    let place = place(&quick("whole.db"));
    let mut n_failed = 0;
    for n_kibibytes in [1, 4, 8, 12, 16, 20, 24, 28, 32, 40] {
        let out = format!("full-{n_kibibytes}/r.db");
        let ran = place.run_limited(n_kibibytes, &quick(&out));
        if ran.code != Some(0) {
            let names_it = ran.stderr.contains("r.db") || ran.stderr.contains("maps/bundled");
            assert!(names_it, "{}", ran.stderr);
            ran.failed(1, &[]);
            n_failed += 1;
        }
        goes_on(&place, &quick(&out), &out);
        fs::remove_dir_all(place.path("maps")).unwrap();
    }
    assert!(n_failed >= 5, "{n_failed}");
    println!("{n_failed} runs on a full disk, each of which went on afterwards");
}

#[test]
fn the_folder_of_the_results_is_gone() {
    let place = place(&slow("whole.db"));
    let child = start(&place, "out/r.db");
    wait_for_a_picture(&place);
    fs::rename(place.path("out"), place.path("elsewhere")).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    if ran.code != Some(0) {
        ran.failed(1, &["out/r.db"]);
    }
    let _ = fs::remove_dir_all(place.path("out"));
    fs::rename(place.path("elsewhere"), place.path("out")).unwrap();
    goes_on(&place, &slow("out/r.db"), "out/r.db");
}

/// Pictures that can't be read are rows with a reason, and tried again when that is asked.
#[test]
fn the_folder_of_the_pictures_is_gone() {
    let place = place(&slow("whole.db"));
    let child = start(&place, "r.db");
    wait_for_a_picture(&place);
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    fs::rename(place.path("elsewhere"), place.path("data")).unwrap();
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let again = [slow("r.db"), vec!["--retry-failed".into()]].concat();
    goes_on(&place, &again, "r.db");
}
