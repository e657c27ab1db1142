//! A weight file: what is in it, and its tensors when they are asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use hsets_files::hexadecimal;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::state_dict::{self, StateDict};
use crate::{checkpoint, foreign, safetensors};

/// No weights have more axes.
const MAX_RANK: usize = 8;
/// No network has more tensors.
const MAX_TENSORS: usize = 100_000;
/// The index of a sharded file is small.
const MAX_INDEX_BYTES: u64 = 16 << 20;

/// What is in a weight file.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    /// The bytes of the file, or of every shard.
    parts: Vec<Arc<Vec<u8>>>,
    /// The floating-point tensors, in the order of the file.
    entries: Vec<Entry>,
    metadata: BTreeMap<String, String>,
    digest: Digest,
}

/// A floating-point tensor of a file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its name, behind those of the dicts that it lies in.
    pub(crate) name: String,
    /// Bytes of `name` that name dicts, with their dots.
    pub(crate) n_outer: usize,
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Elements from one to the next along each axis; row by row where there are none.
    pub(crate) strides: Option<Vec<usize>>,
    pub(crate) part: usize,
    /// Where its storage lies in the part. The first element is at the beginning.
    pub(crate) bytes: Range<usize>,
}

/// What a reader of one kind of file finds.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub(crate) entries: Vec<Entry>,
    pub(crate) metadata: BTreeMap<String, String>,
}

impl TensorFile {
    /// Reads a `.safetensors` file, the `.index.json` of a sharded one, or a `PyTorch` checkpoint.
    /// The content decides, not the extension.
    pub fn read(path: &Path) -> Result<Self> {
        let parts = shards(path)?;
        let parts = parts.iter().map(|part| Ok((part.as_path(), read_whole(part)?)));
        Self::from_parts(path, parts.collect::<Result<_>>()?)
    }

    /// As [`TensorFile::read`], of one file whose bytes must have this SHA-256 (hexadecimal). Nothing
    /// in it is interpreted before that is known.
    pub fn read_verified(path: &Path, expected: &str) -> Result<Self> {
        let bytes = read_whole(path)?;
        let found = hexadecimal(&Sha256::digest(&bytes));
        if !found.eq_ignore_ascii_case(expected) {
            let (path, expected) = (path.to_path_buf(), expected.to_owned());
            return Err(Error::Digest { path, expected, found });
        }
        Self::from_parts(path, vec![(path, bytes)])
    }

    /// As [`TensorFile::read`], from the bytes of one file; `name` stands for it in errors.
    pub fn from_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::from_parts(name, vec![(name, bytes)])
    }

    fn from_parts(path: &Path, parts: Vec<(&Path, Vec<u8>)>) -> Result<Self> {
        let mut listing = Listing::default();
        for (at, (name, bytes)) in parts.iter().enumerate() {
            let wrong = |problem: String| Error::file(name, problem);
            let mut of_part = list(bytes).map_err(wrong)?;
            of_part.entries.iter_mut().for_each(|entry| entry.part = at);
            listing.entries.append(&mut of_part.entries);
            listing.metadata.append(&mut of_part.metadata);
        }
        if listing.entries.is_empty() {
            return Err(Error::file(path, "holds no floating-point tensors"));
        }
        let parts: Vec<Arc<Vec<u8>>> =
            parts.into_iter().map(|(_, bytes)| Arc::new(bytes)).collect();
        let digest = Digest::of(parts.clone());
        let Listing { entries, metadata } = listing;
        let path = path.to_path_buf();
        Ok(Self { path, parts, entries, metadata, digest })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `__metadata__` of a safetensors file, as it is.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The names of the floating-point tensors as the file has them, those of the dicts around them
    /// in front, in the order of the file.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Whether there is a floating-point tensor of exactly this name, and its shape.
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        Some(&self.entries.iter().find(|entry| entry.name == name)?.shape)
    }

    /// The tensor of exactly this name, in the width it has in the file.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let at = self.entries.iter().position(|entry| entry.name == name);
        let at = at.ok_or_else(|| Error::file(&self.path, format!("has no tensor {name}")))?;
        self.tensor_at(at)
    }

    /// The largest dict of tensors that `fits`, and what `fits` makes of it. Prefixes that all its
    /// names share are stripped, wherever they stand, and the marks of wrappers inside names.
    ///
    /// Where several of one size fit, the first of the file is taken. `None` where none fits.
    pub fn state_dict<T>(
        &self,
        fits: impl Fn(&StateDict<'_>) -> Option<T>,
    ) -> Option<(StateDict<'_>, T)> {
        state_dict::find(self, fits)
    }

    /// The largest dict of tensors as it is, for those who know nothing of what is wanted; without
    /// the prefix that all its names share.
    pub fn largest_dict(&self) -> StateDict<'_> {
        state_dict::largest(self)
    }

    /// SHA-256 of the file in hexadecimal; of all shards one after another, if it is sharded.
    pub fn sha256(&self) -> &str {
        self.digest.as_str()
    }

    /// The same for those who need not wait for it now, and nothing else any more.
    pub fn into_digest(self) -> Digest {
        self.digest
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(crate) fn tensor_at(&self, at: usize) -> Result<Tensor> {
        let entry = &self.entries[at];
        let wrong = |problem: String| {
            Error::file(&self.path, format!("tensor {}: {problem}", short(&entry.name)))
        };
        let bytes = self.parts[entry.part].get(entry.bytes.clone());
        let bytes = bytes.ok_or_else(|| wrong("it reaches beyond the file".into()))?;
        let gathered;
        let bytes = match &entry.strides {
            None => bytes,
            Some(strides) => {
                let size = entry.dtype.size_in_bytes();
                gathered = gather(bytes, size, &entry.shape, strides).map_err(wrong)?;
                &gathered
            }
        };
        Tensor::from_raw_buffer(bytes, entry.dtype, &entry.shape, &Device::Cpu)
            .map_err(|error| wrong(error.to_string()))
    }
}

fn list(bytes: &[u8]) -> Result<Listing, String> {
    if let Some(kind) = foreign::kind(bytes) {
        return Err(kind.into());
    }
    let listing = if checkpoint::is_checkpoint(bytes) {
        checkpoint::list(bytes)?
    } else {
        safetensors::list(bytes)?
    };
    let n_tensors = listing.entries.len();
    if n_tensors > MAX_TENSORS {
        return Err(format!("holds {n_tensors} tensors: more than {MAX_TENSORS} are no network"));
    }
    for entry in &listing.entries {
        let rank = entry.shape.len();
        if rank > MAX_RANK {
            let name = short(&entry.name);
            return Err(format!("tensor {name} has {rank} axes: at most {MAX_RANK} make sense"));
        }
    }
    Ok(listing)
}

/// A name for people: not longer than a line.
pub(crate) fn short(name: &str) -> String {
    if name.chars().count() <= 120 {
        return name.to_owned();
    }
    let start: String = name.chars().take(117).collect();
    start + "..."
}

/// The elements of a window on a storage, row by row. They fit into the storage: that was checked.
fn gather(
    bytes: &[u8],
    size: usize,
    shape: &[usize],
    strides: &[usize],
) -> Result<Vec<u8>, String> {
    let n_elements: usize = shape.iter().product();
    let mut gathered = Vec::with_capacity(n_elements * size);
    let mut at = vec![0; shape.len()];
    for _ in 0..n_elements {
        let offset: usize = at.iter().zip(strides).map(|(i, stride)| i * stride).sum();
        let element = bytes.get(offset * size..(offset + 1) * size);
        gathered.extend_from_slice(element.ok_or("it reaches beyond its storage")?);
        for axis in (0..shape.len()).rev() {
            at[axis] += 1;
            if at[axis] < shape[axis] {
                break;
            }
            at[axis] = 0;
        }
    }
    Ok(gathered)
}

fn read_whole(path: &Path) -> Result<Vec<u8>> {
    hsets_files::read(path).map_err(|error| Error::io(path, error))
}

/// The file itself, or all shards of an index in the order of their names.
fn shards(path: &Path) -> Result<Vec<PathBuf>> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(vec![path.to_path_buf()]);
    }
    let size = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > MAX_INDEX_BYTES {
        return Err(Error::file(path, "is too large for the index of a sharded safetensors file"));
    }
    let broken = "not the index of a sharded safetensors file (no \"weight_map\" of file names)";
    let index: serde_json::Value = serde_json::from_slice(&read_whole(path)?)
        .map_err(|error| Error::file(path, error.to_string()))?;
    let map = index["weight_map"].as_object().ok_or_else(|| Error::file(path, broken))?;
    let names: Option<BTreeSet<&str>> = map.values().map(serde_json::Value::as_str).collect();
    let names = names.filter(|names| !names.is_empty()).ok_or_else(|| Error::file(path, broken))?;
    // A shard lies beside its index: anything else would let a file read what it likes.
    if let Some(name) = names.iter().find(|name| name.contains(['/', '\\']) || **name == "..") {
        let name = short(name);
        return Err(Error::file(path, format!("shard '{name}' is not in the same folder")));
    }
    Ok(names.into_iter().map(|name| path.with_file_name(name)).collect())
}
