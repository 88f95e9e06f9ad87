//! Files that are whole or not there, for what Python writes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use una_core::atomic_file;

use crate::errors::to_py;
use crate::gil::short;

/// Gives each of two files or folders the name of the other, in one step; False where the system cannot.
#[pyfunction]
#[pyo3(signature = (path, other))]
pub(crate) fn exchange(path: PathBuf, other: PathBuf) -> PyResult<bool> {
    atomic_file::exchange(&path, &other).map_err(|error| to_py(&error))
}

/// The temporary files and folders of runs that were killed; with `remove` they go.
#[pyfunction]
#[pyo3(signature = (folder, *, remove))]
pub(crate) fn litter(py: Python<'_>, folder: PathBuf, remove: bool) -> PyResult<Vec<PathBuf>> {
    short(py, |_| atomic_file::litter(&folder, remove))
}

/// A file that will take the place of another.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Replacement {
    path: PathBuf,
    file: Mutex<Option<atomic_file::Replacement>>,
}

impl Replacement {
    fn take(&self) -> Option<atomic_file::Replacement> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[pymethods]
impl Replacement {
    #[new]
    fn new(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let file = short(py, |_| atomic_file::Replacement::begin(&path))?;
        Ok(Self { path: file.path().to_owned(), file: Mutex::new(Some(file)) })
    }

    /// The temporary name.
    #[getter]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable, and puts it in place.
    fn commit(&self, py: Python<'_>) -> PyResult<()> {
        short(py, |_| self.take().map_or(Ok(()), atomic_file::Replacement::commit))
    }

    /// Removes the file, unless it is in place.
    fn discard(&self) {
        drop(self.take());
    }
}

/// A new folder under a temporary name, which goes with it.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct TemporaryFolder {
    path: PathBuf,
    folder: Mutex<Option<atomic_file::TemporaryFolder>>,
}

#[pymethods]
impl TemporaryFolder {
    #[new]
    fn new(py: Python<'_>, place: PathBuf) -> PyResult<Self> {
        let folder = short(py, |_| atomic_file::TemporaryFolder::new(Some(&place), false))?;
        Ok(Self { path: folder.path().to_owned(), folder: Mutex::new(Some(folder)) })
    }

    /// The temporary name.
    #[getter]
    fn path(&self) -> &Path {
        &self.path
    }

    /// Removes what stands under the temporary name, if anything does.
    fn discard(&self, py: Python<'_>) {
        let folder = self.folder.lock().unwrap_or_else(PoisonError::into_inner).take();
        py.detach(|| drop(folder));
    }
}
