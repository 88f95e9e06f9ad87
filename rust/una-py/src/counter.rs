//! `una_fast._core.TermCounter`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::bounded;
use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use una_core::collocations::{PhraseRule, find_phrases};
use una_core::count::{Batch, CountOptions};
use una_core::file::{
    Arrays, counts_bytes, counts_from_arrays, freeze_to, load_counts, parse_counts, save_counts,
};
use una_core::parts::{Part, PartBytes, add_parts, part_bytes};
use una_core::text::{self, ReadOptions, Skipped};
use una_core::{MemoryLimit, Progress, Pruning, Settings, Stop, TermCounts, TermTable as CoreTable, Work};

use crate::errors::to_py;
use crate::gil::{Ticker, copied, interruptible, long, long_beside};
use crate::phrases::Phrases;
use crate::py_tokenizer::CustomTokenizer;
use crate::reading::{Reading, tokenizer};
use crate::source::Source;
use crate::streams::{Chunks, drain, feed_bytes, send};
use crate::table::{TermTable, joined};

/// The arrays of a file of counts.
type Columns<'py> = (
    Bound<'py, PyArray1<u8>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u64>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<u32>>,
);

/// Lines that became no sentence: empty, malformed, null.
type LeftOut = (u64, u64, u64);

/// Options of an update.
struct Update<'py, 'r> {
    read: ReadOptions<'r>,
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
        Self { settings: counts.settings().clone(), counts: Mutex::new(counts) }
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
        work: Work<'_>,
        read: ReadOptions<'_>,
        count: impl FnOnce(CountOptions<'_>) -> una_core::Result<TermCounts>,
    ) -> una_core::Result<TermCounts> {
        let unseen = Progress::default();
        let limit = self.lock().make_room(Work { progress: &unseen, ..work })?;
        count(CountOptions { read, memory_limit: limit.as_ref() })
    }

    /// Adds what has been counted, unless the end was asked for meanwhile.
    fn add(&self, py: Python<'_>, counted: TermCounts, threads: usize) -> PyResult<()> {
        py.check_signals()?;
        self.long(py, threads, None, |counter, work| counter.lock().absorb(counted, work))
    }

    /// Does long work with this counter.
    fn long<T: Send>(
        &self,
        py: Python<'_>,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
        work: impl FnOnce(&Self, Work<'_>) -> una_core::Result<T> + Send,
    ) -> PyResult<T> {
        let progress = Progress::default();
        let all = |stop: &Stop| work(self, Work { threads, stop, progress: &progress });
        long(py, &Ticker { show: tick }, &progress, all)
    }

    /// Does long work on the counts, once they are brought together.
    fn compacted<T: Send>(
        &self,
        py: Python<'_>,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
        work: impl FnOnce(&mut TermCounts, Work<'_>) -> una_core::Result<T> + Send,
    ) -> PyResult<T> {
        self.long(py, threads, tick, |counter, context| {
            let mut counts = counter.lock();
            counts.compact(context)?;
            work(&mut counts, context)
        })
    }

    /// Counts files, which other threads read.
    fn update_files(&self, py: Python<'_>, paths: &[PathBuf], update: Update<'_, '_>) -> PyResult<()> {
        let Update { read, threads, tick, .. } = update;
        let counted = self.long(py, threads, tick, |counter, work| {
            counter.count(work, read, |options| {
                TermCounts::count_files(counter.settings.clone(), paths, options, work)
            })
        })?;
        self.add(py, counted, threads)
    }

    /// Counts a stream, whose bytes this thread reads and others make lines of.
    fn update_stream(
        &self,
        py: Python<'_>,
        stream: &Bound<'_, PyAny>,
        name: &Path,
        update: Update<'_, '_>,
    ) -> PyResult<()> {
        let Update { read, threads, tick, .. } = update;
        let progress = Progress::default();
        let (sender, receiver) = bounded(4);
        let count = |stop: &Stop| {
            let work = Work { threads, stop, progress: &progress };
            self.count(work, read, |options| {
                TermCounts::count_blocks(self.settings.clone(), options, work, |emit| {
                    text::blocks(Chunks::new(receiver), name, read)?.for_each(emit)
                })
            })
        };
        let counted = long_beside(py, &Ticker { show: tick }, &progress, count, move |look| {
            feed_bytes(stream, |bytes| {
                look()?;
                Ok(send(py, &sender, Some(bytes)))
            })?;
            send(py, &sender, None);
            Ok(())
        })?;
        self.add(py, counted, threads)
    }

    /// Counts the blocks that a source passes on from this thread, which keeps the GIL meanwhile and calls the
    /// tokenizer, if that is Python code.
    fn update_blocks(&self, py: Python<'_>, source: &Source, update: Update<'_, '_>) -> PyResult<()> {
        let Update { read, threads, tick, custom } = update;
        let progress = Progress::default();
        let (sender, receiver) = bounded(2);
        let seen = &progress;
        // It owns the receiver, so that this thread ends where that one does.
        let count = move |stop: &Stop| {
            let work = Work { threads, stop, progress: seen };
            self.count(work, read, |options| {
                TermCounts::count_batches(self.settings.clone(), options, work, |emit| drain(&receiver, emit))
            })
        };
        let (ticker, progress) = (Ticker { show: tick }, &progress);
        let counted = long_beside(py, &ticker, progress, count, move |look| {
            source.feed(py, read, progress, look, &mut |block| {
                look()?;
                let batch = match &custom {
                    None => Batch::Text(block),
                    Some(custom) => custom.get().batch(py, &block, &read, self.settings.lowercase, look)?,
                };
                Ok(send(py, &sender, Some(batch)))
            })?;
            send(py, &sender, None);
            Ok(())
        })?;
        self.add(py, counted, threads)
    }
}

#[pymethods]
impl TermCounter {
    #[new]
    #[pyo3(signature = (*, tokenizer, lowercase, ngrams, phrases, memory_limit, temp_dir))]
    fn new(
        tokenizer: &str,
        lowercase: bool,
        ngrams: u32,
        phrases: Option<Bound<'_, Phrases>>,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let tokenizer = self::tokenizer(tokenizer)?;
        let phrases = Phrases::of(phrases.as_ref());
        let limit = limit(memory_limit, temp_dir)?;
        Ok(Self::holding(TermCounts::new(Settings { tokenizer, lowercase, ngrams, phrases }, limit)))
    }

    /// A counter without counts, of the same settings and within the memory that is left; to be merged with this one.
    fn apart(&self, py: Python<'_>) -> PyResult<Self> {
        let limit = self.long(py, 1, None, |counter, work| counter.lock().make_room(work))?;
        Ok(Self::holding(TermCounts::new(self.settings.clone(), limit)))
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
    fn ngrams(&self) -> u32 {
        self.settings.ngrams
    }

    #[getter]
    fn phrases(&self) -> Option<Phrases> {
        Phrases::found(&self.settings.phrases)
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
        self.compacted(py, 1, None, |counts, _| Ok(counts.n_terms().unwrap_or_default()))
    }

    /// True where terms are on disk.
    #[getter]
    fn has_spilled(&self, py: Python<'_>) -> bool {
        self.read(py, TermCounts::has_spilled)
    }

    #[getter]
    fn n_empty(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.skipped().empty)
    }

    #[getter]
    fn n_skipped(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.skipped().malformed)
    }

    #[getter]
    fn n_null(&self, py: Python<'_>) -> u64 {
        self.read(py, |counts| counts.skipped().null)
    }

    /// Counts the sentences of a source; all of them or, where an exception is raised, none.
    #[pyo3(signature = (source, *, reading, threads, tick, custom))]
    fn update<'py>(
        &self,
        py: Python<'py>,
        source: &Source,
        reading: &Reading,
        threads: usize,
        tick: Option<Bound<'py, PyAny>>,
        custom: Option<Bound<'py, CustomTokenizer>>,
    ) -> PyResult<()> {
        let update = Update { read: reading.options(), threads, tick, custom };
        match source {
            Source::Files { paths } if update.custom.is_none() => self.update_files(py, paths, update),
            Source::Stream { stream, name } if update.custom.is_none() => {
                self.update_stream(py, stream.bind(py), name, update)
            }
            _ => self.update_blocks(py, source, update),
        }
    }

    /// Adds the counts of other text.
    #[pyo3(signature = (other, *, threads))]
    fn merge(&self, py: Python<'_>, other: &Self, threads: usize) -> PyResult<()> {
        self.long(py, threads, None, |counter, work| {
            if std::ptr::eq(counter, other) {
                return counter.lock().double();
            }
            let (mut ours, theirs) = counter.lock_both(other);
            ours.merge(&theirs, work)
        })
    }

    #[pyo3(signature = (path, *, threads, tick))]
    fn save(
        &self,
        py: Python<'_>,
        path: PathBuf,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.compacted(py, threads, tick, |counts, work| save_counts(counts, &path, work))
    }

    #[staticmethod]
    #[pyo3(signature = (path, *, memory_limit, temp_dir))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let (limit, progress) = (limit(memory_limit, temp_dir)?, Progress::default());
        let load = |stop: &_| load_counts(&path, limit, Work { threads: 1, stop, progress: &progress });
        long(py, &Ticker { show: None }, &progress, load).map(Self::holding)
    }

    /// The bytes that `save` writes, and what they do not hold: lines that were empty, malformed or null.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyArray1<u8>>, LeftOut)> {
        let (bytes, skipped) =
            self.compacted(py, 1, None, |counts, work| Ok((counts_bytes(counts, work)?, counts.skipped())))?;
        Ok((bytes.into_pyarray(py), (skipped.empty, skipped.malformed, skipped.null)))
    }

    /// The counts that such bytes, which come in pieces, hold; within a memory limit if there is one.
    #[staticmethod]
    #[pyo3(signature = (pieces, left_out, *, memory_limit, temp_dir))]
    fn from_bytes(
        py: Python<'_>,
        pieces: Vec<PyBackedBytes>,
        left_out: LeftOut,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let limit = limit(memory_limit, temp_dir)?;
        let (empty, malformed, null) = left_out;
        let counts = interruptible(py, |work| {
            let parsed = parse_counts(&joined(&pieces)?, work)?;
            let mut counts = TermCounts::new(parsed.settings().clone(), limit);
            counts.absorb(parsed, work)?;
            counts.add_skipped(Skipped { empty, malformed, null });
            Ok(counts)
        })?;
        Ok(Self::holding(counts))
    }

    /// A counter without counts, of the settings of counts whose bytes these are.
    #[staticmethod]
    #[pyo3(signature = (pieces, *, memory_limit, temp_dir))]
    fn like_bytes(
        py: Python<'_>,
        pieces: Vec<PyBackedBytes>,
        memory_limit: Option<usize>,
        temp_dir: Option<PathBuf>,
    ) -> PyResult<Self> {
        let limit = limit(memory_limit, temp_dir)?;
        let parsed = interruptible(py, |work| parse_counts(&joined(&pieces)?, work))?;
        Ok(Self::holding(TermCounts::new(parsed.settings().clone(), limit)))
    }

    /// The counts in parts, each the bytes of a file.
    #[pyo3(signature = (parts, *, threads))]
    fn part_bytes<'py>(
        &self,
        py: Python<'py>,
        parts: u32,
        threads: usize,
    ) -> PyResult<Vec<Bound<'py, PyArray1<u8>>>> {
        let bytes = self.compacted(py, threads, None, |counts, work| part_bytes(counts, parts, work))?;
        Ok(bytes.into_iter().map(|bytes| bytes.into_pyarray(py)).collect())
    }

    /// Adds rows of so many parts: the number of each, whether its documents are added too, and its bytes. Returns the
    /// documents of each.
    #[pyo3(signature = (rows, parts, *, threads))]
    fn add_parts(
        &self,
        py: Python<'_>,
        rows: Vec<(u32, bool, PyReadonlyArray1<'_, u8>)>,
        parts: u32,
        threads: usize,
    ) -> PyResult<Vec<u64>> {
        let rows = rows.iter().map(|(number, with_documents, bytes)| {
            let part = Part::new(*number, parts).map_err(|error| to_py(&error))?;
            Ok(PartBytes { part, bytes: bytes.as_slice()?, with_documents: *with_documents })
        });
        let rows = rows.collect::<PyResult<_>>()?;
        self.long(py, threads, None, |counter, work| add_parts(&mut counter.lock(), rows, work))
    }

    /// The arrays of the file: term bytes, offsets, df, best counts and best lengths, in order of term bytes.
    #[pyo3(signature = (*, threads))]
    fn arrays<'py>(&self, py: Python<'py>, threads: usize) -> PyResult<Columns<'py>> {
        let Arrays { term_bytes, offsets, df, best_count, best_length } =
            self.compacted(py, threads, None, |counts, work| Arrays::of_counts(counts, work))?;
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
    #[pyo3(signature = (term_bytes, offsets, df, best_count, best_length, *, tokenizer, lowercase, ngrams, phrases, n_documents))]
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
        ngrams: u32,
        phrases: Option<Bound<'_, Phrases>>,
        n_documents: u64,
    ) -> PyResult<Self> {
        let phrases = Phrases::of(phrases.as_ref());
        let settings = Settings { tokenizer: self::tokenizer(tokenizer)?, lowercase, ngrams, phrases };
        let arrays = Arrays {
            term_bytes: copied(py, term_bytes.as_slice()?)?,
            offsets: copied(py, offsets.as_slice()?)?,
            df: copied(py, df.as_slice()?)?,
            best_count: copied(py, best_count.as_slice()?)?,
            best_length: copied(py, best_length.as_slice()?)?,
        };
        let make = |work: Work<'_>| counts_from_arrays(settings.clone(), n_documents, &arrays, work);
        interruptible(py, make).map(Self::holding)
    }

    /// The phrases among the terms of several tokens.
    #[pyo3(signature = (*, association, threshold, min_df, threads, tick))]
    fn find_phrases(
        &self,
        py: Python<'_>,
        association: &str,
        threshold: f64,
        min_df: u64,
        threads: usize,
        tick: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Vec<String>> {
        let association = association.parse().map_err(|error| to_py(&error))?;
        let rule = PhraseRule { association, threshold, min_df };
        self.compacted(py, threads, tick, |counts, work| find_phrases(counts, rule, work))
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
        let freeze = |counts: &mut TermCounts, work: Work<'_>| CoreTable::freeze(counts, pruning, work);
        self.compacted(py, threads, tick, freeze).map(TermTable::from)
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
        let saved =
            self.compacted(py, threads, tick, |counts, work| freeze_to(counts, pruning, &path, work))?;
        Ok((saved.n_terms, saved.digest))
    }
}

fn limit(memory_limit: Option<usize>, temp_dir: Option<PathBuf>) -> PyResult<Option<MemoryLimit>> {
    let limit = memory_limit.map(|bytes| MemoryLimit::new(bytes, temp_dir.as_deref()));
    limit.transpose().map_err(|error| to_py(&error))
}
