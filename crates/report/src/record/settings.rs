//! The settings in full, under the names of their fields.

use hsets_core::FeatureSet;
use hsets_pipeline::{Method, Settings, attribution::Baseline};
use serde_json::{Value, json};

use super::Provenance;

/// What an explanation was asked for: the settings that its method reads, and where segments and
/// baseline come from.
pub(super) fn settings_record(settings: &Settings, from: &Provenance<'_>) -> Value {
    // The baseline goes by its name, below: of an image that is shorter than its pixels.
    let mut record =
        json!(Settings { baseline: Baseline::Zero, given_sets: Vec::new(), ..settings.clone() });
    let own = settings.method.own_settings();
    let others = Method::ALL.iter().flat_map(|method| method.own_settings());
    for field in others.filter(|field| !own.contains(field)) {
        record.as_object_mut().map(|fields| fields.remove(*field));
    }
    // So do images that removed pixels show.
    let references = record.pointer_mut("/contrasts/references").and_then(Value::as_array_mut);
    for reference in references.into_iter().flatten() {
        if reference.get("image").is_some() {
            *reference = json!("image");
        }
    }
    // The members of sets that were made by hand are among the tensors.
    record["given_sets"] = settings.given_sets.iter().map(FeatureSet::len).collect();
    if settings.given_sets.is_empty() {
        record.as_object_mut().map(|fields| fields.remove("given_sets"));
    }
    record["baseline"] = json!(from.baseline);
    record["preset"] = json!(from.preset);
    record["segmenter"] = json!(from.segmenter.to_string());
    record["segmentation"] = json!(from.segmenter);
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ModelRecord;
    use hsets_pipeline::segmentation::{Grid, SegmenterChoice};

    fn record(settings: &Settings) -> Value {
        let model = ModelRecord {
            name: "m".into(),
            weights: "w".into(),
            weights_sha256: String::new(),
            mean: [0.0; 3],
            std: [1.0; 3],
            resize: 8,
            crop: [8; 2],
            interpolation: "bilinear".into(),
            exif: "obey".into(),
            padding: "torch".into(),
        };
        let from = Provenance {
            input: "cat.png",
            model: &model,
            label: &|_| String::new(),
            segmenter: &SegmenterChoice::Grid(Grid::moxi()),
            baseline: "black",
            preset: "paper",
            software: "hsets",
        };
        settings_record(settings, &from)
    }

    #[test]
    fn a_record_has_what_its_method_reads_and_no_other_methods_settings() {
        let names = |method| {
            let record = record(&Settings { method, ..Settings::paper() });
            let fields = record.as_object().unwrap().keys();
            fields.cloned().collect::<Vec<_>>().join(" ")
        };
        let shared =
            "attribution baseline coverage detection method preset segmentation segmenter target";
        assert_eq!(names(Method::HSets), shared);
        assert_eq!(names(Method::Ig), shared.replace("method", "ig method"));
        assert_eq!(names(Method::SegmentsByIg), {
            shared.replace("coverage", "controls coverage").replace("method", "ig method")
        });
        for method in Method::ALL {
            let all = json!(Settings::paper());
            assert!(method.own_settings().iter().all(|own| all.get(own).is_some()), "{method}");
            assert_eq!(json!(method), json!(method.name()));
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_typed() {
        let record = record(&Settings::paper());
        assert_eq!(record["detection"]["mu"].to_string(), "0.5");
        assert_eq!(record["detection"]["smoothing"], json!({ "kind": "sqrt", "tau": 0.001 }));
        assert_eq!(
            (&record["detection"]["nu"], &record["baseline"]),
            (&json!(2000), &json!("black"))
        );
        assert_eq!(record["segmentation"], json!({ "kind": "grid", "rows": 10, "columns": 10 }));
    }
}
