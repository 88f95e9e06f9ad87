//! A block of whole sentences, and the sentences in it.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use memchr::{memchr, memchr_iter};

use super::json;
use super::options::{Malformed, MissingText, ReadOptions};
use super::unicode::is_space;
use crate::error::{Error, Result};
use crate::ragged::Ragged;

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
        // One check for the whole block; only a block that fails it is looked at line by line.
        let text = match simdutf8::basic::from_utf8(self.body.bytes()) {
            Ok(text) if memchr(0, self.body.bytes()).is_none() => Some(text),
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
                skipped.null += 1;
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
                None => skipped.malformed += 1,
                Some(sentence) if sentence.chars().all(is_space) => {
                    self.check_missing(options.missing, start, index, "no text")?;
                    skipped.empty += 1;
                }
                Some(sentence) => visit(&sentence)?,
            }
            Ok(())
        })?;
        Ok(skipped)
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

    fn check_missing(&self, missing: MissingText, at: usize, index: u64, what: &str) -> Result<()> {
        match missing {
            MissingText::Skip => Ok(()),
            MissingText::Refuse => {
                Err(self.fault(at, index, &format!("{what}, where every row must have some,")))
            }
        }
    }

    fn fault(&self, at: usize, index: u64, what: &str) -> Error {
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

/// The name of a row in messages.
#[must_use]
pub fn row_name(file: Option<&Path>, row: u64) -> String {
    file.map_or_else(|| format!("sentence {row}"), |file| format!("{}: row {row}", file.display()))
}

pub(super) fn line_too_long(path: &Path, line: u64, cap: usize) -> Error {
    Error::Input(format!("{}: line {}: longer than max_line_bytes = {cap}", path.display(), line + 1))
}
