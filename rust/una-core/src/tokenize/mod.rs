//! Tokenizers: six rules that cut a sentence into terms, each a reading that a reference implementation defines.
//!
//! | name | equals |
//! |---|---|
//! | `treebank` | NLTK 3.10.4, `word_tokenize(text, preserve_line=True)` |
//! | `treebank-3.9` | NLTK 3.9.1, the same call |
//! | `word` | scikit-learn's pattern, `re.findall(r"(?u)\b\w\w+\b", text)` |
//! | `word-1` | the same with words of one letter, `re.findall(r"(?u)\b\w+\b", text)` |
//! | `unicode` | the words of UAX 29 |
//! | `whitespace` | Python's `text.split()` |
//!
//! A seventh, [`Tokenizer::Custom`], is a name alone: its tokens come from outside, see [`crate::tokenize::tokens`].
//!
//! None of them changes case: lower-case the text first (see [`crate::text::lowercase`]) where that is wanted.
//!
//! ```
//! use una_core::tokenize::{Scratch, Tokenizer};
//!
//! let mut tokens = Vec::new();
//! Tokenizer::Treebank.tokenize("\"they can't\", she said.", &mut Scratch::default(), |token| {
//!     tokens.push(token.text);
//! });
//! assert_eq!(tokens, ["``", "they", "ca", "n't", "''", ",", "she", "said", "."]);
//! ```
mod chunk;
mod classes;
mod contractions;
mod custom;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod phrases;
mod token;
pub mod tokens;
mod treebank;
mod words;

use std::fmt::Debug;

use unicode_segmentation::UnicodeSegmentation;

use crate::error::{Error, Result};

use crate::text::unicode;
use classes::Edition;
pub use custom::CustomName;
pub(crate) use phrases::Lexicon;
pub use phrases::Phrases;
pub(crate) use token::Position;
pub use token::{Scratch, Token};
pub(crate) use words::letters_and_digits;

/// A rule that cuts a text into tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tokenizer {
    /// NLTK 3.10.4's word tokenizer.
    Treebank,
    /// NLTK 3.9.1's word tokenizer, which keeps dashes and leading single quotes on their words.
    Treebank39,
    /// Runs of at least two letters, numbers or underscores.
    Word,
    /// Runs of letters, numbers or underscores.
    Word1,
    /// The words of Unicode's UAX 29. A Chinese character is a word of its own.
    Unicode,
    /// Whatever stands between whitespace.
    Whitespace,
    /// A rule outside this crate, which hands over its tokens.
    Custom(CustomName),
}

impl Tokenizer {
    /// Every tokenizer of this crate.
    pub const ALL: [Self; 6] =
        [Self::Treebank, Self::Treebank39, Self::Word, Self::Word1, Self::Unicode, Self::Whitespace];

    /// The name users choose it by.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Treebank => "treebank",
            Self::Treebank39 => "treebank-3.9",
            Self::Word => "word",
            Self::Word1 => "word-1",
            Self::Unicode => "unicode",
            Self::Whitespace => "whitespace",
            Self::Custom(name) => name.as_str(),
        }
    }

    /// The tokenizer of that name; one outside this crate where it has a colon.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let own = Self::ALL.into_iter().find(|tokenizer| tokenizer.name() == name);
        own.or_else(|| CustomName::new(name).map(Self::Custom))
    }

    /// Calls `sink` with each token of `text`, from left to right; spans never overlap. With none for a rule outside
    /// this crate.
    pub fn tokenize<'t>(&self, text: &'t str, scratch: &mut Scratch, sink: impl FnMut(Token<'t>)) {
        match self {
            Self::Treebank => treebank::tokenize(text, Edition::Nltk310, scratch, sink),
            Self::Treebank39 => treebank::tokenize(text, Edition::Nltk39, scratch, sink),
            Self::Word => words(text, 2, sink),
            Self::Word1 => words(text, 1, sink),
            Self::Unicode => unicode_words(text, sink),
            Self::Whitespace => whitespace(text, sink),
            Self::Custom(_) => {}
        }
    }
}

impl Tokenizer {
    /// The start of the tail of `text`: 0, or after a space (U+0020).
    ///
    /// Up to there, what stands between two spaces, or between the start of the text and a space, has the same tokens
    /// in whatever text it stands so; where it begins with an ASCII letter or digit, the start of the text is as good
    /// as a space. And the tail has the same tokens as the end of whatever text, after a space. Lower-
    /// casing keeps to the same bounds. For the treebank rules this holds because, whitespace apart, they look across
    /// a space only for the final full stop, which no character but white space and closing signs can follow.
    pub(crate) fn tail(text: &str) -> usize {
        const CLOSING: [char; 9] = [']', ')', '}', '>', '"', '\'', '»', '”', '’'];
        let body = match text.as_bytes() {
            [.., last] if last.is_ascii_alphanumeric() || *last == b'.' => text,
            _ => text.trim_end_matches(|c| unicode::is_space(c) || CLOSING.contains(&c)),
        };
        memchr::memrchr(b' ', body.as_bytes()).map_or(0, |space| space + 1)
    }

    /// The ends of the two terms of a piece, the second of which may be empty: told without the rules where the piece
    /// is `word` ASCII letters and digits, and one mark at most.
    #[inline]
    pub(crate) fn split_word(&self, piece: &[u8], word: usize, position: Position) -> Option<(usize, usize)> {
        let is_word = word > 1 && matches!(piece[word..], [] | [b',' | b'.']);
        match self {
            Self::Treebank | Self::Treebank39 => {
                treebank::split_word(piece, word, position).map(|split| (split, piece.len()))
            }
            Self::Word | Self::Word1 | Self::Unicode => is_word.then_some((word, word)),
            Self::Whitespace => is_word.then_some((piece.len(), piece.len())),
            Self::Custom(_) => None,
        }
    }

    /// Calls `sink` with the terms of a piece, as [`Self::tail`] cuts them, in that place of a sentence.
    pub(crate) fn tokenize_piece(
        &self,
        piece: &str,
        position: Position,
        scratch: &mut Scratch,
        mut sink: impl FnMut(&str),
    ) {
        let Scratch { marks, padded, .. } = scratch;
        let sink_token = |token: Token<'_>| sink(token.text);
        match self {
            Self::Treebank => treebank::tokenize_piece(piece, position, Edition::Nltk310, marks, sink_token),
            Self::Treebank39 => treebank::tokenize_piece(piece, position, Edition::Nltk39, marks, sink_token),
            Self::Word => words(piece, 2, sink_token),
            Self::Word1 => words(piece, 1, sink_token),
            Self::Unicode => {
                // Combining marks at the start of a piece belong to the space before it.
                padded.clear();
                padded.extend([if position.starts_text() { "" } else { " " }, piece]);
                unicode_words(padded, sink_token);
            }
            Self::Whitespace => whitespace(piece, sink_token),
            Self::Custom(_) => {}
        }
    }
}

/// The rules by which text becomes terms; by default it is lower-cased and cut by the treebank rules. Counts made under
/// different settings do not mix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The rule that cuts a sentence into terms.
    pub tokenizer: Tokenizer,
    /// True where sentences are lower-cased first.
    pub lowercase: bool,
    /// Terms are of up to so many tokens in a row, joined by a space; at least 1, and 1 for single tokens.
    pub ngrams: u32,
    /// Tokens in a row that are one term.
    pub phrases: Phrases,
}

impl Default for Settings {
    fn default() -> Self {
        Self { tokenizer: Tokenizer::Treebank, lowercase: true, ngrams: 1, phrases: Phrases::default() }
    }
}

impl Settings {
    /// Refuses other settings than these.
    ///
    /// # Errors
    /// [`Error::Option`] naming the setting that differs.
    pub(crate) fn check_same(&self, theirs: &Self) -> Result<()> {
        let differ = |what: &str, ours: &dyn Debug, theirs: &dyn Debug| {
            Err(Error::Option(format!("counts do not merge: {what} is {ours:?} here and {theirs:?} there")))
        };
        if self.tokenizer != theirs.tokenizer {
            return differ("tokenizer", &self.tokenizer.name(), &theirs.tokenizer.name());
        }
        if self.lowercase != theirs.lowercase {
            return differ("lowercase", &self.lowercase, &theirs.lowercase);
        }
        if self.ngrams != theirs.ngrams {
            return differ("ngram_range", &(1, self.ngrams), &(1, theirs.ngrams));
        }
        if self.phrases != theirs.phrases {
            return Err(Error::Option(format!(
                "counts do not merge: the phrases are others here ({} of them) than there ({})",
                self.phrases.iter().count(),
                theirs.phrases.iter().count()
            )));
        }
        Ok(())
    }
}

/// Stretches of at least so many letters, numbers or underscores.
fn words<'t>(text: &'t str, least: usize, mut sink: impl FnMut(Token<'t>)) {
    spans(text, unicode::is_word, |start, end| {
        let token = Token::verbatim(text, start, end);
        if token.text.chars().nth(least - 1).is_some() {
            sink(token);
        }
    });
}

/// The segments of UAX 29 that hold a letter or digit.
fn unicode_words<'t>(text: &'t str, mut sink: impl FnMut(Token<'t>)) {
    if memchr::memmem::find(text.as_bytes(), ZWJ.as_bytes()).is_none() {
        for (start, word) in text.unicode_word_indices() {
            sink(Token { text: word, start, end: start + word.len() });
        }
        return;
    }
    // The library lets what rule WB3c keeps together (a joiner and a pictograph) have its say in the rules for words,
    // which look past joiners. So it is asked about the text with a plain mark in place of each joiner, of the same
    // size and class otherwise, and WB3c is applied to what it says.
    let plain = text.replace(ZWJ, PLAIN_MARK);
    let mut start = 0;
    for end in plain.split_word_bound_indices().skip(1).map(|(end, _)| end).chain([text.len()]) {
        if text[..end].ends_with(ZWJ) && text[end..].chars().next().is_some_and(is_pictographic) {
            continue;
        }
        if text[start..end].contains(char::is_alphanumeric) {
            sink(Token::verbatim(text, start, end));
        }
        start = end;
    }
}

const ZWJ: &str = "\u{200d}";

/// Of class Extend, as ZWJ is by every rule but `WB3c`, and of as many bytes.
const PLAIN_MARK: &str = "\u{20dd}";

/// `Extended_Pictographic`, which the library knows and tells only by what it keeps together.
fn is_pictographic(c: char) -> bool {
    let pair: String = ['\u{200d}', c].iter().collect();
    // Marks stay with what they follow too, but no bound ever stands before one.
    pair.split_word_bounds().next() == Some(pair.as_str())
}

fn whitespace<'t>(text: &'t str, mut sink: impl FnMut(Token<'t>)) {
    spans(text, |c| !unicode::is_space(c), |start, end| sink(Token::verbatim(text, start, end)));
}

/// Calls `sink` with the bounds of each longest stretch of characters that `belongs` accepts.
fn spans(text: &str, belongs: impl Fn(char) -> bool, mut sink: impl FnMut(usize, usize)) {
    let mut start = None;
    for (offset, c) in text.char_indices() {
        match (start, belongs(c)) {
            (None, true) => start = Some(offset),
            (Some(begin), false) => {
                sink(begin, offset);
                start = None;
            }
            _ => {}
        }
    }
    if let Some(begin) = start {
        sink(begin, text.len());
    }
}

#[cfg(test)]
mod tests;
