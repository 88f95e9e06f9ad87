//! Files and streams into blocks of whole lines.

use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use memchr::{memchr_iter, memrchr};

use super::block::{Block, Body, Origin, line_too_long};
use super::decompress::{self, MoreThanAllowed, look_ahead};
use super::formats::{HEAD_BYTES, format_of};
use super::options::ReadOptions;
use super::watched::WatchedFile;
use crate::error::{Error, Result};
use crate::progress::Progress;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const JSON_LINES: [&str; 5] = [".jsonl", ".ndjson", ".jsonlines", ".jl", ".json"];
const COMPRESSED: [&str; 5] = [".gz", ".zst", ".zstd", ".bz2", ".xz"];

/// Cuts a stream of bytes into blocks of whole lines.
pub struct LineBlocks<R> {
    input: R,
    path: Arc<Path>,
    block_bytes: usize,
    max_line_bytes: usize,
    json: bool,
    /// The start of a line whose end has not been read yet.
    carry: Vec<u8>,
    line: u64,
    offset: u64,
    finished: bool,
}

impl<R: Read> LineBlocks<R> {
    /// Blocks of `input`, which is called `path` in messages; the name may tell that lines are JSON.
    pub fn new(input: R, path: &Path, options: ReadOptions<'_>) -> Self {
        Self {
            input,
            path: path.into(),
            block_bytes: options.block_bytes.max(1),
            max_line_bytes: options.max_line_bytes,
            json: options.json || is_json_lines(path),
            carry: Vec::new(),
            line: 0,
            offset: 0,
            finished: false,
        }
    }

    /// Returns true where lines are JSON objects.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Hands all blocks on, in order.
    ///
    /// # Errors
    /// As [`Self::next_block`]; whatever `visit` returns.
    pub fn for_each(mut self, mut visit: impl FnMut(Block) -> Result<()>) -> Result<()> {
        while let Some(block) = self.next_block()? {
            visit(block)?;
        }
        Ok(())
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// What the system or the decoder says, and lines over the limit.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let mut body = std::mem::take(&mut self.carry);
        while !self.finished {
            let before = body.len();
            body.try_reserve(self.block_bytes)?;
            let wanted = self.block_bytes as u64;
            let read =
                (&mut self.input).take(wanted).read_to_end(&mut body).map_err(|e| self.read_error(e))?;
            if self.offset == 0 && before == 0 && body.starts_with(UTF8_MARK) {
                body.drain(..UTF8_MARK.len());
                self.offset = UTF8_MARK.len() as u64;
            }
            // `read_to_end` comes back with less only at the end, however little the source gives at a time.
            self.finished = (read as u64) < wanted;
            if self.finished {
                break;
            }
            // What came before has no line end, and a long line would be searched again with every block.
            if let Some(newline) = memrchr(b'\n', &body[before..]) {
                self.carry = body.split_off(before + newline + 1);
                break;
            }
            if body.len() > self.max_line_bytes.saturating_add(1) {
                return Err(line_too_long(&self.path, self.line, self.max_line_bytes));
            }
        }
        if body.is_empty() {
            return Ok(None);
        }
        let origin = Origin::File { path: self.path.clone(), line: self.line, offset: self.offset };
        self.line += memchr_iter(b'\n', &body).count() as u64;
        self.offset += body.len() as u64;
        Ok(Some(Block { body: Body::Lines(body), nulls: Vec::new(), json: self.json, origin }))
    }

    fn read_error(&self, error: io::Error) -> Error {
        read_error(&self.path, &format!("line {}", self.line + 1), error)
    }
}

/// What reading said at this place. Only the system's own errors have a number; all others are a decoder's.
fn read_error(path: &Path, place: &str, error: io::Error) -> Error {
    if error.raw_os_error().is_some() {
        return Error::storage(path, "read", error);
    }
    if error.kind() == io::ErrorKind::OutOfMemory
        && error.get_ref().is_none_or(|e| !e.is::<MoreThanAllowed>())
    {
        return Error::OutOfMemory;
    }
    let path = path.display();
    Error::Input(match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            format!("{path}: compressed data ends too early, after {place} or later: the file is truncated")
        }
        io::ErrorKind::Unsupported | io::ErrorKind::OutOfMemory => format!("{path}: {error}"),
        _ => format!("{path}: damaged compressed data at {place} or later: {error}"),
    })
}

/// Returns true where a file of this name holds JSON objects, one a line; compressed or not.
///
/// ```
/// use una_core::text::is_json_lines;
///
/// assert!(is_json_lines("corpus/part-1.JSONL.zst".as_ref()));
/// assert!(!is_json_lines("corpus/part-1.txt.gz".as_ref()));
/// ```
#[must_use]
pub fn is_json_lines(path: &Path) -> bool {
    let Some(name) = path.file_name().and_then(std::ffi::OsStr::to_str) else { return false };
    let name = name.to_ascii_lowercase();
    let plain = COMPRESSED.iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(&name);
    JSON_LINES.iter().any(|suffix| plain.ends_with(suffix))
}

struct Counting<'p> {
    file: WatchedFile,
    progress: &'p Progress,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.progress.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// A file or stream as blocks of lines.
pub type Blocks<'p> = LineBlocks<Box<dyn Read + Send + 'p>>;

/// Opens a file as blocks of lines; compressed ones are told by their first bytes, not by their names.
///
/// # Errors
/// [`Error::Storage`] where the system refuses; [`Error::Input`] where a decoder does.
pub fn open<'p>(path: &Path, options: ReadOptions<'_>, progress: &'p Progress) -> Result<Blocks<'p>> {
    blocks(Counting { file: WatchedFile::open(path)?, progress }, path, options)
}

/// A stream as blocks of lines, with the rules of [`open`]. `name` stands in messages.
///
/// # Errors
/// As [`open`].
pub fn blocks<'p>(input: impl Read + Send + 'p, name: &Path, options: ReadOptions<'_>) -> Result<Blocks<'p>> {
    let text = decoded(input, name, options)?;
    let fault = |error| read_error(name, "line 1", error);
    let (input, head) = look_ahead(text, HEAD_BYTES).map_err(fault)?;
    match format_of(&head) {
        Some(what) => Err(Error::Input(format!("{}: {what}", name.display()))),
        None => Ok(LineBlocks::new(Box::new(input), name, options)),
    }
}

/// The bytes of a file or stream, decompressed; `name` stands in messages.
///
/// # Errors
/// As [`open`].
pub fn decoded<'p>(
    input: impl Read + Send + 'p,
    name: &Path,
    options: ReadOptions<'_>,
) -> Result<Box<dyn Read + Send + 'p>> {
    decompress::decoded(input, options.max_window_bytes).map_err(|error| read_error(name, "line 1", error))
}

/// Appends up to `n` bytes of what [`decoded`] gave to `out`: fewer at the end only.
///
/// # Errors
/// What the system or the decoder says; `name` stands in the message.
pub fn read_from(input: &mut impl Read, n: u64, out: &mut Vec<u8>, name: &Path) -> Result<usize> {
    input.take(n).read_to_end(out).map_err(|error| read_error(name, "its start", error))
}
