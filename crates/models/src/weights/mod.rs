//! Weight files: `.safetensors` (one file or sharded) and `PyTorch` checkpoints, whatever naming
//! they follow.

mod checkpoint;
mod elements;
mod naming;
mod pickle;
mod safetensors;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hsets_autodiff::Weights;
use sha2::{Digest, Sha256};

pub use naming::Naming;

use crate::error::{Error, Result};

/// The content of a weight file, under canonical names (those of torchvision, and of akamaster's
/// repository for the CIFAR networks).
#[derive(Debug, Clone)]
pub struct WeightFile {
    /// The floating-point tensors; halves widened to `f32`, `f64` kept.
    pub weights: Weights,
    /// The naming the file follows.
    pub naming: Naming,
    /// `__metadata__` of a safetensors file, as it is.
    pub metadata: BTreeMap<String, String>,
    /// SHA-256 of the file in hexadecimal; of all shards one after another, if it is sharded.
    pub sha256: String,
}

impl WeightFile {
    /// Reads a `.safetensors` file, the `.index.json` of a sharded one, or a `PyTorch` checkpoint.
    ///
    /// The content decides, not the extension. Nothing in a checkpoint is executed, and no size
    /// that a header claims is believed before it is checked against the file.
    pub fn read(path: &Path) -> Result<Self> {
        let mut content = Content::default();
        for file in files(path)? {
            let bytes = std::fs::read(&file).map_err(|error| Error::io(&file, error))?;
            content.add(&file, &bytes)?;
        }
        content.finish(path)
    }

    /// As [`WeightFile::read`], from the bytes of one file; `name` stands for it in errors.
    pub fn from_bytes(name: &Path, bytes: &[u8]) -> Result<Self> {
        let mut content = Content::default();
        content.add(name, bytes)?;
        content.finish(name)
    }
}

/// What was read so far.
#[derive(Default)]
struct Content {
    hash: Sha256,
    tensors: BTreeMap<String, candle_core::Tensor>,
    metadata: BTreeMap<String, String>,
}

impl Content {
    fn add(&mut self, file: &Path, bytes: &[u8]) -> Result<()> {
        let (parsed, ()) = rayon::join(|| parse(bytes), || self.hash.update(bytes));
        let (tensors, strings) = parsed.map_err(|problem| Error::file(file, problem))?;
        self.tensors.extend(tensors);
        self.metadata.extend(strings);
        Ok(())
    }

    fn finish(self, path: &Path) -> Result<WeightFile> {
        let Self { hash, tensors, metadata } = self;
        let sha256 = hexadecimal(&hash.finalize());
        let (tensors, naming) =
            naming::canonical(tensors).map_err(|problem| Error::file(path, problem))?;
        if tensors.is_empty() {
            return Err(Error::file(path, "holds no floating-point tensors"));
        }
        Ok(WeightFile { weights: Weights::new(tensors), naming, metadata, sha256 })
    }
}

pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Tensors and metadata of one file, under the names they have there.
pub(crate) fn read_tensors(path: &Path) -> Result<safetensors::Content> {
    let bytes = std::fs::read(path).map_err(|error| Error::io(path, error))?;
    parse(&bytes).map_err(|problem| Error::file(path, problem))
}

/// The file itself, or all shards of an index in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(vec![path.to_path_buf()]);
    }
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let broken = "not the index of a sharded safetensors file (no \"weight_map\" of file names)";
    let index: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| Error::file(path, error.to_string()))?;
    let map = index["weight_map"].as_object().ok_or_else(|| Error::file(path, broken))?;
    let names: Option<BTreeSet<&str>> = map.values().map(serde_json::Value::as_str).collect();
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| Error::file(path, broken))?;
    // A shard lies beside its index: anything else would let a file read what it likes.
    if let Some(name) = names.iter().find(|name| name.contains(['/', '\\']) || **name == "..") {
        return Err(Error::file(path, format!("shard '{name}' is not in the same folder")));
    }
    Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
}

fn parse(bytes: &[u8]) -> Result<safetensors::Content, String> {
    if bytes.is_empty() {
        return Err("is empty".into());
    }
    if checkpoint::is_checkpoint(bytes) {
        return Ok((checkpoint::read(bytes)?, BTreeMap::new()));
    }
    safetensors::read(bytes)
}
