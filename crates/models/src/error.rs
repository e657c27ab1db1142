//! Errors, by who is at fault.

use std::path::{Path, PathBuf};

/// Result of loading models and inputs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong while a model or an input was loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read at all.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what its place asks for, or is damaged.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The tensors of a weight file do not fit the architecture.
    #[error("{0}")]
    Weights(String),
    /// No architecture or alias of this name.
    #[error("{0}")]
    UnknownModel(String),
    /// No class of this name or index.
    #[error("{0}")]
    UnknownLabel(String),
    /// Weights could not be had from the hub.
    #[error("{0}")]
    Hub(String),
    /// Something this build cannot do.
    #[error("{what} is not in this build; enable feature '{feature}'")]
    NotCompiled {
        /// What was asked for.
        what: String,
        /// The cargo feature that brings it.
        feature: &'static str,
    },
    /// A setting is outside its range, or the image does not fit the network.
    #[error(transparent)]
    Core(#[from] hsets_core::Error),
    /// The network could not be built or bound to its weights.
    #[error(transparent)]
    Network(#[from] hsets_autodiff::Error),
}

impl Error {
    /// A file that could not be read.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_path_buf(), source }
    }

    /// A file with the wrong content.
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_path_buf(), problem: problem.into() }
    }
}

impl From<hsets_weights::Error> for Error {
    fn from(error: hsets_weights::Error) -> Self {
        match error {
            hsets_weights::Error::Io { path, source } => Self::Io { path, source },
            hsets_weights::Error::File { path, problem } => Self::File { path, problem },
            other => Self::Weights(other.to_string()),
        }
    }
}

impl From<Error> for hsets_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => error,
            other => Self::field(other),
        }
    }
}
