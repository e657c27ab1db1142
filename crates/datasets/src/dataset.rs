//! What every layout becomes.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use crate::{
    Classes, Error, Layout, Result, Split, csv_file, cub, folder, imagenet, imagenet::is_imagenette,
};

/// A list of pictures with their classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// How it lies on disk.
    pub layout: Layout,
    /// Its classes.
    pub classes: Classes,
    /// Its pictures, ordered by class and name, or as its own files list them.
    pub samples: Vec<Sample>,
    /// What lay among the pictures and is none, or none that is read: how many of which kind.
    pub left_out: BTreeMap<String, usize>,
}

/// A picture with its class.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Name within the dataset, unique, the same on every machine: the path below the root with
    /// `/` between its parts.
    pub id: String,
    /// The file. It was not opened.
    pub path: PathBuf,
    /// Class, an index into [`Dataset::classes`].
    pub class: usize,
    /// What else the dataset knows about it.
    pub annotations: Annotations,
}

/// Where things are on a picture, in pixels of the file from its upper left corner.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Annotations {
    /// x, y, width, height of the object.
    pub bounding_box: Option<[f64; 4]>,
    /// The visible parts of the object.
    pub parts: Vec<PartLocation>,
}

/// Where a part of an object is.
#[derive(Debug, Clone, PartialEq)]
pub struct PartLocation {
    /// Its name, such as `left eye`.
    pub name: String,
    /// Column.
    pub x: f64,
    /// Row.
    pub y: f64,
}

/// How to read a dataset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenOptions {
    /// How it lies on disk; `None`: what it looks like.
    pub layout: Option<Layout>,
    /// Which part; `None`: the part held out from training, or everything where nothing is.
    pub split: Option<Split>,
    /// Folder of the paths in a CSV file; `None`: that of the file.
    pub images: Option<PathBuf>,
}

impl Dataset {
    /// Reads a dataset from its folder, or from its CSV file.
    pub fn open(path: &Path, options: &OpenOptions) -> Result<Self> {
        if let Err(error) = path.metadata() {
            return Err(Error::io(path, error));
        }
        let layout = match options.layout {
            Some(layout) => layout,
            None => recognise(path)?,
        };
        let dataset = match layout {
            Layout::ImageNet => imagenet::open(path),
            Layout::Imagenette | Layout::Folder => folder::open(path, layout, options.split),
            Layout::Cub => cub::open(path, options.split),
            Layout::Csv => csv_file::open(path, options.images.as_deref()),
        }?;
        if dataset.samples.is_empty() {
            let remedy = "expected .jpg, .jpeg, .png, .webp, .gif, .bmp, .tiff or .ppm files";
            let found = dataset.left_out_note().map(|note| format!(" ({note})"));
            let remedy = format!("{remedy}{}", found.unwrap_or_default());
            return Err(Error::missing(path, "every picture", remedy));
        }
        let mut seen = HashSet::new();
        if let Some(twice) = dataset.samples.iter().find(|sample| !seen.insert(&sample.id)) {
            let problem = format!("'{}' is listed twice", twice.id);
            return Err(Error::malformed(path, problem));
        }
        Ok(dataset)
    }

    /// What was left out, in words: `left out: 3 .heic, 1 .txt`; `None` where nothing was.
    pub fn left_out_note(&self) -> Option<String> {
        let kinds: Vec<String> =
            self.left_out.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        (!kinds.is_empty()).then(|| format!("left out: {}", kinds.join(", ")))
    }
}

fn recognise(path: &Path) -> Result<Layout> {
    // A pipe is no list either; its reader says so.
    if !path.is_dir() {
        return Ok(Layout::Csv);
    }
    if cub::looks_like(path) {
        return Ok(Layout::Cub);
    }
    if imagenet::flat_folder(path)?.is_some() {
        return Ok(Layout::ImageNet);
    }
    let names = folder::class_names(path)?;
    if is_imagenette(&names) {
        return Ok(Layout::Imagenette);
    }
    let is_wnid = |name: &String| imagenet::is_wnid(name);
    let is_imagenet = names.len() == 1000 && names.iter().all(is_wnid);
    Ok(if is_imagenet { Layout::ImageNet } else { Layout::Folder })
}
