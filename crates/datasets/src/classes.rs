//! The classes of a dataset, and which class of a model each of them is.

use std::{
    collections::{HashMap, HashSet},
    str::FromStr,
};

use crate::{Error, Result, imagenet::is_wnid, layout::by_name};

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
pub fn imagenet_wnids() -> impl Iterator<Item = &'static str> {
    imagenet_classes().map(|(wnid, _)| wnid)
}

/// The same with the `ILSVRC2012_ID` of each: the `synsets` of the devkit's `meta.mat`.
pub(crate) fn imagenet_classes() -> impl Iterator<Item = (&'static str, u32)> {
    let class = |line: &'static str| {
        let (wnid, id) = line.split_once(' ')?;
        Some((wnid, id.parse().ok()?))
    };
    include_str!("imagenet_classes.txt").lines().filter_map(class)
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
    /// Numbers of a CSV file are indices already. WordNet ids are looked up in `ImageNet`'s order
    /// if the model has 1000 classes. Other names are looked up among the labels, letters of either
    /// case and `_` for a space; if none is found there, but there are as many, the n-th of the
    /// dataset is the n-th of the model.
    ///
    /// Folders may be named by numbers. Unless the labels are those same names, or `numbering` says
    /// otherwise, the numbers are the model's indices where they can be, as in `ImageNetV2`; else
    /// the folders are in the order of their names, as torchvision's `ImageFolder` has them. Which
    /// it was is in the note.
    pub fn onto<L: AsRef<str>>(
        &self,
        labels: &[L],
        numbering: Option<Numbering>,
    ) -> Result<Placement> {
        let of = |class_of| Placement { class_of, note: None };
        match self {
            Self::Numbered { n } if *n <= labels.len() => Ok(of((0..*n).collect())),
            Self::Numbered { n } => Err(outside(n - 1, labels.len())),
            Self::Named(names) => match by_number(names, labels, numbering) {
                Some(placed) => placed,
                None => by_label(names, labels).map(of),
            },
        }
    }
}

/// What numbers mean that class folders are named by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// Indices of the model's classes.
    Index,
    /// Nothing: the n-th folder in the order of the names is the model's n-th class, so that `10`
    /// comes before `2`.
    Text,
}

impl FromStr for Numbering {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let name_of = |numbering| if numbering == Self::Index { "index" } else { "text" };
        by_name(&[Self::Index, Self::Text], name_of, "numbering", name)
    }
}

/// Where the classes of a dataset are among those of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// For each class of the dataset the index of the model's class.
    pub class_of: Vec<usize>,
    /// What was taken where it could have been something else, in a sentence.
    pub note: Option<String>,
}

fn outside(class: usize, n: usize) -> Error {
    let problem = format!("class {class} of the dataset is not one of the model's {n} classes");
    Error::Classes(problem)
}

/// `None` unless the names are numbers that are no labels of the model.
fn by_number<L: AsRef<str>>(
    names: &[String],
    labels: &[L],
    numbering: Option<Numbering>,
) -> Option<Result<Placement>> {
    let numbers: Vec<usize> = names.iter().map(|name| number(name)).collect::<Option<_>>()?;
    let known: HashSet<&str> = labels.iter().map(AsRef::as_ref).collect();
    if names.is_empty() || names.iter().all(|name| known.contains(name.as_str())) {
        return None;
    }
    let n = labels.len();
    let largest = numbers.iter().copied().max().unwrap_or(0);
    let is_unique = numbers.iter().collect::<HashSet<_>>().len() == numbers.len();
    let in_order: Vec<usize> = (0..names.len()).collect();
    let fits = names.len() == n;
    let taken = numbering.unwrap_or(match (largest < n && is_unique, fits) {
        (false, true) => Numbering::Text,
        _ => Numbering::Index,
    });
    if taken == Numbering::Text && !fits {
        let found = names.len();
        let problem = format!("{found} folders in the order of their names for {n} classes");
        return Some(Err(Error::Classes(problem)));
    }
    if taken == Numbering::Index && largest >= n {
        return Some(Err(outside(largest, n)));
    }
    if taken == Numbering::Index && !is_unique {
        let problem = "two class folders have the same number: name them as the model's classes";
        return Some(Err(Error::Classes(problem.into())));
    }
    let note = match taken {
        _ if numbering.is_some() || (fits && numbers == in_order) => None,
        Numbering::Index => Some(
            "the class folders' numbers are taken for the indices of the model's classes; \
             --numbering text takes the folders in the order of their names, as torchvision's \
             ImageFolder does",
        ),
        Numbering::Text => Some(
            "the class folders' numbers are not the indices of the model's classes: the folders \
             are taken in the order of their names, as torchvision's ImageFolder does",
        ),
    };
    let class_of = if taken == Numbering::Index { numbers } else { in_order };
    Some(Ok(Placement { class_of, note: note.map(str::to_owned) }))
}

/// Largest number that is taken for the index of a class: larger ones are names, such as dates.
const MAX_INDEX: usize = 999_999;

/// The index that a text of digits is.
pub(crate) fn number(text: &str) -> Option<usize> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&number| is_digits && number <= MAX_INDEX)
}

fn by_label<L: AsRef<str>>(names: &[String], labels: &[L]) -> Result<Vec<usize>> {
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
        let mut ids: Vec<u32> = imagenet_classes().map(|(_, id)| id).collect();
        // As the devkit's `meta.mat` begins and ends.
        let ends = [1, 2, 3, 999, 1000].map(|id| wnids[ids.iter().position(|&i| i == id).unwrap()]);
        assert_eq!(ends, ["n02119789", "n02100735", "n02110185", "n07831146", "n03255030"]);
        ids.sort_unstable();
        assert!(ids.into_iter().eq(1..=1000));
        let labels = vec!["any"; 1000];
        assert_eq!(
            named(&["n01443537", "n01440764"]).onto(&labels, None).unwrap().class_of,
            [1, 0]
        );
        let error = named(&["n00000001"]).onto(&labels, None).unwrap_err().to_string();
        assert!(error.contains("'n00000001'"), "{error}");
    }

    #[test]
    fn names_are_looked_up() {
        let labels = ["Tiger cat", "crane", "crane", "dog"];
        assert_eq!(named(&["dog", "tiger_cat"]).onto(&labels, None).unwrap().class_of, [3, 0]);
        // Which of the two cranes?
        assert!(named(&["crane"]).onto(&labels, None).is_err());
        // One name is known, so all must be.
        assert!(named(&["a", "b", "c", "dog"]).onto(&labels, None).is_err());
        assert_eq!(
            named(&["a", "b", "c", "d"]).onto(&labels, None).unwrap().class_of,
            [0, 1, 2, 3]
        );
        assert!(named(&["a", "b"]).onto(&labels, None).is_err());
    }

    #[test]
    fn numbers_are_indices() {
        assert_eq!(
            Classes::Numbered { n: 2 }.onto(&["a", "b", "c"], None).unwrap().class_of,
            [0, 1]
        );
        assert!(Classes::Numbered { n: 4 }.onto(&["a", "b", "c"], None).is_err());
    }

    #[test]
    fn numbers_of_folders_are_indices_where_they_can_be() {
        let place = |names: &[&str], labels: &[&str], numbering| {
            named(names)
                .onto(labels, numbering)
                .map(|placed| (placed.class_of, placed.note.is_some()))
        };
        let many: Vec<String> = (0..12).map(|n| format!("thing {n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let text = ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"];
        let numbers = vec![0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9];
        let in_order: Vec<usize> = (0..12).collect();
        // ImageNetV2, whole and in part.
        assert_eq!(place(&text, &many, None).unwrap(), (numbers, true));
        assert_eq!(place(&["1", "11", "7"], &many, None).unwrap(), (vec![1, 11, 7], true));
        assert_eq!(place(&text, &many, Some(Numbering::Text)).unwrap(), (in_order.clone(), false));
        // A network that was trained on these folders has their names.
        assert_eq!(place(&text, &text, None).unwrap(), (in_order, false));
        // From 1: no indices, so torchvision's order.
        assert_eq!(
            place(&["1", "10", "2"], &["a", "b", "c"], None).unwrap(),
            (vec![0, 1, 2], true)
        );
        assert!(place(&["1", "10", "2"], &["a", "b", "c"], Some(Numbering::Index)).is_err());
        assert!(place(&["1", "12"], &many, None).is_err());
        assert!(place(&["1", "01"], &many, None).is_err());
        assert!(place(&["1", "2"], &many, Some(Numbering::Text)).is_err());
        assert_eq!(place(&["0", "1"], &["a", "b"], None).unwrap(), (vec![0, 1], false));
    }
}
