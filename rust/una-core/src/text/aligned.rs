//! Lines and the sentences in them, side by side, so that what is made of a sentence can be written beside its line.

use super::block::{Block, RowText};
use super::json;
use super::options::ReadOptions;
use super::rows::Column;
use crate::error::Result;
use crate::ragged::Ragged;

/// The lines of a block, each with its sentence: whatever became of a line, it has its place.
///
/// ```
/// use std::path::Path;
/// use una_core::text::{Aligned, Column, Offsets, ReadOptions, blocks};
///
/// let file = b"{\"text\": \"a cat\", \"n\": 1e400}\n\n".as_slice();
/// let options = ReadOptions { json: true, ..ReadOptions::default() };
/// let block = blocks(file, Path::new("cats"), options)?.next_block()?.unwrap();
/// let aligned = Aligned::of(block, &options)?;
/// assert_eq!(aligned.texts().offsets(), [0, 5, 5]);
///
/// let made = Column { offsets: Offsets::Wide(&[0, 5, 5]), data: b"a dog", validity: None };
/// let written = aligned.objects(&[("negative", made)])?;
/// assert_eq!(written, b"{\"text\": \"a cat\", \"n\": 1e400, \"negative\": \"a dog\"}\n\n");
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug)]
pub struct Aligned {
    block: Block,
    lines: Ragged<u8>,
    /// The byte of the block at which each line starts.
    starts: Vec<usize>,
    texts: Ragged<u8>,
    held: Vec<Held>,
}

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Text,
    /// White space alone, no object around it.
    Nothing,
    Null,
    Malformed,
}

impl Aligned {
    /// The lines of a block.
    ///
    /// # Errors
    /// As [`Block::for_each_sentence`].
    pub fn of(block: Block, options: &ReadOptions<'_>) -> Result<Self> {
        let (mut lines, mut texts) = (Ragged::default(), Ragged::default());
        let (mut starts, mut held) = (Vec::new(), Vec::new());
        block.for_each_row(options, |row| {
            let (text, holds) = match row.text {
                RowText::Empty(text) if text.as_bytes() == row.line => ("", Held::Nothing),
                RowText::Document(text) | RowText::Empty(text) => (text, Held::Text),
                RowText::Null => ("", Held::Null),
                RowText::Malformed => ("", Held::Malformed),
            };
            lines.push(row.line);
            starts.push(row.start);
            texts.push(text.as_bytes());
            held.push(holds);
            Ok(())
        })?;
        Ok(Self { block, lines, starts, texts, held })
    }

    /// The sentences, one a line: nothing where a line has none.
    #[must_use]
    pub const fn texts(&self) -> &Ragged<u8> {
        &self.texts
    }

    /// True for each line without a value: null, or malformed and left out.
    pub fn nulls(&self) -> impl Iterator<Item = bool> {
        self.held.iter().map(|held| matches!(held, Held::Null | Held::Malformed))
    }

    /// What was made of each sentence, one a line; an empty line where there is no sentence.
    ///
    /// # Errors
    /// As [`Self::objects`].
    pub fn lines(&self, made: Column<'_>) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(made.data.len() + self.held.len());
        for (i, &held) in self.held.iter().enumerate() {
            if held == Held::Text {
                // A line holds no line end, but terms do where a table comes from a file of strange making.
                let text = self.made(made, i)?;
                out.extend(text.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
            }
            out.push(b'\n');
        }
        Ok(out)
    }

    /// The objects as they are written, with one more member for each column: what was made of the sentence, or null
    /// where there is none. Lines that hold no object stay as they are.
    ///
    /// # Errors
    /// [`crate::Error::Input`] for an object that has a member of that name, and for what was made, if it is no column
    /// of as many strings.
    pub fn objects(&self, members: &[(&str, Column<'_>)]) -> Result<Vec<u8>> {
        let made: usize = members.iter().map(|(_, made)| made.data.len()).sum();
        let mut out = Vec::with_capacity(made + self.lines.values().len());
        for (i, &held) in self.held.iter().enumerate() {
            let line = self.lines.get(i);
            if matches!(held, Held::Text | Held::Null) {
                out.extend_from_slice(self.object(line, i, members)?.as_bytes());
            } else {
                out.extend_from_slice(line);
            }
            out.push(b'\n');
        }
        Ok(out)
    }

    /// The object on line `i` with its members.
    fn object(&self, line: &[u8], i: usize, members: &[(&str, Column<'_>)]) -> Result<String> {
        let fault = |fault: json::Fault| self.block.fault(self.starts[i] + fault.at, i as u64, &fault.what);
        let invalid = |_| json::Fault { what: "invalid UTF-8".into(), at: 0 };
        let mut object = std::str::from_utf8(line).map_err(invalid).map_err(fault)?.to_owned();
        for &(name, made) in members {
            let value = if self.held[i] == Held::Text { Some(self.made(made, i)?) } else { None };
            object = json::with_member(&object, name, value).map_err(fault)?;
        }
        Ok(object)
    }

    fn made<'c>(&self, made: Column<'c>, i: usize) -> Result<&'c str> {
        let text = made.text(i).map_err(|what| self.block.fault(self.starts[i], i as u64, what))?;
        Ok(text.unwrap_or_default())
    }
}
