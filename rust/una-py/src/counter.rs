//! `una_fast._core.TermCounter`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use una_core::artifact::{Arrays, counts_from_arrays, load_counts, save_counts};
use una_core::count::{Batch, Plan, Settings, TermCounts};
use una_core::reader::{self, Block, Progress};
use una_core::stop::Stop;
use una_core::table::{Pruning, TermTable as CoreTable};

use crate::columns::{Chunks, drain, feed_bytes, feed_columns, send};
use crate::custom::CustomTokenizer;
use crate::door::{Ticker, long};
use crate::relay::{emit_all, relay};
use crate::table::TermTable;
use crate::text::{Reading, feed, tokenizer};

/// The arrays of a file of counts.
type Columns<'py> = (
    Bound<'py, PyArray1<u8>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
);

/// What lets Python see its signals and progress be shown.
type Look<'a> = &'a dyn Fn() -> PyResult<()>;

/// How sentences are counted, whatever they come from.
struct Update<'py, 'r> {
    reading: &'r Reading,
    threads: usize,
    tick: Option<Bound<'py, PyAny>>,
    /// The tokenizer, if it is Python code.
    custom: Option<Bound<'py, CustomTokenizer>>,
}

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

    fn add_unless(&self, stop: &Stop, new: TermCounts, threads: usize) -> una_core::Result<()> {
        if stop.is_requested() {
            return Err(una_core::Error::Interrupted);
        }
        self.add(new, threads)
    }

    /// Counts the blocks that `feed` sends from this thread, which keeps the GIL meanwhile and calls the tokenizer, if
    /// that is Python code.
    fn update_blocks<'py>(
        &self,
        py: Python<'py>,
        options: &Update<'py, '_>,
        progress: &Progress,
        feed: impl FnOnce(Look<'_>, &mut dyn FnMut(Block) -> PyResult<bool>) -> PyResult<()>,
    ) -> PyResult<()> {
        let (sender, receiver) = bounded(2);
        let (threads, read) = (options.threads, options.reading.options());
        let work = |stop: &_| {
            let plan = Plan { threads, read, stop, progress };
            let counts = TermCounts::count_batches(self.settings, &plan, |emit| drain(&receiver, emit))?;
            self.add_unless(stop, counts, threads)
        };
        long(py, &Ticker { show: options.tick.clone() }, progress, work, move |tick| {
            feed(tick, &mut |block| {
                tick()?;
                let batch = match &options.custom {
                    None => Batch::Text(block),
                    Some(custom) => custom.get().batch(py, &block, &read, self.settings.lowercase, tick)?,
                };
                Ok(send(py, &sender, Some(batch)))
            })?;
            send(py, &sender, None);
            Ok(())
        })
    }

    /// Counts files whose tokenizer is Python code: they are read and counted on other threads, and cut on this one.
    fn update_files_here<'py>(
        &self,
        py: Python<'py>,
        paths: &[PathBuf],
        options: &Update<'py, '_>,
    ) -> PyResult<()> {
        let (read, progress) = (options.reading.options(), Progress::default());
        let read_all = |emit: &mut dyn FnMut(Block) -> una_core::Result<()>| {
            paths.iter().try_for_each(|path| emit_all(reader::open(path, read, &progress)?, emit))
        };
        self.update_blocks(py, options, &progress, |tick, visit| relay(py, tick, visit, read_all, |_| Ok(())))
    }

    /// Counts a stream whose tokenizer is Python code: on this thread it is read and cut, on others its bytes become
    /// lines and its tokens counts.
    fn update_stream_here<'py>(
        &self,
        py: Python<'py>,
        stream: &Bound<'py, PyAny>,
        name: &Path,
        json: bool,
        options: &Update<'py, '_>,
    ) -> PyResult<()> {
        let (sender, receiver) = bounded(4);
        let read = options.reading.options();
        let read_all = move |emit: &mut dyn FnMut(Block) -> una_core::Result<()>| {
            let blocks = reader::blocks(Chunks::new(receiver), name, read)?;
            emit_all(if json { blocks.of_json() } else { blocks }, emit)
        };
        self.update_blocks(py, options, &Progress::default(), |tick, visit| {
            // The closure owns the sender, so that the reader ends where it does.
            relay(py, tick, visit, read_all, move |inbox| {
                feed_bytes(stream, |bytes| {
                    tick()?;
                    inbox.offer(&sender, Some(bytes))
                })?;
                inbox.offer(&sender, None).map(|_| ())
            })
        })
    }
}

#[pymethods]
impl TermCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase))]
    fn new(tokenizer: &str, lowercase: bool) -> PyResult<Self> {
        let tokenizer = self::tokenizer(tokenizer)?;
        Ok(Self::holding(TermCounts::new(Settings { tokenizer, lowercase })))
    }

    #[getter]
    fn tokenizer(&self) -> &str {
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

    #[getter]
    fn n_null(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.passed().null)
    }

    /// Counts files; all of them or, where an exception is raised, none.
    #[pyo3(signature = (paths, *, reading, threads, tick, custom))]
    fn update_files<'py>(
        &self,
        py: Python<'py>,
        paths: Vec<PathBuf>,
        reading: &Reading,
        threads: usize,
        tick: Option<Bound<'py, PyAny>>,
        custom: Option<Bound<'py, CustomTokenizer>>,
    ) -> PyResult<()> {
        if custom.is_some() {
            return self.update_files_here(py, &paths, &Update { reading, threads, tick, custom });
        }
        let progress = Progress::default();
        let work = |stop: &_| {
            let plan = Plan { threads, read: reading.options(), stop, progress: &progress };
            self.add(TermCounts::count_files(self.settings, &paths, &plan)?, threads)
        };
        long(py, &Ticker { show: tick }, &progress, work, |_| Ok(()))
    }

    /// Counts an iterable of str; all of it or, where an exception is raised, nothing.
    #[pyo3(signature = (sentences, *, reading, threads, tick, custom))]
    fn update_rows<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        reading: &Reading,
        threads: usize,
        tick: Option<Bound<'py, PyAny>>,
        custom: Option<Bound<'py, CustomTokenizer>>,
    ) -> PyResult<()> {
        let options = Update { reading, threads, tick, custom };
        self.update_blocks(py, &options, &Progress::default(), |_, visit| feed(sentences, visit))
    }

    /// Counts string columns, given as names and batches of buffers; all or, where an exception is raised, nothing.
    #[pyo3(signature = (columns, *, reading, threads, tick, custom))]
    fn update_columns<'py>(
        &self,
        py: Python<'py>,
        columns: &Bound<'py, PyAny>,
        reading: &Reading,
        threads: usize,
        tick: Option<Bound<'py, PyAny>>,
        custom: Option<Bound<'py, CustomTokenizer>>,
    ) -> PyResult<()> {
        let options = Update { reading, threads, tick, custom };
        self.update_blocks(py, &options, &Progress::default(), |_, visit| feed_columns(columns, visit))
    }

    /// Counts the lines of a binary file object; all of them or, where an exception is raised, none.
    #[pyo3(signature = (stream, *, name, json, reading, threads, tick, custom))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the Python half")]
    fn update_stream<'py>(
        &self,
        py: Python<'py>,
        stream: &Bound<'py, PyAny>,
        name: PathBuf,
        json: bool,
        reading: &Reading,
        threads: usize,
        tick: Option<Bound<'py, PyAny>>,
        custom: Option<Bound<'py, CustomTokenizer>>,
    ) -> PyResult<()> {
        if custom.is_some() {
            let options = Update { reading, threads, tick, custom };
            return self.update_stream_here(py, stream, &name, json, &options);
        }
        let progress = Progress::default();
        let (sender, receiver) = bounded(4);
        let work = |stop: &_| {
            let plan = Plan { threads, read: reading.options(), stop, progress: &progress };
            let counts = TermCounts::count_blocks(self.settings, &plan, |emit| {
                let blocks = reader::blocks(Chunks::new(receiver), &name, plan.read)?;
                emit_all(if json { blocks.of_json() } else { blocks }, emit)
            })?;
            self.add_unless(stop, counts, threads)
        };
        long(py, &Ticker { show: tick }, &progress, work, move |tick| {
            feed_bytes(stream, |bytes| {
                tick()?;
                Ok(send(py, &sender, Some(bytes)))
            })?;
            send(py, &sender, None);
            Ok(())
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

    /// The arrays of the file: term bytes, offsets, df, best counts and best lengths, in order of term bytes.
    fn arrays<'py>(&self, py: Python<'py>) -> PyResult<Columns<'py>> {
        let Arrays { term_bytes, offsets, df, best_count, best_length } =
            crate::door::short(py, |_| Ok(Arrays::of_counts(&self.lock())))?;
        Ok((
            term_bytes.into_pyarray(py),
            offsets.into_pyarray(py),
            df.into_pyarray(py),
            best_count.into_pyarray(py),
            best_length.into_pyarray(py),
        ))
    }

    /// Counts from such arrays, checked as a file is; terms may stand in any order.
    #[staticmethod]
    #[pyo3(signature = (term_bytes, offsets, df, best_count, best_length, *, tokenizer, lowercase, n_documents))]
    #[allow(clippy::too_many_arguments, reason = "the arrays and facts of a file")]
    fn from_arrays(
        py: Python<'_>,
        term_bytes: PyReadonlyArray1<'_, u8>,
        offsets: PyReadonlyArray1<'_, u64>,
        df: PyReadonlyArray1<'_, u64>,
        best_count: PyReadonlyArray1<'_, u32>,
        best_length: PyReadonlyArray1<'_, u32>,
        tokenizer: &str,
        lowercase: bool,
        n_documents: u64,
    ) -> PyResult<Self> {
        let settings = Settings { tokenizer: self::tokenizer(tokenizer)?, lowercase };
        let arrays = Arrays {
            term_bytes: term_bytes.as_slice()?.to_vec(),
            offsets: offsets.as_slice()?.to_vec(),
            df: df.as_slice()?.to_vec(),
            best_count: best_count.as_slice()?.to_vec(),
            best_length: best_length.as_slice()?.to_vec(),
        };
        let counts = crate::door::short(py, |_| {
            counts_from_arrays(settings, n_documents, &arrays).map_err(una_core::Error::Input)
        })?;
        Ok(Self::holding(counts))
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
