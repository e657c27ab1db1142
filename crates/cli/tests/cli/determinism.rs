//! The same result for any number of threads, bit for bit.

use std::fs;

use crate::support::{Place, QUICK};

#[test]
fn threads_do_not_change_a_bit() {
    let place = Place::new();
    place.picture("cat.png", 90, 64);
    let explain = |threads: usize| {
        let out = format!("out{threads}");
        let line =
            format!("explain cat.png --threads {threads} --seed 3 --quiet --out {out} {QUICK}");
        place.run_model(&line).ok();
        let read = |name: &str| fs::read(place.path(&out).join("cat").join(name)).unwrap();
        let mut record: serde_json::Value =
            serde_json::from_slice(&read("explanation.json")).unwrap();
        record["cost"]["timings"].take();
        (read("maps.safetensors"), read("figure.png"), record)
    };
    let one = explain(1);
    assert_eq!(one, explain(2));
    assert_eq!(one, explain(4));
}

#[test]
fn the_seed_decides_what_is_random() {
    let place = Place::new();
    place.picture("cat.png", 64, 64);
    let scores = |seed: u64| {
        let line = format!("explain cat.png --seed {seed} --json --out out {QUICK}");
        let record = place.run_model(&line).ok().json();
        let scores = record["sets"].as_array().unwrap().iter();
        scores.map(|set| set["standard_error"].as_f64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(scores(1), scores(1));
    assert_ne!(scores(1), scores(2));
}
