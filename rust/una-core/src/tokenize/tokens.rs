//! Sentences that were cut into tokens outside this crate, in flat buffers.
//!
//! ```
//! use una_core::tokenize::tokens::Tokens;
//!
//! let mut tokens = Tokens::default();
//! for token in ["the", "cat", "sit"] {
//!     tokens.push_found("the cat sits", token);
//! }
//! tokens.end_sentence();
//! let spans: Vec<_> = tokens.get(0).iter().map(|token| (token.start, token.end)).collect();
//! assert_eq!(spans, [(0, 3), (4, 7), (8, 11)]);
//! ```

use std::ops::Range;

use super::{Scratch, Settings, Token, Tokenizer};
use crate::error::{Error, Result};
use crate::ragged::{Ragged, RaggedText};

/// The tokens of a number of sentences, one after another.
#[derive(Debug, Clone, Default)]
pub struct Tokens {
    /// The text of each token.
    texts: RaggedText,
    /// By sentence, the bytes of it that each token covers.
    spans: Ragged<(usize, usize)>,
    /// The byte up to which the sentence in hand is covered by its tokens.
    covered: usize,
}

impl Tokens {
    /// Number of sentences that were ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Returns true where there is no sentence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The tokens of sentence `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[must_use]
    pub fn get(&self, i: usize) -> SentenceTokens<'_> {
        SentenceTokens { texts: &self.texts, first: self.spans.range(i).start, spans: self.spans.get(i) }
    }

    /// The tokens of each sentence.
    pub fn iter(&self) -> impl Iterator<Item = SentenceTokens<'_>> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Adds a token to the sentence in hand, of which it covers nothing, as far as is known.
    pub fn push(&mut self, token: &str) {
        self.push_span(token, self.covered..self.covered);
    }

    /// Adds a token that is looked for in its sentence, after the tokens before it.
    pub fn push_found(&mut self, sentence: &str, token: &str) {
        let rest = sentence.get(self.covered..).unwrap_or_default();
        let start = rest.find(token).map(|at| self.covered + at);
        self.push_span(token, start.map_or(self.covered..self.covered, |start| start..start + token.len()));
    }

    /// Adds the token that reads `span` of its sentence. Returns false, and adds nothing, where there is no such span.
    /// A span that reaches back before the end of the token before it covers nothing.
    pub fn push_at(&mut self, sentence: &str, span: Range<usize>) -> bool {
        let Some(token) = sentence.get(span.clone()) else { return false };
        self.push_span(token, if span.start < self.covered { self.covered..self.covered } else { span });
        true
    }

    /// Ends the sentence in hand.
    pub fn end_sentence(&mut self) {
        self.spans.end_list();
        self.covered = 0;
    }

    fn push_span(&mut self, token: &str, span: Range<usize>) {
        self.texts.push(token);
        self.covered = span.end;
        self.spans.values_mut().push((span.start, span.end));
    }
}

/// The tokens of one sentence.
#[derive(Debug, Clone, Copy)]
pub struct SentenceTokens<'a> {
    texts: &'a RaggedText,
    /// The first token, among all.
    first: usize,
    spans: &'a [(usize, usize)],
}

impl<'a> SentenceTokens<'a> {
    /// The tokens, in order; those that stand nowhere in the sentence cover nothing of it.
    pub fn iter(self) -> impl Iterator<Item = Token<'a>> {
        (self.first..).zip(self.spans).map(move |(at, &(start, end))| Token {
            text: self.texts.get(at),
            start,
            end,
        })
    }
}

/// Calls `sink` with the tokens of a sentence: those that `tokenizer` finds in `text`, or those given.
///
/// # Errors
/// [`Error::Option`] where none are given and the tokenizer is not of this crate.
pub fn each_token<'t>(
    tokenizer: &Tokenizer,
    given: Option<SentenceTokens<'t>>,
    text: &'t str,
    scratch: &mut Scratch,
    sink: impl FnMut(Token<'t>),
) -> Result<()> {
    match (tokenizer, given) {
        (Tokenizer::Custom(_), Some(tokens)) => tokens.iter().for_each(sink),
        (Tokenizer::Custom(name), None) => return Err(not_ours(name.as_str())),
        (_, _) => tokenizer.tokenize(text, scratch, sink),
    }
    Ok(())
}

/// Calls `sink` with the terms of a sentence: its tokens, with phrases in place of theirs. `given` are its tokens, where
/// the tokenizer is not of this crate; `text` is in lower case already, if that is wanted.
///
/// # Errors
/// As [`each_token`].
pub fn each_term<'t>(
    settings: &'t Settings,
    given: Option<SentenceTokens<'t>>,
    text: &'t str,
    scratch: &mut Scratch,
    sink: impl FnMut(Token<'t>),
) -> Result<()> {
    let Some(lexicon) = settings.phrases.lexicon() else {
        return each_token(&settings.tokenizer, given, text, scratch, sink);
    };
    let mut tokens = Vec::new();
    each_token(&settings.tokenizer, given, text, scratch, |token| tokens.push(token))?;
    lexicon.join(&tokens, sink);
    Ok(())
}

/// The error of text whose tokenizer is not of this crate.
pub(crate) fn not_ours(name: &str) -> Error {
    Error::Option(format!(
        "the tokenizer {name:?} is not of this library: sentences must come with their tokens"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Found = Vec<(String, usize, usize)>;

    fn found(tokens: SentenceTokens<'_>) -> Found {
        tokens.iter().map(|token| (token.text.to_owned(), token.start, token.end)).collect()
    }

    #[test]
    fn what_stands_nowhere_covers_nothing() {
        let mut tokens = Tokens::default();
        for token in ["ran", "dog", "the", "dog"] {
            tokens.push_found("the dog runs, the dog", token);
        }
        tokens.end_sentence();
        tokens.end_sentence();
        tokens.push("x");
        tokens.end_sentence();
        let spans: Vec<_> = found(tokens.get(0)).into_iter().map(|(_, start, end)| (start, end)).collect();
        assert_eq!(spans, [(0, 0), (4, 7), (14, 17), (18, 21)]);
        assert_eq!(found(tokens.get(1)), []);
        assert_eq!(found(tokens.get(2)), [("x".to_owned(), 0, 0)]);
    }

    #[test]
    fn spans_that_reach_back_or_out_are_not_kept() {
        let mut tokens = Tokens::default();
        assert!(tokens.push_at("né e", 1..3));
        assert!(tokens.push_at("né e", 0..3));
        assert!(!tokens.push_at("né e", 2..3));
        assert!(!tokens.push_at("né e", 3..9));
        tokens.end_sentence();
        assert_eq!(found(tokens.get(0)), [("é".to_owned(), 1, 3), ("né".to_owned(), 3, 3)]);
    }

    proptest! {
        #[test]
        fn tokens_that_stand_in_the_sentence_are_found_where_they_stand(text in "[a-cé ]{0,20}") {
            let mut tokens = Tokens::default();
            let mut expected = Found::new();
            Tokenizer::Whitespace.tokenize(&text, &mut Scratch::default(), |token| {
                tokens.push_found(&text, token.text);
                expected.push((token.text.to_owned(), token.start, token.end));
            });
            tokens.end_sentence();
            prop_assert_eq!(found(tokens.get(0)), expected);
        }
    }
}
