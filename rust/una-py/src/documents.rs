//! `una_fast._core.DocumentCounter`: document-term matrices.

use std::sync::{Arc, Mutex, PoisonError};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use una_core::Work;
use una_core::document_terms::{Analysis, DocumentCounter as Core, Vocabulary as CoreVocabulary};
use una_core::terms::TermArena;

use crate::errors::input_error;
use crate::gil::{SHORT_BYTES, Turns, interruptible, short};
use crate::reading::tokenizer;
use crate::strings::Strings;

/// Terms that are made objects of before other threads have a turn.
const STEP: u32 = 1 << 8;

/// Columns, counts and row bounds of a sparse matrix.
type Rows<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

/// Terms that have columns.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Vocabulary(Arc<CoreVocabulary>);

#[pymethods]
impl Vocabulary {
    /// A vocabulary of these terms, in order of their columns.
    #[new]
    fn new(py: Python<'_>, terms: &Bound<'_, PyAny>) -> PyResult<Self> {
        let strings = Strings::extract(terms)?;
        let strs = strings.as_strs()?;
        Ok(Self(Arc::new(short(py, |_| CoreVocabulary::new(&strs))?)))
    }
}

/// Counts the terms of documents; of no more use once they are taken out.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct DocumentCounter {
    core: Mutex<Option<Core>>,
}

#[pymethods]
impl DocumentCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase, ngram_range, stop_words, vocabulary))]
    fn new(
        tokenizer: &str,
        lowercase: bool,
        ngram_range: (u32, u32),
        stop_words: Vec<String>,
        vocabulary: Option<Bound<'_, Vocabulary>>,
    ) -> PyResult<Self> {
        let (least, most) = ngram_range;
        let tokenizer = self::tokenizer(tokenizer)?;
        let analysis = Analysis { tokenizer, lowercase, stop_words, least, most };
        let known = vocabulary.map(|known| Arc::clone(&known.get().0));
        Ok(Self { core: Mutex::new(Some(Core::new(analysis, known))) })
    }

    /// Counts more documents, a list of str. What is no str, and no Unicode text, is found before any is counted.
    #[pyo3(signature = (documents, *, threads))]
    fn add(&self, py: Python<'_>, documents: &Bound<'_, PyAny>, threads: usize) -> PyResult<()> {
        let strings = Strings::extract(documents)?;
        let strs = strings.as_strs()?;
        let mut core = self.take(py)?;
        let bytes = strs.iter().map(|text| text.len()).sum::<usize>();
        // An error drops the counter, half of which may have counted them.
        let core = if bytes <= SHORT_BYTES {
            short(py, |stop| {
                core.add(&strs, Work { stop, ..Work::default() })?;
                Ok(core)
            })
        } else {
            interruptible(py, |work| {
                core.add(&strs, Work { threads, ..work })?;
                Ok(core)
            })
        }?;
        *self.core.lock().unwrap_or_else(PoisonError::into_inner) = Some(core);
        Ok(())
    }

    /// The terms, and the rows of all documents: columns, counts, row bounds.
    #[pyo3(signature = (*, threads))]
    fn finish<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<(Terms, Rows<'py>)> {
        let core = self.take(py)?;
        let (terms, rows) = interruptible(py, |work| core.finish(Work { threads, ..work }))?;
        let (columns, offsets) = rows.columns.into_parts();
        let rows = (columns.into_pyarray(py), rows.counts.into_pyarray(py), offsets.into_pyarray(py));
        Ok((Terms(terms), rows))
    }
}

impl DocumentCounter {
    fn take(&self, py: Python<'_>) -> PyResult<Core> {
        let core = self.core.lock().unwrap_or_else(PoisonError::into_inner).take();
        core.ok_or_else(|| input_error(py, "the counter was finished, or met an error"))
    }
}

/// The terms of documents, in order of their columns.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Terms(TermArena);

#[pymethods]
impl Terms {
    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Those terms for which `kept` is true.
    fn kept(&self, py: Python<'_>, kept: PyReadonlyArray1<'_, bool>) -> PyResult<Self> {
        let kept = kept.as_slice()?;
        short(py, |_| self.0.kept(kept)).map(Self)
    }

    /// The vocabulary of these terms.
    fn vocabulary(&self, py: Python<'_>) -> PyResult<Vocabulary> {
        Ok(Vocabulary(Arc::new(short(py, |_| CoreVocabulary::of(&self.0))?)))
    }

    /// The terms as str.
    fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let (list, mut turns) = (PyList::empty(py), Turns::new());
        for column in 0..self.0.len() as u32 {
            if column.is_multiple_of(STEP) {
                turns.pause(py)?;
            }
            list.append(PyString::from_bytes(py, self.0.get(column))?)?;
        }
        Ok(list)
    }
}
