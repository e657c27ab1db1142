//! Names, files and signals that mean harm, or might.
#![cfg(unix)]

use std::{
    fs,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{FILES, Place, QUICK, Ran, program, send, wait_until, weights};

/// A name of nothing but points has the stem `..`.
#[test]
fn results_stay_in_their_folder() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    fs::rename(place.path("cat.png"), place.path("...png")).unwrap();
    place.file("figure.png", "mine");
    place.run_model(&format!("explain ...png --quiet --out out {QUICK}")).ok();
    assert_eq!(place.names("out"), ["unnamed"]);
    assert_eq!(place.names("out/unnamed"), FILES);
    place.run_model(&format!("compare ...png --quiet --methods ig --out out {QUICK}")).ok();
    assert_eq!(place.names(""), ["...png", "figure.png", "out"]);
    assert_eq!(fs::read_to_string(place.path("figure.png")).unwrap(), "mine");
}

#[test]
fn what_is_read_is_not_overwritten() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    fs::copy(weights(), place.path("w.safetensors")).unwrap();
    let before = fs::read(place.path("cat.png")).unwrap();
    let refused = |line: &str| {
        let ran = place.run(line.split(' '));
        ran.failed(2, &["out = ", "which is read"]);
    };
    refused("segment cat.png --segmenter grid --out cat.png");
    refused("segment cat.png --segmenter grid --out ./cat.png");
    refused("gradient cat.png --model resnet20 --weights w.safetensors --out cat.png");
    refused("gradient cat.png --model resnet20 --weights w.safetensors --out w.safetensors");
    assert_eq!(fs::read(place.path("cat.png")).unwrap(), before);
    let other = place.run("segment cat.png --segmenter grid --out labels.jpg".split(' '));
    other.failed(2, &["out = labels.jpg", ".png"]);
}

/// What a spreadsheet would take for a formula, and what would steer a terminal.
#[test]
fn names_are_data() {
    let place = Place::new();
    fs::create_dir(place.path("photos")).unwrap();
    place.picture("cat.png", 64, 64);
    let name = "photos/=1+2\u{1b}[31m\u{202e}.png";
    fs::rename(place.path("cat.png"), place.path(name)).unwrap();
    let ran = place.run_model(&format!("predict {name}")).ok();
    assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{}", ran.stdout);
    assert!(ran.stdout.contains(r"\u001b[31m\u202e"), "{}", ran.stdout);
    let json = place.run_model(&format!("predict --json {name}")).ok().json();
    assert_eq!(json["input"], name);
    let missing = "photos/\u{1b}]0;x\u{7}.png";
    place.run_model(&format!("predict {missing}")).failed(1, &[r"\u001b]0;x\u0007"]);
    // A name of two lines looks like an error that is none.
    place.run_model("predict a\nhsets:\u{a0}b.png").failed(1, &[r"a\u000ahsets:"]);
}

/// A disk without space is an error; a reader that has gone is none.
#[test]
#[cfg(target_os = "linux")]
fn results_that_cannot_be_printed() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let run = |out: &str| {
        let script = format!(
            "'{}' predict cat.png --json --model resnet20 --weights '{}' {out}",
            program().get_program().to_str().unwrap(),
            weights().display(),
        );
        let output =
            Command::new("bash").args(["-c", &script]).current_dir(place.path("")).output();
        Ran::of(output.unwrap())
    };
    run("> /dev/full").failed(1, &["cannot write the results"]);
    run("| true; exit ${PIPESTATUS[0]}").ok();
}

#[test]
fn pipes_and_devices_are_no_pictures() {
    let place = Place::new();
    let pipe = place.path("pipe.png");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for name in ["pipe.png", "/dev/zero"] {
        place.run_model(&format!("predict {name}")).failed(1, &[name, "no file"]);
    }
    place.run(["segment", "pipe.png", "--out", "l.png"]).failed(1, &["pipe.png"]);
    let list = "evaluate --data pipe.png --model bundled --methods random-map --out r.db";
    place.run(list.split(' ')).failed(1, &["pipe.png", "no file"]);
    // Nor are they replaced by results.
    place.picture("cat.png", 64, 64);
    fs::create_dir_all(place.path("data/draw")).unwrap();
    fs::copy(place.path("cat.png"), place.path("data/draw/cat.png")).unwrap();
    place
        .run("segment cat.png --segmenter grid --out pipe.png".split(' '))
        .failed(1, &["pipe.png", "no file"]);
    let into = "evaluate --data data --model bundled --methods random-map --out pipe.png";
    place.run(into.split(' ')).failed(1, &["pipe.png", "no file"]);
}

/// Slurm sends SIGTERM, a closed terminal SIGHUP: both clean up as Ctrl-C does.
#[test]
fn other_signals_clean_up_as_ctrl_c_does() {
    for signal in ["-TERM", "-HUP"] {
        let place = Place::new();
        place.picture("cat.png", 64, 64);
        let line = format!("explain cat.png --out out {QUICK} --segmenter grid");
        let child = place.start_model(&line.replace("--steps 6", "--steps 20000"));
        wait_until(|| !place.names("out").is_empty());
        send(signal, &child);
        Ran::of(child.wait_with_output().unwrap()).failed(130, &["cancelled"]);
        assert!(place.names("out").is_empty(), "{signal}: {:?}", place.names("out"));
    }
}

/// What a kill leaves is gone when the next run begins.
#[test]
fn leftovers_of_a_kill_are_removed() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let mut child = place.start_model("explain cat.png --out out --steps 20000 --segmenter grid");
    wait_until(|| !place.names("out").is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    let left = place.names("out");
    assert!(left.len() == 1 && left[0].starts_with(".hsets-"), "{left:?}");
    place.run_model(&format!("explain cat.png --quiet --out out {QUICK}")).ok();
    assert_eq!(place.names("out"), ["cat"]);
}

/// Max-sensitivity explains many images: Ctrl-C must be heard between them, and within.
#[test]
fn ctrl_c_during_max_sensitivity() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let child = place.start_model(
        "compare cat.png --methods smooth-grad --out out --metrics max-sensitivity --segmenter grid",
    );
    std::thread::sleep(Duration::from_secs(2));
    send("-INT", &child);
    let begun = Instant::now();
    let output = child.wait_with_output().unwrap();
    // A slow machine may not have come that far, a fast one may be done.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(matches!(output.status.code(), Some(130 | 0)), "{output:?}");
}

#[test]
fn completions_and_manual() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.run(["completions", shell]).ok().stdout;
        assert!(script.contains("hsets") && script.contains("evaluate"), "{shell}");
    }
    let page = place.run(["man"]).ok().stdout;
    assert!(page.contains(".TH hsets 1") && page.contains("hsets\\-explain"), "{page}");
    place.run(["man", "--out", "man", "--quiet"]).ok();
    let names = place.names("man");
    assert!(
        names.contains(&"hsets.1".into()) && names.contains(&"hsets-train.1".into()),
        "{names:?}"
    );
    let page = fs::read_to_string(place.path("man/hsets-explain.1")).unwrap();
    assert!(page.contains("hsets\\-explain") && page.contains("\\-\\-target"), "{page}");
}

/// Colours are for terminals, and for no one who said NO_COLOR.
#[test]
fn no_color_is_heard() {
    let place = Place::new();
    let help = |variable: &str| {
        let mut command = program();
        command.args(["--help"]).env("CLICOLOR_FORCE", "1").env(variable, "1");
        Ran::of(command.current_dir(place.path("")).output().unwrap()).stdout
    };
    assert!(help("ANY").contains('\u{1b}'));
    assert!(!help("NO_COLOR").contains('\u{1b}'));
}
