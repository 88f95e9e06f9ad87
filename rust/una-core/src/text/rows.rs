//! Sentences that are no lines: rows of a list or of a string column, gathered into blocks.

use std::path::Path;
use std::sync::Arc;

use super::block::{Block, Body, Origin};
use crate::error::Error;
use crate::ragged::Ragged;

/// Rows and bytes of a block that is full.
const BLOCK_ROWS: usize = 16 << 10;
const BLOCK_BYTES: usize = 256 << 10;

/// Gathers rows into blocks, and numbers them from 0.
///
/// ```
/// use una_core::text::{ReadOptions, Rows};
///
/// let mut rows = Rows::default();
/// rows.push(Some(b"a row may hold\na line end"))?;
/// rows.push(None)?;
/// let skipped = rows.take().for_each_sentence(&ReadOptions::default(), |_| Ok(()))?;
/// assert_eq!((skipped.null, rows.next_row()), (1, 2));
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Rows {
    name: Option<Arc<Path>>,
    first: u64,
    texts: Ragged<u8>,
    nulls: Vec<usize>,
}

impl Rows {
    /// No rows yet; where they come from a file, `name` is its name in messages.
    #[must_use]
    pub fn new(name: Option<&Path>) -> Self {
        Self { name: name.map(Into::into), ..Self::default() }
    }

    /// The number of the next row.
    #[must_use]
    pub fn next_row(&self) -> u64 {
        self.first + self.texts.len() as u64
    }

    /// Adds a row: a sentence, or null.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn push(&mut self, sentence: Option<&[u8]>) -> std::result::Result<(), Error> {
        self.texts.try_push(sentence.unwrap_or_default())?;
        if sentence.is_none() {
            self.nulls.push(self.texts.len() - 1);
        }
        Ok(())
    }

    /// Returns true when it is time for [`Self::take`].
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.texts.len() >= BLOCK_ROWS || self.texts.values().len() >= BLOCK_BYTES
    }

    /// Returns true where no row waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The rows so far, as a block; what is added next starts another one.
    pub fn take(&mut self) -> Block {
        let next = self.next_row();
        let first = std::mem::replace(&mut self.first, next);
        Block {
            body: Body::Rows(std::mem::take(&mut self.texts)),
            nulls: std::mem::take(&mut self.nulls),
            json: false,
            origin: Origin::Rows { name: self.name.clone(), first },
        }
    }
}

/// The offsets of the values of a column: the start of the first, and the end of each.
#[derive(Debug, Clone, Copy)]
pub enum Offsets<'a> {
    /// Offsets of Arrow's string type.
    Narrow(&'a [i32]),
    /// Offsets of its large string type.
    Wide(&'a [i64]),
}

impl Offsets<'_> {
    fn len(self) -> usize {
        match self {
            Self::Narrow(offsets) => offsets.len(),
            Self::Wide(offsets) => offsets.len(),
        }
    }

    fn get(self, i: usize) -> Option<usize> {
        match self {
            Self::Narrow(offsets) => usize::try_from(*offsets.get(i)?).ok(),
            Self::Wide(offsets) => usize::try_from(*offsets.get(i)?).ok(),
        }
    }
}

/// A column of strings in Arrow's layout, borrowed; nothing in it is believed before it is looked at.
///
/// ```
/// use una_core::text::{Column, Offsets};
///
/// let column = Column { offsets: Offsets::Narrow(&[0, 3, 3, 9]), data: b"cat dog", validity: None };
/// assert_eq!(column.text(0), Ok(Some("cat")));
/// assert_eq!(column.text(1), Ok(Some("")));
/// assert_eq!(column.text(2), Err("the offsets are out of order or out of bounds"));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Column<'a> {
    /// One more than there are values.
    pub offsets: Offsets<'a>,
    /// The bytes of all values.
    pub data: &'a [u8],
    /// One bit a value, lowest first, 0 where it is null; and the bit at which the column starts.
    pub validity: Option<(&'a [u8], usize)>,
}

impl<'a> Column<'a> {
    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns true where there is no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Value `i`, `None` where it is null.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the column there.
    pub fn value(&self, i: usize) -> Result<Option<&'a [u8]>, &'static str> {
        let bounds = self.offsets.get(i).zip(self.offsets.get(i + 1));
        let value = bounds.and_then(|(start, end)| self.data.get(start..end));
        // Before it is known whether it is null: a column is in order or it is not.
        let value = value.ok_or("the offsets are out of order or out of bounds")?;
        if let Some((bits, start)) = self.validity {
            let at = start.saturating_add(i);
            let byte = bits.get(at / 8).ok_or("the bitmap of nulls is too short")?;
            if byte >> (at % 8) & 1 == 0 {
                return Ok(None);
            }
        }
        Ok(Some(value))
    }

    /// [`Self::value`] as text.
    ///
    /// # Errors
    /// As there, and for a value that is not UTF-8.
    pub fn text(&self, i: usize) -> Result<Option<&'a str>, &'static str> {
        let text = self.value(i)?.map(simdutf8::basic::from_utf8);
        text.transpose().map_err(|_| "invalid UTF-8")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::block::Skipped;
    use super::super::options::ReadOptions;
    use super::*;

    fn read(block: &Block) -> (Vec<String>, Skipped) {
        let mut out = Vec::new();
        let skipped = block.for_each_sentence(&ReadOptions::default(), |s| {
            out.push(s.to_owned());
            Ok(())
        });
        (out, skipped.unwrap())
    }

    #[test]
    fn rows_keep_their_numbers_over_blocks() {
        let mut rows = Rows::new(Some(Path::new("x.parquet")));
        for row in [Some(&b"a\nb"[..]), None, Some(b" ")] {
            rows.push(row).unwrap();
        }
        let (sentences, skipped) = read(&rows.take());
        assert_eq!((sentences, rows.next_row(), rows.is_empty()), (vec!["a\nb".to_owned()], 3, true));
        assert_eq!(skipped, Skipped { empty: 1, malformed: 0, null: 1 });
        rows.push(Some(b"n\0l")).unwrap();
        let error = rows.take().for_each_sentence(&ReadOptions::default(), |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "x.parquet: row 3: NUL byte");
    }

    #[test]
    fn halves_of_a_character_are_not_made_whole_by_their_neighbour() {
        let mut rows = Rows::default();
        rows.push(Some(b"\xc3")).unwrap();
        rows.push(Some(b"\xa9")).unwrap();
        let error = rows.take().for_each_sentence(&ReadOptions::default(), |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "sentence 0: invalid UTF-8");
    }

    #[test]
    fn a_column_is_looked_at_before_it_is_believed() {
        let column = |offsets, validity| Column { offsets, data: b"abc", validity };
        let good = column(Offsets::Narrow(&[1, 2, 2, 3]), Some((&[0b1010_0000, 1], 5)));
        let values: Vec<_> = (0..good.len()).map(|i| good.value(i).unwrap()).collect();
        assert_eq!(values, [Some(&b"b"[..]), None, Some(b"c")]);
        for offsets in [&[0, 4][..], &[2, 1], &[-1, 1], &[0, i64::MAX]] {
            assert!(column(Offsets::Wide(offsets), None).value(0).is_err());
        }
        assert!(column(Offsets::Wide(&[0, 1]), Some((&[], 0))).value(0).is_err());
        assert!(column(Offsets::Wide(&[]), None).is_empty());
        assert_eq!(good.text(0), Ok(Some("b")));
        assert!(Column { data: b"\xc3", ..column(Offsets::Wide(&[0, 1]), None) }.text(0).is_err());
    }
}
