//! The commands that measure maps.

use std::fs;

use serde_json::Value;

use crate::support::{Place, QUICK};

/// Settings that keep measuring short.
const SHORT: &str = "--percentages 10,50,90 --curve-steps 4";

#[test]
fn every_method_is_compared_and_one_that_cannot_is_a_cell() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    // MoXI alone asks the network five thousand times.
    let options = format!("--size 32 --segmenter none {QUICK} {SHORT}");
    let record =
        place.run_model(&format!("compare cat.png --out out {options} --json")).ok().json();
    assert_eq!(place.names("out"), ["cat"]);
    let files = ["compare.csv", "compare.html", "compare.json", "compare.png", "maps.safetensors"];
    assert_eq!(place.names("out/cat"), files);
    let methods = record["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 23);
    let of = |name: &str| methods.iter().find(|method| method["method"] == name).unwrap();
    // One segment has no pair.
    assert!(of("archipelago")["error"].as_str().unwrap().contains("segments = 1"));
    for name in ["hsets", "ig", "caso", "random-sets", "segments-by-centre"] {
        let readings = of(name)["metrics"]["readings"].as_object().unwrap();
        for reading in ["gini", "road-1-accuracy", "deletion-auc"] {
            assert!(readings[reading].is_number(), "{name}: {reading}");
        }
        // The sum of a map that is not in units of the output means nothing.
        let is_in_units = ["hsets", "ig", "random-sets"].contains(&name);
        assert_eq!(readings["completeness-gap"].is_number(), is_in_units, "{name}");
    }
    assert_eq!(of("random-sets")["alone"], of("hsets")["alone"]);
    assert_eq!(of("random-sets")["reused"], of("random-sets")["alone"]);
    let text = fs::read_to_string(place.path("out/cat/compare.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), record);
    let csv = fs::read_to_string(place.path("out/cat/compare.csv")).unwrap();
    let columns = csv.lines().next().unwrap().split(',').count();
    assert_eq!(csv.lines().count(), 24);
    for line in csv.lines().filter(|line| !line.contains('"')) {
        assert_eq!(line.split(',').count(), columns, "{line}");
    }
    let picture = image::open(place.path("out/cat/compare.png")).unwrap();
    assert!(picture.width() > 2000 && picture.height() > 2000);
}

#[test]
fn methods_and_metrics_are_chosen() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = "compare cat.png --methods segments-by-area,ig --metrics gini --steps 4 --out out";
    let text = place.run_model(line).ok().stdout;
    let rows: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
    assert!(rows[0].contains("Gini") && !rows[0].contains("ROAD"), "{text}");
    assert!(rows[1].trim().starts_with("ig") && rows[2].contains("segments-by-area"), "{text}");
    assert_eq!(place.names("out"), ["cat"], "a single picture needs no index");
    place.picture("dog.png", 64, 64);
    let line = "compare cat.png dog.png --methods ig --metrics gini --steps 4 --out two";
    place.run_model(line).ok();
    assert_eq!(place.names("two"), ["cat", "dog", "index.html"]);
    let index = fs::read_to_string(place.path("two/index.html")).unwrap();
    assert!(index.contains("cat/compare.html") && index.contains("dog/compare.html"), "{index}");
    let line = "compare cat.png --methods lime --out out";
    place.run_model(line).failed_usage("segments-by-centre");
    let line = "compare cat.png --metrics roar --out out";
    place.run_model(line).failed_usage("insertion-deletion");
}

/// A map as NumPy writes it.
fn npy(values: &[f32], shape: &str) -> Vec<u8> {
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    let data = values.iter().flat_map(|value| value.to_le_bytes());
    let length = (header.len() as u16).to_le_bytes();
    b"\x93NUMPY\x01\x00".iter().chain(&length).copied().chain(header.bytes()).chain(data).collect()
}

#[test]
fn our_own_maps_measure_alike_in_both_commands() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = format!("compare cat.png --methods ig --steps 6 --out out {SHORT} --json");
    let compared = place.run_model(&line).ok().json();
    let map = "out/cat/maps.safetensors";
    let line = format!("metrics --map {map} --input cat.png {SHORT} --json");
    let measured = place.run_model(&line).ok().json();
    let readings = &compared["methods"][0]["metrics"]["readings"];
    assert_eq!(&measured["metrics"]["readings"], readings);
    assert_eq!(measured["metrics"]["channels"], "abs-sum");
    assert_eq!(measured["metrics"]["ties"], "seeded");
}

#[test]
fn maps_of_others_are_measured_in_bulk() {
    let place = Place::new();
    for folder in ["maps", "photos"] {
        fs::create_dir(place.path(folder)).unwrap();
    }
    for (name, slope) in [("cat", 1.0f32), ("dog", -1.0)] {
        place.picture(&format!("photos/{name}.png"), 64, 64);
        let values: Vec<f32> = (0..64 * 64).map(|i| slope * i as f32).collect();
        place.file(&format!("maps/{name}.npy"), npy(&values, "(64, 64)"));
    }
    let line = format!(
        "metrics --map maps --input photos --csv out.csv --curves plots --channels sum {SHORT}"
    );
    let text = place.run_model(&line).ok().stdout;
    assert!(text.contains("mean of 2") && text.contains("road-1-accuracy"), "{text}");
    let csv = fs::read_to_string(place.path("out.csv")).unwrap();
    let lines: Vec<&str> = csv.lines().collect();
    assert!(lines[0].starts_with("map,coverage,gini,") && lines.len() == 3, "{csv}");
    assert!(lines[1].starts_with("maps/cat.npy,") && lines[2].starts_with("maps/dog.npy,"));
    assert_eq!(place.names("plots"), ["001-cat.png", "002-dog.png"]);
}

#[test]
fn maps_that_do_not_fit_are_refused() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.picture("dog.png", 64, 64);
    place.file("small.npy", npy(&[0.0; 16], "(4, 4)"));
    place.file("text.npy", "hello");
    let run = |line: &str| place.run_model(line);
    let refused = run("metrics --map small.npy --input cat.png --metrics gini");
    refused.failed(1, &["small.npy", "[4, 4]", "[64, 64]"]);
    run("metrics --map text.npy --input cat.png").failed(1, &["text.npy", "not an .npy"]);
    let unpaired = run("metrics --map small.npy --input cat.png dog.png");
    unpaired.failed(2, &["map = 1", "as many as inputs, 2"]);
    let out_of_range = run("metrics --map small.npy --input cat.png --percentages 0,50");
    out_of_range.failed(2, &["percentages"]);
    fs::create_dir(place.path("empty")).unwrap();
    run("metrics --map empty --input cat.png").failed(1, &["empty", "npy"]);
}

#[test]
fn axioms_make_a_table_of_methods() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = format!("axioms cat.png --methods ig,random-map {QUICK} --markdown axioms.md");
    let text = place.run_model(&line).ok().stdout;
    assert!(text.lines().next().unwrap().contains("null-player"), "{text}");
    let markdown = fs::read_to_string(place.path("axioms.md")).unwrap();
    assert!(markdown.starts_with("| method | completeness |"), "{markdown}");
    assert_eq!(markdown.lines().count(), 4);
    let json = place.run_model(&format!("{line} --json")).ok().json();
    let of = |method: usize, axiom: &str| {
        json["methods"][method]["axioms"][axiom]["violation"].as_f64().unwrap()
    };
    assert_eq!(json["methods"][0]["method"], "ig");
    assert!(of(0, "null-player") < 1e-6 && of(1, "null-player") > 1e-3);
    assert!(of(0, "linearity") < 1e-3 && (of(1, "linearity") - 0.5).abs() < 1e-6);
    assert!(of(0, "symmetry") < 1e-3 && of(1, "symmetry") > 0.1);
    let ig = &json["methods"][0]["axioms"];
    assert!(ig["monotonicity"]["not_measured"].is_string());
}

#[test]
fn what_a_metric_needs_is_asked_for_by_name() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    place.file("map.npy", npy(&(0..4096).map(|i| i as f32).collect::<Vec<f32>>(), "(64, 64)"));
    let mask =
        image::RgbImage::from_fn(64, 64, |_, y| image::Rgb([if y >= 48 { 9 } else { 0 }; 3]));
    mask.save(place.path("mask.png")).unwrap();
    let run = |line: &str| place.run_model(line);
    let alone = run("metrics --map map.npy --input cat.png --metrics max-sensitivity");
    alone.failed(2, &["metrics = max-sensitivity", "hsets compare"]);
    run("compare cat.png --methods ig --metrics mask --out out").failed(2, &["--mask"]);
    let line = "metrics --map map.npy --input cat.png --metrics mask --json";
    let found = run(&format!("{line} --mask mask.png")).ok().json();
    let reading = |name: &str| found["metrics"]["readings"][name].as_f64().unwrap();
    // The last quarter of the pixels is the mask, and the most relevant.
    assert_eq!((reading("mask-precision"), reading("mask-precision-of-chance")), (1.0, 0.25));
    assert!(reading("mask-earth-mover") > reading("mask-earth-mover-of-uniform"));
    fs::create_dir(place.path("masks")).unwrap();
    run(&format!("{line} --mask masks")).failed(1, &["masks/cat.png", "missing"]);
    let black = image::RgbImage::new(64, 64);
    black.save(place.path("masks/cat.png")).unwrap();
    run(&format!("{line} --mask masks")).failed(1, &["masks/cat.png", "any colour but black"]);
}

#[test]
fn weights_are_drawn_anew_and_pictures_disturbed() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = "compare cat.png --methods gradient,segments-by-centre --segmenter grid:4 --out out \
                --metrics mprt,emprt,stability --states 2 --json";
    let record = place.run_model(line).ok().json();
    let reading = |method: usize, name: &str| {
        record["methods"][method]["metrics"]["readings"][name].as_f64().unwrap()
    };
    assert!(reading(0, "mprt-last") < 0.5 && reading(0, "stability-jpeg-correlation") > 0.3);
    assert_eq!((reading(1, "mprt-average"), reading(1, "emprt")), (1.0, 0.0));
    let curve = &record["methods"][0]["metrics"]["curves"]["mprt"];
    assert_eq!(curve["percentages"].as_array().unwrap().len(), 2);
}

#[test]
fn effects_of_pairs_are_measured_in_other_contexts() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = "compare cat.png --methods pair-effects,ig --steps 4 --segmenter grid:4 --out out \
                --metrics interaction-faithfulness,interaction-curves --json";
    let record = place.run_model(line).ok().json();
    // In the order of all methods.
    let (ig, pairs) = (0, 1);
    let reading =
        |method: usize, name: &str| record["methods"][method]["metrics"]["readings"][name].as_f64();
    let faithful = reading(pairs, "interaction-faithfulness").unwrap();
    assert!((-1.0..=1.0).contains(&faithful));
    assert!(reading(pairs, "interaction-ceiling").unwrap() >= 0.0);
    assert!(reading(pairs, "second-order-area").is_some());
    // Integrated Gradients know no pairs.
    assert_eq!(reading(ig, "interaction-faithfulness"), None);
    let note = record["methods"][ig]["metrics"]["notes"][0].as_str().unwrap().to_owned();
    assert!(note.contains("effects of pairs"), "{note}");
}

#[test]
fn games_of_few_segments_are_played_in_full() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let line = "game cat.png --segmenter grid:2x3 --players 4 --out games --json";
    let game = place.run_model(line).ok().json();
    assert_eq!(game["n_segments"], 4);
    let number = |name: &str| game[name].as_f64().unwrap();
    let values = game["shapley_values"].as_array().unwrap().iter();
    let total: f64 = values.map(|value| value.as_f64().unwrap()).sum();
    let expected = number("value_of_all") - number("value_of_none");
    assert!((total - expected).abs() < 1e-6, "{total} {expected}");
    let rows = game["estimators"].as_array().unwrap();
    let exact = rows.iter().find(|row| row["of"] == "Banzhaf interactions at 1").unwrap();
    assert!(exact["relative_error"].as_f64().unwrap() < 1e-3, "{exact}");
    assert_eq!(place.names("games/cat"), ["game.json", "game.safetensors"]);
    let text = place.run_model("game cat.png --segmenter grid:2x2").ok().stdout;
    assert!(text.contains("16 coalitions") && text.contains("IDG-Vis dividends"), "{text}");
    let many = place.run_model("game cat.png --segmenter grid:5 --players 20");
    many.failed(2, &["segments = 20", "at most 16"]);
}
