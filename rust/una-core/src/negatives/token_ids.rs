//! Negatives as the token ids of a model, without their text.
//!
//! Where a tokenizer is *word-compositional*, the ids of words joined by single spaces are the ids of the words, one
//! after another; each word has two spellings, as the first of a text and as a later one (byte-level BPE and
//! Metaspace mark the space before a word). So the ids of every term of the table are asked for once
//! ([`EncoderBuilder`]), and a negative is put together from them ([`Encoder`]). Words that the table does not hold are
//! asked for when they come, and kept.
//!
//! This module knows no tokenizer: it says which texts to encode, and takes their ids. It never asks for special
//! tokens, truncation or padding: these it adds itself, see [`Template`].
//!
//! A word that does not show the same ids beside another word as on its own is *irregular*: a negative that holds one
//! goes to the tokenizer whole.

use std::ops::Range;
use std::sync::{Mutex, MutexGuard};

use super::Augmenter;
use super::plan::Sentence;
use super::rng::DrawKey;
use super::sample::{Buffers, GROUP};
use super::word_ids::{ProbeContext, WordCache, WordIdLists};
use crate::error::{Error, Result};
use crate::progress::{Stop, Work};
use crate::ragged::Ragged;
use crate::terms::Interner;
use crate::threads;
use crate::tokenize::tokens::Tokens;

/// Learns the ids of all terms of a table, some at a time.
#[derive(Debug)]
pub struct EncoderBuilder {
    augmenter: Augmenter,
    context: ProbeContext,
    terms: WordIdLists,
}

impl EncoderBuilder {
    /// A builder that knows the ids of no term yet.
    #[must_use]
    pub fn new(augmenter: Augmenter, context: ProbeContext) -> Self {
        Self { augmenter, context, terms: WordIdLists::default() }
    }

    /// The texts that show the next terms, `count` of them or what is left: two a term. None at the end.
    #[must_use]
    pub fn texts(&self, count: usize) -> Vec<String> {
        let table = self.augmenter.table();
        let next = self.terms.len()..table.len().min(self.terms.len() + count);
        next.flat_map(|rank| ProbeContext::show(table.term(rank as u32))).collect()
    }

    /// Takes the ids of the texts that [`Self::texts`] last gave.
    ///
    /// # Errors
    /// [`Error::Internal`] for more ids than terms.
    pub fn learn(&mut self, ids: &[Vec<u32>]) -> Result<()> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if !rest.is_empty() || self.terms.len() + pairs.len() > self.augmenter.table().len() {
            return Err(Error::Internal(format!("{} lists of ids for two texts a term", ids.len())));
        }
        for [alone, shown] in pairs {
            self.terms.push(self.context.read(alone, shown));
        }
        Ok(())
    }

    /// An encoder that caches the ids of `cached` words beside those of the table.
    ///
    /// # Errors
    /// [`Error::Internal`] where terms are left whose ids are not known.
    pub fn finish(self, template: Template, cached: usize) -> Result<Encoder> {
        let Self { augmenter, context, terms } = self;
        if terms.len() != augmenter.table().len() {
            return Err(Error::Internal(format!("the ids of {} terms are known", terms.len())));
        }
        let cache = Mutex::new(WordCache { limit: cached, ..WordCache::default() });
        Ok(Encoder { augmenter, context, terms, template, cache })
    }
}

/// The special tokens around the ids of a text, and its greatest length. Invariant: there is room for at least one id
/// of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    pad: u32,
    max_length: usize,
}

impl Template {
    /// Special tokens before and after, the id of padding, and the length at which a text is cut: on the right, so
    /// that with its special tokens it has at most `max_length` ids.
    ///
    /// # Errors
    /// [`Error::Option`] for a `max_length` that leaves no room for text.
    pub fn new(prefix: Vec<u32>, suffix: Vec<u32>, pad: u32, max_length: usize) -> Result<Self> {
        let special = prefix.len() + suffix.len();
        if max_length <= special {
            return Err(Error::Option(format!(
                "max_length must be above {special}, the number of special tokens, not {max_length}"
            )));
        }
        Ok(Self { prefix, suffix, pad, max_length })
    }

    /// Ids that a text may have.
    fn room(&self) -> usize {
        self.max_length - self.special()
    }

    fn special(&self) -> usize {
        self.prefix.len() + self.suffix.len()
    }

    /// Writes one row: special tokens, text, padding, and which of them is not padding.
    fn write(&self, body: &[u32], ids: &mut [i64], mask: &mut [i64]) {
        let length = self.special() + body.len();
        let row = self.prefix.iter().chain(body).chain(&self.suffix);
        for (slot, &id) in ids.iter_mut().zip(row) {
            *slot = i64::from(id);
        }
        ids[length..].fill(i64::from(self.pad));
        mask[..length].fill(1);
        mask[length..].fill(0);
    }
}

/// Ids that hardly a word has.
const LONG_WORD: usize = 16;

/// A word of a negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The term of this rank.
    Term(u32),
    /// The word of this number among the unseen ones of its part.
    Unseen(u32),
}

/// The words of some negatives, made by one thread.
///
/// Invariant: once in a [`DrawnWords`], `places` is as long as `unseen`.
#[derive(Debug, Default)]
struct WordRows {
    rows: Ragged<Word>,
    unseen: Interner,
    /// The place of each unseen word in [`DrawnWords::known`].
    places: Vec<u32>,
}

impl WordRows {
    fn push(&mut self, rank: Option<u32>, text: &str) {
        let word = rank.map_or_else(|| Word::Unseen(self.unseen.intern(text.as_bytes()).0), Word::Term);
        self.rows.values_mut().push(word);
    }
}

/// The words of negatives, whose ids are not put together yet.
#[derive(Debug)]
pub struct DrawnWords {
    parts: Vec<WordRows>,
    /// The unseen words whose ids are known; [`Encoder::learn`] adds those of `missing`, in order.
    known: WordIdLists,
    missing: Vec<String>,
}

impl DrawnWords {
    /// The texts to be encoded for [`Encoder::learn`], two a word: mostly none.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.missing.iter().flat_map(|word| ProbeContext::show(word)).collect()
    }
}

/// Makes the ids of hard negatives.
///
/// [`Self::draw`], then [`Self::learn`] with the ids of [`DrawnWords::texts`] if there are any, [`Self::irregular`],
/// and [`Self::assemble`].
#[derive(Debug)]
pub struct Encoder {
    augmenter: Augmenter,
    context: ProbeContext,
    terms: WordIdLists,
    template: Template,
    cache: Mutex<WordCache>,
}

impl Encoder {
    /// The ranks of the irregular terms, rising.
    #[must_use]
    pub fn irregular_terms(&self) -> &[u32] {
        &self.terms.irregular
    }

    /// The special tokens around the ids of a text, and its greatest length.
    #[must_use]
    pub const fn template(&self) -> &Template {
        &self.template
    }

    /// The words of one negative a sentence: those of [`Augmenter::augment`], as are the arguments.
    ///
    /// # Errors
    /// [`Error::Option`] where tokens are missing; [`Error::Interrupted`].
    pub fn draw(
        &self,
        sentences: &[&str],
        tokens: Option<&Tokens>,
        key: impl Fn(usize) -> DrawKey + Sync,
        work: Work<'_>,
    ) -> Result<DrawnWords> {
        let sentence = |row: usize| {
            let tokens = tokens.map(|tokens| tokens.get(row));
            Sentence { tokens, ..Sentence::new(sentences[row], key(row)) }
        };
        let ranges = threads::split(sentences.len(), work.threads);
        let draw = |range| self.draw_range(range, sentence, work.stop);
        Ok(self.join(threads::map(ranges, work.threads, draw)?))
    }

    fn draw_range<'a>(
        &self,
        range: Range<usize>,
        sentence: impl Fn(usize) -> Sentence<'a>,
        stop: &Stop,
    ) -> Result<WordRows> {
        let (mut part, mut buffers) = (WordRows::default(), Buffers::default());
        let mut group = Vec::with_capacity(GROUP);
        for first in range.clone().step_by(GROUP) {
            stop.check()?;
            group.clear();
            group.extend((first..range.end.min(first + GROUP)).map(&sentence));
            part.rows.try_reserve(group.len(), group.iter().map(|sentence| sentence.text.len()).sum())?;
            self.augmenter
                .sampler
                .with_plans(&group, &mut buffers, |_, plan, _| {
                    for step in plan {
                        part.push(step.replacement.or(step.rank), step.token.text);
                    }
                    part.rows.end_list();
                })
                .map_err(|fault| fault.in_group_from(first))?;
        }
        Ok(part)
    }

    /// Given words instead of drawn ones: what the check of a tokenizer puts together.
    #[must_use]
    pub fn compose(&self, rows: &[Vec<String>]) -> DrawnWords {
        let mut part = WordRows::default();
        for row in rows {
            for word in row {
                part.push(self.augmenter.table().rank(word), word);
            }
            part.rows.end_list();
        }
        self.join(vec![part])
    }

    /// Looks all unseen words up, each once.
    fn join(&self, mut parts: Vec<WordRows>) -> DrawnWords {
        // Each part numbered its unseen words by itself, since parts are made on threads that share nothing. They get
        // one numbering here, first by first sight (`all`).
        let mut all = Interner::default();
        for part in &mut parts {
            let unseen = 0..part.unseen.len() as u32;
            part.places = unseen.map(|i| all.intern(part.unseen.term(i)).0).collect();
        }
        // Then in two: the words that the cache knows, with their ids, and after them those to be learnt, so that
        // `learn` only has to append. The cache is locked once, and what it knew is copied, for another call may empty
        // it before this one is assembled.
        let cache = self.cache();
        let (mut known, mut missing) = (WordIdLists::default(), Vec::new());
        let mut cached = vec![None; all.len()];
        for (id, place) in (0..).zip(&mut cached) {
            match cache.words.get(all.term(id)) {
                None => missing.push(text(&all, id).to_owned()),
                Some(word) => {
                    *place = Some(known.len() as u32);
                    known.push(cache.ids.get(word));
                }
            }
        }
        // Each part's own numbers are led through both.
        let mut next = known.len() as u32..;
        let places: Vec<u32> =
            cached.into_iter().map(|place| place.or_else(|| next.next()).unwrap_or_default()).collect();
        for word in parts.iter_mut().flat_map(|part| &mut part.places) {
            *word = places[*word as usize];
        }
        DrawnWords { parts, known, missing }
    }

    /// Takes the ids of [`DrawnWords::texts`], and caches them.
    ///
    /// # Errors
    /// [`Error::Internal`] where their number is another.
    pub fn learn(&self, drawn: &mut DrawnWords, ids: &[Vec<u32>]) -> Result<()> {
        let (pairs, rest) = ids.as_chunks::<2>();
        if !rest.is_empty() || pairs.len() != drawn.missing.len() {
            return Err(Error::Internal(format!("{} lists of ids for two texts a word", ids.len())));
        }
        let mut cache = self.cache();
        for (word, [alone, shown]) in drawn.missing.drain(..).zip(pairs) {
            let ids = self.context.read(alone, shown);
            drawn.known.push(ids);
            cache.insert(&word, ids);
        }
        Ok(())
    }

    fn cache(&self) -> MutexGuard<'_, WordCache> {
        threads::lock(&self.cache)
    }

    /// The rows that hold an irregular word, rising, and their text, which the tokenizer must encode whole.
    #[must_use]
    pub fn irregular(&self, drawn: &DrawnWords) -> Vec<(usize, String)> {
        if self.terms.irregular.is_empty() && drawn.known.irregular.is_empty() {
            return Vec::new();
        }
        let rows = drawn.parts.iter().flat_map(|part| part.rows.iter().map(move |words| (part, words)));
        rows.enumerate()
            .filter(|(_, (part, words))| words.iter().any(|&word| self.is_irregular(drawn, part, word)))
            .map(|(row, (part, words))| (row, self.text(part, words)))
            .collect()
    }

    fn is_irregular(&self, drawn: &DrawnWords, part: &WordRows, word: Word) -> bool {
        match word {
            Word::Term(rank) => self.terms.is_irregular(rank),
            Word::Unseen(i) => drawn.known.is_irregular(part.places[i as usize]),
        }
    }

    fn text(&self, part: &WordRows, words: &[Word]) -> String {
        let words: Vec<&str> = words
            .iter()
            .map(|&word| match word {
                Word::Term(rank) => self.augmenter.table().term(rank),
                Word::Unseen(i) => text(&part.unseen, i),
            })
            .collect();
        words.join(" ")
    }

    /// Puts the ids together. `whole` holds the ids of the rows that [`Self::irregular`] named, in its order. The
    /// number of threads is that of [`Self::draw`].
    ///
    /// # Errors
    /// [`Error::Internal`] where words are left to be learnt.
    pub fn assemble(&self, drawn: &DrawnWords, whole: &[(usize, Vec<u32>)]) -> Result<Encoded> {
        if !drawn.missing.is_empty() {
            return Err(Error::Internal(format!("{} words are not learnt", drawn.missing.len())));
        }
        let mut rows = 0;
        let tasks = drawn.parts.iter().map(|part| {
            let first = rows;
            rows += part.rows.len();
            let among = |row| whole.partition_point(|&(other, _)| other < row);
            (part, first, &whole[among(first)..among(rows)])
        });
        let bodies = threads::map(tasks.collect(), drawn.parts.len(), |(part, first, whole)| {
            self.assemble_part(drawn, part, first, whole)
        })?;
        Ok(Encoded { template: self.template.clone(), bodies })
    }

    fn assemble_part(
        &self,
        drawn: &DrawnWords,
        part: &WordRows,
        first: usize,
        whole: &[(usize, Vec<u32>)],
    ) -> Result<Ragged<u32>> {
        let room = self.template.room();
        let mut whole = whole.iter().peekable();
        let words = part.rows.values().len();
        let mut out = Ragged::try_with_capacity(part.rows.len(), words + words / 2)?;
        for (row, words) in (first..).zip(part.rows.iter()) {
            out.try_reserve(1, room.min(words.len() * LONG_WORD))?;
            let ids = out.values_mut();
            let stop = ids.len() + room;
            if let Some((_, given)) = whole.next_if(|&&(other, _)| other == row) {
                ids.extend(given.iter().take(room));
            } else {
                for (i, &word) in words.iter().enumerate() {
                    ids.extend_from_slice(self.ids(drawn, part, word, i == 0));
                    if ids.len() >= stop {
                        ids.truncate(stop);
                        break;
                    }
                }
            }
            out.end_list();
        }
        Ok(out)
    }

    fn ids<'e>(&'e self, drawn: &'e DrawnWords, part: &WordRows, word: Word, is_first: bool) -> &'e [u32] {
        match word {
            Word::Term(rank) => self.terms.ids(rank, is_first),
            Word::Unseen(i) => drawn.known.ids(part.places[i as usize], is_first),
        }
    }
}

/// The text of a word that came in as one.
fn text(words: &Interner, id: u32) -> &str {
    // Words enter as `&str`, so this never takes the second way.
    std::str::from_utf8(words.term(id)).unwrap_or("\u{fffd}")
}

/// The ids of negatives, cut to their length.
#[derive(Debug)]
pub struct Encoded {
    template: Template,
    /// The ids without special tokens.
    bodies: Vec<Ragged<u32>>,
}

impl Encoded {
    /// Number of negatives.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.bodies.iter().map(Ragged::len).sum()
    }

    /// The number of ids of the longest negative, special tokens included; 0 where there is none.
    #[must_use]
    pub fn longest(&self) -> usize {
        let bodies = self.bodies.iter().flat_map(Ragged::iter);
        bodies.map(|body| self.template.special() + body.len()).max().unwrap_or(0)
    }

    /// Writes the ids, padded on the right to `width`, and the attention mask: 1 for an id and 0 for padding. Both are
    /// matrices of `rows` by `width`, row by row.
    ///
    /// # Errors
    /// [`Error::Internal`] for a width or a buffer that does not fit.
    pub fn fill(&self, width: usize, ids: &mut [i64], mask: &mut [i64]) -> Result<()> {
        let size = self.rows() * width;
        if width < self.longest() || ids.len() != size || mask.len() != size {
            return Err(Error::Internal(format!("{} ids for rows of {width}", ids.len())));
        }
        let (mut ids, mut mask) = (ids, mask);
        let mut tasks = Vec::with_capacity(self.bodies.len());
        for bodies in &self.bodies {
            let (here, rest) = ids.split_at_mut(bodies.len() * width);
            let (here_mask, rest_mask) = mask.split_at_mut(bodies.len() * width);
            tasks.push((bodies, here, here_mask));
            (ids, mask) = (rest, rest_mask);
        }
        threads::map(tasks, self.bodies.len(), |(bodies, ids, mask)| {
            let rows = ids.chunks_mut(width.max(1)).zip(mask.chunks_mut(width.max(1)));
            for (body, (ids, mask)) in bodies.iter().zip(rows) {
                self.template.write(body, ids, mask);
            }
            Ok(())
        })?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
