//! Files that appear whole or not at all.

use std::{fs, path::Path};

use tempfile::{Builder, NamedTempFile};

use crate::{Error, Result};

/// A temporary file beside `path`, whose folder is made, to be renamed to it.
pub(crate) fn draft_of(path: &Path) -> Result<NamedTempFile> {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let folder = parent.unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(".hsets-");
    // Temporary files are private by default; results get the permissions of any new file.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let draft = fs::create_dir_all(folder).and_then(|()| builder.tempfile_in(folder));
    draft.map_err(|error| Error::io(path, error))
}
