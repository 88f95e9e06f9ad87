//! How often each term occurs in each document: the rows of a document-term matrix, and its vocabulary.
//!
//! Threads take stretches of documents, each with terms and ids of its own. In the end the terms of all are sorted as
//! one, and ids become columns. `count_slowly`, in the tests, is the twin: a map of strings.

use std::cmp::Ordering;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering as Memory};

use bytemuck::Zeroable;

use crate::arch::{self, prefetch_at};
use crate::count::{NgramRange, Ngrams, TermLookup};
use crate::error::{Error, Result};
use crate::memory;
use crate::progress::{Stop, Work};
use crate::ragged::{Offsets, Ragged, cut};
use crate::terms::index::prefix;
use crate::terms::order::{Keyed, sort_by_key};
use crate::terms::{Interner, TermArena};
use crate::threads::{self, split_at_medians};
use crate::tokenize::{Settings, Tokenizer};

/// Documents that a thread takes at a time.
const STRETCH: usize = 1 << 10;

/// Terms beside a known vocabulary that are remembered: more are forgotten, and found again where they occur.
const REMEMBERED: usize = 1 << 18;

/// Bytes that counting a document takes for each of its terms.
const A_TERM: usize = 200;

/// Terms that are fetched ahead.
const AHEAD: usize = 16;

/// Documents that are fetched ahead: each lies somewhere else in memory.
const DOCUMENTS_AHEAD: usize = 4;

/// Bytes of a document that are fetched; the machine sees by itself that more are read.
const FETCHED: usize = 256;

/// Terms that are sorted at a stretch: the longest time in which nobody looks whether to stop.
const SORTED_AT_ONCE: usize = 1 << 19;

/// Values from which a block is full. Its memory is then large enough to go back to the system when it is freed.
const BLOCK: usize = 1 << 19;

/// The bit of an id that says that the term is in the document more than once.
const REPEATED: u32 = 1 << 31;

/// The rules by which a document becomes terms.
#[derive(Debug, Clone)]
pub struct Analysis {
    /// The rule that cuts a document into tokens; one of this crate.
    pub tokenizer: Tokenizer,
    /// True where documents are lower-cased first.
    pub lowercase: bool,
    /// Tokens that are left out before any are joined.
    pub stop_words: Vec<String>,
    /// The least number of tokens in a row that are a term, at least 1.
    pub least: u32,
    /// The largest number, not below `least`.
    pub most: u32,
}

impl Default for Analysis {
    fn default() -> Self {
        Self { tokenizer: Tokenizer::Word, lowercase: true, stop_words: Vec::new(), least: 1, most: 1 }
    }
}

/// Terms that have columns already.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary(Interner);

impl Vocabulary {
    /// A vocabulary of these terms, in order of their columns.
    ///
    /// # Errors
    /// [`Error::Input`] where a term stands twice; [`Error::OutOfMemory`].
    pub fn new(terms: &[&str]) -> Result<Self> {
        Self::of_bytes(terms.iter().map(|term| term.as_bytes()))
    }

    /// [`Self::new`] of terms in an arena.
    ///
    /// # Errors
    /// Those of [`Self::new`].
    pub fn of(terms: &TermArena) -> Result<Self> {
        Self::of_bytes((0..terms.len() as u32).map(|column| terms.get(column)))
    }

    fn of_bytes<'t>(terms: impl ExactSizeIterator<Item = &'t [u8]> + Clone) -> Result<Self> {
        let mut interner = Interner::default();
        interner.try_reserve(terms.len(), terms.clone().map(<[u8]>::len).sum())?;
        for (column, term) in terms.enumerate() {
            if interner.intern(term) != (column as u32, true) {
                let term = String::from_utf8_lossy(term);
                return Err(Error::Input(format!("the term {term:?} stands twice in the vocabulary")));
            }
        }
        Ok(Self(interner))
    }
}

/// A document-term matrix in compressed form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentTerms<V> {
    /// The columns of each document's terms: those of a vocabulary ascending, others in the order in which the terms were
    /// first met, in this document or one before it.
    pub columns: Ragged<u32>,
    /// How often each of them occurs there.
    pub counts: Vec<V>,
    /// Of each column, in how many documents its term is.
    pub df: Vec<u32>,
}

/// Counts the terms of documents.
///
/// ```
/// use una_core::Work;
/// use una_core::document_terms::{Analysis, DocumentCounter};
///
/// let mut counter = DocumentCounter::new(Analysis::default(), None);
/// counter.add(&["The cat and the dog", "A cat"], Work::default())?;
/// let (terms, rows) = counter.finish::<u32>(Work::default())?;
/// assert_eq!(terms.bytes(), b"andcatdogthe");
/// assert_eq!((rows.columns.get(0), rows.columns.get(1)), (&[3, 1, 0, 2][..], &[1][..]));
/// assert_eq!(rows.counts, [2, 1, 1, 1, 1]);
/// assert_eq!(rows.df, [1, 2, 1, 1]);
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug)]
pub struct DocumentCounter {
    analysis: Analysis,
    known: Option<Arc<Vocabulary>>,
    workers: Vec<Worker>,
    /// What was counted, in the order of the documents.
    parts: Vec<Part>,
}

/// The rows of a stretch of documents: where their counts lie.
#[derive(Debug)]
struct Part {
    worker: usize,
    /// Which of the worker's blocks.
    block: usize,
    /// Their rows there.
    rows: Range<usize>,
    /// Where their repeats begin there.
    repeats: usize,
}

/// The terms of documents with the ids of the worker that counted them, in four bytes each: most terms are in a document
/// once.
#[derive(Debug, Default)]
struct Block {
    /// The ids of each document; those with the bit [`REPEATED`] are there more than once.
    ids: Ragged<u32>,
    /// How often, of one after another of these.
    repeats: Vec<u32>,
}

impl Block {
    fn push(&mut self, row: &[Occurrences]) {
        let ids = self.ids.values_mut();
        for &value in row {
            let count = value as u32;
            ids.push(term_of(value) | if count > 1 { REPEATED } else { 0 });
            if count > 1 {
                self.repeats.push(count);
            }
        }
        self.ids.end_list();
    }
}

/// A number of a term, above how often it occurs in a document.
type Occurrences = u64;

const fn occurrences(of: u32, count: u32) -> Occurrences {
    (of as u64) << 32 | count as u64
}

const fn term_of(occurrences: Occurrences) -> u32 {
    (occurrences >> 32) as u32
}

impl DocumentCounter {
    /// A counter of all terms, or of those of a vocabulary.
    #[must_use]
    pub const fn new(analysis: Analysis, known: Option<Arc<Vocabulary>>) -> Self {
        Self { analysis, known, workers: Vec::new(), parts: Vec::new() }
    }

    /// Counts more documents.
    ///
    /// # Errors
    /// [`Error::Input`] for a document of 4 GiB; [`Error::OutOfMemory`]; [`Error::Interrupted`]. The counter is of no
    /// use then.
    pub fn add(&mut self, documents: &[&str], work: Work<'_>) -> Result<()> {
        let stretches: Vec<_> = documents.chunks(STRETCH).collect();
        let n_workers = work.threads.clamp(1, stretches.len().max(1));
        let (analysis, known) = (&self.analysis, self.known.as_deref());
        let missing = (self.workers.len()..n_workers).collect();
        self.workers.extend(threads::map(missing, work.threads, |_: usize| Worker::new(analysis, known))?);
        let (next, before) = (AtomicUsize::new(0), self.parts.len());
        let workers = self.workers[..n_workers].iter_mut().enumerate().collect();
        // Every worker goes on until nothing is left: whoever has the harder documents takes fewer.
        let counted = threads::map(workers, work.threads, |(number, worker): (usize, &mut Worker)| {
            let mut parts = Vec::new();
            loop {
                let at = next.fetch_add(1, Memory::Relaxed);
                let Some(stretch) = stretches.get(at) else { return Ok(parts) };
                worker.stretches.push((before + at, worker.seen.len()));
                parts.push((at, worker.count(stretch, number, work.stop)?));
            }
        })?;
        let mut counted: Vec<_> = counted.into_iter().flatten().collect();
        counted.sort_unstable_by_key(|&(at, _)| at);
        self.parts.extend(counted.into_iter().map(|(_, part)| part));
        Ok(())
    }

    /// The terms in order of their bytes, which is that of their columns, and the rows of all documents. Where the
    /// vocabulary was known no terms are returned, and columns are its own.
    ///
    /// # Errors
    /// [`Error::Input`] where there are 2^31 terms or more; [`Error::OutOfMemory`]; [`Error::Interrupted`].
    pub fn finish<V>(self, work: Work<'_>) -> Result<(TermArena, DocumentTerms<V>)>
    where
        V: From<u32> + Zeroable + Send,
    {
        let Self { known, mut workers, parts, .. } = self;
        let blocks =
            workers.iter_mut().map(|worker| take(&mut worker.blocks).into_iter().map(Arc::new).collect());
        let blocks: Vec<Vec<Arc<Block>>> = blocks.collect();
        let (terms, numbers) = match &known {
            Some(known) => (TermArena::default(), Numbers::of_known(&workers, known.0.len())?),
            None => numbered(&workers, work)?,
        };
        drop(workers);
        Ok((terms, gathered(parts, blocks, numbers, work)?))
    }
}

/// One thread's terms and buffers.
#[derive(Debug)]
struct Worker {
    most: u32,
    lookup: TermLookup,
    interner: Interner,
    /// Terms that are never forgotten: those of the vocabulary, then stop words.
    n_kept: usize,
    /// Ids from here on have no column; where no vocabulary is known, all have one.
    n_known: u32,
    /// By id, true for a stop word.
    stops: Vec<bool>,
    ngrams: Option<Ngrams>,
    words: Ragged<u32>,
    /// By id, where it stands among the terms of a document.
    marks: Vec<Mark>,
    document: u32,
    /// The terms of one document.
    row: Vec<Occurrences>,
    /// Those of all.
    blocks: Vec<Block>,
    /// The ids of terms in the order in which they were met: not every stop word is, nor what is only the start of a
    /// term. Empty where a vocabulary is known.
    seen: Vec<u32>,
    /// The stretches that this worker counted, by number among all, and how many terms had been seen before each.
    stretches: Vec<(usize, usize)>,
}

/// The last document in which a term was seen, and its place there; the number 0 is of none.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    document: u32,
    at: u32,
    /// In how many documents it was seen.
    df: u32,
}

impl Worker {
    fn new(analysis: &Analysis, known: Option<&Vocabulary>) -> Result<Self> {
        let Analysis { tokenizer, lowercase, ref stop_words, least, most } = *analysis;
        let settings = Settings { tokenizer, lowercase, ..Settings::default() };
        let mut interner = Interner::default();
        if let Some(Vocabulary(known)) = known {
            // A copy asks for memory without a way to say that there is none.
            Vec::<u8>::new().try_reserve_exact(known.memory_for(known.len(), known.bytes().len()))?;
            interner = known.clone();
        }
        let n_known = if known.is_some() { interner.len() as u32 } else { u32::MAX };
        let mut stops = Vec::new();
        for word in stop_words {
            let id = interner.intern(word.as_bytes()).0 as usize;
            stops.resize(stops.len().max(id + 1), false);
            stops[id] = true;
        }
        let range = NgramRange { least, most };
        Ok(Self {
            most,
            lookup: TermLookup::new(&settings),
            n_kept: interner.len(),
            interner,
            n_known,
            stops,
            ngrams: (!range.is_of_tokens_alone()).then(|| Ngrams::new(range)),
            words: Ragged::default(),
            marks: Vec::new(),
            document: 0,
            row: Vec::new(),
            blocks: Vec::new(),
            seen: Vec::new(),
            stretches: Vec::new(),
        })
    }

    /// Counts the terms of each document, as the worker of this number.
    fn count(&mut self, documents: &[&str], worker: usize, stop: &Stop) -> Result<Part> {
        if self.blocks.last().is_none_or(|block| block.ids.values().len() >= BLOCK) {
            self.blocks.push(Block::default());
        }
        let block = self.blocks.len() - 1;
        let start = (self.blocks[block].ids.len(), self.blocks[block].repeats.len());
        for (i, document) in documents.iter().enumerate() {
            if let Some(soon) = documents.get(i + DOCUMENTS_AHEAD) {
                (0..soon.len().min(FETCHED)).step_by(64).for_each(|at| prefetch_at(soon.as_bytes(), at));
            }
            if u32::try_from(document.len()).is_err() {
                return Err(Error::Input(format!("a document of {} bytes is too long", document.len())));
            }
            memory::afford_ngrams(document, A_TERM, self.most)?;
            if self.lookup.add(document, &self.interner) {
                stop.check()?;
                self.flush()?;
            }
        }
        self.flush()?;
        if self.n_known != u32::MAX && self.interner.len() > self.n_kept + REMEMBERED {
            self.forget();
        }
        let rows = start.0..self.blocks[block].ids.len();
        Ok(Part { worker, block, rows, repeats: start.1 })
    }

    /// Forgets the terms that no vocabulary holds.
    fn forget(&mut self) {
        self.interner.truncate(self.n_kept);
        self.lookup = self.lookup.emptied();
        self.ngrams = self.ngrams.as_ref().map(Ngrams::emptied);
        self.marks.truncate(self.n_kept);
    }

    /// Counts the documents that were looked up.
    fn flush(&mut self) -> Result<()> {
        let Self { lookup, interner, stops, words, ngrams, marks, n_known, document, row, seen, .. } = self;
        let Some(block) = self.blocks.last_mut() else { return Ok(()) };
        lookup.resolve(interner)?;
        let mut found = lookup.sentences();
        if !stops.is_empty() {
            words.clear();
            for tokens in found.iter() {
                let is_stop = |id: u32| stops.get(id as usize).copied().unwrap_or(false);
                words.values_mut().extend(tokens.iter().copied().filter(|&id| !is_stop(id)));
                words.end_list();
            }
            found = words;
        }
        if let Some(ngrams) = ngrams {
            ngrams.find(found, interner)?;
            found = ngrams.sentences();
        }
        if interner.len() > REPEATED as usize {
            return Err(too_many(interner.len()));
        }
        marks.try_reserve(interner.len().saturating_sub(marks.len()))?;
        marks.resize(interner.len().max(marks.len()), Mark::default());
        block.ids.try_reserve(found.len(), found.values().len())?;
        block.repeats.try_reserve(found.values().len() / 2)?;
        if *n_known == u32::MAX {
            seen.try_reserve(interner.len() - seen.len())?;
        }
        for terms in found.iter() {
            let next = document.checked_add(1);
            *document = next.ok_or_else(|| Error::Input("2^32 documents are too many at once".into()))?;
            row.clear();
            row.try_reserve(terms.len())?;
            for (i, &id) in terms.iter().enumerate() {
                if let Some(&soon) = terms.get(i + AHEAD) {
                    prefetch_at(marks, soon as usize);
                }
                let mark = &mut marks[id as usize];
                if mark.document == *document {
                    row[mark.at as usize] += 1;
                } else if id < *n_known {
                    if mark.document == 0 && *n_known == u32::MAX {
                        seen.push(id);
                    }
                    *mark = Mark { document: *document, at: row.len() as u32, df: mark.df + 1 };
                    row.push(occurrences(id, 1));
                }
            }
            block.push(row);
        }
        lookup.clear();
        Ok(())
    }
}

/// The order in which terms were first met, and their columns; both empty where a vocabulary was known, whose ids are
/// columns.
#[derive(Debug)]
struct Numbers {
    /// For each worker, by id, which of all terms was met so early: the first is 0.
    met: Vec<Vec<u32>>,
    /// The columns of terms in the order in which they were met.
    columns: Vec<u32>,
    /// Of each column, in how many documents its term is.
    df: Vec<u32>,
}

impl Numbers {
    fn of_known(workers: &[Worker], n_known: usize) -> Result<Self> {
        let mut df = arch::vec_of(0, n_known)?;
        for worker in workers {
            for (sum, mark) in df.iter_mut().zip(&worker.marks) {
                *sum += mark.df;
            }
        }
        Ok(Self { met: Vec::new(), columns: Vec::new(), df })
    }

    /// A number by which the terms of a document are sorted.
    fn order(&self, worker: usize, id: u32) -> u32 {
        self.met.get(worker).map_or(id, |met| met[id as usize])
    }

    /// The column of a term by that number.
    fn column(&self, order: u32) -> u32 {
        self.columns.get(order as usize).copied().unwrap_or(order)
    }
}

fn too_many(terms: usize) -> Error {
    Error::Input(format!("{terms} distinct terms: a matrix holds fewer than 2^31"))
}

/// The terms of all workers in order of their bytes, and their numbers.
fn numbered(workers: &[Worker], work: Work<'_>) -> Result<(TermArena, Numbers)> {
    let entries = sorted(workers, work)?;
    let mut met = Vec::new();
    for worker in workers {
        met.push(arch::vec_of(0, worker.marks.len())?);
    }
    let bytes = workers.iter().map(|worker| worker.interner.bytes().len()).sum();
    let mut terms = TermArena::with_capacity(entries.len(), bytes)?;
    for (at, entry) in entries.iter().enumerate() {
        // What is read here lies anywhere in memory, and is known long before.
        if let Some(soon) = entries.get(at + 2 * AHEAD) {
            workers[soon.worker as usize].interner.fetch_bounds(soon.id);
        }
        if let Some(soon) = entries.get(at + AHEAD) {
            workers[soon.worker as usize].interner.fetch_term(soon.id);
            prefetch_at(&met[soon.worker as usize], soon.id as usize);
        }
        let term = entry.term(workers);
        if terms.is_empty() || terms.get(terms.len() as u32 - 1) != term {
            terms.push(term);
        }
        met[entry.worker as usize][entry.id as usize] = terms.len() as u32 - 1;
    }
    terms.shrink(); // what several workers have met, and what is only the start of a term, was reserved for too
    work.stop.check()?;
    if terms.len() > i32::MAX as usize {
        return Err(too_many(terms.len()));
    }
    // Whichever worker counted a stretch, the stretches one after another meet terms as one pass would have.
    let mut stretches = Vec::new();
    for (index, worker) in workers.iter().enumerate() {
        let ends = worker.stretches.iter().skip(1).map(|&(_, before)| before).chain([worker.seen.len()]);
        let bounds = worker.stretches.iter().zip(ends);
        stretches.extend(bounds.map(|(&(number, start), end)| (number, &worker.seen[start..end], index)));
    }
    stretches.sort_unstable_by_key(|&(number, ..)| number);
    let mut order = arch::vec_of(u32::MAX, terms.len())?;
    let mut columns = Vec::new();
    columns.try_reserve_exact(terms.len())?;
    for (_, seen, worker) in stretches {
        for (at, &id) in seen.iter().enumerate() {
            if let Some(&soon) = seen.get(at + AHEAD) {
                prefetch_at(&met[worker], soon as usize);
            }
            let column = met[worker][id as usize];
            if order[column as usize] == u32::MAX {
                order[column as usize] = columns.len() as u32;
                columns.push(column);
            }
        }
    }
    let mut df = arch::vec_of(0, terms.len())?;
    for (own, worker) in met.iter_mut().zip(workers) {
        for &id in &worker.seen {
            let column = own[id as usize] as usize;
            df[column] += worker.marks[id as usize].df;
            own[id as usize] = order[column];
        }
    }
    Ok((terms, Numbers { met, columns, df }))
}

/// A term of a worker, and eight of its bytes.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    worker: u32,
    id: u32,
}

impl Entry {
    fn term(self, workers: &[Worker]) -> &[u8] {
        workers[self.worker as usize].interner.term(self.id)
    }

    fn compare(&self, other: &Self, workers: &[Worker]) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.term(workers).cmp(other.term(workers)))
    }
}

impl Keyed for Entry {
    fn key(&self) -> u64 {
        self.key
    }

    fn set_key(&mut self, key: u64) {
        self.key = key;
    }
}

/// The terms of all workers in order of their bytes; those that several have stand side by side.
fn sorted(workers: &[Worker], work: Work<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    entries.try_reserve_exact(workers.iter().map(|worker| worker.seen.len()).sum())?;
    for (number, worker) in (0u32..).zip(workers) {
        let of = |&id: &u32| Entry { key: prefix(worker.interner.term(id)), worker: number, id };
        entries.extend(worker.seen.iter().map(of));
        work.stop.check()?;
    }
    let size = entries.len().div_ceil(work.threads.max(1)).clamp(1, SORTED_AT_ONCE);
    let compare = |a: &Entry, b: &Entry| a.compare(b, workers);
    let pieces = split_at_medians(&mut entries, size, &compare, work)?;
    threads::map(pieces, work.threads, |piece: &mut [Entry]| {
        work.stop.check()?;
        sort_by_key(piece, 0, &|entry| entry.term(workers));
        Ok(())
    })?;
    Ok(entries)
}

/// The rows of all parts as one matrix. Memory is touched as it is filled, and a block freed with the last of its parts.
fn gathered<V>(
    parts: Vec<Part>,
    mut blocks: Vec<Vec<Arc<Block>>>,
    numbers: Numbers,
    work: Work<'_>,
) -> Result<DocumentTerms<V>>
where
    V: From<u32> + Zeroable + Send,
{
    let n_values = blocks.iter().flatten().map(|block| block.ids.values().len()).sum();
    if n_values >= BLOCK {
        arch::give_back_free_memory(); // what counting took, before the matrix takes as much again
    }
    let mut offsets = Offsets::try_with_capacity(parts.iter().map(|part| part.rows.len()).sum())?;
    let (mut columns, mut counts) = (arch::zeros(n_values)?, arch::zeros(n_values)?);
    let (mut counted, mut lengths, mut start) = (Vec::new(), Vec::new(), 0);
    for part in parts {
        let block = Arc::clone(&blocks[part.worker][part.block]);
        let ends = &block.ids.offsets()[part.rows.start..=part.rows.end];
        let (first, last) = (ends[0] as usize, ends[part.rows.len()] as usize);
        offsets.extend(ends[1..].iter().map(|&end| start + end as usize - first));
        start += last - first;
        lengths.push(last - first);
        counted.push((part, block));
    }
    blocks.clear();
    let lengths = lengths.into_iter();
    let places = cut(&mut columns, lengths.clone()).zip(cut(&mut counts, lengths));
    let tasks = counted.into_iter().zip(places).collect();
    threads::map(tasks, work.threads, |((part, block), (columns, counts)): Task<'_, V>| {
        work.stop.check()?;
        let (mut row, mut repeats) = (Vec::new(), block.repeats[part.repeats..].iter());
        let mut places = columns.iter_mut().zip(counts);
        for ids in part.rows.map(|i| block.ids.get(i)) {
            row.clear();
            row.try_reserve(ids.len())?;
            row.extend(ids.iter().map(|&packed| {
                let count = if packed < REPEATED { 1 } else { repeats.next().copied().unwrap_or_default() };
                occurrences(numbers.order(part.worker, packed & !REPEATED), count)
            }));
            row.sort_unstable();
            for (&value, (column, count)) in row.iter().zip(&mut places) {
                *column = numbers.column(term_of(value));
                *count = V::from(value as u32);
            }
        }
        Ok(())
    })?;
    Ok(DocumentTerms { columns: Ragged::from_parts(columns, offsets), counts, df: numbers.df })
}

/// A part, the block in which it lies, and the places for its columns and counts.
type Task<'p, V> = ((Part, Arc<Block>), (&'p mut [u32], &'p mut [V]));

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::text::lowercase::lowercase;
    use crate::tokenize::Scratch;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    type Rows = Vec<BTreeMap<String, u32>>;

    /// The twin: what scikit-learn's analyzer does, word by word.
    fn count_slowly(analysis: &Analysis, document: &str) -> BTreeMap<String, u32> {
        let (mut buffer, mut words, mut counts) = (String::new(), Vec::new(), BTreeMap::new());
        let text = if analysis.lowercase { lowercase(document, &mut buffer) } else { document };
        analysis.tokenizer.tokenize(text, &mut Scratch::default(), |token| words.push(token.text.to_owned()));
        words.retain(|word| !analysis.stop_words.contains(word));
        for n in analysis.least..=analysis.most {
            for words in words.windows(n as usize) {
                *counts.entry(words.join(" ")).or_insert(0) += 1;
            }
        }
        counts
    }

    fn named(terms: &[String], rows: &DocumentTerms<u32>) -> Rows {
        let row = |i: usize| {
            let range = rows.columns.range(i);
            rows.columns
                .get(i)
                .iter()
                .zip(&rows.counts[range])
                .map(|(&c, &n)| (terms[c as usize].clone(), n))
                .collect()
        };
        (0..rows.columns.len()).map(row).collect()
    }

    fn analysis() -> impl Strategy<Value = Analysis> {
        let words = prop::collection::vec(prop::sample::select(vec!["aa", "bb", "aa bb", "zz"]), 0..3);
        let tokenizer =
            prop::sample::select(vec![Tokenizer::Word, Tokenizer::Whitespace, Tokenizer::Treebank]);
        (tokenizer, any::<bool>(), words, 1u32..3, 0u32..3).prop_map(
            |(tokenizer, lowercase, words, least, more)| Analysis {
                tokenizer,
                lowercase,
                stop_words: words.into_iter().map(str::to_owned).collect(),
                least,
                most: least + more,
            },
        )
    }

    fn documents() -> impl Strategy<Value = Vec<String>> {
        let word = prop::sample::select(vec!["aa", "AA", "bb", "cc,", "d", "", "\n", "éé", "it's."]);
        prop::collection::vec(prop::collection::vec(word, 0..9).prop_map(|words| words.join(" ")), 0..12)
    }

    proptest! {
        #[test]
        fn rows_are_what_each_document_holds(
            analysis in analysis(), documents in documents(), repeat in prop::sample::select(vec![1usize, 400]),
            threads in 1usize..4, cut in 0usize..9,
        ) {
            let documents: Vec<&str> = (0..repeat).flat_map(|_| documents.iter().map(String::as_str)).collect();
            let expected: Rows = documents.iter().map(|document| count_slowly(&analysis, document)).collect();
            let mut counter = DocumentCounter::new(analysis.clone(), None);
            let (first, second) = documents.split_at(cut.min(documents.len()));
            counter.add(first, Work::on(threads)).unwrap();
            counter.add(second, Work::on(threads)).unwrap();
            let (arena, rows) = counter.finish::<u32>(Work::on(threads)).unwrap();
            let text = |i: usize| String::from_utf8_lossy(arena.get(i as u32)).into_owned();
            let terms: Vec<String> = (0..arena.len()).map(text).collect();
            prop_assert!(terms.is_sorted_by(|a, b| a < b));
            prop_assert_eq!(named(&terms, &rows), expected.clone());
            let df = |term| expected.iter().filter(|row| row.contains_key(term)).count() as u32;
            prop_assert_eq!(&rows.df, &terms.iter().map(df).collect::<Vec<_>>());
            let mut all: Vec<&String> = expected.iter().flat_map(BTreeMap::keys).collect();
            all.sort_unstable();
            all.dedup();
            prop_assert_eq!(all, terms.iter().collect::<Vec<_>>());
            // One pass would have met terms in this order, whoever counted which stretch.
            let mut met = BTreeMap::new();
            for columns in rows.columns.iter() {
                let order: Vec<usize> = columns.iter().map(|&column| {
                    let next = met.len();
                    *met.entry(column).or_insert(next)
                }).collect();
                prop_assert!(order.is_sorted_by(|a, b| a < b));
            }
        }

        #[test]
        fn rows_of_a_vocabulary_hold_its_terms_alone(
            analysis in analysis(), documents in documents(), threads in 1usize..3,
        ) {
            let terms = ["bb", "aa", "cc", "aa bb", "never", "bb aa bb"].map(str::to_owned);
            let known = Vocabulary::new(&terms.each_ref().map(String::as_str)).unwrap();
            let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
            let mut counter = DocumentCounter::new(analysis.clone(), Some(Arc::new(known)));
            counter.add(&documents, Work::on(threads)).unwrap();
            counter.workers.iter_mut().for_each(Worker::forget);
            counter.add(&documents, Work::on(threads)).unwrap();
            let (_, rows) = counter.finish::<u32>(Work::default()).unwrap();
            let expected = documents.iter().chain(&documents).map(|document| {
                let mut counts = count_slowly(&analysis, document);
                counts.retain(|term, _| terms.contains(term));
                counts
            });
            let expected: Rows = expected.collect();
            let df = terms.each_ref().map(|term| expected.iter().filter(|row| row.contains_key(term)).count() as u32);
            prop_assert_eq!(&rows.df, &df);
            prop_assert_eq!(named(&terms, &rows), expected);
        }
    }

    #[test]
    fn long_terms_that_begin_alike_are_sorted_and_told_apart() {
        let documents: Vec<String> = (0..9).rev().map(|i| "a".repeat(1 << 20) + &i.to_string()).collect();
        let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
        let mut counter = DocumentCounter::new(Analysis::default(), None);
        counter.add(&documents, Work::default()).unwrap();
        let (terms, rows) = counter.finish::<u32>(Work::default()).unwrap();
        assert_eq!(rows.columns.values(), [8, 7, 6, 5, 4, 3, 2, 1, 0]);
        assert!((0..9u8).all(|i| terms.get(i.into()).ends_with(&[b'a', b'0' + i])));
    }

    #[test]
    fn a_vocabulary_holds_a_term_once() {
        assert!(Vocabulary::new(&["a", "b", "a"]).unwrap_err().to_string().contains("\"a\" stands twice"));
    }
}
