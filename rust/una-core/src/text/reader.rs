//! Sentences out of bytes: files and streams (plain, gzip, zstd, bzip2 or xz) become blocks of whole lines, rows of
//! lists and columns become blocks of rows, blocks become sentences.
//!
//! The rules, the same for every source:
//! - a sentence is one line, without its LF or CR LF; the last line needs none;
//! - a byte order mark at the start of a file is dropped;
//! - a line of white space alone is no document, and is counted as empty;
//! - a line of a `.jsonl` or `.ndjson` file is a JSON object, and its sentence the string under one name; null counts
//!   as empty;
//! - invalid UTF-8 and NUL are errors, or repaired, or skipped, as [`Malformed`] says.
//!
//! Blocks are cut at line ends, so that any worker can take any block; the size of a block shows in no result.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::{memchr, memchr_iter};

use super::json;
use crate::error::{Error, Result};
use crate::progress::Stop;
use crate::text::unicode::is_space;

pub use super::lines::{Blocks, LineBlocks, blocks, is_json_lines, open};
pub use super::rows::{Column, Offsets, Rows};

const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

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

/// A share of the sentences of a source: every `count`-th row, so that `count` shares are the whole, exactly.
///
/// Rows are counted from 0 for each file and each other source by itself, empty and malformed ones too, so that a share
/// depends neither on the order of files nor on how they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Invariant: below `count`.
    index: u64,
    count: u64,
}

impl Shard {
    /// The one share that is the whole.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The `number`-th of `count` shares, counted from 1.
    ///
    /// # Errors
    /// [`Error::Option`] unless `1 <= number <= count`.
    pub fn new(number: u64, count: u64) -> Result<Self> {
        if number == 0 || number > count {
            return Err(Error::Option(format!(
                "shard must be i of n with 1 <= i <= n, not {number} of {count}"
            )));
        }
        Ok(Self { index: number - 1, count })
    }

    const fn holds(self, row: u64) -> bool {
        self.count == 1 || row % self.count == self.index
    }
}

/// What to do with rows that have no text: white space alone, or no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gaps {
    /// They are counted, and become no document.
    PassOver,
    /// They are errors: for text whose rows belong to those of another source.
    Refuse,
}

/// How sources are read.
#[derive(Debug, Clone, Copy)]
pub struct ReadOptions<'a> {
    /// What to do with malformed lines.
    pub malformed: Malformed,
    /// What to do with rows that have no text.
    pub gaps: Gaps,
    /// The longest line accepted, in bytes.
    pub max_line_bytes: usize,
    /// The size of a block, in bytes.
    pub block_bytes: usize,
    /// Where lines are JSON objects, the name under which the sentence stands.
    pub text_field: &'a str,
    /// The sentences taken; the others are passed over unread.
    pub shard: Shard,
}

impl Default for ReadOptions<'_> {
    fn default() -> Self {
        Self {
            malformed: Malformed::Strict,
            gaps: Gaps::PassOver,
            max_line_bytes: 64 << 20,
            block_bytes: 256 << 10,
            text_field: "text",
            shard: Shard::WHOLE,
        }
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
    /// Rows without a value.
    pub null: u64,
}

impl Passed {
    /// Adds another tally to this one.
    pub const fn add(&mut self, other: Self) {
        self.empty += other.empty;
        self.skipped += other.skipped;
        self.null += other.null;
    }
}

#[derive(Debug)]
pub(super) enum Place {
    /// Line and byte at which the block starts, both counted from 0.
    File { path: Arc<Path>, line: u64, offset: u64 },
    /// Row at which the block starts, and the file that the rows are from, if they are from one.
    Rows { name: Option<Arc<Path>>, first: u64 },
}

/// A run of whole sentences, and where they come from.
#[derive(Debug)]
pub struct Block {
    pub(super) body: Vec<u8>,
    /// Where each sentence stops; `None` where line ends tell.
    pub(super) ends: Option<Vec<usize>>,
    /// The sentences, by their place in the block, that are null; they have no bytes. Ascending.
    pub(super) nulls: Vec<usize>,
    /// Whether a sentence is still wrapped in a JSON object.
    pub(super) json: bool,
    pub(super) place: Place,
}

impl Block {
    /// A block of sentences that are no lines: each may hold line ends. `first` is the row of the first one.
    #[must_use]
    pub const fn from_rows(body: Vec<u8>, ends: Vec<usize>, first: u64) -> Self {
        let place = Place::Rows { name: None, first };
        Self { body, ends: Some(ends), nulls: Vec::new(), json: false, place }
    }

    /// Calls `visit` for each document of the block, in order.
    ///
    /// # Errors
    /// The first malformed or over-long line, by place; whatever `visit` returns.
    pub fn for_each_sentence(
        &self,
        options: &ReadOptions<'_>,
        mut visit: impl FnMut(&str) -> Result<()>,
    ) -> Result<Passed> {
        let mut passed = Passed::default();
        // One check for the whole block; only a block that fails it is looked at line by line.
        let text = match simdutf8::basic::from_utf8(&self.body) {
            Ok(text) if memchr(0, &self.body).is_none() => Some(text),
            _ => None,
        };
        let first = self.first_row();
        let mut next = 0;
        self.for_each_span(|start, end| {
            let index = next;
            next += 1;
            if !options.shard.holds(first + index) {
                return Ok(());
            }
            if self.is_null(index) {
                self.check_gap(options.gaps, start, index, "no value")?;
                passed.null += 1;
                return Ok(());
            }
            if end - start > options.max_line_bytes {
                return Err(self.too_long(index, options.max_line_bytes));
            }
            // A row that stops within a character is malformed, even where the next one goes on with it.
            let line = match text.and_then(|text| text.get(start..end)) {
                Some(line) => Some(Cow::Borrowed(line)),
                None => self.repair(start, end, index, options.malformed)?,
            };
            let sentence = match line {
                Some(line) if self.json => self.unwrap_json(line, start, index, options)?,
                line => line,
            };
            match sentence {
                None => passed.skipped += 1,
                Some(sentence) if sentence.chars().all(is_space) => {
                    self.check_gap(options.gaps, start, index, "no text")?;
                    passed.empty += 1;
                }
                Some(sentence) => visit(&sentence)?,
            }
            Ok(())
        })?;
        Ok(passed)
    }

    const fn first_row(&self) -> u64 {
        match self.place {
            Place::File { line, .. } => line,
            Place::Rows { first, .. } => first,
        }
    }

    fn is_null(&self, index: u64) -> bool {
        !self.nulls.is_empty() && self.nulls.binary_search(&(index as usize)).is_ok()
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

    /// The sentence in a JSON object; `None` where it is to be skipped.
    fn unwrap_json<'t>(
        &self,
        line: Cow<'t, str>,
        start: usize,
        index: u64,
        options: &ReadOptions<'_>,
    ) -> Result<Option<Cow<'t, str>>> {
        if line.chars().all(is_space) {
            return Ok(Some(line));
        }
        let found = match line {
            Cow::Borrowed(line) => json::text_of(line, options.text_field),
            Cow::Owned(line) => {
                json::text_of(&line, options.text_field).map(|text| Cow::Owned(text.into_owned()))
            }
        };
        let fault = match found {
            Ok(text) if memchr(0, text.as_bytes()).is_none() => return Ok(Some(text)),
            Ok(text) if options.malformed == Malformed::Replace => {
                return Ok(Some(Cow::Owned(text.replace('\0', "\u{fffd}"))));
            }
            Ok(_) => json::Fault { what: format!("NUL in field {:?}", options.text_field), at: 0 },
            Err(fault) => fault,
        };
        match options.malformed {
            Malformed::Skip => Ok(None),
            _ => Err(self.fault(start + fault.at, index, &fault.what)),
        }
    }

    fn check_gap(&self, gaps: Gaps, at: usize, index: u64, what: &str) -> Result<()> {
        match gaps {
            Gaps::PassOver => Ok(()),
            Gaps::Refuse => Err(self.fault(at, index, &format!("{what}, where every row must have some,"))),
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
            Place::Rows { name, first } => format!("{}: {what}", row_name(name.as_deref(), first + index)),
        })
    }

    fn too_long(&self, index: u64, cap: usize) -> Error {
        match &self.place {
            Place::File { path, line, .. } => line_too_long(path, line + index, cap),
            Place::Rows { name, first } => {
                let row = row_name(name.as_deref(), first + index);
                Error::Input(format!("{row}: longer than max_line_bytes = {cap}"))
            }
        }
    }
}

/// What a row is called in messages.
#[must_use]
pub fn row_name(file: Option<&Path>, row: u64) -> String {
    file.map_or_else(|| format!("sentence {row}"), |file| format!("{}: row {row}", file.display()))
}

pub(super) fn line_too_long(path: &Path, line: u64, cap: usize) -> Error {
    Error::Input(format!("{}: line {}: longer than max_line_bytes = {cap}", path.display(), line + 1))
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
    options: ReadOptions<'_>,
    stop: &Stop,
    progress: &Progress,
) -> Result<Sentences> {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let passed = each_sentence(paths, options, stop, progress, |sentence| {
        bytes.extend_from_slice(sentence.as_bytes());
        ends.push(bytes.len() as u64);
        Ok(())
    })?;
    Ok(Sentences { bytes, ends, passed })
}

/// Hands the blocks of files on, one file after another.
///
/// # Errors
/// What reading says; whatever `visit` returns.
pub fn each_block(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    progress: &Progress,
    mut visit: impl FnMut(Block) -> Result<()>,
) -> Result<()> {
    paths.iter().try_for_each(|path| open(path, options, progress)?.for_each(&mut visit))
}

/// Calls `visit` for each document of files, in order.
pub(crate) fn each_sentence(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    stop: &Stop,
    progress: &Progress,
    mut visit: impl FnMut(&str) -> Result<()>,
) -> Result<Passed> {
    let mut passed = Passed::default();
    each_block(paths, options, progress, |block| {
        stop.check()?;
        let mut documents = 0;
        passed.add(block.for_each_sentence(&options, |sentence| {
            documents += 1;
            visit(sentence)
        })?);
        progress.documents.fetch_add(documents, Ordering::Relaxed);
        Ok(())
    })?;
    Ok(passed)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sentences(bytes: &[u8], options: ReadOptions<'_>) -> Result<(Vec<String>, Passed)> {
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
        assert_eq!(passed, Passed { empty: 2, ..Passed::default() });
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

    #[test]
    fn lines_of_a_json_file_are_read_by_field() {
        let text = b"{\"text\":\"a\\nb\"}\r\n\n{\"text\":null}\n{\"text\":\"n\\u0000l\"}\n{\"text\":1}\n{\"text\":\"\xff\"}";
        let read = |malformed| {
            let options = ReadOptions { malformed, block_bytes: 9, ..ReadOptions::default() };
            let mut blocks = LineBlocks::new(&text[..], Path::new("x.jsonl.gz"), options);
            let (mut out, mut passed) = (Vec::new(), Passed::default());
            while let Some(block) = blocks.next_block()? {
                passed.add(block.for_each_sentence(&options, |s| {
                    out.push(s.to_owned());
                    Ok(())
                })?);
            }
            Ok::<_, Error>((out, passed))
        };
        let (found, passed) = read(Malformed::Skip).unwrap();
        assert_eq!((found, passed), (vec!["a\nb".to_owned()], Passed { empty: 2, skipped: 3, null: 0 }));
        let error = read(Malformed::Strict).unwrap_err().to_string();
        assert_eq!(error, "x.jsonl.gz: line 4: NUL in field \"text\" at byte 32");
        let error = read(Malformed::Replace).unwrap_err().to_string();
        assert_eq!(error, "x.jsonl.gz: line 5: field \"text\" is a number, not a string at byte 52");
    }

    #[test]
    fn names_tell_which_files_hold_json() {
        for name in ["a.jsonl", "b/A.JSONL", "a.jsonl.gz", "a.ndjson.zst", "a.txt.jsonl.xz"] {
            assert!(is_json_lines(Path::new(name)), "{name}");
        }
        for name in ["jsonl", "a.json", "a.jsonl.txt", "a.jsonl.gz.gz", "a.txt.gz", "b.jsonl/"] {
            assert_eq!(is_json_lines(Path::new(name)), name == "b.jsonl/", "{name}");
        }
    }

    proptest! {
        #[test]
        fn shares_are_the_whole_in_every_cut(
            rows in prop::collection::vec("[ab ]{0,3}", 0..40), count in 1u64..6, block_bytes in 1usize..20
        ) {
            let text = rows.join("\n");
            let (whole, passed) = sentences(text.as_bytes(), ReadOptions::default()).unwrap();
            let (mut found, mut sum) = (Vec::new(), Passed::default());
            for number in 1..=count {
                let shard = Shard::new(number, count).unwrap();
                let (part, tally) =
                    sentences(text.as_bytes(), ReadOptions { block_bytes, shard, ..ReadOptions::default() }).unwrap();
                let owned = rows.iter().skip(number as usize - 1).step_by(count as usize);
                prop_assert_eq!(&part, &owned.filter(|r| !r.trim().is_empty()).cloned().collect::<Vec<_>>());
                found.extend(part);
                sum.add(tally);
            }
            let mut whole = whole;
            whole.sort();
            found.sort();
            prop_assert_eq!((whole, passed), (found, sum));
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
