//! The file: one safetensors container, canonical bytes, checked through and through before it is believed.
//!
//! Arrays: `term_bytes` (u8), `offsets` (u64, one more than terms), `df` (u64), `best_count` and `best_length` (u32).
//! The one metadata key `una_fast` holds canonical JSON (sorted keys, no spaces): format version, kind, settings, `N`,
//! the SHA-256 of each array, and a digest of all the rest, which is the identity of the state. Integers only: idf and
//! score are derived on load.
//!
//! Files are written and read term by term, so that neither takes more memory than what it is done with.
//!
//! ```
//! use una_core::file::{digest, load_table, parse_table, save_table, table_bytes};
//! use una_core::{Pruning, Settings, TermCounts, TermTable, Work};
//!
//! let counts = TermCounts::count_sentences(Settings::default(), ["a cat", "a dog"], Work::default())?;
//! let table = TermTable::freeze(&counts, Pruning::default(), Work::default())?;
//!
//! let folder = tempfile::tempdir().unwrap();
//! let path = folder.path().join("table.safetensors");
//! save_table(&table, &path, Work::default())?;
//! let loaded = load_table(&path, Work::default())?;
//! assert_eq!(digest(&loaded, Work::default())?, digest(&table, Work::default())?);
//!
//! // One bit of difference anywhere shows.
//! let mut bytes = table_bytes(&table, Work::default())?;
//! *bytes.last_mut().unwrap() ^= 1;
//! let damage = parse_table(&bytes, Work::default()).unwrap_err();
//! assert!(damage.to_string().ends_with("the checksum of term_bytes does not match: the file is damaged"));
//! # Ok::<(), una_core::Error>(())
//! ```

mod arrays;
mod checks;
mod columns;
mod fault;
mod header;

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::count::{MemoryLimit, Pruning, RunWriter, SortedTerms, TermCounts};
use crate::error::{Error, Result};
use crate::progress::{Stop, Work};
use crate::table::{TermTable, ranked};
use crate::terms::TermArena;
use crate::tfidf::TermStats;
use crate::tokenize::{Phrases, Settings};
use checks::{Checked, check_stats, check_term};
use columns::{Layout, Reader, Row, Shape, bytes_of};
use fault::{Fault, Reading};
use header::{
    FORMAT, Input, NAMES, check_facts, check_seal, facts, header, number, phrase_bytes, phrases, read_header,
    read_metadata, read_shape, seal, settings, shown, table_facts,
};

pub use arrays::{Arrays, counts_from_arrays};

use crate::atomic_file::replace;

/// What is in memory and no file is called so in messages.
const MEMORY: &str = "memory";
const BYTES: &str = "bytes";

/// Bytes that a header takes, and more.
const HEADER_ROOM: usize = 1 << 12;

/// Terms that memory holds fewer than.
const MAX_TERMS: u64 = u32::MAX as u64;

/// A table that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    /// Number of its terms.
    pub n_terms: u64,
    /// Its identity: see [`digest`].
    pub digest: String,
}

/// Saves a table; the file is the old one or the new one at any moment, and durable on return.
///
/// # Errors
/// What the system says; [`Error::Interrupted`].
pub fn save_table(table: &TermTable, path: &Path, work: Work<'_>) -> Result<()> {
    replace(path, |file| write_table(table, file, path, work))?;
    Ok(())
}

/// The bytes that [`save_table`] writes; to hand a table to another process.
///
/// # Errors
/// [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn table_bytes(table: &TermTable, work: Work<'_>) -> Result<Vec<u8>> {
    let mut out = Cursor::new(room_for(shape_of(table))?);
    write_table(table, &mut out, Path::new(MEMORY), work)?;
    Ok(out.into_inner())
}

/// The bytes that [`save_counts`] writes.
///
/// # Errors
/// What the system says, where the terms are on disk; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn counts_bytes(counts: &TermCounts, work: Work<'_>) -> Result<Vec<u8>> {
    let terms = counts.by_bytes(work)?;
    let size = (terms.n_terms() as usize, terms.term_bytes() as usize);
    some_counts_bytes(counts, size, |push| terms.for_each(work, push))
}

/// [`counts_bytes`] of some of the terms, which `feed` pushes in order of their bytes: so many, of so many bytes.
pub(crate) fn some_counts_bytes(
    counts: &TermCounts,
    (n_terms, term_bytes): (usize, usize),
    feed: impl FnOnce(Push<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let shape = Shape { n_terms: n_terms as u64, term_bytes: term_bytes as u64 };
    let facts = facts("counts", counts.settings(), counts.n_documents());
    bytes_in_memory(shape, facts, &counts.settings().phrases, feed)
}

/// The bytes of a file, whose terms `feed` pushes.
fn bytes_in_memory(
    shape: Shape,
    facts: Map<String, Value>,
    phrases: &Phrases,
    feed: impl FnOnce(Push<'_>) -> Result<()>,
) -> Result<Vec<u8>> {
    let mut out = Cursor::new(room_for(shape)?);
    write(&mut out, shape, facts, phrases, Path::new(MEMORY), feed)?;
    Ok(out.into_inner())
}

/// An empty vector with room for a file.
fn room_for(shape: Shape) -> Result<Vec<u8>> {
    let arrays = shape.arrays().map_or(0, bytes_of);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(arrays as usize + HEADER_ROOM)?;
    Ok(bytes)
}

/// The identity of a table: SHA-256, in hexadecimal, of its settings, `N` and arrays.
///
/// # Errors
/// [`Error::Interrupted`].
pub fn digest(table: &TermTable, work: Work<'_>) -> Result<String> {
    write_table(table, &mut Nowhere, Path::new(MEMORY), work) // nothing is kept, and so nothing refused
}

/// Freezes counts into a table and saves it, without holding it in memory: the bytes that [`save_table`] writes of
/// [`TermTable::freeze`].
///
/// # Errors
/// As both.
pub fn freeze_to(counts: &TermCounts, pruning: Pruning, path: &Path, work: Work<'_>) -> Result<Saved> {
    let terms = ranked(counts, pruning, work)?;
    let n_terms = terms.n_terms();
    let facts = table_facts(counts.settings(), pruning, counts.n_documents());
    Ok(Saved { n_terms, digest: save(terms, facts, &counts.settings().phrases, path, work)? })
}

/// Saves counts, in order of term bytes, as [`save_table`] does.
///
/// # Errors
/// What the system says; [`Error::Interrupted`].
pub fn save_counts(counts: &TermCounts, path: &Path, work: Work<'_>) -> Result<()> {
    let facts = facts("counts", counts.settings(), counts.n_documents());
    save(counts.by_bytes(work)?, facts, &counts.settings().phrases, path, work)?;
    Ok(())
}

/// Loads a table.
///
/// # Errors
/// [`Error::Storage`] where the file cannot be read; [`Error::Artifact`] naming what is wrong with it;
/// [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn load_table(path: &Path, work: Work<'_>) -> Result<TermTable> {
    let table = open(path).map_err(Fault::from).and_then(|input| read_table(input, work));
    table.map_err(|fault| fault.of(path))
}

/// The table that the bytes of a file hold.
///
/// # Errors
/// As [`load_table`]; the bytes are called so.
pub fn parse_table(bytes: &[u8], work: Work<'_>) -> Result<TermTable> {
    read_table(Cursor::new(bytes), work).map_err(|fault| fault.of(Path::new(BYTES)))
}

/// The counts that the bytes of a file hold.
///
/// # Errors
/// As [`parse_table`].
pub fn parse_counts(bytes: &[u8], work: Work<'_>) -> Result<TermCounts> {
    parse_counts_as(Path::new(BYTES), bytes, work, |_| Ok(()))
}

/// [`parse_counts`] of bytes that are called `name` in messages, if `check` has nothing against their terms.
pub(crate) fn parse_counts_as(
    name: &Path,
    bytes: &[u8],
    work: Work<'_>,
    check: impl Fn(&[u8]) -> Checked<()>,
) -> Result<TermCounts> {
    read_counts(Cursor::new(bytes), None, work, check).map_err(|fault| fault.of(name))
}

/// Loads counts, which keep to a memory limit from then on if there is one: with it, they stay on disk.
///
/// # Errors
/// As [`load_table`]; [`Error::Interrupted`].
pub fn load_counts(path: &Path, limit: Option<MemoryLimit>, work: Work<'_>) -> Result<TermCounts> {
    let counts =
        open(path).map_err(Fault::from).and_then(|input| read_counts(input, limit, work, |_| Ok(())));
    counts.map_err(|fault| fault.of(path))
}

/// Takes the terms of a file, one after another.
pub(crate) type Push<'p> = &'p mut dyn FnMut(&[u8], TermStats) -> Result<()>;

/// Writes a file, whose terms `feed` pushes, to what is called `path` in messages; returns its digest.
///
/// The header comes last, since it holds the sums of all else; its length is known before.
fn write(
    out: &mut (impl Write + Seek),
    shape: Shape,
    facts: Map<String, Value>,
    phrases: &Phrases,
    path: &Path,
    feed: impl FnOnce(Push<'_>) -> Result<()>,
) -> Result<String> {
    let refused = |error| Error::storage(path, "write", error);
    let arrays = shape.arrays().ok_or_else(|| refused(io::ErrorKind::FileTooLarge.into()))?;
    // Sums are of a fixed length, so that a header of blank ones is as long as the final one will be.
    let blank = NAMES.map(|_| "0".repeat(64));
    let phrases = phrase_bytes(phrases);
    let n_phrases = phrases.len() as u64;
    let start = header(arrays, n_phrases, &seal(facts.clone(), blank)).map_err(refused)?.len() as u64;
    let mut writer = columns::Writer::new(out, arrays, start).map_err(refused)?;
    feed(&mut |term, stats| writer.push(term, stats).map_err(refused))?;
    let metadata = seal(facts, writer.finish().map_err(refused)?);
    let end = start + bytes_of(arrays);
    out.seek(SeekFrom::Start(end)).and_then(|_| out.write_all(&phrases)).map_err(refused)?;
    let header = header(arrays, n_phrases, &metadata).map_err(refused)?;
    out.seek(SeekFrom::Start(0)).and_then(|_| out.write_all(&header)).map_err(refused)?;
    Ok(metadata["digest"].as_str().unwrap_or_default().to_owned())
}

fn shape_of(table: &TermTable) -> Shape {
    Shape { n_terms: table.df().len() as u64, term_bytes: table.terms().bytes().len() as u64 }
}

/// Writes a table to what is called `path` in messages; returns its digest.
fn write_table(
    table: &TermTable,
    out: &mut (impl Write + Seek),
    path: &Path,
    work: Work<'_>,
) -> Result<String> {
    let facts = table_facts(table.settings(), table.pruning(), table.n_documents());
    write(out, shape_of(table), facts, &table.settings().phrases, path, |push| {
        let mut done = 0;
        for (rank, (&df, &best)) in (0u32..).zip(table.df().iter().zip(table.best())) {
            work.advance(&mut done)?;
            push(table.terms().get(rank), TermStats { df, best })?;
        }
        Ok(())
    })
}

/// Saves terms; returns the digest of the file.
fn save(
    terms: SortedTerms<'_>,
    facts: Map<String, Value>,
    phrases: &Phrases,
    path: &Path,
    work: Work<'_>,
) -> Result<String> {
    replace(path, |file| write_terms(terms, facts, phrases, file, path, work))
}

/// Writes terms to what is called `path` in messages; returns the digest of the file.
fn write_terms(
    terms: SortedTerms<'_>,
    facts: Map<String, Value>,
    phrases: &Phrases,
    out: &mut (impl Write + Seek),
    path: &Path,
    work: Work<'_>,
) -> Result<String> {
    let shape = Shape { n_terms: terms.n_terms(), term_bytes: terms.term_bytes() };
    write(out, shape, facts, phrases, path, |push| terms.for_each(work, push))
}

/// Takes a file that nobody needs.
struct Nowhere;

impl Write for Nowhere {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Nowhere {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Ok(0)
    }
}

/// A file to read; what comes through a pipe is taken into memory first.
fn open(path: &Path) -> io::Result<Box<dyn Input>> {
    let mut file = File::open(path)?;
    if file.metadata()?.is_file() {
        return Ok(Box::new(file));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Box::new(Cursor::new(bytes)))
}

/// A file whose container and checksums have been checked, but not yet what its arrays hold.
struct Contents {
    metadata: Map<String, Value>,
    settings: Settings,
    n_documents: u64,
    shape: Shape,
    arrays: Layout,
    /// The start of the arrays.
    start: u64,
}

fn read_table(mut input: impl Input, work: Work<'_>) -> Reading<TermTable> {
    let contents = Contents::read(&mut input, "table", work.stop)?;
    let Shape { n_terms, term_bytes } = contents.shape;
    contents.fits_memory()?;
    let pruning = Pruning {
        min_df: number(&contents.metadata, "min_df")?,
        max_terms: match contents.metadata.get("max_terms") {
            Some(Value::Null) => None,
            _ => Some(number(&contents.metadata, "max_terms")?),
        },
    };
    check_facts(&contents.metadata, &table_facts(&contents.settings, pruning, contents.n_documents))?;
    let mut terms = TermArena::with_capacity(n_terms as usize, term_bytes as usize)?;
    let (mut df, mut best) = (Vec::new(), Vec::new());
    df.try_reserve_exact(n_terms as usize)?;
    best.try_reserve_exact(n_terms as usize)?;
    contents.for_each(&mut input, work, |term, stats| {
        terms.push(term);
        df.push(stats.df);
        best.push(stats.best);
        Ok(())
    })?;
    let Contents { settings, n_documents, .. } = contents;
    let table = TermTable::from_parts(settings, pruning, n_documents, terms, df, best, work.stop);
    table.map_err(|error| match error {
        Error::Internal(reason) => Fault::Content(reason), // a fault of the file, as it turns out
        other => other.into(),
    })
}

fn read_counts(
    mut input: impl Input,
    limit: Option<MemoryLimit>,
    work: Work<'_>,
    check: impl Fn(&[u8]) -> Checked<()>,
) -> Reading<TermCounts> {
    let contents = Contents::read(&mut input, "counts", work.stop)?;
    let (settings, n_documents) = (contents.settings.clone(), contents.n_documents);
    check_facts(&contents.metadata, &facts("counts", &settings, n_documents))?;
    if let Some(limit) = limit {
        let mut out = RunWriter::new(limit.dir())?;
        contents.for_each_in_order(&mut input, work, |term, stats| Ok(out.push(term, stats)?))?;
        return Ok(TermCounts::restored(settings, n_documents, Some((out.finish()?, limit))));
    }
    contents.fits_memory()?;
    let mut counts = TermCounts::restored(settings, n_documents, None);
    counts.try_reserve(contents.shape.n_terms as usize, contents.shape.term_bytes as usize)?;
    contents.for_each_in_order(&mut input, work, |term, stats| {
        check(term)?;
        counts.insert(term, stats)?; // new, since terms rise
        Ok(())
    })?;
    Ok(counts)
}

impl Contents {
    fn read(input: &mut impl Input, kind: &str, stop: &Stop) -> Reading<Self> {
        let (header, container) = read_header(input)?;
        let metadata = read_metadata(&container)?;
        if metadata.get("format") != Some(&json!(FORMAT)) {
            let found = shown(metadata.get("format"));
            return Err(format!("format version {found}; this release reads version {FORMAT}").into());
        }
        if metadata.get("kind") != Some(&json!(kind)) {
            let found = shown(metadata.get("kind"));
            return Err(format!("it holds {found}, not \"{kind}\"").into());
        }
        let (shape, arrays, n_phrases) = read_shape(&container)?;
        check_seal(input, &header, arrays, n_phrases, &metadata, stop)?;
        let mut bytes = Vec::new();
        let end = header.len() as u64 + bytes_of(arrays);
        input.seek(SeekFrom::Start(end))?;
        input.read_to_end(&mut bytes)?;
        Ok(Self {
            settings: settings(&metadata, phrases(&bytes, &metadata)?)?,
            n_documents: number(&metadata, "n_documents")?,
            metadata,
            shape,
            arrays,
            start: header.len() as u64,
        })
    }

    fn fits_memory(&self) -> Checked<()> {
        match self.shape.n_terms {
            n if n >= MAX_TERMS => Err(format!("{n} terms: memory holds fewer than 2^32")),
            _ => Ok(()),
        }
    }

    /// Hands the terms on as they stand in the file, each checked by itself.
    fn for_each(
        &self,
        input: &mut impl Input,
        work: Work<'_>,
        mut visit: impl FnMut(&[u8], TermStats) -> Reading<()>,
    ) -> Reading<()> {
        let mut done = 0;
        let mut reader = Reader::new(input, self.arrays, self.start);
        let (mut stop, mut term) = (reader.first_offset()?, Vec::new());
        if stop != 0 {
            return Err("the first offset is not 0".to_owned().into());
        }
        for i in 0..self.shape.n_terms {
            work.advance(&mut done)?;
            let Row { end, df, best_count, best_length } = reader.row()?;
            let length = end.checked_sub(stop).filter(|_| end <= self.shape.term_bytes);
            reader.term(length.unwrap_or(0), &mut term)?;
            check_term(i, &term)?;
            visit(&term, check_stats(i, self.n_documents, df, best_count, best_length)?)?;
            stop = end;
        }
        if stop != self.shape.term_bytes {
            return Err("the last offset is not the length of term_bytes".to_owned().into());
        }
        Ok(())
    }

    /// Hands on terms that have to rise.
    fn for_each_in_order(
        &self,
        input: &mut impl Input,
        work: Work<'_>,
        mut visit: impl FnMut(&[u8], TermStats) -> Reading<()>,
    ) -> Reading<()> {
        let (mut last, mut i) = (Vec::new(), 0);
        self.for_each(input, work, |term, stats| {
            if term <= last.as_slice() {
                return Err(format!("terms {} and {i} are out of order", i.max(1) - 1).into());
            }
            last.clear();
            last.extend_from_slice(term);
            i += 1;
            visit(term, stats)
        })
    }
}
