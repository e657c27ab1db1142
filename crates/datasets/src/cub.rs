//! CUB-200-2011 (Wah et al. 2011): lists of numbered lines beside a folder `images/`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    str::FromStr,
};

use crate::{
    Annotations, Classes, Dataset, Error, Layout, PartLocation, Result, Sample, Split, files::read,
};

const IMAGES: &str = "images.txt";
const CLASS_LABELS: &str = "image_class_labels.txt";
const CLASSES: &str = "classes.txt";
const SPLIT: &str = "train_test_split.txt";

pub(crate) fn looks_like(root: &Path) -> bool {
    root.join(IMAGES).is_file() && root.join(CLASS_LABELS).is_file()
}

pub(crate) fn open(root: &Path, split: Option<Split>) -> Result<Dataset> {
    let names: BTreeMap<usize, String> = table(root, CLASSES, |[name]| Some(name.to_owned()))?;
    let order: Vec<usize> = names.keys().copied().collect();
    let labels: HashMap<usize, usize> = table(root, CLASS_LABELS, |[class]| class.parse().ok())?;
    let is_training: HashMap<usize, bool> = table(root, SPLIT, |[flag]| Some(flag == "1"))?;
    let mut annotations = annotations(root)?;
    let images: BTreeMap<usize, String> = table(root, IMAGES, |[path]| Some(path.to_owned()))?;
    let mut samples = Vec::with_capacity(images.len());
    for (number, id) in images {
        let lacks =
            |file| Error::malformed(&root.join(file), format!("says nothing about image {number}"));
        let is_wanted = match split.unwrap_or(Split::Test) {
            Split::All => true,
            Split::Train => *is_training.get(&number).ok_or_else(|| lacks(SPLIT))?,
            Split::Val | Split::Test => !*is_training.get(&number).ok_or_else(|| lacks(SPLIT))?,
        };
        let label = labels.get(&number).ok_or_else(|| lacks(CLASS_LABELS))?;
        let class = order.binary_search(label).map_err(|_| {
            Error::malformed(&root.join(CLASSES), format!("lacks class {label} of image {number}"))
        })?;
        if is_wanted {
            let path = root.join("images").join(&id);
            let annotations = annotations.remove(&number).unwrap_or_default();
            samples.push(Sample { id, path, class, annotations });
        }
    }
    let classes = Classes::Named(names.into_values().collect());
    Ok(Dataset { layout: Layout::Cub, classes, samples, left_out: BTreeMap::new() })
}

/// Bounding boxes and parts, of the files that are there.
fn annotations(root: &Path) -> Result<HashMap<usize, Annotations>> {
    let mut all: HashMap<usize, Annotations> = HashMap::new();
    if root.join("bounding_boxes.txt").exists() {
        let boxes: BTreeMap<usize, [f64; 4]> = table(root, "bounding_boxes.txt", numbers::<4>)?;
        for (number, bounds) in boxes {
            all.entry(number).or_default().bounding_box = Some(bounds);
        }
    }
    if root.join("parts/part_locs.txt").exists() {
        let names: HashMap<usize, String> =
            table(root, "parts/parts.txt", |[name]| Some(name.to_owned()))?;
        for (number, fields) in lines::<4>(root, "parts/part_locs.txt")? {
            let wrong = || {
                let problem = format!("image {number}: expected part, x, y and visibility");
                Error::malformed(&root.join("parts/part_locs.txt"), problem)
            };
            let [part, x, y, visible] =
                numbers(fields.each_ref().map(String::as_str)).ok_or_else(wrong)?;
            let name = names.get(&(part as usize)).ok_or_else(wrong)?.clone();
            if visible == 1.0 {
                all.entry(number).or_default().parts.push(PartLocation { name, x, y });
            }
        }
    }
    Ok(all)
}

fn numbers<const N: usize>(fields: [&str; N]) -> Option<[f64; N]> {
    let numbers: Option<Vec<f64>> = fields.into_iter().map(|field| field.parse().ok()).collect();
    numbers?.try_into().ok()
}

/// A file of lines `NUMBER FIELDS…`, by number.
fn table<const N: usize, V, T: FromIterator<(usize, V)>>(
    root: &Path,
    file: &str,
    parse: impl Fn([&str; N]) -> Option<V>,
) -> Result<T> {
    let entry = |(number, fields): (usize, [String; N])| {
        let value = parse(fields.each_ref().map(String::as_str));
        value.map(|value| (number, value)).ok_or_else(|| {
            let problem = format!("makes no sense at {number}: '{}'", fields.join(" "));
            Error::malformed(&root.join(file), problem)
        })
    };
    lines::<N>(root, file)?.into_iter().map(entry).collect()
}

/// The lines of a file, each a number and N fields; the last field takes what is left.
fn lines<const N: usize>(root: &Path, file: &str) -> Result<Vec<(usize, [String; N])>> {
    let path = root.join(file);
    if !path.is_file() {
        let remedy = "it is part of CUB_200_2011.tgz: unpack that, and give its folder";
        return Err(Error::missing(root, file, remedy));
    }
    let parse = |(at, line): (usize, &str)| {
        let mut words = line.trim().splitn(N + 1, char::is_whitespace);
        let number = words.next().and_then(|word| usize::from_str(word).ok());
        let fields: Vec<String> = words.map(|word| word.trim().to_owned()).collect();
        number.zip(fields.try_into().ok()).ok_or_else(|| {
            let problem = format!("line {}: expected a number and {N} fields: '{line}'", at + 1);
            Error::malformed(&path, problem)
        })
    };
    let text = read(&path)?;
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(parse).collect()
}
