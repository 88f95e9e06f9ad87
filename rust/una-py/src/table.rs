//! `una_fast._core.TermTable`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use numpy::{IntoPyArray, PyArray1};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};
use una_core::Error;
use una_core::file;
use una_core::progress::{Progress, Stop, Work};
use una_core::table::TermTable as Core;
use una_core::transform::transform;

use crate::gil::{Ticker, long, short};
use crate::py_tokenizer::Tokens;
use crate::strings::Strings;

/// Terms between two looks at signals.
const STEP: u32 = 1 << 14;

/// Values, columns and row bounds of a sparse matrix.
type Sparse<'py> = (Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u64>>);

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
        short(py, |_| file::load_table(&path)).map(Self::from)
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        short(py, |_| file::save_table(&self.core, &path))
    }

    /// The bytes that `save` writes.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &short(py, |_| file::table_bytes(&self.core))?))
    }

    /// The table that such bytes hold.
    #[staticmethod]
    fn from_bytes(py: Python<'_>, data: &[u8]) -> PyResult<Self> {
        let parse =
            || file::parse_table(data).map_err(|reason| Error::Artifact { path: "bytes".into(), reason });
        short(py, |_| parse()).map(Self::from)
    }

    fn __len__(&self) -> usize {
        self.core.len()
    }

    #[getter]
    fn digest(&self, py: Python<'_>) -> &str {
        py.detach(|| self.digest.get_or_init(|| file::digest(&self.core)))
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
        let weigh = |stop: &Stop| transform(&self.core, &strs, tokens, Work { stop, ..Work::on(threads) });
        let rows = long(py, &Ticker { show: None }, &Progress::default(), weigh)?;
        let (ranks, offsets) = rows.ranks.into_parts();
        Ok((rows.values.into_pyarray(py), ranks.into_pyarray(py), offsets.into_pyarray(py)))
    }

    fn terms<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for rank in 0..self.core.len() as u32 {
            if rank.is_multiple_of(STEP) {
                py.check_signals()?;
            }
            // Both fail where there is no memory, and end in MemoryError; making a list at once would panic.
            list.append(PyString::from_bytes(py, self.core.terms().get(rank))?)?;
        }
        Ok(list)
    }

    /// All term bytes in order of rank, copied, and the bounds of the terms: 0, and the end of each.
    fn term_bytes<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u64>>) {
        let terms = self.core.terms();
        (terms.bytes().to_vec().into_pyarray(py), terms.offsets().to_vec().into_pyarray(py))
    }

    /// Document frequencies by rank, copied.
    fn df<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<u64>> {
        self.core.df().to_vec().into_pyarray(py)
    }

    /// Inverse document frequencies by rank, copied.
    fn idf<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.core.idf().to_vec().into_pyarray(py)
    }

    /// Scores by rank, copied.
    fn score<'py>(&self, py: Python<'py>) -> Bound<'py, PyArray1<f64>> {
        self.core.score().to_vec().into_pyarray(py)
    }

    /// Numerators and denominators of the largest ratios by rank, copied.
    fn best<'py>(&self, py: Python<'py>) -> (Bound<'py, PyArray1<u32>>, Bound<'py, PyArray1<u32>>) {
        let best = self.core.best();
        let counts: Vec<u32> = best.iter().map(|ratio| ratio.count()).collect();
        let lengths: Vec<u32> = best.iter().map(|ratio| ratio.length()).collect();
        (counts.into_pyarray(py), lengths.into_pyarray(py))
    }
}
