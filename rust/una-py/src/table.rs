//! `una_fast._core.TermTable`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyList, PyString};
use una_core::file;
use una_core::progress::Work;
use una_core::table::TermTable as Core;
use una_core::transform::transform;

use crate::gil::{Turns, copied, interruptible, short};
use crate::phrases::Phrases;
use crate::py_tokenizer::Tokens;
use crate::strings::Strings;

/// Terms that are made objects of before other threads have a turn.
const STEP: u32 = 1 << 8;

/// Values, columns and row bounds of a sparse matrix.
type Sparse<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

/// Bytes of terms, and their bounds.
type TermBytes<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u64>>);

/// Numerators and denominators.
type Ratios<'py> = (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>);

/// A frozen table.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct TermTable {
    pub(crate) core: Arc<Core>,
    digest: OnceLock<String>,
}

impl From<Core> for TermTable {
    fn from(core: Core) -> Self {
        Self { core: Arc::new(core), digest: OnceLock::new() }
    }
}

impl TermTable {
    fn checked(&self, rank: u32) -> PyResult<usize> {
        if (rank as usize) < self.core.len() {
            return Ok(rank as usize);
        }
        Err(PyIndexError::new_err(format!("rank {rank} of a table of {} terms", self.core.len())))
    }
}

#[pymethods]
impl TermTable {
    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        interruptible(py, |work| file::load_table(&path, work)).map(Self::from)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        interruptible(py, |work| file::save_table(&self.core, &path, work))
    }

    /// The bytes that `save` writes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u8>>> {
        Ok(interruptible(py, |work| file::table_bytes(&self.core, work))?.into_pyarray(py))
    }

    /// The table that such bytes hold, which come in pieces.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, pieces: Vec<PyBackedBytes>) -> PyResult<Self> {
        interruptible(py, |work| file::parse_table(&joined(&pieces)?, work)).map(Self::from)
    }

    fn __len__(&self) -> usize {
        self.core.len()
    }

    #[getter]
    fn digest(&self, py: Python<'_>) -> PyResult<&str> {
        if let Some(known) = self.digest.get() {
            return Ok(known);
        }
        let digest = interruptible(py, |work| file::digest(&self.core, work))?;
        Ok(self.digest.get_or_init(|| digest))
    }

    #[getter]
    fn tokenizer(&self) -> String {
        self.core.settings().tokenizer.name().to_owned()
    }

    #[getter]
    fn lowercase(&self) -> bool {
        self.core.settings().lowercase
    }

    #[getter]
    fn ngrams(&self) -> u32 {
        self.core.settings().ngrams
    }

    #[getter]
    fn phrases(&self) -> Option<Phrases> {
        Phrases::found(&self.core.settings().phrases)
    }

    #[getter]
    fn min_df(&self) -> u64 {
        self.core.pruning().min_df
    }

    #[getter]
    fn max_terms(&self) -> Option<u64> {
        self.core.pruning().max_terms
    }

    #[getter]
    fn n_documents(&self) -> u64 {
        self.core.n_documents()
    }

    fn rank(&self, term: &str) -> Option<u32> {
        self.core.rank(term)
    }

    /// Term, document frequency, idf, score, best count and best length of a rank.
    fn stats(&self, rank: u32) -> PyResult<(&str, u64, f64, f64, u32, u32)> {
        let i = self.checked(rank)?;
        let (core, best) = (&self.core, self.core.best()[i]);
        Ok((core.term(rank), core.df()[i], core.idf()[i], core.score()[i], best.count(), best.length()))
    }

    fn vicinity(&self, rank: u32, radius: u32) -> PyResult<(u32, u32)> {
        self.checked(rank)?;
        let ranks = self.core.vicinity(rank, radius);
        Ok((ranks.start, ranks.end))
    }

    /// TF-IDF of sentences as the three arrays of a compressed sparse matrix: values, ranks, row bounds.
    #[pyo3(signature = (sentences, *, tokens, threads))]
    fn transform<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        tokens: Option<Bound<'py, Tokens>>,
        threads: usize,
    ) -> PyResult<Sparse<'py>> {
        let strings = Strings::extract(sentences)?;
        let strs = strings.as_strs()?;
        let tokens = Tokens::of(tokens.as_ref(), strs.len())?;
        let weigh = |work: Work<'_>| transform(&self.core, &strs, tokens, Work { threads, ..work });
        let rows = interruptible(py, weigh)?;
        let (ranks, offsets) = rows.ranks.into_parts();
        Ok((rows.values.into_pyarray(py), ranks.into_pyarray(py), offsets.into_pyarray(py)))
    }

    fn terms<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let (list, mut turns) = (PyList::empty(py), Turns::new());
        for rank in 0..self.core.len() as u32 {
            if rank.is_multiple_of(STEP) {
                turns.pause(py)?;
            }
            // Both fail where there is no memory, and end in MemoryError; making a list at once would panic.
            list.append(PyString::from_bytes(py, self.core.terms().get(rank))?)?;
        }
        Ok(list)
    }

    /// All term bytes in order of rank, copied, and the bounds of the terms: 0, and the end of each.
    fn term_bytes<'py>(&self, py: Python<'py>) -> PyResult<TermBytes<'py>> {
        let terms = self.core.terms();
        Ok((copied(py, terms.bytes())?.into_pyarray(py), copied(py, terms.offsets())?.into_pyarray(py)))
    }

    /// Document frequencies by rank, copied.
    fn df<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<u64>>> {
        Ok(copied(py, self.core.df())?.into_pyarray(py))
    }

    /// Inverse document frequencies by rank, copied.
    fn idf<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(copied(py, self.core.idf())?.into_pyarray(py))
    }

    /// Scores by rank, copied.
    fn score<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(copied(py, self.core.score())?.into_pyarray(py))
    }

    /// Numerators and denominators of the largest ratios by rank, copied.
    fn best<'py>(&self, py: Python<'py>) -> PyResult<Ratios<'py>> {
        let (counts, lengths) = short(py, |_| {
            let (mut counts, mut lengths) = (Vec::new(), Vec::new());
            counts.try_reserve_exact(self.core.len())?;
            lengths.try_reserve_exact(self.core.len())?;
            for best in self.core.best() {
                counts.push(best.count());
                lengths.push(best.length());
            }
            Ok((counts, lengths))
        })?;
        Ok((counts.into_pyarray(py), lengths.into_pyarray(py)))
    }
}

/// Bytes that came in pieces.
pub(crate) fn joined(pieces: &[PyBackedBytes]) -> una_core::Result<Vec<u8>> {
    let mut all = Vec::new();
    all.try_reserve_exact(pieces.iter().map(|piece| piece.len()).sum())?;
    for piece in pieces {
        all.extend_from_slice(piece);
    }
    Ok(all)
}
