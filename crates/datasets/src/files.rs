//! Listing and reading of files.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

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

/// The pictures below a folder, by the ends of their names: (path below it, file).
pub(crate) fn pictures(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (name, path) in entries(folder)? {
        if is_picture(&name) {
            found.push((name, path));
        } else if path.is_dir() {
            let below = pictures(&path)?.into_iter();
            found.extend(below.map(|(below, path)| (format!("{name}/{below}"), path)));
        }
    }
    Ok(found)
}

fn is_picture(name: &str) -> bool {
    const ENDS: [&str; 8] = ["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];
    let end = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase());
    end.is_some_and(|end| ENDS.contains(&end.as_str()))
}

pub(crate) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::io(path, error))
}
