//! Which class is a flat validation photo of `ImageNet`? The devkit tells, or Kaggle's list.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    Error, Result,
    files::{read, read_bytes},
    matlab::{self, Value},
};

const GROUND_TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";
const META: &str = "meta.mat";
const KAGGLE: &str = "LOC_val_solution.csv";
/// Where the devkit's files may lie.
const PLACES: [&str; 4] =
    ["", "ILSVRC2012_devkit_t12/data", "data", "../ILSVRC2012_devkit_t12/data"];

/// WordNet ids of the photos.
pub(crate) struct Wnids {
    source: PathBuf,
    by_photo: HashMap<usize, String>,
}

impl Wnids {
    /// Of `ILSVRC2012_val_{number}.JPEG`.
    pub(crate) fn of_photo(&self, number: usize) -> Result<&str> {
        self.by_photo.get(&number).map(String::as_str).ok_or_else(|| {
            Error::malformed(&self.source, format!("says nothing about photo {number}"))
        })
    }
}

/// What lies in or beside `root`: the devkit before Kaggle's list.
pub(crate) fn wnids(root: &Path) -> Result<Wnids> {
    let find = |name: &str| {
        let places = PLACES.iter().map(|place| root.join(place).join(name));
        places.into_iter().find(|path| path.is_file())
    };
    match (find(GROUND_TRUTH), find(META), find(KAGGLE)) {
        (Some(truth), Some(meta), _) => of_devkit(truth, &meta),
        (_, _, Some(list)) => of_kaggle(list),
        (truth, ..) => {
            let what = if truth.is_some() { META } else { GROUND_TRUTH };
            let remedy = format!(
                "unpack ILSVRC2012_devkit_t12.tar.gz (image-net.org) in {}: its data/{GROUND_TRUTH} \
                 and data/{META} say the class of each photo; Kaggle's {KAGGLE} does as well",
                root.display()
            );
            Err(Error::missing(root, what, remedy))
        }
    }
}

/// Line n of the ground truth is the `ILSVRC2012_ID` of photo n.
fn of_devkit(truth: PathBuf, meta: &Path) -> Result<Wnids> {
    let wnid_of_id = wnid_of_id(meta)?;
    let mut by_photo = HashMap::new();
    for (at, line) in read(&truth)?.lines().enumerate() {
        let id = line.trim().parse::<u32>().ok();
        let wnid = id.and_then(|id| wnid_of_id.get(&id)).ok_or_else(|| {
            let problem = format!("line {}: '{line}' is no ILSVRC2012_ID of {META}", at + 1);
            Error::malformed(&truth, problem)
        })?;
        by_photo.insert(at + 1, wnid.clone());
    }
    Ok(Wnids { source: truth, by_photo })
}

/// `meta.mat` holds a struct array `synsets`, one element a synset of the hierarchy.
fn wnid_of_id(meta: &Path) -> Result<HashMap<u32, String>> {
    let wrong = |problem: String| Error::malformed(meta, problem);
    let bytes = read_bytes(meta)?;
    let fields = ["ILSVRC2012_ID", "WNID"];
    let synsets = matlab::struct_array(&bytes, "synsets", fields).map_err(wrong)?;
    let entry = |synset: &[Value; 2]| {
        let [Value::Number(id), Value::Text(wnid)] = synset else {
            return Err(wrong("its synsets lack ILSVRC2012_ID or WNID".into()));
        };
        Ok((*id as u32, wnid.clone()))
    };
    synsets.iter().map(entry).collect()
}

/// Lines `ILSVRC2012_val_00048981,n03995372 85 1 499 272 …`.
fn of_kaggle(list: PathBuf) -> Result<Wnids> {
    let parse = |line: &str| {
        let (image, boxes) = line.split_once(',')?;
        let number = image.strip_prefix("ILSVRC2012_val_")?.parse().ok()?;
        let wnid = boxes.split_whitespace().next()?;
        Some((number, wnid.to_owned()))
    };
    let mut by_photo = HashMap::new();
    for (at, line) in read(&list)?.lines().enumerate().skip(1) {
        let (number, wnid) = parse(line).ok_or_else(|| {
            let problem = format!("line {}: expected ImageId,PredictionString", at + 1);
            Error::malformed(&list, problem)
        })?;
        by_photo.insert(number, wnid);
    }
    Ok(Wnids { source: list, by_photo })
}
