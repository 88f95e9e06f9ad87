//! System calls on files that Python has no function for.

use std::path::PathBuf;

use pyo3::prelude::*;
use una_core::file;

use crate::errors::to_py;

/// Gives each of two files or folders the name of the other, in one step; False where the system cannot.
#[pyfunction]
#[pyo3(signature = (path, other))]
pub(crate) fn exchange(path: PathBuf, other: PathBuf) -> PyResult<bool> {
    file::exchange(&path, &other).map_err(|error| to_py(&error))
}
