//! Counting: in one pass, on all threads, how many sentences hold each term and how large a part of one it ever is.
//!
//! The state is integers that merge exactly (see [`TermCounts::merge`]), so that threads, blocks, file order and
//! shards cannot change it. Workers count blocks into tables of their own; these are then merged, one partition of
//! the terms to a thread. Under a [`Budget`] they write tables to sorted runs, which are merged when the terms are
//! asked for.

pub(crate) mod accumulator;
pub mod budget;
pub(crate) mod piece_cache;
mod pieces;
pub(crate) mod run;
pub(crate) mod sort;
pub(crate) mod spill;
pub(crate) mod term_map;
mod worker;

use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::ScopedJoinHandle;

use crossbeam_channel::{Receiver, bounded};

use crate::arch::give_back_free_memory;
use crate::count::budget::Budget;
use crate::count::run::Run;
use crate::count::sort::{Merge, Order, Sorted};
use crate::count::spill::{Sequence, Sieve};
use crate::count::term_map::Part;
use crate::error::{Error, Result};
use crate::progress::{Stop, Watch, unwatched};
use crate::table::Pruning;
use crate::text::reader::{self, Block, Passed, Progress, ReadOptions};
use crate::tfidf::{Idf, Ratio};
use crate::threads::{self, lock};
use crate::tokenize::Tokenizer;
use crate::tokenize::tokens::Tokens;
use worker::{Counted, Local};

/// Terms are spread over this many partitions, so that as many threads can merge without a lock.
const PARTS: usize = 16;

/// Terms for which another thread is worth its start when two tables become one.
const WORTH_A_THREAD: usize = 1 << 13;

/// How text becomes terms. Counts made under different settings do not mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// What cuts a sentence into terms.
    pub tokenizer: Tokenizer,
    /// Whether sentences are lower-cased first.
    pub lowercase: bool,
}

impl Settings {
    /// # Errors
    /// [`Error::Option`] naming the setting that differs.
    fn check_same(self, theirs: Self) -> Result<()> {
        let differ = |what: &str, ours: &dyn Debug, theirs: &dyn Debug| {
            Err(Error::Option(format!("counts do not merge: {what} is {ours:?} here and {theirs:?} there")))
        };
        if self.tokenizer != theirs.tokenizer {
            return differ("tokenizer", &self.tokenizer.name(), &theirs.tokenizer.name());
        }
        if self.lowercase != theirs.lowercase {
            return differ("lowercase", &self.lowercase, &theirs.lowercase);
        }
        Ok(())
    }
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

    /// No `df` exceeds the number of documents, whose sum is checked first: this one cannot overflow.
    pub(crate) fn merge(&mut self, other: Self) {
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
    /// Memory for terms, if it is limited.
    pub budget: Option<&'a Budget>,
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
    /// What memory had no room for, in order of term bytes. A term may be in several of them, and in memory.
    runs: Vec<Arc<Run>>,
    /// Invariant: given where there are runs.
    budget: Option<Budget>,
}

impl TermCounts {
    /// The statistics of no text.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::within(settings, None)
    }

    /// The statistics of no text, which will hold to a budget.
    #[must_use]
    pub fn within(settings: Settings, budget: Option<Budget>) -> Self {
        let parts = vec![Part::default(); PARTS];
        Self { settings, n_documents: 0, passed: Passed::default(), parts, runs: Vec::new(), budget }
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

    /// Number of distinct terms, as far as that is known: after [`Self::compact`] it is.
    #[must_use]
    pub fn n_terms(&self) -> Option<u64> {
        let in_memory = self.parts.iter().map(|part| part.stats.len() as u64).sum();
        match (in_memory, self.runs.as_slice()) {
            (n_terms, []) => Some(n_terms),
            (0, [whole]) => Some(whole.n_terms()),
            _ => None,
        }
    }

    /// Whether terms are on disk.
    #[must_use]
    pub fn has_spilled(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Whether there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_terms() == Some(0)
    }

    /// Every term with its statistics, in order of term bytes, as `visit` takes them.
    ///
    /// # Errors
    /// [`Error::Storage`] for what is on disk; whatever `visit` returns.
    pub fn for_each(&self, visit: impl FnMut(&[u8], Stats) -> Result<()>) -> Result<()> {
        unwatched(|watch| self.by_bytes(1, watch)?.for_each(watch, visit))
    }

    /// Puts in a term that is not there yet, or else says so by the answer false.
    pub(crate) fn insert(&mut self, term: &[u8], stats: Stats) -> bool {
        let hash = crate::terms::interner::hash(term);
        let of = self.parts.len();
        self.parts[partition(hash, of)].insert(hash, term, stats)
    }

    /// Counts that come from a file: to be filled by [`Self::insert`], or all in a run.
    pub(crate) fn restored(settings: Settings, n_documents: u64, run: Option<(Arc<Run>, Budget)>) -> Self {
        let (runs, budget) = run.map_or((Vec::new(), None), |(run, budget)| (vec![run], Some(budget)));
        Self { n_documents, runs, ..Self::within(settings, budget) }
    }

    /// Counts all lines of `paths` on `plan.threads` threads.
    ///
    /// # Errors
    /// What reading says.
    pub fn count_files(settings: Settings, paths: &[PathBuf], plan: &Plan<'_>) -> Result<Self> {
        Self::count_blocks(settings, plan, |emit| reader::each_block(paths, plan.read, plan.progress, emit))
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
        let counted =
            if plan.threads <= 1 { alone(settings, plan, feed) } else { fan_out(settings, plan, feed) }?;
        let mut counts = Self::within(settings, plan.budget.cloned());
        counts.gather(counted, plan)?;
        Ok(counts)
    }

    fn gather(&mut self, counted: Vec<Counted>, plan: &Plan<'_>) -> Result<()> {
        let mut tables = Vec::new();
        for Counted { n_documents, passed, table, runs } in counted {
            self.n_documents += n_documents;
            self.passed.add(passed);
            self.runs.extend(runs);
            tables.push(table);
        }
        if self.budget.is_some() {
            give_back_free_memory();
        }
        // The tables, and the one that is made of them.
        if tables.len() > 1 && self.has_no_room_for(2 * bytes_of(&tables)) {
            let unseen = Progress::default();
            let watch = Watch { stop: plan.stop, progress: &unseen };
            return tables.iter().try_for_each(|table| self.spill(std::slice::from_ref(table), watch));
        }
        self.parts = match <[Part; 1]>::try_from(tables).map_err(<[Part; 2]>::try_from) {
            Ok(only) => only.into(),
            Err(Ok(two)) => vec![united(two)?],
            Err(Err(many)) => spread(&many, plan.threads)?,
        };
        self.parts.iter_mut().for_each(Part::shrink);
        Ok(())
    }

    fn has_no_room_for(&self, bytes: usize) -> bool {
        self.budget.as_ref().is_some_and(|budget| bytes > budget.bytes())
    }

    /// Writes the terms of tables, none of which is in two of them, to a run, if there is a budget.
    fn spill(&mut self, tables: &[Part], watch: Watch<'_>) -> Result<()> {
        if let Some(budget) = &self.budget
            && tables.iter().any(|table| !table.stats.is_empty())
        {
            let sorted = Sorted::new(tables, Order::Bytes, |_, _| true, 1, watch.stop)?;
            self.runs.push(sorted.write(budget.folder(), watch)?);
        }
        Ok(())
    }

    /// Writes what is in memory to a run.
    fn spill_own(&mut self, watch: Watch<'_>) -> Result<()> {
        let parts = std::mem::replace(&mut self.parts, vec![Part::default()]);
        self.spill(&parts, watch).inspect_err(|_| self.parts = parts)
    }

    /// The budget of an update, which takes what these counts do not.
    ///
    /// # Errors
    /// What the system says where they have to make room.
    pub fn make_room(&mut self, watch: Watch<'_>) -> Result<Option<Budget>> {
        let Some(budget) = self.budget.clone() else { return Ok(None) };
        if 2 * bytes_of(&self.parts) > budget.bytes() {
            self.spill_own(watch)?;
        }
        Ok(Some(budget.less(bytes_of(&self.parts))))
    }

    /// Brings all terms together, where they are not yet: in memory, if the budget has room for them and for sorting
    /// them, else in one run. What follows, saving and freezing, then need not do so itself.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses; [`Error::Interrupted`]. The counts are then as they were.
    pub fn compact(&mut self, watch: Watch<'_>) -> Result<()> {
        let Some(budget) = self.budget.clone() else { return Ok(()) };
        if !self.runs.is_empty() || self.has_no_room_for(bytes_of(&self.parts)) {
            self.spill_own(watch)?;
            self.runs = vec![merged(&self.runs, &budget, watch)?];
        }
        Ok(())
    }

    /// All terms in order of their bytes.
    pub(crate) fn by_bytes(&self, threads: usize, watch: Watch<'_>) -> Result<Sequence<'_>> {
        match self.whole(watch)? {
            None => Sequence::of_tables(&self.parts, Order::Bytes, &Sieve::ALL, threads, watch),
            Some(whole) => Sequence::of_run(&whole),
        }
    }

    /// The terms that pruning leaves, in the order of a table.
    pub(crate) fn by_score(
        &self,
        pruning: Pruning,
        threads: usize,
        watch: Watch<'_>,
    ) -> Result<Sequence<'_>> {
        let order = Order::Score(Idf::new(self.n_documents));
        if let (Some(whole), Some(budget)) = (self.whole(watch)?, &self.budget) {
            let sieve = Sieve::of_run(&whole, pruning, watch)?;
            return Sequence::of_run_sorted(&whole, order, &sieve, budget, watch);
        }
        let sieve = Sieve::of_tables(&self.parts, pruning);
        Sequence::of_tables(&self.parts, order, &sieve, threads, watch)
    }

    /// All terms in one run, if not all are in memory.
    fn whole(&self, watch: Watch<'_>) -> Result<Option<Arc<Run>>> {
        let Some(budget) = self.budget.as_ref().filter(|_| !self.runs.is_empty()) else { return Ok(None) };
        let mut all = Self { runs: self.runs.clone(), ..Self::within(self.settings, Some(budget.clone())) };
        all.spill(&self.parts, watch)?;
        merged(&all.runs, budget, watch).map(Some)
    }

    /// Adds the counts of other text: `N` and `df` add, the ratio takes the larger. Exact, in any order.
    ///
    /// Where only one side has a budget, it is the budget of the sum.
    ///
    /// # Errors
    /// [`Error::Option`] naming the setting that differs; [`Error::Input`] where the sum of `N` passes 64 bits;
    /// [`Error::Storage`] where a budget makes terms go to disk. The counts are then as they were.
    pub fn merge(&mut self, other: &Self, threads: usize) -> Result<()> {
        unwatched(|watch| self.merge_under(other, threads, watch))
    }

    /// [`Self::merge`], followed from outside.
    ///
    /// # Errors
    /// As [`Self::merge`]; [`Error::Interrupted`].
    pub fn merge_under(&mut self, other: &Self, threads: usize, watch: Watch<'_>) -> Result<()> {
        self.settings.check_same(other.settings)?;
        let n_documents = sum(self.n_documents, other.n_documents)?;
        self.budget = self.budget.take().or_else(|| other.budget.clone());
        let bytes = bytes_of(&self.parts) + bytes_of(&other.parts);
        if self.has_no_room_for(2 * bytes) {
            self.spill_own(watch)?;
            self.spill(&other.parts, watch)?;
        } else {
            self.add_tables(&other.parts, threads)?;
        }
        self.runs.extend(other.runs.iter().cloned());
        self.n_documents = n_documents;
        self.passed.add(other.passed);
        Ok(())
    }

    /// [`Self::merge_under`] with counts that are not needed any more, which saves a copy where these are empty.
    ///
    /// # Errors
    /// As [`Self::merge_under`].
    pub fn absorb(&mut self, mut other: Self, threads: usize, watch: Watch<'_>) -> Result<()> {
        if bytes_of(&self.parts) > 0 {
            return self.merge_under(&other, threads, watch);
        }
        std::mem::swap(&mut self.parts, &mut other.parts);
        let outcome = self.merge_under(&other, threads, watch);
        if outcome.is_err() {
            std::mem::swap(&mut self.parts, &mut other.parts);
        }
        outcome
    }

    /// Adds the terms of tables, none of which is in two of them.
    fn add_tables(&mut self, tables: &[Part], threads: usize) -> Result<()> {
        if tables.iter().all(|table| table.stats.is_empty()) {
            return Ok(()); // and what is one table need not become many
        }
        if threads > 1 && self.parts.len() == 1 {
            self.parts = spread(&self.parts, threads)?;
        }
        let of = self.parts.len();
        each_part(&mut self.parts, threads, |index, part| {
            for (i, table) in tables.iter().enumerate() {
                if tables.len() != of || i == index {
                    part.absorb(table, |hash| partition(hash, of) == index);
                }
            }
        })
    }
}

fn bytes_of(tables: &[Part]) -> usize {
    tables.iter().map(Part::memory).sum()
}

fn sum(ours: u64, theirs: u64) -> Result<u64> {
    ours.checked_add(theirs).ok_or_else(|| {
        Error::Input(format!("counts do not merge: {ours} and {theirs} documents are more than 64 bits hold"))
    })
}

/// Runs by term bytes as one.
fn merged(runs: &[Arc<Run>], budget: &Budget, watch: Watch<'_>) -> Result<Arc<Run>> {
    if let [whole] = runs {
        return Ok(Arc::clone(whole));
    }
    Merge::new(runs.to_vec(), Order::Bytes, budget.folder(), watch)?.write(budget.folder(), watch)
}

/// Two tables as one: the larger takes the smaller in, without two more tables in memory.
fn united(mut tables: [Part; 2]) -> Result<Part> {
    tables.sort_unstable_by_key(|table| std::cmp::Reverse(table.stats.len()));
    let [mut larger, smaller] = tables;
    if smaller.stats.len() < WORTH_A_THREAD {
        larger.absorb(&smaller, |_| true);
    } else {
        larger.absorb_on_two(&smaller)?;
    }
    Ok(larger)
}

/// The terms of tables, shared out among [`PARTS`] partitions.
fn spread(tables: &[Part], threads: usize) -> Result<Vec<Part>> {
    let mut parts = vec![Part::default(); PARTS];
    each_part(&mut parts, threads, |index, part| {
        for table in tables {
            part.absorb(table, |hash| partition(hash, PARTS) == index);
        }
    })?;
    Ok(parts)
}

/// Runs `work` on every partition, spread over `threads` threads.
fn each_part(parts: &mut [Part], threads: usize, work: impl Fn(usize, &mut Part) + Sync) -> Result<()> {
    let parts = parts.iter_mut().enumerate().collect();
    threads::each_on(parts, threads, |(index, part)| {
        work(index, part);
        Ok(())
    })
    .map(|_: Vec<()>| ())
}

/// Counts batches where they are emitted.
fn alone<E: From<Error>>(
    settings: Settings,
    plan: &Plan<'_>,
    feed: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>,
) -> std::result::Result<Vec<Counted>, E> {
    let mut local = Local::new(settings, plan);
    feed(&mut |batch| local.count(&batch, plan))?;
    Ok(vec![local.finish(plan)?])
}

/// Feeds batches to `plan.threads` workers, or as many as the system has to give; each returns its own table.
fn fan_out<E: From<Error>>(
    settings: Settings,
    plan: &Plan<'_>,
    feed: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>,
) -> std::result::Result<Vec<Counted>, E> {
    let (sender, receiver) = bounded::<(u64, Batch)>(2 * plan.threads);
    let faults: Mutex<Vec<(u64, Error)>> = Mutex::new(Vec::new());
    let failed = AtomicBool::new(false);
    let work = |receiver: Receiver<(u64, Batch)>| {
        let mut local = Local::new(settings, plan);
        let fail = |order, error| {
            failed.store(true, Ordering::Relaxed);
            lock(&faults).push((order, error));
        };
        // After a fault the queue is still emptied: an earlier block may hold an earlier fault.
        for (order, batch) in receiver {
            local.count(&batch, plan).unwrap_or_else(|error| fail(order, error));
        }
        local.finish(plan).map_err(|error| fail(u64::MAX, error)).ok()
    };
    std::thread::scope(|scope| {
        let start = |_| {
            let receiver = receiver.clone();
            threads::start(scope, || work(receiver))
        };
        let workers: Vec<_> = (0..plan.threads).map_while(start).collect();
        if workers.is_empty() {
            return alone(settings, plan, feed);
        }
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
        let counted: Vec<_> = workers.into_iter().map(ScopedJoinHandle::join).collect();
        if let Some((_, first)) = lock(&faults).drain(..).min_by_key(|&(order, _)| order) {
            return Err(first.into());
        }
        outcome?;
        let panicked = || Error::Internal("a counting thread panicked".into()).into();
        counted.into_iter().map(|counted| counted.ok().flatten().ok_or_else(panicked)).collect()
    })
}
