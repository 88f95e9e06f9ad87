//! One error type. Messages are lower-case, and name the value and the place.

use std::collections::TryReserveError;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything that can go wrong. The binding turns each variant into one Python exception.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Text or data that cannot be used; the message names the place.
    Input(String),
    /// An option without meaning; the message names the option and its value.
    Option(String),
    /// A saved file that is damaged, hostile, or not ours.
    Artifact {
        /// The file as the caller named it.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The operating system refused.
    Storage {
        /// The file or folder concerned.
        path: PathBuf,
        /// The action refused, as a verb: "read", "write".
        action: &'static str,
        /// The refusal.
        source: io::Error,
    },
    /// The system has no more memory to give.
    OutOfMemory,
    /// The caller asked to stop.
    Interrupted,
    /// A fault of this crate.
    Internal(String),
}

impl Error {
    pub(crate) fn storage(path: &Path, action: &'static str, source: io::Error) -> Self {
        if source.kind() == io::ErrorKind::OutOfMemory {
            return Self::OutOfMemory;
        }
        Self::Storage { path: path.to_owned(), action, source }
    }

    pub(crate) fn artifact(path: &Path, reason: impl Into<String>) -> Self {
        Self::Artifact { path: path.to_owned(), reason: reason.into() }
    }
}

impl From<TryReserveError> for Error {
    fn from(_: TryReserveError) -> Self {
        Self::OutOfMemory
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(message) | Self::Option(message) => f.write_str(message),
            Self::Artifact { path, reason } => write!(f, "{}: {reason}", path.display()),
            Self::Storage { path, action, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::OutOfMemory => f.write_str("out of memory"),
            Self::Interrupted => f.write_str("interrupted"),
            Self::Internal(message) => write!(f, "internal fault: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Storage { source, .. } => Some(source),
            _ => None,
        }
    }
}
