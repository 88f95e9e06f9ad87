//! Phrases: tokens in a row that are one term, written with a space between them (`new york`).
//!
//! A sentence is read from left to right; where phrases begin, the longest is taken, and reading goes on behind it. What
//! that means for a token depends on the tokens around it alone, so that it is the same in every run.
//!
//! ```
//! use una_core::{Phrases, Settings, TermCounts, Work};
//!
//! let phrases = Phrases::new(["new york", "new york city"])?;
//! let settings = Settings { phrases, ..Settings::default() };
//! let counts = TermCounts::count_sentences(settings, ["New York City is in New York"], Work::default())?;
//! let mut terms = Vec::new();
//! counts.for_each(|term, _| Ok(terms.push(String::from_utf8_lossy(term).into_owned())))?;
//! assert_eq!(terms, ["in", "is", "new york", "new york city"]);
//! # Ok::<(), una_core::Error>(())
//! ```

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::FixedState;

use super::token::Token;
use crate::error::{Error, Result};

/// A set of phrases; by default there is none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Phrases(Option<Arc<Lexicon>>);

impl PartialEq for Phrases {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs) || ours.texts == theirs.texts,
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        }
    }
}

impl Eq for Phrases {}

impl Phrases {
    /// No phrase.
    pub const NONE: Self = Self(None);

    /// The phrases, each its tokens with single spaces between them; in whatever order, and one may stand twice.
    ///
    /// # Errors
    /// [`Error::Option`] for what is no phrase: of less than two tokens, or with a NUL.
    pub fn new<S: Into<String>>(phrases: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut texts: Vec<Box<str>> = phrases.into_iter().map(|text| text.into().into_boxed_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        match texts.iter().find(|text| !is_phrase(text)) {
            Some(text) => Err(Error::Option(format!(
                "phrases: {text:?} is none: a phrase is two tokens or more, with one space between them"
            ))),
            None => Ok(Self((!texts.is_empty()).then(|| Arc::new(Lexicon::new(texts))))),
        }
    }

    /// Returns true where there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The phrases, in order of their bytes.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|lexicon| lexicon.texts.iter().map(AsRef::as_ref))
    }

    pub(crate) fn lexicon(&self) -> Option<&Lexicon> {
        self.0.as_deref()
    }
}

fn is_phrase(text: &str) -> bool {
    text.contains(' ') && text.split(' ').all(|token| !token.is_empty()) && !text.contains('\0')
}

/// No node has this number.
const NONE: u32 = u32::MAX;

/// The phrases as a trie of their words.
#[derive(Debug)]
pub(crate) struct Lexicon {
    /// In order of their bytes.
    texts: Vec<Box<str>>,
    /// Numbers of the words that phrases are made of.
    words: HashMap<Box<str>, u32, FixedState>,
    /// By word, the node of the phrases that begin with it.
    first: Vec<u32>,
    /// The node that a word leads to from another.
    next: HashMap<(u32, u32), u32, FixedState>,
    /// By node, the phrase that ends there.
    ends: Vec<Option<u32>>,
}

impl Lexicon {
    fn new(texts: Vec<Box<str>>) -> Self {
        let mut lexicon = Self {
            texts: Vec::new(),
            words: HashMap::default(),
            first: Vec::new(),
            next: HashMap::default(),
            ends: Vec::new(),
        };
        for (number, text) in (0..).zip(&texts) {
            let node = text.split(' ').fold(None, |node, word| Some(lexicon.grow(node, word)));
            if let Some(node) = node {
                lexicon.ends[node as usize] = Some(number);
            }
        }
        lexicon.texts = texts;
        lexicon
    }

    /// The node that `word` leads to, which is new if need be.
    fn grow(&mut self, node: Option<u32>, word: &str) -> u32 {
        let (fresh, n_words) = (self.ends.len() as u32, self.words.len() as u32);
        let word = *self.words.entry(word.into()).or_insert(n_words);
        if word == n_words {
            self.first.push(NONE);
        }
        let place = match node {
            None => &mut self.first[word as usize],
            Some(node) => self.next.entry((node, word)).or_insert(NONE),
        };
        if *place == NONE {
            *place = fresh;
            self.ends.push(None);
        }
        *place
    }

    /// Number of phrases.
    pub(crate) const fn len(&self) -> usize {
        self.texts.len()
    }

    /// The phrase of that number.
    pub(crate) fn text(&self, phrase: u32) -> &str {
        &self.texts[phrase as usize]
    }

    /// The number of a word, if a phrase holds it.
    pub(crate) fn word(&self, token: &str) -> Option<u32> {
        self.words.get(token).copied()
    }

    /// The longest phrase that these words begin with, and how many of them it takes.
    #[inline]
    pub(crate) fn longest(&self, words: impl IntoIterator<Item = Option<u32>>) -> Option<(u32, usize)> {
        let mut words = words.into_iter();
        let mut node = self.first[words.next()?? as usize];
        let (mut longest, mut taken) = (None, 1);
        while node != NONE {
            longest = self.ends[node as usize].map(|phrase| (phrase, taken)).or(longest);
            let Some(word) = words.next().flatten() else { break };
            node = self.next.get(&(node, word)).copied().unwrap_or(NONE);
            taken += 1;
        }
        longest
    }

    /// Calls `sink` with the terms of a sentence of these tokens. A phrase reaches from its first token to its last; where
    /// one of them stands nowhere in the sentence, neither does it.
    pub(super) fn join<'t>(&'t self, tokens: &[Token<'t>], mut sink: impl FnMut(Token<'t>)) {
        let words: Vec<_> = tokens.iter().map(|token| self.word(token.text)).collect();
        let mut at = 0;
        while at < tokens.len() {
            let Some((phrase, taken)) = self.longest(words[at..].iter().copied()) else {
                sink(tokens[at]);
                at += 1;
                continue;
            };
            let parts = &tokens[at..at + taken];
            let start = parts[0].start;
            let covered = parts.iter().all(|token| token.start < token.end);
            let end = if covered { parts[taken - 1].end } else { start };
            sink(Token { text: self.text(phrase), start, end });
            at += taken;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The twin: tries all phrases at every place.
    fn join_slowly(phrases: &[String], tokens: &[String]) -> Vec<String> {
        let mut terms = Vec::new();
        let mut rest = tokens;
        while let Some(token) = rest.first() {
            let begins = |phrase: &&String| {
                let words: Vec<&str> = phrase.split(' ').collect();
                rest.len() >= words.len() && rest.iter().zip(&words).all(|(token, word)| token == word)
            };
            let longest = phrases.iter().filter(begins).max_by_key(|phrase| phrase.split(' ').count());
            terms.push(longest.unwrap_or(token).clone());
            rest = &rest[longest.map_or(1, |phrase| phrase.split(' ').count())..];
        }
        terms
    }

    proptest! {
        #[test]
        fn the_longest_phrase_is_taken_from_left_to_right(
            phrases in prop::collection::vec("[ab]( [abc]){1,3}", 0..6),
            tokens in prop::collection::vec("[abcd]", 0..12),
        ) {
            let text = tokens.join(" ");
            let cut: Vec<_> = (0..tokens.len()).map(|i| Token::verbatim(&text, 2 * i, 2 * i + 1)).collect();
            let (set, mut found) = (Phrases::new(phrases.clone()).unwrap(), Vec::new());
            match set.lexicon() {
                Some(lexicon) => lexicon.join(&cut, |term| found.push(term)),
                None => found.extend(&cut),
            }
            let texts: Vec<_> = found.iter().map(|term| term.text).collect();
            prop_assert_eq!(texts, join_slowly(&phrases, &tokens));
            for term in found {
                prop_assert_eq!(&text[term.start..term.end], term.text);
            }
        }
    }

    #[test]
    fn a_set_has_one_form() {
        let set = Phrases::new(["new york", "ice cream", "new york"]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), ["ice cream", "new york"]);
        assert_eq!(set, Phrases::new(["ice cream", "new york"]).unwrap());
        assert_ne!(set, Phrases::default());
        assert_eq!(Phrases::new([""; 0]).unwrap(), Phrases::default());
        for text in ["", " ", "york", "new  york", " new york", "new york ", "new\0 york"] {
            assert!(Phrases::new([text]).unwrap_err().to_string().contains("is none"), "{text:?}");
        }
    }

    #[test]
    fn a_phrase_stands_nowhere_if_one_of_its_tokens_does() {
        let set = Phrases::new(["a b"]).unwrap();
        let tokens = [Token { text: "a", start: 3, end: 4 }, Token { text: "b", start: 4, end: 4 }];
        set.lexicon().unwrap().join(&tokens, |term| {
            assert_eq!(term, Token { text: "a b", start: 3, end: 3 });
        });
    }
}
