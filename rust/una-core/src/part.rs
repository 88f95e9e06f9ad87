//! Terms with their statistics in memory, and what becomes of them when there is no more of it.

use std::ops::Range;
use std::sync::Arc;

use crate::budget::Budget;
use crate::count::Stats;
use crate::error::Result;
use crate::order::{Order, Sorted};
use crate::runs::Run;
use crate::stop::Watch;
use crate::tfidf::Ratio;
use crate::vocab::{self, Vocab};

/// Terms that may come before anybody looks again whether there is room: as many as a batch of sentences has tokens,
/// unless a single one has more.
const BATCH: usize = 1 << 12;

/// Bytes a term that sorting takes beside the terms themselves, and counting for its marks.
const TO_SORT: usize = 24 + 4;

/// Terms with their statistics. Invariant: `stats[id]` belongs to `vocab.term(id)`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Part {
    pub(crate) vocab: Vocab,
    pub(crate) stats: Vec<Stats>,
}

impl Part {
    pub(crate) fn add(&mut self, hash: u64, term: &[u8], stats: Stats) {
        let (id, new) = self.vocab.intern_hashed(hash, term);
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

    /// Counts a sentence, given as the ids of its tokens. `marks` holds a zero for every term, and does so again after.
    pub(crate) fn count(&mut self, ids: &[u32], marks: &mut [u32]) {
        let length = ids.len() as u32;
        for &id in ids {
            marks[id as usize] += 1;
        }
        for &id in ids {
            let count = std::mem::take(&mut marks[id as usize]);
            if count == 0 {
                continue; // an earlier token was of the same term
            }
            let stats = &mut self.stats[id as usize];
            stats.df += 1;
            if stats.best.is_below(count, length)
                && let Some(best) = Ratio::new(count, length)
            {
                stats.best = best;
            }
        }
    }

    /// Adds those terms of `other` whose hash `belongs` accepts.
    pub(crate) fn absorb(&mut self, other: &Self, belongs: impl Fn(u64) -> bool) {
        for (id, stats) in (0u32..).zip(&other.stats) {
            let hash = other.vocab.hash_of(id);
            if belongs(hash) {
                self.add(hash, other.vocab.term(id), *stats);
            }
        }
    }

    /// The terms of these ids.
    pub(crate) fn terms(&self, ids: Range<u32>) -> impl Iterator<Item = (u32, &[u8], Stats)> {
        ids.map(|id| (id, self.vocab.term(id), self.stats[id as usize]))
    }

    /// Bytes of memory that it takes, sorting included, once `more` terms have come.
    pub(crate) fn bytes_with(&self, more: usize) -> usize {
        self.vocab.bytes_with(more) + (self.stats.len() + more) * (size_of::<Stats>() + TO_SORT)
    }
}

/// Terms in memory within a budget; those beyond it in runs.
#[derive(Debug)]
pub(crate) struct Shelf {
    pub(crate) part: Part,
    pub(crate) runs: Vec<Arc<Run>>,
    order: Order,
    /// None where memory is as large as need be.
    budget: Option<Budget>,
}

impl Shelf {
    pub(crate) fn new(order: Order, budget: Option<Budget>) -> Self {
        Self { part: Part::default(), runs: Vec::new(), order, budget }
    }

    /// Whether it is time to spill.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        let over = |budget: &Budget| self.part.bytes_with(BATCH) > budget.bytes();
        !self.part.stats.is_empty() && self.budget.as_ref().is_some_and(over)
    }

    pub(crate) fn add(&mut self, term: &[u8], stats: Stats, watch: Watch<'_>) -> Result<()> {
        self.part.add(vocab::hash(term), term, stats);
        if self.is_full() { self.spill(watch) } else { Ok(()) }
    }

    /// Writes what is in memory to a run. Where that fails, it is lost.
    pub(crate) fn spill(&mut self, watch: Watch<'_>) -> Result<()> {
        let part = std::mem::take(&mut self.part);
        if let Some(budget) = &self.budget
            && !part.stats.is_empty()
        {
            let sorted = Sorted::new(std::slice::from_ref(&part), self.order, |_, _| true, 1, watch.stop)?;
            self.runs.push(sorted.write(budget.folder(), watch)?);
        }
        Ok(())
    }
}
