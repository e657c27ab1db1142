//! What weights say about themselves: the metadata of a safetensors file, or the `config.json`
//! that timm puts beside it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::architecture::PaddingMode;
use crate::error::{Error, Result};
use crate::preprocessing::Preprocessing;
use crate::resample::Interpolation;

/// Everything a weight file may state; what it does not state stays `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct ModelConfig {
    pub(crate) architecture: Option<String>,
    pub(crate) labels: Option<Vec<String>>,
    mean: Option<[f32; 3]>,
    std: Option<[f32; 3]>,
    input_size: Option<[usize; 2]>,
    interpolation: Option<Interpolation>,
    crop_fraction: Option<f64>,
    pub(crate) padding: Option<PaddingMode>,
    pub(crate) batch_norm_eps: Option<f64>,
}

impl ModelConfig {
    /// From `__metadata__`: `architecture`, `interpolation` and `padding` as they are, `labels`,
    /// `mean`, `std`, `input_size`, `crop_pct` and `batch_norm_eps` as JSON.
    pub(crate) fn from_metadata(metadata: &BTreeMap<String, String>) -> Result<Self, String> {
        const PLAIN: [&str; 3] = ["architecture", "interpolation", "padding"];
        let mut object = serde_json::Map::new();
        for (key, text) in metadata {
            let value = if PLAIN.contains(&key.as_str()) {
                Value::String(text.clone())
            } else {
                serde_json::from_str(text).unwrap_or(Value::Null)
            };
            object.insert(key.clone(), value);
        }
        Self::from_json(&Value::Object(object))
            .map_err(|problem| format!("__metadata__: {problem}"))
    }

    /// The `config.json` in the folder of a weight file, if there is one.
    pub(crate) fn beside(weights: &Path) -> Result<Self> {
        let path = weights.with_file_name("config.json");
        let Ok(text) = std::fs::read_to_string(&path) else { return Ok(Self::default()) };
        let config = serde_json::from_str(&text).map_err(|error| error.to_string());
        let config = config.and_then(|json: Value| {
            let mut config = Self::from_json(&json)?;
            if json["pretrained_cfg"].is_object() {
                config = Self::from_json(&json["pretrained_cfg"])?.or(config);
            }
            Ok(config)
        });
        config.map_err(|problem| Error::file(&path, problem))
    }

    fn from_json(json: &Value) -> Result<Self, String> {
        let text = |key: &str| json[key].as_str().map(str::to_owned);
        let names = json["labels"].as_array().or_else(|| json["label_names"].as_array());
        let labels = names.map(|names| {
            let names = names.iter().map(|name| name.as_str().map(str::to_owned));
            names.collect::<Option<Vec<String>>>().ok_or("labels: expected an array of names")
        });
        let interpolation = text("interpolation").map(|name| name.parse());
        Ok(Self {
            architecture: text("architecture"),
            labels: labels.transpose()?,
            mean: triple(json, "mean")?,
            std: triple(json, "std")?,
            input_size: input_size(json)?,
            // Filters this program does not have (lanczos) fall back to the default.
            interpolation: interpolation.and_then(Result::ok),
            crop_fraction: json["crop_pct"].as_f64().filter(|f| *f > 0.0 && *f <= 1.0),
            padding: text("padding").and_then(|name| name.parse().ok()),
            batch_norm_eps: json["batch_norm_eps"].as_f64().filter(|eps| *eps >= 0.0),
        })
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
            padding: self.padding.or(other.padding),
            batch_norm_eps: self.batch_norm_eps.or(other.batch_norm_eps),
        }
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
            ..preprocessing
        }
    }
}

fn numbers(json: &Value, key: &str) -> Result<Option<Vec<f64>>, String> {
    let Some(items) = json.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    let items = items.as_array().and_then(|items| items.iter().map(Value::as_f64).collect());
    items.map(Some).ok_or_else(|| format!("{key}: expected an array of numbers"))
}

fn triple(json: &Value, key: &str) -> Result<Option<[f32; 3]>, String> {
    let Some(values) = numbers(json, key)? else { return Ok(None) };
    let triple: Result<[f64; 3], _> = values.try_into();
    triple.map(|t| Some(t.map(|v| v as f32))).map_err(|_| format!("{key}: expected three numbers"))
}

/// \[H, W\], or timm's \[C, H, W\].
fn input_size(json: &Value) -> Result<Option<[usize; 2]>, String> {
    match numbers(json, "input_size")?.as_deref() {
        None => Ok(None),
        Some(&[height, width] | &[_, height, width]) => Ok(Some([height as usize, width as usize])),
        Some(_) => Err("input_size: expected [H, W]".into()),
    }
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
        let config = ModelConfig::from_metadata(&metadata).unwrap();
        assert_eq!(config.architecture.as_deref(), Some("resnet20"));
        assert_eq!(config.labels.as_deref(), Some(&["cat".to_owned(), "dog".to_owned()][..]));
        let preprocessing = config.apply(Preprocessing::IMAGENET);
        assert_eq!((preprocessing.resize, preprocessing.crop), (48, [48, 48]));
        assert_eq!(preprocessing.mean, [0.5; 3]);
        assert_eq!(preprocessing.std, Preprocessing::IMAGENET.std);
        assert_eq!(preprocessing.interpolation, Interpolation::Bicubic);
    }

    #[test]
    fn broken_metadata_is_named() {
        let metadata = [("mean".to_owned(), "[0.5]".to_owned())].into();
        let error = ModelConfig::from_metadata(&metadata).unwrap_err();
        assert!(error.contains("mean: expected three numbers"), "{error}");
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
}
