//! What acts together: the contract of `--method contrasts`, and `hsets contrast`.

use std::fs;

use image::{GrayImage, Luma};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::support::Place;

/// Few contexts and copies: seconds, not truth.
const QUICK: &str = "--contexts 6 --copies 1 --pairs 2 --coalitions 8 --segmenter grid:4";

fn explained(place: &Place, more: &str) -> Value {
    place.picture("cat.png", 64, 64);
    let line = format!("explain cat.png --method contrasts --out out --json {QUICK} {more}");
    place.run_model(line.trim_end()).ok().json()
}

#[test]
fn the_record_says_what_acts_together() {
    let place = Place::new();
    let record = explained(&place, "--seed 3");
    let found = record["interactions"].as_array().unwrap();
    assert_eq!(found.len(), 2);
    let is_claimed = found.iter().any(|pair| pair["claim"].as_bool().unwrap());
    assert_eq!(record["verdict"], if is_claimed { "interaction" } else { "none found" });
    assert_eq!(record["target"]["kind"], "log-odds");
    for pair in found {
        let number = |name: &str| pair[name].as_f64().unwrap();
        let of = |name: &str| pair["contrast"][name].as_f64().unwrap();
        let effect = of("both") - of("without_first") - of("without_second") + of("without_both");
        assert!((effect - number("effect")).abs() < 1e-6);
        assert!(number("standard_error") > 0.0 && number("scale") > 0.0);
        assert!((0.0..=1.0).contains(&number("p_value")));
        assert_eq!(pair["sign"], if effect >= 0.0 { "synergy" } else { "redundancy" });
        let regions = pair["regions"].as_array().unwrap();
        assert_eq!(regions.len(), 2);
        assert!(regions.iter().all(|region| region["n_pixels"] == 82));
        assert!(regions[0]["centre"][1].is_number() && regions[0]["segment"].is_number());
    }
    let beside = found[0]["references"].as_array().unwrap();
    let names: Vec<&str> = beside.iter().map(|other| other["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["blur", "zero", "rolled"]);
    assert!(beside.iter().all(|other| other["effect"].is_number()));
    assert_eq!(record["ranking"].as_array().unwrap().len(), 16);
    let settings = &record["settings"]["contrasts"];
    assert_eq!(settings["regions"]["seed"], 3);
    assert_eq!(settings["references"][0], "ring");
    assert_eq!(settings["regions"]["proposals"]["noise"], 0.02);

    let bytes = fs::read(place.path("out/cat/maps.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| {
        let tensor = file.tensor(name).unwrap();
        (tensor.dtype(), tensor.shape().to_vec())
    };
    assert_eq!(shape("regions"), (Dtype::U8, vec![2, 2, 64, 64]));
    assert_eq!(shape("pair_effects"), (Dtype::F32, vec![16, 16]));
    let (_, groups) = shape("group_regions");
    assert_eq!(groups[1..], [3, 64, 64]);
}

/// Whoever doubts an explanation takes its regions away, and sees the same numbers.
#[test]
fn regions_of_an_explanation_have_its_numbers() {
    let place = Place::new();
    let record = explained(&place, "--seed 5");
    let line = format!("contrast cat.png --regions out/cat/maps.safetensors --seed 5 {QUICK}");
    let again = place.run_model(&format!("{line} --json")).ok().json();
    assert_eq!(again["interactions"], record["interactions"]);
    assert_eq!(again["verdict"], record["verdict"]);
    let said = place.run_model(&line).ok().stdout;
    for words in ["log-odds", "removed pixels show ring", "with both", "if they only added up"] {
        assert!(said.contains(words), "'{words}' is not in: {said}");
    }
}

#[test]
fn a_drawn_region_is_its_polygon() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let label = |x: u32, y: u32| match (x, y) {
        (10..20, 8..24) => 90,
        (40..56, 30..44) => 200,
        _ => 0,
    };
    let labels = GrayImage::from_fn(64, 64, |x, y| Luma([label(x, y)]));
    labels.save(place.path("labels.png")).unwrap();
    let drawn = place.run_model(&format!("contrast cat.png --regions labels.png --json {QUICK}"));
    let drawn = drawn.ok().json();
    let model = ["--model", "resnet20", "--weights"].map(String::from);
    let first = "10,8 20,8 20,24 10,24";
    let second = "40,30 56,30 56,44 40,44";
    let typed = ["contrast", "cat.png", "--polygon", first, "--polygon", second, "--json"];
    let arguments = typed.into_iter().map(String::from).chain(QUICK.split(' ').map(String::from));
    let weights = crate::support::weights().display().to_string();
    let outlined = place.run(arguments.chain(model).chain([weights])).ok().json();
    assert_eq!(outlined["interactions"], drawn["interactions"]);
    assert_eq!(drawn["interactions"][0]["regions"][0]["n_pixels"], 160);
}

#[test]
fn what_is_no_pair_of_regions_is_refused() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let of = |more: &str| place.run_model(&format!("contrast cat.png {more}"));
    place.run_model("contrast cat.png").failed_usage("--regions");
    of("--polygon 1,2").failed_usage("three corners");
    let two = GrayImage::from_fn(64, 64, |x, _| Luma([u8::from(x > 30)]));
    two.save(place.path("two.png")).unwrap();
    of("--regions two.png").failed(1, &["two.png", "2 different values, not 3"]);
    of("--regions none.png").failed(2, &["regions = none.png"]);
    place.file("maps.safetensors", "hello");
    of("--regions maps.safetensors").failed(1, &["maps.safetensors", "not a safetensors file"]);
    let labels = GrayImage::from_fn(64, 64, |x, _| Luma([(x / 30) as u8]));
    labels.save(place.path("labels.png")).unwrap();
    let references = of("--regions labels.png --references ring,fog");
    references.failed(2, &["references = fog", "imputed"]);
    let contexts = of("--regions labels.png --contexts 1");
    contexts.failed(2, &["contexts = 1", "at least 2"]);
    let whole = of("--regions labels.png --segmenter none");
    whole.failed(2, &["segments = 1", "choose another segmenter"]);
}

#[test]
fn every_method_by_removal_has_a_map_and_a_control() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let methods = "contrasts,pair-effects,banzhaf,interaction-map,moved-contrasts,shuffled-banzhaf";
    let line =
        format!("compare cat.png --methods {methods} --metrics gini --json --out out {QUICK}");
    let record = place.run_model(&line).ok().json();
    let found = record["methods"].as_array().unwrap();
    assert_eq!(found.len(), 6);
    assert!(found.iter().all(|method| method["error"].is_null()), "{record}");
    // Regions are proposed once, single segments removed once.
    let moved = found.iter().find(|method| method["method"] == "moved-contrasts").unwrap();
    assert_eq!(moved["alone"]["n_gradients"], moved["reused"]["n_gradients"]);
    assert!(moved["reused"]["n_forwards"].as_u64().unwrap() >= 17);
}
