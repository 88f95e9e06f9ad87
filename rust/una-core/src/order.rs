//! Terms in order, by their bytes or as a table ranks them: sorting tables in memory, merging runs on disk.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

use crate::arch::prefetch;
use crate::count::Stats;
use crate::error::Result;
use crate::index::prefix;
use crate::part::Part;
use crate::runs::{Folder, Record, Run, RunReader, RunWriter};
use crate::share;
use crate::stop::{Stop, Watch};
use crate::tfidf::score;

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
    /// The higher score in a corpus of so many documents, then the lesser term: see [`crate::tfidf::table_order`].
    Score {
        /// `N`.
        n_documents: u64,
    },
}

/// Settles most comparisons without the term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    /// The score, inverted so that it rises; or nothing.
    rank: u64,
    /// The first bytes of the term.
    prefix: u64,
}

impl Order {
    fn key(self, term: &[u8], stats: Stats) -> Key {
        let rank = match self {
            Self::Bytes => 0,
            // The bits of floats that are not negative are in the order of the floats.
            Self::Score { n_documents } => !score(n_documents, stats.df, stats.best).to_bits(),
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

    fn compare(&self, other: &Self, parts: &[Part]) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.term(parts).cmp(other.term(parts)))
    }
}

/// Terms of tables in memory, in order. No term is in two of the tables.
#[derive(Debug)]
pub(crate) struct Sorted<'p> {
    parts: &'p [Part],
    /// Each in order by itself.
    pieces: Vec<Vec<Entry>>,
}

impl<'p> Sorted<'p> {
    /// Sorts those terms that `keep` accepts.
    pub(crate) fn new(
        parts: &'p [Part],
        order: Order,
        keep: impl Fn(&[u8], Stats) -> bool + Sync,
        threads: usize,
        stop: &Stop,
    ) -> Result<Self> {
        let n_terms: usize = parts.iter().map(|part| part.stats.len()).sum();
        let size = n_terms.div_ceil(threads.max(1)).clamp(SHARE, PIECE);
        let mut pieces = Vec::new();
        for (index, part) in (0..).zip(parts) {
            let ids = 0..part.stats.len() as u32;
            let starts = ids.clone().step_by(size);
            pieces.extend(starts.map(|start| (index, start..ids.end.min(start + size as u32))));
        }
        let sort = |(index, ids): (u32, Range<u32>)| {
            stop.check()?;
            let part: &Part = &parts[index as usize];
            let mut piece = Vec::with_capacity(ids.len());
            for (id, term, stats) in part.terms(ids).filter(|&(_, term, stats)| keep(term, stats)) {
                piece.push(Entry { key: order.key(term, stats), part: index, id });
            }
            piece.sort_unstable_by(|a, b| a.compare(b, parts));
            Ok(piece)
        };
        Ok(Self { parts, pieces: share::each_on(pieces, threads, sort)? })
    }

    /// Number of terms.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Bytes of all the terms together.
    pub(crate) fn term_bytes(&self) -> usize {
        self.pieces.iter().flatten().map(|entry| entry.term(self.parts).len()).sum()
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        &self,
        watch: Watch<'_>,
        mut visit: impl FnMut(&[u8], Stats) -> Result<()>,
    ) -> Result<()> {
        let cursors = self.pieces.iter().filter_map(|piece| Cursor::new(self.parts, piece));
        let mut heap: BinaryHeap<_> = cursors.collect();
        let mut done = 0;
        while let Some(mut least) = heap.peek_mut() {
            watch.tell(&mut done)?;
            let Entry { part, id, .. } = least.entry;
            visit(least.term, self.parts[part as usize].stats[id as usize])?;
            if !least.advance() {
                PeekMut::pop(least);
            }
        }
        Ok(())
    }

    /// Writes the terms to a run.
    pub(crate) fn write(&self, folder: &Arc<Folder>, watch: Watch<'_>) -> Result<Arc<Run>> {
        let mut out = RunWriter::new(folder)?;
        self.for_each(watch, |term, stats| out.push(term, stats))?;
        out.finish()
    }
}

/// A piece from some term on. The greatest in a heap is the one whose term comes first.
struct Cursor<'p> {
    entry: Entry,
    term: &'p [u8],
    rest: slice::Iter<'p, Entry>,
    parts: &'p [Part],
}

impl<'p> Cursor<'p> {
    fn new(parts: &'p [Part], piece: &'p [Entry]) -> Option<Self> {
        let mut rest = piece.iter();
        let entry = *rest.next()?;
        Some(Self { entry, term: entry.term(parts), rest, parts })
    }

    /// Goes on to the next term, if there is one.
    #[inline]
    fn advance(&mut self) -> bool {
        let coming = self.rest.as_slice();
        if let Some(later) = coming.get(2 * AHEAD) {
            let part = &self.parts[later.part as usize];
            part.vocab.fetch_bounds(later.id);
            prefetch(&part.stats[later.id as usize]);
        }
        if let Some(soon) = coming.get(AHEAD) {
            self.parts[soon.part as usize].vocab.fetch_term(soon.id);
        }
        let Some(&entry) = self.rest.next() else { return false };
        (self.entry, self.term) = (entry, entry.term(self.parts));
        true
    }
}

impl Ord for Cursor<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.entry.key.cmp(&self.entry.key).then_with(|| other.term.cmp(self.term))
    }
}

impl PartialOrd for Cursor<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Cursor<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Cursor<'_> {}

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
        let mut head = Self { key: Key { rank: 0, prefix: 0 }, record: Record::NONE, reader, order };
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
