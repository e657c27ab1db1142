//! Pages in a browser: looked at, pointed at, used with the keyboard. Skipped, with a message,
//! where Chromium is not installed.
//!
//! Screenshots are left in cargo's folder for files of tests, `target/tmp`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod access;
mod explorer;
mod index;
mod pairs;
mod sample;
mod tables;

use std::path::PathBuf;

/// Writes a page for one test.
fn page(name: &str, html: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, html).unwrap();
    path
}

/// Keeps a screenshot for people.
fn keep(name: &str, picture: &image::RgbImage) {
    picture.save(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)).unwrap();
}
