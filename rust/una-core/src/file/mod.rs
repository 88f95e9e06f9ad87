//! The file: one safetensors container, canonical bytes, checked through and through before it is believed.
//!
//! Arrays: `term_bytes` (u8), `offsets` (u64, one more than terms), `df` (u64), `best_count` and `best_length` (u32).
//! The one metadata key `una_fast` holds canonical JSON (sorted keys, no spaces): format version, kind, settings, `N`,
//! the SHA-256 of each array, and a digest of all the rest, which is the identity of the state. Integers only: idf and
//! score are derived on load.
//!
//! Files are written and read term by term, so that neither takes more memory than what it is done with.

mod arrays;
pub mod atomic_file;
mod columns;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::count::budget::Budget;
use crate::count::run::RunWriter;
use crate::count::spill::Sequence;
use crate::count::{Settings, Stats, TermCounts};
use crate::error::{Error, Result};
use crate::file::atomic_file::replace;
use crate::progress::{Watch, unwatched};
use crate::table::{Pruning, TermTable, ranked};
use crate::terms::arena::Terms;
use crate::tfidf::Ratio;
use crate::tokenize::Tokenizer;

use columns::{ARRAYS, Row, Shape, hexadecimal};

pub use arrays::{Arrays, counts_from_arrays};

const FORMAT: u64 = 1;
const KEY: &str = "una_fast";
const MAX_TERMS: u64 = u32::MAX as u64;

/// Bytes of the longest header that is ever written, and some to spare. What is read of one takes many times its
/// length in memory, so that longer ones are not looked at.
const MAX_HEADER: u64 = 4096;

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
/// What the system says.
pub fn save_table(table: &TermTable, path: &Path) -> Result<()> {
    replace(path, |file| write_table(table, file).map_err(|e| Error::storage(path, "write", e)))?;
    Ok(())
}

/// The bytes that [`save_table`] writes; to hand a table to another process.
///
/// # Errors
/// Only for a fault of this crate.
pub fn table_bytes(table: &TermTable) -> Result<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    write_table(table, &mut out).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(out.into_inner())
}

/// The bytes that [`save_counts`] writes.
///
/// # Errors
/// What the system says, where the terms are on disk.
pub fn counts_bytes(counts: &TermCounts) -> Result<Vec<u8>> {
    let mut out = Cursor::new(Vec::new());
    let facts = facts("counts", counts.settings(), counts.n_documents());
    unwatched(|watch| write_terms(counts.by_bytes(1, watch)?, facts, &mut out, Path::new("memory"), watch))?;
    Ok(out.into_inner())
}

/// The identity of a table: SHA-256, in hexadecimal, of its settings, `N` and arrays.
#[must_use]
pub fn digest(table: &TermTable) -> String {
    // Nothing is kept, and so nothing refused.
    write_table(table, &mut Nowhere).unwrap_or_default()
}

/// Freezes counts into a table and saves it, without holding it in memory: the bytes that [`save_table`] writes of
/// [`TermTable::freeze_on`].
///
/// # Errors
/// As both.
pub fn freeze_to(
    counts: &TermCounts,
    pruning: Pruning,
    threads: usize,
    path: &Path,
    watch: Watch<'_>,
) -> Result<Saved> {
    let terms = ranked(counts, pruning, threads, watch)?;
    let n_terms = terms.n_terms();
    let facts = table_facts(counts.settings(), pruning, counts.n_documents());
    Ok(Saved { n_terms, digest: save(terms, facts, path, watch)? })
}

/// Saves counts, in order of term bytes, as [`save_table`] does.
///
/// # Errors
/// What the system says.
pub fn save_counts(counts: &TermCounts, path: &Path) -> Result<()> {
    unwatched(|watch| save_counts_on(counts, 1, path, watch))
}

/// [`save_counts`] on `threads` threads, followed from outside.
///
/// # Errors
/// As [`save_counts`]; [`Error::Interrupted`].
pub fn save_counts_on(counts: &TermCounts, threads: usize, path: &Path, watch: Watch<'_>) -> Result<()> {
    let facts = facts("counts", counts.settings(), counts.n_documents());
    save(counts.by_bytes(threads, watch)?, facts, path, watch)?;
    Ok(())
}

/// Loads a table.
///
/// # Errors
/// [`Error::Storage`] where the file cannot be read; [`Error::Artifact`] naming what is wrong with it.
pub fn load_table(path: &Path) -> Result<TermTable> {
    let table = open(path).map_err(Fault::from).and_then(read_table);
    table.map_err(|fault| fault.of(path))
}

/// The table that the bytes of a file hold.
///
/// # Errors
/// A sentence that says what is wrong with them.
pub fn parse_table(bytes: &[u8]) -> Checked<TermTable> {
    read_table(Cursor::new(bytes)).map_err(Fault::plain)
}

/// The counts that the bytes of a file hold.
///
/// # Errors
/// As [`parse_table`].
pub fn parse_counts(bytes: &[u8]) -> Checked<TermCounts> {
    unwatched(|watch| read_counts(Cursor::new(bytes), None, watch)).map_err(Fault::plain)
}

/// Loads counts.
///
/// # Errors
/// As [`load_table`].
pub fn load_counts(path: &Path) -> Result<TermCounts> {
    unwatched(|watch| load_counts_within(None, path, watch))
}

/// Loads counts that hold to a budget from then on; with one, they stay on disk.
///
/// # Errors
/// As [`load_table`]; [`Error::Interrupted`].
pub fn load_counts_within(budget: Option<Budget>, path: &Path, watch: Watch<'_>) -> Result<TermCounts> {
    let counts = open(path).map_err(Fault::from).and_then(|input| read_counts(input, budget, watch));
    counts.map_err(|fault| fault.of(path))
}

fn facts(kind: &str, settings: Settings, n_documents: u64) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("format".into(), json!(FORMAT));
    facts.insert("kind".into(), json!(kind));
    facts.insert("lowercase".into(), json!(settings.lowercase));
    facts.insert("n_documents".into(), json!(n_documents));
    facts.insert("tokenizer".into(), json!(settings.tokenizer.name()));
    facts
}

fn table_facts(settings: Settings, pruning: Pruning, n_documents: u64) -> Map<String, Value> {
    let mut facts = facts("table", settings, n_documents);
    facts.insert("max_terms".into(), json!(pruning.max_terms));
    facts.insert("min_df".into(), json!(pruning.min_df));
    facts
}

/// Adds checksums and digest to the facts.
fn seal(mut facts: Map<String, Value>, sums: [String; ARRAYS]) -> Map<String, Value> {
    let names = NAMES.map(str::to_owned);
    let sums: Map<String, Value> = names.into_iter().zip(sums.map(Value::String)).collect();
    facts.insert("sha256".into(), Value::Object(sums));
    let digest = Sha256::digest(Value::Object(facts.clone()).to_string().as_bytes());
    facts.insert("digest".into(), json!(hexadecimal(&digest)));
    facts
}

/// What the arrays are called, in their order in the file.
const NAMES: [&str; ARRAYS] = ["df", "offsets", "best_count", "best_length", "term_bytes"];

/// The container's header for these arrays and this metadata: length, JSON, padding.
fn header(arrays: columns::Layout, metadata: &Map<String, Value>) -> io::Result<Vec<u8>> {
    let mut start = 0;
    let tensors = arrays
        .into_iter()
        .map(|(name, width, values)| {
            let data_offsets = (start, start + (width * values) as usize);
            start = data_offsets.1;
            let info = TensorInfo { dtype: dtype(width), shape: vec![values as usize], data_offsets };
            (name.to_owned(), info)
        })
        .collect();
    let text = Value::Object(metadata.clone()).to_string();
    let metadata = Metadata::new(Some(HashMap::from([(KEY.to_owned(), text)])), tensors);
    let mut json = serde_json::to_vec(&metadata.map_err(io::Error::other)?)?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut json);
    Ok(bytes)
}

const fn dtype(width: u64) -> Dtype {
    match width {
        8 => Dtype::U64,
        4 => Dtype::U32,
        _ => Dtype::U8,
    }
}

/// Writes a file, whose terms `feed` pushes; returns its digest.
///
/// The header comes last, since it holds the sums of all else; its length is known before.
fn write<W: Write + Seek, E: From<io::Error>>(
    out: &mut W,
    shape: Shape,
    facts: Map<String, Value>,
    feed: impl FnOnce(&mut columns::Writer<'_, W>) -> std::result::Result<(), E>,
) -> std::result::Result<String, E> {
    let arrays = shape.arrays().ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let blank = NAMES.map(|_| "0".repeat(64));
    let start = header(arrays, &seal(facts.clone(), blank))?.len() as u64;
    let mut writer = columns::Writer::new(out, arrays, start)?;
    feed(&mut writer)?;
    let metadata = seal(facts, writer.finish()?);
    out.seek(SeekFrom::Start(0))?;
    out.write_all(&header(arrays, &metadata)?)?;
    Ok(metadata["digest"].as_str().unwrap_or_default().to_owned())
}

fn write_table(table: &TermTable, out: &mut (impl Write + Seek)) -> io::Result<String> {
    let shape = Shape { n_terms: table.len() as u64, term_bytes: table.terms().bytes().len() as u64 };
    let facts = table_facts(table.settings(), table.pruning(), table.n_documents());
    write(out, shape, facts, |writer| {
        (0u32..)
            .zip(table.df().iter().zip(table.best()))
            .try_for_each(|(rank, (&df, &best))| writer.push(table.terms().get(rank), Stats { df, best }))
    })
}

/// Saves a sequence; returns the digest of the file.
fn save(terms: Sequence<'_>, facts: Map<String, Value>, path: &Path, watch: Watch<'_>) -> Result<String> {
    replace(path, |file| write_terms(terms, facts, file, path, watch))
}

/// Writes a sequence to what is called `path` in messages; returns the digest of the file.
fn write_terms<W: Write + Seek>(
    terms: Sequence<'_>,
    facts: Map<String, Value>,
    out: &mut W,
    path: &Path,
    watch: Watch<'_>,
) -> Result<String> {
    let shape = Shape { n_terms: terms.n_terms(), term_bytes: terms.term_bytes() };
    let refused = |error| Error::storage(path, "write", error);
    let digest = write(out, shape, facts, |writer| -> std::result::Result<(), Fault> {
        Ok(terms.for_each(watch, |term, stats| writer.push(term, stats).map_err(refused))?)
    });
    digest.map_err(|fault| match fault {
        Fault::Input(error) => refused(error),
        other => other.of(path),
    })
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

/// What was read, or a sentence that says what is wrong.
pub type Checked<T> = std::result::Result<T, String>;

/// Why a file is not what it should be.
enum Fault {
    /// What it holds is wrong, and how.
    Content(String),
    /// It cannot be read.
    Input(io::Error),
    /// Something else went wrong meanwhile.
    Other(Error),
}

impl From<String> for Fault {
    fn from(reason: String) -> Self {
        Self::Content(reason)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Input(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    fn of(self, path: &Path) -> Error {
        match self {
            Self::Content(reason) => Error::artifact(path, reason),
            Self::Input(error) => Error::storage(path, "read", error),
            Self::Other(error) => error,
        }
    }

    fn plain(self) -> String {
        match self {
            Self::Content(reason) => reason,
            Self::Input(error) => error.to_string(),
            Self::Other(error) => error.to_string(),
        }
    }
}

/// What was read, or why not.
type Reading<T> = std::result::Result<T, Fault>;

trait Input: Read + Seek {}

impl<T: Read + Seek> Input for T {}

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
    arrays: columns::Layout,
    /// Where the arrays start.
    start: u64,
}

fn read_table(mut input: impl Input) -> Reading<TermTable> {
    let contents = Contents::read(&mut input, "table")?;
    let Shape { n_terms, term_bytes } = contents.shape;
    contents.fits_memory()?;
    let pruning = Pruning {
        min_df: number(&contents.metadata, "min_df")?,
        max_terms: match contents.metadata.get("max_terms") {
            Some(Value::Null) => None,
            _ => Some(number(&contents.metadata, "max_terms")?),
        },
    };
    check_facts(&contents.metadata, &table_facts(contents.settings, pruning, contents.n_documents))?;
    let mut terms = Terms::with_capacity(n_terms as usize, term_bytes as usize);
    let mut df = Vec::with_capacity(n_terms as usize);
    let mut best = Vec::with_capacity(n_terms as usize);
    contents.for_each(&mut input, |term, stats| {
        terms.push(term);
        df.push(stats.df);
        best.push(stats.best);
        Ok(())
    })?;
    Ok(TermTable::from_parts(contents.settings, pruning, contents.n_documents, terms, df, best)?)
}

fn read_counts(mut input: impl Input, budget: Option<Budget>, watch: Watch<'_>) -> Reading<TermCounts> {
    let contents = Contents::read(&mut input, "counts")?;
    let (settings, n_documents) = (contents.settings, contents.n_documents);
    check_facts(&contents.metadata, &facts("counts", settings, n_documents))?;
    if let Some(budget) = budget {
        let mut out = RunWriter::new(budget.folder())?;
        contents.for_each_in_order(&mut input, watch, |term, stats| Ok(out.push(term, stats)?))?;
        return Ok(TermCounts::restored(settings, n_documents, Some((out.finish()?, budget))));
    }
    contents.fits_memory()?;
    let mut counts = TermCounts::restored(settings, n_documents, None);
    contents.for_each_in_order(&mut input, watch, |term, stats| {
        counts.insert(term, stats); // new, since terms rise
        Ok(())
    })?;
    Ok(counts)
}

impl Contents {
    fn read(input: &mut impl Input, kind: &str) -> Reading<Self> {
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
        let (shape, arrays) = read_shape(&container)?;
        check_seal(input, &header, arrays, &metadata)?;
        Ok(Self {
            settings: settings(&metadata)?,
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
        mut visit: impl FnMut(&[u8], Stats) -> Reading<()>,
    ) -> Reading<()> {
        let mut reader = columns::Reader::new(input, self.arrays, self.start);
        let (mut stop, mut term) = (reader.first_offset()?, Vec::new());
        if stop != 0 {
            return Err("the first offset is not 0".to_owned().into());
        }
        for i in 0..self.shape.n_terms {
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
        watch: Watch<'_>,
        mut visit: impl FnMut(&[u8], Stats) -> Reading<()>,
    ) -> Reading<()> {
        let (mut last, mut i) = (Vec::new(), 0);
        self.for_each(input, |term, stats| {
            if term <= last.as_slice() {
                return Err(format!("terms {} and {i} are out of order", i.max(1) - 1).into());
            }
            last.clear();
            last.extend_from_slice(term);
            watch.tell(&mut i)?;
            visit(term, stats)
        })
    }
}

/// The header as it stands in the file, and what it says of the container.
fn read_header(input: &mut impl Input) -> Reading<(Vec<u8>, Metadata)> {
    let none = |why: &dyn std::fmt::Display| {
        format!("no safetensors file, or a damaged one: {}", brief(&why.to_string()))
    };
    let mut header = Vec::new();
    input.by_ref().take(8).read_to_end(&mut header)?;
    let length = <[u8; 8]>::try_from(header.as_slice()).map_or(MAX_HEADER, u64::from_le_bytes);
    if length < MAX_HEADER {
        input.by_ref().take(length).read_to_end(&mut header)?;
    }
    if Some(header.len() as u64) != length.checked_add(8) {
        return Err(none(&"its header is too long or cut short").into());
    }
    let container = serde_json::from_slice(&header[8..]).map_err(|e| none(&e))?;
    Ok((header, container))
}

fn read_metadata(container: &Metadata) -> Checked<Map<String, Value>> {
    let text = container
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| format!("no metadata key {KEY:?}: not a file of this library"))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        _ => Err(format!("the metadata key {KEY:?} is no JSON object")),
    }
}

fn read_shape(container: &Metadata) -> Checked<(Shape, columns::Layout)> {
    let values = |name: &str| -> Checked<u64> {
        let info = container.info(name).ok_or_else(|| format!("array {name} is missing"))?;
        match info.shape.as_slice() {
            &[values] => Ok(values as u64),
            shape => Err(format!("array {name} has {} dimensions, not one", shape.len())),
        }
    };
    let shape = Shape { n_terms: values("df")?, term_bytes: values("term_bytes")? };
    let arrays = shape.arrays().ok_or_else(|| format!("{shape:?} is more than a file can hold"))?;
    for (name, width, expected) in arrays {
        let (found, kind) = (values(name)?, container.info(name).map(|info| info.dtype));
        if found != expected || kind != Some(dtype(width)) {
            let kind = kind.map_or_else(String::new, |kind| format!(" of {kind:?}"));
            return Err(format!(
                "array {name} holds {found} values{kind}; {} terms need {expected} of {:?}",
                shape.n_terms,
                dtype(width)
            ));
        }
    }
    Ok((shape, arrays))
}

/// Recomputes the checksums, then the whole header: one bit of difference anywhere shows.
fn check_seal(
    input: &mut impl Input,
    header: &[u8],
    arrays: columns::Layout,
    found: &Map<String, Value>,
) -> Reading<()> {
    let expected_size = header.len() as u64 + arrays.iter().map(|(_, width, n)| width * n).sum::<u64>();
    let size = input.seek(SeekFrom::End(0))?;
    if size != expected_size {
        return Err(format!("it is {size} bytes long, not {expected_size}: the file is damaged").into());
    }
    input.seek(SeekFrom::Start(header.len() as u64))?;
    let mut facts = found.clone();
    facts.remove("digest");
    facts.remove("sha256");
    let expected = seal(facts, columns::sums(input, arrays)?);
    for name in NAMES {
        if found.get("sha256").and_then(|sums| sums.get(name)) != Some(&expected["sha256"][name]) {
            return Err(format!("the checksum of {name} does not match: the file is damaged").into());
        }
    }
    if found.get("digest") != expected.get("digest") {
        return Err("the digest does not match: the file is damaged".to_owned().into());
    }
    if header != self::header(arrays, &expected)? {
        return Err("the header is not in canonical form: the file is damaged".to_owned().into());
    }
    Ok(())
}

/// A value of the metadata in a message.
fn shown(value: Option<&Value>) -> String {
    brief(&value.unwrap_or(&Value::Null).to_string())
}

/// What stands in a file, or is said of it, as far as it has room in a message.
fn brief(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// Refuses facts that would be lost if what was loaded were saved.
fn check_facts(found: &Map<String, Value>, known: &Map<String, Value>) -> Checked<()> {
    let sealed = found.iter().filter(|(name, _)| !["digest", "sha256"].contains(&name.as_str()));
    match sealed.into_iter().find(|(name, value)| known.get(*name) != Some(value)) {
        Some((name, _)) => {
            Err(format!("metadata {} is not known to this release", shown(Some(&json!(name)))))
        }
        None => Ok(()),
    }
}

fn number(metadata: &Map<String, Value>, name: &str) -> Checked<u64> {
    metadata
        .get(name)
        .and_then(Value::as_u64)
        .ok_or_else(|| format!("metadata {name} is missing or no whole number"))
}

fn settings(metadata: &Map<String, Value>) -> Checked<Settings> {
    let name = metadata.get("tokenizer");
    let tokenizer = name.and_then(Value::as_str).and_then(Tokenizer::from_name);
    let tokenizer = tokenizer.ok_or_else(|| format!("unknown tokenizer {}", shown(name)))?;
    let lowercase = metadata
        .get("lowercase")
        .and_then(Value::as_bool)
        .ok_or("metadata lowercase is missing or neither true nor false")?;
    Ok(Settings { tokenizer, lowercase })
}

/// A term that can be one.
fn check_term(i: u64, term: &[u8]) -> Checked<()> {
    if term.is_empty() {
        return Err(format!("the offsets of term {i} are out of order or out of bounds"));
    }
    if std::str::from_utf8(term).is_err() {
        return Err(format!("term {i} is not UTF-8"));
    }
    Ok(())
}

/// Numbers that can be those of a term.
fn check_stats(i: u64, n_documents: u64, df: u64, count: u32, length: u32) -> Checked<Stats> {
    if df == 0 || df > n_documents {
        return Err(format!("df of term {i} is {df}, not in 1 to {n_documents}"));
    }
    let best = Ratio::new(count, length).filter(|ratio| ratio.count() == count);
    let best =
        best.ok_or_else(|| format!("ratio {count}/{length} of term {i} is not in (0, 1] in lowest terms"))?;
    Ok(Stats { df, best })
}
