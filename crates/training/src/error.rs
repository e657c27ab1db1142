//! Errors of training, by who is at fault.

use std::path::{Path, PathBuf};

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why training cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is out of range, or the user stopped it.
    #[error(transparent)]
    Core(#[from] hsets_core::Error),
    /// A picture cannot be read, or a device is not compiled in.
    #[error(transparent)]
    Models(#[from] hsets_models::Error),
    /// The network cannot be run.
    #[error(transparent)]
    Network(#[from] hsets_autodiff::Error),
    /// A file does not hold what it should.
    #[error("{}: {problem}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        problem: String,
    },
    /// The loss is not a number any more.
    #[error("the loss is {loss} at step {step}: lower the learning rate, or warm up longer")]
    Diverged {
        /// NaN or an infinity.
        loss: f64,
        /// The step, from 0.
        step: u64,
    },
    /// What the caller does with a state failed.
    #[error(transparent)]
    Caller(Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    pub(crate) fn file(path: &Path, problem: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into() }
    }
}
