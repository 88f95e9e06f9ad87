//! Counting by threads, each into a map of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;

use crossbeam_channel::{Receiver, bounded};

use super::accumulator::Accumulator;
use super::piece_cache::TermLookup;
use super::run::{MemoryLimit, Run};
use super::sort::Order;
use super::spill::SpillingMap;
use super::term_map::TermMap;
use crate::error::{Error, Result};
use crate::memory;
use crate::progress::Work;
use crate::text::{Block, ReadOptions, Skipped};
use crate::threads::{self, lock};
use crate::tokenize::tokens::{SentenceTokens, Tokens, not_ours};
use crate::tokenize::{Settings, Tokenizer};

/// Options of counting, beside the settings: how text is read, and the memory of its terms.
#[derive(Debug, Clone, Copy, Default)]
pub struct CountOptions<'a> {
    /// The way the text is read.
    pub read: ReadOptions<'a>,
    /// Memory for terms, if it is limited; nothing of it shows in the result.
    pub memory_limit: Option<&'a MemoryLimit>,
}

/// Bytes of a worker's share of the memory that are for neither terms nor caches: the blocks that it has or that wait
/// for it, the buffer of the run that it writes, its stack.
const BESIDE: usize = 5 << 19;

/// The least share of the memory that a thread is started for.
const LEAST_SHARE: usize = 4 << 20;

/// Bytes that counting a sentence takes for each of its terms.
const A_TERM: usize = 200;

/// Sentences that one thread counts at a time.
#[derive(Debug)]
pub enum Batch {
    /// Text, to be cut into terms.
    Text(Block),
    /// Sentences that are cut already, and the lines beside them that became none.
    Tokens(Tokens, Skipped),
}

impl From<Block> for Batch {
    fn from(block: Block) -> Self {
        Self::Text(block)
    }
}

/// A way to hand over batches one by one; it is told where they go.
pub(super) trait Feed<E>:
    FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>
{
}

impl<E, F> Feed<E> for F where F: FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E> {}

/// The counts of one thread. No term is twice in the map, but a term may be in the map and in the runs.
pub(super) struct PartialCounts {
    pub(super) n_documents: u64,
    pub(super) skipped: Skipped,
    pub(super) map: TermMap,
    pub(super) runs: Vec<Arc<Run>>,
}

/// One thread's own map and buffers.
struct Worker<'a> {
    settings: &'a Settings,
    options: CountOptions<'a>,
    work: Work<'a>,
    terms: SpillingMap,
    accumulator: Accumulator,
    lookup: TermLookup,
    n_documents: u64,
    skipped: Skipped,
}

impl<'a> Worker<'a> {
    fn new(settings: &'a Settings, options: CountOptions<'a>, work: Work<'a>) -> Self {
        let share = options.memory_limit.map(|limit| limit.divided_by(work.threads));
        let lookup = share.as_ref().map_or_else(
            || TermLookup::new(settings),
            |share| TermLookup::within(settings, share.bytes() / 8),
        );
        let limit = share.map(|share| share.less(lookup.most_memory() + BESIDE));
        let mut terms = SpillingMap::new(Order::Bytes, limit, settings.ngrams);
        Self {
            settings,
            options,
            work,
            accumulator: Accumulator::in_place_of(&mut terms.map.stats),
            terms,
            lookup,
            n_documents: 0,
            skipped: Skipped::default(),
        }
    }

    fn count(&mut self, batch: &Batch) -> Result<()> {
        let before = self.n_documents;
        let skipped = match batch {
            Batch::Text(block) => self.count_text(block)?,
            Batch::Tokens(tokens, skipped) => {
                for sentence in tokens.iter() {
                    self.look_up()?;
                    self.add_tokens(sentence)?;
                }
                *skipped
            }
        };
        self.flush()?;
        self.skipped.add(skipped);
        self.work.progress.documents.fetch_add(self.n_documents - before, Ordering::Relaxed);
        Ok(())
    }

    fn count_text(&mut self, block: &Block) -> Result<Skipped> {
        if let Tokenizer::Custom(name) = &self.settings.tokenizer {
            return Err(not_ours(name.as_str()));
        }
        let read = self.options.read;
        block.for_each_sentence(&read, |sentence| {
            self.look_up()?;
            self.add(sentence)
        })
    }

    /// Looks whether to go on, once in many sentences.
    fn look_up(&self) -> Result<()> {
        if self.n_documents.is_multiple_of(256) { self.work.stop.check() } else { Ok(()) }
    }

    fn add(&mut self, sentence: &str) -> Result<()> {
        self.n_documents += 1;
        memory::afford_ngrams(sentence, A_TERM, self.settings.ngrams)?;
        if self.lookup.add(sentence, &self.terms.map.interner) { self.flush() } else { Ok(()) }
    }

    fn add_tokens(&mut self, sentence: SentenceTokens<'_>) -> Result<()> {
        self.n_documents += 1;
        if self.lookup.add_tokens(sentence, &self.terms.map.interner) { self.flush() } else { Ok(()) }
    }

    /// Counts the sentences whose terms have been looked up.
    fn flush(&mut self) -> Result<()> {
        let Self { terms: SpillingMap { map, .. }, accumulator, lookup, .. } = self;
        lookup.resolve(&mut map.interner)?;
        accumulator.count(lookup.sentences(), map.interner.len(), &mut map.stats)?;
        lookup.clear();
        if self.terms.is_full() { self.spill() } else { Ok(()) }
    }

    /// Starts anew with an empty map, and with an empty cache, whose ids are those of the old one.
    fn spill(&mut self) -> Result<()> {
        // The statistics lag behind the terms, and what is written must not.
        self.accumulator.flush(&mut self.terms.map.stats)?;
        self.lookup = self.lookup.emptied();
        let outcome = self.terms.spill(self.work.unseen());
        self.accumulator = Accumulator::in_place_of(&mut self.terms.map.stats);
        outcome
    }

    /// The counts. Once there are runs, nothing of them is left in memory.
    fn finish(mut self) -> Result<PartialCounts> {
        self.accumulator.flush(&mut self.terms.map.stats)?;
        // A word that stood in phrases alone is in the map, but was not counted.
        let uncounted = self.terms.map.holds_uncounted();
        if !self.terms.runs.is_empty() || uncounted && self.options.memory_limit.is_some() {
            // A worker whose terms are partly on disk would keep the memory of a full table until all are merged.
            self.spill()?;
            self.terms.map = TermMap::default();
        } else if uncounted {
            self.terms.map = self.terms.map.counted()?;
        }
        let Self { n_documents, skipped, terms: SpillingMap { map, runs, .. }, .. } = self;
        Ok(PartialCounts { n_documents, skipped, map, runs })
    }
}

/// Counts the batches that `feed` hands over, on all threads of the work.
pub(super) fn count<E: From<Error>>(
    settings: &Settings,
    options: CountOptions<'_>,
    work: Work<'_>,
    feed: impl Feed<E>,
) -> std::result::Result<Vec<PartialCounts>, E> {
    if work.threads <= 1 {
        return alone(settings, options, work, feed);
    }
    // Each needs a share of the memory that is worth having.
    let shares = options.memory_limit.map_or(usize::MAX, |limit| limit.bytes() / LEAST_SHARE);
    let work = Work { threads: memory::affordable(work.threads.min(shares)), ..work };
    if work.threads == 0 {
        alone(settings, options, work, feed)
    } else {
        fan_out(settings, options, work, feed)
    }
}

/// Counts batches where they are handed over.
fn alone<E: From<Error>>(
    settings: &Settings,
    options: CountOptions<'_>,
    work: Work<'_>,
    feed: impl Feed<E>,
) -> std::result::Result<Vec<PartialCounts>, E> {
    let mut worker = Worker::new(settings, options, work);
    feed(&mut |batch| worker.count(&batch))?;
    Ok(vec![worker.finish()?])
}

/// Hands batches to workers on threads of their own, or as many as the system has to give.
fn fan_out<E: From<Error>>(
    settings: &Settings,
    options: CountOptions<'_>,
    work: Work<'_>,
    feed: impl Feed<E>,
) -> std::result::Result<Vec<PartialCounts>, E> {
    // Which batch a worker gets is a matter of chance, and so is which fault is met first. The fault that is returned
    // must not be: who mends the line that an error names must not be told of an earlier line next. So batches are
    // numbered as they are handed over, and of all faults that with the lowest number is returned.
    let (sender, receiver) = bounded::<(u64, Batch)>(2 * work.threads);
    let faults: Mutex<Vec<(u64, Error)>> = Mutex::new(Vec::new());
    let failed = AtomicBool::new(false);
    let count_all = |receiver: Receiver<(u64, Batch)>| {
        let mut worker = Worker::new(settings, options, work);
        let fail = |number, error| {
            failed.store(true, Ordering::Relaxed);
            lock(&faults).push((number, error));
        };
        // The queue is emptied even after a fault: a batch still in it may hold an earlier one.
        for (number, batch) in receiver {
            worker.count(&batch).unwrap_or_else(|error| fail(number, error));
        }
        worker.finish().map_err(|error| fail(u64::MAX, error)).ok()
    };
    std::thread::scope(|scope| {
        let start = |_| {
            let receiver = receiver.clone();
            threads::spawn(scope, || count_all(receiver))
        };
        let workers: Vec<_> = (0..work.threads).map_while(start).collect();
        // Fewer threads than were asked for are as good; with none at all the feeding thread counts.
        if workers.is_empty() {
            return alone(settings, options, work, feed);
        }
        // Only the workers' own receivers are left, so that handing over fails once the last of them has panicked.
        drop(receiver);
        let mut number = 0;
        let outcome = feed(&mut |batch| {
            // Handing over ends early, with an error that no worker met: it gives way to the fault that caused it.
            if failed.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            work.stop.check()?;
            number += 1;
            sender
                .send((number, batch))
                .map_err(|_| Error::Internal("every counting thread has ended".into()))
        });
        drop(sender);
        let counted: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        if let Some((_, first)) = lock(&faults).drain(..).min_by_key(|&(number, _)| number) {
            return Err(first.into());
        }
        outcome?;
        let panicked = || Error::Internal("a counting thread panicked".into()).into();
        counted.into_iter().map(|counted| counted.ok().flatten().ok_or_else(panicked)).collect()
    })
}
