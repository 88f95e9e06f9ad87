//! A sentence to make a negative of, and the plan for its tokens.

use super::rng::DrawKey;
use crate::error::Error;
use crate::tokenize::Token;
use crate::tokenize::tokens::SentenceTokens;

/// A sentence, and what its negative is a function of.
#[derive(Debug, Clone, Copy)]
pub struct Sentence<'a> {
    /// The text.
    pub text: &'a str,
    /// The key of its draws.
    pub key: DrawKey,
    /// One weight a token in place of its TF-IDF, finite and not negative; for measures of importance from outside.
    pub weights: Option<&'a [f64]>,
    /// Its tokens in lower case, if the table is; needed where the table's tokenizer is not of this crate, and else
    /// not looked at.
    pub tokens: Option<SentenceTokens<'a>>,
}

impl<'a> Sentence<'a> {
    /// A sentence whose tokens weigh what their TF-IDF says.
    #[must_use]
    pub const fn new(text: &'a str, key: DrawKey) -> Self {
        Self { text, key, weights: None, tokens: None }
    }
}

/// A token of a sentence, and its fate.
#[derive(Debug, Clone, Copy)]
pub struct TokenPlan<'t> {
    /// The token; its span is that in the text as tokenised.
    pub token: Token<'t>,
    /// Its rank, if the table holds its term.
    pub rank: Option<u32>,
    /// Its TF-IDF in this sentence.
    pub score: f64,
    /// The probability with which it is replaced; may exceed 1.
    pub probability: f64,
    /// The rank of the term that replaces it, if it is replaced.
    pub replacement: Option<u32>,
}

impl<'t> TokenPlan<'t> {
    /// A token of which nothing is known yet.
    pub(super) const fn new(token: Token<'t>) -> Self {
        Self { token, rank: None, score: 0.0, probability: 0.0, replacement: None }
    }

    /// Returns true where both are of one term, which the rank tells for those of the table, and the text for the
    /// others.
    pub(super) fn is_same_term(&self, other: &Self) -> bool {
        self.rank == other.rank && (self.rank.is_some() || self.token.text == other.token.text)
    }

    /// Returns true where another term than its own stands in its place.
    pub(super) fn is_changed(&self) -> bool {
        self.replacement.is_some() && self.replacement != self.rank
    }
}

/// A fault of one sentence of a group.
#[derive(Debug)]
pub(super) struct SentenceError {
    pub(super) number: usize,
    pub(super) error: Error,
}

impl SentenceError {
    /// The error, which names the sentence by its number among all, of which the group begins with `first`.
    pub(super) fn in_group_from(self, first: usize) -> Error {
        match self.error {
            Error::Option(message) => Error::Option(format!("sentence {}: {message}", first + self.number)),
            Error::Input(message) => Error::Input(format!("sentence {}: {message}", first + self.number)),
            other => other,
        }
    }
}
