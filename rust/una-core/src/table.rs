//! The frozen vocabulary: terms sorted by falling score, with all that sampling needs to know of them.

use std::ops::Range;

use crate::count::{Settings, Stats, TermCounts};
use crate::error::{Error, Result};
use crate::index::{Key, TermIndex, prefix};
use crate::tfidf::{Ratio, idf, score, table_order, tf};
use crate::vocab::Vocab;

/// What is kept of the counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pruning {
    /// Terms in fewer sentences are left out.
    pub min_df: u64,
    /// At most this many terms stay: those of the highest document frequency, ties broken by term bytes.
    pub max_terms: Option<u64>,
}

impl Default for Pruning {
    fn default() -> Self {
        Self { min_df: 1, max_terms: None }
    }
}

/// Terms by rank. Immutable; equal counts and pruning give an equal table, bit for bit.
///
/// Invariants: terms are in [`table_order`]; the id of a term in `vocab` is its rank; all vectors have its length,
/// which is at least 1.
#[derive(Debug, Clone)]
pub struct TermTable {
    settings: Settings,
    pruning: Pruning,
    n_documents: u64,
    vocab: Vocab,
    index: TermIndex,
    df: Vec<u64>,
    best: Vec<Ratio>,
    idf: Vec<f64>,
    score: Vec<f64>,
}

impl TermTable {
    /// Freezes counts into a table.
    ///
    /// # Errors
    /// [`Error::Input`] where there is no sentence or no term; [`Error::Option`] where pruning leaves nothing.
    pub fn freeze(counts: &TermCounts, pruning: Pruning) -> Result<Self> {
        if counts.n_documents() == 0 {
            return Err(Error::Input("the corpus is empty: no sentence was counted".into()));
        }
        if counts.n_terms() == 0 {
            return Err(Error::Input(format!(
                "no term in {} sentences under the tokenizer {:?}",
                counts.n_documents(),
                counts.settings().tokenizer.name()
            )));
        }
        if counts.n_terms() >= u32::MAX as usize {
            return Err(Error::Input(format!(
                "{} distinct terms: a table holds fewer than 2^32",
                counts.n_terms()
            )));
        }
        let kept = prune(counts, pruning);
        if kept.is_empty() {
            return Err(Error::Option(format!(
                "no term is left of {}: min_df = {}, max_terms = {}",
                counts.n_terms(),
                pruning.min_df,
                pruning.max_terms.map_or("none".into(), |n| n.to_string()),
            )));
        }
        let sorted = sort_by_score(kept, counts.n_documents());
        let mut vocab = Vocab::with_capacity(sorted.len(), sorted.iter().map(|entry| entry.term.len()).sum());
        let mut df = Vec::with_capacity(sorted.len());
        let mut best = Vec::with_capacity(sorted.len());
        let mut scores = Vec::with_capacity(sorted.len());
        for entry in &sorted {
            vocab.intern(entry.term);
            df.push(entry.stats.df);
            best.push(entry.stats.best);
            scores.push(entry.score);
        }
        Ok(Self {
            settings: counts.settings(),
            pruning,
            n_documents: counts.n_documents(),
            idf: df.iter().map(|&df| idf(counts.n_documents(), df)).collect(),
            index: TermIndex::new(&vocab),
            vocab,
            df,
            best,
            score: scores,
        })
    }

    /// A table from what a file holds, if it is one.
    ///
    /// # Errors
    /// A sentence that says which invariant does not hold, and where.
    pub(crate) fn from_parts(
        settings: Settings,
        pruning: Pruning,
        n_documents: u64,
        vocab: Vocab,
        df: Vec<u64>,
        best: Vec<Ratio>,
    ) -> std::result::Result<Self, String> {
        if vocab.is_empty() {
            return Err("the table holds no term".into());
        }
        let score: Vec<f64> = df.iter().zip(&best).map(|(&df, &best)| score(n_documents, df, best)).collect();
        for rank in 1..vocab.len() {
            let at = |rank: usize| (score[rank], vocab.term(rank as u32));
            if table_order(at(rank - 1), at(rank)).is_ge() {
                return Err(format!("terms {} and {rank} are out of order", rank - 1));
            }
        }
        Ok(Self {
            settings,
            pruning,
            n_documents,
            idf: df.iter().map(|&df| idf(n_documents, df)).collect(),
            index: TermIndex::new(&vocab),
            vocab,
            df,
            best,
            score,
        })
    }

    /// How text became terms.
    #[must_use]
    pub const fn settings(&self) -> Settings {
        self.settings
    }

    /// What was left out at freezing.
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
        self.vocab.len()
    }

    /// Always false: a table holds at least one term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vocab.is_empty()
    }

    /// The terms, in order of rank.
    #[must_use]
    pub const fn vocab(&self) -> &Vocab {
        &self.vocab
    }

    /// The term of `rank`.
    ///
    /// # Panics
    /// If `rank` is not below [`Self::len`].
    #[must_use]
    pub fn term(&self, rank: u32) -> &str {
        // Terms enter as `&str` or are validated on load, so this never takes the second way.
        std::str::from_utf8(self.vocab.term(rank)).unwrap_or("\u{fffd}")
    }

    /// The rank of `term`, if the table holds it.
    #[must_use]
    pub fn rank(&self, term: &str) -> Option<u32> {
        self.index.get(&Key::new(term.as_bytes()), term.as_bytes(), &self.vocab)
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

    /// Where a term of this score would stand: the first rank whose score is not larger, or the last rank.
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

fn prune(counts: &TermCounts, pruning: Pruning) -> Vec<(&[u8], Stats)> {
    let mut kept: Vec<_> = counts.iter().filter(|(_, stats)| stats.df >= pruning.min_df).collect();
    if let Some(most) = pruning.max_terms
        && (most as usize) < kept.len()
    {
        let most = most as usize;
        let by_df = |a: &(&[u8], Stats), b: &(&[u8], Stats)| b.1.df.cmp(&a.1.df).then(a.0.cmp(b.0));
        if most > 0 {
            kept.select_nth_unstable_by(most - 1, by_df);
        }
        kept.truncate(most);
    }
    kept
}

struct Entry<'t> {
    score: f64,
    /// The first bytes of the term, big-endian: settles most ties without a look at the term itself.
    prefix: u64,
    term: &'t [u8],
    stats: Stats,
}

fn sort_by_score(kept: Vec<(&[u8], Stats)>, n_documents: u64) -> Vec<Entry<'_>> {
    let mut entries: Vec<_> = kept
        .into_iter()
        .map(|(term, stats)| Entry {
            score: score(n_documents, stats.df, stats.best),
            prefix: prefix(term),
            term,
            stats,
        })
        .collect();
    entries.sort_unstable_by(|a, b| {
        b.score.total_cmp(&a.score).then(a.prefix.cmp(&b.prefix)).then_with(|| a.term.cmp(b.term))
    });
    entries
}
