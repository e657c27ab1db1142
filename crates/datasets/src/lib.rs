//! Pictures with their classes, read from the folders in which people have them.
//!
//! Only names and text files are read, never a picture: a dataset of 50,000 opens in a moment.
//! What is recognised, and what must lie where:
//!
//! | [`Layout`] | what lies in the folder |
//! |---|---|
//! | `imagenet` | validation photos in class folders `val/n01440764/…`, or flat `ILSVRC2012_val_00000001.JPEG` … with the devkit's ground truth (see [`Layout::ImageNet`]) |
//! | `imagenette` | `train/` and `val/` with its ten class folders |
//! | `cub` | CUB-200-2011: `images/`, `images.txt`, `image_class_labels.txt`, `classes.txt`, `train_test_split.txt`; bounding boxes and parts where they are there |
//! | `folder` | one folder per class, or `train/`, `val/`, `test/` with one folder per class each |
//! | `csv` | a file of `path,label` |
//!
//! ```
//! # let root = tempfile::tempdir()?;
//! # for name in ["cat/1.png", "cat/2.png", "dog/1.png"] {
//! #     let path = root.path().join(name);
//! #     std::fs::create_dir_all(path.parent().unwrap())?;
//! #     std::fs::write(path, [])?;
//! # }
//! use hsets_datasets::{Dataset, OpenOptions};
//! let dataset = Dataset::open(root.path(), &OpenOptions::default())?;
//! assert_eq!(dataset.samples[2].id, "dog/1.png");
//! // Which class of a model is a class of the dataset? By name, where the names are the same.
//! assert_eq!(dataset.classes.onto(&["dog", "horse", "cat"], None)?.class_of, [2, 0]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod classes;
mod csv_file;
mod cub;
mod dataset;
mod devkit;
mod error;
mod files;
mod folder;
mod imagenet;
mod layout;

pub use classes::{Classes, Numbering, Placement, imagenet_wnids};
pub use dataset::{Annotations, Dataset, OpenOptions, PartLocation, Sample};
pub use error::{Error, Result};
pub use files::is_picture;
pub use layout::{Layout, Split};
