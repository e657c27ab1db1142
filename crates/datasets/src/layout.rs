//! How a dataset lies on disk, and which part of it is meant.

use std::{fmt, str::FromStr};

use crate::{Error, Result};

/// How a dataset lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Layout {
    /// The validation photos of ILSVRC 2012, in the folder or its `val/`.
    ///
    /// Either in folders named after WordNet ids, or flat, as they are distributed. Flat photos
    /// need their classes, from the devkit: `ILSVRC2012_validation_ground_truth.txt` (an
    /// `ILSVRC2012_ID` for each photo), looked for in the folder and in its
    /// `ILSVRC2012_devkit_t12/data/`; or from Kaggle's edition: `LOC_val_solution.csv`.
    ImageNet,
    /// Ten classes of `ImageNet` in `train/` and `val/`.
    Imagenette,
    /// CUB-200-2011, birds.
    Cub,
    /// A folder per class.
    Folder,
    /// A file of `path,label`.
    Csv,
}

impl Layout {
    /// All layouts.
    pub const ALL: [Self; 5] =
        [Self::ImageNet, Self::Imagenette, Self::Cub, Self::Folder, Self::Csv];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::ImageNet => "imagenet",
            Self::Imagenette => "imagenette",
            Self::Cub => "cub",
            Self::Folder => "folder",
            Self::Csv => "csv",
        }
    }
}

/// Which part of a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// For training.
    Train,
    /// Held out: `val`; where there is none, `test`.
    Val,
    /// Held out: `test`; where there is none, `val`.
    Test,
    /// Everything.
    All,
}

impl Split {
    /// All splits.
    pub const ALL: [Self; 4] = [Self::Train, Self::Val, Self::Test, Self::All];

    /// The name that [`FromStr`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
            Self::All => "all",
        }
    }
}

/// The item of this name, or an error that lists all names.
pub(crate) fn by_name<T: Copy>(
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
    what: &'static str,
    name: &str,
) -> Result<T> {
    all.iter().copied().find(|&item| name_of(item) == name).ok_or_else(|| Error::Unknown {
        what,
        name: name.into(),
        expected: all.iter().map(|&item| name_of(item)).collect::<Vec<_>>().join(", "),
    })
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        by_name(&Self::ALL, Self::name, "dataset", name)
    }
}

impl FromStr for Split {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        by_name(&Self::ALL, Self::name, "split", name)
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
