//! The weights of a network, under canonical names, whoever wrote their file.

mod naming;
mod transformers;

use std::collections::BTreeMap;
use std::path::Path;

use candle_core::Tensor;
use hsets_autodiff::Weights;
use hsets_weights::{Digest, TensorFile};
use rayon::prelude::*;

pub use naming::Naming;
pub(crate) use naming::{Listed, Tensors, canonical, listed};

use crate::Architecture;
use crate::error::{Error, Result};
use crate::recognise::{Match, matching};

/// The content of a weight file, under canonical names (those of torchvision, and of akamaster's
/// repository for the CIFAR networks).
#[derive(Debug, Clone)]
pub struct WeightFile {
    /// The floating-point tensors of the network, in the width they have in the file.
    pub weights: Weights,
    /// The architecture that they are all the tensors of, if it is known.
    pub architecture: Option<Architecture>,
    /// The naming the file follows.
    pub naming: Naming,
    /// `__metadata__` of a safetensors file, as it is.
    pub metadata: BTreeMap<String, String>,
    /// SHA-256 of the file; of all shards one after another, if it is sharded.
    pub digest: Digest,
    /// What people should know of how it was read.
    pub notes: Vec<String>,
}

impl WeightFile {
    /// Reads a `.safetensors` file, the `.index.json` of a sharded one, or a `PyTorch` checkpoint.
    ///
    /// The content decides, not the extension. Nothing in a checkpoint is executed, and no size
    /// that a header claims is believed before it is checked against the file.
    pub fn read(path: &Path) -> Result<Self> {
        Self::choose(TensorFile::read(path)?, None)
    }

    /// The network's tensors among all that a file holds: of the architecture that is `wanted`, or
    /// of any. Where none fits, what looks most like a state dict.
    pub(crate) fn choose(file: TensorFile, wanted: Option<Architecture>) -> Result<Self> {
        let mut notes = Vec::new();
        let found = file.state_dict(|dict| matching(dict, wanted));
        let (dict, architecture, (tensors, naming), head) = if let Some((dict, found)) = found {
            let Match { architecture, naming, tensors, head, others } = found;
            let twin = || architecture.tensorflow_twin(naming).filter(|_| wanted.is_none());
            if let Some(other) = others.first().map(|other| other.name()).or_else(twin) {
                notes.push(format!(
                    "{}: taken for {architecture}, of the same tensors as {other}; --model \
                     {other} if it is that",
                    file.path().display()
                ));
            }
            (dict, Some(architecture), (tensors, naming), head)
        } else {
            let dict = file.largest_dict();
            let canonical = canonical(listed(&dict));
            let canonical = canonical.map_err(|problem| Error::file(file.path(), problem))?;
            (dict, None, canonical, None)
        };
        let outside: Vec<&str> = dict.outside().map(|(name, _)| name).collect();
        let used: Vec<&str> = tensors.values().flat_map(Listed::sources).collect();
        let left_out: Vec<&str> = outside.into_iter().filter(|name| !used.contains(name)).collect();
        if !left_out.is_empty() {
            let (n, more) = (left_out.len(), if left_out.len() > 3 { ", …" } else { "" });
            let names = left_out.into_iter().take(3).collect::<Vec<_>>().join(", ");
            notes.push(format!(
                "{}: left out what is not the network's, {n} tensors ({names}{more})",
                file.path().display()
            ));
        }
        if let Some(head) = head {
            notes.push(format!("{}: the last layer is {head}", file.path().display()));
        }
        let read = |(name, listed): (&String, &Listed)| -> Result<(String, Tensor)> {
            let parts: Vec<Tensor> =
                listed.sources().map(|name| file.tensor(name)).collect::<Result<_, _>>()?;
            let joined =
                if parts.len() == 1 { Ok(parts[0].clone()) } else { Tensor::cat(&parts, 0) };
            let mut tensor = joined.map_err(|error| Error::file(file.path(), error.to_string()))?;
            if tensor.dims() != listed.dims() {
                let shaped = tensor.reshape(listed.dims());
                tensor = shaped.map_err(|error| Error::file(file.path(), error.to_string()))?;
            }
            Ok((name.clone(), tensor))
        };
        let weights = Weights::new(tensors.par_iter().map(read).collect::<Result<Vec<_>>>()?);
        let metadata = file.metadata().clone();
        let digest = file.into_digest();
        Ok(Self { weights, architecture, naming, metadata, digest, notes })
    }
}
