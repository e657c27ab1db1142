//! The classes of a dataset, and which class of a model each of them is.

use std::collections::HashMap;

use crate::{Error, Result, imagenet::is_wnid};

/// The classes of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Classes {
    /// Names, such as WordNet ids; a class is an index into them.
    Named(Vec<String>),
    /// Numbers only: a class is the index of the model's class. All are below `n`.
    Numbered {
        /// One more than the largest number.
        n: usize,
    },
}

/// The WordNet ids of `ImageNet`'s 1000 classes, in the order in which networks have them.
pub fn imagenet_wnids() -> impl ExactSizeIterator<Item = &'static str> {
    // Ten bytes a line.
    include_str!("imagenet_wnids.txt").as_bytes().chunks(10).map(|line| {
        // The file is ASCII.
        std::str::from_utf8(&line[..line.len() - 1]).unwrap_or_default()
    })
}

impl Classes {
    /// Number of classes.
    pub fn len(&self) -> usize {
        match self {
            Self::Named(names) => names.len(),
            Self::Numbered { n } => *n,
        }
    }

    /// True if there is no class.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of a class.
    pub fn name(&self, class: usize) -> String {
        match self {
            Self::Named(names) => names[class].clone(),
            Self::Numbered { .. } => class.to_string(),
        }
    }

    /// For each class the index of the same class among `labels`, the names of a model's classes.
    ///
    /// Numbers are indices already. WordNet ids are looked up in `ImageNet`'s order if the model
    /// has 1000 classes. Other names are looked up among the labels, letters of either case and
    /// `_` for a space; if none is found there, but there are as many, the n-th of the dataset is
    /// the n-th of the model.
    pub fn onto<L: AsRef<str>>(&self, labels: &[L]) -> Result<Vec<usize>> {
        match self {
            Self::Numbered { n } if *n <= labels.len() => Ok((0..*n).collect()),
            Self::Numbered { n } => Err(Error::Classes(format!(
                "class {} of the dataset is not one of the model's {} classes",
                n - 1,
                labels.len()
            ))),
            Self::Named(names) => by_name(names, labels),
        }
    }
}

fn by_name<L: AsRef<str>>(names: &[String], labels: &[L]) -> Result<Vec<usize>> {
    if labels.len() == 1000 && names.iter().all(|name| is_wnid(name)) {
        return look_up(names, imagenet_wnids().enumerate().map(|(i, wnid)| (wnid.to_owned(), i)));
    }
    let plain = |name: &str| name.to_lowercase().replace('_', " ");
    // Of labels that two classes share, neither is meant.
    let mut known: HashMap<String, Option<usize>> = HashMap::new();
    for (index, label) in labels.iter().enumerate() {
        known.entry(plain(label.as_ref())).and_modify(|at| *at = None).or_insert(Some(index));
    }
    let is_known = |name: &&String| known.contains_key(&plain(name));
    if !names.iter().any(|name| is_known(&name)) && names.len() == labels.len() {
        return Ok((0..names.len()).collect());
    }
    let unique = labels.iter().map(|label| plain(label.as_ref()));
    let unique = unique.filter_map(|label| Some((label.clone(), (*known.get(&label)?)?)));
    let plain_names: Vec<String> = names.iter().map(|name| plain(name)).collect();
    look_up(&plain_names, unique)
}

fn look_up(names: &[String], known: impl Iterator<Item = (String, usize)>) -> Result<Vec<usize>> {
    let known: HashMap<String, usize> = known.collect();
    let find = |name: &String| {
        known.get(name).copied().ok_or_else(|| {
            Error::Classes(format!(
                "class '{name}' of the dataset is none of the model's {} classes: name the \
                 classes as the model does, or give the model the dataset's names (--labels)",
                known.len()
            ))
        })
    };
    names.iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Classes {
        Classes::Named(names.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn wordnet_ids_are_in_the_order_of_networks() {
        let wnids: Vec<&str> = imagenet_wnids().collect();
        assert_eq!(wnids.len(), 1000);
        assert_eq!((wnids[0], wnids[999]), ("n01440764", "n15075141"));
        assert!(wnids.iter().all(|wnid| is_wnid(wnid)) && wnids.is_sorted());
        let labels = vec!["any"; 1000];
        assert_eq!(named(&["n01443537", "n01440764"]).onto(&labels).unwrap(), [1, 0]);
        let error = named(&["n00000001"]).onto(&labels).unwrap_err().to_string();
        assert!(error.contains("'n00000001'"), "{error}");
    }

    #[test]
    fn names_are_looked_up() {
        let labels = ["Tiger cat", "crane", "crane", "dog"];
        assert_eq!(named(&["dog", "tiger_cat"]).onto(&labels).unwrap(), [3, 0]);
        // Which of the two cranes?
        assert!(named(&["crane"]).onto(&labels).is_err());
        // One name is known, so all must be.
        assert!(named(&["a", "b", "c", "dog"]).onto(&labels).is_err());
        assert_eq!(named(&["a", "b", "c", "d"]).onto(&labels).unwrap(), [0, 1, 2, 3]);
        assert!(named(&["a", "b"]).onto(&labels).is_err());
    }

    #[test]
    fn numbers_are_indices() {
        assert_eq!(Classes::Numbered { n: 2 }.onto(&["a", "b", "c"]).unwrap(), [0, 1]);
        assert!(Classes::Numbered { n: 4 }.onto(&["a", "b", "c"]).is_err());
    }
}
