//! `una_fast._core.TermCounter`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use una_core::count::budget::Budget;
use una_core::count::{Batch, Plan, Settings, TermCounts};
use una_core::file::{Arrays, counts_from_arrays, freeze_to, load_counts_within, save_counts_on};
use una_core::progress::{Stop, Watch};
use una_core::table::{Pruning, TermTable as CoreTable};
use una_core::text::reader::{self, Block, Progress, ReadOptions};

use crate::columns::{Chunks, drain, feed_bytes, feed_columns, send};
use crate::errors::to_py;
use crate::gil::{Ticker, long, long_beside};
use crate::py_tokenizer::CustomTokenizer;
use crate::read_ahead::read_ahead;
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

    /// Both locks, taken in an order that any two threads agree on.
    fn lock_both<'c>(&'c self, other: &'c Self) -> (MutexGuard<'c, TermCounts>, MutexGuard<'c, TermCounts>) {
        if std::ptr::from_ref(self) < std::ptr::from_ref(other) {
            let ours = self.lock();
            (ours, other.lock())
        } else {
            let theirs = other.lock();
            (self.lock(), theirs)
        }
    }

    fn read<T: Send>(&self, py: Python<'_>, look: impl FnOnce(&TermCounts) -> T + Send) -> T {
        py.detach(|| look(&self.lock()))
    }

    /// Counts by `count`, given the memory that is left.
    fn count(
        &self,
        stop: &Stop,
        count: impl FnOnce(Option<&Budget>) -> una_core::Result<TermCounts>,
    ) -> una_core::Result<TermCounts> {
        let budget = self.lock().make_room(Watch { stop, progress: &Progress::default() })?;
        count(budget.as_ref())
    }

    /// Adds what has been counted, unless the end was asked for meanwhile.
    fn add(&self, py: Python<'_>, counted: TermCounts, threads: usize) -> PyResult<()> {
        py.check_signals()?;
        let progress = Progress::default();
        let work = |stop: &_| self.lock().absorb(counted, threads, Watch { stop, progress: &progress });
        long(py, &Ticker { show: None }, &progress, work)
    }

    /// Does long work on the counts, once they are brought together.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        tick: Option<Bound<'_, PyAny>>,
        work: impl FnOnce(&mut TermCounts, Watch<'_>) -> una_core::Result<T> + Send,
    ) -> PyResult<T> {
        let progress = Progress::default();
        let all = |stop: &_| {
            let (mut counts, watch) = (self.lock(), Watch { stop, progress: &progress });
            counts.compact(watch)?;
            work(&mut counts, watch)
        };
        long(py, &Ticker { show: tick }, &progress, all)
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
            self.count(stop, |budget| {
                let plan = Plan { threads, read, budget, stop, progress };
                TermCounts::count_batches(self.settings, &plan, |emit| drain(&receiver, emit))
            })
        };
        let counted = long_beside(py, &Ticker { show: options.tick.clone() }, progress, work, move |tick| {
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
        })?;
        self.add(py, counted, threads)
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
            reader::each_block(paths, read, &progress, emit)
        };
        self.update_blocks(py, options, &progress, |tick, visit| {
            read_ahead(py, tick, visit, read_all, |_| Ok(()))
        })
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
            each_block_of(Chunks::new(receiver), name, json, read, emit)
        };
        self.update_blocks(py, options, &Progress::default(), |tick, visit| {
            // The closure owns the sender, so that the reader ends where it does.
            read_ahead(py, tick, visit, read_all, move |inbox| {
                feed_bytes(stream, |bytes| {
                    tick()?;
                    inbox.offer(&sender, Some(bytes))
                })?;
                inbox.offer(&sender, None).map(|_| ())
            })
        })
    }
}

/// Hands the blocks of a stream on.
fn each_block_of(
    bytes: Chunks,
    name: &Path,
    json: bool,
    read: ReadOptions<'_>,
    emit: &mut dyn FnMut(Block) -> una_core::Result<()>,
) -> una_core::Result<()> {
    let blocks = reader::blocks(bytes, name, read)?;
    (if json { blocks.of_json() } else { blocks }).for_each(emit)
}

#[pymethods]
impl TermCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase, memory_limit, temp_dir))]
    fn new(
        tokenizer: &str,
        lowercase: bool,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let tokenizer = self::tokenizer(tokenizer)?;
        let budget = budget(memory_limit, temp_dir)?;
        Ok(Self::holding(TermCounts::within(Settings { tokenizer, lowercase }, budget)))
    }

    /// A counter without counts, of the same settings and within the memory that is left; to be merged with this one.
    fn apart(&self, py: Python<'_>) -> PyResult<Self> {
        let progress = Progress::default();
        let room = |stop: &_| self.lock().make_room(Watch { stop, progress: &progress });
        let budget = long(py, &Ticker { show: None }, &progress, room)?;
        Ok(Self::holding(TermCounts::within(self.settings, budget)))
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
    fn n_terms(&self, py: Python<'_>) -> PyResult<u64> {
        if let Some(known) = self.read(py, TermCounts::n_terms) {
            return Ok(known);
        }
        self.work(py, None, |counts, _| Ok(counts.n_terms().unwrap_or_default()))
    }

    /// Whether terms are on disk.
    #[getter]
    fn has_spilled(&self, py: Python<'_>) -> bool {
        self.read(py, TermCounts::has_spilled)
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
            self.count(stop, |budget| {
                let plan = Plan { threads, read: reading.options(), budget, stop, progress: &progress };
                TermCounts::count_files(self.settings, &paths, &plan)
            })
        };
        let counted = long(py, &Ticker { show: tick }, &progress, work)?;
        self.add(py, counted, threads)
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
            self.count(stop, |budget| {
                let plan = Plan { threads, read: reading.options(), budget, stop, progress: &progress };
                TermCounts::count_blocks(self.settings, &plan, |emit| {
                    each_block_of(Chunks::new(receiver), &name, json, plan.read, emit)
                })
            })
        };
        let counted = long_beside(py, &Ticker { show: tick }, &progress, work, move |tick| {
            feed_bytes(stream, |bytes| {
                tick()?;
                Ok(send(py, &sender, Some(bytes)))
            })?;
            send(py, &sender, None);
            Ok(())
        })?;
        self.add(py, counted, threads)
    }

    /// Adds the counts of other text.
    #[pyo3(signature = (other, *, threads))]
    fn merge(&self, py: Python<'_>, other: &Self, threads: usize) -> PyResult<()> {
        let progress = Progress::default();
        let merge = |stop: &_| {
            let watch = Watch { stop, progress: &progress };
            if std::ptr::eq(self, other) {
                let twice = self.lock().clone();
                return self.lock().merge_under(&twice, threads, watch);
            }
            let (mut ours, theirs) = self.lock_both(other);
            ours.merge_under(&theirs, threads, watch)
        };
        long(py, &Ticker { show: None }, &progress, merge)
    }

    #[pyo3(signature = (path, *, threads, tick))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.work(py, tick, |counts, watch| save_counts_on(counts, threads, &path, watch))
    }

    #[staticmethod]
    #[pyo3(signature = (path, *, memory_limit, temp_dir))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let (budget, progress) = (budget(memory_limit, temp_dir)?, Progress::default());
        let load = |stop: &_| load_counts_within(budget, &path, Watch { stop, progress: &progress });
        long(py, &Ticker { show: None }, &progress, load).map(Self::holding)
    }

    /// The arrays of the file: term bytes, offsets, df, best counts and best lengths, in order of term bytes.
    #[pyo3(signature = (*, threads))]
    fn arrays<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<Columns<'py>> {
        let Arrays { term_bytes, offsets, df, best_count, best_length } =
            self.work(py, None, |counts, watch| Arrays::of_counts(counts, threads, watch))?;
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
        let counts = crate::gil::short(py, |_| {
            counts_from_arrays(settings, n_documents, &arrays).map_err(una_core::Error::Input)
        })?;
        Ok(Self::holding(counts))
    }

    /// Freezes the counts into a table.
    #[pyo3(signature = (*, min_df, max_terms, threads, tick))]
    fn freeze(
        &self,
        py: Python<'_>,
        min_df: u64,
        max_terms: Option<u64>,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<TermTable> {
        let pruning = Pruning { min_df, max_terms };
        let freeze =
            |counts: &mut TermCounts, watch: Watch<'_>| CoreTable::freeze_on(counts, pruning, threads, watch);
        self.work(py, tick, freeze).map(TermTable::from)
    }

    /// Freezes the counts into the file of a table; returns how many terms it holds, and its digest.
    #[pyo3(signature = (path, *, min_df, max_terms, threads, tick))]
    fn freeze_to(
        &self,
        py: Python<'_>,
        path: PathBuf,
        min_df: u64,
        max_terms: Option<u64>,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<(u64, String)> {
        let pruning = Pruning { min_df, max_terms };
        let saved = self.work(py, tick, |counts, watch| freeze_to(counts, pruning, threads, &path, watch))?;
        Ok((saved.n_terms, saved.digest))
    }
}

fn budget(memory_limit: Option<usize>, temp_dir: Option<PathBuf>) -> PyResult<Option<Budget>> {
    let budget = memory_limit.map(|bytes| Budget::new(bytes, temp_dir.as_deref()));
    budget.transpose().map_err(|error| to_py(&error))
}
