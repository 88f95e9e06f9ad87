//! Phrases among tokens that are known by id. `Lexicon::join`, by strings, is the twin.

use crate::error::Result;
use crate::ragged::Ragged;
use crate::terms::Interner;
use crate::tokenize::{Lexicon, Phrases};

/// No word or term has this number.
const NONE: u32 = u32::MAX;

/// Makes terms of the tokens of sentences.
#[derive(Debug)]
pub(super) struct PhraseIds {
    phrases: Phrases,
    /// By the id of a token, its number as a word of phrases.
    words: Vec<u32>,
    /// By phrase, the id of its term, once it was met.
    terms: Vec<u32>,
    /// The terms of each sentence.
    found: Ragged<u32>,
}

impl PhraseIds {
    /// Nothing where there are no phrases.
    pub(super) fn new(phrases: &Phrases) -> Option<Self> {
        let terms = vec![NONE; phrases.lexicon()?.len()];
        Some(Self { phrases: phrases.clone(), words: Vec::new(), terms, found: Ragged::default() })
    }

    /// The terms of each sentence.
    pub(super) const fn sentences(&self) -> &Ragged<u32> {
        &self.found
    }

    /// Finds the terms of sentences, which are then in [`Self::sentences`].
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(super) fn find(&mut self, tokens: &Ragged<u32>, interner: &mut Interner) -> Result<()> {
        let Self { phrases, words, terms, found } = self;
        let Some(lexicon) = phrases.lexicon() else { return Ok(()) };
        learn(words, lexicon, interner)?;
        found.clear();
        found.try_reserve(tokens.len(), tokens.values().len())?;
        for tokens in tokens.iter() {
            let word = |&id: &u32| Some(words[id as usize]).filter(|&word| word != NONE);
            let mut rest = tokens;
            while let [first, others @ ..] = rest {
                let Some((phrase, taken)) = lexicon.longest(rest.iter().map(word)) else {
                    found.values_mut().push(*first);
                    rest = others;
                    continue;
                };
                let term = &mut terms[phrase as usize];
                if *term == NONE {
                    let text = lexicon.text(phrase).as_bytes();
                    interner.try_reserve(1, text.len())?;
                    *term = interner.intern(text).0;
                }
                found.values_mut().push(*term);
                rest = &rest[taken..];
            }
            found.end_list();
        }
        Ok(())
    }
}

/// Looks at the terms that are new.
fn learn(words: &mut Vec<u32>, lexicon: &Lexicon, interner: &Interner) -> Result<()> {
    words.try_reserve(interner.len() - words.len())?;
    for id in words.len() as u32..interner.len() as u32 {
        let term = std::str::from_utf8(interner.term(id)).unwrap_or_default();
        words.push(lexicon.word(term).unwrap_or(NONE));
    }
    Ok(())
}
