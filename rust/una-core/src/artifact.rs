//! The file: one safetensors container, canonical bytes, checked through and through before it is believed.
//!
//! Arrays: `term_bytes` (u8), `offsets` (u64, one more than terms), `df` (u64), `best_count` and `best_length` (u32).
//! The one metadata key `una_fast` holds canonical JSON (sorted keys, no spaces): format version, kind, settings, `N`,
//! the SHA-256 of each array, and a digest of all the rest, which is the identity of the state. Integers only: idf and
//! score are derived on load.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use bytemuck::cast_slice;
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::count::{Settings, Stats, TermCounts};
use crate::error::{Error, Result};
use crate::table::{Pruning, TermTable};
use crate::tfidf::Ratio;
use crate::tokenize::Tokenizer;
use crate::vocab::Vocab;

const FORMAT: u64 = 1;
const KEY: &str = "una_fast";
const MAX_TERMS: usize = u32::MAX as usize;
/// Bytes of the longest header that is ever written, and some to spare. What is read of one takes many times its
/// length in memory, so that longer ones are not looked at.
const MAX_HEADER: u64 = 4096;

/// Saves a table; the file is the old one or the new one at any moment, and durable on return.
///
/// # Errors
/// What the system says.
pub fn save_table(table: &TermTable, path: &Path) -> Result<()> {
    save(&Arrays::of_table(table), table_facts(table), path)
}

/// The bytes that [`save_table`] writes; to hand a table to another process.
///
/// # Errors
/// Only for a fault of this crate.
pub fn table_bytes(table: &TermTable) -> Result<Vec<u8>> {
    to_bytes(&Arrays::of_table(table), table_facts(table))
}

/// The bytes that [`save_counts`] writes.
///
/// # Errors
/// Only for a fault of this crate.
pub fn counts_bytes(counts: &TermCounts) -> Result<Vec<u8>> {
    to_bytes(&Arrays::of_counts(counts), counts_facts(counts))
}

fn to_bytes(arrays: &Arrays, facts: Map<String, Value>) -> Result<Vec<u8>> {
    let header = header(arrays, &seal(arrays, facts)).map_err(Error::Internal)?;
    let mut bytes = Vec::new();
    write_parts(arrays, &header, &mut bytes).map_err(|e| Error::Internal(e.to_string()))?;
    Ok(bytes)
}

/// The identity of a table: SHA-256, in hexadecimal, of its settings, `N` and arrays.
#[must_use]
pub fn digest(table: &TermTable) -> String {
    let metadata = seal(&Arrays::of_table(table), table_facts(table));
    metadata["digest"].as_str().unwrap_or_default().to_owned()
}

/// Saves counts, in order of term bytes, as [`save_table`] does.
///
/// # Errors
/// What the system says.
pub fn save_counts(counts: &TermCounts, path: &Path) -> Result<()> {
    save(&Arrays::of_counts(counts), counts_facts(counts), path)
}

/// Loads a table.
///
/// # Errors
/// [`Error::Storage`] where the file cannot be read; [`Error::Artifact`] naming what is wrong with it.
pub fn load_table(path: &Path) -> Result<TermTable> {
    let bytes = read(path)?;
    parse_table(&bytes).map_err(|reason| Error::artifact(path, reason))
}

/// Loads counts.
///
/// # Errors
/// As [`load_table`].
pub fn load_counts(path: &Path) -> Result<TermCounts> {
    let bytes = read(path)?;
    parse_counts(&bytes).map_err(|reason| Error::artifact(path, reason))
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

fn counts_facts(counts: &TermCounts) -> Map<String, Value> {
    facts("counts", counts.settings(), counts.n_documents())
}

fn table_facts(table: &TermTable) -> Map<String, Value> {
    let mut facts = facts("table", table.settings(), table.n_documents());
    facts.insert("max_terms".into(), json!(table.pruning().max_terms));
    facts.insert("min_df".into(), json!(table.pruning().min_df));
    facts
}

/// The arrays of a file, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrays {
    /// All terms, one after another.
    pub term_bytes: Vec<u8>,
    /// Where each term starts in `term_bytes`, and where the last one stops.
    pub offsets: Vec<u64>,
    /// Number of sentences that hold the term.
    pub df: Vec<u64>,
    /// Numerator, in lowest terms, of the largest part of a sentence that the term makes up.
    pub best_count: Vec<u32>,
    /// Its denominator.
    pub best_length: Vec<u32>,
}

impl Arrays {
    fn collect<'t>(terms: impl Iterator<Item = (&'t [u8], Stats)>) -> Self {
        let mut arrays = Self {
            term_bytes: Vec::new(),
            offsets: vec![0],
            df: Vec::new(),
            best_count: Vec::new(),
            best_length: Vec::new(),
        };
        for (term, stats) in terms {
            arrays.term_bytes.extend_from_slice(term);
            arrays.offsets.push(arrays.term_bytes.len() as u64);
            arrays.df.push(stats.df);
            arrays.best_count.push(stats.best.count());
            arrays.best_length.push(stats.best.length());
        }
        arrays
    }

    fn of_table(table: &TermTable) -> Self {
        Self::collect((0..table.len() as u32).map(|rank| {
            let (df, best) = (table.df()[rank as usize], table.best()[rank as usize]);
            (table.vocab().term(rank), Stats { df, best })
        }))
    }

    /// The arrays of counts, in order of term bytes.
    #[must_use]
    pub fn of_counts(counts: &TermCounts) -> Self {
        let mut terms: Vec<_> = counts.iter().collect();
        terms.sort_unstable_by_key(|&(term, _)| term);
        Self::collect(terms.into_iter())
    }

    /// Name, type, length and bytes of each array, in the container's own order: wide types first, then by name.
    fn views(&self) -> [(&'static str, Dtype, usize, &[u8]); 5] {
        [
            ("df", Dtype::U64, self.df.len(), cast_slice(&self.df)),
            ("offsets", Dtype::U64, self.offsets.len(), cast_slice(&self.offsets)),
            ("best_count", Dtype::U32, self.best_count.len(), cast_slice(&self.best_count)),
            ("best_length", Dtype::U32, self.best_length.len(), cast_slice(&self.best_length)),
            ("term_bytes", Dtype::U8, self.term_bytes.len(), &self.term_bytes),
        ]
    }
}

/// Adds checksums and digest to the facts.
fn seal(arrays: &Arrays, mut facts: Map<String, Value>) -> Map<String, Value> {
    let sums: Map<String, Value> = arrays
        .views()
        .into_iter()
        .map(|(name, _, _, bytes)| (name.to_owned(), json!(sha256(bytes))))
        .collect();
    facts.insert("sha256".into(), Value::Object(sums));
    let digest = sha256(Value::Object(facts.clone()).to_string().as_bytes());
    facts.insert("digest".into(), json!(digest));
    facts
}

fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

/// The container's header for these arrays and this metadata: length, JSON, padding.
fn header(arrays: &Arrays, metadata: &Map<String, Value>) -> std::result::Result<Vec<u8>, String> {
    let mut start = 0;
    let tensors = arrays
        .views()
        .into_iter()
        .map(|(name, dtype, length, bytes)| {
            let data_offsets = (start, start + bytes.len());
            start = data_offsets.1;
            let shape = vec![length];
            let info = TensorInfo { dtype, shape, data_offsets };
            (name.to_owned(), info)
        })
        .collect();
    let text = Value::Object(metadata.clone()).to_string();
    let metadata =
        Metadata::new(Some(HashMap::from([(KEY.to_owned(), text)])), tensors).map_err(|e| e.to_string())?;
    let mut json = serde_json::to_vec(&metadata).map_err(|e| e.to_string())?;
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut bytes = (json.len() as u64).to_le_bytes().to_vec();
    bytes.append(&mut json);
    Ok(bytes)
}

fn save(arrays: &Arrays, facts: Map<String, Value>, path: &Path) -> Result<()> {
    let header = header(arrays, &seal(arrays, facts)).map_err(Error::Internal)?;
    write_atomically(path, |out| write_parts(arrays, &header, out))
}

fn write_parts(arrays: &Arrays, header: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(header)?;
    for (_, _, _, bytes) in arrays.views() {
        out.write_all(bytes)?;
    }
    Ok(())
}

/// Writes a file under a temporary name beside `path`, makes it durable, and puts it in place by renaming.
///
/// A symbolic link stays one; the mode is that of the file replaced, or what the umask leaves of 0666.
///
/// # Errors
/// What the system says; the old file stays and the temporary one goes.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    try_write_atomically(path, write).map_err(|e| Error::storage(path, "write", e))
}

fn try_write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let target = follow(path)?;
    let old = match fs::metadata(&target) {
        Ok(old) if !old.is_file() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no regular file"));
        }
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".una-fast-").suffix(".tmp");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder)?;
    if let Some(old) = old {
        fs::set_permissions(temporary.path(), old.permissions())?;
    }
    let mut out = BufWriter::with_capacity(1 << 20, temporary.as_file());
    write(&mut out)?;
    out.flush()?;
    drop(out);
    temporary.as_file().sync_all()?;
    temporary.persist(&target).map_err(|e| e.error)?;
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Where a chain of symbolic links ends, whether or not a file stands there.
fn follow(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::storage(path, "read", e))
}

/// What was read, or a sentence that says what is wrong.
pub type Checked<T> = std::result::Result<T, String>;

/// A file whose container, checksums and arrays have been checked, but not yet the meaning of its kind.
struct Contents {
    metadata: Map<String, Value>,
    settings: Settings,
    n_documents: u64,
    vocab: Vocab,
    df: Vec<u64>,
    best: Vec<Ratio>,
}

/// The table that the bytes of a file hold.
///
/// # Errors
/// A sentence that says what is wrong with them.
pub fn parse_table(bytes: &[u8]) -> Checked<TermTable> {
    let contents = parse(bytes, "table")?;
    let pruning = Pruning {
        min_df: number(&contents.metadata, "min_df")?,
        max_terms: match contents.metadata.get("max_terms") {
            Some(Value::Null) => None,
            _ => Some(number(&contents.metadata, "max_terms")?),
        },
    };
    let table = TermTable::from_parts(
        contents.settings,
        pruning,
        contents.n_documents,
        contents.vocab,
        contents.df,
        contents.best,
    )?;
    check_facts(&contents.metadata, &table_facts(&table))?;
    Ok(table)
}

/// The counts that the bytes of a file hold.
///
/// # Errors
/// As [`parse_table`].
pub fn parse_counts(bytes: &[u8]) -> Checked<TermCounts> {
    let Contents { metadata, settings, n_documents, vocab, df, best } = parse(bytes, "counts")?;
    check_facts(&metadata, &facts("counts", settings, n_documents))?;
    for id in 1..vocab.len() as u32 {
        if vocab.term(id - 1) >= vocab.term(id) {
            return Err(format!("terms {} and {id} are out of order", id - 1));
        }
    }
    Ok(restore(settings, n_documents, &vocab, &df, &best))
}

/// Counts from arrays that may come from anywhere, with the checks of a file; terms may stand in any order.
///
/// # Errors
/// A sentence that says which of them fails, and where.
pub fn counts_from_arrays(settings: Settings, n_documents: u64, arrays: &Arrays) -> Checked<TermCounts> {
    let (vocab, best) = (vocab(arrays)?, ratios(arrays, n_documents)?);
    Ok(restore(settings, n_documents, &vocab, &arrays.df, &best))
}

fn restore(settings: Settings, n_documents: u64, vocab: &Vocab, df: &[u64], best: &[Ratio]) -> TermCounts {
    let stats = df.iter().zip(best).map(|(&df, &best)| Stats { df, best });
    let terms = (0u32..).map(|id| vocab.term(id));
    TermCounts::restore(settings, n_documents, stats.zip(terms).map(|(stats, term)| (term, stats)))
}

fn parse(bytes: &[u8], kind: &str) -> Checked<Contents> {
    if let Some((length, _)) = bytes.split_first_chunk::<8>()
        && u64::from_le_bytes(*length) > MAX_HEADER
    {
        let length = u64::from_le_bytes(*length);
        return Err(format!("no safetensors file of this library: its header would have {length} bytes"));
    }
    let container = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let metadata = read_metadata(bytes)?;
    if metadata.get("format") != Some(&json!(FORMAT)) {
        let found = shown(metadata.get("format"));
        return Err(format!("format version {found}; this release reads version {FORMAT}"));
    }
    if metadata.get("kind") != Some(&json!(kind)) {
        let found = shown(metadata.get("kind"));
        return Err(format!("it holds {found}, not \"{kind}\""));
    }
    let arrays = Arrays {
        term_bytes: array(&container, "term_bytes", Dtype::U8)?.to_vec(),
        offsets: numbers(array(&container, "offsets", Dtype::U64)?, u64::from_le_bytes),
        df: numbers(array(&container, "df", Dtype::U64)?, u64::from_le_bytes),
        best_count: numbers(array(&container, "best_count", Dtype::U32)?, u32::from_le_bytes),
        best_length: numbers(array(&container, "best_length", Dtype::U32)?, u32::from_le_bytes),
    };
    check_seal(bytes, &arrays, &metadata)?;
    let n_documents = number(&metadata, "n_documents")?;
    Ok(Contents {
        settings: settings(&metadata)?,
        n_documents,
        vocab: vocab(&arrays)?,
        best: ratios(&arrays, n_documents)?,
        df: arrays.df,
        metadata,
    })
}

#[allow(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
fn damaged(error: SafeTensorError) -> String {
    format!("no safetensors file, or a damaged one: {}", brief(&error.to_string()))
}

fn read_metadata(bytes: &[u8]) -> Checked<Map<String, Value>> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    let text = header
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .ok_or_else(|| format!("no metadata key {KEY:?}: not a file of this library"))?;
    match serde_json::from_str(text) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        _ => Err(format!("the metadata key {KEY:?} is no JSON object")),
    }
}

/// Recomputes the checksums, then the whole header: one bit of difference anywhere shows.
fn check_seal(bytes: &[u8], arrays: &Arrays, found: &Map<String, Value>) -> Checked<()> {
    let mut facts = found.clone();
    facts.remove("digest");
    facts.remove("sha256");
    let expected = seal(arrays, facts);
    for (name, ..) in arrays.views() {
        if found.get("sha256").and_then(|sums| sums.get(name)) != Some(&expected["sha256"][name]) {
            return Err(format!("the checksum of {name} does not match: the file is damaged"));
        }
    }
    if found.get("digest") != expected.get("digest") {
        return Err("the digest does not match: the file is damaged".into());
    }
    if !bytes.starts_with(&header(arrays, &expected)?) {
        return Err("the header is not in canonical form: the file is damaged".into());
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

fn array<'a>(container: &SafeTensors<'a>, name: &str, dtype: Dtype) -> Checked<&'a [u8]> {
    let view = container.tensor(name).map_err(|_| format!("array {name} is missing"))?;
    if view.dtype() != dtype || view.shape().len() != 1 {
        return Err(format!(
            "array {name} has type {:?} and {} dimensions, not {dtype:?} and one",
            view.dtype(),
            view.shape().len()
        ));
    }
    Ok(view.data())
}

fn numbers<const W: usize, T>(bytes: &[u8], from: impl Fn([u8; W]) -> T) -> Vec<T> {
    bytes.as_chunks::<W>().0.iter().map(|&chunk| from(chunk)).collect()
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

fn vocab(arrays: &Arrays) -> Checked<Vocab> {
    let n = arrays.df.len();
    if n >= MAX_TERMS {
        return Err(format!("{n} terms: a table holds fewer than 2^32"));
    }
    if arrays.offsets.len() != n + 1 || arrays.offsets[0] != 0 {
        return Err(format!("{n} terms need {} offsets, the first 0", n + 1));
    }
    if arrays.offsets[n] != arrays.term_bytes.len() as u64 {
        return Err("the last offset is not the length of term_bytes".into());
    }
    let mut vocab = Vocab::with_capacity(n, arrays.term_bytes.len());
    for (i, pair) in arrays.offsets.windows(2).enumerate() {
        let term = arrays
            .term_bytes
            .get(pair[0] as usize..pair[1] as usize)
            .filter(|term| !term.is_empty())
            .ok_or_else(|| format!("the offsets of term {i} are out of order or out of bounds"))?;
        if std::str::from_utf8(term).is_err() {
            return Err(format!("term {i} is not UTF-8"));
        }
        if !vocab.intern(term).1 {
            return Err(format!("term {i} stands twice"));
        }
    }
    Ok(vocab)
}

fn ratios(arrays: &Arrays, n_documents: u64) -> Checked<Vec<Ratio>> {
    let n = arrays.df.len();
    if arrays.best_count.len() != n || arrays.best_length.len() != n {
        return Err(format!("{n} terms need as many best_count and best_length"));
    }
    if let Some(i) = arrays.df.iter().position(|&df| df == 0 || df > n_documents) {
        return Err(format!("df of term {i} is {}, not in 1 to {n_documents}", arrays.df[i]));
    }
    let pairs = arrays.best_count.iter().zip(&arrays.best_length);
    pairs
        .enumerate()
        .map(|(i, (&count, &length))| {
            Ratio::new(count, length)
                .filter(|ratio| ratio.count() == count)
                .ok_or_else(|| format!("ratio {count}/{length} of term {i} is not in (0, 1] in lowest terms"))
        })
        .collect()
}
