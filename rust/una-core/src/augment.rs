//! Hard negatives: which tokens of a sentence go, what replaces them, and which surface comes out.
//!
//! The law is that of UNA (arXiv 2401.02594, sections 3.1 and 3.2), needs O(V) memory, and is a pure function of
//! `(seed, epoch, row, view, sentence, settings)`.
//!
//! What the paper leaves open is decided so:
//! - all scores of a sentence equal (one token, or one idf for all): every token has the same share, see
//!   [`replacement_probabilities`];
//! - no token: the sentence comes back as its surface has it, with nothing replaced;
//! - a term that the table does not hold: `df = 1`, and the rank of its own score;
//! - all scores of a window 0 (terms that stand in every sentence): the draw is uniform.

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;

use crate::casing::{LowerMap, lowercase};
use crate::error::{Error, Result};
use crate::rng::{Draws, Place, Purpose, below, unit};
use crate::share;
use crate::stop::Stop;
use crate::table::TermTable;
use crate::tfidf::replacement_probabilities;
use crate::tokenize::{Scratch, Token};

/// Rejection draws before the exact search takes over. Each block of the generator holds two.
const REJECTION_BLOCKS: u64 = 8;

/// Which tokens go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Select {
    /// The terms that carry the meaning: probability by TF-IDF.
    #[default]
    Tfidf,
    /// The terms that carry little: probability by `max - TF-IDF` (UDA, arXiv 1904.12848).
    Inverse,
    /// Any token of a sentence of three or more, with the same probability.
    Uniform,
}

/// What replaces them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Replace {
    /// A term at most `radius` ranks away, with probability proportional to its score.
    #[default]
    Vicinity,
    /// Any term of the table, with the same probability.
    Uniform,
}

/// What the negative looks like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Surface {
    /// The tokens, joined by single spaces.
    #[default]
    Reference,
    /// The sentence as written, the replaced spans alone exchanged; a new word takes the case pattern of the old.
    Preserve,
}

macro_rules! named {
    ($type:ident, $option:literal, $($name:literal => $variant:ident),+) => {
        impl FromStr for $type {
            type Err = Error;

            fn from_str(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(Error::Option(format!(
                        concat!($option, " must be one of {:?}, not {:?}"),
                        [$($name),+],
                        name
                    ))),
                }
            }
        }
    };
}

named!(Select, "select", "tfidf" => Tfidf, "inverse" => Inverse, "uniform" => Uniform);
named!(Replace, "replace", "vicinity" => Vicinity, "uniform" => Uniform);
named!(Surface, "surface", "reference" => Reference, "preserve" => Preserve);

/// Everything that shapes a negative, beside the table and the place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// How many ranks a replacement may be away.
    pub radius: u32,
    /// The paper's p: the expected part of the tokens that is replaced; in `(0, 1]`.
    pub replace_prob: f64,
    /// Which tokens go.
    pub select: Select,
    /// What replaces them.
    pub replace: Replace,
    /// What comes out.
    pub surface: Surface,
    /// The key of all draws.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            radius: 4000,
            replace_prob: 0.5,
            select: Select::Tfidf,
            replace: Replace::Vicinity,
            surface: Surface::Reference,
            seed: 0,
        }
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
    /// What tells terms apart: the rank for those of the table, the text for the others.
    const fn term(&self) -> (Option<u32>, &'t str) {
        (self.rank, if self.rank.is_some() { "" } else { self.token.text })
    }
}

/// Strings one after another in one buffer. Invariant: `ends` never falls, and its last is the length of `text`.
#[derive(Debug, Default)]
pub struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    /// The strings.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.text[start..end])
    }
}

/// Buffers that one thread uses again and again.
#[derive(Debug, Default)]
pub struct Buffers {
    scratch: Scratch,
    lowered: String,
    order: Vec<u32>,
    scores: Vec<f64>,
    probabilities: Vec<f64>,
}

/// Makes hard negatives from a table. Cheap to build: one pass over the scores.
#[derive(Debug, Clone)]
pub struct Augmenter {
    table: Arc<TermTable>,
    options: Options,
    /// `tail[k]` is the sum of the scores of ranks `k..V`. Summed from the small end, so that a window of small
    /// scores is not lost beside the large ones before it.
    tail: Vec<f64>,
}

impl Augmenter {
    /// An augmenter that draws from `table`.
    ///
    /// # Errors
    /// [`Error::Option`] for a `replace_prob` outside `(0, 1]`.
    pub fn new(table: Arc<TermTable>, options: Options) -> Result<Self> {
        if !(options.replace_prob > 0.0 && options.replace_prob <= 1.0) {
            return Err(Error::Option(format!(
                "replace_prob must be above 0 and at most 1, not {}",
                options.replace_prob
            )));
        }
        let mut tail = vec![0.0; table.len() + 1];
        for (rank, score) in table.score().iter().enumerate().rev() {
            tail[rank] = tail[rank + 1] + score;
        }
        Ok(Self { table, options, tail })
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

    /// One negative a sentence, in order; `place(i)` is the place of sentence `i`. The number of threads is invisible.
    ///
    /// # Errors
    /// [`Error::Interrupted`] when `stop` asks.
    pub fn augment(
        &self,
        sentences: &[&str],
        place: impl Fn(usize) -> Place + Sync,
        threads: usize,
        stop: &Stop,
    ) -> Result<Vec<Texts>> {
        share::each(share::runs(sentences.len(), threads), |run| {
            let mut buffers = Buffers::default();
            let mut texts = Texts::default();
            texts.text.reserve(sentences[run.clone()].iter().map(|s| s.len() + s.len() / 4).sum());
            for row in run {
                if row % 64 == 0 {
                    stop.check()?;
                }
                self.augment_into(sentences[row], place(row), &mut buffers, &mut texts.text);
                texts.ends.push(texts.text.len());
            }
            Ok(texts)
        })
    }

    /// Appends the negative of one sentence to `out`.
    pub fn augment_into(&self, sentence: &str, place: Place, buffers: &mut Buffers, out: &mut String) {
        self.with_plan(sentence, place, buffers, |plan| self.render(sentence, plan, out));
    }

    /// The fate of every token of one sentence, its spans those in the sentence as written, and the negative.
    pub fn explain<R>(
        &self,
        sentence: &str,
        place: Place,
        convert: impl FnOnce(&[TokenPlan<'_>], &str) -> R,
    ) -> R {
        self.with_plan(sentence, place, &mut Buffers::default(), |plan| {
            let mut negative = String::new();
            self.render(sentence, plan, &mut negative);
            let map = self.map(sentence);
            for step in &mut *plan {
                step.token.start = map.original(step.token.start);
                step.token.end = map.original(step.token.end);
            }
            convert(plan, &negative)
        })
    }

    /// Tokenises, scores and decides; hands the plan to `then`.
    pub(crate) fn with_plan<R>(
        &self,
        sentence: &str,
        place: Place,
        buffers: &mut Buffers,
        then: impl FnOnce(&mut [TokenPlan<'_>]) -> R,
    ) -> R {
        let settings = self.table.settings();
        let Buffers { scratch, lowered, order, scores, probabilities } = buffers;
        let text = if settings.lowercase { lowercase(sentence, lowered) } else { sentence };
        let mut plan = Vec::with_capacity(text.len() / 4 + 1);
        settings.tokenizer.tokenize(text, scratch, |token| {
            plan.push(TokenPlan {
                token,
                rank: self.table.rank(token.text),
                score: 0.0,
                probability: 0.0,
                replacement: None,
            });
        });
        self.score(&mut plan, order, scores);
        self.select(&mut plan, scores, probabilities);
        self.replace(&mut plan, Draws::new(self.options.seed, place));
        then(&mut plan)
    }

    /// Gives every token its TF-IDF; `order` and `scores` are buffers.
    fn score(&self, plan: &mut [TokenPlan<'_>], order: &mut Vec<u32>, scores: &mut Vec<f64>) {
        let length = plan.len() as u32;
        order.clear();
        order.extend(0..length);
        scores.clear();
        scores.resize(plan.len(), 0.0);
        order.sort_unstable_by_key(|&i| plan[i as usize].term());
        for run in order.chunk_by(|&a, &b| plan[a as usize].term() == plan[b as usize].term()) {
            let rank = plan[run[0] as usize].rank;
            let score = self.table.token_score(rank, run.len() as u32, length);
            for &i in run {
                scores[i as usize] = score;
            }
        }
        for (step, &score) in plan.iter_mut().zip(&*scores) {
            step.score = score;
        }
    }

    fn select(&self, plan: &mut [TokenPlan<'_>], scores: &mut Vec<f64>, probabilities: &mut Vec<f64>) {
        scores.clear();
        scores.extend(plan.iter().map(|step| step.score));
        match self.options.select {
            Select::Tfidf => {}
            Select::Inverse => {
                let highest = scores.iter().copied().fold(0.0, f64::max);
                for score in &mut *scores {
                    *score = highest - *score;
                }
            }
            Select::Uniform => {
                let p = if plan.len() < 3 { 0.0 } else { self.options.replace_prob };
                for step in plan {
                    step.probability = p;
                }
                return;
            }
        }
        replacement_probabilities(scores, self.options.replace_prob, probabilities);
        for (step, &p) in plan.iter_mut().zip(&*probabilities) {
            step.probability = p;
        }
    }

    fn replace(&self, plan: &mut [TokenPlan<'_>], draws: Draws) {
        for (slot, steps) in (0u64..).zip(plan.chunks_mut(4)) {
            let words = draws.block(Purpose::Select, slot);
            for (lane, (step, word)) in (0u64..).zip(steps.iter_mut().zip(words)) {
                if unit(word) < step.probability {
                    step.replacement = Some(self.draw(step, draws, slot * 4 + lane));
                }
            }
        }
    }

    /// The term that replaces token number `index`.
    fn draw(&self, step: &TokenPlan<'_>, draws: Draws, index: u64) -> u32 {
        let block = |attempt: u64| draws.block(Purpose::Replace, index << 8 | attempt);
        if self.options.replace == Replace::Uniform {
            return below(block(0)[0], self.table.len()) as u32;
        }
        let rank = step.rank.unwrap_or_else(|| self.table.rank_of_score(step.score));
        let window = self.table.vicinity(rank, self.options.radius);
        let scores = &self.table.score()[window.start as usize..window.end as usize];
        // Neighbours score nearly alike, so a uniform rank kept with probability score / highest is soon kept.
        // Either way has the same law, so that which of the two ends the draw does not matter.
        let highest = scores[0];
        for attempt in 0..REJECTION_BLOCKS {
            let words = block(attempt);
            for pair in words.as_chunks::<2>().0 {
                let offset = below(pair[0], scores.len());
                if unit(pair[1]) * highest < scores[offset] || highest <= 0.0 {
                    return window.start + offset as u32;
                }
            }
        }
        let tail = &self.tail[window.start as usize..=window.end as usize];
        window.start + search(tail, unit(block(REJECTION_BLOCKS)[0]))
    }

    fn render(&self, sentence: &str, plan: &[TokenPlan<'_>], out: &mut String) {
        match self.options.surface {
            Surface::Reference => self.render_reference(plan, out),
            Surface::Preserve => self.render_preserve(sentence, plan, out),
        }
    }

    /// From offsets in a sentence as tokenised to offsets in it as written.
    fn map(&self, sentence: &str) -> LowerMap {
        if self.table.settings().lowercase { LowerMap::new(sentence) } else { LowerMap::default() }
    }

    /// The term of `rank` as it is written in place of `old`.
    #[must_use]
    pub fn written(&self, rank: u32, old: &str) -> Cow<'_, str> {
        let term = self.table.term(rank);
        match self.options.surface {
            Surface::Reference => Cow::Borrowed(term),
            Surface::Preserve => in_case_of(old, term),
        }
    }

    fn render_reference(&self, plan: &[TokenPlan<'_>], out: &mut String) {
        for (i, step) in plan.iter().enumerate() {
            if i > 0 {
                out.push(' ');
            }
            out.push_str(step.replacement.map_or(step.token.text, |rank| self.table.term(rank)));
        }
    }

    fn render_preserve(&self, sentence: &str, plan: &[TokenPlan<'_>], out: &mut String) {
        let map = self.map(sentence);
        let mut copied = 0;
        for step in plan {
            let Some(rank) = step.replacement else { continue };
            let start = map.original(step.token.start);
            let end = map.original(step.token.end);
            out.push_str(&sentence[copied..start]);
            out.push_str(&self.written(rank, &sentence[start..end]));
            copied = end;
        }
        out.push_str(&sentence[copied..]);
    }
}

/// The position in a window whose share of its score holds `u`, by its sums `tail` (one more than positions).
fn search(tail: &[f64], u: f64) -> u32 {
    let (all, after) = (tail[0], tail[tail.len() - 1]);
    let target = all - u * (all - after);
    // tail falls: the position is the last whose own sum still reaches the target.
    let found = tail.partition_point(|&sum| sum >= target);
    found.saturating_sub(1).min(tail.len() - 2) as u32
}

/// `term` in the case pattern of `pattern`: all capitals (of two or more letters), a capital first, or as it is.
#[must_use]
pub fn in_case_of<'t>(pattern: &str, term: &'t str) -> Cow<'t, str> {
    let mut letters = pattern.chars().filter(|c| c.is_uppercase() || c.is_lowercase());
    if !letters.next().is_some_and(char::is_uppercase) {
        return Cow::Borrowed(term);
    }
    let mut rest = letters.peekable();
    if rest.peek().is_some() && rest.all(char::is_uppercase) {
        return Cow::Owned(term.to_uppercase());
    }
    let mut chars = term.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    Cow::Owned(first.chain(chars).collect())
}
