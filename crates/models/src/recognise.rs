//! Which architecture a set of tensors belongs to.

use std::collections::BTreeMap;

use candle_core::Tensor;
use hsets_autodiff::{Graph, Weights};
use hsets_core::Shape;

use crate::architecture::{Architecture, GraphOptions};

/// Number of classes: the rows of the last layer.
pub(crate) fn classes(architecture: Architecture, weights: &Weights) -> Option<usize> {
    let last = weights.get(&format!("{}.weight", architecture.classifier_name()))?;
    last.dims().first().copied().filter(|&n| n > 0)
}

/// Width of the hidden layers of a VGG.
pub(crate) fn hidden_features(architecture: Architecture, weights: &Weights) -> Option<usize> {
    let is_vgg = matches!(architecture, Architecture::Vgg(_));
    let hidden = weights.get("classifier.0.weight").filter(|_| is_vgg)?;
    hidden.dims().first().copied().filter(|&n| n > 0)
}

/// Output channels of every convolution: a width of its own needs no name of its own.
pub(crate) fn channels(weights: &Weights) -> BTreeMap<String, usize> {
    let convolution = |(name, tensor): (&str, &Tensor)| {
        let name = name.strip_suffix(".weight")?;
        let &[channels, _, _, _] = tensor.dims() else { return None };
        (channels > 0).then(|| (name.to_owned(), channels))
    };
    weights.iter().filter_map(convolution).collect()
}

/// The architecture all of whose tensors are there in shapes that fit together: one of these widths,
/// or one that has other widths.
pub(crate) fn recognise(weights: &Weights) -> Option<Architecture> {
    let fits = |architecture: Architecture, channels: &BTreeMap<String, usize>| {
        let graph = graph(architecture, weights, channels);
        graph.is_some_and(|graph| weights.check(&graph).is_ok())
    };
    let as_published = BTreeMap::new();
    let own = channels(weights);
    Architecture::all()
        .find(|&architecture| fits(architecture, &as_published))
        .or_else(|| Architecture::all().find(|&architecture| fits(architecture, &own)))
}

/// Fails with everything that is wrong with the weights, and says whose they look like instead.
pub(crate) fn fits(
    architecture: Architecture,
    graph: &Graph,
    weights: &Weights,
) -> Result<(), String> {
    let Err(error) = weights.check(graph) else { return Ok(()) };
    if let Some(other) = recognise(weights).filter(|&other| other != architecture) {
        return Err(format!("this file looks like a {other}, not a {architecture}; {error}"));
    }
    Err(error.to_string())
}

/// The graph these weights would need; only shapes of parameters matter, so any image will do.
fn graph(
    architecture: Architecture,
    weights: &Weights,
    channels: &BTreeMap<String, usize>,
) -> Option<Graph> {
    let options = GraphOptions {
        hidden_features: hidden_features(architecture, weights),
        channels: channels.clone(),
        ..GraphOptions::new(Shape::new(3, 32, 32), classes(architecture, weights)?)
    };
    architecture.graph(&options).ok()
}
