//! Paths in settings: as they are shown, whatever their encoding.

use std::path::{Path, PathBuf};

use serde::{Serialize as _, Serializer};

pub(crate) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[allow(clippy::ref_option, reason = "serde calls it with the field")]
pub(crate) fn serialize_option<S: Serializer>(
    path: &Option<PathBuf>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    path.as_ref().map(|path| path.display().to_string()).serialize(serializer)
}
