//! Sentences out of bytes: files (plain or gzip) become blocks of whole lines, blocks become sentences.
//!
//! The rules, the same for every source:
//! - a sentence is one line, without its LF or CR LF; the last line needs none;
//! - a byte order mark at the start of a file is dropped;
//! - a line of white space alone is no document, and is counted as empty;
//! - invalid UTF-8 and NUL are errors, or repaired, or skipped, as [`Malformed`] says.
//!
//! Blocks are cut at line ends, so that any worker can take any block; the size of a block shows in no result.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use memchr::{memchr, memchr_iter, memrchr};

use crate::chars::is_space;
use crate::error::{Error, Result};
use crate::stop::Stop;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
const FILE_BUFFER: usize = 256 << 10;

/// What to do with a line that is not UTF-8 text or holds a NUL.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Malformed {
    /// Stop with an error that names file, line and byte offset.
    #[default]
    Strict,
    /// Put U+FFFD in place of each ill-formed sequence and of each NUL.
    Replace,
    /// Leave the line out, and count it as skipped.
    Skip,
}

impl FromStr for Malformed {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "strict" => Ok(Self::Strict),
            "replace" => Ok(Self::Replace),
            "skip" => Ok(Self::Skip),
            _ => Err(Error::Option(format!(
                "errors must be \"strict\", \"replace\" or \"skip\", not {name:?}"
            ))),
        }
    }
}

/// How sources are read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions {
    /// What to do with malformed lines.
    pub malformed: Malformed,
    /// The longest line accepted, in bytes.
    pub max_line_bytes: usize,
    /// The size of a block, in bytes.
    pub block_bytes: usize,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self { malformed: Malformed::Strict, max_line_bytes: 64 << 20, block_bytes: 1 << 20 }
    }
}

/// How far reading has come; shared with whoever shows it.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes taken from the files so far, compressed ones where a file is compressed.
    pub bytes: AtomicU64,
    /// Sentences counted so far.
    pub documents: AtomicU64,
}

/// Lines that became no document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Lines of white space alone.
    pub empty: u64,
    /// Malformed lines left out under [`Malformed::Skip`].
    pub skipped: u64,
}

impl Passed {
    /// Adds another tally to this one.
    pub const fn add(&mut self, other: Self) {
        self.empty += other.empty;
        self.skipped += other.skipped;
    }
}

#[derive(Debug)]
enum Place {
    /// Line and byte at which the block starts, both counted from 0.
    File {
        path: Arc<Path>,
        line: u64,
        offset: u64,
    },
    Rows {
        first: u64,
    },
}

/// A run of whole sentences, and where they come from.
#[derive(Debug)]
pub struct Block {
    body: Vec<u8>,
    /// Where each sentence stops; `None` where line ends tell.
    ends: Option<Vec<usize>>,
    place: Place,
}

impl Block {
    /// A block of sentences that are no lines: each may hold line ends. `first` is the row of the first one.
    #[must_use]
    pub const fn from_rows(body: Vec<u8>, ends: Vec<usize>, first: u64) -> Self {
        Self { body, ends: Some(ends), place: Place::Rows { first } }
    }

    /// Calls `visit` for each document of the block, in order.
    ///
    /// # Errors
    /// The first malformed or over-long line, by place; whatever `visit` returns.
    pub fn for_each_sentence(
        &self,
        options: &ReadOptions,
        mut visit: impl FnMut(&str) -> Result<()>,
    ) -> Result<Passed> {
        let mut passed = Passed::default();
        // One check for the whole block; only a block that fails it is looked at line by line.
        let text = match std::str::from_utf8(&self.body) {
            Ok(text) if memchr(0, &self.body).is_none() => Some(text),
            _ => None,
        };
        let mut index = 0;
        self.for_each_span(|start, end| {
            if end - start > options.max_line_bytes {
                return Err(self.too_long(index, options.max_line_bytes));
            }
            let sentence = match text {
                Some(text) => Some(Cow::Borrowed(&text[start..end])),
                None => self.repair(start, end, index, options.malformed)?,
            };
            index += 1;
            match sentence {
                None => passed.skipped += 1,
                Some(sentence) if sentence.chars().all(is_space) => passed.empty += 1,
                Some(sentence) => visit(&sentence)?,
            }
            Ok(())
        })?;
        Ok(passed)
    }

    fn for_each_span(&self, mut visit: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
        let mut start = 0;
        if let Some(ends) = &self.ends {
            for &end in ends {
                visit(start, end)?;
                start = end;
            }
            return Ok(());
        }
        for newline in memchr_iter(b'\n', &self.body) {
            let end = newline - usize::from(self.body[start..newline].ends_with(b"\r"));
            visit(start, end)?;
            start = newline + 1;
        }
        if start < self.body.len() {
            let end = self.body.len() - usize::from(self.body[start..].ends_with(b"\r"));
            visit(start, end)?;
        }
        Ok(())
    }

    fn repair(
        &self,
        start: usize,
        end: usize,
        index: u64,
        malformed: Malformed,
    ) -> Result<Option<Cow<'_, str>>> {
        let bytes = &self.body[start..end];
        let fault = match std::str::from_utf8(bytes) {
            Err(error) => Some((error.valid_up_to(), "invalid UTF-8")),
            Ok(text) => match memchr(0, bytes) {
                Some(at) => Some((at, "NUL byte")),
                None => return Ok(Some(Cow::Borrowed(text))),
            },
        };
        match (malformed, fault) {
            (Malformed::Strict, Some((at, what))) => Err(self.fault(start + at, index, what)),
            (Malformed::Skip, _) => Ok(None),
            _ => {
                let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
                Ok(Some(Cow::Owned(text)))
            }
        }
    }

    fn fault(&self, at: usize, index: u64, what: &str) -> Error {
        Error::Input(match &self.place {
            Place::File { path, line, offset } => {
                let byte = *offset + at as u64;
                let hint = if *offset == 0 && UTF16_MARKS.iter().any(|m| self.body.starts_with(m)) {
                    " (the file starts like UTF-16: convert it to UTF-8)"
                } else {
                    ""
                };
                let line = line + index + 1;
                format!("{}: line {line}: {what} at byte {byte}{hint}", path.display())
            }
            Place::Rows { first } => format!("sentence {}: {what}", first + index),
        })
    }

    fn too_long(&self, index: u64, cap: usize) -> Error {
        match &self.place {
            Place::File { path, line, .. } => line_too_long(path, line + index, cap),
            Place::Rows { first } => {
                Error::Input(format!("sentence {}: longer than max_line_bytes = {cap}", first + index))
            }
        }
    }
}

fn line_too_long(path: &Path, line: u64, cap: usize) -> Error {
    Error::Input(format!("{}: line {}: longer than max_line_bytes = {cap}", path.display(), line + 1))
}

/// Cuts a stream of bytes into blocks of whole lines.
pub struct LineBlocks<R> {
    input: R,
    path: Arc<Path>,
    options: ReadOptions,
    /// The start of a line whose end has not been read yet.
    carry: Vec<u8>,
    line: u64,
    offset: u64,
    finished: bool,
}

impl<R: Read> LineBlocks<R> {
    /// Blocks of `input`, which is called `path` in messages.
    pub fn new(input: R, path: &Path, options: ReadOptions) -> Self {
        Self { input, path: path.into(), options, carry: Vec::new(), line: 0, offset: 0, finished: false }
    }

    /// The next block; `None` at the end.
    ///
    /// # Errors
    /// What the system or the decoder says, and lines over the limit.
    pub fn next_block(&mut self) -> Result<Option<Block>> {
        let mut body = std::mem::take(&mut self.carry);
        while !self.finished {
            let before = body.len();
            let wanted = self.options.block_bytes.max(1) as u64;
            let read =
                (&mut self.input).take(wanted).read_to_end(&mut body).map_err(|e| self.read_error(e))?;
            if self.offset == 0 && before == 0 && body.starts_with(UTF8_MARK) {
                body.drain(..UTF8_MARK.len());
                self.offset = UTF8_MARK.len() as u64;
            }
            self.finished = (read as u64) < wanted;
            if self.finished {
                break;
            }
            if let Some(newline) = memrchr(b'\n', &body) {
                self.carry = body.split_off(newline + 1);
                break;
            }
            if body.len() > self.options.max_line_bytes.saturating_add(1) {
                return Err(line_too_long(&self.path, self.line, self.options.max_line_bytes));
            }
        }
        if body.is_empty() {
            return Ok(None);
        }
        let place = Place::File { path: self.path.clone(), line: self.line, offset: self.offset };
        self.line += memchr_iter(b'\n', &body).count() as u64;
        self.offset += body.len() as u64;
        Ok(Some(Block { body, ends: None, place }))
    }

    fn read_error(&self, error: io::Error) -> Error {
        use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
        let at_line = self.line + 1;
        match error.kind() {
            UnexpectedEof => Error::Input(format!(
                "{}: compressed data ends too early, after line {at_line} or later: the file is truncated",
                self.path.display()
            )),
            InvalidData | InvalidInput => Error::Input(format!(
                "{}: damaged compressed data at line {at_line} or later: {error}",
                self.path.display()
            )),
            _ => Error::storage(&self.path, "read", error),
        }
    }
}

struct Counting<'p> {
    file: File,
    progress: &'p Progress,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.progress.bytes.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Opens a file, plain or gzip (told by its first bytes, not by its name), as blocks of lines.
///
/// # Errors
/// [`Error::Storage`] where the system refuses.
pub fn open<'p>(
    path: &Path,
    options: ReadOptions,
    progress: &'p Progress,
) -> Result<LineBlocks<Box<dyn Read + 'p>>> {
    let refused = |e| Error::storage(path, "read", e);
    let file = File::open(path).map_err(refused)?;
    let mut input = BufReader::with_capacity(FILE_BUFFER, Counting { file, progress });
    let compressed = input.fill_buf().map_err(refused)?.starts_with(&GZIP_MAGIC);
    let input: Box<dyn Read + 'p> = if compressed {
        // The multi-member reader: a plain one stops without a word after the first member.
        Box::new(MultiGzDecoder::new(input))
    } else {
        Box::new(input)
    };
    Ok(LineBlocks::new(input, path, options))
}

/// The documents of files, one after another in memory: for a training loop, which takes them in any order.
#[derive(Debug, Default)]
pub struct Sentences {
    /// The text of all of them.
    pub bytes: Vec<u8>,
    /// Where each of them stops.
    pub ends: Vec<u64>,
    /// Lines that became no document.
    pub passed: Passed,
}

/// Reads files whole, by the same rules by which they are counted.
///
/// # Errors
/// As counting them.
pub fn read_sentences(
    paths: &[PathBuf],
    options: ReadOptions,
    stop: &Stop,
    progress: &Progress,
) -> Result<Sentences> {
    let mut all = Sentences::default();
    for path in paths {
        let mut blocks = open(path, options, progress)?;
        while let Some(block) = blocks.next_block()? {
            stop.check()?;
            let before = all.ends.len();
            let Sentences { bytes, ends, passed } = &mut all;
            passed.add(block.for_each_sentence(&options, |sentence| {
                bytes.extend_from_slice(sentence.as_bytes());
                ends.push(bytes.len() as u64);
                Ok(())
            })?);
            progress.documents.fetch_add((all.ends.len() - before) as u64, Ordering::Relaxed);
        }
    }
    Ok(all)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sentences(bytes: &[u8], options: ReadOptions) -> Result<(Vec<String>, Passed)> {
        let mut blocks = LineBlocks::new(bytes, Path::new("text"), options);
        let (mut out, mut passed) = (Vec::new(), Passed::default());
        while let Some(block) = blocks.next_block()? {
            passed.add(block.for_each_sentence(&options, |s| {
                out.push(s.to_owned());
                Ok(())
            })?);
        }
        Ok((out, passed))
    }

    fn message(bytes: &[u8], options: ReadOptions) -> String {
        sentences(bytes, options).unwrap_err().to_string()
    }

    #[test]
    fn line_ends_marks_and_blank_lines() {
        let (found, passed) =
            sentences(b"\xef\xbb\xbfone\r\n\n \t\ntwo\rstill two\nlast", ReadOptions::default()).unwrap();
        assert_eq!(found, ["one", "two\rstill two", "last"]);
        assert_eq!(passed, Passed { empty: 2, skipped: 0 });
    }

    #[test]
    fn malformed_lines_are_named_repaired_or_skipped() {
        let text = b"good\nbad \xff here\nnul \0 here\nend\n";
        for block_bytes in [1, 7, 1 << 20] {
            let with = |malformed| ReadOptions { malformed, block_bytes, ..ReadOptions::default() };
            assert_eq!(message(text, with(Malformed::Strict)), "text: line 2: invalid UTF-8 at byte 9");
            let (found, _) = sentences(text, with(Malformed::Replace)).unwrap();
            assert_eq!(found, ["good", "bad \u{fffd} here", "nul \u{fffd} here", "end"]);
            let (found, passed) = sentences(text, with(Malformed::Skip)).unwrap();
            assert_eq!(found, ["good", "end"]);
            assert_eq!(passed.skipped, 2);
        }
        assert_eq!(message(b"a\nx\0", ReadOptions::default()), "text: line 2: NUL byte at byte 3");
        assert!(message(b"\xff\xfea\0b\0", ReadOptions::default()).contains("UTF-16"));
    }

    #[test]
    fn long_lines_are_refused_whatever_the_block() {
        for block_bytes in [1, 3, 64, 1 << 20] {
            let options = ReadOptions { max_line_bytes: 10, block_bytes, ..ReadOptions::default() };
            assert_eq!(
                message(b"short\n0123456789x\n", options),
                "text: line 2: longer than max_line_bytes = 10"
            );
            assert_eq!(sentences(b"0123456789\n", options).unwrap().0, ["0123456789"]);
        }
    }

    proptest! {
        #[test]
        fn block_size_is_invisible(
            bytes in prop::collection::vec(prop::sample::select(b"ab \n\r\xc3\xa9\xff\0".to_vec()), 0..80),
            block_bytes in 1usize..20,
            malformed in prop::sample::select(vec![Malformed::Strict, Malformed::Replace, Malformed::Skip]),
        ) {
            let whole = ReadOptions { malformed, ..ReadOptions::default() };
            let cut = ReadOptions { block_bytes, ..whole };
            let show = |o| sentences(&bytes, o).map_err(|e| e.to_string());
            prop_assert_eq!(show(whole), show(cut));
        }
    }
}
