//! What a state dict is: the tensors of a network by the names of its layers, wherever a training
//! script left them.
//!
//! All names of a file form a tree, those of nested dicts and the parts of dotted names alike. A
//! state dict is what lies under one node of that tree: `state_dict.model.conv1.weight` and its
//! siblings are one under `state_dict.model.`, and whatever lies elsewhere is not part of it.

use std::collections::{BTreeMap, HashMap};

use crate::file::TensorFile;

/// Parts of names by which `PyTorch` marks modules it wrapped; no network has layers called so.
const WRAPPERS: [&str; 5] = [
    "module",
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_forward_module",
    "_checkpoint_wrapped_module",
];
/// How deep a state dict may lie.
const MAX_DEPTH: usize = 8;
/// How many nodes are tried.
const MAX_TRIED: usize = 16;

/// Tensors by the names of their layers.
#[derive(Debug)]
pub struct StateDict<'a> {
    file: &'a TensorFile,
    prefix: String,
    by_name: BTreeMap<String, usize>,
    outside: Vec<usize>,
}

impl<'a> StateDict<'a> {
    /// What is under `prefix`; `None` if two tensors have one name there.
    fn under(file: &'a TensorFile, prefix: &str) -> Option<Self> {
        let (mut by_name, mut outside) = (BTreeMap::new(), Vec::new());
        for (at, entry) in file.entries().iter().enumerate() {
            let Some(name) = entry.name.strip_prefix(prefix) else {
                outside.push(at);
                continue;
            };
            let parts: Vec<&str> =
                name.split('.').filter(|part| !WRAPPERS.contains(part)).collect();
            if by_name.insert(parts.join("."), at).is_some() {
                return None;
            }
        }
        Some(Self { file, prefix: prefix.to_owned(), by_name, outside })
    }

    /// What all its names began with in the file; ends in a dot, or is empty.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The tensors by name: name, name in the file, shape.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &'a str, &'a [usize])> {
        let entries = self.file.entries();
        self.by_name.iter().map(|(name, &at)| {
            (name.as_str(), entries[at].name.as_str(), entries[at].shape.as_slice())
        })
    }

    /// Whether there is a tensor of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The tensors of the file that are not part of it, by their full names.
    pub fn outside(&self) -> impl ExactSizeIterator<Item = (&'a str, &'a [usize])> + use<'a> {
        let entries = self.file.entries();
        let outside = self.outside.clone();
        outside.into_iter().map(|at| (entries[at].name.as_str(), entries[at].shape.as_slice()))
    }
}

/// Tries the nodes of the tree, those with most tensors first, outer ones before inner ones.
pub(crate) fn find<T>(
    file: &TensorFile,
    fits: impl Fn(&StateDict<'_>) -> Option<T>,
) -> Option<(StateDict<'_>, T)> {
    nodes(file).into_iter().take(MAX_TRIED).find_map(|prefix| {
        let dict = StateDict::under(file, prefix)?;
        fits(&dict).map(|found| (dict, found))
    })
}

/// Prefixes of names, with their dots, by how many tensors they have.
fn nodes(file: &TensorFile) -> Vec<&str> {
    let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
    for (at, entry) in file.entries().iter().enumerate() {
        let dots = entry.name.match_indices('.').map(|(dot, _)| dot + 1).take(MAX_DEPTH);
        for end in std::iter::once(0).chain(dots) {
            counts.entry(&entry.name[..end]).or_insert((0, at)).0 += 1;
        }
    }
    let mut nodes: Vec<(&str, (usize, usize))> = counts.into_iter().collect();
    nodes.sort_unstable_by_key(|(prefix, (n, first))| (usize::MAX - n, *first, prefix.len()));
    nodes.into_iter().map(|(prefix, _)| prefix).collect()
}

/// The dict with most tensors, without the prefix that all of them share.
pub(crate) fn largest(file: &TensorFile) -> StateDict<'_> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in file.entries() {
        *counts.entry(&entry.name[..entry.n_outer]).or_default() += 1;
    }
    let most = counts.iter().max_by_key(|(_, n)| **n).map_or("", |(prefix, _)| *prefix);
    let names: Vec<&str> =
        file.entries().iter().filter_map(|entry| entry.name.strip_prefix(most)).collect();
    let first = names.first().copied().unwrap_or_default();
    let ends = first.match_indices('.').map(|(dot, _)| dot + 1);
    let shared = |end: &usize| names.iter().all(|name| name.starts_with(&first[..*end]));
    let end = ends.take_while(shared).last().unwrap_or(0);
    let dict = StateDict::under(file, &format!("{most}{}", &first[..end]));
    dict.unwrap_or_else(|| StateDict {
        file,
        prefix: String::new(),
        by_name: file.names().enumerate().map(|(at, name)| (name.to_owned(), at)).collect(),
        outside: Vec::new(),
    })
}
