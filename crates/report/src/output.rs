//! Results on disk: files that appear whole or not at all (see `hsets_files`), with errors that say
//! what to do.

use std::path::{Path, PathBuf};

use hsets_files::DraftFolder;

use crate::{Error, Result};

/// Writes one file, replacing an older one at once. Makes its folder if that does not exist.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<()> {
    hsets_files::write(path, bytes).map_err(|source| Error::write(path, source))
}

/// The results of one input: collected aside, published together.
#[derive(Debug)]
pub struct Folder {
    destination: PathBuf,
    draft: DraftFolder,
}

impl Folder {
    /// Starts to collect files for `destination`, beside it. Fails early where nothing can be
    /// written.
    pub fn begin(destination: impl Into<PathBuf>) -> Result<Self> {
        let destination = destination.into();
        let draft = DraftFolder::beside(&destination);
        let draft = draft.map_err(|source| Error::write(&destination, source))?;
        Ok(Self { destination, draft })
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let written = self.draft.add(name, bytes);
        written.map_err(|source| Error::write(self.destination.join(name), source))
    }

    /// Moves all files to the destination; gives its path.
    pub fn publish(self) -> Result<PathBuf> {
        let Self { destination, draft } = self;
        draft.publish(&destination).map_err(|source| Error::write(&destination, source))?;
        Ok(destination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_the_way_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        write_file(&file, b"x").unwrap();
        let error = Folder::begin(file.join("photo")).unwrap_err().to_string();
        assert!(error.contains("file") && error.contains("in the way"), "{error}");
    }
}
