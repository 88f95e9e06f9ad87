//! Hard negatives: sentences whose telling tokens gave way to terms of similar importance.
//!
//! The law is that of UNA (arXiv 2401.02594, sections 3.1 and 3.2), needs O(V) memory, and is a pure function of
//! `(seed, epoch, row, view, sentence, settings)`.
//!
//! What the paper leaves open is decided so:
//! - all scores of a sentence equal (one token, or one idf for all): every token has the same share, see
//!   [`crate::tfidf::replacement_probabilities`];
//! - no token: the sentence comes back as its surface has it, with nothing replaced;
//! - a term that the table does not hold: `df = 1`, and the rank of its own score;
//! - all scores of a window 0 (terms that stand in every sentence): the draw is uniform;
//! - tokens that may not go (`protect`, `min_score`): the law holds among the others, as if they were the sentence.
//!
//! ```
//! use std::sync::Arc;
//! use una_core::negatives::Surface;
//! use una_core::{Augmenter, DrawKey, Options, Pruning, Sentence, Settings, TermCounts, TermTable, Work};
//!
//! let corpus = ["The cat slept in the sun.", "The dog slept in the hall.", "The bird sang in the sun."];
//! let counts = TermCounts::count_sentences(Settings::default(), corpus, Work::default())?;
//! let table = Arc::new(TermTable::freeze(&counts, Pruning::default(), Work::default())?);
//! let options = Options { surface: Surface::Preserve, seed: 1, ..Options::default() };
//! let augmenter = Augmenter::new(table, options, &[vec!["slept"]])?;
//!
//! // The same key, the same text; another view is another negative.
//! let key = |view| DrawKey { epoch: 0, row: 7, view };
//! let negative = |view| augmenter.explain(&Sentence::new(corpus[0], key(view)), |_, text| text.to_owned());
//! assert_eq!(negative(0)?, negative(0)?);
//! assert!((1..20).any(|view| negative(view).ok() != negative(0).ok()));
//! assert!(negative(0)?.contains("slept"), "what is protected stays");
//! # Ok::<(), una_core::Error>(())
//! ```

mod byte_buffer;
mod kinds;
mod options;
mod plan;
mod rng;
mod sample;
mod scripts;
mod surface;
pub mod token_ids;
mod word_ids;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::progress::{Stop, Work};
use crate::ragged::{Offsets, RaggedText};
use crate::table::TermTable;
use crate::threads;
use byte_buffer::ByteBuffer;
use sample::{Buffers, GROUP, Sampler};

pub use options::{MaxReplaced, Options, Replace, Select, Surface};
pub use plan::{Sentence, TokenPlan};
pub use rng::{DrawKey, Draws, Purpose, below, philox4x64, unit};
pub use surface::in_case_of;
pub use word_ids::ProbeContext;

/// Shares of replaced tokens are tallied by the percent.
const PERCENTS: usize = 101;

/// Numbers of tokens replaced in a number of sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Tokens of all of them.
    pub tokens: u64,
    /// Tokens that were replaced, were it by their own term.
    pub replaced: u64,
    /// Tokens in whose place another term stands.
    pub changed: u64,
    /// Number of sentences by the percentage of their tokens that were replaced, rounded; 0 to 100.
    pub by_percent: [u64; PERCENTS],
}

impl Default for Tally {
    fn default() -> Self {
        Self { tokens: 0, replaced: 0, changed: 0, by_percent: [0; PERCENTS] }
    }
}

impl Tally {
    fn add_plan(&mut self, plan: &[TokenPlan<'_>]) {
        let (mut replaced, mut changed) = (0, 0);
        for step in plan {
            replaced += usize::from(step.replacement.is_some());
            changed += u64::from(step.is_changed());
        }
        self.tokens += plan.len() as u64;
        self.replaced += replaced as u64;
        self.changed += changed;
        let length = plan.len().max(1);
        self.by_percent[(100 * replaced + length / 2) / length] += 1;
    }

    /// Adds another tally to this one.
    pub fn add(&mut self, other: &Self) {
        self.tokens += other.tokens;
        self.replaced += other.replaced;
        self.changed += other.changed;
        for (ours, theirs) in self.by_percent.iter_mut().zip(other.by_percent) {
            *ours += theirs;
        }
    }
}

/// Negatives in order, and what was done to make them.
#[derive(Debug, Default)]
pub struct Negatives {
    texts: RaggedText,
    tally: Tally,
}

impl Negatives {
    /// The negatives, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter()
    }

    /// The negatives, one after another.
    #[must_use]
    pub const fn texts(&self) -> &RaggedText {
        &self.texts
    }

    /// Numbers of tokens replaced.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Makes hard negatives from a table. Cheap to build: one pass over the scores.
#[derive(Debug, Clone)]
pub struct Augmenter {
    sampler: Sampler,
}

impl Augmenter {
    /// An augmenter that draws from `table` and never touches what `protect` names: each of its sequences is one term,
    /// or several, as the table's tokenizer cuts them, which are protected where they stand in a row.
    ///
    /// # Errors
    /// [`Error::Option`] for an option without meaning.
    pub fn new(table: Arc<TermTable>, options: Options, protect: &[Vec<&str>]) -> Result<Self> {
        Ok(Self { sampler: Sampler::new(table, options, protect)? })
    }

    /// The table drawn from.
    #[must_use]
    pub const fn table(&self) -> &Arc<TermTable> {
        self.sampler.table()
    }

    /// The options in force.
    #[must_use]
    pub const fn options(&self) -> &Options {
        self.sampler.options()
    }

    /// The ranks that may replace a token.
    #[must_use]
    pub fn window(&self, step: &TokenPlan<'_>) -> Range<u32> {
        self.sampler.window(step)
    }

    /// The term of `rank` as it is written in place of `old`.
    #[must_use]
    pub fn written(&self, rank: u32, old: &str) -> Cow<'_, str> {
        self.sampler.renderer().written(rank, old)
    }

    /// One negative for each of `n` sentences, in order: a part for each thread.
    ///
    /// # Errors
    /// [`Error::Option`] for weights that do not fit and tokens that are missing, [`Error::Input`] for tokens that the
    /// surface cannot use, by sentence; [`Error::Interrupted`].
    pub fn augment<'a>(
        &self,
        n: usize,
        sentence: impl Fn(usize) -> Sentence<'a> + Sync,
        work: Work<'_>,
    ) -> Result<Vec<Negatives>> {
        let ranges = threads::split(n, work.threads);
        threads::map(ranges, work.threads, |range| self.augment_range(range, &sentence, work.stop))
    }

    /// The negatives of a range of the sentences, made on this thread.
    ///
    /// # Errors
    /// As [`Self::augment`].
    pub fn augment_range<'a>(
        &self,
        range: Range<usize>,
        sentence: impl Fn(usize) -> Sentence<'a>,
        stop: &Stop,
    ) -> Result<Negatives> {
        let (mut buffers, mut out) = (Buffers::default(), ByteBuffer::default());
        let (mut offsets, mut tally) = (Offsets::try_with_capacity(range.len())?, Tally::default());
        let (renderer, mut group) = (self.sampler.renderer(), Vec::with_capacity(GROUP));
        for first in range.clone().step_by(GROUP) {
            stop.check()?;
            group.clear();
            group.extend((first..range.end.min(first + GROUP)).map(&sentence));
            out.try_reserve(group.iter().map(|sentence| sentence.text.len()).sum())?;
            self.sampler
                .with_plans(&group, &mut buffers, |number, plan, keys| {
                    tally.add_plan(plan);
                    renderer.render(group[number].text, plan, keys, &mut out);
                    offsets.push(out.len());
                })
                .map_err(|fault| fault.in_group_from(first))?;
        }
        // Checked once for all: a look at each term would cost as much as drawing it.
        let text = String::from_utf8(out.into_bytes()).ok().and_then(|text| RaggedText::new(text, offsets));
        let texts = text.ok_or_else(|| Error::Internal("a negative is not text".into()))?;
        Ok(Negatives { texts, tally })
    }

    /// The fate of every token of one sentence, its spans those in the sentence as written, and the negative.
    ///
    /// # Errors
    /// [`Error::Option`] for weights that do not fit.
    pub fn explain<R>(
        &self,
        sentence: &Sentence<'_>,
        convert: impl FnOnce(&[TokenPlan<'_>], &str) -> R,
    ) -> Result<R> {
        let (mut convert, mut made) = (Some(convert), None);
        let renderer = self.sampler.renderer();
        self.sampler
            .with_plans(std::slice::from_ref(sentence), &mut Buffers::default(), |_, plan, keys| {
                let mut negative = ByteBuffer::default();
                renderer.render(sentence.text, plan, keys, &mut negative);
                let map = renderer.map(sentence.text);
                for step in &mut *plan {
                    step.token.start = map.original(step.token.start);
                    step.token.end = map.original(step.token.end);
                }
                let text = negative.into_bytes();
                made = convert.take().map(|convert| convert(plan, &String::from_utf8_lossy(&text)));
            })
            .map_err(|fault| fault.error)?;
        made.ok_or_else(|| Error::Internal("one sentence gave no plan".into()))
    }
}
