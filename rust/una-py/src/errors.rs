//! The one place where an error of the core becomes a Python exception of `una_fast.errors`.

use pyo3::PyErrArguments;
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

pub(crate) fn to_py(error: &Error) -> PyErr {
    Python::attach(|py| match error {
        Error::Input(message) => exception(py, "InputError", message.to_owned()),
        Error::Option(message) => exception(py, "OptionError", message.to_owned()),
        Error::Artifact { .. } => exception(py, "ArtifactError", error.to_string()),
        Error::Storage { path, source, .. } => match source.raw_os_error() {
            Some(code) => {
                let reason = py
                    .import("os")
                    .and_then(|os| os.call_method1("strerror", (code,))?.extract::<String>())
                    .unwrap_or_else(|_| source.to_string());
                exception(py, "StorageError", (code, reason, path.display().to_string()))
            }
            None => exception(py, "StorageError", error.to_string()),
        },
        other => exception(py, "InternalError", other.to_string()),
    })
}

pub(crate) fn input_error(py: Python<'_>, message: &str) -> PyErr {
    exception(py, "InputError", message.to_owned())
}
