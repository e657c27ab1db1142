//! Listing and reading of files.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

/// Ends of the names of pictures.
const PICTURES: [&str; 14] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "tif", "tiff", "pnm", "ppm", "pgm",
    "pbm",
];

/// Largest list or table that is read: no dataset's is larger, a forgery may be.
const MAX_BYTES: u64 = 256 << 20;

/// The entries of a folder with their names, ordered by name; hidden ones are left out.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let failed = |error| Error::io(folder, error);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            entries.push((name, path));
        }
    }
    entries.sort();
    Ok(entries)
}

/// The folders in a folder.
pub(crate) fn folders(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let entries = entries(folder)?;
    Ok(entries.into_iter().filter(|(_, path)| path.is_dir()).collect())
}

/// A walk over the pictures of a dataset. A folder counts once, however many links lead to it.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    entered: HashSet<PathBuf>,
    /// What was passed by: how many of which kind.
    pub(crate) left_out: BTreeMap<String, usize>,
}

impl Walk {
    /// True unless the folder was entered before.
    pub(crate) fn enter(&mut self, folder: &Path) -> Result<bool> {
        let path = folder.canonicalize().map_err(|error| Error::io(folder, error))?;
        let is_new = self.entered.insert(path);
        if !is_new {
            self.leave_out("links to folders that count already");
        }
        Ok(is_new)
    }

    fn leave_out(&mut self, kind: &str) {
        *self.left_out.entry(kind.to_owned()).or_default() += 1;
    }

    /// The pictures below a folder that was entered, by the ends of their names: (path below it,
    /// file).
    pub(crate) fn pictures(&mut self, folder: &Path) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for (name, path) in entries(folder)? {
            // Follows links; of those that lead nowhere nothing is known.
            let Ok(metadata) = path.metadata() else {
                self.leave_out("links that lead nowhere");
                continue;
            };
            if metadata.is_dir() {
                if self.enter(&path)? {
                    let below = self.pictures(&path)?.into_iter();
                    found.extend(below.map(|(below, path)| (format!("{name}/{below}"), path)));
                }
            } else if !metadata.is_file() {
                self.leave_out("pipes and devices");
            } else if is_picture(&name) {
                found.push((name, path));
            } else {
                match ending(&name) {
                    Some(ending) => self.leave_out(&format!(".{ending}")),
                    None => self.leave_out("files without an ending"),
                }
            }
        }
        Ok(found)
    }
}

/// Whether a file of this name holds a picture, by its end.
pub fn is_picture(name: &str) -> bool {
    ending(name).is_some_and(|ending| PICTURES.contains(&ending.as_str()))
}

fn ending(name: &str) -> Option<String> {
    name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase())
}

/// The text of a file of sensible size, without a byte order mark.
pub(crate) fn read(path: &Path) -> Result<String> {
    let failed = |error| Error::io(path, error);
    let size = hsets_files::regular(path).map_err(failed)?.len();
    if size > MAX_BYTES {
        let problem = format!("{size} bytes are too many for a list");
        return Err(Error::malformed(path, problem));
    }
    let text = String::from_utf8(hsets_files::read(path).map_err(failed)?)
        .map_err(|_| Error::malformed(path, "is no text in UTF-8: save it as that"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}
