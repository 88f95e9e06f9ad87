//! Counting: in one pass, on all threads, how many sentences hold each term and how large a part of one it ever is.
//!
//! The state is integers that merge exactly (see [`TermCounts::merge`]), so that threads, blocks, file order and
//! shards cannot change it. Workers count blocks into tables of their own; these are then merged, one partition of
//! the terms to a thread.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::bounded;

use crate::error::{Error, Result};
use crate::memo::TermFinder;
use crate::reader::{self, Block, Passed, Progress, ReadOptions};
use crate::stop::Stop;
use crate::tally::Tally;
use crate::tfidf::Ratio;
use crate::tokenize::Tokenizer;
use crate::tokens::{Cut, Tokens, not_ours};
use crate::vocab::Vocab;

/// Terms are spread over this many partitions, so that as many threads can merge without a lock.
const PARTS: usize = 16;

/// Terms whose memory is fetched together when tables are merged.
const AHEAD: usize = 64;

/// How text becomes terms. Counts made under different settings do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What cuts a sentence into terms.
    pub tokenizer: Tokenizer,
    /// Whether sentences are lower-cased first.
    pub lowercase: bool,
}

/// What is known of one term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Number of sentences that hold the term.
    pub df: u64,
    /// The largest part of a sentence that the term ever makes up.
    pub best: Ratio,
}

impl Stats {
    /// Those of a term not counted yet.
    pub(crate) const NONE: Self = Self { df: 0, best: Ratio::NONE };

    fn merge(&mut self, other: Self) {
        self.df += other.df;
        self.best = self.best.max(other.best);
    }
}

/// How to go about counting; nothing here shows in the result.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Number of threads that count.
    pub threads: usize,
    /// How the text is read.
    pub read: ReadOptions<'a>,
    /// Looked at several times a second.
    pub stop: &'a Stop,
    /// Kept up to date.
    pub progress: &'a Progress,
}

/// What one thread counts at a time.
#[derive(Debug)]
pub enum Batch {
    /// Text, to be cut into terms.
    Text(Block),
    /// Sentences that are cut already, and the lines beside them that became none.
    Tokens(Tokens, Passed),
}

impl From<Block> for Batch {
    fn from(block: Block) -> Self {
        Self::Text(block)
    }
}

/// Terms with their statistics. Invariant: `stats[id]` belongs to `vocab.term(id)`.
#[derive(Debug, Clone, Default)]
struct Part {
    vocab: Vocab,
    stats: Vec<Stats>,
}

impl Part {
    fn add(&mut self, hash: u64, term: &[u8], stats: Stats) {
        let (id, new) = self.vocab.intern_hashed(hash, term);
        if new {
            self.stats.push(stats);
        } else {
            self.stats[id as usize].merge(stats);
        }
    }

    /// Adds the terms of `other` that belong to partition `index` of `of`.
    fn absorb(&mut self, other: &Self, index: usize, of: usize) {
        let ids: Vec<u32> = (0..other.stats.len() as u32)
            .filter(|&id| partition(other.vocab.hash_of(id), of) == index)
            .collect();
        for batch in ids.chunks(AHEAD) {
            self.vocab.fetch_all(batch.iter().map(|&id| other.vocab.hash_of(id)));
            for &id in batch {
                self.add(other.vocab.hash_of(id), other.vocab.term(id), other.stats[id as usize]);
            }
        }
    }
}

/// The partition, of `of`, that a term belongs to. These are bits of the hash that the tables themselves hardly use.
const fn partition(hash: u64, of: usize) -> usize {
    (hash >> 40) as usize % of
}

/// The exact, mergeable statistics of a corpus.
#[derive(Debug, Clone)]
pub struct TermCounts {
    settings: Settings,
    n_documents: u64,
    passed: Passed,
    /// One table of all terms, or [`PARTS`] of them by [`partition`].
    parts: Vec<Part>,
}

impl TermCounts {
    /// The statistics of no text.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, n_documents: 0, passed: Passed::default(), parts: vec![Part::default(); PARTS] }
    }

    /// How text became terms.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// Number of sentences counted.
    #[must_use]
    pub const fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// Lines that became no document.
    #[must_use]
    pub const fn passed(&self) -> Passed {
        self.passed
    }

    /// Adds to the lines that became no document.
    pub const fn add_passed(&mut self, passed: Passed) {
        self.passed.add(passed);
    }

    /// Number of distinct terms.
    #[must_use]
    pub fn n_terms(&self) -> usize {
        self.parts.iter().map(|p| p.vocab.len()).sum()
    }

    /// Every term with its statistics, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Stats)> {
        self.parts
            .iter()
            .flat_map(|part| (0u32..).zip(&part.stats).map(|(id, &stats)| (part.vocab.term(id), stats)))
    }

    /// Puts back what [`Self::iter`] gave; for counts that come from a file.
    pub(crate) fn restore<'t>(
        settings: Settings,
        n_documents: u64,
        terms: impl Iterator<Item = (&'t [u8], Stats)>,
    ) -> Self {
        let mut counts = Self::new(settings);
        counts.n_documents = n_documents;
        for (term, stats) in terms {
            let hash = crate::vocab::hash(term);
            counts.parts[partition(hash, PARTS)].add(hash, term, stats);
        }
        counts
    }

    /// Counts all lines of `paths` on `plan.threads` threads, and adds them to what is here.
    ///
    /// # Errors
    /// What reading says. Nothing is added then.
    pub fn count_files(settings: Settings, paths: &[PathBuf], plan: &Plan<'_>) -> Result<Self> {
        Self::count_blocks(settings, plan, |emit| {
            for path in paths {
                let mut blocks = reader::open(path, plan.read, plan.progress)?;
                while let Some(block) = blocks.next_block()? {
                    emit(block)?;
                }
            }
            Ok(())
        })
    }

    /// Counts the blocks that `feed` emits, on `plan.threads` threads beside the one that feeds.
    ///
    /// With one thread, blocks are counted where they are emitted.
    ///
    /// # Errors
    /// What `feed` returns, and the first fault by place in the text, whichever thread met it.
    pub fn count_blocks<E: From<Error>>(
        settings: Settings,
        plan: &Plan<'_>,
        feed: impl FnOnce(&mut dyn FnMut(Block) -> Result<()>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        Self::count_batches(settings, plan, |emit| feed(&mut |block| emit(Batch::Text(block))))
    }

    /// [`Self::count_blocks`], of text or of sentences that are cut already.
    ///
    /// # Errors
    /// As there; [`Error::Option`] for text where the tokenizer is not of this crate.
    pub fn count_batches<E: From<Error>>(
        settings: Settings,
        plan: &Plan<'_>,
        feed: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let locals = if plan.threads <= 1 {
            let mut local = Local::new(settings);
            feed(&mut |batch| local.count(&batch, plan))?;
            vec![local]
        } else {
            fan_out(settings, plan, feed)?
        };
        let mut counts = Self::new(settings);
        counts.absorb(locals, plan.threads);
        Ok(counts)
    }

    fn absorb(&mut self, mut locals: Vec<Local>, threads: usize) {
        for local in &locals {
            self.n_documents += local.n_documents;
            self.passed.add(local.passed);
        }
        if locals.len() == 1
            && let Some(only) = locals.pop()
        {
            self.parts = vec![only.part];
            return;
        }
        self.parts = vec![Part::default(); PARTS];
        let tables: Vec<Part> = locals.into_iter().map(|local| local.part).collect();
        each_part(&mut self.parts, threads, |index, part| {
            for table in &tables {
                part.absorb(table, index, PARTS);
            }
        });
    }

    /// Spreads a lone table over partitions, so that threads can share the work on them.
    fn spread(&mut self, threads: usize) {
        let whole = std::mem::replace(&mut self.parts, vec![Part::default(); PARTS]);
        each_part(&mut self.parts, threads, |index, part| {
            for table in &whole {
                part.absorb(table, index, PARTS);
            }
        });
    }

    /// Adds the counts of other text: `N` and `df` add, the ratio takes the larger. Exact, in any order.
    ///
    /// # Errors
    /// [`Error::Option`] naming the setting that differs; [`Error::Input`] for more sentences than can be counted.
    pub fn merge(&mut self, other: &Self, threads: usize) -> Result<()> {
        let (ours, theirs) = (self.settings, other.settings);
        if ours.tokenizer != theirs.tokenizer {
            return Err(Error::Option(format!(
                "counts do not merge: tokenizer is {:?} here and {:?} there",
                ours.tokenizer.name(),
                theirs.tokenizer.name()
            )));
        }
        if ours.lowercase != theirs.lowercase {
            return Err(Error::Option(format!(
                "counts do not merge: lowercase is {} here and {} there",
                ours.lowercase, theirs.lowercase
            )));
        }
        // No df exceeds its N, so that none can overflow where N does not.
        let together = self.n_documents.checked_add(other.n_documents);
        self.n_documents = together.ok_or_else(|| {
            let (ours, theirs) = (self.n_documents, other.n_documents);
            Error::Input(format!("counts do not merge: {ours} and {theirs} sentences are over 2^64 - 1"))
        })?;
        self.passed.add(other.passed);
        if threads > 1 && self.parts.len() == 1 {
            self.spread(threads);
        }
        let of = self.parts.len();
        each_part(&mut self.parts, threads, |index, part| {
            for (i, table) in other.parts.iter().enumerate() {
                if other.parts.len() != of || i == index {
                    part.absorb(table, index, of);
                }
            }
        });
        Ok(())
    }
}

/// Runs `work` on every partition, spread over `threads` threads.
fn each_part(parts: &mut [Part], threads: usize, work: impl Fn(usize, &mut Part) + Sync) {
    let share = parts.len().div_ceil(threads.clamp(1, parts.len()));
    std::thread::scope(|scope| {
        for (chunk_index, chunk) in parts.chunks_mut(share).enumerate() {
            let work = &work;
            scope.spawn(move || {
                for (i, part) in chunk.iter_mut().enumerate() {
                    work(chunk_index * share + i, part);
                }
            });
        }
    });
}

/// Feeds blocks to `plan.threads` workers; each returns its own table.
fn fan_out<E: From<Error>>(
    settings: Settings,
    plan: &Plan<'_>,
    feed: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>,
) -> std::result::Result<Vec<Local>, E> {
    let (sender, receiver) = bounded::<(u64, Batch)>(2 * plan.threads);
    let faults: Mutex<Vec<(u64, Error)>> = Mutex::new(Vec::new());
    let failed = AtomicBool::new(false);
    let (outcome, locals) = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..plan.threads)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(|| {
                    let mut local = Local::new(settings);
                    // After a fault the queue is still emptied: an earlier block may hold an earlier fault.
                    for (order, batch) in receiver {
                        if let Err(error) = local.count(&batch, plan) {
                            failed.store(true, Ordering::Relaxed);
                            lock(&faults).push((order, error));
                        }
                    }
                    local
                })
            })
            .collect();
        drop(receiver);
        let mut order = 0;
        let outcome = feed(&mut |batch| {
            if failed.load(Ordering::Relaxed) {
                return Err(Error::Interrupted);
            }
            plan.stop.check()?;
            order += 1;
            sender.send((order, batch)).map_err(|_| Error::Internal("every counting thread has ended".into()))
        });
        drop(sender);
        let locals: Vec<_> = workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        (outcome, locals)
    });
    let mut faults = faults.into_inner().unwrap_or_default();
    faults.sort_by_key(|&(order, _)| order);
    if let Some((_, first)) = faults.into_iter().next() {
        return Err(first.into());
    }
    outcome?;
    locals
        .into_iter()
        .map(|l| l.map_err(|_| Error::Internal("a counting thread panicked".into()).into()))
        .collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// One thread's own table and buffers.
struct Local {
    tokenizer: Tokenizer,
    part: Part,
    tally: Tally,
    n_documents: u64,
    passed: Passed,
    finder: TermFinder,
}

impl Local {
    fn new(settings: Settings) -> Self {
        Self {
            tokenizer: settings.tokenizer,
            part: Part::default(),
            tally: Tally::default(),
            n_documents: 0,
            passed: Passed::default(),
            finder: TermFinder::new(settings),
        }
    }

    fn count(&mut self, batch: &Batch, plan: &Plan<'_>) -> Result<()> {
        let before = self.n_documents;
        let passed = match batch {
            Batch::Text(block) => self.count_text(block, plan)?,
            Batch::Tokens(tokens, passed) => {
                for sentence in tokens.iter() {
                    self.look_up(plan.stop)?;
                    self.add_tokens(sentence);
                }
                *passed
            }
        };
        self.settle();
        self.passed.add(passed);
        plan.progress.documents.fetch_add(self.n_documents - before, Ordering::Relaxed);
        Ok(())
    }

    fn count_text(&mut self, block: &Block, plan: &Plan<'_>) -> Result<Passed> {
        if let Tokenizer::Custom(name) = self.tokenizer {
            return Err(not_ours(name.as_str()));
        }
        block.for_each_sentence(&plan.read, |sentence| {
            self.look_up(plan.stop)?;
            self.add(sentence);
            Ok(())
        })
    }

    /// Whether to go on, asked once in many sentences.
    fn look_up(&self, stop: &Stop) -> Result<()> {
        if self.n_documents.is_multiple_of(256) { stop.check() } else { Ok(()) }
    }

    fn add(&mut self, sentence: &str) {
        self.n_documents += 1;
        if self.finder.add(sentence, &self.part.vocab) {
            self.settle();
        }
    }

    fn add_tokens(&mut self, sentence: Cut<'_>) {
        self.n_documents += 1;
        if self.finder.add_tokens(sentence, &self.part.vocab) {
            self.settle();
        }
    }

    /// Brings the statistics up to date with the sentences of the batch.
    fn settle(&mut self) {
        let Self { part, tally, finder, .. } = self;
        finder.resolve(&mut part.vocab);
        part.stats.resize(part.vocab.len(), Stats::NONE);
        let (ids, ends) = finder.sentences();
        tally.count(ids, ends, &mut part.stats);
        finder.clear();
    }
}
