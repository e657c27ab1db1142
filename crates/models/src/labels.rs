//! Names of the classes.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::read_whole;
use crate::nearest::nearest;

/// The 1000 classes of ImageNet, one a line, as torchvision names them.
const IMAGENET: &str = include_str!("imagenet_labels.txt");

/// One name per class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels(Vec<String>);

impl Labels {
    /// Takes the names in the order of the classes.
    pub fn new(names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The 1000 classes of ImageNet.
    pub fn imagenet() -> Self {
        Self::new(IMAGENET.lines())
    }

    /// Names for classes that nobody named: ImageNet's if there are 1000, else "class 0", ….
    pub fn default_for(n_classes: usize) -> Self {
        if n_classes == 1000 {
            return Self::imagenet();
        }
        Self::new((0..n_classes).map(|class| format!("class {class}")))
    }

    /// Reads text with one name a line, or JSON: an array of names, an object from index to name, or
    /// one with such an object as `id2label`. For a name may stand an array that ends in it, as in
    /// Keras' `{"0": ["n01440764", "tench"]}`.
    pub fn read(path: &Path) -> Result<Self> {
        let text = String::from_utf8(read_whole(path)?)
            .map_err(|_| Error::file(path, "is no text in UTF-8: save it as that"))?;
        Self::parse(&text).map_err(|problem| Error::file(path, problem))
    }

    /// As [`Labels::read`], from the file's content.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        // Windows' editors put a byte order mark in front.
        let trimmed = text.trim_start_matches('\u{feff}').trim();
        if trimmed.is_empty() {
            return Err("holds no labels".into());
        }
        if !trimmed.starts_with(['[', '{']) {
            return Ok(Self::new(trimmed.lines().map(str::trim)));
        }
        let value: Value = serde_json::from_str(trimmed).map_err(|error| error.to_string())?;
        Self::from_json(&value)
    }

    /// As [`Labels::read`], from JSON.
    pub(crate) fn from_json(value: &Value) -> Result<Self, String> {
        let expected = "expected an array of names, or an object from index to name";
        let names: Option<Vec<&str>> = match value {
            Value::Array(items) => items.iter().map(name).collect(),
            Value::Object(entries) if entries.get("id2label").is_some_and(Value::is_object) => {
                return Self::from_json(&entries["id2label"]);
            }
            Value::Object(entries) => {
                let mut names = vec![None; entries.len()];
                for (key, value) in entries {
                    let slot = key.parse().ok().and_then(|index: usize| names.get_mut(index));
                    let last = entries.len() - 1;
                    let slot =
                        slot.ok_or_else(|| format!("index '{key}' is not one of 0 to {last}"))?;
                    *slot = name(value);
                }
                names.into_iter().collect()
            }
            _ => None,
        };
        // A name is a line, as it is in a text file.
        let line = |name: &str| name.lines().map(str::trim).collect::<Vec<_>>().join(" ");
        let names = names.ok_or(expected)?;
        Ok(Self::new(names.into_iter().map(line)))
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True without any class.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name of a class; empty if there is no such class.
    pub fn name(&self, class: usize) -> &str {
        self.0.get(class).map_or("", String::as_str)
    }

    /// All names in the order of the classes.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The class of this index or name. Case does not matter, and one synonym of a name with
    /// commas ("tench, Tinca tinca") is enough.
    pub fn find(&self, text: &str) -> Result<usize> {
        let text = text.trim();
        if let Ok(class) = text.parse::<usize>() {
            let n_classes = self.len();
            return if class < n_classes {
                Ok(class)
            } else {
                Err(Error::UnknownLabel(format!(
                    "class {class}: there are only {n_classes}, from 0"
                )))
            };
        }
        let wanted = text.to_lowercase();
        let matches = |name: &str| {
            let name = name.to_lowercase();
            name == wanted || name.split(',').any(|synonym| synonym.trim() == wanted)
        };
        let found: Vec<usize> = (0..self.len()).filter(|&class| matches(&self.0[class])).collect();
        match *found {
            [class] => Ok(class),
            [] => Err(self.unknown(text)),
            _ => {
                let listed: Vec<String> = found.iter().map(ToString::to_string).collect();
                let listed = listed.join(", ");
                Err(Error::UnknownLabel(format!(
                    "'{text}' names the classes {listed}: give one of these numbers"
                )))
            }
        }
    }

    fn unknown(&self, text: &str) -> Error {
        let near = nearest(text, self.names());
        let hint = if near.is_empty() {
            "give its index, or a name from the label file".into()
        } else {
            format!("did you mean '{}'?", near.join("' or '"))
        };
        Error::UnknownLabel(format!("no class is called '{text}': {hint}"))
    }
}

/// A name, or the last of several for one class.
fn name(value: &Value) -> Option<&str> {
    value.as_str().or_else(|| value.as_array()?.last()?.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lines() {
        let labels = Labels::parse(r#"["night\n  heron", "hen"]"#).unwrap();
        assert_eq!(labels.names().collect::<Vec<_>>(), ["night heron", "hen"]);
    }

    #[test]
    fn imagenet_is_complete() {
        let labels = Labels::imagenet();
        assert_eq!(labels.len(), 1000);
        assert_eq!(labels.name(0), "tench");
        assert_eq!(labels.name(1), "goldfish");
        assert_eq!(labels.name(999), "toilet tissue");
        assert!(labels.names().all(|name| !name.is_empty()));
    }

    #[test]
    fn found_by_index_name_or_synonym() {
        let labels = Labels::new(["tench, Tinca tinca", "goldfish"]);
        assert_eq!(labels.find("1").unwrap(), 1);
        assert_eq!(labels.find("Goldfish").unwrap(), 1);
        assert_eq!(labels.find("tinca TINCA").unwrap(), 0);
        assert!(labels.find("2").unwrap_err().to_string().contains("only 2"));
        let error = labels.find("goldfsh").unwrap_err().to_string();
        assert!(error.contains("did you mean 'goldfish'"), "{error}");
    }

    #[test]
    fn a_name_of_two_classes_asks_for_the_index() {
        let labels = Labels::new(["crane", "hen", "crane, lifting machine"]);
        let error = labels.find("crane").unwrap_err().to_string();
        assert!(error.contains("0, 2"), "{error}");
    }

    #[test]
    fn all_forms_of_files() {
        let expected = Labels::new(["a", "b"]);
        for text in [
            "a\nb\n",
            r#"["a", "b"]"#,
            r#"{"1": "b", "0": "a"}"#,
            "a\r\nb",
            "\u{feff}a\r\nb\r\n",
            "\u{feff}[\"a\", \"b\"]",
            r#"{"0": ["n01440764", "a"], "1": ["n01443537", "b"]}"#,
            r#"{"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 0, "b": 1}}"#,
        ] {
            assert_eq!(Labels::parse(text).unwrap(), expected, "{text}");
        }
        for text in ["", "[1, 2]", r#"{"0": "a", "7": "b"}"#, "{", r#"{"a": "b"}"#] {
            assert!(Labels::parse(text).is_err(), "{text}");
        }
    }
}
