//! Errors: what is wrong, in which file, and what to do.

use std::{
    io,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;

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
    /// Another program holds the file of results.
    #[error(
        "{}: locked by another program: close it there (a database browser?), then go on",
        path.display()
    )]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// The database.
    #[error("{}: {source}{}", path.display(), hint(source))]
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
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => {
                Self::mismatch(path, "is no file of results; give another one")
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::damaged(path, &source.to_string()),
            _ if Self::is_busy(&source) => Self::Locked { path: path.to_owned() },
            _ => Self::Database { path: path.to_owned(), source },
        }
    }

    pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
        let code = error.sqlite_error_code();
        matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
    }

    /// What goes wrong while a file is checked is damage, unless it is the lock of another.
    pub(crate) fn damaged_database(path: &Path, source: rusqlite::Error) -> Self {
        if Self::is_busy(&source) {
            return Self::database(path, source);
        }
        Self::damaged(path, &source.to_string())
    }

    pub(crate) fn damaged(path: &Path, problem: &str) -> Self {
        let remedy = "it is damaged or forged: take a copy, or evaluate anew";
        Self::mismatch(path, format!("{problem}; {remedy}"))
    }

    pub(crate) fn io(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.to_owned(), source: source.into() }
    }
}

/// What the user can do about a failed database.
fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": free some space; the same command goes on",
        Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::SystemIoFailure) => {
            ": is its folder there, with space left, and may you write to it? The same command goes \
             on once it is"
        }
        _ => "",
    }
}
