//! A block of whole sentences, and the sentences in it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr, memchr_iter};

use super::json;
use super::options::{Malformed, MissingText, ReadOptions};
use super::unicode::{is_space, replace_surrogates};
use crate::error::{Error, Result};
use crate::ragged::Ragged;

const SURROGATE: &str = "a surrogate without its partner";
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Lines that became no document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Lines of white space alone.
    pub empty: u64,
    /// Malformed lines left out under [`Malformed::Skip`].
    pub malformed: u64,
    /// Rows without a value.
    pub null: u64,
}

impl Skipped {
    /// Adds the lines of another source.
    pub const fn add(&mut self, other: Self) {
        self.empty += other.empty;
        self.malformed += other.malformed;
        self.null += other.null;
    }
}

/// The place of a block in its source, for messages.
#[derive(Debug)]
pub(super) enum Origin {
    /// Line and byte at which the block starts, both counted from 0.
    File { path: Arc<Path>, line: u64, offset: u64 },
    /// Row at which the block starts, and the file that the rows are from, if they are from one.
    Rows { name: Option<Arc<Path>>, first: u64 },
}

/// The bytes of a block, and what parts them into sentences.
#[derive(Debug)]
pub(super) enum Body {
    /// Lines, which end at line ends.
    Lines(Vec<u8>),
    /// Rows, each of which may hold line ends.
    Rows(Ragged<u8>),
}

impl Body {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Lines(bytes) => bytes,
            Self::Rows(rows) => rows.values(),
        }
    }
}

/// A line or row of a source.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// What stands there, without a line end; repaired where that was asked for.
    pub line: &'a [u8],
    /// The text in it.
    pub text: RowText<'a>,
    /// The byte of the block at which it starts.
    pub(super) start: usize,
}

/// The text of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowText<'a> {
    /// A document.
    Document(&'a str),
    /// White space alone, which is no document.
    Empty(&'a str),
    /// No value.
    Null,
    /// Text left out under [`Malformed::Skip`].
    Malformed,
}

/// The sentence found in a line.
enum Found<'a> {
    Text(Cow<'a, str>),
    Null,
    Malformed,
}

/// A stretch of whole sentences, and where they come from.
#[derive(Debug)]
pub struct Block {
    pub(super) body: Body,
    /// The sentences, by their place in the block, that are null; they have no bytes. Ascending.
    pub(super) nulls: Vec<usize>,
    /// True where a sentence is still wrapped in a JSON object.
    pub(super) json: bool,
    pub(super) origin: Origin,
}

impl Block {
    /// A block of sentences that are no lines: each may hold line ends. `first` is the row of the first one.
    #[must_use]
    pub const fn from_rows(rows: Ragged<u8>, first: u64) -> Self {
        let origin = Origin::Rows { name: None, first };
        Self { body: Body::Rows(rows), nulls: Vec::new(), json: false, origin }
    }

    /// Calls `visit` for each document of the block, in order.
    ///
    /// # Errors
    /// The first malformed or over-long line, by place; whatever `visit` returns.
    pub fn for_each_sentence(
        &self,
        options: &ReadOptions<'_>,
        mut visit: impl FnMut(&str) -> Result<()>,
    ) -> Result<Skipped> {
        let mut skipped = Skipped::default();
        self.for_each_row(options, |row| {
            match row.text {
                RowText::Document(text) => return visit(text),
                RowText::Empty(_) => skipped.empty += 1,
                // In a JSON object null stands for an empty line; in a column it is no value.
                RowText::Null if self.json => skipped.empty += 1,
                RowText::Null => skipped.null += 1,
                RowText::Malformed => skipped.malformed += 1,
            }
            Ok(())
        })?;
        Ok(skipped)
    }

    /// Calls `visit` for each line or row of the block that the options take, in order, whether it is a document or not.
    ///
    /// # Errors
    /// As [`Self::for_each_sentence`].
    pub fn for_each_row(
        &self,
        options: &ReadOptions<'_>,
        mut visit: impl FnMut(Row<'_>) -> Result<()>,
    ) -> Result<()> {
        let bytes = self.body.bytes();
        // One check for the whole block; only a block that fails it is looked at line by line.
        let text = match simdutf8::basic::from_utf8(bytes) {
            Ok(text) if memchr(0, bytes).is_none() => Some(text),
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
                self.check_missing(options.missing, start, index, "no value")?;
                return visit(Row { line: b"", text: RowText::Null, start });
            }
            if end - start > options.max_line_bytes {
                return Err(self.too_long(index, options.max_line_bytes));
            }
            // A row that stops within a character is malformed, even where the next one goes on with it.
            let line = match text.and_then(|text| text.get(start..end)) {
                Some(line) => Some(Cow::Borrowed(line)),
                None => self.repair(start, end, index, options.malformed)?,
            };
            let Some(line) = line else {
                return visit(Row { line: &bytes[start..end], text: RowText::Malformed, start });
            };
            let found = if self.json && !line.chars().all(is_space) {
                self.unwrap_json(&line, start, index, options)?
            } else {
                Found::Text(Cow::Borrowed(&*line))
            };
            let text = match &found {
                Found::Text(text) => self.document(text, start, index, options.missing)?,
                Found::Null => {
                    self.check_missing(options.missing, start, index, "no text")?;
                    RowText::Null
                }
                Found::Malformed => RowText::Malformed,
            };
            visit(Row { line: line.as_bytes(), text, start })
        })
    }

    const fn first_row(&self) -> u64 {
        match self.origin {
            Origin::File { line, .. } => line,
            Origin::Rows { first, .. } => first,
        }
    }

    fn is_null(&self, index: u64) -> bool {
        !self.nulls.is_empty() && self.nulls.binary_search(&(index as usize)).is_ok()
    }

    /// Calls `visit` with the bounds of each line or row.
    fn for_each_span(&self, mut visit: impl FnMut(usize, usize) -> Result<()>) -> Result<()> {
        let bytes = match &self.body {
            Body::Rows(rows) => {
                return (0..rows.len()).map(|i| rows.range(i)).try_for_each(|row| visit(row.start, row.end));
            }
            Body::Lines(bytes) => bytes,
        };
        let mut start = 0;
        for newline in memchr_iter(b'\n', bytes) {
            let end = newline - usize::from(bytes[start..newline].ends_with(b"\r"));
            visit(start, end)?;
            start = newline + 1;
        }
        if start < bytes.len() {
            let end = bytes.len() - usize::from(bytes[start..].ends_with(b"\r"));
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
        let bytes = &self.body.bytes()[start..end];
        let (at, what) = match std::str::from_utf8(bytes) {
            Err(error) => (error.valid_up_to(), "invalid UTF-8"),
            Ok(text) => match memchr(0, bytes) {
                Some(at) => (at, "NUL byte"),
                None => return Ok(Some(Cow::Borrowed(text))),
            },
        };
        match malformed {
            Malformed::Strict => Err(self.fault(start + at, index, what)),
            Malformed::Skip => Ok(None),
            Malformed::Replace => {
                // As many bytes as it can become, and once more for the marks of NULs.
                String::new().try_reserve_exact(6 * bytes.len())?;
                let text = String::from_utf8_lossy(bytes).replace('\0', "\u{fffd}");
                Ok(Some(Cow::Owned(text)))
            }
        }
    }

    /// The sentence in a JSON object.
    fn unwrap_json<'t>(
        &self,
        line: &'t str,
        start: usize,
        index: u64,
        options: &ReadOptions<'_>,
    ) -> Result<Found<'t>> {
        // A string is unpacked at most to its own length, and repaired to some times that.
        String::new().try_reserve_exact(8 * line.len())?;
        let fault = match json::text_of(line, options.text_field) {
            Ok(None) => return Ok(Found::Null),
            Ok(Some(text)) => match sound(text) {
                Ok(text) => return Ok(Found::Text(text)),
                Err((text, _)) if options.malformed == Malformed::Replace => {
                    return Ok(Found::Text(Cow::Owned(repaired(text.into_owned()))));
                }
                Err((_, what)) => {
                    json::Fault { what: format!("{what} in field {:?}", options.text_field), at: 0 }
                }
            },
            Err(fault) => fault,
        };
        match options.malformed {
            Malformed::Skip => Ok(Found::Malformed),
            _ => Err(self.fault(start + fault.at, index, &fault.what)),
        }
    }

    /// The text of a row: a document, unless there is nothing but white space.
    fn document<'t>(
        &self,
        text: &'t str,
        start: usize,
        index: u64,
        missing: MissingText,
    ) -> Result<RowText<'t>> {
        if !text.chars().all(is_space) {
            return Ok(RowText::Document(text));
        }
        self.check_missing(missing, start, index, "no text")?;
        Ok(RowText::Empty(text))
    }

    fn check_missing(&self, missing: MissingText, at: usize, index: u64, what: &str) -> Result<()> {
        match missing {
            MissingText::Skip => Ok(()),
            MissingText::Refuse => {
                Err(self.fault(at, index, &format!("{what}, where every row must have some,")))
            }
        }
    }

    pub(super) fn fault(&self, at: usize, index: u64, what: &str) -> Error {
        Error::Input(match &self.origin {
            Origin::File { path, line, offset } => {
                let byte = *offset + at as u64;
                let hint = if *offset == 0 && UTF16_MARKS.iter().any(|m| self.body.bytes().starts_with(m)) {
                    " (the file starts like UTF-16: convert it to UTF-8)"
                } else {
                    ""
                };
                let line = line + index + 1;
                format!("{}: line {line}: {what} at byte {byte}{hint}", path.display())
            }
            Origin::Rows { name, first } => format!("{}: {what}", row_name(name.as_deref(), first + index)),
        })
    }

    fn too_long(&self, index: u64, cap: usize) -> Error {
        match &self.origin {
            Origin::File { path, line, .. } => line_too_long(path, line + index, cap),
            Origin::Rows { name, first } => {
                let row = row_name(name.as_deref(), first + index);
                Error::Input(format!("{row}: longer than max_line_bytes = {cap}"))
            }
        }
    }
}

/// A string of a JSON object as text, or what it holds that no text may.
fn sound(text: Cow<'_, [u8]>) -> std::result::Result<Cow<'_, str>, (Cow<'_, [u8]>, &'static str)> {
    if memchr(0, &text).is_some() {
        return Err((text, "NUL"));
    }
    match text {
        Cow::Borrowed(bytes) => {
            simdutf8::basic::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| (text, SURROGATE))
        }
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|error| (Cow::Owned(error.into_bytes()), SURROGATE)),
    }
}

fn repaired(mut text: Vec<u8>) -> String {
    replace_surrogates(&mut text);
    String::from_utf8_lossy(&text).replace('\0', "\u{fffd}")
}

/// The name of a row in messages.
#[must_use]
pub fn row_name(file: Option<&Path>, row: u64) -> String {
    file.map_or_else(|| format!("sentence {row}"), |file| format!("{}: row {row}", file.display()))
}

pub(super) fn line_too_long(path: &Path, line: u64, cap: usize) -> Error {
    Error::Input(format!("{}: line {}: longer than max_line_bytes = {cap}", path.display(), line + 1))
}
