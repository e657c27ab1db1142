//! Errors.

use std::path::{Path, PathBuf};

/// Result of reading weight files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is wrong with a weight file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It could not be read at all.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no weight file, or damaged.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// It is another file than the one that was asked for.
    #[error("{}: its SHA-256 is {found}, not {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// SHA-256 that it should have, hexadecimal.
        expected: String,
        /// SHA-256 that it has.
        found: String,
    },
}

impl Error {
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.into() }
    }
}
