//! Errors, by who is at fault.

use std::error::Error as StdError;

/// Result of the stages and of the fields they work on.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong in a stage or in a field.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range.
    #[error("{setting} = {value}: {expected}")]
    Config {
        /// Name of the setting, as the user types it.
        setting: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        expected: String,
    },
    /// Two things that must have the same shape do not.
    #[error("{what}: expected {expected}, found {found}")]
    Shape {
        /// What has the wrong shape.
        what: String,
        /// The shape it should have.
        expected: String,
        /// The shape it has.
        found: String,
    },
    /// A value that is not a finite number.
    #[error("{what} is not finite: {hint}")]
    NotFinite {
        /// What holds the value.
        what: String,
        /// What the user can do.
        hint: String,
    },
    /// Something this build or this field cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// The field (network, device) failed.
    #[error("{0}")]
    Field(#[source] Box<dyn StdError + Send + Sync>),
}

impl Error {
    /// A setting outside its range.
    pub fn config(
        setting: &'static str,
        value: impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        Self::Config { setting, value: value.to_string(), expected: expected.into() }
    }

    /// A shape mismatch.
    pub fn shape(
        what: impl Into<String>,
        expected: impl std::fmt::Display,
        found: impl std::fmt::Display,
    ) -> Self {
        Self::Shape { what: what.into(), expected: expected.to_string(), found: found.to_string() }
    }

    /// Wraps the error of a field's implementation.
    pub fn field(source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::Field(source.into())
    }
}
