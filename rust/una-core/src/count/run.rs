//! Sorted runs: terms with their statistics on disk, where memory is limited, in a private folder that goes with its
//! last user.
//!
//! A run is records one after another, each a term's length, its bytes, and its statistics as three numbers; numbers
//! are little-endian base 128. Only this process reads them, so they bear no checksum.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::atomic_file::TemporaryFolder;
use crate::error::{Error, Result};
use crate::tfidf::{Ratio, TermStats};

/// Memory that reading a run takes. As many runs as are merged at once take as much each.
pub(super) const READ_BYTES: usize = 1 << 16;
pub(super) const WRITE_BYTES: usize = 1 << 18;

/// A private folder for runs. It is removed when the last of its users is dropped, and only by the process that made
/// it: what a fork has copied is not its own.
#[derive(Debug)]
pub(crate) struct SpillDir {
    folder: TemporaryFolder,
    /// Number of runs written so far; it names the next.
    runs: AtomicU64,
}

impl SpillDir {
    /// A new folder that nobody else can read, in `place` or where the system keeps its temporary files.
    pub(crate) fn new(place: Option<&Path>) -> Result<Self> {
        Ok(Self { folder: TemporaryFolder::new(place, true)?, runs: AtomicU64::new(0) })
    }
}

/// A limit on the memory of terms, and the folder where those beyond it go.
///
/// ```
/// use una_core::count::{CountOptions, MemoryLimit};
/// use una_core::{Settings, TermCounts, Work};
///
/// let place = tempfile::tempdir().unwrap();
/// let limit = MemoryLimit::new(0, Some(place.path()))?;
/// let options = CountOptions { memory_limit: Some(&limit), ..CountOptions::default() };
/// let counts = TermCounts::count_blocks(Settings::default(), options, Work::default(), |emit| {
///     let mut rows = una_core::text::Rows::default();
///     rows.push(Some(b"the cat slept"))?;
///     emit(rows.take())
/// })?;
/// assert!(counts.has_spilled());
///
/// // The folder goes with the last of its users.
/// drop((counts, limit));
/// assert_eq!(place.path().read_dir().unwrap().count(), 0);
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryLimit {
    bytes: usize,
    dir: Arc<SpillDir>,
}

impl MemoryLimit {
    /// So many bytes of memory, and a new private folder in `place`, or where the system keeps its temporary files.
    /// The folder goes with the last of its users.
    ///
    /// Less than a megabyte a thread makes for many small files and slow work, and is as exact.
    ///
    /// # Errors
    /// [`Error::Storage`] where no folder can be made.
    pub fn new(bytes: usize, place: Option<&Path>) -> Result<Self> {
        Ok(Self { bytes, dir: Arc::new(SpillDir::new(place)?) })
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn dir(&self) -> &Arc<SpillDir> {
        &self.dir
    }

    /// The same limit, so many bytes lower.
    pub(crate) fn less(&self, bytes: usize) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), dir: Arc::clone(&self.dir) }
    }

    /// The part of it that each of so many threads may take.
    pub(crate) fn divided_by(&self, threads: usize) -> Self {
        Self { bytes: self.bytes / threads.max(1), dir: Arc::clone(&self.dir) }
    }
}

/// A term with its statistics, read from a run.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) term: Vec<u8>,
    pub(crate) stats: TermStats,
}

impl Record {
    pub(crate) const NONE: Self = Self { term: Vec::new(), stats: TermStats::NONE };
}

/// A finished run. The file goes with it.
#[derive(Debug)]
pub(crate) struct Run {
    path: PathBuf,
    /// The process that wrote it, and alone removes it.
    maker: u32,
    n_terms: u64,
    term_bytes: u64,
    #[expect(dead_code, reason = "held, so that the folder lives as long as its runs")]
    dir: Arc<SpillDir>,
}

impl Run {
    /// Number of records.
    pub(crate) const fn n_terms(&self) -> u64 {
        self.n_terms
    }

    /// Bytes of all the terms together.
    pub(crate) const fn term_bytes(&self) -> u64 {
        self.term_bytes
    }

    pub(crate) fn read(self: Arc<Self>) -> Result<RunReader> {
        let file = File::open(&self.path).map_err(|e| Error::storage(&self.path, "read", e))?;
        Ok(RunReader { input: BufReader::with_capacity(READ_BYTES, file), left: self.n_terms, run: self })
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if self.maker == std::process::id() {
            // Should it fail, the folder still goes with all that is in it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A run in the making.
pub(crate) struct RunWriter {
    run: Run,
    out: BufWriter<File>,
}

impl RunWriter {
    pub(crate) fn new(dir: &Arc<SpillDir>) -> Result<Self> {
        let number = dir.runs.fetch_add(1, Ordering::Relaxed);
        // A forked child counts on from the parent's number, in the parent's folder.
        let maker = std::process::id();
        let path = dir.folder.path().join(format!("{maker}-{number}.run"));
        let file = File::create_new(&path).map_err(|e| Error::storage(&path, "write", e))?;
        let run = Run { path, maker, n_terms: 0, term_bytes: 0, dir: Arc::clone(dir) };
        Ok(Self { run, out: BufWriter::with_capacity(WRITE_BYTES, file) })
    }

    pub(crate) fn push(&mut self, term: &[u8], stats: TermStats) -> Result<()> {
        self.run.n_terms += 1;
        self.run.term_bytes += term.len() as u64;
        self.put(term, stats).map_err(|e| Error::storage(&self.run.path, "write", e))
    }

    fn put(&mut self, term: &[u8], stats: TermStats) -> io::Result<()> {
        put_number(&mut self.out, term.len() as u64)?;
        self.out.write_all(term)?;
        put_number(&mut self.out, stats.df)?;
        put_number(&mut self.out, stats.best.count().into())?;
        put_number(&mut self.out, stats.best.length().into())
    }

    pub(crate) fn finish(mut self) -> Result<Arc<Run>> {
        self.out.flush().map_err(|e| Error::storage(&self.run.path, "write", e))?;
        Ok(Arc::new(self.run))
    }
}

/// Reads the records of a run in turn.
#[derive(Debug)]
pub(crate) struct RunReader {
    input: BufReader<File>,
    left: u64,
    run: Arc<Run>,
}

impl RunReader {
    /// Reads the next record, and says whether there was one.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        self.take(record).map_err(|e| Error::storage(&self.run.path, "read", e))?;
        Ok(true)
    }

    fn take(&mut self, record: &mut Record) -> io::Result<()> {
        let length = take_number(&mut self.input)?;
        record.term.clear();
        // Not `read_exact`: what length a damaged file claims is not what is put aside for it.
        if (&mut self.input).take(length).read_to_end(&mut record.term)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let df = take_number(&mut self.input)?;
        let (count, length) = (take_number(&mut self.input)?, take_number(&mut self.input)?);
        let best = u32::try_from(count).ok().zip(u32::try_from(length).ok());
        let best = best.and_then(|(count, length)| Ratio::new(count, length));
        record.stats = TermStats { df, best: best.ok_or(io::ErrorKind::InvalidData)? };
        Ok(())
    }
}

fn put_number(out: &mut impl Write, mut number: u64) -> io::Result<()> {
    let mut bytes = [0; 10];
    let mut length = 0;
    while number >= 0x80 {
        bytes[length] = number as u8 | 0x80;
        number >>= 7;
        length += 1;
    }
    bytes[length] = number as u8;
    out.write_all(&bytes[..=length])
}

fn take_number(input: &mut impl Read) -> io::Result<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        input.read_exact(&mut byte)?;
        number |= u64::from(byte[0] & 0x7f) << shift;
        if byte[0] < 0x80 {
            return Ok(number);
        }
    }
    Err(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(dir: &Arc<SpillDir>, terms: &[(Vec<u8>, u64)]) -> Arc<Run> {
        let mut out = RunWriter::new(dir).unwrap();
        for (term, df) in terms {
            out.push(term, TermStats { df: *df, best: Ratio::new(1, u32::MAX).unwrap() }).unwrap();
        }
        out.finish().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            terms in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..300), any::<u64>()), 0..20)
        ) {
            let dir = Arc::new(SpillDir::new(None).unwrap());
            let run = written(&dir, &terms);
            prop_assert_eq!(run.term_bytes(), terms.iter().map(|(term, _)| term.len() as u64).sum::<u64>());
            let (mut reader, mut record) = (run.read().unwrap(), Record::NONE);
            for (term, df) in &terms {
                prop_assert!(reader.next(&mut record).unwrap());
                prop_assert_eq!((&record.term, record.stats.df), (term, *df));
                prop_assert_eq!(record.stats.best.length(), u32::MAX);
            }
            prop_assert!(!reader.next(&mut record).unwrap());
        }
    }

    #[test]
    fn files_and_folder_go_with_their_users() {
        let place = tempfile::tempdir().unwrap();
        let dir = Arc::new(SpillDir::new(Some(place.path())).unwrap());
        let path = dir.folder.path().to_owned();
        let (first, second) = (written(&dir, &[]), written(&dir, &[]));
        drop((dir, first));
        assert_eq!(fs::read_dir(&path).unwrap().count(), 1);
        drop(second);
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
        assert!(matches!(SpillDir::new(Some(&path)), Err(Error::Storage { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn nobody_else_can_look_into_the_folder() {
        use std::os::unix::fs::PermissionsExt;
        let dir = SpillDir::new(None).unwrap();
        assert_eq!(fs::metadata(dir.folder.path()).unwrap().permissions().mode() & 0o77, 0);
    }

    #[test]
    fn a_run_that_another_has_cut_short_is_an_error() {
        let dir = Arc::new(SpillDir::new(None).unwrap());
        let run = written(&dir, &[(b"term".to_vec(), 300)]);
        for length in 0..11 {
            File::options().write(true).open(&run.path).unwrap().set_len(10 - length).unwrap();
            let (mut reader, mut record) = (Arc::clone(&run).read().unwrap(), Record::NONE);
            assert!(matches!(reader.next(&mut record), Err(Error::Storage { .. })), "{length}");
        }
    }
}
