//! The validation photos of ILSVRC 2012.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use crate::{
    Annotations, Classes, Dataset, Error, Layout, Result, Sample, devkit,
    files::{Walk, entries},
    folder, imagenet_wnids,
};

/// Imagenette's classes among `ImageNet`'s.
const IMAGENETTE: [usize; 10] = [0, 217, 482, 491, 497, 566, 569, 571, 574, 701];

/// Where flat photos may lie below the folder that is given.
const PLACES: [&str; 5] =
    ["", "val", "ILSVRC2012_img_val", "ILSVRC/Data/CLS-LOC/val", "Data/CLS-LOC/val"];

/// True for the names of WordNet's nouns: `n` and eight digits.
pub(crate) fn is_wnid(name: &str) -> bool {
    let digits = name.strip_prefix('n').unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn is_imagenette(names: &[String]) -> bool {
    let wnids: Vec<&str> = imagenet_wnids().collect();
    names.iter().eq(IMAGENETTE.map(|class| wnids[class]))
}

/// Number of a photo by its name, such as `ILSVRC2012_val_00000001.JPEG`; from 1.
fn number(name: &str) -> Option<usize> {
    let (stem, _) = name.strip_prefix("ILSVRC2012_val_")?.split_once('.')?;
    stem.parse().ok().filter(|&number| number > 0)
}

/// The folder that holds flat photos.
pub(crate) fn flat_folder(root: &Path) -> Result<Option<PathBuf>> {
    for place in PLACES {
        let folder = root.join(place);
        // A folder of all photos is large; its first file tells.
        if folder.is_dir() && entries(&folder)?.iter().any(|(name, _)| number(name).is_some()) {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

pub(crate) fn open(root: &Path) -> Result<Dataset> {
    let Some(flat) = flat_folder(root)? else { return in_class_folders(root) };
    let wnid_of = devkit::wnids(root)?;
    let index: HashMap<&str, usize> = imagenet_wnids().enumerate().map(|(i, w)| (w, i)).collect();
    let mut samples = Vec::new();
    let mut walk = Walk::default();
    walk.enter(&flat)?;
    for (id, path) in walk.pictures(&flat)? {
        let Some(number) = number(&id) else { continue };
        let wnid = wnid_of.of_photo(number)?;
        let class = *index.get(wnid).ok_or_else(|| {
            Error::malformed(&path, format!("its class '{wnid}' is none of ImageNet's 1000"))
        })?;
        samples.push(Sample { id, path, class, annotations: Annotations::default() });
    }
    let classes = Classes::Named(imagenet_wnids().map(str::to_owned).collect());
    Ok(Dataset { layout: Layout::ImageNet, classes, samples, left_out: walk.left_out })
}

fn in_class_folders(root: &Path) -> Result<Dataset> {
    let dataset = match folder::open(root, Layout::ImageNet, None) {
        Err(Error::Missing { .. }) => return Err(not_found(root)),
        opened => opened?,
    };
    let Classes::Named(names) = &dataset.classes else { return Err(not_found(root)) };
    if names.iter().all(|name| is_wnid(name)) { Ok(dataset) } else { Err(not_found(root)) }
}

fn not_found(root: &Path) -> Error {
    let archive = root.join("ILSVRC2012_img_val.tar").exists();
    let first =
        if archive { "unpack ILSVRC2012_img_val.tar" } else { "get ILSVRC2012_img_val.tar" };
    let remedy = format!(
        "{first} (image-net.org, after registration) so that {} holds \
         ILSVRC2012_val_00000001.JPEG …, or class folders such as n01440764/",
        root.join("val").display()
    );
    Error::missing(root, "ImageNet's validation photos", remedy)
}
