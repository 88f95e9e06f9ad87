//! An accumulator of term statistics, fed with sentences as the ids of their tokens.
//!
//! Nothing in the loop over tokens branches on what a sentence holds: whether a token repeats an earlier one, or stands
//! in a shorter sentence than ever before, cannot be foreseen by a processor either.

use crate::arch::prefetch_at;
use crate::error::Result;
use crate::ragged::Ragged;
use crate::tfidf::{Ratio, TermStats};

/// Tokens whose memory is fetched while those before them are counted.
const AHEAD: usize = 96;

/// One thread's statistics of the terms since it last brought those of its map up to date.
///
/// A sentence that holds a term once can only raise its largest part by being shorter than those before it, so that a
/// look at a term is a comparison of two small numbers, in one place of memory. Ratios are for terms that some sentence
/// holds more than once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Accumulator {
    states: Vec<TermState>,
    /// The largest part of a sentence that held the term more than once, by [`TermState::repeats`].
    repeats: Vec<Ratio>,
    /// At least every mark of the sentences before the one in hand.
    base: u32,
    /// Sentences in `states`.
    sentences: u32,
    /// Tokens of the sentence in hand whose term it has held before.
    repeated: Vec<u32>,
}

/// The state of one term: as large as its [`TermStats`], which can then be put in its place.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
struct TermState {
    /// The value of `base` at the last sentence that held the term, and how often it did, added up.
    mark: u32,
    /// Sentences that held it.
    df: u32,
    /// Tokens of the shortest of them.
    shortest: u32,
    /// Its place in `repeats`, and 1; 0 where it has none.
    repeats: u32,
}

impl TermState {
    const NONE: Self = Self { mark: 0, df: 0, shortest: u32::MAX, repeats: 0 };

    fn stats(self, repeats: &[Ratio]) -> TermStats {
        let alone = Ratio::new(1, self.shortest).filter(|_| self.df > 0);
        let repeated = (self.repeats as usize).checked_sub(1).map(|place| repeats[place]);
        TermStats { df: self.df.into(), best: alone.max(repeated).unwrap_or(Ratio::NONE) }
    }
}

impl Accumulator {
    /// Nothing seen yet, in the memory of statistics that are not needed any more.
    pub(crate) fn in_place_of(stats: &mut Vec<TermStats>) -> Self {
        // Of equal size and alignment, so that collecting in place keeps the allocation: a table at its memory limit
        // has no room for a second one.
        let mut empty: Vec<_> = std::mem::take(stats).into_iter().map(|_| TermState::NONE).collect();
        empty.clear();
        Self { states: empty, ..Self::default() }
    }

    /// Counts sentences, given as the ids of their tokens, of the first `n_terms` terms. Statistics that have no room
    /// here are added to `stats`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory): none of them is counted then.
    pub(crate) fn count(
        &mut self,
        sentences: &Ragged<u32>,
        n_terms: usize,
        stats: &mut Vec<TermStats>,
    ) -> Result<()> {
        // `df` of a state is 32 bits and at most the number of its sentences, so that it cannot wrap before they do.
        if self.sentences.checked_add(sentences.len() as u32).is_none() {
            self.flush(stats)?;
        }
        self.states.try_reserve(n_terms.saturating_sub(self.states.len()))?;
        self.repeats.try_reserve(sentences.values().len())?;
        self.sentences += sentences.len() as u32;
        self.states.resize(n_terms, TermState::NONE);
        for i in 0..sentences.len() {
            let ids = sentences.range(i);
            self.count_sentence(&sentences.values()[ids.start..], ids.len());
        }
        Ok(())
    }

    /// Adds what has been seen to the statistics of the terms, and starts anew.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory): nothing is added then.
    pub(crate) fn flush(&mut self, stats: &mut Vec<TermStats>) -> Result<()> {
        if !stats.is_empty() {
            stats.try_reserve(self.states.len().saturating_sub(stats.len()))?;
        }
        let Self { states, repeats, .. } = std::mem::take(self);
        let seen = states.into_iter().map(|state| state.stats(&repeats));
        if stats.is_empty() {
            *stats = seen.collect(); // in place: a state is as large as what it becomes
            return Ok(());
        }
        stats.resize(stats.len().max(seen.len()), TermStats::NONE);
        for (stats, seen) in stats.iter_mut().zip(seen) {
            stats.merge(seen);
        }
        Ok(())
    }

    /// Counts the sentence of the first `length` ids; the others come later.
    fn count_sentence(&mut self, ids: &[u32], length: usize) {
        let base = self.base_for(length as u32);
        let Self { states, repeats, repeated, .. } = self;
        repeated.resize(length, 0);
        let mut n_repeated = 0;
        // Every sentence counts from a base of its own, at least as high as any mark before it. The first token of a
        // term lifts the term's mark from below to `base + 1`, the next to `base + 2`: the mark tells first sight from
        // repetition and counts the term within the sentence, without clearing anything between sentences. A first
        // sight adds its truth value to `df`, and a repetition is written to `repeated` by always writing and moving on
        // only if it is one: no branch of the loop depends on the text.
        for (at, &id) in ids[..length].iter().enumerate() {
            if let Some(&soon) = ids.get(at + AHEAD) {
                prefetch_at(states, soon as usize);
            }
            let state = &mut states[id as usize];
            state.mark = base.max(state.mark) + 1;
            let first = state.mark == base + 1;
            state.df += u32::from(first);
            state.shortest = state.shortest.min(length as u32);
            repeated[n_repeated] = id;
            n_repeated += usize::from(!first);
        }
        // Terms that repeat are few, and only they need a ratio. One that repeats twice is looked at twice; the mark
        // has its final count by now, so that the second look changes nothing.
        for &id in &repeated[..n_repeated] {
            let state = &mut states[id as usize];
            if state.repeats == 0 {
                repeats.push(Ratio::NONE);
                state.repeats = repeats.len() as u32;
            }
            let best = &mut repeats[state.repeats as usize - 1];
            let count = state.mark - base;
            if best.is_below(count, length as u32)
                && let Some(ratio) = Ratio::new(count, length as u32)
            {
                *best = ratio;
            }
        }
    }

    /// The number that marks of the next sentence, of so many tokens, are counted from.
    fn base_for(&mut self, length: u32) -> u32 {
        let base = self.base;
        if let Some(next) = base.checked_add(length) {
            self.base = next;
            return base;
        }
        // Four thousand million tokens later: marks start over, once in many minutes of counting.
        self.states.iter_mut().for_each(|state| state.mark = 0);
        self.base = length;
        0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// The twin: what each sentence adds, term by term.
    fn count_slowly(sentences: &[Vec<u32>], stats: &mut [TermStats]) {
        for sentence in sentences {
            let mut counts = BTreeMap::new();
            for &id in sentence {
                *counts.entry(id).or_insert(0) += 1;
            }
            for (id, count) in counts {
                let TermStats { df, best } = &mut stats[id as usize];
                *df += 1;
                *best = Ratio::new(count, sentence.len() as u32).map_or(*best, |ratio| ratio.max(*best));
            }
        }
    }

    proptest! {
        #[test]
        fn an_accumulator_is_what_the_sentences_add_up_to(
            sentences in prop::collection::vec(prop::collection::vec(0u32..9, 0..12), 0..30),
            base in prop::sample::select(vec![0, u32::MAX - 40]),
            before in prop::sample::select(vec![0, u32::MAX - 10]),
        ) {
            let (mut found, mut expected) = (vec![], [TermStats::NONE; 9]);
            let mut accumulator = Accumulator { base, sentences: before, ..Accumulator::default() };
            for batch in sentences.chunks(4) {
                let mut ids = Ragged::default();
                for sentence in batch {
                    ids.push(sentence);
                }
                accumulator.count(&ids, 9, &mut found).unwrap();
            }
            accumulator.flush(&mut found).unwrap();
            found.resize(9, TermStats::NONE);
            count_slowly(&sentences, &mut expected);
            prop_assert_eq!(found.as_slice(), expected.as_slice());
        }
    }
}
