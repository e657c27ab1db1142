//! `hsets train`: what it leaves behind, kill and resume, fine-tuning.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use hsets_scenes::Task;
use image::{ExtendedColorType, save_buffer};
use safetensors::SafeTensors;

#[cfg(unix)]
use crate::support::{Killer, wait_until};
use crate::support::{Place, program};

const SIDE: usize = 32;
const SCRATCH: &str = "train --data data --model resnet20 --scratch --size 32 --epochs 2 --batch 8 \
                       --crop shifted:2 --flip --learning-rate 0.02 --threads 2";

/// Drawn pictures, a folder per class, 24 for training and 9 held out.
fn place() -> Place {
    let place = Place::new();
    for (split, seed, n) in [("train", 1, 24), ("val", 2, 9)] {
        for index in 0..n {
            let scene = Task::Duel.draw(seed, index, SIDE).unwrap();
            let folder = place.path("data").join(split).join(Task::Duel.labels()[scene.class]);
            fs::create_dir_all(&folder).unwrap();
            let (file, side) = (folder.join(format!("{index}.png")), SIDE as u32);
            save_buffer(&file, scene.photo.rgb(), side, side, ExtendedColorType::Rgb8).unwrap();
        }
    }
    place
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

fn train(place: &Place, line: &str) -> crate::support::Ran {
    place.run(words(line))
}

fn bytes(place: &Place, name: &str) -> Vec<u8> {
    fs::read(place.path(name)).unwrap()
}

#[test]
fn leaves_a_model_that_other_commands_load() {
    let place = place();
    let ran = train(&place, &format!("{SCRATCH} --out net --json")).ok();
    let epochs: Vec<serde_json::Value> =
        ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(epochs.len(), 2);
    assert_eq!((&epochs[1]["epoch"], &epochs[1]["step"]), (&2.into(), &6.into()));
    let expected =
        ["checkpoint.safetensors", "curves.csv", "curves.png", "loss.png", "model.safetensors"];
    assert_eq!(place.names("net"), expected);
    let table = String::from_utf8(bytes(&place, "net/curves.csv")).unwrap();
    assert_eq!(table.lines().count(), 3);
    assert!(table.starts_with("epoch,step,learning_rate,training_loss"), "{table}");

    // The weights say their names of classes and their input size themselves.
    let picture = place.picture("new.png", 40, 40);
    let picture = picture.to_str().unwrap();
    let ran = place.run(["predict", picture, "--weights", "net/model.safetensors", "--json"]).ok();
    let top = &ran.json()["top"];
    assert_eq!(top.as_array().unwrap().len(), 3);
    let labels = Task::Duel.labels();
    assert!(labels.contains(&top[0]["label"].as_str().unwrap()), "{top}");
}

#[test]
fn killed_and_resumed_gives_the_same_bytes() {
    let place = place();
    train(&place, &format!("{SCRATCH} --out whole")).ok();
    let killed = format!("{SCRATCH} --save-every 1 --out killed");
    for n_kills in 0.. {
        let resume = if n_kills > 0 { "--resume" } else { "" };
        let mut command = program();
        command.args(words(&format!("{killed} {resume}"))).current_dir(place.path(""));
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        if n_kills == 3 || !kill_after_a_step(child, &place.path("killed/checkpoint.safetensors")) {
            break;
        }
    }
    train(&place, &format!("{killed} --resume")).ok();
    same_results(&place, "killed");
}

/// As for `hsets evaluate`: `HSETS_KILLS=100` kills more often than the usual 5 times.
#[test]
#[cfg(unix)]
fn killed_at_random_moments_it_ends_with_the_same_bytes() {
    let place = place();
    let begun = Instant::now();
    train(&place, &format!("{SCRATCH} --out whole")).ok();
    let whole_run = begun.elapsed();
    let mut killer = Killer::new(5);
    let mut n_rounds = 0;
    while !killer.is_done() {
        n_rounds += 1;
        let out = format!("killed-{n_rounds}");
        let start = || {
            let mut run = program();
            run.args(words(&format!("{SCRATCH} --save-every 1 --resume --out {out}")));
            run.current_dir(place.path(""));
            run
        };
        let mut kept = Vec::new();
        killer.run(whole_run.mul_f64(0.8), start, || kept = whole_files(&place, &out, &kept));
        same_results(&place, &out);
        let drafts = place.names(&out).into_iter().filter(|name| name.starts_with('.'));
        assert_eq!(drafts.count(), 0, "leftovers in {out}");
    }
    println!("{} kills in {n_rounds} trainings, each of which ended alike", killer.n_kills);
}

/// The files that a killed training left, each of them whole, and none of `kept` lost.
fn whole_files(place: &Place, out: &str, kept: &[&'static str]) -> Vec<&'static str> {
    let mut files = vec!["model.safetensors", "checkpoint.safetensors", "curves.csv"];
    files.retain(|file| place.path(out).join(file).exists());
    assert!(kept.iter().all(|file| files.contains(file)), "{kept:?}, then {files:?} in {out}");
    for file in &files {
        let bytes = bytes(place, &format!("{out}/{file}"));
        let is_whole = match file.strip_suffix(".csv") {
            // Lines of epochs follow each other.
            Some(_) => self::bytes(place, &format!("whole/{file}")).starts_with(&bytes),
            None => SafeTensors::deserialize(&bytes).is_ok(),
        };
        assert!(is_whole, "{out}/{file}");
    }
    files
}

/// Asks that a training left the same files as the one in `whole`.
fn same_results(place: &Place, out: &str) {
    for file in ["model.safetensors", "checkpoint.safetensors", "curves.csv"] {
        let (whole, found) = (format!("whole/{file}"), format!("{out}/{file}"));
        assert!(bytes(place, &whole) == bytes(place, &found), "{found}");
    }
}

/// A limit on the size of files stands for a full disk, at the model and at the checkpoint.
#[test]
#[cfg(unix)]
fn after_a_fault_it_goes_on() {
    let place = place();
    let line = format!("{SCRATCH} --save-every 1");
    train(&place, &format!("{line} --out whole")).ok();
    for (at, n_kibibytes) in [1, 64, 900, 1500, 2000].into_iter().enumerate() {
        let out = format!("full-{at}");
        let full = place.run_limited(n_kibibytes, &words(&format!("{line} --out {out}")));
        full.failed(1, &[&out, "space"]);
        train(&place, &format!("{line} --resume --out {out}")).ok();
        same_results(&place, &out);
    }
    // The pictures vanish, and come back.
    let mut command = program();
    command.args(words(&format!("{line} --out gone"))).current_dir(place.path(""));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_until(|| place.path("gone/checkpoint.safetensors").exists());
    fs::rename(place.path("data"), place.path("elsewhere")).unwrap();
    let ran = crate::support::Ran::of(child.wait_with_output().unwrap());
    if ran.code != Some(0) {
        ran.failed(1, &["data"]);
    }
    fs::rename(place.path("elsewhere"), place.path("data")).unwrap();
    train(&place, &format!("{line} --resume --out gone")).ok();
    same_results(&place, "gone");
}

/// Kills the process once it has written another checkpoint; false if it was done before.
fn kill_after_a_step(mut child: Child, checkpoint: &PathBuf) -> bool {
    let written = || fs::metadata(checkpoint).and_then(|file| file.modified()).ok();
    let (before, begun) = (written(), Instant::now());
    while written() == before && begun.elapsed() < Duration::from_mins(2) {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    true
}

#[test]
fn a_checkpoint_is_neither_overwritten_nor_misused() {
    let place = place();
    let short = format!("{SCRATCH} --out net");
    train(&place, &short).ok();
    train(&place, &short).failed(2, &["out", "checkpoint", "--resume"]);
    let before = bytes(&place, "net/model.safetensors");
    train(&place, &format!("{short} --resume --weight-decay 0.3"))
        .failed(1, &["weight_decay: 0.0005", "weight_decay: 0.3"]);
    train(&place, &format!("{short} --resume")).ok();
    assert!(bytes(&place, "net/model.safetensors") == before);
    train(&place, "train --data nothing --model resnet20 --scratch --out x")
        .failed(1, &["nothing"]);
    let bad = train(&place, &format!("{SCRATCH} --out x --label-smoothing 1.5"));
    bad.failed(2, &["label_smoothing", "below 1"]);
}

#[test]
fn the_head_alone_leaves_the_rest_as_it_was() {
    let place = place();
    let tune = "train --data data --epochs 3 --batch 8 --flip";
    let weights = crate::support::weights();
    let weights = weights.to_str().unwrap();
    let line = format!("{tune} --weights {weights} --head-only --out head");
    train(&place, &line).ok();
    let (old, new) = (fs::read(weights).unwrap(), bytes(&place, "head/model.safetensors"));
    let (old, new) =
        (SafeTensors::deserialize(&old).unwrap(), SafeTensors::deserialize(&new).unwrap());
    assert_eq!(old.len(), new.len());
    for (name, tensor) in old.iter() {
        let is_same = tensor.data() == new.tensor(name).unwrap().data();
        assert_eq!(is_same, !name.starts_with("linear"), "{name}");
    }
    // The bundled features tell the classes: the new head finds them again.
    let whole =
        format!("{tune} --weights {weights} --freeze-norms --learning-rate 0.001 --out all");
    let ran = train(&place, &format!("{whole} --json")).ok();
    assert_eq!(ran.stdout.lines().count(), 3);
    let moved = bytes(&place, "all/model.safetensors");
    let moved = SafeTensors::deserialize(&moved).unwrap();
    let same = |name: &str| old.tensor(name).unwrap().data() == moved.tensor(name).unwrap().data();
    assert!(same("bn1.running_mean") && !same("conv1.weight") && !same("bn1.weight"));
}
