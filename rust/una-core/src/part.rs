//! Terms with their statistics in memory, and what becomes of them when there is no more of it.

use std::ops::Range;
use std::sync::Arc;

use crate::budget::Budget;
use crate::count::Stats;
use crate::error::Result;
use crate::order::{Order, Sorted};
use crate::runs::Run;
use crate::stop::Watch;
use crate::vocab::{self, Vocab};

/// Terms that may come before anybody looks again whether there is room: as many as a batch of sentences has tokens,
/// unless a single one has more.
const BATCH: usize = 1 << 12;

/// Terms whose memory is fetched together when they are merged.
const AHEAD: usize = 64;

/// Bytes a term that sorting takes beside the terms themselves, and counting for its marks.
const TO_SORT: usize = 24 + 4;

/// Bytes of a term that is rather short.
const SHORT_TERM: usize = 6;

/// What a table may grow to without moving where memory is not limited.
const UNLIMITED: usize = 32 << 20;

/// Terms with their statistics. Invariant: `stats[id]` belongs to `vocab.term(id)`.
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

    /// Adds those terms of `other` whose hash `belongs` accepts.
    pub(crate) fn absorb(&mut self, other: &Self, belongs: impl Fn(u64) -> bool) {
        let hash = |id| other.vocab.hash_of(id);
        let mut ids = (0..other.stats.len() as u32).filter(|&id| belongs(hash(id)));
        let mut batch = Vec::with_capacity(AHEAD);
        loop {
            batch.clear();
            batch.extend(ids.by_ref().take(AHEAD));
            if batch.is_empty() {
                return;
            }
            self.vocab.fetch_all(batch.iter().map(|&id| hash(id)));
            for &id in &batch {
                self.add(hash(id), other.vocab.term(id), other.stats[id as usize]);
            }
        }
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
        let (terms, bytes) = (self.part.stats.len(), self.part.vocab.bytes().len());
        let memory = || self.part.memory_for(self.most.0.max(terms + BATCH), self.most.1.max(bytes));
        terms > 0 && self.budget.as_ref().is_some_and(|budget| memory() > budget.bytes())
    }

    pub(crate) fn add(&mut self, term: &[u8], stats: Stats, watch: Watch<'_>) -> Result<()> {
        self.part.add(vocab::hash(term), term, stats);
        if self.is_full() { self.spill(watch) } else { Ok(()) }
    }

    /// Writes what is in memory to a run. Where that fails, it is lost.
    pub(crate) fn spill(&mut self, watch: Watch<'_>) -> Result<()> {
        let Self { part, most, .. } = self;
        *most = (most.0.max(part.stats.len()), most.1.max(part.vocab.bytes().len()));
        let outcome = self.write(watch);
        self.part.vocab.clear();
        self.part.stats.clear();
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
