//! The pictures of a study: where they must lie, and what to get where they do not.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail};
use hsets_evaluation::datasets::{
    Annotations, Classes, Dataset, Layout, OpenOptions, Sample, Split,
};
use hsets_report::{draw::Canvas, output};
use hsets_scenes::Task;
use serde::Deserialize;

use crate::args::Protocol;

/// What to get for `imagenet`.
const IMAGENET: &str = "\
the 50,000 validation photos of ILSVRC 2012 are needed. They may not be passed on, so get them
yourself, with an account at https://image-net.org: ILSVRC2012_img_val.tar (6.7 GB) and
ILSVRC2012_devkit_t12.tar.gz. Unpack both into a folder DIR,

  DIR/ILSVRC2012_val_00000001.JPEG …            the photos, there or in DIR/val
  DIR/ILSVRC2012_devkit_t12/data/…              their classes

or have the photos in class folders, DIR/val/n01440764/… , or in Kaggle's layout with
LOC_val_solution.csv. Then: cargo xtask reproduce imagenet --data DIR";

/// What to get for `imagenet --protocol authors`.
const IMAGENETTE: &str = "\
the authors' programs take Imagenette. Get imagenette2.tgz (1.5 GB) by way of
https://github.com/fastai/imagenette and unpack it, so that there are DIR/train/n01440764/… and
DIR/val/n01440764/… . Then: cargo xtask reproduce imagenet --protocol authors --data DIR";

/// What to get for `cub`.
const CUB: &str = "\
the 11,788 photos of CUB-200-2011 are needed. Get CUB_200_2011.tgz (1.2 GB) by way of
https://www.vision.caltech.edu/datasets/cub_200_2011 and unpack it, so that there are
DIR/images.txt, DIR/image_class_labels.txt, DIR/classes.txt, DIR/train_test_split.txt and
DIR/images/… . Weights for its 200 classes were never published; train them with
hsets train --data DIR. Then: cargo xtask reproduce cub --data DIR --weights vgg16=FILE";

/// Sequence of drawn pictures, none of which the bundled model was trained on.
const SEED: u64 = 3;
/// The pictures that the repository ships; more of the sequence follow.
const BUNDLED: [u64; 6] = [1, 4, 8, 10, 35, 45];
/// Side of the drawn pictures.
const SIDE: usize = 192;

/// The photos of `ImageNet`, of Imagenette for the authors' protocol.
pub(crate) fn imagenet(folder: Option<&Path>, protocol: Protocol) -> Result<Dataset> {
    let help = match protocol {
        Protocol::Clean => IMAGENET,
        Protocol::Authors => IMAGENETTE,
    };
    open(folder, help, |dataset| match &dataset.classes {
        Classes::Named(names) => names.iter().all(|name| is_wnid(name)),
        Classes::Numbered { n } => *n <= 1000,
    })
}

/// The test photos of CUB.
pub(crate) fn cub(folder: Option<&Path>) -> Result<Dataset> {
    open(folder, CUB, |dataset| dataset.layout == Layout::Cub)
}

fn open(folder: Option<&Path>, help: &str, fits: impl Fn(&Dataset) -> bool) -> Result<Dataset> {
    let Some(folder) = folder else { bail!("no --data: {help}") };
    let options = OpenOptions { split: None, ..OpenOptions::default() };
    let dataset = Dataset::open(folder, &options)
        .with_context(|| format!("{} does not hold what it should: {help}", folder.display()))?;
    if !fits(&dataset) {
        let layout = dataset.layout;
        bail!("{} looks like '{layout}', which is not what it should be: {help}", folder.display());
    }
    Ok(dataset)
}

fn is_wnid(name: &str) -> bool {
    name.strip_prefix('n').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// `n` drawn pictures with the classes of the bundled model, those in the repository first; drawn
/// into `folder` where they are not there yet.
pub(crate) fn drawn(folder: &Path, n: usize) -> Result<Dataset> {
    let more = (0..).filter(|index| !BUNDLED.contains(index));
    let task = Task::Duel;
    for index in BUNDLED.into_iter().chain(more).take(n) {
        let scene = task.draw(SEED, index, SIDE)?;
        let path = folder.join(task.labels()[scene.class]).join(format!("{index:06}.png"));
        if path.is_file() {
            continue;
        }
        let rgb = scene.photo.rgb();
        let canvas = Canvas::from_fn(SIDE, SIDE, |y, x| {
            let at = 3 * (y * SIDE + x);
            [rgb[at], rgb[at + 1], rgb[at + 2]]
        });
        output::write_file(&path, &canvas.png()?)?;
    }
    let options =
        OpenOptions { layout: Some(Layout::Folder), split: Some(Split::All), images: None };
    Ok(Dataset::open(folder, &options)?)
}

/// A photo in the list of real photos.
#[derive(Deserialize)]
struct Listed {
    file: String,
    class_index: usize,
}

/// Real photos of `ImageNet`'s classes: `images/`, listed in `images.json` with `file` and
/// `class_index`.
pub(crate) fn real_photos(folder: &Path) -> Result<Dataset> {
    let list = folder.join("images.json");
    let text = fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let listed: Vec<Listed> =
        serde_json::from_slice(&text).with_context(|| list.display().to_string())?;
    let sample = |photo: Listed| Sample {
        path: folder.join("images").join(&photo.file),
        id: photo.file,
        class: photo.class_index,
        annotations: Annotations::default(),
    };
    Ok(Dataset {
        layout: Layout::Csv,
        classes: Classes::Numbered { n: 1000 },
        samples: listed.into_iter().map(sample).collect(),
        left_out: std::collections::BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_data_the_error_says_what_to_get() {
        for (result, parts) in [
            (imagenet(None, Protocol::Clean), ["image-net.org", "ILSVRC2012_img_val.tar"]),
            (imagenet(None, Protocol::Authors), ["imagenette2", "--protocol authors"]),
            (cub(None), ["CUB_200_2011.tgz", "images.txt"]),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }

    #[test]
    fn data_of_another_kind_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("cat/1.png");
        output::write_file(&picture, b"").unwrap();
        let error = imagenet(Some(folder.path()), Protocol::Clean).unwrap_err().to_string();
        assert!(error.contains("looks like 'folder'"), "{error}");
        let missing = folder.path().join("nowhere");
        let error = format!("{:#}", cub(Some(&missing)).unwrap_err());
        assert!(error.contains("nowhere") && error.contains("CUB_200_2011.tgz"), "{error}");
    }

    #[test]
    fn drawn_pictures_begin_with_the_bundled_ones() {
        let folder = tempfile::tempdir().unwrap();
        let dataset = drawn(folder.path(), 3).unwrap();
        let ids: Vec<&str> = dataset.samples.iter().map(|sample| sample.id.as_str()).collect();
        assert_eq!(ids, ["draw/000008.png", "orange wins/000001.png", "orange wins/000004.png"]);
    }
}
