//! What weights say about themselves: the metadata of a safetensors file, or the `config.json`
//! that timm and Hugging Face put beside it.
//!
//! What is not understood is left aside with a note, since other programs write such files too; but
//! an architecture that is named counts, and one that this program does not have is refused.

use std::collections::BTreeMap;
use std::path::Path;

use hsets_core::Link;
use serde_json::Value;

use crate::architecture::PaddingMode;
use crate::error::{Error, Result};
use crate::input::{Exif, read_whole};
use crate::labels::Labels;
use crate::preprocessing::Preprocessing;
use crate::resample::Interpolation;

/// Everything a weight file may state; what it does not state stays `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelConfig {
    pub(crate) architecture: Option<String>,
    pub(crate) labels: Option<Labels>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    input_size: Option<[usize; 2]>,
    interpolation: Option<Interpolation>,
    crop_fraction: Option<f64>,
    exif: Option<Exif>,
    pub(crate) padding: Option<PaddingMode>,
    pub(crate) batch_norm_eps: Option<f64>,
    pub(crate) probabilities: Option<Link>,
    /// What was left aside, for people.
    pub(crate) notes: Vec<String>,
}

/// What is built otherwise than the architecture by default, and how it would have to be: the keys
/// of Hugging Face's and timm's configurations that change the network, not its tensors.
const DEFAULTS: [(&str, &[&str]); 6] = [
    ("hidden_act", &["relu"]),
    ("downsample_in_first_stage", &["false"]),
    ("downsample_in_bottleneck", &["false"]),
    ("global_pool", &["avg", "fast", ""]),
    ("output_stride", &["32"]),
    ("in_chans", &["3"]),
];

impl ModelConfig {
    /// From `__metadata__`: `architecture`, `interpolation`, `exif`, `padding` and `probabilities` as they
    /// are, `labels`, `mean`, `std`, `input_size`, `crop_pct` and `batch_norm_eps` as JSON.
    pub(crate) fn from_metadata(metadata: &BTreeMap<String, String>) -> Self {
        let json = |text: &String| match serde_json::from_str(text) {
            Ok(value @ (Value::Array(_) | Value::Object(_) | Value::Number(_))) => value,
            _ => Value::String(text.clone()),
        };
        let object = metadata.iter().map(|(key, text)| (key.clone(), json(text))).collect();
        let mut config = Self::from_json(&Value::Object(object));
        config.notes.iter_mut().for_each(|note| *note = format!("the metadata's {note}"));
        config
    }

    /// The `config.json` and `preprocessor_config.json` in the folder of a weight file, where they are
    /// there and JSON.
    pub(crate) fn beside(weights: &Path) -> Result<Self> {
        let read = |name: &str, parse: fn(&Value) -> Result<Self, String>| -> Result<Self> {
            let path = weights.with_file_name(name);
            let Ok(bytes) = read_whole(&path) else { return Ok(Self::default()) };
            let Ok(json) = serde_json::from_slice::<Value>(&bytes) else {
                let notes = vec![format!("{}: not JSON, left aside", path.display())];
                return Ok(Self { notes, ..Self::default() });
            };
            let mut config = parse(&json).map_err(|problem| Error::file(&path, problem))?;
            config.notes.iter_mut().for_each(|note| *note = format!("{}: {note}", path.display()));
            Ok(config)
        };
        let config = read("config.json", |json| {
            let outer = [json, &json["model_args"]];
            if let Some(problem) = outer.into_iter().find_map(unlike_default) {
                return Err(problem);
            }
            let config = Self::from_json(json);
            if json["pretrained_cfg"].is_object() {
                return Ok(Self::from_json(&json["pretrained_cfg"]).or(config));
            }
            Ok(config)
        })?;
        Ok(config.or(read("preprocessor_config.json", |json| Ok(Self::from_preprocessor(json)))?))
    }

    /// As Hugging Face's image processors write themselves.
    fn from_preprocessor(json: &Value) -> Self {
        let mut notes = Vec::new();
        let number = |value: &Value| value.as_u64().map(|side| side as usize);
        let shortest = number(&json["size"]["shortest_edge"]);
        let sides = |key: &str| {
            let side = |side: &str| number(&json[key][side]);
            let pair = || Some([side("height")?, side("width")?]);
            pair().or_else(|| number(&json[key]).map(|side| [side; 2]))
        };
        let crop = sides("crop_size").filter(|_| json["do_center_crop"] != Value::Bool(false));
        let size = sides("size");
        let input_size = crop.or(size).or(shortest.map(|side| [side; 2]));
        let resized = shortest.or(size.map(|[height, width]| height.min(width)));
        let crop_fraction = json["crop_pct"].as_f64().or_else(|| {
            let [height, width] = input_size?;
            Some(height.max(width) as f64 / resized? as f64)
        });
        Self {
            mean: understood(json, "image_mean", triple, &mut notes),
            std: understood(json, "image_std", triple, &mut notes),
            input_size,
            // The numbers are PIL's.
            interpolation: match json["resample"].as_u64() {
                Some(2) => Some(Interpolation::Bilinear),
                Some(3) => Some(Interpolation::Bicubic),
                _ => None,
            },
            crop_fraction: crop_fraction.filter(|f| *f > 0.0 && *f <= 1.0),
            notes,
            ..Self::default()
        }
    }

    fn from_json(json: &Value) -> Self {
        let mut notes = Vec::new();
        let names = ["labels", "label_names", "id2label"].into_iter().map(|key| &json[key]);
        let labels = names.filter(|names| !names.is_null()).find_map(|names| {
            let labels = Labels::from_json(names);
            labels.map_err(|problem| notes.push(format!("labels left aside: {problem}"))).ok()
        });
        let mean = understood(json, "mean", triple, &mut notes);
        let std = understood(json, "std", triple, &mut notes);
        let input_size = understood(json, "input_size", size, &mut notes);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let parsed = |value: &Value| value.as_str()?.parse().ok();
        let fraction = |value: &Value| value.as_f64().filter(|f| *f > 0.0 && *f <= 1.0);
        Self {
            architecture: text(&json["architecture"]).or_else(|| hugging_face_name(json)),
            labels,
            mean,
            std,
            input_size,
            interpolation: understood(json, "interpolation", parsed, &mut notes),
            crop_fraction: understood(json, "crop_pct", fraction, &mut notes),
            exif: understood(json, "exif", |v| v.as_str()?.parse().ok(), &mut notes),
            padding: understood(json, "padding", |v| v.as_str()?.parse().ok(), &mut notes),
            probabilities: probabilities(json, &mut notes),
            batch_norm_eps: json["batch_norm_eps"].as_f64().filter(|eps| *eps >= 0.0),
            notes,
        }
    }

    /// What `self` states, and what `other` states beyond it.
    #[must_use]
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            architecture: self.architecture.or(other.architecture),
            labels: self.labels.or(other.labels),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
            input_size: self.input_size.or(other.input_size),
            interpolation: self.interpolation.or(other.interpolation),
            crop_fraction: self.crop_fraction.or(other.crop_fraction),
            exif: self.exif.or(other.exif),
            padding: self.padding.or(other.padding),
            batch_norm_eps: self.batch_norm_eps.or(other.batch_norm_eps),
            probabilities: self.probabilities.or(other.probabilities),
            notes: [self.notes, other.notes].concat(),
        }
    }

    /// Whether it says how large pictures are.
    #[cfg(feature = "onnx")]
    pub(crate) fn states_size(&self) -> bool {
        self.input_size.is_some()
    }

    /// Whether it says how pixels are normalised.
    #[cfg(feature = "onnx")]
    pub(crate) fn states_normalisation(&self) -> bool {
        self.mean.is_some() && self.std.is_some()
    }

    /// The preprocessing with what is stated here in place of the default.
    pub(crate) fn apply(&self, mut preprocessing: Preprocessing) -> Preprocessing {
        if let Some(size) = self.input_size {
            preprocessing = preprocessing.with_input_size(size);
        }
        if let Some(fraction) = self.crop_fraction {
            preprocessing = preprocessing.with_crop_fraction(fraction);
        }
        Preprocessing {
            mean: self.mean.unwrap_or(preprocessing.mean),
            std: self.std.unwrap_or(preprocessing.std),
            interpolation: self.interpolation.unwrap_or(preprocessing.interpolation),
            exif: self.exif.unwrap_or(preprocessing.exif),
            ..preprocessing
        }
    }
}

/// The value of a key, if it is there and means something here.
fn understood<T>(
    json: &Value,
    key: &str,
    read: impl Fn(&Value) -> Option<T>,
    notes: &mut Vec<String>,
) -> Option<T> {
    let value = json.get(key).filter(|value| !value.is_null())?;
    let read = read(value);
    if read.is_none() {
        notes.push(format!("'{key}' left aside: {} is not understood", short(value)));
    }
    read
}

fn short(value: &Value) -> String {
    let text: String = value.to_string().chars().take(40).collect();
    text.escape_debug().to_string().replace("\\\"", "\"")
}

fn triple(value: &Value) -> Option<[f32; 3]> {
    let numbers: Option<Vec<f32>> =
        value.as_array()?.iter().map(|v| v.as_f64().map(|v| v as f32)).collect();
    numbers?.try_into().ok()
}

/// \[H, W\], or timm's \[C, H, W\].
fn size(value: &Value) -> Option<[usize; 2]> {
    let sides: Option<Vec<usize>> =
        value.as_array()?.iter().map(|v| v.as_u64().map(|v| v as usize)).collect();
    match *sides?.as_slice() {
        [height, width] | [_, height, width] => Some([height, width]),
        _ => None,
    }
}

/// What a configuration builds otherwise than this program would, in the same tensors.
fn unlike_default(json: &Value) -> Option<String> {
    let name = json["architecture"].as_str().or(json["model_type"].as_str()).unwrap_or_default();
    let is_vit = ["vit", "deit", "dinov2"].iter().any(|kind| name.starts_with(kind));
    let differs = |(key, allowed): &(&str, &[&str])| {
        let allowed: &[&str] = match *key {
            "hidden_act" if is_vit || name == "convnext" => &["gelu"],
            "global_pool" if is_vit => &["token", ""],
            _ => allowed,
        };
        let value = json.get(*key).filter(|value| !value.is_null())?;
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let problem = format!("it says {key} = {}: only {} is there", short(value), allowed[0]);
        (!allowed.contains(&text.as_str())).then_some(problem)
    };
    DEFAULTS.iter().find_map(differs)
}

/// By our own metadata, or the `problem_type` of Hugging Face's configurations.
fn probabilities(json: &Value, notes: &mut Vec<String>) -> Option<Link> {
    let stated = understood(json, "probabilities", |v| v.as_str()?.parse().ok(), notes);
    stated.or(match json["problem_type"].as_str() {
        Some("multi_label_classification") => Some(Link::Sigmoid),
        Some("single_label_classification") => Some(Link::Softmax),
        _ => None,
    })
}

/// The kind of network of Hugging Face's `transformers`; those that are here are told by their
/// tensors.
fn hugging_face_name(json: &Value) -> Option<String> {
    const TOLD_BY_TENSORS: [&str; 5] = ["resnet", "convnext", "vit", "deit", "dinov2"];
    let kind = json["model_type"].as_str()?;
    (!TOLD_BY_TENSORS.contains(&kind)).then(|| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let metadata = [
            ("architecture", "resnet20"),
            ("labels", r#"["cat", "dog"]"#),
            ("mean", "[0.5, 0.5, 0.5]"),
            ("input_size", "[48, 48]"),
            ("crop_pct", "1.0"),
            ("interpolation", "bicubic"),
            ("format", "pt"),
        ];
        let metadata = metadata.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let config = ModelConfig::from_metadata(&metadata);
        assert_eq!(config.architecture.as_deref(), Some("resnet20"));
        assert_eq!(config.labels, Some(Labels::new(["cat", "dog"])));
        assert!(config.notes.is_empty(), "{:?}", config.notes);
        let preprocessing = config.apply(Preprocessing::IMAGENET);
        assert_eq!((preprocessing.resize, preprocessing.crop), (48, [48, 48]));
        assert_eq!(preprocessing.mean, [0.5; 3]);
        assert_eq!(preprocessing.std, Preprocessing::IMAGENET.std);
        assert_eq!(preprocessing.interpolation, Interpolation::Bicubic);
    }

    #[test]
    fn what_is_not_understood_is_left_aside_with_a_note() {
        let metadata = [("mean".to_owned(), "[0.5]".to_owned())].into();
        let config = ModelConfig::from_metadata(&metadata);
        assert_eq!(config.mean, None);
        assert_eq!(config.notes, ["the metadata's 'mean' left aside: [0.5] is not understood"]);

        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        for (json, n_notes) in [
            (r#"{"input_size": 224}"#, 1),
            (r#"{"mean": 0.5, "std": "x", "labels": 3}"#, 3),
            (r#"{"batch": 32, "lr": 0.1}"#, 0),
            ("[1, 2]", 0),
            ("{", 1),
        ] {
            std::fs::write(folder.path().join("config.json"), json).unwrap();
            let config = ModelConfig::beside(&weights).unwrap();
            assert_eq!(config.notes.len(), n_notes, "{json}: {:?}", config.notes);
            assert_eq!(ModelConfig { notes: Vec::new(), ..config }, ModelConfig::default());
        }
    }

    #[test]
    fn what_builds_another_network_of_the_same_tensors_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let weights = folder.path().join("model.safetensors");
        for (json, part) in [
            (r#"{"model_type": "resnet", "downsample_in_bottleneck": true}"#, "downsample"),
            (r#"{"architecture": "resnet50", "global_pool": "catavgmax"}"#, "global_pool"),
            (r#"{"architecture": "resnet50", "model_args": {"output_stride": 16}}"#, "stride"),
        ] {
            std::fs::write(folder.path().join("config.json"), json).unwrap();
            let error = ModelConfig::beside(&weights).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn timm_config_is_found_beside_the_weights() {
        let folder = tempfile::tempdir().unwrap();
        let config = r#"{"architecture": "mobilenetv3_large_100", "num_classes": 1000,
            "pretrained_cfg": {"input_size": [3, 224, 224], "crop_pct": 0.875,
            "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}}"#;
        std::fs::write(folder.path().join("config.json"), config).unwrap();
        let config = ModelConfig::beside(&folder.path().join("model.safetensors")).unwrap();
        let preprocessing = config.apply(Preprocessing::IMAGENET);
        assert_eq!(preprocessing.resize, 256);
        assert_eq!(preprocessing.std, [0.5; 3]);
        assert_eq!(preprocessing.interpolation, Interpolation::Bicubic);
    }

    #[test]
    fn files_of_hugging_face_are_understood() {
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "config.json",
            r#"{"model_type": "vit", "hidden_act": "gelu", "id2label": {"1": "dog", "0": "cat"}}"#,
        );
        write(
            "preprocessor_config.json",
            r#"{"size": {"shortest_edge": 256}, "crop_size": {"height": 224, "width": 224},
                "resample": 3, "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}"#,
        );
        let config = ModelConfig::beside(&folder.path().join("model.safetensors")).unwrap();
        assert_eq!(config.labels, Some(Labels::new(["cat", "dog"])));
        assert_eq!(config.architecture, None);
        let preprocessing = config.apply(Preprocessing::IMAGENET);
        assert_eq!((preprocessing.resize, preprocessing.crop), (256, [224; 2]));
        assert_eq!((preprocessing.mean, preprocessing.std), ([0.5; 3], [0.5; 3]));
        write("preprocessor_config.json", r#"{"size": {"height": 384, "width": 384}}"#);
        let config = ModelConfig::beside(&folder.path().join("model.safetensors")).unwrap();
        let preprocessing = config.apply(Preprocessing::IMAGENET);
        assert_eq!((preprocessing.resize, preprocessing.crop), (384, [384; 2]));
    }
}
