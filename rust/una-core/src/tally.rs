//! Bringing the statistics of terms up to date with sentences, given as the ids of their tokens.
//!
//! Nothing in the loop over tokens branches on what a sentence holds: whether a token repeats an earlier one, or makes
//! up more of its sentence than ever before, cannot be foreseen by a processor either.

use crate::arch::prefetch_at;
use crate::count::Stats;
use crate::tfidf::Ratio;

/// Tokens whose memory is fetched while those before them are counted.
const AHEAD: usize = 32;

/// What it takes to tell a term's first token in a sentence from its later ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// By term: the value of `base` at the last sentence that held it, and how often it did, added up.
    marks: Vec<u32>,
    /// At least every mark of the sentences before the one in hand.
    base: u32,
    /// Tokens of the sentence in hand whose term it has held before.
    again: Vec<u32>,
}

impl Tally {
    /// Counts sentences: `ends` says where each of them stops in `ids`. There must be statistics for every id.
    pub(crate) fn count(&mut self, ids: &[u32], ends: &[usize], stats: &mut [Stats]) {
        self.marks.resize(stats.len(), 0);
        let mut start = 0;
        for &end in ends {
            self.count_sentence(&ids[start..], end - start, stats);
            start = end;
        }
    }

    /// Counts the sentence of the first `length` ids; the others come later.
    fn count_sentence(&mut self, ids: &[u32], length: usize, stats: &mut [Stats]) {
        let base = self.base_for(length as u32);
        let Self { marks, again, .. } = self;
        let marks = &mut marks[..stats.len()];
        again.resize(length, 0);
        let mut repeats = 0;
        for (at, &id) in ids[..length].iter().enumerate() {
            if let Some(&soon) = ids.get(at + AHEAD) {
                prefetch_at(marks, soon as usize);
                prefetch_at(stats, soon as usize);
            }
            let mark = &mut marks[id as usize];
            *mark = base.max(*mark) + 1;
            let first = *mark == base + 1;
            let Stats { df, best } = &mut stats[id as usize];
            *df += u64::from(first);
            *best = best.max_with_one_in(length as u32);
            again[repeats] = id;
            repeats += usize::from(!first);
        }
        for &id in &again[..repeats] {
            let count = marks[id as usize] - base;
            let best = &mut stats[id as usize].best;
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
        self.marks.fill(0);
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
        ) {
            let (mut found, mut expected) = ([Stats::NONE; 9], [Stats::NONE; 9]);
            let mut tally = Tally { base, ..Tally::default() };
            for batch in sentences.chunks(4) {
                let ends: Vec<_> = batch
                    .iter()
                    .scan(0, |end, sentence| {
                        *end += sentence.len();
                        Some(*end)
                    })
                    .collect();
                tally.count(&batch.concat(), &ends, &mut found);
            }
            count_slowly(&sentences, &mut expected);
            prop_assert_eq!(found, expected);
        }
    }
}
