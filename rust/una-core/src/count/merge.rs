//! Runs on disk merged into one sequence of terms, by a k-way merge.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use super::run::{READ_BYTES, Record, Run, RunReader, RunWriter, SpillDir, WRITE_BYTES};
use super::sort::{Order, SortKey};
use crate::error::Result;
use crate::progress::Work;
use crate::tfidf::TermStats;

/// Runs that are open at a time.
const FAN_IN: usize = 64;

/// Bytes that merging takes: a buffer for each run, and one for what is written.
pub(super) const MERGE_BYTES: usize = FAN_IN * READ_BYTES + WRITE_BYTES;

/// The terms of runs, in order; statistics of equal terms are added up.
pub(crate) struct Merge {
    heap: BinaryHeap<Head>,
}

impl Merge {
    /// Merges runs that are all in this order, a few at a time where they are many.
    pub(crate) fn new(
        mut runs: Vec<Arc<Run>>,
        order: Order,
        dir: &Arc<SpillDir>,
        work: Work<'_>,
    ) -> Result<Self> {
        // Each open run holds a file and a buffer. The merged ones go to the end of the line, so that the short runs
        // from before are taken first and no term is written more often than needs be.
        while runs.len() > FAN_IN {
            let rest = runs.split_off(FAN_IN);
            let merged = Self::open(&runs, order)?.write(dir, work)?;
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
        work: Work<'_>,
        mut visit: impl FnMut(&[u8], TermStats) -> Result<()>,
    ) -> Result<()> {
        let (mut sum, mut done) = (Record::NONE, 0);
        while let Some(mut least) = self.heap.peek_mut() {
            work.advance(&mut done)?;
            // Equal terms come one after another: by bytes because they are equal, and by score because a term is in
            // one run of that order only. No term is empty, so that the empty record stands for none.
            if sum.term == least.record.term {
                sum.stats.merge(least.record.stats);
            } else {
                if !sum.term.is_empty() {
                    visit(&sum.term, sum.stats)?;
                }
                sum.term.clone_from(&least.record.term);
                sum.stats = least.record.stats;
            }
            // The head is changed in place and sifts down once; taking it out and pushing it again would sift twice.
            if !least.advance()? {
                PeekMut::pop(least);
            }
        }
        if sum.term.is_empty() { Ok(()) } else { visit(&sum.term, sum.stats) }
    }

    /// Writes the terms to a run.
    pub(crate) fn write(self, dir: &Arc<SpillDir>, work: Work<'_>) -> Result<Arc<Run>> {
        let mut out = RunWriter::new(dir)?;
        self.for_each(work, |term, stats| out.push(term, stats))?;
        out.finish()
    }
}

/// A run from some record on. The greatest in a heap is the one whose term comes first.
struct Head {
    key: SortKey,
    record: Record,
    reader: RunReader,
    order: Order,
}

impl Head {
    fn new(reader: RunReader, order: Order) -> Result<Option<Self>> {
        let mut head = Self { key: SortKey::NONE, record: Record::NONE, reader, order };
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
