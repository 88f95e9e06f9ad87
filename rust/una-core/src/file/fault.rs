//! Faults of a file, before it is known what the file is called.

use std::collections::TryReserveError;
use std::io;
use std::path::Path;

use crate::error::Error;

/// Why a file is not what it should be.
pub(super) enum Fault {
    /// Its contents are wrong, and how.
    Content(String),
    /// It cannot be read.
    Input(io::Error),
    /// Something else went wrong meanwhile.
    Other(Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Content(reason)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

impl From<TryReserveError> for Fault {
    fn from(refusal: TryReserveError) -> Self {
        Self::Other(refusal.into())
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    pub(super) fn of(self, path: &Path) -> Error {
        match self {
            Self::Content(reason) => Error::artifact(path, reason),
            Self::Input(error) => Error::storage(path, "read", error),
            Self::Other(error) => error,
        }
    }
}

/// A value that was read, or the reason why not.
pub(super) type Reading<T> = std::result::Result<T, Fault>;
