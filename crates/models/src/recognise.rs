//! Which architecture a set of tensors belongs to.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use candle_core::Tensor;
use hsets_autodiff::{Graph, Weights};
use hsets_core::Shape;
use hsets_weights::StateDict;

use crate::architecture::{Architecture, GraphOptions};
use crate::weights::{Listed, Naming, Tensors, canonical, listed};

/// No architecture has more tensors.
const MAX_TENSORS: usize = 5000;

/// Tensors that are all those of an architecture.
#[derive(Debug)]
pub(crate) struct Match {
    pub(crate) architecture: Architecture,
    pub(crate) naming: Naming,
    /// Under canonical names.
    pub(crate) tensors: Tensors,
    /// The name in the file of the last layer, where it is not the architecture's.
    pub(crate) head: Option<String>,
    /// Architectures of the same tensors, which only a name tells apart.
    pub(crate) others: Vec<Architecture>,
}

/// Number of classes: the rows of the last layer.
pub(crate) fn classes(architecture: Architecture, weights: &Weights) -> Option<usize> {
    let last = weights.get(&format!("{}.weight", architecture.classifier_name()))?;
    last.dims().first().copied().filter(|&n| n > 0)
}

/// Output channels of every convolution and fully connected layer: a width of its own needs no name
/// of its own.
pub(crate) fn channels(weights: &Weights) -> BTreeMap<String, usize> {
    widths(weights.iter().map(|(name, tensor)| (name, tensor.dims())))
}

fn widths<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize])>) -> BTreeMap<String, usize> {
    let layer = |(name, dims): (&str, &[usize])| {
        let name = name.strip_suffix(".weight")?;
        let (&[channels, _, _, _] | &[channels, _]) = dims else { return None };
        (channels > 0).then(|| (name.to_owned(), channels))
    };
    tensors.filter_map(layer).collect()
}

/// The architecture all of whose tensors a state dict holds, in shapes that fit together: the one
/// that is `wanted`, or the first of all, those of the published widths before wider and narrower
/// ones. The last layer may have another name and lie elsewhere in the file.
pub(crate) fn matching(dict: &StateDict<'_>, wanted: Option<Architecture>) -> Option<Match> {
    if dict.iter().len() > MAX_TENSORS {
        return None;
    }
    let (tensors, naming) = canonical(listed(dict)).ok()?;
    let candidates: Vec<Architecture> = names()
        .iter()
        .filter(|(architecture, _)| wanted.is_none_or(|wanted| wanted == *architecture))
        .filter(|(_, body)| body.iter().all(|name| tensors.contains_key(name)))
        .map(|(architecture, _)| *architecture)
        .collect();
    let own = widths(tensors.iter().map(|(name, tensor)| (name.as_str(), tensor.dims())));
    [BTreeMap::new(), own].into_iter().find_map(|channels| {
        let fitting = candidates.iter().filter_map(|&architecture| {
            let (tensors, head) = fit(architecture, &channels, &tensors, dict)?;
            Some((architecture, tensors, head))
        });
        let mut fitting: Vec<_> = fitting.collect();
        // Position embeddings tell a size; published networks of that size come before the others.
        let dims = |name: &str| Some(tensors.get(name)?.dims());
        let is_of_size = |architecture: Architecture| {
            let size = architecture.trained_size(dims);
            size.is_none_or(|size| size == architecture.preprocessing().crop)
        };
        if fitting.iter().any(|&(architecture, ..)| is_of_size(architecture)) {
            fitting.retain(|&(architecture, ..)| is_of_size(architecture));
        }
        let mut fitting = fitting.into_iter();
        let (architecture, tensors, head) = fitting.next()?;
        let architecture = architecture.named_by(naming);
        // As published a network is one of a kind; of other widths it may be several, of which those
        // that pad otherwise give other numbers.
        let is_told =
            |other: Architecture| channels.is_empty() || other.padding() != architecture.padding();
        let others = fitting.map(|(other, ..)| other);
        let others = others.filter(|&other| other != architecture && is_told(other)).collect();
        Some(Match { architecture, naming, tensors, head, others })
    })
}

/// Every architecture with the names of its parameters but those of the last layer.
fn names() -> &'static [(Architecture, Vec<String>)] {
    static NAMES: OnceLock<Vec<(Architecture, Vec<String>)>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let body = |architecture: Architecture| {
            let graph = graph(architecture, 1, BTreeMap::new(), None)?;
            let last = format!("{}.", architecture.classifier_name());
            let names = graph.parameters().iter().map(|parameter| parameter.name.clone());
            Some((architecture, names.filter(|name| !name.starts_with(&last)).collect()))
        };
        Architecture::all().filter_map(body).collect()
    })
}

/// The tensors of exactly this architecture, with the name of its last layer if it is another's.
fn fit(
    architecture: Architecture,
    channels: &BTreeMap<String, usize>,
    tensors: &Tensors,
    dict: &StateDict<'_>,
) -> Option<(Tensors, Option<String>)> {
    let last = architecture.classifier_name();
    let own = tensors.get(&format!("{last}.weight"));
    let n_classes = own.map_or(Some(1), |tensor| tensor.dims().first().copied())?;
    let size = architecture.trained_size(|name| Some(tensors.get(name)?.dims()));
    let graph = graph(architecture, n_classes, channels.clone(), size)?;
    let mut left = tensors.clone();
    let mut found = Tensors::new();
    let mut n_features = 0;
    for parameter in graph.parameters() {
        if own.is_none() && parameter.name.starts_with(&format!("{last}.")) {
            n_features = parameter.shape.last().copied().unwrap_or(n_features).max(n_features);
            continue;
        }
        let (name, tensor) = left.remove_entry(&parameter.name)?;
        if tensor.dims() != parameter.shape {
            return None;
        }
        found.insert(name, tensor);
    }
    if own.is_some() {
        return left.is_empty().then_some((found, None));
    }
    // The only fully connected layer on the features that is left, wherever it lies.
    let inside = left.into_values();
    let n_inside = inside.len();
    let outside = dict.outside().map(|(name, dims)| Listed::new(name, dims));
    let rest: Vec<Listed> = inside.chain(outside).collect();
    let is_weight = |tensor: &&Listed| {
        let is_head = matches!(tensor.dims(), [n, features] if *n > 0 && *features == n_features);
        is_head && tensor.full.ends_with(".weight")
    };
    let mut weights = rest.iter().filter(is_weight);
    let (Some(weight), None) = (weights.next(), weights.next()) else { return None };
    let head = weight.full.strip_suffix(".weight")?;
    let bias = rest.iter().find(|tensor| tensor.full == format!("{head}.bias"))?;
    if bias.dims() != &weight.dims()[..1] {
        return None;
    }
    // What is neither the network's nor elsewhere makes it another network.
    let of_head = |tensor: &Listed| tensor == weight || tensor == bias;
    if !rest[..n_inside].iter().all(of_head) {
        return None;
    }
    found.insert(format!("{last}.weight"), weight.clone());
    found.insert(format!("{last}.bias"), bias.clone());
    Some((found, Some(head.to_owned())))
}

/// Fails with everything that is wrong with the weights, and says whose they look like instead.
pub(crate) fn fits(
    architecture: Architecture,
    graph: &Graph,
    weights: &Weights,
    looks_like: Option<Architecture>,
) -> Result<(), String> {
    let Err(error) = weights.check(graph) else { return Ok(()) };
    if let Some(other) = looks_like.filter(|&other| other != architecture) {
        return Err(format!("this file looks like a {other}, not a {architecture}; {error}"));
    }
    Err(error.to_string())
}

/// The first tensors with their shapes, for people who wonder what is in a file.
pub(crate) fn contents(weights: &Weights) -> String {
    const N_SHOWN: usize = 6;
    let described = |(name, tensor): (&str, &Tensor)| {
        let name: String = name.chars().take(60).collect();
        format!("{name} {:?}", tensor.dims())
    };
    let n = weights.iter().count();
    let shown: Vec<String> = weights.iter().take(N_SHOWN).map(described).collect();
    let more = if n > N_SHOWN { ", …" } else { "" };
    format!("{n} tensors: {}{more}", shown.join(", "))
}

/// The graph of these widths. Of most only shapes of parameters matter, so that any image will do;
/// position embeddings are of a certain size.
fn graph(
    architecture: Architecture,
    n_classes: usize,
    channels: BTreeMap<String, usize>,
    trained_size: Option<[usize; 2]>,
) -> Option<Graph> {
    let shape = match (architecture, trained_size) {
        (_, Some([height, width])) => Shape::new(3, height, width),
        (Architecture::Vit(_), None) => architecture.preprocessing().shape(),
        _ => Shape::new(3, 32, 32),
    };
    let options = GraphOptions { channels, ..GraphOptions::new(shape, n_classes) };
    architecture.graph(&options).ok()
}
