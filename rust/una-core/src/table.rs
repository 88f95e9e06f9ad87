//! The frozen vocabulary: terms sorted by falling score, with their statistics.
//!
//! ```
//! use una_core::{Pruning, Settings, TermCounts, TermTable, Work};
//!
//! let sentences = ["the cat slept", "the dog slept", "the bird sang"];
//! let counts = TermCounts::count_sentences(Settings::default(), sentences, Work::default())?;
//! let table = TermTable::freeze(&counts, Pruning::default(), Work::default())?;
//!
//! // Terms of equal score are ordered by their bytes; a term of every sentence has the score 0.
//! let terms: Vec<&str> = (0..table.len() as u32).map(|rank| table.term(rank)).collect();
//! assert_eq!(terms, ["bird", "cat", "dog", "sang", "slept", "the"]);
//! assert_eq!(table.score()[5], 0.0);
//! assert_eq!(table.vicinity(1, 2), 0..4);
//!
//! let frequent = Pruning { min_df: 2, ..Pruning::default() };
//! assert_eq!(TermTable::freeze(&counts, frequent, Work::default())?.len(), 2);
//! # Ok::<(), una_core::Error>(())
//! ```

use std::ops::Range;

use crate::count::{Pruning, SortedTerms, TermCounts};
use crate::error::{Error, Result};
use crate::progress::{Stop, Work};
use crate::terms::TermArena;
use crate::terms::index::{TermIndex, TermKey};
use crate::tfidf::{Idf, Ratio, TermStats, idf, score, table_order, tf};
use crate::tokenize::Settings;

/// Terms between two looks at whether to stop.
const STRETCH: usize = 1 << 16;

/// Terms by rank. Immutable; equal counts and pruning give an equal table, bit for bit.
///
/// Invariants: terms are in [`table_order`]; their number, which is at least 1, is the length of all
/// vectors.
#[derive(Debug, Clone)]
pub struct TermTable {
    settings: Settings,
    pruning: Pruning,
    n_documents: u64,
    terms: TermArena,
    index: TermIndex,
    df: Vec<u64>,
    best: Vec<Ratio>,
    idf: Vec<f64>,
    score: Vec<f64>,
}

impl TermTable {
    /// Freezes counts into a table. Nothing that pruning leaves out is held beside it.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no sentence or no term; [`Error::Option`] where pruning leaves nothing;
    /// [`Error::Storage`] where terms are on disk; [`Error::Interrupted`].
    pub fn freeze(counts: &TermCounts, pruning: Pruning, work: Work<'_>) -> Result<Self> {
        let sorted = ranked(counts, pruning, work)?;
        let n_terms = sorted.n_terms() as usize;
        let mut terms = TermArena::with_capacity(n_terms, sorted.term_bytes() as usize)?;
        let (mut df, mut best) = (vec_for(n_terms)?, vec_for(n_terms)?);
        let (settings, n_documents) = (counts.settings().clone(), counts.n_documents());
        let mut derived = Derived::with_capacity(n_documents, n_terms)?;
        let index = sorted.for_each_beside_index(work, |term, stats| {
            terms.push(term);
            df.push(stats.df);
            best.push(stats.best);
            derived.push(stats);
            Ok(())
        })?;
        let index = index.map_or_else(|| TermIndex::new(&terms, work.stop), Ok)?;
        let Derived { idf, score, .. } = derived;
        Ok(Self { settings, pruning, n_documents, terms, index, df, best, idf, score })
    }

    /// A table from what a file holds, if it is one.
    ///
    /// # Errors
    /// [`Error::Internal`] that says which invariant does not hold, and where; [`Error::OutOfMemory`];
    /// [`Error::Interrupted`].
    pub(crate) fn from_parts(
        settings: Settings,
        pruning: Pruning,
        n_documents: u64,
        terms: TermArena,
        df: Vec<u64>,
        best: Vec<Ratio>,
        stop: &Stop,
    ) -> Result<Self> {
        if terms.is_empty() {
            return Err(Error::Internal("the table holds no term".into()));
        }
        let mut derived = Derived::with_capacity(n_documents, terms.len())?;
        for (rank, (&df, &best)) in df.iter().zip(&best).enumerate() {
            if rank.is_multiple_of(STRETCH) {
                stop.check()?;
            }
            derived.push(TermStats { df, best });
            let at = |rank: usize| (derived.score[rank], terms.get(rank as u32));
            if rank > 0 && table_order(at(rank - 1), at(rank)).is_ge() {
                return Err(Error::Internal(format!("terms {} and {rank} are out of order", rank - 1)));
            }
        }
        let Derived { idf, score, .. } = derived;
        let index = TermIndex::new(&terms, stop)?;
        Ok(Self { settings, pruning, n_documents, terms, index, df, best, idf, score })
    }

    /// The tokenizer and the case of the text that was counted.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The pruning by which it was frozen.
    #[must_use]
    pub const fn pruning(&self) -> Pruning {
        self.pruning
    }

    /// Number of sentences of the corpus, `N`.
    #[must_use]
    pub const fn n_documents(&self) -> u64 {
        self.n_documents
    }

    /// Number of terms, `V`; at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Always false: a table holds at least one term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The terms, in order of rank.
    #[must_use]
    pub const fn terms(&self) -> &TermArena {
        &self.terms
    }

    /// The term of `rank`.
    ///
    /// # Panics
    /// If `rank` is not below [`Self::len`].
    #[must_use]
    pub fn term(&self, rank: u32) -> &str {
        // TermArena enter as `&str` or are validated on load, so this never takes the second way.
        std::str::from_utf8(self.terms.get(rank)).unwrap_or("\u{fffd}")
    }

    /// The rank of `term`, if the table holds it.
    #[must_use]
    pub fn rank(&self, term: &str) -> Option<u32> {
        self.index.get(&TermKey::new(term.as_bytes()), term.as_bytes(), &self.terms)
    }

    /// The ranks by term, for many look-ups side by side.
    pub(crate) const fn index(&self) -> &TermIndex {
        &self.index
    }

    /// Document frequency by rank.
    #[must_use]
    pub fn df(&self) -> &[u64] {
        &self.df
    }

    /// Largest part of a sentence by rank.
    #[must_use]
    pub fn best(&self) -> &[Ratio] {
        &self.best
    }

    /// Inverse document frequency by rank.
    #[must_use]
    pub fn idf(&self) -> &[f64] {
        &self.idf
    }

    /// Maximum TF-IDF by rank; never rises.
    #[must_use]
    pub fn score(&self) -> &[f64] {
        &self.score
    }

    /// idf of a token of `rank`, or of one that the table does not hold: that of a term seen in one sentence.
    #[must_use]
    pub fn idf_of(&self, rank: Option<u32>) -> f64 {
        rank.map_or_else(|| idf(self.n_documents, 1), |rank| self.idf[rank as usize])
    }

    /// TF-IDF of a token in a sentence of `length` tokens, `count` of which are its term.
    #[must_use]
    pub fn token_score(&self, rank: Option<u32>, count: u32, length: u32) -> f64 {
        self.idf_of(rank) * tf(f64::from(count) / f64::from(length))
    }

    /// The rank at which a term of this score would stand: the first rank whose score is not larger, or the last rank.
    #[must_use]
    pub fn rank_of_score(&self, score: f64) -> u32 {
        let rank = self.score.partition_point(|&s| s > score);
        rank.min(self.len() - 1) as u32
    }

    /// The ranks that may replace a term of `rank`: those at most `radius` away, `rank` itself among them.
    #[must_use]
    pub fn vicinity(&self, rank: u32, radius: u32) -> Range<u32> {
        let end = rank.saturating_add(radius).saturating_add(1).min(self.len() as u32);
        rank.saturating_sub(radius)..end
    }
}

/// The terms that pruning leaves, in order of rank; there is at least one.
pub(crate) fn ranked<'c>(
    counts: &'c TermCounts,
    pruning: Pruning,
    work: Work<'_>,
) -> Result<SortedTerms<'c>> {
    if counts.n_documents() == 0 {
        return Err(Error::Input("the corpus is empty: no sentence was counted".into()));
    }
    if counts.is_empty() {
        return Err(Error::Input(format!(
            "no term in {} sentences under the tokenizer {:?}",
            counts.n_documents(),
            counts.settings().tokenizer.name()
        )));
    }
    let sorted = counts.by_score(pruning, work)?;
    let n_terms = sorted.n_terms();
    if n_terms == 0 {
        let most = pruning.max_terms.map_or("none".into(), |most| most.to_string());
        return Err(Error::Option(format!(
            "no term is left: min_df = {}, max_terms = {most}",
            pruning.min_df
        )));
    }
    if n_terms >= u32::MAX.into() {
        return Err(Error::Input(format!("{n_terms} distinct terms: a table holds fewer than 2^32")));
    }
    Ok(sorted)
}

/// An empty vector with room for so many values.
fn vec_for<T>(values: usize) -> Result<Vec<T>> {
    let mut all = Vec::new();
    all.try_reserve_exact(values)?;
    Ok(all)
}

/// The numbers that follow from the statistics, by rank.
struct Derived {
    of_corpus: Idf,
    idf: Vec<f64>,
    score: Vec<f64>,
}

impl Derived {
    fn with_capacity(n_documents: u64, n_terms: usize) -> Result<Self> {
        Ok(Self { of_corpus: Idf::new(n_documents), idf: vec_for(n_terms)?, score: vec_for(n_terms)? })
    }

    fn push(&mut self, stats: TermStats) {
        let idf = self.of_corpus.of(stats.df);
        self.idf.push(idf);
        self.score.push(score(idf, stats.best));
    }
}
