//! Ctrl-C.
#![cfg(unix)]

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::support::{FILES, Place, Ran, program, weights};

#[test]
fn ctrl_c_ends_with_130_and_whole_results_only() {
    let place = Place::new();
    let mut inputs = Vec::new();
    for index in 0..40 {
        inputs.push(place.picture(&format!("{index:02}.png"), 64, 64));
    }
    let child = program()
        .arg("explain")
        .args(inputs)
        .args(["--model", "resnet20", "--out", "out", "--weights"])
        .arg(weights())
        .current_dir(place.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let has_result = || place.names("out").iter().any(|name| !name.starts_with('.'));
    while !has_result() && begun.elapsed() < Duration::from_mins(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let signal = ["-INT".to_owned(), child.id().to_string()];
    assert!(Command::new("kill").args(signal).status().unwrap().success());
    let ran = Ran::of(child.wait_with_output().unwrap()).failed(130, &["cancelled"]);
    let names = place.names("out");
    assert!(!names.is_empty() && names.len() < 40, "{names:?}, {ran:?}");
    for name in names {
        assert_eq!(place.names(&format!("out/{name}")), FILES, "{name}");
    }
}
