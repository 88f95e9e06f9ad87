//! `una_fast._core.TermCounter`.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use pyo3::prelude::*;
use una_core::artifact::{load_counts, save_counts};
use una_core::count::{Plan, Settings, TermCounts};
use una_core::reader::{Block, Progress};
use una_core::table::{Pruning, TermTable as CoreTable};

use crate::door::{Ticker, long};
use crate::table::TermTable;
use crate::text::{feed, read_options, tokenizer};

/// Exact, mergeable counts. The lock is taken only where the GIL is released.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct TermCounter {
    settings: Settings,
    counts: Mutex<TermCounts>,
}

impl TermCounter {
    fn holding(counts: TermCounts) -> Self {
        Self { settings: counts.settings(), counts: Mutex::new(counts) }
    }

    fn lock(&self) -> MutexGuard<'_, TermCounts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read<T: Send>(&self, py: Python<'_>, look: impl FnOnce(&TermCounts) -> T + Send) -> T {
        py.detach(|| look(&self.lock()))
    }

    fn add(&self, new: TermCounts, threads: usize) -> una_core::Result<()> {
        let mut counts = self.lock();
        if counts.n_documents() == 0 && counts.n_terms() == 0 {
            let passed = counts.passed();
            *counts = new;
            counts.add_passed(passed);
            return Ok(());
        }
        counts.merge(&new, threads)
    }
}

#[pymethods]
impl TermCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase))]
    fn new(py: Python<'_>, tokenizer: &str, lowercase: bool) -> PyResult<Self> {
        let tokenizer = self::tokenizer(py, tokenizer)?;
        Ok(Self::holding(TermCounts::new(Settings { tokenizer, lowercase })))
    }

    #[getter]
    fn tokenizer(&self) -> &'static str {
        self.settings.tokenizer.name()
    }

    #[getter]
    fn lowercase(&self) -> bool {
        self.settings.lowercase
    }

    #[getter]
    fn n_documents(&self, py: Python<'_>) -> u64 {
        self.read(py, TermCounts::n_documents)
    }

    #[getter]
    fn n_terms(&self, py: Python<'_>) -> usize {
        self.read(py, TermCounts::n_terms)
    }

    #[getter]
    fn n_empty(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.passed().empty)
    }

    #[getter]
    fn n_skipped(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.passed().skipped)
    }

    /// Counts files; all of them or, where an exception is raised, none.
    #[pyo3(signature = (paths, *, threads, errors, max_line_bytes, tick))]
    fn update_files<'py>(
        &self,
        py: Python<'py>,
        paths: Vec<PathBuf>,
        threads: usize,
        errors: &str,
        max_line_bytes: usize,
        tick: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let read = read_options(errors, max_line_bytes)?;
        let progress = Progress::default();
        let work = |stop: &_| {
            let plan = Plan { threads, read, stop, progress: &progress };
            self.add(TermCounts::count_files(self.settings, &paths, &plan)?, threads)
        };
        long(py, &Ticker { show: tick }, &progress, work, |_| Ok(()))
    }

    /// Counts an iterable of str; all of it or, where an exception is raised, nothing.
    #[pyo3(signature = (sentences, *, threads, errors, max_line_bytes, tick))]
    fn update_rows<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        threads: usize,
        errors: &str,
        max_line_bytes: usize,
        tick: Option<Bound<'py, PyAny>>,
    ) -> PyResult<()> {
        let read = read_options(errors, max_line_bytes)?;
        let progress = Progress::default();
        let (sender, receiver) = bounded::<Block>(2);
        let work = |stop: &_| {
            let plan = Plan { threads, read, stop, progress: &progress };
            let feed = |emit: &mut dyn FnMut(Block) -> _| receiver.into_iter().try_for_each(emit);
            let counts = TermCounts::count_blocks(self.settings, &plan, feed)?;
            if stop.is_requested() {
                return Err(una_core::Error::Interrupted);
            }
            self.add(counts, threads)
        };
        long(py, &Ticker { show: tick }, &progress, work, move |tick| {
            feed(sentences, |block| {
                tick()?;
                // The other end hangs up on a fault, which it reports itself.
                Ok(py.detach(|| sender.send(block)).is_ok())
            })
        })
    }

    /// Adds the counts of other text.
    fn merge(&self, py: Python<'_>, other: &Self) -> PyResult<()> {
        crate::door::short(py, |_| {
            let other = other.lock().clone();
            self.lock().merge(&other, 1)
        })
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        crate::door::short(py, |_| save_counts(&self.lock(), &path))
    }

    #[staticmethod]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        crate::door::short(py, |_| load_counts(&path)).map(Self::holding)
    }

    /// Freezes the counts into a table.
    #[pyo3(signature = (*, min_df, max_terms, threads))]
    fn freeze(
        &self,
        py: Python<'_>,
        min_df: u64,
        max_terms: Option<u64>,
        threads: usize,
    ) -> PyResult<TermTable> {
        let pruning = Pruning { min_df, max_terms };
        crate::door::short(py, |_| CoreTable::freeze_on(&self.lock(), pruning, threads)).map(TermTable::from)
    }
}
