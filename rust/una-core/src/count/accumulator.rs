//! Bringing the statistics of terms up to date with sentences, given as the ids of their tokens.
//!
//! Nothing in the loop over tokens branches on what a sentence holds: whether a token repeats an earlier one, or stands
//! in a shorter sentence than ever before, cannot be foreseen by a processor either.

use crate::arch::prefetch_at;
use crate::count::Stats;
use crate::tfidf::Ratio;

/// Tokens whose memory is fetched while those before them are counted.
const AHEAD: usize = 96;

/// What one thread has seen of the terms since it last brought their statistics up to date.
///
/// A sentence that holds a term once can only raise its largest part by being shorter than those before it, so that a
/// look at a term is a comparison of two small numbers, in one place of memory. Ratios are for terms that some sentence
/// holds more than once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    sights: Vec<Sight>,
    /// The largest part of a sentence that held the term more than once, by [`Sight::repeats`].
    repeats: Vec<Ratio>,
    /// At least every mark of the sentences before the one in hand.
    base: u32,
    /// Sentences in `sights`.
    sentences: u32,
    /// Tokens of the sentence in hand whose term it has held before.
    again: Vec<u32>,
}

/// What has been seen of one term: in as much memory as its [`Stats`] take, which can then be put in its place.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
struct Sight {
    /// The value of `base` at the last sentence that held the term, and how often it did, added up.
    mark: u32,
    /// Sentences that held it.
    df: u32,
    /// Tokens of the shortest of them.
    shortest: u32,
    /// Its place in `repeats`, and 1; 0 where it has none.
    repeats: u32,
}

impl Sight {
    const NONE: Self = Self { mark: 0, df: 0, shortest: u32::MAX, repeats: 0 };

    fn stats(self, repeats: &[Ratio]) -> Stats {
        let alone = Ratio::new(1, self.shortest).filter(|_| self.df > 0);
        let repeated = (self.repeats as usize).checked_sub(1).map(|place| repeats[place]);
        Stats { df: self.df.into(), best: alone.max(repeated).unwrap_or(Ratio::NONE) }
    }
}

impl Tally {
    /// Nothing seen yet, in the memory of statistics that are not needed any more.
    pub(crate) fn in_place_of(stats: &mut Vec<Stats>) -> Self {
        let mut sights: Vec<_> = std::mem::take(stats).into_iter().map(|_| Sight::NONE).collect();
        sights.clear();
        Self { sights, ..Self::default() }
    }

    /// Counts sentences of the first `n_terms` terms: `ends` says where each of them stops in `ids`. Statistics that
    /// have no room here are added to `stats`.
    pub(crate) fn count(&mut self, ids: &[u32], ends: &[usize], n_terms: usize, stats: &mut Vec<Stats>) {
        if self.sentences.checked_add(ends.len() as u32).is_none() {
            self.settle(stats);
        }
        self.sentences += ends.len() as u32;
        self.sights.resize(n_terms, Sight::NONE);
        let mut start = 0;
        for &end in ends {
            self.count_sentence(&ids[start..], end - start);
            start = end;
        }
    }

    /// Adds what has been seen to the statistics of the terms, and starts anew.
    pub(crate) fn settle(&mut self, stats: &mut Vec<Stats>) {
        let Self { sights, repeats, .. } = std::mem::take(self);
        let seen = sights.into_iter().map(|sight| sight.stats(&repeats));
        if stats.is_empty() {
            *stats = seen.collect();
            return;
        }
        stats.resize(stats.len().max(seen.len()), Stats::NONE);
        for (stats, seen) in stats.iter_mut().zip(seen) {
            stats.merge(seen);
        }
    }

    /// Counts the sentence of the first `length` ids; the others come later.
    fn count_sentence(&mut self, ids: &[u32], length: usize) {
        let base = self.base_for(length as u32);
        let Self { sights, repeats, again, .. } = self;
        again.resize(length, 0);
        let mut n_again = 0;
        for (at, &id) in ids[..length].iter().enumerate() {
            if let Some(&soon) = ids.get(at + AHEAD) {
                prefetch_at(sights, soon as usize);
            }
            let sight = &mut sights[id as usize];
            sight.mark = base.max(sight.mark) + 1;
            let first = sight.mark == base + 1;
            sight.df += u32::from(first);
            sight.shortest = sight.shortest.min(length as u32);
            again[n_again] = id;
            n_again += usize::from(!first);
        }
        for &id in &again[..n_again] {
            let sight = &mut sights[id as usize];
            if sight.repeats == 0 {
                repeats.push(Ratio::NONE);
                sight.repeats = repeats.len() as u32;
            }
            let best = &mut repeats[sight.repeats as usize - 1];
            let count = sight.mark - base;
            if best.is_below(count, length as u32)
                && let Some(ratio) = Ratio::new(count, length as u32)
            {
                *best = ratio;
            }
        }
    }

    /// What the marks of the next sentence, of so many tokens, are counted from.
    fn base_for(&mut self, length: u32) -> u32 {
        let base = self.base;
        if let Some(next) = base.checked_add(length) {
            self.base = next;
            return base;
        }
        self.sights.iter_mut().for_each(|sight| sight.mark = 0);
        self.base = length;
        0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    /// The twin: what each sentence adds, term by term.
    fn count_slowly(sentences: &[Vec<u32>], stats: &mut [Stats]) {
        for sentence in sentences {
            let mut counts = BTreeMap::new();
            for &id in sentence {
                *counts.entry(id).or_insert(0) += 1;
            }
            for (id, count) in counts {
                let Stats { df, best } = &mut stats[id as usize];
                *df += 1;
                *best = Ratio::new(count, sentence.len() as u32).map_or(*best, |ratio| ratio.max(*best));
            }
        }
    }

    proptest! {
        #[test]
        fn a_tally_is_what_the_sentences_add_up_to(
            sentences in prop::collection::vec(prop::collection::vec(0u32..9, 0..12), 0..30),
            base in prop::sample::select(vec![0, u32::MAX - 40]),
            before in prop::sample::select(vec![0, u32::MAX - 10]),
        ) {
            let (mut found, mut expected) = (vec![], [Stats::NONE; 9]);
            let mut tally = Tally { base, sentences: before, ..Tally::default() };
            for batch in sentences.chunks(4) {
                let ends: Vec<_> = batch
                    .iter()
                    .scan(0, |end, sentence| {
                        *end += sentence.len();
                        Some(*end)
                    })
                    .collect();
                tally.count(&batch.concat(), &ends, 9, &mut found);
            }
            tally.settle(&mut found);
            found.resize(9, Stats::NONE);
            count_slowly(&sentences, &mut expected);
            prop_assert_eq!(found.as_slice(), expected.as_slice());
        }
    }
}
