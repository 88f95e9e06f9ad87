//! Hard negatives: which tokens of a sentence go, what replaces them, and which surface comes out.
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

mod byte_buffer;
mod options;
pub mod rng;
mod sample;
mod surface;
pub mod token_ids;

use std::ops::Range;
use std::sync::Arc;

pub use options::{MaxReplaced, Options, Replace, Select, Surface};
pub use surface::in_case_of;

use crate::error::{Error, Result};
use crate::negatives::rng::Place;
use crate::progress::Stop;
use crate::table::TermTable;
use crate::terms::interner::Vocab;
use crate::text::lowercase::lowercase;
use crate::threads;
use crate::tokenize::tokens::Cut;
use crate::tokenize::{Scratch, Token};
use byte_buffer::Tape;

/// Sentences that are made together: enough to wait together for memory, few enough to stay in the nearest.
pub(crate) const GROUP: usize = 8;

/// Shares of replaced tokens are tallied by the percent.
const PERCENTS: usize = 101;

/// A sentence, and what its negative is a function of.
#[derive(Debug, Clone, Copy)]
pub struct Sentence<'a> {
    /// The text.
    pub text: &'a str,
    /// Where it stands in a training run.
    pub place: Place,
    /// One weight a token in place of its TF-IDF, finite and not negative; for measures of importance from outside.
    pub weights: Option<&'a [f64]>,
    /// Its tokens in lower case, if the table is; needed where the table's tokenizer is not of this crate, and else
    /// not looked at.
    pub tokens: Option<Cut<'a>>,
}

impl<'a> Sentence<'a> {
    /// A sentence whose tokens weigh what their TF-IDF says.
    #[must_use]
    pub const fn new(text: &'a str, place: Place) -> Self {
        Self { text, place, weights: None, tokens: None }
    }
}

/// A token of a sentence, and its fate.
#[derive(Debug, Clone, Copy)]
pub struct TokenPlan<'t> {
    /// The token; its span is that in the text as tokenised.
    pub token: Token<'t>,
    /// Its rank, if the table holds its term.
    pub rank: Option<u32>,
    /// Its TF-IDF in this sentence.
    pub score: f64,
    /// The probability with which it is replaced; may exceed 1.
    pub probability: f64,
    /// The rank of the term that replaces it, if it is replaced.
    pub replacement: Option<u32>,
}

impl<'t> TokenPlan<'t> {
    /// A token of which nothing is known yet.
    const fn new(token: Token<'t>) -> Self {
        Self { token, rank: None, score: 0.0, probability: 0.0, replacement: None }
    }

    /// Whether both are of one term, which the rank tells for those of the table, and the text for the others.
    fn is_same_term(&self, other: &Self) -> bool {
        self.rank == other.rank && (self.rank.is_some() || self.token.text == other.token.text)
    }

    /// Whether another term than its own stands in its place.
    fn is_changed(&self) -> bool {
        self.replacement.is_some() && self.replacement != self.rank
    }
}

/// What was done to a number of sentences.
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

/// Negatives one after another. Invariant: `ends` never falls, and its last is the length of `text`.
#[derive(Debug, Default)]
pub struct Negatives {
    text: String,
    ends: Vec<usize>,
    tally: Tally,
}

impl Negatives {
    /// The negatives, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }

    /// The negatives without anything between them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where each stops in [`Self::text`].
    #[must_use]
    pub fn ends(&self) -> &[usize] {
        &self.ends
    }

    /// What was done to the sentences.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }
}

/// Buffers that one thread uses again and again.
#[derive(Debug, Default)]
pub struct Buffers {
    scratch: Scratch,
    /// One for each sentence of a group.
    lowered: Vec<String>,
    decision: sample::Decision,
}

/// A sentence of a group that something is wrong with.
#[derive(Debug)]
pub(crate) struct Misfit {
    number: usize,
    error: Error,
}

impl Misfit {
    /// The error, which names the sentence by its number among all, of which the group begins with `first`.
    pub(crate) fn in_group_from(self, first: usize) -> Error {
        match self.error {
            Error::Option(message) => Error::Option(format!("sentence {}: {message}", first + self.number)),
            Error::Input(message) => Error::Input(format!("sentence {}: {message}", first + self.number)),
            other => other,
        }
    }
}

/// Terms that are never replaced.
#[derive(Debug, Clone, Default)]
struct Protected {
    /// By rank; empty where nothing is protected.
    ranks: Vec<bool>,
    /// Those that the table does not hold.
    unseen: Vocab,
}

impl Protected {
    fn new(table: &TermTable, terms: &[&str]) -> Self {
        let mut protected = Self::default();
        if !terms.is_empty() {
            protected.ranks = vec![false; table.len()];
        }
        let mut buffer = String::new();
        for term in terms {
            let term = if table.settings().lowercase { lowercase(term, &mut buffer) } else { term };
            match table.rank(term) {
                Some(rank) => protected.ranks[rank as usize] = true,
                None => _ = protected.unseen.intern(term.as_bytes()),
            }
        }
        protected
    }

    fn is_empty(&self) -> bool {
        self.ranks.is_empty() && self.unseen.is_empty()
    }

    fn holds(&self, step: &TokenPlan<'_>) -> bool {
        match step.rank {
            Some(rank) => self.ranks.get(rank as usize).copied().unwrap_or(false),
            None => !self.unseen.is_empty() && self.unseen.get(step.token.text.as_bytes()).is_some(),
        }
    }
}

/// Makes hard negatives from a table. Cheap to build: one pass over the scores.
#[derive(Debug, Clone)]
pub struct Augmenter {
    table: Arc<TermTable>,
    options: Options,
    protected: Protected,
    /// `tail[k]` is the sum of the scores of ranks `k..V`. Summed from the small end, so that a window of small
    /// scores is not lost beside the large ones before it.
    tail: Vec<f64>,
    /// idf of the terms that the table does not hold.
    unseen_idf: f64,
}

impl Augmenter {
    /// An augmenter that draws from `table` and never touches the terms of `protect`.
    ///
    /// # Errors
    /// [`Error::Option`] for an option without meaning.
    pub fn new(table: Arc<TermTable>, options: Options, protect: &[&str]) -> Result<Self> {
        options.check()?;
        let mut tail = vec![0.0; table.len() + 1];
        for (rank, score) in table.score().iter().enumerate().rev() {
            tail[rank] = tail[rank + 1] + score;
        }
        let protected = Protected::new(&table, protect);
        let unseen_idf = table.idf_of(None);
        Ok(Self { table, options, protected, tail, unseen_idf })
    }

    /// The table drawn from.
    #[must_use]
    pub const fn table(&self) -> &Arc<TermTable> {
        &self.table
    }

    /// The options in force.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// One negative for each of `n` sentences, in order. The number of threads is invisible.
    ///
    /// # Errors
    /// [`Error::Option`] for weights that do not fit and tokens that are missing, [`Error::Input`] for tokens that the
    /// surface cannot use, by sentence; [`Error::Interrupted`] when `stop` asks.
    pub fn augment<'a>(
        &self,
        n: usize,
        sentence: impl Fn(usize) -> Sentence<'a> + Sync,
        threads: usize,
        stop: &Stop,
    ) -> Result<Vec<Negatives>> {
        threads::each(threads::runs(n, threads), |run| self.augment_run(run, &sentence, stop))
    }

    /// The negatives of a run of the sentences, made on this thread.
    ///
    /// # Errors
    /// As [`Self::augment`].
    pub fn augment_run<'a>(
        &self,
        run: Range<usize>,
        sentence: impl Fn(usize) -> Sentence<'a>,
        stop: &Stop,
    ) -> Result<Negatives> {
        let (mut buffers, mut out) = (Buffers::default(), Tape::default());
        let (mut ends, mut tally) = (Vec::with_capacity(run.len()), Tally::default());
        let mut group = Vec::with_capacity(GROUP);
        for first in run.clone().step_by(GROUP) {
            stop.check()?;
            group.clear();
            group.extend((first..run.end.min(first + GROUP)).map(&sentence));
            self.with_plans(&group, &mut buffers, |number, plan, keys| {
                tally.add_plan(plan);
                self.render(group[number].text, plan, keys, &mut out);
                ends.push(out.len());
            })
            .map_err(|misfit| misfit.in_group_from(first))?;
        }
        // Checked once for all: a look at each term would cost as much as drawing it.
        let text = String::from_utf8(out.into_bytes())
            .map_err(|e| Error::Internal(format!("a negative is not text: {e}")))?;
        Ok(Negatives { text, ends, tally })
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
        self.with_plans(std::slice::from_ref(sentence), &mut Buffers::default(), |_, plan, keys| {
            let mut negative = Tape::default();
            self.render(sentence.text, plan, keys, &mut negative);
            let map = self.map(sentence.text);
            for step in &mut *plan {
                step.token.start = map.original(step.token.start);
                step.token.end = map.original(step.token.end);
            }
            made =
                convert.take().map(|convert| convert(plan, &String::from_utf8_lossy(&negative.into_bytes())));
        })
        .map_err(|misfit| misfit.error)?;
        made.ok_or_else(|| Error::Internal("one sentence gave no plan".into()))
    }
}
