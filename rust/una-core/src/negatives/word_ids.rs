//! The token ids of words, and how a tokenizer is asked for them.
//!
//! A word has ids as the first of a text and as a later one: byte-level BPE and Metaspace mark the space before a word.

use crate::error::{Error, Result};
use crate::ragged::Ragged;
use crate::terms::Interner;

/// The ids of one word, as the first of a text and as a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WordIds<'i> {
    pub(super) first: &'i [u32],
    pub(super) later: &'i [u32],
}

/// The ids of many words.
#[derive(Debug, Clone, Default)]
pub(super) struct WordIdLists {
    later: Ragged<u32>,
    /// `None` while every word has the same ids in both places, as by `WordPiece`; else as long as `later`.
    pub(super) first: Option<Ragged<u32>>,
    /// The irregular words, rising; their lists are empty.
    pub(super) irregular: Vec<u32>,
}

impl WordIdLists {
    pub(super) fn len(&self) -> usize {
        self.later.len()
    }

    /// Adds a word; `None` is an irregular one.
    pub(super) fn push(&mut self, ids: Option<WordIds<'_>>) {
        let WordIds { first, later } = ids.unwrap_or_else(|| {
            self.irregular.push(self.later.len() as u32);
            WordIds { first: &[], later: &[] }
        });
        if self.first.is_none() && first != later {
            self.first = Some(self.later.clone());
        }
        if let Some(lists) = &mut self.first {
            lists.push(first);
        }
        self.later.push(later);
    }

    pub(super) fn get(&self, word: u32) -> Option<WordIds<'_>> {
        (!self.is_irregular(word))
            .then(|| WordIds { first: self.ids(word, true), later: self.ids(word, false) })
    }

    pub(super) fn ids(&self, word: u32, is_first: bool) -> &[u32] {
        let lists = self.first.as_ref().filter(|_| is_first).unwrap_or(&self.later);
        lists.get(word as usize)
    }

    pub(super) fn is_irregular(&self, word: u32) -> bool {
        !self.irregular.is_empty() && self.irregular.binary_search(&word).is_ok()
    }
}

/// The context in which a word is shown to the tokenizer: alone, and first, in the middle and last among anchors, words
/// of known ids. Each place is needed: a word that the tokenizer drops can leave a space that counts at the end alone.
#[derive(Debug, Clone)]
pub struct ProbeContext {
    /// The ids of the anchor as a later word.
    anchor: Vec<u32>,
}

impl ProbeContext {
    /// The word beside the word.
    pub const ANCHOR: &str = "a";

    /// The texts whose ids make a context.
    #[must_use]
    pub fn texts() -> [String; 2] {
        [Self::ANCHOR.into(), format!("{0} {0}", Self::ANCHOR)]
    }

    /// A context from the ids of [`Self::texts`].
    ///
    /// # Errors
    /// [`Error::Option`] where the ids of a text are not those of its words, not even this one.
    pub fn new(alone: &[u32], twice: &[u32]) -> Result<Self> {
        match twice.strip_prefix(alone) {
            Some(anchor) if !anchor.is_empty() => Ok(Self { anchor: anchor.to_vec() }),
            _ => Err(Error::Option(format!(
                "the tokenizer is not word-compositional: {:?} is {alone:?}, but {:?} is {twice:?}",
                Self::ANCHOR,
                Self::texts()[1],
            ))),
        }
    }

    /// The two texts that show a word.
    pub(super) fn show(word: &str) -> [String; 2] {
        [word.to_owned(), format!("{word} {0} {word} {0} {word}", Self::ANCHOR)]
    }

    /// The ids of a word from those of its two texts; `None` where they do not fit each other.
    pub(super) fn read<'i>(&self, alone: &'i [u32], shown: &'i [u32]) -> Option<WordIds<'i>> {
        let anchor = self.anchor.as_slice();
        let rest = shown.strip_prefix(alone)?.strip_prefix(anchor)?;
        let (later, rest) = rest.split_at(rest.len().checked_sub(anchor.len())? / 2);
        (rest.strip_prefix(anchor)? == later).then_some(WordIds { first: alone, later })
    }
}

/// Bytes of a word beyond which it is not cached: no such word comes twice in a text made by people.
pub(super) const LONGEST_CACHED: usize = 256;

/// A cache of unseen words and their ids; forgotten all at once when there are too many.
#[derive(Debug, Default)]
pub(super) struct WordCache {
    pub(super) words: Interner,
    pub(super) ids: WordIdLists,
    pub(super) limit: usize,
}

impl WordCache {
    pub(super) fn insert(&mut self, word: &str, ids: Option<WordIds<'_>>) {
        if word.len() > LONGEST_CACHED || self.limit == 0 {
            return;
        }
        if self.words.len() >= self.limit {
            *self = Self { limit: self.limit, ..Self::default() };
        }
        if self.words.intern(word.as_bytes()).1 {
            self.ids.push(ids);
        }
    }
}
