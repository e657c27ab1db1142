//! Which class is a flat validation photo of `ImageNet`? The devkit tells, or Kaggle's list.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{Error, Result, classes::imagenet_classes, files::read};

const GROUND_TRUTH: &str = "ILSVRC2012_validation_ground_truth.txt";
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
    match (find(GROUND_TRUTH), find(KAGGLE)) {
        (Some(truth), _) => of_devkit(truth),
        (None, Some(list)) => of_kaggle(list),
        (None, None) => {
            let remedy = format!(
                "unpack ILSVRC2012_devkit_t12.tar.gz (image-net.org) in {}: its data/{GROUND_TRUTH} \
                 says the class of each photo; Kaggle's {KAGGLE} does as well",
                root.display()
            );
            Err(Error::missing(root, GROUND_TRUTH, remedy))
        }
    }
}

/// Line n of the ground truth is the `ILSVRC2012_ID` of photo n.
fn of_devkit(truth: PathBuf) -> Result<Wnids> {
    let wnid_of_id: HashMap<u32, &str> = imagenet_classes().map(|(wnid, id)| (id, wnid)).collect();
    let mut by_photo = HashMap::new();
    for (at, line) in read(&truth)?.lines().enumerate() {
        let id = line.trim().parse().ok();
        let wnid = id.and_then(|id: u32| wnid_of_id.get(&id)).ok_or_else(|| {
            let problem = format!("line {}: '{line}' is no ILSVRC2012_ID from 1 to 1000", at + 1);
            Error::malformed(&truth, problem)
        })?;
        by_photo.insert(at + 1, (*wnid).to_owned());
    }
    Ok(Wnids { source: truth, by_photo })
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
