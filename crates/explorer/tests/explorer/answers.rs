//! What is answered, against what the stages say.

use hsets_explorer::{Options, Region};
use hsets_pipeline::{
    Explainer, Method, Settings, Subject,
    core::{Silent, Target, softmax},
    detection::HessianSets,
    normalisation,
    segmentation::Grid,
};
use serde_json::{Value, json};

use crate::support::{Running, SIDE, options, png, scene};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn floats(value: &Value) -> Vec<f32> {
    let text = value.as_str().unwrap();
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits = text.trim_end_matches('=').bytes().map(digit);
    let mut bytes = Vec::new();
    let (mut word, mut n) = (0u32, 0);
    for six in bits {
        word = word << 6 | u32::from(six);
        n += 6;
        if n >= 8 {
            n -= 8;
            bytes.push((word >> n) as u8);
            word &= (1 << n) - 1;
        }
    }
    bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

/// The pixels of a part of the scene.
fn hand(part: usize) -> Region {
    Region::new(scene().parts[part].mask.pixels())
}

fn without(regions: &[Region], reference: &str) -> Value {
    json!({ "kind": "without", "regions": regions, "reference": reference, "segments": grid() })
}

fn grid() -> Value {
    json!({ "by": "grid:8x8" })
}

#[test]
fn the_network_says_the_same_as_without_a_server() {
    let server = Running::start();
    let (id, name) = server.pictures()[0].clone();
    assert_eq!(name, "first duel");
    let said = server.answer(&id, &json!({ "kind": "predict" }))["said"].clone();
    let classifier = options().classifier;
    let image = classifier.preprocessing().prepare(&scene().photo).unwrap().image;
    let logits = classifier.field().logits(&[image]).unwrap().remove(0);
    let wide: Vec<f64> = logits.iter().map(|z| f64::from(*z)).collect();
    for class in said["top"].as_array().unwrap() {
        let index = class["index"].as_u64().unwrap() as usize;
        assert_eq!(number(&class["logit"]) as f32, logits[index]);
        assert!((number(&class["probability"]) - softmax(&wide)[index]).abs() < 1e-12);
    }
}

#[test]
fn partners_are_products_with_the_hessian() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let ask = json!({ "kind": "partners", "region": hand(0), "segments": grid() });
    let answer = server.answer(&id, &ask);
    let map = floats(&answer["map"]);

    let classifier = options().classifier;
    let image = classifier.preprocessing().prepare(&scene().photo).unwrap().image;
    let logits = classifier.field().logits(std::slice::from_ref(&image)).unwrap().remove(0);
    let target = Target::Top.fixed(&logits);
    let smoothing = HessianSets::paper().smoothing;
    let curvature = classifier.field().curvature_at(&image, &target, smoothing).unwrap();
    // Row by row: Σ_a d_a H_ap d_p, the baseline being 0.
    let features: Vec<usize> = hand(0).features(image.shape()).iter().collect();
    let rows = curvature.rows(&features).unwrap();
    let mut expected = vec![0.0f64; SIDE * SIDE];
    for (row, &a) in rows.iter().zip(&features) {
        for (p, (h, d)) in row.iter().zip(image.data()).enumerate() {
            expected[p % (SIDE * SIDE)] +=
                f64::from(image.data()[a]) * f64::from(*h) * f64::from(*d);
        }
    }
    hand(0).pixels().for_each(|pixel| expected[pixel] = 0.0);
    let largest = expected.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    assert!(largest > 0.0);
    // f32 sums in another order.
    for (found, expected) in map.iter().zip(&expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-4 * largest, "{found} for {expected}");
    }
    // A partner's number is the sum of the map over its pixels, the strongest first.
    let partners = answer["partners"].as_array().unwrap();
    let sizes: Vec<f64> = partners.iter().map(|one| number(&one["value"]).abs()).collect();
    assert!(sizes.len() > 1 && sizes.is_sorted_by(|a, b| a >= b), "{sizes:?}");
    for one in partners {
        let region: Region = one["region"].as_str().unwrap().parse().unwrap();
        let sum: f64 = region.pixels().map(|pixel| f64::from(map[pixel])).sum();
        assert!((sum - number(&one["value"])).abs() < 1e-5 * largest.max(1.0));
    }
}

#[test]
fn a_region_taken_away_and_put_back_leaves_what_was() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let both: Region = Region::union(&[hand(0), hand(1)]);
    let references = ["ring", "imputed", "blur", "rolled", "zero", "mean", "black", "white"];
    for reference in references {
        let ask = |regions: &[Region]| server.answer(&id, &without(regions, reference));
        let pair = ask(&[hand(0), hand(1)]);
        let single = ask(std::slice::from_ref(&both));
        assert_eq!(pair["together"], single["together"], "{reference}");
        assert_eq!(pair["alone"][0], ask(&[hand(0)])["together"], "{reference}");
        assert_eq!(pair["whole"], server.answer(&id, &json!({ "kind": "predict" }))["said"]);
        assert_ne!(pair["whole"], pair["together"], "{reference}");
    }
    let answer = server.answer(&id, &without(&[hand(0)], "black"));
    // The log-odds belong to the probability.
    let (value, p) =
        (number(&answer["together"]["value"]), number(&answer["together"]["probability"]));
    assert!((value - (p / (1.0 - p)).ln()).abs() < 1e-6, "{value} for {p}");
}

#[test]
fn contrasts_are_those_of_explain() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let question = |kind: &str| json!({ "kind": kind, "region": hand(0), "segments": grid() });
    let glance = server.answer(&id, &question("glance"));
    let answer = server.answer(&id, &question("contrasts"));
    assert_eq!(answer["reference"], "ring");
    for map in [&glance["map"], &answer["map"]] {
        let map = floats(map);
        assert!(hand(0).pixels().all(|pixel| map[pixel] == 0.0));
        assert!(map.iter().any(|value| *value != 0.0));
    }

    let Options { classifier, settings, .. } = options();
    let prepared = classifier.preprocessing().prepare(&scene().photo).unwrap();
    let normalisation = normalisation(classifier.preprocessing());
    let subject =
        Subject { image: &prepared.image, photo: &prepared.photo, normalisation: &normalisation };
    let grid = Grid { rows: 8, columns: 8 };
    let explainer = Explainer::new(classifier.field(), &subject, &grid, &Silent).unwrap();
    let mut settings = Settings { method: Method::Contrasts, ..settings };
    settings.contrasts.references.truncate(1);
    let shape = prepared.image.shape();
    let mask = |region: &Region| region.mask(shape).unwrap();
    assert_eq!(
        floats(&answer["map"]),
        explainer.partners(&settings, &mask(&hand(0)), &Silent).unwrap()
    );
    let partners = answer["partners"].as_array().unwrap();
    let region = |one: &Value| one["region"].as_str().unwrap().parse::<Region>().unwrap();
    let pairs: Vec<_> = partners.iter().map(|one| [mask(&hand(0)), mask(&region(one))]).collect();
    let measured = explainer.contrast(&settings, &pairs, &Silent).unwrap();
    assert!(partners.len() > 1);
    for (pair, one) in pairs.iter().zip(partners) {
        let expected = measured.iter().find(|found| found.regions == *pair).unwrap();
        // Numbers lose their last bit on the way through JSON.
        let effect = expected.contrast.effect;
        assert!((number(&one["value"]) - effect.mean).abs() < 1e-12);
        assert!((number(&one["interval"][0]) - effect.interval()[0]).abs() < 1e-12);
        assert_eq!(one["claim"], expected.claim);
    }
}

#[test]
fn growth_is_that_of_explain_row_by_row() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let mut sizes = Vec::new();
    for rows in [1, 2, 3, 32] {
        let ask = json!({ "kind": "grow", "x": 20, "y": 30, "rows": rows, "segments": grid() });
        let grown = server.answer(&id, &ask);
        assert!(grown["n_rows"].as_u64().unwrap() <= rows);
        sizes.push(grown["n_features"].as_u64().unwrap());
        let region: Region = grown["region"].as_str().unwrap().parse().unwrap();
        assert!(region.pixels().any(|pixel| pixel == 30 * SIDE + 20), "the seed is a member");
    }
    assert!(sizes.is_sorted() && sizes[3] <= 400, "{sizes:?}");
}

#[test]
fn layers_and_segments_are_those_of_the_stages() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let edits = json!({ "by": "grid:8x8", "edits": [hand(0)] });
    let plain = server.answer(&id, &json!({ "kind": "segments", "segments": grid() }));
    let edited = server.answer(&id, &json!({ "kind": "segments", "segments": edits }));
    assert_eq!(plain["n"], 64);
    let n = edited["n"].as_u64().unwrap();
    assert!(n <= 65 && n > 50, "one more, less those that are covered: {n}");
    let layer = json!({ "kind": "layer", "method": "gradient", "segments": grid() });
    let map = floats(&server.answer(&id, &layer)["map"]);
    assert_eq!(map.len(), SIDE * SIDE);
    let sets = json!({ "kind": "layer", "method": "hsets", "segments": grid() });
    assert_eq!(server.answer(&id, &sets)["sets"].as_array().unwrap().len(), 5);
}

#[test]
fn why_this_and_not_that() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let target = json!({ "class": 0, "against": 2 });
    let told = server.ask(&id, &target, &json!({ "kind": "predict" }));
    let said = &told["answer"]["said"];
    let logit = |index: u64| {
        let top = said["top"].as_array().unwrap();
        number(&top.iter().find(|class| class["index"] == index).unwrap()["logit"])
    };
    assert!((number(&said["value"]) - (logit(0) - logit(2))).abs() < 1e-5);
}

#[test]
fn nonsense_gets_one_line_that_says_what_is_wrong() {
    let server = Running::start();
    let id = server.pictures()[0].0.clone();
    let wrong = [
        (json!({ "kind": "layer", "method": "magic", "segments": grid() }), "method = magic"),
        (json!({ "kind": "segments", "segments": { "by": "slic" } }), "grid:8x8, quickshift"),
        (without(&[Region::new([64 * 64])], "blur"), "64x64"),
        (without(&[Region::default()], "blur"), "64x64"),
        (without(&[], "blur"), "regions = 0"),
        (without(&[hand(0)], "green"), "one of ring"),
        (json!({ "kind": "grow", "x": 64, "y": 0, "rows": 1, "segments": grid() }), "seed-pixel"),
        (json!({ "kind": "grow", "x": 0, "y": 0, "rows": 0, "segments": grid() }), "max-rows"),
    ];
    for (ask, part) in wrong {
        let told = server.ask(&id, &Value::Null, &ask);
        let error = told["error"].as_str().unwrap_or_else(|| panic!("{ask}: {told}"));
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    }
    let told = server.ask(&id, &json!({ "class": 9 }), &json!({ "kind": "predict" }));
    assert!(told["error"].as_str().unwrap().contains("below 3"), "{told}");
    let told = server.ask(&id, &Value::Null, &json!({ "kind": "paint" }));
    assert!(told["error"].as_str().unwrap().starts_with("not a question"), "{told}");
    let told = server.ask("nowhere", &Value::Null, &json!({ "kind": "predict" }));
    assert!(told["error"].as_str().unwrap().contains("not here"), "{told}");
}

#[test]
fn a_picture_that_is_dropped_in_is_one_of_them() {
    let server = Running::start();
    let reply = server.upload("my%20duel.png", &png(&scene()));
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(reply.json()["name"], "my duel.png");
    assert_eq!(server.pictures().len(), 3);
    // The same picture again is the same.
    assert_eq!(server.upload("other.png", &png(&scene())).json()["id"], id.as_str());
    let drawn = server.answer(&server.pictures()[0].0, &json!({ "kind": "predict" }));
    assert_eq!(server.answer(&id, &json!({ "kind": "predict" })), drawn);
    for (bytes, part) in [(&b"no picture"[..], "not an image"), (&png(&scene())[..60], "damaged")] {
        let reply = server.upload("x.png", bytes);
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(reply.text().contains(part), "{}", reply.text());
    }
    assert_eq!(server.pictures().len(), 3);
}
