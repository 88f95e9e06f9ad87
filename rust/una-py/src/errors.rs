//! The one place where an error of the core becomes a Python exception of `una_fast.errors`.

use std::io::ErrorKind;
use std::sync::{Mutex, PoisonError};

use pyo3::PyErrArguments;
use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyType;
use una_core::Error;

/// An exception of `una_fast.errors` by name; should even that fail, the failure itself.
fn exception(py: Python<'_>, class: &str, arguments: impl PyErrArguments + 'static) -> PyErr {
    let build = || -> PyResult<PyErr> {
        let class = py.import("una_fast.errors")?.getattr(class)?.cast_into::<PyType>()?;
        Ok(PyErr::from_type(class, arguments))
    };
    build().unwrap_or_else(|error| error)
}

/// The last panic of any thread: where, and why.
static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

/// Has a panic say nothing by itself: it becomes an exception, see [`caught`]. Showing the way that led to it would take
/// memory, which may be what has run out.
pub(crate) fn keep_panics_quiet() {
    std::panic::set_hook(Box::new(|info| {
        let payload = info.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("a panic without a message");
        let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
        let mut last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(format!("{message}{}", place.unwrap_or_default()));
    }));
}

/// The panic that has just been caught, as an error.
pub(crate) fn caught() -> Error {
    let last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
    Error::Internal(last.unwrap_or_else(|| "a panic without a message".into()))
}

pub(crate) fn to_py(error: &Error) -> PyErr {
    Python::attach(|py| match error {
        Error::Input(message) => exception(py, "InputError", message.to_owned()),
        Error::Option(message) => exception(py, "OptionError", message.to_owned()),
        Error::Artifact { .. } => exception(py, "ArtifactError", error.to_string()),
        Error::Storage { path, source, .. } => {
            let code = source.raw_os_error().or_else(|| code_of(py, source.kind()).ok());
            let reason = source.raw_os_error().and_then(|code| words_for(py, code).ok());
            let reason = reason.unwrap_or_else(|| source.to_string());
            exception(py, "StorageError", (code, reason, path.display().to_string()))
        }
        Error::OutOfMemory => PyMemoryError::new_err("out of memory"),
        other => exception(py, "InternalError", other.to_string()),
    })
}

/// Python's words for an error number.
fn words_for(py: Python<'_>, code: i32) -> PyResult<String> {
    py.import("os")?.call_method1("strerror", (code,))?.extract()
}

/// The number of an error of which only the kind is known, as where a library has wrapped it.
fn code_of(py: Python<'_>, kind: ErrorKind) -> PyResult<i32> {
    let name = match kind {
        ErrorKind::AlreadyExists => "EEXIST",
        ErrorKind::NotADirectory => "ENOTDIR",
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::QuotaExceeded => "EDQUOT",
        ErrorKind::ReadOnlyFilesystem => "EROFS",
        ErrorKind::StorageFull => "ENOSPC",
        ErrorKind::WouldBlock => "EAGAIN",
        _ => "EIO",
    };
    py.import("errno")?.getattr(name)?.extract()
}

/// The system refuses a thread to work that cannot do without.
pub(crate) fn no_thread(py: Python<'_>) -> PyErr {
    exception(
        py,
        "StorageError",
        (code_of(py, ErrorKind::WouldBlock).ok(), "the system starts no more threads"),
    )
}

pub(crate) fn input_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "InputError", message.to_owned())
}
