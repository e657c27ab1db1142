//! Errors: what is wrong, in which file, and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an evaluation cannot go on. What fails for a single picture is no error but a row.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file of results belongs to another evaluation.
    #[error("{}: {problem}", path.display())]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs, and what to do.
        problem: String,
    },
    /// Another process writes to the file.
    #[error("{}: in use by {owner}: wait for it, or give another --out", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
        /// Who holds it.
        owner: String,
    },
    /// Two shards say different things about the same picture.
    #[error("{}: {problem}", path.display())]
    Conflict {
        /// The shard.
        path: PathBuf,
        /// What differs.
        problem: String,
    },
    /// Picture after picture fails: something is wrong that is not in the pictures.
    #[error(
        "{n} pictures in a row failed, the last with: {reason}; once it is put right, go on with --retry-failed"
    )]
    KeepsFailing {
        /// How many.
        n: usize,
        /// Why the last one failed.
        reason: String,
    },
    /// What is asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The database.
    #[error("{}: {source}", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The dataset.
    #[error(transparent)]
    Dataset(#[from] hsets_datasets::Error),
    /// A stage; [`hsets_core::Error::Cancelled`] after Ctrl-C.
    #[error(transparent)]
    Core(#[from] hsets_core::Error),
}

impl Error {
    pub(crate) fn mismatch(path: &Path, problem: impl Into<String>) -> Self {
        Self::Mismatch { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn conflict(path: &Path, problem: impl Into<String>) -> Self {
        Self::Conflict { path: path.to_owned(), problem: problem.into() }
    }

    pub(crate) fn database(path: &Path, source: rusqlite::Error) -> Self {
        if source.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
            return Self::mismatch(path, "is no file of results; give another one");
        }
        Self::Database { path: path.to_owned(), source }
    }

    pub(crate) fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.to_owned(), source: source.into() }
    }
}
