//! A token, the position of a piece in its sentence, and the buffers of tokenizing.

use super::words::Words;

/// A token of a text: its reading, and the bytes of the text it covers.
///
/// The two differ for quotes alone: a `"` reads as ` `` ` or `''` by its side, and an opening `''` as ` `` `. A token
/// from outside may stand nowhere in the text (a stem, say): it covers nothing, and `start` is `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// Its reading.
    pub text: &'t str,
    /// The first byte of the source that the token covers.
    pub start: usize,
    /// The byte after the last that the token covers.
    pub end: usize,
}

impl<'t> Token<'t> {
    /// The token that covers `start..end` of `source` and reads as it is written.
    pub(super) fn verbatim(source: &'t str, start: usize, end: usize) -> Self {
        Self { text: &source[start..end], start, end }
    }
}

/// The position of a piece in its sentence, as far as that matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Right at the start, where that may matter, and a space follows.
    First = 1,
    /// Between two spaces.
    Middle = 2,
    /// After a space, up to the end of the sentence.
    Tail = 3,
    /// The sentence as a whole.
    Whole = 4,
}

impl Position {
    pub(super) const fn starts_text(self) -> bool {
        matches!(self, Self::First | Self::Whole)
    }

    pub(super) const fn ends_text(self) -> bool {
        matches!(self, Self::Tail | Self::Whole)
    }
}

/// Buffers that one call leaves to the next, so that tokenizing allocates nothing in the long run.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) marks: Vec<u8>,
    pub(super) words: Words,
    pub(super) padded: String,
}
