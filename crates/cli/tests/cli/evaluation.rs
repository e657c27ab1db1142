//! `hsets evaluate`, `merge` and `export`, as users and clusters run them.

mod cluster;
mod faults;
mod killing;

use std::{
    fs,
    path::{Path, PathBuf},
};

use hsets_evaluation::{Candidate, Results, Row};
use hsets_scenes::Task;
use image::RgbImage;

use crate::support::{Place, QUICK};

const BUNDLED: &str = "../../fixtures/bundled";

/// Pictures, labels and model of the repository.
fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(BUNDLED)
}

/// Draws `n` pictures into a folder per class: `data/orange wins/3.png`.
fn draw(place: &Place, n: u64) {
    for index in 0..n {
        let scene = Task::Duel.draw(11, index, 64).unwrap();
        let folder = place.path("data").join(Task::Duel.labels()[scene.class]);
        fs::create_dir_all(&folder).unwrap();
        let picture = RgbImage::from_raw(64, 64, scene.photo.rgb().to_vec()).unwrap();
        picture.save(folder.join(format!("{index:02}.png"))).unwrap();
    }
}

/// The evaluation of these tests; `line` is split at spaces and comes last.
fn command(line: &str) -> Vec<String> {
    let base = format!(
        "evaluate --data data --model bundled --methods hsets,ig,random-map --metrics gini,road \
         --percentages 10,30,50 {}",
        QUICK.replace("--samples", "--subsets")
    );
    format!("{base} {line}").split_whitespace().map(str::to_owned).collect()
}

/// Rows that cost little, where it matters only how they are kept.
fn small(line: &str) -> Vec<String> {
    let base = "evaluate --data data --model bundled --methods ig,random-map --metrics gini \
                --segmenter grid --steps 2 --runs 4 --samples 7";
    base.split_whitespace().chain(line.split_whitespace()).map(str::to_owned).collect()
}

/// Everything but timings.
fn content(path: &Path) -> (Vec<Row>, Vec<Candidate>) {
    let results = Results::open(path).unwrap();
    (results.rows().unwrap(), results.candidates().unwrap())
}

/// `--weights` is the file of the only model, whose name may be left to the weights.
#[test]
fn weights_in_a_file_as_elsewhere() {
    let place = Place::new();
    draw(&place, 3);
    let weights = bundled().join("model.safetensors").display().to_string();
    let line = "--methods random-map --metrics gini --segmenter grid --samples 1 --misclassified";
    for (model, out) in [("", "a.db"), ("--model resnet20 ", "b.db")] {
        let line = format!("evaluate --data data {model}--weights {weights} {line} --out {out}");
        place.run(line.split(' ')).ok();
        let (rows, _) = content(&place.path(out));
        assert!(!rows.is_empty() && rows.iter().all(|row| row.model == "resnet20"), "{out}");
    }
    let two = format!("evaluate --data data --model resnet20,vgg16 --weights {weights} --out c.db");
    place.run(two.split(' ')).failed(2, &["weights", "NAME=FILE"]);
}

/// The example of the README, offline, with less of everything.
#[test]
fn bundled_pictures() {
    let place = Place::new();
    let (data, images) = (bundled().join("labels.csv"), bundled().join("pictures"));
    let mut evaluate = vec!["--data".into(), data, "--images".into(), images];
    evaluate.extend(
        "--model bundled --methods hsets,ig,random-map --nu 100 --percentages 10,30,50 --runs 2 \
         --out out/results.db"
            .split_whitespace()
            .map(PathBuf::from),
    );
    evaluate.insert(0, "evaluate".into());
    let ran = place.run(&evaluate).ok();
    assert!(ran.stdout.contains("1 model × 3 methods × 2 runs"), "{}", ran.stdout);
    assert!(ran.stdout.contains("cost: ") && ran.stdout.contains("36 rows, 0 of them failed"));
    let (rows, candidates) = content(&place.path("out/results.db"));
    assert_eq!((rows.len(), candidates.len()), (36, 6));
    // Integrated Gradients are the same in each run, what is random is not.
    let gini = |method: &str, run: u32| {
        let of = rows.iter().filter(|row| (row.method.as_str(), row.run) == (method, run));
        of.map(|row| row.metrics[1].unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(gini("ig", 0), gini("ig", 1));
    assert_ne!(gini("random-map", 0), gini("random-map", 1));
    assert!(rows.iter().all(|row| row.code_version.starts_with("hsets ")));
    assert!(rows.iter().filter(|row| row.method == "hsets").all(|row| row.work.n_rows > 0));
    // Again: nothing to do, nothing changes.
    let again = place.run(evaluate.iter().chain([&"--json".into()])).ok();
    assert_eq!(again.stdout, "");
    assert_eq!(content(&place.path("out/results.db")), (rows, candidates));
    let tables = place.run(["export", "out/results.db"]).ok().stdout;
    assert!(tables.contains("## gini") && tables.contains("| random-map |"), "{tables}");
    place.run("export out/results.db --out rows.csv --out t.md".split(' ')).ok();
    let csv = fs::read_to_string(place.path("rows.csv")).unwrap();
    assert_eq!(csv.lines().count(), 37);
    let parquet = place.run("export out/results.db --out rows.parquet".split(' '));
    if cfg!(feature = "parquet") {
        parquet.ok();
        assert!(fs::read(place.path("rows.parquet")).unwrap().starts_with(b"PAR1"));
    } else {
        parquet.failed(2, &["--features parquet"]);
    }
}

#[test]
fn shards_are_the_whole_and_gaps_are_told() {
    let place = Place::new();
    draw(&place, 7);
    place.run(command("--samples 5 --out whole.db --maps maps")).ok();
    assert_eq!(place.names("maps/bundled").len(), 3);
    for shard in ["0/3", "2/3"] {
        place.run(command(&format!("--samples 5 --out r.db --shard {shard}"))).ok();
    }
    let merged = place.run(["merge", "--out", "r.db"]);
    merged.failed(1, &["pictures lack", "--shard 1/3"]);
    let tables = place.run(["export", "r.db"]).ok().stdout;
    assert!(tables.contains("**Incomplete**"), "{tables}");
    let shard = "r.shard-0-of-3.db";
    let onto_itself = place.run(["merge", shard, "--out", shard]);
    onto_itself.failed(1, &[shard, "holds shard 0/3", "name another file"]);
    // As in a Kubernetes indexed job.
    let third = command("--samples 5 --out r.db --shard auto/3");
    let mut program = crate::support::program();
    program.args(third).current_dir(place.path("")).env("JOB_COMPLETION_INDEX", "1");
    assert!(program.output().unwrap().status.success());
    place.run(["merge", "--out", "r.db"]).ok();
    assert_eq!(content(&place.path("r.db")), content(&place.path("whole.db")));
    let tables = place.run(["export", "r.db"]).ok().stdout;
    assert!(!tables.contains("Incomplete"), "{tables}");
    place.run(["merge", "--out", "none.db"]).failed(1, &["there is no none.shard-"]);
}

#[test]
fn a_broken_picture_is_a_row_with_a_reason() {
    let place = Place::new();
    draw(&place, 4);
    let broken = place.path("data/draw");
    fs::create_dir_all(&broken).unwrap();
    fs::write(broken.join("broken.jpg"), b"\xff\xd8\xff\xe0 nothing more").unwrap();
    let ran = place.run(command("--out r.db"));
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stdout.contains("3 of them failed"), "{}", ran.stdout);
    let (rows, _) = content(&place.path("r.db"));
    assert_eq!(rows.len(), 5 * 3);
    let failed: Vec<_> = rows.iter().filter(|row| row.failure.is_some()).collect();
    assert!(failed.iter().all(|row| row.image == "draw/broken.jpg"));
    assert!(
        failed[0].failure.as_ref().unwrap().starts_with("draw/broken.jpg: a damaged"),
        "{:?}",
        failed[0]
    );
    // Mended, it is done again, alone.
    fs::copy(
        place.path("data/orange wins").join(&place.names("data/orange wins")[0]),
        broken.join("broken.jpg"),
    )
    .unwrap();
    let ran = place
        .run(command("--out r.db --retry-failed --misclassified"))
        .failed(1, &["selection.correct_only: true, now false"]);
    assert_eq!(ran.stdout, "");
    let ran = place.run(command("--out r.db --retry-failed")).ok();
    assert!(ran.stdout.contains("12 rows, 0 of them failed"), "{}", ran.stdout);
}

#[test]
fn an_estimate_measures_and_stops() {
    let place = Place::new();
    draw(&place, 5);
    let ran = place.run(command("--out r.db --estimate")).ok();
    assert!(ran.stdout.contains("2 pictures done, 3 left"), "{}", ran.stdout);
    assert!(ran.stdout.contains("cost: 9 more rows, about "), "{}", ran.stdout);
    assert_eq!(content(&place.path("r.db")).0.len(), 6);
}

#[test]
fn what_cannot_be_is_said_in_one_line() {
    let place = Place::new();
    draw(&place, 4);
    place.run(command("--out r.db --samples 2")).ok();
    let other = |line: &str, code: i32, parts: &[&str]| {
        place.run(command(line)).failed(code, parts);
    };
    let differs = ["r.db: holds another evaluation", "seed: 0, now 1"];
    other("--out r.db --samples 2 --seed 1", 1, &differs);
    let differs = ["methods.hsets.settings.detection.mu: 0.5, now 0.6"];
    other("--out r.db --samples 2 --mu 0.6", 1, &differs);
    other("--out data --samples 2", 1, &["data"]);
    other("--out s.db --dataset cub", 1, &["classes.txt is missing", "CUB_200_2011.tgz"]);
    fs::create_dir(place.path("data/lizard")).unwrap();
    other("--out s.db", 2, &["class 'lizard'", "--labels"]);
    let usage = |line: &str, part: &str| {
        let ran = place.run(command(line));
        assert!(ran.code == Some(2) && ran.stderr.contains(part), "{ran:?}");
    };
    usage("--out s.db --shard 2/2", "shard 2/2");
    usage("--out s.db --shard auto", "SLURM_ARRAY_TASK_ID");
    usage("--out s.db --shard 0/2 --slurm", "cannot be used with");
    usage("--out s.db --samples few", "a number or `all`");
    let nowhere = command("--out s.db").into_iter();
    let nowhere = nowhere.map(|word| if word == "data" { "nowhere".into() } else { word });
    place.run(nowhere).failed(1, &["nowhere"]);
    place.run(["export", "r.db", "--out", "r.xlsx"]).failed(2, &[".csv, .parquet or .md"]);
    place.run(["export", "none.db"]).failed(1, &["none.db"]);
}
