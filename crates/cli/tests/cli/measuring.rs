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
    let line = format!("compare cat.png --segmenter none --out out {QUICK} {SHORT} --json");
    let record = place.run_model(&line).ok().json();
    assert_eq!(place.names("out"), ["cat"]);
    let files = ["compare.csv", "compare.html", "compare.json", "compare.png", "maps.safetensors"];
    assert_eq!(place.names("out/cat"), files);
    let methods = record["methods"].as_array().unwrap();
    assert_eq!(methods.len(), 17);
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
    assert_eq!(csv.lines().count(), 18);
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
