//! `una_fast._core.DocumentCounter`: document-term matrices.

use std::sync::{Arc, Mutex, PoisonError};

use bytemuck::Zeroable;
use numpy::{
    Element, IntoPyArray, PyArray1, PyArrayDescr, PyArrayDescrMethods, PyReadonlyArray1, PyReadwriteArray1,
};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use una_core::Work;
use una_core::document_terms::{Analysis, DocumentCounter as Core, Vocabulary as CoreVocabulary};
use una_core::hashing::{Hashing, HashingCounter as CoreHashing};
use una_core::terms::TermArena;
use una_core::weighting::{self, Norm};

use crate::errors::input_error;
use crate::gil::{SHORT_BYTES, Turns, interruptible, short};
use crate::reading::tokenizer;
use crate::strings::Strings;

/// Terms that are made objects of before other threads have a turn.
const STEP: u32 = 1 << 8;

/// Columns, counts and row bounds of a sparse matrix.
type Rows<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyAny>, Bound<'py, PyArray1<u64>>);

/// Of each column, in how many documents its term is.
type Df<'py> = Bound<'py, PyArray1<u32>>;

/// Values of a matrix below which it is weighted on the spot.
const FEW_VALUES: usize = 1 << 16;

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

/// A counter of documents that is of no more use once its rows are taken out.
struct Slot<C>(Mutex<Option<C>>);

impl<C: Send> Slot<C> {
    const fn new(core: C) -> Self {
        Self(Mutex::new(Some(core)))
    }

    fn take(&self, py: Python<'_>) -> PyResult<C> {
        let core = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        core.ok_or_else(|| input_error(py, "the counter was finished, or met an error"))
    }

    /// Adds documents, a list of str. What is no str, and no Unicode text, is found before any is counted.
    fn add(
        &self,
        py: Python<'_>,
        documents: &Bound<'_, PyAny>,
        threads: usize,
        add: impl FnOnce(&mut C, &[&str], Work<'_>) -> una_core::Result<()> + Send,
    ) -> PyResult<()> {
        let strings = Strings::extract(documents)?;
        let strs = strings.as_strs()?;
        let mut core = self.take(py)?;
        let bytes = strs.iter().map(|text| text.len()).sum::<usize>();
        // An error drops the counter, half of which may have counted them.
        let core = if bytes <= SHORT_BYTES {
            short(py, |stop| {
                add(&mut core, &strs, Work { stop, ..Work::default() })?;
                Ok(core)
            })
        } else {
            interruptible(py, |work| {
                add(&mut core, &strs, Work { threads, ..work })?;
                Ok(core)
            })
        }?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(core);
        Ok(())
    }
}

fn analysis(
    tokenizer: &str,
    lowercase: bool,
    (least, most): (u32, u32),
    stop_words: Vec<String>,
) -> PyResult<Analysis> {
    Ok(Analysis { tokenizer: self::tokenizer(tokenizer)?, lowercase, stop_words, least, most })
}

/// Counts the terms of documents.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct DocumentCounter(Slot<Core>);

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
        let analysis = analysis(tokenizer, lowercase, ngram_range, stop_words)?;
        let known = vocabulary.map(|known| Arc::clone(&known.get().0));
        Ok(Self(Slot::new(Core::new(analysis, known))))
    }

    /// Counts more documents, a list of str.
    #[pyo3(signature = (documents, *, threads))]
    fn add(&self, py: Python<'_>, documents: &Bound<'_, PyAny>, threads: usize) -> PyResult<()> {
        self.0.add(py, documents, threads, Core::add)
    }

    /// The terms; the rows of all documents: columns, counts, row bounds; and the document frequencies of columns. Counts
    /// are of the type that is asked for, if it is int64 or float64, or else uint32.
    #[pyo3(signature = (*, dtype, threads))]
    fn finish<'py>(
        &self,
        py: Python<'py>,
        dtype: &Bound<'py, PyArrayDescr>,
        threads: usize,
    ) -> PyResult<(Terms, Rows<'py>, Df<'py>)> {
        let core = self.0.take(py)?;
        if dtype.is_equiv_to(&numpy::dtype::<f64>(py)) {
            finished::<f64>(py, core, threads)
        } else if dtype.is_equiv_to(&numpy::dtype::<i64>(py)) {
            finished::<i64>(py, core, threads)
        } else {
            finished::<u32>(py, core, threads)
        }
    }
}

fn finished<V>(py: Python<'_>, core: Core, threads: usize) -> PyResult<(Terms, Rows<'_>, Df<'_>)>
where
    V: From<u32> + Zeroable + Send + Element,
{
    let (terms, rows) = interruptible(py, |work| core.finish::<V>(Work { threads, ..work }))?;
    let (columns, offsets) = rows.columns.into_parts();
    let counts = rows.counts.into_pyarray(py).into_any();
    Ok((Terms(terms), (columns.into_pyarray(py), counts, offsets.into_pyarray(py)), rows.df.into_pyarray(py)))
}

/// Counts the terms of documents by their hashes.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct HashingCounter(Slot<CoreHashing>);

#[pymethods]
impl HashingCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase, ngram_range, stop_words, n_features, alternate_sign))]
    fn new(
        tokenizer: &str,
        lowercase: bool,
        ngram_range: (u32, u32),
        stop_words: Vec<String>,
        n_features: u32,
        alternate_sign: bool,
    ) -> PyResult<Self> {
        let analysis = analysis(tokenizer, lowercase, ngram_range, stop_words)?;
        Ok(Self(Slot::new(CoreHashing::new(analysis, Hashing { n_features, alternate_sign }))))
    }

    /// Counts more documents, a list of str.
    #[pyo3(signature = (documents, *, threads))]
    fn add(&self, py: Python<'_>, documents: &Bound<'_, PyAny>, threads: usize) -> PyResult<()> {
        self.0.add(py, documents, threads, CoreHashing::add)
    }

    /// The rows of all documents: columns, values, row bounds.
    #[pyo3(signature = (*, threads))]
    fn finish<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<Rows<'py>> {
        let core = self.0.take(py)?;
        let (columns, values) = interruptible(py, |work| core.finish(Work { threads, ..work }))?;
        let (columns, offsets) = columns.into_parts();
        Ok((columns.into_pyarray(py), values.into_pyarray(py).into_any(), offsets.into_pyarray(py)))
    }
}

/// Weighs the values of a matrix in place: by weights of columns, and by a norm of rows.
#[pyfunction]
#[pyo3(signature = (values, columns, bounds, *, weights, norm, threads))]
pub(crate) fn weigh(
    py: Python<'_>,
    mut values: PyReadwriteArray1<'_, f64>,
    columns: PyReadonlyArray1<'_, u32>,
    bounds: PyReadonlyArray1<'_, u64>,
    weights: Option<PyReadonlyArray1<'_, f64>>,
    norm: Option<&str>,
    threads: usize,
) -> PyResult<()> {
    let (values, columns, bounds) = (values.as_slice_mut()?, columns.as_slice()?, bounds.as_slice()?);
    let weights = weights.as_ref().map(PyReadonlyArray1::as_slice).transpose()?;
    let norm = match norm {
        None => None,
        Some("l1") => Some(Norm::L1),
        Some("l2") => Some(Norm::L2),
        Some(other) => return Err(input_error(py, &format!("the norm {other:?} is unknown"))),
    };
    if values.len() <= FEW_VALUES {
        return short(py, |stop| {
            weighting::weigh(values, columns, bounds, weights, norm, Work { stop, ..Work::default() })
        });
    }
    interruptible(py, |work| {
        weighting::weigh(values, columns, bounds, weights, norm, Work { threads, ..work })
    })
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
