//! Errors: what is missing or wrong, where, and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a dataset cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that belongs to the dataset is not there.
    #[error("{}: {what} is missing; {remedy}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// What it is.
        what: String,
        /// What to get, and where to put it.
        remedy: String,
    },
    /// A file says something that makes no sense.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the line where there is one.
        problem: String,
    },
    /// The classes of the dataset are not those of the model.
    #[error("{0}")]
    Classes(String),
    /// A name that stands for nothing.
    #[error("{what} '{name}' is unknown: expected {expected}")]
    Unknown {
        /// Kind of the name.
        what: &'static str,
        /// The name as typed.
        name: String,
        /// What is known.
        expected: String,
    },
    /// A file or folder cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(crate) fn missing(path: &Path, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Missing { path: path.to_owned(), what: what.into(), remedy: remedy.into() }
    }

    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}
