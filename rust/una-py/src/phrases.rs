//! `una_fast._core.Phrases`.

use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::errors::to_py;

/// Tokens in a row that are one term.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Phrases(una_core::Phrases);

impl Phrases {
    /// The phrases of an argument, which are none where there is no argument.
    pub(crate) fn of(given: Option<&Bound<'_, Self>>) -> una_core::Phrases {
        given.map_or(una_core::Phrases::NONE, |phrases| phrases.get().0.clone())
    }

    /// What settings hold, for Python: None where there are none.
    pub(crate) fn found(phrases: &una_core::Phrases) -> Option<Self> {
        (!phrases.is_empty()).then(|| Self(phrases.clone()))
    }
}

#[pymethods]
impl Phrases {
    /// Phrases from their tokens, those of each with single spaces between them.
    #[new]
    fn new(py: Python<'_>, texts: Vec<String>) -> PyResult<Self> {
        py.detach(|| una_core::Phrases::new(texts)).map(Self).map_err(|error| to_py(&error))
    }

    fn __len__(&self) -> usize {
        self.0.iter().count()
    }

    /// In order of their bytes.
    fn texts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.0.iter().collect::<Vec<_>>())
    }
}
