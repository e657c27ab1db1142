//! One folder per class, as torchvision's `ImageFolder` has it.

use std::path::{Path, PathBuf};

use crate::{
    Annotations, Classes, Dataset, Error, Layout, Result, Sample, Split,
    files::{Walk, folders},
};

/// Names of the folders of a split, the first that is there counts.
fn names(split: Split) -> &'static [&'static str] {
    match split {
        Split::Train => &["train"],
        Split::Val => &["val", "valid", "validation", "test"],
        Split::Test => &["test", "val", "valid", "validation"],
        Split::All => &[],
    }
}

/// Names of the classes of a folder, held out or not.
pub(crate) fn class_names(root: &Path) -> Result<Vec<String>> {
    let held_out = Folders::of(root)?.of_split(root, None)?;
    let classes = folders(&held_out)?;
    Ok(classes.into_iter().map(|(name, _)| name).collect())
}

pub(crate) fn open(root: &Path, layout: Layout, split: Option<Split>) -> Result<Dataset> {
    let found = Folders::of(root)?;
    let mut walk = Walk::default();
    let (classes, samples) = match (&found, split) {
        (Folders::Splits(splits), Some(Split::All)) => all(splits, &mut walk)?,
        _ => read(&found.of_split(root, split)?, &mut walk)?,
    };
    let left_out = walk.left_out;
    Ok(Dataset { layout, classes: Classes::Named(classes), samples, left_out })
}

/// What the folders in the root are.
enum Folders {
    Classes,
    /// Of each split: its name and folder.
    Splits(Vec<(String, PathBuf)>),
}

impl Folders {
    fn of(root: &Path) -> Result<Self> {
        let known: Vec<&str> =
            [Split::Train, Split::Val].into_iter().flat_map(names).copied().collect();
        let mut splits = folders(root)?;
        splits.retain(|(name, _)| known.contains(&name.as_str()));
        // A class may be called `train` too; its pictures lie in no further folder.
        let mut has_classes = false;
        for (_, folder) in &splits {
            has_classes |= !folders(folder)?.is_empty();
        }
        Ok(if has_classes { Self::Splits(splits) } else { Self::Classes })
    }

    /// The folder that holds the class folders of a split; by default what is held out.
    fn of_split(&self, root: &Path, split: Option<Split>) -> Result<PathBuf> {
        let Self::Splits(splits) = self else {
            return match split {
                None | Some(Split::All) => Ok(root.to_owned()),
                Some(split) => Err(missing(root, split)),
            };
        };
        let wanted = split.unwrap_or(Split::Val);
        let find = |name: &&str| splits.iter().find(|(found, _)| found == name);
        let folder = names(wanted).iter().find_map(find);
        folder.map(|(_, folder)| folder.clone()).ok_or_else(|| missing(root, wanted))
    }
}

fn missing(root: &Path, split: Split) -> Error {
    let remedy = format!("put a folder per class in {split}/, or ask for another split");
    Error::missing(root, format!("the split '{split}'"), remedy)
}

/// Class names and pictures of a folder of class folders.
fn read(root: &Path, walk: &mut Walk) -> Result<(Vec<String>, Vec<Sample>)> {
    let classes = folders(root)?;
    if classes.is_empty() {
        return Err(Error::missing(root, "a folder for each class", REMEDY));
    }
    // All of them first: a link from one to another must not lead there.
    walk.enter(root)?;
    let mut entered = Vec::new();
    for (class, (name, folder)) in classes.iter().enumerate() {
        if walk.enter(folder)? {
            entered.push((class, name, folder));
        }
    }
    let mut samples = Vec::new();
    for (class, name, folder) in entered {
        samples.extend(walk.pictures(folder)?.into_iter().map(|(below, path)| Sample {
            id: format!("{name}/{below}"),
            path,
            class,
            annotations: Annotations::default(),
        }));
    }
    Ok((classes.into_iter().map(|(name, _)| name).collect(), samples))
}

const REMEDY: &str = "put the pictures of each class in a folder of its name, or give a CSV file \
                      of path,label";

/// All splits together; they share their classes.
fn all(splits: &[(String, PathBuf)], walk: &mut Walk) -> Result<(Vec<String>, Vec<Sample>)> {
    let parts: Vec<_> =
        splits.iter().map(|(_, folder)| read(folder, walk)).collect::<Result<_>>()?;
    let mut classes: Vec<String> = parts.iter().flat_map(|(names, _)| names).cloned().collect();
    classes.sort();
    classes.dedup();
    let mut samples = Vec::new();
    for ((split, _), (names, of_split)) in splits.iter().zip(parts) {
        samples.extend(of_split.into_iter().map(|sample| Sample {
            id: format!("{split}/{}", sample.id),
            class: classes.partition_point(|class| *class < names[sample.class]),
            ..sample
        }));
    }
    samples.sort_by(|a, b| (a.class, &a.id).cmp(&(b.class, &b.id)));
    Ok((classes, samples))
}
