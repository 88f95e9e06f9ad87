//! Terms in order, by their bytes or as a table ranks them: sorting tables in memory, merging runs on disk.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use crate::arch::prefetch;
use crate::count::Stats;
use crate::count::run::{Folder, Record, Run, RunReader, RunWriter};
use crate::count::term_map::Part;
use crate::error::Result;
use crate::progress::{Stop, Watch};
use crate::terms::index::{self, TermIndex, prefix};
use crate::tfidf::{Idf, score};
use crate::threads;

/// Terms that are sorted at a stretch: the longest time in which nobody looks whether to stop.
const PIECE: usize = 1 << 19;

/// Terms for which another thread is worth its start.
const SHARE: usize = 1 << 14;

/// Terms whose memory is fetched ahead.
const AHEAD: usize = 16;

/// Runs that are open at a time.
const FAN_IN: usize = 64;

/// What comes first.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// The lesser term, by its bytes.
    Bytes,
    /// The higher score in a corpus, then the lesser term: see [`crate::tfidf::table_order`].
    Score(Idf),
}

/// Settles most comparisons without the term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// The score, inverted so that it rises; or nothing.
    rank: u64,
    /// The first bytes of the term.
    prefix: u64,
}

impl Key {
    /// The key of a term that has not been looked at.
    const NONE: Self = Self { rank: 0, prefix: 0 };

    /// In the order of the keys.
    fn number(self) -> u128 {
        u128::from(self.rank) << 64 | u128::from(self.prefix)
    }
}

impl Order {
    fn key(self, term: &[u8], stats: Stats) -> Key {
        let rank = match self {
            Self::Bytes => 0,
            // The bits of floats that are not negative are in the order of the floats.
            Self::Score(idf) => !score(idf.of(stats.df), stats.best).to_bits(),
        };
        Key { rank, prefix: prefix(term) }
    }
}

/// Where a term stands, and its key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: Key,
    part: u32,
    id: u32,
}

impl Entry {
    fn term(self, parts: &[Part]) -> &[u8] {
        parts[self.part as usize].vocab.term(self.id)
    }

    fn stats(self, parts: &[Part]) -> Stats {
        parts[self.part as usize].stats[self.id as usize]
    }

    fn compare(&self, other: &Self, parts: &[Part]) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.term(parts).cmp(other.term(parts)))
    }
}

/// Terms of tables in memory, in order. No term is in two of the tables.
#[derive(Debug)]
pub(crate) struct Sorted<'p> {
    parts: &'p [Part],
    entries: Vec<Entry>,
    term_bytes: usize,
}

impl<'p> Sorted<'p> {
    /// Sorts those terms that `keep` accepts.
    pub(crate) fn new(
        parts: &'p [Part],
        order: Order,
        keep: impl Fn(&[u8], Stats) -> bool,
        threads: usize,
        stop: &Stop,
    ) -> Result<Self> {
        let mut sorted = Self::unsorted(parts, keep);
        let entries = sorted.entries.as_mut_slice();
        let size = entries.len().div_ceil(threads.max(1)).clamp(SHARE, PIECE);
        threads::each_on(entries.chunks_mut(size).collect(), threads, |piece: &mut [Entry]| {
            stop.check()?;
            for entry in piece {
                entry.key = order.key(entry.term(parts), entry.stats(parts));
            }
            Ok(())
        })?;
        let mut pieces = Vec::new();
        halve(entries, size, parts, &mut pieces);
        threads::each_on(pieces, threads, |piece| {
            stop.check()?;
            sort(piece, parts);
            Ok(())
        })?;
        Ok(sorted)
    }

    /// Those terms that `keep` accepts, without keys yet.
    fn unsorted(parts: &'p [Part], keep: impl Fn(&[u8], Stats) -> bool) -> Self {
        let n_terms = parts.iter().map(|part| part.stats.len()).sum();
        let (mut entries, mut term_bytes) = (Vec::with_capacity(n_terms), 0);
        for (index, part) in (0..).zip(parts) {
            let kept = part.terms(0..part.stats.len() as u32).filter(|&(_, term, stats)| keep(term, stats));
            for (id, term, _) in kept {
                entries.push(Entry { key: Key::NONE, part: index, id });
                term_bytes += term.len();
            }
        }
        Self { parts, entries, term_bytes }
    }

    /// Number of terms.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all the terms together.
    pub(crate) const fn term_bytes(&self) -> usize {
        self.term_bytes
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        &self,
        watch: Watch<'_>,
        mut visit: impl FnMut(&[u8], Stats) -> Result<()>,
    ) -> Result<()> {
        let mut done = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            watch.tell(&mut done)?;
            self.fetch_beyond(at);
            visit(entry.term(self.parts), entry.stats(self.parts))?;
        }
        Ok(())
    }

    /// Where each term stands.
    pub(crate) fn index(&self, stop: &Stop) -> Result<TermIndex> {
        let keys = self.entries.iter().enumerate().map(|(at, entry)| {
            if let Some(later) = self.entries.get(at + AHEAD) {
                self.parts[later.part as usize].vocab.fetch_key(later.id);
            }
            let vocab = &self.parts[entry.part as usize].vocab;
            index::Key::of_known(vocab.hash_of(entry.id), entry.key.prefix, vocab.term(entry.id).len())
        });
        TermIndex::of_distinct(self.len(), keys, stop)
    }

    /// Has the memory fetched of terms that come a little later than entry `at`.
    #[inline]
    fn fetch_beyond(&self, at: usize) {
        if let Some(later) = self.entries.get(at + 2 * AHEAD) {
            let part = &self.parts[later.part as usize];
            part.vocab.fetch_bounds(later.id);
            prefetch(&part.stats[later.id as usize]);
        }
        if let Some(soon) = self.entries.get(at + AHEAD) {
            self.parts[soon.part as usize].vocab.fetch_term(soon.id);
        }
    }

    /// Writes the terms to a run.
    pub(crate) fn write(&self, folder: &Arc<Folder>, watch: Watch<'_>) -> Result<Arc<Run>> {
        let mut out = RunWriter::new(folder)?;
        self.for_each(watch, |term, stats| out.push(term, stats))?;
        out.finish()
    }
}

/// Sorts by key first, a comparison of two numbers, and then the few of equal keys by their terms.
fn sort(entries: &mut [Entry], parts: &[Part]) {
    entries.sort_unstable_by_key(|entry| entry.key.number());
    for equal in entries.chunk_by_mut(|a, b| a.key == b.key) {
        if equal.len() > 1 {
            equal.sort_unstable_by(|a, b| a.term(parts).cmp(b.term(parts)));
        }
    }
}

/// Parts entries until none of the pieces is longer than `size`: what stands in one of them belongs before all that
/// stands in the next. Pieces can then be sorted side by side, and are in order without being merged.
fn halve<'e>(entries: &'e mut [Entry], size: usize, parts: &[Part], pieces: &mut Vec<&'e mut [Entry]>) {
    if entries.len() <= size {
        return pieces.push(entries);
    }
    let middle = entries.len() / 2;
    entries.select_nth_unstable_by(middle, |a, b| a.compare(b, parts));
    let (before, after) = entries.split_at_mut(middle);
    halve(before, size, parts, pieces);
    halve(after, size, parts, pieces);
}

/// The terms of runs, in order; statistics of equal terms are added up.
pub(crate) struct Merge {
    heap: BinaryHeap<Head>,
}

impl Merge {
    /// Merges runs that are all in this order, a few at a time where they are many.
    pub(crate) fn new(
        mut runs: Vec<Arc<Run>>,
        order: Order,
        folder: &Arc<Folder>,
        watch: Watch<'_>,
    ) -> Result<Self> {
        while runs.len() > FAN_IN {
            let rest = runs.split_off(FAN_IN);
            let merged = Self::open(&runs, order)?.write(folder, watch)?;
            runs = rest;
            runs.push(merged);
        }
        Self::open(&runs, order)
    }

    /// Merges runs that are few.
    pub(crate) fn open(runs: &[Arc<Run>], order: Order) -> Result<Self> {
        let mut heap = BinaryHeap::new();
        for run in runs {
            heap.extend(Head::new(Arc::clone(run).read()?, order)?);
        }
        Ok(Self { heap })
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        mut self,
        watch: Watch<'_>,
        mut visit: impl FnMut(&[u8], Stats) -> Result<()>,
    ) -> Result<()> {
        let (mut sum, mut done) = (Record::NONE, 0);
        while let Some(mut least) = self.heap.peek_mut() {
            watch.tell(&mut done)?;
            // Equal terms come one after another, since all that else decides is the same for them.
            if sum.term == least.record.term {
                sum.stats.merge(least.record.stats);
            } else {
                if !sum.term.is_empty() {
                    visit(&sum.term, sum.stats)?;
                }
                sum.term.clone_from(&least.record.term);
                sum.stats = least.record.stats;
            }
            if !least.advance()? {
                PeekMut::pop(least);
            }
        }
        if sum.term.is_empty() { Ok(()) } else { visit(&sum.term, sum.stats) }
    }

    /// Writes the terms to a run.
    pub(crate) fn write(self, folder: &Arc<Folder>, watch: Watch<'_>) -> Result<Arc<Run>> {
        let mut out = RunWriter::new(folder)?;
        self.for_each(watch, |term, stats| out.push(term, stats))?;
        out.finish()
    }
}

/// A run from some record on. The greatest in a heap is the one whose term comes first.
struct Head {
    key: Key,
    record: Record,
    reader: RunReader,
    order: Order,
}

impl Head {
    fn new(reader: RunReader, order: Order) -> Result<Option<Self>> {
        let mut head = Self { key: Key::NONE, record: Record::NONE, reader, order };
        Ok(head.advance()?.then_some(head))
    }

    /// Goes on to the next record, if there is one.
    fn advance(&mut self) -> Result<bool> {
        let found = self.reader.next(&mut self.record)?;
        if found {
            self.key = self.order.key(&self.record.term, self.record.stats);
        }
        Ok(found)
    }
}

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key).then_with(|| other.record.term.cmp(&self.record.term))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::interner::hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_follow_one_another(
            terms in prop::collection::btree_set("[ab]{1,12}", 0..100), size in 1usize..40,
        ) {
            let mut part = Part::default();
            for term in &terms {
                part.add(hash(term.as_bytes()), term.as_bytes(), Stats::NONE);
            }
            let parts = [part];
            let key = |term: &String| Order::Bytes.key(term.as_bytes(), Stats::NONE);
            let entries = (0..).zip(&terms).map(|(id, term)| Entry { key: key(term), part: 0, id });
            let mut entries: Vec<_> = entries.collect();
            entries.reverse();
            let mut pieces = Vec::new();
            halve(&mut entries, size, &parts, &mut pieces);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= size));
            for piece in pieces {
                piece.sort_unstable_by_key(|entry| entry.term(&parts));
            }
            let found: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            prop_assert_eq!(found, (0..terms.len() as u32).collect::<Vec<_>>());
        }
    }
}
