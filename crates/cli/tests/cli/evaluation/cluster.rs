//! `--slurm` on a real Slurm of one node, where its programs are installed and we are root.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread::sleep,
    time::{Duration, Instant},
};

use hsets_evaluation::{Results, Shard};

use super::{command, content, draw};
use crate::support::{Place, Ran, program};

const PATIENCE: Duration = Duration::from_mins(5);

/// A running cluster, stopped when dropped.
struct Cluster {
    script: PathBuf,
    folder: PathBuf,
    configuration: String,
}

impl Cluster {
    /// `None` where there cannot be one.
    fn start(folder: &Path) -> Option<Self> {
        let is_there = |name: &&str| {
            let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output();
            found.is_ok_and(|output| output.status.success())
        };
        let needed = ["munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel"];
        let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
        if !root || !needed.iter().all(is_there) {
            return None;
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/slurm/cluster.sh");
        let started = Command::new(&script).arg("start").arg(folder).output().unwrap();
        assert!(started.status.success(), "{}", String::from_utf8_lossy(&started.stderr));
        let configuration = folder.join("slurm.conf").display().to_string();
        Some(Self { script, folder: folder.to_owned(), configuration })
    }

    fn call(&self, mut command: Command) -> Output {
        command.env("SLURM_CONF", &self.configuration).output().unwrap()
    }

    fn slurm(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(name);
        command.args(arguments);
        let output = self.call(command);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn wait_until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let begun = Instant::now();
        while !is_so() {
            let queue = || self.slurm("squeue", &[]);
            assert!(begun.elapsed() < PATIENCE, "{what} never came:\n{}", queue());
            sleep(Duration::from_millis(20));
        }
    }

    fn wait_until_empty(&self) {
        self.wait_until("an empty queue", || self.slurm("squeue", &["--noheader"]).is_empty());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = Command::new(&self.script).arg("stop").arg(&self.folder).status();
        assert!(stopped.is_ok_and(|status| status.success()));
    }
}

const EVALUATION: &str = "--runs 2 --out r.db";

fn submit(place: &Place, cluster: &Cluster) -> Ran {
    let mut program = program();
    let line = format!("{EVALUATION} --slurm --slurm-tasks 3 --slurm-cpus 1 --slurm-time 10:00");
    program.args(command(&line)).args(["--slurm-partition", "test", "--json"]);
    program.current_dir(place.path(""));
    Ran::of(cluster.call(program))
}

fn shard_file(place: &Place, index: usize) -> PathBuf {
    Shard { index, count: 3 }.file(&place.path("r.db"))
}

/// Pictures of a shard that are done.
fn n_done(place: &Place, index: usize) -> usize {
    let path = shard_file(place, index);
    Results::open(&path).and_then(|results| results.done("bundled")).map_or(0, |done| done.len())
}

#[test]
fn killed_tasks_are_done_again_and_nothing_else() {
    let place = Place::new();
    let Some(cluster) = Cluster::start(&place.path("cluster")) else {
        eprintln!("skipped: --slurm is tested as root with Slurm (tests/slurm/cluster.sh install)");
        return;
    };
    draw(&place, 24);
    place.run(command("--runs 2 --out whole.db")).ok();
    let first = submit(&place, &cluster).ok().json();
    assert_eq!(first["tasks"], serde_json::json!([0, 1, 2]));
    let job = first["job"].as_str().unwrap().to_owned();

    // What waits or runs is not submitted twice.
    let again = submit(&place, &cluster).ok();
    assert!(again.stdout.contains("in the queue: 0-2"), "{again:?}");

    // One process is killed, one task is cancelled, both with something done and something not.
    cluster.wait_until("a picture of task 0", || n_done(&place, 0) > 0);
    let lock = fs::read_to_string(format!("{}.lock", shard_file(&place, 0).display())).unwrap();
    let process = lock.split(' ').nth(1).unwrap();
    assert!(Command::new("kill").args(["-9", process]).status().unwrap().success());
    cluster.wait_until("a picture of task 1", || n_done(&place, 1) > 0);
    cluster.slurm("scancel", &[&format!("{job}_1")]);
    cluster.wait_until_empty();

    // What is there is joined, what lacks is known, and only that is submitted.
    let log = fs::read_to_string(place.path("r.db.slurm/join.log")).unwrap();
    assert!(log.contains("--shard 0/3, 1/3 "), "{log}");
    let before: Vec<usize> = (0..3).map(|index| n_done(&place, index)).collect();
    assert_eq!(before[2], 8);
    assert!(before[0] < 8 && before[1] < 8, "{before:?}");
    let complete = fs::read(shard_file(&place, 2)).unwrap();
    let second = submit(&place, &cluster).ok().json();
    assert_eq!(second["tasks"], serde_json::json!([0, 1]));
    cluster.wait_until_empty();
    assert_eq!(fs::read(shard_file(&place, 2)).unwrap(), complete);
    assert_eq!(content(&place.path("r.db")), content(&place.path("whole.db")));
    assert!(fs::read_to_string(place.path("r.md")).unwrap().contains("## gini"));
    assert!(place.path("r.csv").exists());
    let third = submit(&place, &cluster).ok();
    assert!(third.stdout.contains("all shards are complete"), "{third:?}");
}

/// Where there is no Slurm: the scripts, to look at and to edit.
#[test]
fn scripts_can_be_read_and_changed() {
    let place = Place::new();
    draw(&place, 4);
    let line = "--out a/r.db --slurm --slurm-print --slurm-tasks 8 --slurm-at-once 2 \
                --slurm-gpus 1 --slurm-memory 16G --slurm-time 1-00:00:00";
    let ran = place.run(command(line)).ok();
    assert!(ran.stdout.starts_with("sbatch --parsable --array=0-7%2 "), "{}", ran.stdout);
    let script = fs::read_to_string(place.path("a/r.db.slurm/array.sh")).unwrap();
    for part in [
        "#SBATCH --gpus=1",
        "#SBATCH --mem=16G",
        "#SBATCH --time=1-00:00:00",
        " --shard auto/8",
        "--methods hsets,ig,random-map",
        "--requeue",
    ] {
        assert!(script.contains(part), "'{part}' is not in:\n{script}");
    }
    assert!(!script.contains("--slurm"), "{script}");
    let join = fs::read_to_string(place.path("a/r.db.slurm/join.sh")).unwrap();
    assert!(join.contains("merge --out a/r.db"), "{join}");
    // With a template of one's own.
    place.file("mine.sh", "#!/bin/bash\n{directives}\nmodule load cuda\n{command}\n");
    place.run(command(&format!("{line} --slurm-template mine.sh"))).ok();
    let script = fs::read_to_string(place.path("a/r.db.slurm/array.sh")).unwrap();
    assert!(script.contains("module load cuda\nexec "), "{script}");
    place.file("mine.sh", "#!/bin/bash\n");
    let refused = place.run(command(&format!("{line} --slurm-template mine.sh")));
    refused.failed(1, &["lacks {command}"]);
    // Without Slurm, submitting says what to do.
    let mut program = program();
    program.args(command("--out a/r.db --slurm")).current_dir(place.path("")).env("PATH", "");
    Ran::of(program.output().unwrap()).failed(1, &["squeue", "--slurm-print"]);
}
