//! The trained network as a weight file that says everything about itself.

use std::collections::BTreeMap;

use hsets_autodiff::Graph;
use hsets_models::{Classifier, PaddingMode};
use serde_json::json;

use crate::encode::{Tensor, encode};

/// What a weight file says beside its weights.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description(BTreeMap<String, String>);

impl Description {
    /// What a classifier of this kind, with these names of classes, must be loaded with.
    pub fn new(classifier: &Classifier, labels: &[String]) -> Self {
        let preprocessing = classifier.preprocessing();
        let crop = preprocessing.crop;
        let fraction = crop[0].max(crop[1]) as f64 / preprocessing.resize as f64;
        let interpolation = preprocessing.interpolation.name();
        let padding = match classifier.padding() {
            Some(PaddingMode::Torch) | None => "torch",
            Some(PaddingMode::Same) => "same",
        };
        let eps = classifier.batch_norm_eps().unwrap_or(1e-5);
        Self::default()
            .with("architecture", classifier.name())
            .with("labels", json!(labels).to_string())
            .with("mean", json!(preprocessing.mean).to_string())
            .with("std", json!(preprocessing.std).to_string())
            .with("input_size", json!(crop).to_string())
            .with("crop_pct", fraction.to_string())
            .with("interpolation", interpolation)
            .with("exif", preprocessing.exif.name())
            .with("padding", padding)
            .with("batch_norm_eps", eps.to_string())
    }

    /// With one more string.
    #[must_use]
    pub fn with(mut self, key: &str, text: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), text.into());
        self
    }
}

/// The bytes of a weight file: the parameters of the graph, with only the first `n_classes` rows of
/// its last layer, the rest of which was an aid.
pub fn model_file(
    graph: &Graph,
    values: &[Vec<f32>],
    n_classes: usize,
    description: &Description,
) -> Vec<u8> {
    let last = &graph.nodes()[graph.output().index()].name;
    let of_last = [format!("{last}.weight"), format!("{last}.bias")];
    let shapes: Vec<Vec<usize>> = graph
        .parameters()
        .iter()
        .map(|parameter| {
            let mut shape = parameter.shape.clone();
            if of_last.contains(&parameter.name) {
                shape[0] = n_classes;
            }
            shape
        })
        .collect();
    let tensors: Vec<Tensor<'_>> = graph
        .parameters()
        .iter()
        .zip(&shapes)
        .zip(values)
        .map(|((parameter, shape), values)| {
            let len = shape.iter().product();
            (parameter.name.clone(), shape.as_slice(), &values[..len])
        })
        .collect();
    encode(&tensors, &description.0)
}
