//! Terms with their statistics in memory, and what becomes of them when there is no more of it.

use std::ops::Range;
use std::sync::Arc;

use crate::arch::{give_back_free_memory, prefetch_at};
use crate::count::Stats;
use crate::count::budget::Budget;
use crate::count::run::Run;
use crate::count::sort::{Order, Sorted};
use crate::error::Result;
use crate::progress::Watch;
use crate::terms::interner::{self, Vocab};
use crate::threads;

/// Terms that may come before anybody looks again whether there is room: as many as a batch of sentences has tokens,
/// unless a single one has more.
const BATCH: usize = 1 << 12;

/// Terms whose memory is fetched together when they are merged.
const AHEAD: usize = 64;

/// No term has this id.
const UNKNOWN: u32 = u32::MAX;

/// Bytes a term that sorting takes beside the terms and their statistics. Bringing those up to date takes no more.
const TO_SORT: usize = 24;

/// Bytes of a term that is rather short.
const SHORT_TERM: usize = 6;

/// What a table may grow to without moving where memory is not limited.
const UNLIMITED: usize = 32 << 20;

/// Terms with their statistics. Invariant: `stats[id]` belongs to `vocab.term(id)`. While a thread counts, they lag
/// behind its terms: see [`crate::count::accumulator`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) vocab: Vocab,
    pub(crate) stats: Vec<Stats>,
}

impl Part {
    /// An empty table that need not move while it grows to this size. Moving takes more memory than the terms do: what
    /// a table leaves behind lies between what others hold.
    fn for_memory(bytes: usize) -> Self {
        let terms = bytes / (3 * size_of::<u64>() + size_of::<Stats>() + TO_SORT + SHORT_TERM);
        let mut vocab = Vocab::default();
        vocab.reserve(terms, 2 * SHORT_TERM * terms);
        Self { vocab, stats: Vec::with_capacity(terms) }
    }

    /// Gives memory that is not used back.
    pub(crate) fn shrink(&mut self) {
        self.vocab.shrink();
        self.stats.shrink_to_fit();
    }

    pub(crate) fn add(&mut self, hash: u64, term: &[u8], stats: Stats) {
        self.add_guessed(None, hash, term, stats);
    }

    fn add_guessed(&mut self, guess: Option<u32>, hash: u64, term: &[u8], stats: Stats) {
        let (id, new) = self.vocab.intern_guessed(guess, hash, term);
        if new {
            self.stats.push(stats);
        } else {
            self.stats[id as usize].merge(stats);
        }
    }

    /// Puts in a term that is not there yet, or else says so by the answer false.
    pub(crate) fn insert(&mut self, hash: u64, term: &[u8], stats: Stats) -> bool {
        let (_, new) = self.vocab.intern_hashed(hash, term);
        if new {
            self.stats.push(stats);
        }
        new
    }

    /// Adds those terms of `other` whose hash `belongs` accepts.
    pub(crate) fn absorb(&mut self, other: &Self, belongs: impl Fn(u64) -> bool) {
        let hash = |id| other.vocab.hash_of(id);
        let mut ids = (0..other.stats.len() as u32).filter(|&id| belongs(hash(id)));
        let (mut batch, mut guesses) = (Vec::with_capacity(AHEAD), Vec::with_capacity(AHEAD));
        loop {
            batch.clear();
            batch.extend(ids.by_ref().take(AHEAD));
            if batch.is_empty() {
                return;
            }
            self.vocab.guess_all(batch.iter().map(|&id| hash(id)), &mut guesses);
            for (&id, &guess) in batch.iter().zip(&guesses) {
                self.add_guessed(guess, hash(id), other.vocab.term(id), other.stats[id as usize]);
            }
        }
    }

    /// [`Self::absorb`] of all terms, by two threads: each seeks half of them; then one finds places for those that are
    /// new, while the other copies their bytes and brings the statistics up to date.
    pub(crate) fn absorb_on_two(&mut self, other: &Self) -> Result<()> {
        let (end, seek) = (other.stats.len() as u32, |ids| Ok(self.seek(other, ids)));
        let (first, second) = threads::both(|| seek(0..end / 2), || seek(end / 2..end))?;
        let known = [first, second].concat();
        let new = (0..end).zip(&known).filter(|&(_, &known)| known == UNKNOWN).map(|(id, _)| id);
        let Self { vocab, stats } = self;
        let (terms, places) = vocab.halves();
        let find_places = || {
            places.add_new(new.clone().map(|id| other.vocab.hash_of(id)));
            Ok(())
        };
        let copy = || {
            new.clone().for_each(|id| terms.push(other.vocab.term(id)));
            merge_stats(stats, &other.stats, &known);
            Ok(())
        };
        threads::both(find_places, copy).map(|_| ())
    }

    /// The ids here of terms that have these ids in `other`, or [`UNKNOWN`].
    fn seek(&self, other: &Self, mut ids: Range<u32>) -> Vec<u32> {
        let mut found = Vec::with_capacity(ids.len());
        let mut guesses = Vec::with_capacity(AHEAD);
        while !ids.is_empty() {
            let batch = ids.start..ids.end.min(ids.start + AHEAD as u32);
            self.vocab.guess_all(batch.clone().map(|id| other.vocab.hash_of(id)), &mut guesses);
            found.extend(batch.clone().zip(&guesses).map(|(id, &guess)| {
                let known = self.vocab.get_guessed(guess, other.vocab.hash_of(id), other.vocab.term(id));
                known.unwrap_or(UNKNOWN)
            }));
            ids.start = batch.end;
        }
        found
    }

    /// The terms of these ids.
    pub(crate) fn terms(&self, ids: Range<u32>) -> impl Iterator<Item = (u32, &[u8], Stats)> {
        ids.map(|id| (id, self.vocab.term(id), self.stats[id as usize]))
    }

    /// Bytes of memory that it takes, sorting included.
    pub(crate) fn memory(&self) -> usize {
        self.memory_for(self.stats.len(), self.vocab.bytes().len())
    }

    /// What it takes once it has held so many terms, of so many bytes.
    fn memory_for(&self, terms: usize, bytes: usize) -> usize {
        self.vocab.memory_for(terms, bytes) + terms * (size_of::<Stats>() + TO_SORT)
    }
}

/// Adds statistics of terms that are known by these ids; those of new terms come at the end.
fn merge_stats(stats: &mut Vec<Stats>, other: &[Stats], known: &[u32]) {
    for (at, &theirs) in other.iter().enumerate() {
        if let Some(&soon) = known.get(at + AHEAD) {
            prefetch_at(stats, soon as usize);
        }
        match known[at] {
            UNKNOWN => stats.push(theirs),
            id => stats[id as usize].merge(theirs),
        }
    }
}

/// Terms in memory within a budget; those beyond it in runs.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) part: Part,
    pub(crate) runs: Vec<Arc<Run>>,
    order: Order,
    /// The most terms it has held, and the most bytes of terms: memory once used is kept.
    most: (usize, usize),
    /// None where memory is as large as need be.
    budget: Option<Budget>,
}

impl Shelf {
    pub(crate) fn new(order: Order, budget: Option<Budget>) -> Self {
        let part = Part::for_memory(budget.as_ref().map_or(UNLIMITED, Budget::bytes));
        Self { part, runs: Vec::new(), order, most: (0, 0), budget }
    }

    /// Whether it is time to spill.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        let (terms, bytes) = (self.part.vocab.len(), self.part.vocab.bytes().len());
        let memory = || self.part.memory_for(self.most.0.max(terms + BATCH), self.most.1.max(bytes));
        terms > 0 && self.budget.as_ref().is_some_and(|budget| memory() > budget.bytes())
    }

    pub(crate) fn add(&mut self, term: &[u8], stats: Stats, watch: Watch<'_>) -> Result<()> {
        self.part.add(interner::hash(term), term, stats);
        if self.is_full() { self.spill(watch) } else { Ok(()) }
    }

    /// Writes what is in memory to a run. Where that fails, it is lost.
    pub(crate) fn spill(&mut self, watch: Watch<'_>) -> Result<()> {
        let Self { part, most, .. } = self;
        *most = (most.0.max(part.stats.len()), most.1.max(part.vocab.bytes().len()));
        let outcome = self.write(watch);
        self.part.vocab.clear();
        self.part.stats.clear();
        give_back_free_memory();
        outcome
    }

    /// Everything in runs, and no table any more.
    pub(crate) fn into_runs(mut self, watch: Watch<'_>) -> Result<Vec<Arc<Run>>> {
        self.write(watch)?;
        Ok(self.runs)
    }

    fn write(&mut self, watch: Watch<'_>) -> Result<()> {
        if let Some(budget) = &self.budget
            && !self.part.stats.is_empty()
        {
            let part = std::slice::from_ref(&self.part);
            let sorted = Sorted::new(part, self.order, |_, _| true, 1, watch.stop)?;
            self.runs.push(sorted.write(budget.folder(), watch)?);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tfidf::Ratio;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn part(terms: &[(String, u64)]) -> Part {
        let mut part = Part::default();
        for (term, df) in terms {
            let best = Ratio::new(1, *df as u32).unwrap_or(Ratio::NONE);
            part.add(interner::hash(term.as_bytes()), term.as_bytes(), Stats { df: *df, best });
        }
        part
    }

    fn content(part: &Part) -> BTreeMap<&[u8], Stats> {
        part.terms(0..part.stats.len() as u32).map(|(_, term, stats)| (term, stats)).collect()
    }

    proptest! {
        #[test]
        fn two_threads_absorb_what_one_does(
            ours in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
            theirs in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
        ) {
            let (mut one, mut two, theirs) = (part(&ours), part(&ours), part(&theirs));
            one.absorb(&theirs, |_| true);
            prop_assert!(two.absorb_on_two(&theirs).is_ok());
            prop_assert_eq!(content(&one), content(&two));
            prop_assert!(content(&two).keys().all(|term| two.vocab.get(term).is_some()));
        }
    }
}
