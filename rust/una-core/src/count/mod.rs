//! Counting: in one pass, on all threads, how many sentences hold each term and how large a part of one it ever is.
//!
//! In the words of databases: *hash aggregation with spilling, then an external sort by k-way merge*. Workers add up
//! sentences in hash tables of their own (`worker`, `term_map`); these are merged, one partition of the terms to a
//! thread. Under a [`MemoryLimit`] a worker whose table is full writes it to a sorted `run`, and the runs are merged
//! when the terms are asked for (`spill`, `merge`).
//!
//! The state is integers that merge exactly (see [`TermCounts::merge`]), so that threads, blocks, file order and shards
//! cannot change it.

mod accumulator;
mod merge;
mod ngrams;
mod phrase_ids;
mod piece_cache;
mod pieces;
mod prune;
mod run;
mod sort;
mod spill;
mod term_map;
mod unknown;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use crate::arch::give_back_free_memory;
use crate::error::{Error, Result};
use crate::progress::{Stop, Work};
use crate::terms::interner::hash;
use crate::text::{self, Block, Skipped};
use crate::tfidf::{Idf, TermStats};
use crate::threads;
use crate::tokenize::Settings;
use merge::Merge;
use prune::PruneFilter;
use run::Run;
use sort::{Order, Sorted};
use term_map::{TermMap, Undo};
use worker::PartialCounts;

pub use prune::Pruning;
pub use run::MemoryLimit;
pub use worker::{Batch, CountOptions};

pub(crate) use ngrams::{NgramRange, Ngrams};
pub(crate) use piece_cache::TermLookup;
pub(crate) use run::RunWriter;
pub(crate) use sort::part_of;
pub(crate) use spill::SortedTerms;

/// Terms are spread over this many partitions, so that as many threads can merge without a lock.
const PARTITIONS: usize = 16;

/// Terms for which another thread is worth its start when two maps become one.
const WORTH_A_THREAD: usize = 1 << 13;

/// Terms for which another thread is worth having when a map is added to counts of partitions: each looks at all of them.
const ADDED_BY_A_THREAD: u64 = 1 << 16;

/// The partition, of `of`, that a term belongs to. These are bits of the hash that the maps themselves hardly use.
const fn partition(hash: u64, of: usize) -> usize {
    (hash >> 40) as usize % of
}

/// Terms in memory, each once.
#[derive(Debug, Clone)]
enum TermMaps {
    /// One map of all terms: what few threads counted, or nothing yet.
    Whole(TermMap),
    /// [`PARTITIONS`] maps, with each term in that of its [`partition`]: what many threads merged.
    Partitioned(Vec<TermMap>),
}

impl Default for TermMaps {
    fn default() -> Self {
        Self::Whole(TermMap::default())
    }
}

impl TermMaps {
    fn as_slice(&self) -> &[TermMap] {
        match self {
            Self::Whole(map) => std::slice::from_ref(map),
            Self::Partitioned(maps) => maps,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [TermMap] {
        match self {
            Self::Whole(map) => std::slice::from_mut(map),
            Self::Partitioned(maps) => maps,
        }
    }

    /// Bytes of memory that the terms take, sorting included.
    fn memory(&self) -> usize {
        memory_of(self.as_slice())
    }

    fn len(&self) -> u64 {
        self.as_slice().iter().map(|map| map.stats.len() as u64).sum()
    }

    /// The map that holds the terms of this hash.
    fn map_of(&mut self, hash: u64) -> &mut TermMap {
        match self {
            Self::Whole(map) => map,
            Self::Partitioned(maps) => &mut maps[partition(hash, PARTITIONS)],
        }
    }
}

fn memory_of(maps: &[TermMap]) -> usize {
    maps.iter().map(TermMap::memory).sum()
}

/// The exact, mergeable statistics of a corpus.
///
/// ```
/// use una_core::{Settings, TermCounts, Work};
///
/// let sentences = ["the cat slept", "a dog slept", "the cat"];
/// let mut counts = TermCounts::count_sentences(Settings::default(), sentences, Work::default())?;
/// assert_eq!(counts.n_documents(), 3);
///
/// // The counts of more text add up, in any order, to those of all of it.
/// let more = TermCounts::count_sentences(Settings::default(), ["the dog barked"], Work::default())?;
/// counts.merge(&more, Work::default())?;
/// let mut frequent = Vec::new();
/// counts.for_each(|term, stats| {
///     if stats.df > 2 {
///         frequent.push((String::from_utf8_lossy(term).into_owned(), stats.df));
///     }
///     Ok(())
/// })?;
/// assert_eq!(frequent, [("the".to_owned(), 3)]);
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct TermCounts {
    settings: Settings,
    n_documents: u64,
    skipped: Skipped,
    maps: TermMaps,
    /// Terms that memory had no room for, in order of their bytes. A term may be in several runs, and in memory.
    runs: Vec<Arc<Run>>,
    /// Invariant: given where there are runs.
    limit: Option<MemoryLimit>,
}

impl TermCounts {
    /// The statistics of no text, which will keep to a memory limit if there is one.
    #[must_use]
    pub fn new(settings: Settings, limit: Option<MemoryLimit>) -> Self {
        Self {
            settings,
            n_documents: 0,
            skipped: Skipped::default(),
            maps: TermMaps::default(),
            runs: Vec::new(),
            limit,
        }
    }

    /// The tokenizer and the case of the text that was counted.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Number of sentences counted, `N`.
    #[must_use]
    pub const fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// Lines that became no document.
    #[must_use]
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// Adds to the lines that became no document.
    pub const fn add_skipped(&mut self, skipped: Skipped) {
        self.skipped.add(skipped);
    }

    /// Number of distinct terms, as far as that is known: after [`Self::compact`] it is.
    #[must_use]
    pub fn n_terms(&self) -> Option<u64> {
        match (self.maps.len(), self.runs.as_slice()) {
            (n_terms, []) => Some(n_terms),
            (0, [whole]) => Some(whole.n_terms()),
            _ => None,
        }
    }

    /// Returns true where terms are on disk.
    #[must_use]
    pub fn has_spilled(&self) -> bool {
        !self.runs.is_empty()
    }

    /// Returns true where there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_terms() == Some(0)
    }

    /// Every term with its statistics, in order of term bytes, as `visit` takes them.
    ///
    /// # Errors
    /// [`Error::Storage`] for what is on disk; whatever `visit` returns.
    pub fn for_each(&self, visit: impl FnMut(&[u8], TermStats) -> Result<()>) -> Result<()> {
        self.by_bytes(Work::default())?.for_each(Work::default(), visit)
    }

    /// Inserts a term. Returns false, and changes nothing, if it was already there.
    pub(crate) fn insert(&mut self, term: &[u8], stats: TermStats) -> Result<bool> {
        let hash = hash(term);
        self.maps.map_of(hash).insert(hash, term, stats)
    }

    /// Makes room for so many terms more, of so many bytes together.
    pub(crate) fn try_reserve(&mut self, terms: usize, bytes: usize) -> Result<()> {
        match &mut self.maps {
            TermMaps::Whole(map) => map.try_reserve(terms, bytes),
            TermMaps::Partitioned(_) => Ok(()), // each grows as it must
        }
    }

    /// Counts that come from a file: to be filled by [`Self::insert`], or all in a run.
    pub(crate) fn restored(
        settings: Settings,
        n_documents: u64,
        run: Option<(Arc<Run>, MemoryLimit)>,
    ) -> Self {
        let (runs, limit) = run.map_or((Vec::new(), None), |(run, limit)| (vec![run], Some(limit)));
        Self { n_documents, runs, ..Self::new(settings, limit) }
    }

    /// Counts sentences that are in memory; white space alone is no document.
    ///
    /// # Errors
    /// [`Error::Input`] for a NUL, by sentence; [`Error::Option`] where the tokenizer is not of this crate.
    pub fn count_sentences<S: AsRef<str>>(
        settings: Settings,
        sentences: impl IntoIterator<Item = S>,
        work: Work<'_>,
    ) -> Result<Self> {
        let mut rows = text::Rows::default();
        Self::count_blocks(settings, CountOptions::default(), work, |emit| {
            for sentence in sentences {
                rows.push(Some(sentence.as_ref().as_bytes()))?;
                if rows.is_full() {
                    emit(rows.take())?;
                }
            }
            emit(rows.take())
        })
    }

    /// Counts all lines of files.
    ///
    /// # Errors
    /// What reading says.
    pub fn count_files(
        settings: Settings,
        paths: &[PathBuf],
        options: CountOptions<'_>,
        work: Work<'_>,
    ) -> Result<Self> {
        Self::count_blocks(settings, options, work, |emit| {
            text::each_block(paths, options.read, work.progress, emit)
        })
    }

    /// Counts the blocks that `feed` hands over, on the threads of `work` beside the one that feeds. With one thread,
    /// blocks are counted where they are handed over.
    ///
    /// # Errors
    /// What `feed` returns, and the first fault by place in the text, whichever thread met it.
    pub fn count_blocks<E: From<Error>>(
        settings: Settings,
        options: CountOptions<'_>,
        work: Work<'_>,
        feed: impl FnOnce(&mut dyn FnMut(Block) -> Result<()>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        Self::count_batches(settings, options, work, |emit| feed(&mut |block| emit(Batch::Text(block))))
    }

    /// [`Self::count_blocks`], of text or of sentences that are cut already.
    ///
    /// # Errors
    /// As there; [`Error::Option`] for text where the tokenizer is not of this crate.
    pub fn count_batches<E: From<Error>>(
        settings: Settings,
        options: CountOptions<'_>,
        work: Work<'_>,
        feed: impl FnOnce(&mut dyn FnMut(Batch) -> Result<()>) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let counted = worker::count(&settings, options, work, feed)?;
        let mut counts = Self::new(settings, options.memory_limit.cloned());
        counts.gather(counted, work)?;
        Ok(counts)
    }

    /// Makes the counts of all workers one.
    fn gather(&mut self, counted: Vec<PartialCounts>, work: Work<'_>) -> Result<()> {
        let mut maps = Vec::new();
        for PartialCounts { n_documents, skipped, map, runs } in counted {
            self.n_documents += n_documents;
            self.skipped.add(skipped);
            self.runs.extend(runs);
            maps.push(map);
        }
        if self.limit.is_some() {
            give_back_free_memory();
        }
        // Merging holds the maps and their sum at once. Where the limit has no room for both, all go to disk as they
        // are, and are merged when they are asked for: one thread's map at a time, so that none is held twice.
        if maps.len() > 1 && self.has_no_room_for(2 * memory_of(&maps)) {
            return maps.iter().try_for_each(|map| self.spill(std::slice::from_ref(map), work.unseen()));
        }
        // Most terms of a worker are in the maps of the others too. Of one map there is nothing to merge. Two become
        // one in place: the larger takes the smaller in, so that the fewest terms move and no third map is made. More
        // are spread over partitions by hash, which threads merge without a lock; one map after another would leave all
        // threads but one idle.
        self.maps = match <[TermMap; 1]>::try_from(maps).map_err(<[TermMap; 2]>::try_from) {
            Ok([only]) => TermMaps::Whole(only),
            Err(Ok(two)) => TermMaps::Whole(united(two, work.stop)?),
            Err(Err(many)) => TermMaps::Partitioned(spread(&many, work)?),
        };
        self.maps.as_mut_slice().iter_mut().for_each(TermMap::shrink);
        Ok(())
    }

    fn has_no_room_for(&self, bytes: usize) -> bool {
        self.limit.as_ref().is_some_and(|limit| bytes > limit.bytes())
    }

    /// Writes the terms of maps, none of which is in two of them, to a run, if there is a limit.
    fn spill(&mut self, maps: &[TermMap], work: Work<'_>) -> Result<()> {
        if let Some(limit) = &self.limit
            && maps.iter().any(|map| !map.stats.is_empty())
        {
            let sorted = Sorted::new(maps, Order::Bytes, |_, _| true, work.alone())?;
            self.runs.push(sorted.write(limit.dir(), work)?);
        }
        Ok(())
    }

    /// Writes what is in memory to a run.
    fn spill_own(&mut self, work: Work<'_>) -> Result<()> {
        let maps = std::mem::take(&mut self.maps);
        self.spill(maps.as_slice(), work).inspect_err(|_| self.maps = maps)
    }

    /// Makes room for an update where the terms held leave little of the memory limit. Returns the limit that is left
    /// for the update.
    ///
    /// # Errors
    /// What the system says where terms have to go to disk.
    pub fn make_room(&mut self, work: Work<'_>) -> Result<Option<MemoryLimit>> {
        let Some(limit) = self.limit.clone() else { return Ok(None) };
        // Half, not all: what is left over has to be worth a worker's table, or the update would spill every few
        // sentences into runs that are all merged again.
        if 2 * self.maps.memory() > limit.bytes() {
            self.spill_own(work)?;
        }
        Ok(Some(limit.less(self.maps.memory())))
    }

    /// Brings all terms together, where they are not yet: in memory, if the limit has room for them and for sorting
    /// them, else in one run. What follows, saving and freezing, then need not do so itself.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses; [`Error::Interrupted`]. The counts are then as they were.
    pub fn compact(&mut self, work: Work<'_>) -> Result<()> {
        let Some(limit) = self.limit.clone() else { return Ok(()) };
        if !self.runs.is_empty() || self.has_no_room_for(self.maps.memory()) {
            // After this line the same terms lie in memory or in a run, so that an error in either leaves the counts
            // as they were. The runs go only when the one that takes their place is finished.
            self.spill_own(work)?;
            self.runs = vec![merged(&self.runs, &limit, work)?];
        }
        Ok(())
    }

    /// All terms in order of their bytes.
    pub(crate) fn by_bytes(&self, work: Work<'_>) -> Result<SortedTerms<'_>> {
        match self.whole(work)? {
            None => SortedTerms::of_maps(self.maps.as_slice(), Order::Bytes, |_, _| true, work),
            Some(whole) => SortedTerms::of_run(&whole),
        }
    }

    /// All terms in order of the part, of so many, that they belong to; those of a part in order of their bytes.
    pub(crate) fn by_part(&self, parts: u32, work: Work<'_>) -> Result<SortedTerms<'_>> {
        let order = Order::Part(parts);
        if let (Some(whole), Some(limit)) = (self.whole(work)?, &self.limit) {
            return SortedTerms::of_run_sorted(&whole, order, |_, _| true, limit, work);
        }
        SortedTerms::of_maps(self.maps.as_slice(), order, |_, _| true, work)
    }

    /// The terms that pruning leaves, in the order of a table.
    pub(crate) fn by_score(&self, pruning: Pruning, work: Work<'_>) -> Result<SortedTerms<'_>> {
        let order = Order::Score(Idf::new(self.n_documents));
        if let (Some(whole), Some(limit)) = (self.whole(work)?, &self.limit) {
            let filter = PruneFilter::of_run(&whole, pruning, work)?;
            let keep = |term: &[u8], stats| filter.keeps(term, stats);
            return SortedTerms::of_run_sorted(&whole, order, keep, limit, work);
        }
        let maps = self.maps.as_slice();
        let filter = PruneFilter::of_maps(maps, pruning);
        SortedTerms::of_maps(maps, order, |term, stats| filter.keeps(term, stats), work)
    }

    /// All terms in one run, if not all are in memory.
    fn whole(&self, work: Work<'_>) -> Result<Option<Arc<Run>>> {
        let Some(limit) = self.limit.as_ref().filter(|_| !self.runs.is_empty()) else { return Ok(None) };
        // Of `&self`, so that saving can be asked of counts that others still read: a run of what is in memory is made
        // for this call alone, and its file goes with it.
        let mut all =
            Self { runs: self.runs.clone(), ..Self::new(self.settings.clone(), Some(limit.clone())) };
        all.spill(self.maps.as_slice(), work)?;
        merged(&all.runs, limit, work).map(Some)
    }

    /// Adds the counts of other text: `N` and `df` add, the ratio takes the larger. Exact, in any order.
    ///
    /// Where only one side has a memory limit, it is the limit of the sum.
    ///
    /// # Errors
    /// [`Error::Option`] naming the setting that differs; [`Error::Input`] where the sum of `N` passes 64 bits;
    /// [`Error::Storage`] where a limit makes terms go to disk; [`Error::Interrupted`]. The counts are then as they
    /// were.
    pub fn merge(&mut self, other: &Self, work: Work<'_>) -> Result<()> {
        self.settings.check_same(&other.settings)?;
        let n_documents = sum(self.n_documents, other.n_documents)?;
        self.limit = self.limit.take().or_else(|| other.limit.clone());
        // Twice: no one knows how many terms the two share, and a table that grows holds its old slots for a while.
        if self.has_no_room_for(2 * (self.maps.memory() + other.maps.memory())) {
            self.spill_own(work)?;
            self.spill(other.maps.as_slice(), work)?;
        } else {
            self.add_maps(&other.maps, work)?;
        }
        self.runs.extend(other.runs.iter().cloned());
        self.n_documents = n_documents;
        self.skipped.add(other.skipped);
        Ok(())
    }

    /// [`Self::merge`] with counts that are not needed any more, which saves a copy where these are empty.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn absorb(&mut self, mut other: Self, work: Work<'_>) -> Result<()> {
        if self.maps.len() > 0 {
            return self.merge(&other, work);
        }
        // The empty side takes the maps over instead of copying them; the merge then adds nothing to them but what is
        // not of maps: documents, runs, settings.
        std::mem::swap(&mut self.maps, &mut other.maps);
        let outcome = self.merge(&other, work);
        if outcome.is_err() {
            std::mem::swap(&mut self.maps, &mut other.maps);
        }
        outcome
    }

    /// Adds the terms of other counts of the same documents, which hold none of these.
    ///
    /// # Errors
    /// As [`Self::merge`].
    pub fn absorb_terms(&mut self, other: Self, work: Work<'_>) -> Result<()> {
        self.absorb(Self { n_documents: 0, ..other }, work)
    }

    /// Adds the terms of other counts.
    fn add_maps(&mut self, other: &TermMaps, work: Work<'_>) -> Result<()> {
        if other.len() == 0 {
            return Ok(()); // and a whole map need not be spread
        }
        let worth_while = 1 + other.len() / ADDED_BY_A_THREAD;
        let work = Work { threads: worth_while.min(work.threads as u64) as usize, ..work };
        // Partitions are what lets several threads write: each has maps that no other touches.
        if work.threads > 1
            && let TermMaps::Whole(own) = &self.maps
        {
            self.maps = TermMaps::Partitioned(spread(std::slice::from_ref(own), work)?);
        }
        let mut undos: Vec<_> = self.maps.as_slice().iter().map(|_| Undo::default()).collect();
        let outcome = match (&mut self.maps, other) {
            (TermMaps::Whole(own), _) => {
                let others = other.as_slice();
                others.iter().try_for_each(|map| own.absorb(map, work.stop, |_| true, undos.first_mut()))
            }
            (TermMaps::Partitioned(own), TermMaps::Partitioned(others)) => {
                each_map(own.iter_mut().zip(&mut undos), work, |index, (map, undo)| {
                    map.absorb(&others[index], work.stop, |_| true, Some(undo))
                })
            }
            // A partition has no like on the other side: its thread walks over the whole map there and takes the terms
            // that are its own. That costs it a look at every hash, but no lock and no copy.
            (TermMaps::Partitioned(own), TermMaps::Whole(others)) => {
                each_map(own.iter_mut().zip(&mut undos), work, |index, (map, undo)| {
                    map.absorb(others, work.stop, |hash| partition(hash, PARTITIONS) == index, Some(undo))
                })
            }
        };
        if outcome.is_err() {
            self.maps.as_mut_slice().iter_mut().zip(&undos).for_each(|(map, undo)| map.undo(undo));
        }
        outcome
    }

    /// Adds these counts to themselves: [`Self::merge`] with a copy, without the copy.
    ///
    /// # Errors
    /// [`Error::Input`] where the sum of `N` passes 64 bits. The counts are then as they were.
    pub fn double(&mut self) -> Result<()> {
        self.n_documents = sum(self.n_documents, self.n_documents)?;
        for map in self.maps.as_mut_slice() {
            map.stats.iter_mut().for_each(|stats| stats.merge(*stats));
        }
        self.runs.extend_from_within(..);
        self.skipped.add(self.skipped);
        Ok(())
    }
}

fn sum(ours: u64, theirs: u64) -> Result<u64> {
    ours.checked_add(theirs).ok_or_else(|| {
        Error::Input(format!("counts do not merge: {ours} and {theirs} documents are more than 64 bits hold"))
    })
}

/// Runs by term bytes as one.
fn merged(runs: &[Arc<Run>], limit: &MemoryLimit, work: Work<'_>) -> Result<Arc<Run>> {
    if let [whole] = runs {
        return Ok(Arc::clone(whole));
    }
    Merge::new(runs.to_vec(), Order::Bytes, limit.dir(), work)?.write(limit.dir(), work)
}

/// Two maps as one: the larger takes the smaller in, without a third map in memory.
fn united(mut maps: [TermMap; 2], stop: &Stop) -> Result<TermMap> {
    maps.sort_unstable_by_key(|map| std::cmp::Reverse(map.stats.len()));
    let [mut larger, smaller] = maps;
    if smaller.stats.len() < WORTH_A_THREAD {
        larger.absorb(&smaller, stop, |_| true, None)?;
    } else {
        larger.absorb_on_two(&smaller, stop)?;
    }
    Ok(larger)
}

/// The terms of maps, spread over [`PARTITIONS`].
fn spread(maps: &[TermMap], work: Work<'_>) -> Result<Vec<TermMap>> {
    // Every thread reads all the maps and writes only its own partitions. Reading a hash is cheap, being one of many
    // in a row; a lock around each partition would cost more than all threads but one give.
    let mut partitions = vec![TermMap::default(); PARTITIONS];
    each_map(partitions.iter_mut(), work, |index, own| {
        let belongs = |hash| partition(hash, PARTITIONS) == index;
        maps.iter().try_for_each(|map| own.absorb(map, work.stop, belongs, None))
    })?;
    Ok(partitions)
}

/// Does something to every map, by its number, spread over the threads of the work.
fn each_map<M: Send>(
    maps: impl Iterator<Item = M>,
    work: Work<'_>,
    change: impl Fn(usize, M) -> Result<()> + Sync,
) -> Result<()> {
    threads::map(maps.enumerate().collect(), work.threads, |(index, map)| change(index, map)).map(|_| ())
}
