//! Why a server cannot start, and why a question is refused.

use std::{io, net::SocketAddr};

use hyper::StatusCode;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the explorer cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address is taken or not of this machine.
    #[error("cannot listen on {address}: {source}; choose another --port or --host")]
    Listen {
        /// Where it was to listen.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Beyond this machine, whoever knows the address could use the explorer.
    #[error(
        "--host {0} can be reached from other machines: give a token of at least 16 characters"
    )]
    NoToken(std::net::IpAddr),
    /// A file or folder of pictures cannot be read.
    #[error("{path}: {source}")]
    Pictures {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system gave no thread or no socket.
    #[error("cannot start the server: {0}")]
    Start(#[source] io::Error),
}

/// Why a question is not answered: a status of HTTP and one line for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub(crate) fn busy() -> Self {
        let message = "busy: many people are asking at the moment; try again in a few seconds";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<hsets_core::Error> for Refusal {
    fn from(error: hsets_core::Error) -> Self {
        use hsets_core::Error as E;
        match &error {
            E::Config { .. } | E::Shape { .. } | E::Unsupported(_) => Self::bad(error.to_string()),
            _ => Self::internal(error.to_string()),
        }
    }
}

impl From<hsets_pipeline::models::Error> for Refusal {
    fn from(error: hsets_pipeline::models::Error) -> Self {
        Self::bad(error.to_string().replace('\n', " "))
    }
}

impl From<hsets_report::Error> for Refusal {
    fn from(error: hsets_report::Error) -> Self {
        Self::internal(error.to_string())
    }
}
