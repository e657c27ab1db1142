//! What scripts rely on: names of files, fields and tensors.

use std::{fs, path::Path};

use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};
use serde_json::Value;

use crate::support::{FILES, Place, QUICK};

fn shape_of(bytes: &[u8], name: &str) -> (Dtype, Vec<usize>) {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    (tensor.dtype(), tensor.shape().to_vec())
}

#[test]
fn explain_writes_all_files_of_each_input() {
    let place = Place::new();
    place.picture("cat.png", 80, 64);
    place.picture("dog.png", 64, 64);
    let ran = place.run_model(&format!("explain cat.png dog.png --out out {QUICK}")).ok();
    assert_eq!(place.names("out"), ["cat", "dog", "index.html"]);
    let index = fs::read_to_string(place.path("out/index.html")).unwrap();
    for name in ["cat", "dog"] {
        assert!(index.contains(&format!("href=\"{name}/explanation.html\"")), "{index}");
        assert_eq!(place.names(&format!("out/{name}")), FILES);
        assert!(ran.stdout.contains(&format!("{name}.png: ")), "{}", ran.stdout);
    }
    assert!(ran.stdout.contains("set 1  score"), "{}", ran.stdout);
}

#[test]
fn explanation_json_is_complete() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = format!("explain cat.png --out out --json --seed 7 {QUICK}");
    let printed = place.run_model(&line).ok().json();
    let text = fs::read_to_string(place.path("out/cat/explanation.json")).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(printed, written);
    assert_eq!(written["format_version"], 1);
    assert_eq!(written["seed"], 7);
    assert_eq!(written["input"], "cat.png");
    assert_eq!(written["model"]["weights_sha256"].as_str().unwrap().len(), 64);
    assert!(written["class"]["label"].is_string() && written["class"]["logit"].is_number());
    assert_eq!(written["settings"]["detection"]["nu"], 60);
    assert_eq!(written["settings"]["attribution"]["steps"], 6);
    let sets = written["sets"].as_array().unwrap();
    assert_eq!(sets.len(), 2);
    for field in ["rank", "score", "standard_error", "n_features", "seed", "n_rows", "stop"] {
        assert!(!sets[0][field].is_null(), "{field}");
    }
    assert!(written["measures"]["completeness_gap"].is_number());
    assert_eq!(written["cost"]["n_gradients"], 7);
    assert!(written["cost"]["n_rows"].as_u64().unwrap() > 0);
    assert!(written["cost"]["timings"].as_array().unwrap().len() >= 4);
}

#[test]
fn adaptive_settings_say_what_they_came_to() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = "explain cat.png --nu 60 --sets 3 --steps auto:0.2 --samples auto:0.9 --out out";
    let printed = place.run_model(&format!("{line} --json")).ok().json();
    let (steps, samples) = (&printed["adaptive"]["steps"], &printed["adaptive"]["samples"]);
    assert_eq!((&steps["asked"], &samples["asked"]), (&"auto:0.2".into(), &"auto:0.9:0.1".into()));
    let used = steps["used"].as_u64().unwrap();
    assert_eq!(steps["n_gradients"].as_u64(), Some(used + 1));
    assert_eq!(printed["cost"]["n_gradients"], used + 1);
    assert_eq!(
        (&steps["n_gradients_fixed"], &samples["n_subsets_fixed"]),
        (&51.into(), &150.into())
    );
    let sets = printed["sets"].as_array().unwrap();
    let n_subsets: u64 = sets.iter().map(|set| set["n_samples"].as_u64().unwrap()).sum();
    assert_eq!(samples["n_subsets"], n_subsets);
    let said = place.run_model(line).ok();
    assert!(said.stdout.contains(&format!("steps auto:0.2: {used}, {} gradients", used + 1)));
    assert!(said.stdout.contains(&format!("{n_subsets} subsets, not 150")));
    // Nothing was left to be found.
    let given =
        format!("explain cat.png --nu 60 --sets 3 --steps {used} --samples 30 --json --out given");
    assert!(place.run_model(&given).ok().json()["adaptive"].is_null());
}

#[test]
fn maps_have_the_promised_tensors() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.run_model(&format!("explain cat.png --out out --quiet {QUICK}")).ok();
    let bytes = fs::read(place.path("out/cat/maps.safetensors")).unwrap();
    assert_eq!(shape_of(&bytes, "map"), (Dtype::F32, vec![3, 64, 64]));
    assert_eq!(shape_of(&bytes, "sets"), (Dtype::U8, vec![2, 3, 64, 64]));
    assert_eq!(shape_of(&bytes, "segments"), (Dtype::I32, vec![64, 64]));
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let members: usize = file.tensor("sets").unwrap().data().iter().map(|v| usize::from(*v)).sum();
    assert!((2..=120).contains(&members), "{members}");
}

#[test]
fn predict_prints_the_top_classes() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let top = place.run_model("predict cat.png --json").ok().json();
    assert_eq!(top["input"], "cat.png");
    let top = top["top"].as_array().unwrap();
    assert_eq!(top.len(), 3);
    let total: f64 = top.iter().map(|class| class["probability"].as_f64().unwrap()).sum();
    assert!((total - 1.0).abs() < 1e-6);
    for field in ["index", "label", "probability", "logit"] {
        assert!(!top[0][field].is_null(), "{field}");
    }
    let text = place.run_model("predict cat.png").ok().stdout;
    assert!(text.starts_with("cat.png\n") && text.contains(top[0]["label"].as_str().unwrap()));
}

#[test]
fn classes_may_stand_by_themselves() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let sigmoid = |logit: &serde_json::Value| 1.0 / (1.0 + (-logit.as_f64().unwrap()).exp());
    let top = place.run_model("predict cat.png --probabilities sigmoid --json").ok().json();
    for class in top["top"].as_array().unwrap() {
        let found = class["probability"].as_f64().unwrap();
        assert!((found - sigmoid(&class["logit"])).abs() < 1e-6, "{class}");
    }
    let said = place.run_model("predict cat.png --probabilities sigmoid");
    assert!(said.ok().stdout.contains("%, sigmoid"));
    // Log-odds are the logit, and nothing competes.
    let explain = "explain cat.png --method pair-effects --probabilities sigmoid --out";
    place.run_model(&format!("{explain} odds --segmenter grid:2x2")).ok();
    let record = fs::read(place.path("odds/cat/explanation.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(
        (&record["probabilities"], &record["target"]["kind"]),
        (&"sigmoid".into(), &"logit".into())
    );
    assert_eq!(
        record["target"]["value"].as_f64().unwrap() as f32,
        record["class"]["logit"].as_f64().unwrap() as f32
    );
    place
        .run_model(
            "explain cat.png --method ig --target logprob:0 --probabilities sigmoid --out log",
        )
        .ok();
    let record = fs::read(place.path("log/cat/explanation.json")).unwrap();
    let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
    let value = record["target"]["value"].as_f64().unwrap();
    assert!((value - sigmoid(&record["class"]["logit"]).ln()).abs() < 1e-6, "{value}");
    place.run_model("predict cat.png --probabilities softmix").failed_usage("softmax or sigmoid");
}

#[test]
fn tensors_of_the_single_steps() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.run_model("gradient cat.png --out g.safetensors").ok();
    place.run_model("gradient cat.png --smooth --out s.safetensors").ok();
    place.run_model("hessian cat.png --at 0,30,20 --at 2,5,6 --out h.safetensors").ok();
    place.run_model("ig cat.png --steps 4 --out i.safetensors").ok();
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    let image = vec![3, 64, 64];
    assert_eq!(shape_of(&read("g.safetensors"), "logits"), (Dtype::F32, vec![3]));
    assert_eq!(shape_of(&read("g.safetensors"), "gradient"), (Dtype::F32, image.clone()));
    assert_eq!(shape_of(&read("h.safetensors"), "rows"), (Dtype::F32, vec![2, 3, 64, 64]));
    assert_eq!(shape_of(&read("i.safetensors"), "map"), (Dtype::F32, image));
    assert_ne!(read("g.safetensors"), read("s.safetensors"));
}

#[test]
fn hessian_rows_are_symmetric() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.run_model("hessian cat.png --at 0,30,20 --at 1,31,22 --out h.safetensors").ok();
    let bytes = fs::read(place.path("h.safetensors")).unwrap();
    let rows = floats(&bytes, "rows");
    let (a, b) = (30 * 64 + 20, 64 * 64 + 31 * 64 + 22);
    let (ab, ba) = (rows[b], rows[3 * 64 * 64 + a]);
    assert!((ab - ba).abs() <= 1e-3 * ab.abs().max(ba.abs()).max(1e-3), "{ab} {ba}");
}

fn floats(bytes: &[u8], name: &str) -> Vec<f32> {
    let file = SafeTensors::deserialize(bytes).unwrap();
    let chunks = file.tensor(name).unwrap().data().to_vec();
    chunks.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

#[test]
fn tensors_are_inputs_too() {
    let place = Place::new();
    let data: Vec<u8> =
        (0..3 * 64 * 64).flat_map(|i| ((i as f32 * 0.01).sin()).to_le_bytes()).collect();
    for (name, shape) in [("three", vec![3, 64, 64]), ("four", vec![1, 3, 64, 64])] {
        let view = TensorView::new(Dtype::F32, shape, &data).unwrap();
        let bytes = serialize([("input", view)], None).unwrap();
        place.file(&format!("{name}.safetensors"), bytes);
    }
    place.run_model("gradient three.safetensors --out a.safetensors").ok();
    place.run_model("gradient four.safetensors --out b.safetensors").ok();
    let read = |name: &str| fs::read(place.path(name)).unwrap();
    assert_eq!(read("a.safetensors"), read("b.safetensors"));
    place.run_model(&format!("explain three.safetensors --out out --quiet {QUICK}")).ok();
    assert_eq!(place.names("out/three"), FILES);
}

#[test]
fn segments_written_are_segments_read() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let drawn = if cfg!(feature = "quickshift") { "quickshift" } else { "grid:5" };
    place.run(["segment", "cat.png", "--segmenter", drawn, "--out", "labels.png"]).ok();
    let explain = |segmenter: &str, out: &str| {
        let line = format!("explain cat.png --segmenter {segmenter} --quiet --out {out} {QUICK}");
        place.run_model(&line).ok();
        fs::read(place.path(out).join("cat/maps.safetensors")).unwrap()
    };
    assert_eq!(explain(drawn, "a"), explain("labels.png", "b"));
    assert_ne!(explain("grid:3", "c"), explain("none", "d"));
}

#[test]
fn targets_by_index_label_and_difference() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let gradient = |target: &[&str]| {
        let mut arguments = vec!["gradient", "cat.png", "--out", "g.safetensors"];
        arguments.extend(target);
        let weights = crate::support::weights();
        arguments.extend(["--model", "resnet20", "--weights", weights.to_str().unwrap()]);
        place.run(arguments).ok();
        floats(&fs::read(place.path("g.safetensors")).unwrap(), "gradient")
    };
    let [first, second] = [gradient(&["--target", "1"]), gradient(&["--target", "2"])];
    assert_eq!(gradient(&["--target", "Orange wins"]), first);
    let difference = gradient(&["--target", "1", "--against", "blue wins"]);
    let scale = difference.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for ((d, a), b) in difference.iter().zip(&first).zip(&second) {
        assert!((d - (a - b)).abs() < 1e-4 * scale);
    }
    assert_ne!(gradient(&["--target", "logprob:1"]), first);
}

#[test]
fn integrated_gradients_as_a_method() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.run_model("explain cat.png --method ig --steps 8 --quiet --out out").ok();
    place.run_model("ig cat.png --steps 8 --quiet --out i.safetensors").ok();
    let explained = fs::read(place.path("out/cat/maps.safetensors")).unwrap();
    let alone = fs::read(place.path("i.safetensors")).unwrap();
    assert_eq!(floats(&explained, "map"), floats(&alone, "map"));
    assert_eq!(shape_of(&explained, "sets").1, [0, 3, 64, 64]);
}

#[test]
fn seeds_can_be_given() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = format!("explain cat.png --seed-pixel 20,30 --json --out out {QUICK}");
    let sets = place.run_model(&line).ok().json()["sets"].clone();
    assert_eq!(sets.as_array().unwrap().len(), 1);
    assert_eq!((&sets[0]["seed"]["x"], &sets[0]["seed"]["y"]), (&20.into(), &30.into()));
}

#[test]
fn every_command_has_help_and_there_is_a_version() {
    let place = Place::new();
    let help = place.run(["--help"]).ok().stdout;
    assert!(help.contains("Examples:") && help.contains("Exit codes:"), "{help}");
    let commands = [
        "demo", "explain", "compare", "metrics", "axioms", "predict", "gradient", "hessian", "ig",
        "segment", "models",
    ];
    for command in commands {
        assert!(help.contains(command), "{command}");
        assert!(place.run([command, "--help"]).ok().stdout.contains("Usage: hsets"));
    }
    let version = place.run(["--version"]).ok().stdout;
    assert_eq!(version.trim(), concat!("hsets ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn models_lists_architectures() {
    let place = Place::new();
    let text = place.run(["models"]).ok().stdout;
    let json = place.run(["models", "--json"]).ok().stdout;
    for name in ["vgg16", "resnet101", "densenet121", "mobilenet_v3_large", "resnet20"] {
        assert!(text.contains(name) && json.contains(name), "{name}");
    }
    for line in json.lines() {
        assert!(serde_json::from_str::<Value>(line).unwrap()["model"].is_string());
    }
}

#[test]
fn demo_needs_nothing() {
    let place = Place::new();
    let ran = place.run(["demo", "--out", "demo"]).ok();
    assert!(ran.stdout.contains("orange") && ran.stdout.contains("set 1"), "{}", ran.stdout);
    let names = place.names("demo");
    assert!(names.len() > 2 && names.contains(&"index.html".to_owned()), "{names:?}");
    let mut verdicts = Vec::new();
    for name in names.iter().filter(|name| *name != "index.html") {
        let files = place.names(&format!("demo/{name}"));
        assert!(files.contains(&"explanation.html".to_owned()), "{files:?}");
        if name.ends_with("-sets") {
            assert!(FILES.iter().all(|file| files.iter().any(|f| f == file)), "{files:?}");
            continue;
        }
        let record = fs::read(place.path(&format!("demo/{name}/explanation.json"))).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        let is_control = name.starts_with("control-");
        verdicts.push((is_control, record["verdict"] == "interaction"));
    }
    // Of the hands, all but one pair; of the network that adds, nothing.
    let count = |wanted| verdicts.iter().filter(|found| **found == wanted).count();
    assert_eq!((count((false, true)), count((false, false))), (3, 1));
    assert_eq!((count((true, true)), count((true, false))), (0, 2));
}

/// A tensor of another size than the weights were trained at sets the size, as --size would.
#[test]
fn tensors_set_the_size_that_the_network_sees() {
    let place = Place::new();
    let bytes = vec![0; 3 * 48 * 80 * 4];
    let input = TensorView::new(Dtype::F32, vec![3, 48, 80], &bytes).unwrap();
    place.file("input.safetensors", serialize([("input", input)], None).unwrap());
    let out = place.run_model("gradient input.safetensors --out g.safetensors").ok();
    assert!(!out.stdout.is_empty() || place.path("g.safetensors").exists());
    let bytes = fs::read(place.path("g.safetensors")).unwrap();
    assert_eq!(shape_of(&bytes, "gradient"), (Dtype::F32, vec![3, 48, 80]));
    let other = "gradient input.safetensors --size 64 --out other.safetensors";
    place.run_model(other).failed(1, &["input.safetensors", "load it with this input size"]);
}

#[test]
fn pictures_are_prepared_as_asked() {
    let place = Place::new();
    let photo = |name: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/models/images");
        fs::copy(folder.join(name), place.path(name)).unwrap();
    };
    // One picture, upright and lying on its side with a word about it.
    photo("exif1.jpg");
    photo("exif6.jpg");
    let logits = |line: &str| {
        let record = place.run(format!("predict --model bundled --json {line}").split(' '));
        record.ok().json()["top"].clone()
    };
    let upright = logits("exif1.jpg");
    assert_ne!(logits("exif6.jpg"), upright);
    assert_eq!(logits("exif6.jpg --exif obey"), logits("exif6.jpg"));
    assert_eq!(logits("exif6.jpg --exif ignore"), upright);
    // 64 pixels are two thirds of 96.
    assert_ne!(logits("exif1.jpg --resize 96"), upright);
    assert_eq!(logits("exif1.jpg --crop 0.6666"), logits("exif1.jpg --resize 96"));
    assert_eq!(logits("exif1.jpg --crop 0.5 --size 32"), logits("exif1.jpg --resize 64 --size 32"));

    let line = format!("explain exif6.jpg --out out --exif ignore --crop 0.5 {QUICK}");
    place.run_model(&line).ok();
    let record = fs::read(place.path("out/exif6/explanation.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let model = &record["model"];
    assert_eq!((&model["exif"], &model["resize"]), (&"ignore".into(), &128.into()));
    assert_eq!((&model["crop"], &model["interpolation"]), (&[64, 64].into(), &"bilinear".into()));

    place.run_model("predict exif1.jpg --crop 0").failed(2, &["crop = 0", "at most 1"]);
    place.run_model("predict exif1.jpg --exif mirror").failed_usage("obey or ignore");
    let both = "predict exif1.jpg --crop 0.9 --resize 70";
    place.run_model(both).failed_usage("cannot be used with");
    // There, a crop is a way to cut views.
    place.run_model("train --data d.csv --out net --crop 0.9").failed_usage("shifted");
    let help = place.run(["train", "--help"]).ok().stdout;
    assert!(help.contains("--crop <CROP>") && help.contains("--crop-share <SHARE>"), "{help}");
}
