//! Terms beyond what memory may hold: a hash table that writes itself to runs when it is full, and the terms of counts
//! in order, wherever they are. What is saved and what is frozen comes out of [`SortedTerms`], so that neither needs to
//! know of memory and disk.

use std::sync::Arc;

use super::merge::{MERGE_BYTES, Merge};
use super::run::{MemoryLimit, Run};
use super::sort::{Order, Sorted};
use super::term_map::TermMap;
use crate::arch::give_back_free_memory;
use crate::error::Result;
use crate::progress::Work;
use crate::terms::index::TermIndex;
use crate::terms::interner::hash;
use crate::tfidf::TermStats;
use crate::threads;

/// Tokens that a batch of sentences has, unless a single one has more: as many terms of each length may come before the
/// next look at whether there is room.
const BATCH: usize = 1 << 12;

/// Bytes that a map may grow to without moving where memory is not limited.
const UNLIMITED: usize = 32 << 20;

/// A [`TermMap`] within a memory limit; what it has no room for is in runs.
#[derive(Debug)]
pub(crate) struct SpillingMap {
    pub(crate) map: TermMap,
    pub(crate) runs: Vec<Arc<Run>>,
    order: Order,
    /// The most terms it has held, and the most bytes of terms: memory once used is kept.
    most: (usize, usize),
    /// Terms that may come before the next look at whether there is room.
    batch: usize,
    /// `None` where memory is as large as need be.
    limit: Option<MemoryLimit>,
}

impl SpillingMap {
    /// An empty map, for terms of up to so many tokens.
    pub(crate) fn new(order: Order, limit: Option<MemoryLimit>, ngrams: u32) -> Self {
        let map = empty_map(limit.as_ref());
        let batch = BATCH.saturating_mul(ngrams as usize);
        Self { map, runs: Vec::new(), order, most: (0, 0), batch, limit }
    }

    /// Returns true when it is time to spill.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        // Asked before the next batch and for all of it. A table does not shrink when it is emptied, so that what
        // counts is the most it has ever held.
        !self.map.interner.is_empty() && self.is_beyond()
    }

    /// Returns true where another batch has no room.
    #[inline]
    fn is_beyond(&self) -> bool {
        let (terms, bytes) = (self.map.interner.len(), self.map.interner.bytes().len());
        let memory = || self.map.memory_for(self.most.0.max(terms + self.batch), self.most.1.max(bytes));
        self.limit.as_ref().is_some_and(|limit| memory() > limit.bytes())
    }

    pub(crate) fn add(&mut self, term: &[u8], stats: TermStats, work: Work<'_>) -> Result<()> {
        self.map.add(hash(term), term, stats)?;
        if self.is_full() { self.spill(work) } else { Ok(()) }
    }

    /// Writes what is in memory to a run. Where that fails, it is lost.
    pub(crate) fn spill(&mut self, work: Work<'_>) -> Result<()> {
        let Self { map, most, .. } = self;
        *most = (most.0.max(map.stats.len()), most.1.max(map.interner.bytes().len()));
        let outcome = self.write(work);
        // Emptied even where writing failed: the caller's error ends the update, and nothing of it is kept.
        self.map.interner.clear();
        self.map.stats.clear();
        // Longer terms than those of the fill before took more bytes for them, beside the room that it had for more
        // terms. A map that keeps both would be full from now on, with each batch a run of its own.
        if self.is_beyond() {
            (self.map, self.most) = (TermMap::default(), (0, 0)); // the old one is gone before there is a new one
            self.map = empty_map(self.limit.as_ref());
        }
        give_back_free_memory();
        outcome
    }

    /// Everything in runs, and no map any more.
    pub(crate) fn into_runs(mut self, work: Work<'_>) -> Result<Vec<Arc<Run>>> {
        self.write(work)?;
        Ok(self.runs)
    }

    fn write(&mut self, work: Work<'_>) -> Result<()> {
        if let Some(limit) = &self.limit
            && !self.map.stats.is_empty()
        {
            let maps = std::slice::from_ref(&self.map);
            let sorted = Sorted::new(maps, self.order, |_, stats| stats.df > 0, work.alone())?;
            self.runs.push(sorted.write(limit.dir(), work)?);
        }
        Ok(())
    }
}

fn empty_map(limit: Option<&MemoryLimit>) -> TermMap {
    TermMap::for_memory(limit.map_or(UNLIMITED, MemoryLimit::bytes))
}

/// Terms in order, each once.
pub(crate) struct SortedTerms<'m> {
    storage: Storage<'m>,
    n_terms: u64,
    term_bytes: u64,
}

enum Storage<'m> {
    Memory(Sorted<'m>),
    Disk(Merge),
}

impl<'m> SortedTerms<'m> {
    /// The terms of maps that `keep` accepts; none is in two of the maps.
    pub(crate) fn of_maps(
        maps: &'m [TermMap],
        order: Order,
        keep: impl Fn(&[u8], TermStats) -> bool,
        work: Work<'_>,
    ) -> Result<Self> {
        let sorted = Sorted::new(maps, order, keep, work)?;
        let (n_terms, term_bytes) = (sorted.len() as u64, sorted.term_bytes() as u64);
        Ok(Self { storage: Storage::Memory(sorted), n_terms, term_bytes })
    }

    /// All terms of a run, in its own order.
    pub(crate) fn of_run(run: &Arc<Run>) -> Result<Self> {
        let merge = Merge::open(std::slice::from_ref(run), Order::Bytes)?;
        Ok(Self { storage: Storage::Disk(merge), n_terms: run.n_terms(), term_bytes: run.term_bytes() })
    }

    /// The terms of a run that `keep` accepts, in another order: sorted on disk.
    pub(crate) fn of_run_sorted(
        run: &Arc<Run>,
        order: Order,
        keep: impl Fn(&[u8], TermStats) -> bool,
        limit: &MemoryLimit,
        work: Work<'_>,
    ) -> Result<Self> {
        // The merge that gives the terms has its buffers beside the map.
        let mut map = SpillingMap::new(order, Some(limit.less(MERGE_BYTES)), 1);
        Self::of_run(run)?.for_each(work, |term, stats| {
            if keep(term, stats) { map.add(term, stats, work) } else { Ok(()) }
        })?;
        let runs = map.into_runs(work)?;
        let n_terms = runs.iter().map(|run| run.n_terms()).sum();
        let term_bytes = runs.iter().map(|run| run.term_bytes()).sum();
        let merge = Merge::new(runs, order, limit.dir(), work)?;
        Ok(Self { storage: Storage::Disk(merge), n_terms, term_bytes })
    }

    /// Number of terms.
    pub(crate) const fn n_terms(&self) -> u64 {
        self.n_terms
    }

    /// Bytes of all the terms together.
    pub(crate) const fn term_bytes(&self) -> u64 {
        self.term_bytes
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        self,
        work: Work<'_>,
        visit: impl FnMut(&[u8], TermStats) -> Result<()>,
    ) -> Result<()> {
        match self.storage {
            Storage::Memory(sorted) => sorted.for_each(work, visit),
            Storage::Disk(merge) => merge.for_each(work, visit),
        }
    }

    /// [`Self::for_each`], with the index of the terms made beside it where they are in memory and there is a thread
    /// for that.
    pub(crate) fn for_each_beside_index(
        self,
        work: Work<'_>,
        visit: impl FnMut(&[u8], TermStats) -> Result<()>,
    ) -> Result<Option<TermIndex>> {
        if let Storage::Memory(sorted) = &self.storage
            && work.threads > 1
        {
            let (index, ()) = threads::join(|| sorted.index(work.stop), || sorted.for_each(work, visit))?;
            return Ok(Some(index));
        }
        self.for_each(work, visit).map(|()| None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_fill_of_longer_terms_does_not_make_every_term_a_run() {
        let place = tempfile::tempdir().unwrap();
        let limit = MemoryLimit::new(4 << 20, Some(place.path())).unwrap();
        let mut map = SpillingMap::new(Order::Bytes, Some(limit), 1);
        // First many terms, then fewer of many bytes: neither had the memory of the other beside its own.
        for (n, width) in [(60_000, 5), (30_000, 120)] {
            for i in 0..n {
                map.add(format!("{i:0width$}").as_bytes(), TermStats::NONE, Work::default()).unwrap();
            }
        }
        assert!((2..20).contains(&map.runs.len()), "{} runs", map.runs.len());
    }
}
