//! Many sentences at once, in one call: out of a list of str into another, or out of string columns in Arrow's layout
//! into one.
//!
//! Large lists go in blocks: while threads make the negatives of some, this one takes the sentences of the next and
//! hands out those that are ready. Only the last two need the GIL, in short turns, and they find what they touch in the
//! cache.

use std::collections::BTreeMap;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use una_core::negatives::{Augmenter, DrawKey, Negatives, Sentence, Tally};
use una_core::progress::{Progress, Stop, Work};
use una_core::ragged::RaggedText;
use una_core::text::Column;
use una_core::tokenize::tokens::Tokens;
use una_core::{Error, memory};

use crate::errors::to_py;
use crate::gil::{SHORT_BYTES, STEP, Ticker, by_size, long_beside, short};
use crate::strings::Taker;

/// Blocks for each thread that are on their way at once: so many that none is without work while this thread waits for
/// its turn, which another Python thread grants within 5 ms.
const BLOCKS_A_THREAD: usize = 4;

/// A call: what its sentences have in common.
pub(crate) struct AugmentCall<'a> {
    pub(crate) augmenter: &'a Augmenter,
    /// The tokens of all sentences, where the tokenizer is not of the core.
    pub(crate) tokens: Option<&'a Tokens>,
    pub(crate) rows: Option<&'a [u64]>,
    pub(crate) epoch: u64,
    pub(crate) view: u32,
    /// The weights of all sentences, one after another, and their offsets by sentence: one more than sentences.
    pub(crate) weights: Option<(&'a [f64], &'a [u64])>,
    pub(crate) threads: usize,
}

/// Negatives as Python has them, and what was done.
pub(crate) struct Made<'py> {
    pub(crate) list: Bound<'py, PyList>,
    pub(crate) tally: Tally,
}

impl Made<'_> {
    fn add(&mut self, part: &Negatives) -> PyResult<()> {
        self.tally.add(part.tally());
        let py = self.list.py();
        part.iter().try_for_each(|text| self.list.append(PyString::from_bytes(py, text.as_bytes())?))
    }
}

/// Negatives as Arrow's large strings have them: offsets, of which there is one more than there are values, and data.
pub(crate) struct MadeColumn {
    pub(crate) offsets: Vec<i64>,
    pub(crate) data: Vec<u8>,
    pub(crate) tally: Tally,
}

impl MadeColumn {
    #[expect(clippy::cast_possible_wrap, reason = "what is in memory has fewer than 2^63 bytes")]
    fn of(parts: &[Negatives]) -> Self {
        let (mut offsets, mut data, mut tally) = (vec![0], Vec::new(), Tally::default());
        data.reserve_exact(parts.iter().map(|part| part.texts().text().len()).sum());
        for part in parts {
            let start = data.len() as u64;
            offsets.extend(part.texts().offsets()[1..].iter().map(|&end| (start + end) as i64));
            data.extend_from_slice(part.texts().text().as_bytes());
            tally.add(part.tally());
        }
        Self { offsets, data, tally }
    }
}

/// Sentences from number `first` on.
struct Block {
    number: usize,
    first: usize,
    texts: RaggedText,
}

impl Block {
    fn take(number: usize, taker: &mut Taker<'_>) -> PyResult<Self> {
        let first = taker.taken();
        Ok(Self { number, first, texts: taker.take(SHORT_BYTES)? })
    }
}

/// The number of a block, and its negatives.
type Ready = (usize, Result<Negatives, Error>);

impl AugmentCall<'_> {
    /// One negative for each sentence of a sequence.
    pub(crate) fn augment<'py>(&self, sentences: &Bound<'py, PyAny>) -> PyResult<Made<'py>> {
        let py = sentences.py();
        let mut taker = Taker::new(sentences)?;
        let mut made = Made { list: PyList::empty(py), tally: Tally::default() };
        let texts = taker.take(SHORT_BYTES)?;
        if taker.is_done() {
            let sentence = |i| self.sentence(texts.get(i), i);
            let augment = |stop: &Stop| self.augmenter.augment(texts.len(), sentence, self.work(stop));
            short(py, augment)?.iter().try_for_each(|part| made.add(part))?;
            return Ok(made);
        }
        self.augment_blocks(Block { number: 0, first: 0, texts }, taker, &mut made)?;
        Ok(made)
    }

    fn augment_blocks(&self, block: Block, mut taker: Taker<'_>, made: &mut Made<'_>) -> PyResult<()> {
        let py = made.list.py();
        let threads = memory::affordable(self.threads).max(1);
        let most = BLOCKS_A_THREAD * threads;
        let ((give, blocks), (ready, collect)) = (bounded(most), unbounded());
        let work = |stop: &Stop| {
            self.make(threads, &blocks, ready, stop);
            Ok(())
        };
        let mut flow =
            Flow { give, most, given: 0, handed_out: 0, next: Some(Ok(block)), early: BTreeMap::new() };
        long_beside(py, &Ticker { show: None }, &Progress::default(), work, move |tick| {
            while flow.feed(&mut taker)? {
                match collect.try_recv().or_else(|_| py.detach(|| collect.recv_timeout(STEP))) {
                    Ok(ready) => flow.hand_out(ready, made)?,
                    Err(RecvTimeoutError::Timeout) => {}
                    // A thread has ended before its time, and the end of the work will say why.
                    Err(RecvTimeoutError::Disconnected) => return Ok(()),
                }
                tick()?;
            }
            Ok(())
        })
    }

    /// Makes the negatives of blocks, on so many threads, until no more come.
    fn make(&self, threads: usize, blocks: &Receiver<Block>, ready: Sender<Ready>, stop: &Stop) {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let ready = ready.clone();
                let work = move || self.make_alone(blocks, &ready, stop);
                if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break; // those that there are do it
                }
            }
            // Moved in, so that who waits for what is ready learns of a panic.
            let ready = ready;
            self.make_alone(blocks, &ready, stop);
        });
    }

    fn make_alone(&self, blocks: &Receiver<Block>, ready: &Sender<Ready>, stop: &Stop) {
        for Block { number, first, texts } in blocks {
            let sentence = |i| self.sentence(texts.get(i - first), i);
            let made = self.augmenter.augment_range(first..first + texts.len(), sentence, stop);
            if ready.send((number, made)).is_err() {
                return;
            }
        }
    }

    /// One negative for each value of columns; nothing of it needs the GIL. Nulls stay nulls, and are no sentences.
    pub(crate) fn augment_columns(&self, py: Python<'_>, columns: &[Column<'_>]) -> PyResult<MadeColumn> {
        let bytes = columns.iter().map(|column| column.data.len()).sum();
        by_size(py, bytes, |stop| {
            let (mut texts, mut nulls) = (Vec::new(), 0);
            for text in columns.iter().flat_map(|column| (0..column.len()).map(|i| column.text(i))) {
                let text = text.map_err(|what| Error::Input(format!("sentence {}: {what}", texts.len())))?;
                nulls += u64::from(text.is_none());
                texts.push(text.unwrap_or_default());
            }
            let sentence = |i: usize| self.sentence(texts[i], i);
            let parts = self.augmenter.augment(texts.len(), sentence, self.work(stop))?;
            let mut made = MadeColumn::of(&parts);
            made.tally.by_percent[0] -= nulls;
            Ok(made)
        })
    }

    fn work<'a>(&self, stop: &'a Stop) -> Work<'a> {
        Work { stop, ..Work::on(self.threads) }
    }

    fn sentence<'a>(&'a self, text: &'a str, i: usize) -> Sentence<'a> {
        let row = self.rows.map_or(i as u64, |rows| rows[i]);
        let key = DrawKey { epoch: self.epoch, row, view: self.view };
        let weights = self.weights.map(|(numbers, offsets)| weights_of(numbers, offsets, i));
        Sentence { text, key, weights, tokens: self.tokens.map(|tokens| tokens.get(i)) }
    }
}

/// The progress of the blocks of a call.
struct Flow {
    give: Sender<Block>,
    /// Blocks that may be on their way at once.
    most: usize,
    /// Blocks given to the threads.
    given: usize,
    /// Blocks of which the negatives were handed out: these, in order.
    handed_out: usize,
    /// The block to be given next, or what is wrong with its sentences.
    next: Option<PyResult<Block>>,
    /// Blocks that are ready before those before them.
    early: BTreeMap<usize, Result<Negatives, Error>>,
}

impl Flow {
    /// Gives blocks as long as there is room, and says whether any is on its way. What is wrong with a block is raised
    /// when those before it have been handed out, since what is wrong with them comes first.
    fn feed(&mut self, taker: &mut Taker<'_>) -> PyResult<bool> {
        // This thread is the only one with the GIL, and it has two duties in short turns: to take sentences out of
        // Python and to hand texts back. It gives blocks only while few are on their way, so that the texts it then
        // makes objects of are still in the cache, and memory does not grow with the list. It never waits here: giving
        // has room, and waiting for a finished block is the caller's, who looks at signals meanwhile.
        while self.given - self.handed_out < self.most
            && let Some(Ok(block)) = self.next.take_if(|next| next.is_ok())
        {
            // It cannot fail, since the receiver outlives the threads, nor wait, since there is room.
            let _ = self.give.send(block);
            self.given += 1;
            self.next = (!taker.is_done()).then(|| Block::take(self.given, taker));
        }
        if self.given > self.handed_out {
            return Ok(true);
        }
        self.next.take().map_or(Ok(false), |fault| fault.map(|_| false))
    }

    fn hand_out(&mut self, (number, negatives): Ready, made: &mut Made<'_>) -> PyResult<()> {
        self.early.insert(number, negatives);
        while let Some(negatives) = self.early.remove(&self.handed_out) {
            made.add(&negatives.map_err(|error| to_py(&error))?)?;
            self.handed_out += 1;
        }
        Ok(())
    }
}

fn weights_of<'a>(numbers: &'a [f64], offsets: &[u64], i: usize) -> &'a [f64] {
    &numbers[offsets[i] as usize..offsets[i + 1] as usize]
}
