//! A study that is killed goes on where it was, and its report is complete.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use hsets_evaluation::Results;

use crate::page;

/// Files of results of the demo.
const EXPERIMENTS: [&str; 8] =
    ["methods", "nu", "mu", "samples", "steps", "prior", "readings", "cost"];

fn study(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hsets-study"));
    // Real photos take minutes.
    command.args(arguments).env_remove("HSETS_REAL_DATA").env("RAYON_NUM_THREADS", "2");
    command
}

fn smallest(out: &Path) -> Command {
    let mut command = study(&["demo", "--samples", "2", "--runs", "2", "--truth-pictures", "1"]);
    command.arg("--out").arg(out);
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every row of an experiment, without timings.
fn rows(out: &Path, name: &str) -> String {
    let results = Results::open(&out.join(format!("{name}.db"))).unwrap();
    format!("{:#?}", results.rows().unwrap())
}

/// Kills a study once `mu` has a picture, but not all.
fn kill_halfway(mut child: Child, out: &Path) {
    let begun = Instant::now();
    let file = out.join("mu.db");
    let is_under_way = || Results::open(&file).is_ok_and(|r| r.counts().is_ok_and(|(n, _)| n > 0));
    while !is_under_way() {
        assert!(child.try_wait().unwrap().is_none(), "ended before it was killed");
        assert!(begun.elapsed() < Duration::from_mins(5), "never began");
        sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn killed_and_resumed_it_ends_as_if_nothing_had_happened() {
    let folder = tempfile::tempdir().unwrap();
    let [straight, killed] = ["straight", "killed"].map(|name| folder.path().join(name));
    succeed(&mut smallest(&straight));
    let some = || {
        let mut command = smallest(&killed);
        command.args(["--only", "mu,nu"]).stderr(Stdio::null());
        command
    };
    kill_halfway(some().spawn().unwrap(), &killed);
    assert!(!killed.join("report.html").exists());
    succeed(&mut some());
    for name in ["mu", "nu"] {
        assert!(rows(&straight, name) == rows(&killed, name), "rows of {name} differ");
    }
    check_report(&straight);

    // The report needs nothing but the results.
    let before = fs::read_to_string(straight.join("report.md")).unwrap();
    fs::remove_file(straight.join("report.md")).unwrap();
    fs::remove_dir_all(straight.join("pictures")).unwrap();
    succeed(smallest(&straight).arg("--report-only"));
    assert_eq!(before, fs::read_to_string(straight.join("report.md")).unwrap());
}

fn check_report(out: &Path) {
    let html = fs::read_to_string(out.join("report.html")).unwrap();
    assert_eq!(page::fault(&html), None);
    for address in ["src=\"http", "href=\"http", "url("] {
        assert!(!html.contains(address), "the page asks for {address}");
    }
    let markdown = fs::read_to_string(out.join("report.md")).unwrap();
    check_tables(&markdown);
    check_pictures(out, &markdown);
    let latex = fs::read_to_string(out.join("tables.tex")).unwrap();
    assert_eq!(latex.matches("\\begin{tabular}").count(), tables(&markdown).len());
}

/// Lines of each table: head, then rows.
fn tables(markdown: &str) -> Vec<Vec<&str>> {
    let mut tables: Vec<Vec<&str>> = Vec::new();
    let mut was_row = false;
    for line in markdown.lines() {
        let is_row = line.starts_with('|');
        match (is_row, was_row) {
            (true, false) => tables.push(vec![line]),
            (true, true) => tables.last_mut().unwrap().push(line),
            (false, _) => {}
        }
        was_row = is_row;
    }
    tables
}

/// Complete, every number finite, and the paper's beside ours.
fn check_tables(markdown: &str) {
    let tables = tables(markdown);
    // Two overviews, four of a model's details, seven other experiments, known interactions.
    assert_eq!(tables.len(), 14, "{markdown}");
    for table in &tables {
        let columns = table[0].matches(" | ").count();
        assert!(columns >= 1 && table.len() > 3, "{table:?}");
        for row in &table[2..] {
            assert_eq!(row.matches(" | ").count(), columns, "{row}");
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            for cell in cells {
                let is_bad = ["", "–", "NaN", "inf"].contains(&cell) || cell.contains("failed");
                assert!(!is_bad && !cell.contains("± –"), "'{cell}' in {row}");
            }
        }
    }
    for method in ["hsets-paper", "ig", "archipelago", "moxi"] {
        let row = format!("| {method} | ");
        let published = tables[0].iter().find(|line| line.starts_with(&row)).unwrap();
        assert!(published.contains("published"), "{published}");
    }
    let known = tables.iter().find(|table| table[0].contains("AUROC")).unwrap();
    for method in ["contrasts", "hsets", "archipelago", "two random segments"] {
        assert!(known.iter().any(|row| row.starts_with(&format!("| {method} | "))), "{method}");
    }
    for kind in EXPERIMENTS {
        assert!(markdown.contains(&format!("Experiment {kind}")), "{kind}");
    }
    assert!(markdown.matches("cargo xtask reproduce demo").count() > tables.len());
}

/// Every picture of the report is a file, and every plot is there twice.
fn check_pictures(out: &Path, markdown: &str) {
    let files = markdown.split("](").skip(1).map(|rest| rest.split(')').next().unwrap());
    let is_picture =
        |file: &&str| file.rsplit_once('.').is_some_and(|(_, e)| ["svg", "png"].contains(&e));
    let files: Vec<&str> = files.filter(is_picture).collect();
    assert!(files.len() >= 12, "{files:?}");
    for file in files {
        let bytes = fs::read(out.join(file)).unwrap();
        assert!(bytes.len() > 1000, "{file}");
        if let Some(plot) = file.strip_suffix(".svg") {
            assert!(out.join(format!("{plot}.png")).is_file(), "{plot}");
        }
    }
}

#[test]
fn without_data_it_says_what_to_get() {
    for (arguments, part) in [
        (&["imagenet"][..], "image-net.org"),
        (&["cub"], "CUB_200_2011.tgz"),
        (&["imagenet", "--protocol", "authors"], "imagenette2.tgz"),
        (&["cub", "--data", "no/such/folder"], "no/such/folder"),
        (&["demo", "--report-only", "--out", "no/such/folder"], "no study was begun"),
    ] {
        let output = study(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
