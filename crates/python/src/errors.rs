//! Errors as Python exceptions, with the texts that the program prints.

use hsets_pipeline::{core, models};
use pyo3::{
    PyErr,
    exceptions::{
        PyConnectionError, PyFileNotFoundError, PyKeyboardInterrupt, PyNotImplementedError,
        PyOSError, PyRuntimeError, PyValueError,
    },
};

/// Any error of the crates below.
#[derive(Debug)]
pub(crate) enum Error {
    Core(core::Error),
    Models(models::Error),
    Report(hsets_report::Error),
}

pub(crate) type Result<T> = std::result::Result<T, Error>;

impl From<core::Error> for Error {
    fn from(error: core::Error) -> Self {
        Self::Core(error)
    }
}

impl From<models::Error> for Error {
    fn from(error: models::Error) -> Self {
        match error {
            models::Error::Core(error) => Self::Core(error),
            other => Self::Models(other),
        }
    }
}

impl From<hsets_report::Error> for Error {
    fn from(error: hsets_report::Error) -> Self {
        match error {
            hsets_report::Error::Core(error) => Self::Core(error),
            other => Self::Report(other),
        }
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Core(error) => of_core(&error),
            Error::Models(error) => of_models(&error),
            Error::Report(error @ hsets_report::Error::Write { .. }) => {
                PyOSError::new_err(error.to_string())
            }
            Error::Report(error) => PyRuntimeError::new_err(error.to_string()),
        }
    }
}

fn of_core(error: &core::Error) -> PyErr {
    let text = error.to_string();
    match error {
        core::Error::Config { .. } | core::Error::Shape { .. } | core::Error::NotFinite { .. } => {
            PyValueError::new_err(text)
        }
        core::Error::Unsupported(_) => PyNotImplementedError::new_err(text),
        core::Error::Cancelled => PyKeyboardInterrupt::new_err(()),
        _ => PyRuntimeError::new_err(text),
    }
}

fn of_models(error: &models::Error) -> PyErr {
    let text = error.to_string();
    match error {
        models::Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            PyFileNotFoundError::new_err(text)
        }
        models::Error::Io { .. } => PyOSError::new_err(text),
        models::Error::Hub(_) => PyConnectionError::new_err(text),
        models::Error::NotCompiled { .. } => PyNotImplementedError::new_err(text),
        _ => PyValueError::new_err(text),
    }
}
