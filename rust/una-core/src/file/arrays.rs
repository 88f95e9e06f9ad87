//! Counts as arrays in memory, to pass through other engines.

use super::checks::{Checked, check_stats, check_term};
use crate::count::TermCounts;
use crate::error::{Error, Result};
use crate::progress::Work;
use crate::tfidf::TermStats;
use crate::tokenize::Settings;

/// The arrays of a file of counts, in memory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Arrays {
    /// All terms, one after another.
    pub term_bytes: Vec<u8>,
    /// The bounds of the terms in `term_bytes`: 0, and the end of each.
    pub offsets: Vec<u64>,
    /// Number of sentences that hold the term.
    pub df: Vec<u64>,
    /// Numerator, in lowest terms, of the largest part of a sentence that the term makes up.
    pub best_count: Vec<u32>,
    /// Its denominator.
    pub best_length: Vec<u32>,
}

impl Arrays {
    /// The arrays of counts, in order of term bytes.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] where terms are on disk; [`crate::Error::Interrupted`].
    pub fn of_counts(counts: &TermCounts, work: Work<'_>) -> Result<Self> {
        let terms = counts.by_bytes(work)?;
        let mut arrays = Self::with_capacity(terms.n_terms() as usize, terms.term_bytes() as usize)?;
        terms.for_each(work, |term, stats| arrays.try_push(term, stats))?;
        Ok(arrays)
    }

    fn with_capacity(terms: usize, bytes: usize) -> Result<Self> {
        let mut arrays = Self::default();
        arrays.term_bytes.try_reserve_exact(bytes)?;
        arrays.offsets.try_reserve_exact(terms + 1)?;
        arrays.df.try_reserve_exact(terms)?;
        arrays.best_count.try_reserve_exact(terms)?;
        arrays.best_length.try_reserve_exact(terms)?;
        arrays.offsets.push(0);
        Ok(arrays)
    }

    fn try_push(&mut self, term: &[u8], stats: TermStats) -> Result<()> {
        self.term_bytes.try_reserve(term.len())?;
        self.offsets.try_reserve(1)?;
        self.df.try_reserve(1)?;
        self.best_count.try_reserve(1)?;
        self.best_length.try_reserve(1)?;
        self.term_bytes.extend_from_slice(term);
        self.offsets.push(self.term_bytes.len() as u64);
        self.df.push(stats.df);
        self.best_count.push(stats.best.count());
        self.best_length.push(stats.best.length());
        Ok(())
    }

    /// A term and its numbers; what the offsets say is yet to be believed.
    fn get(&self, i: usize) -> Checked<(&[u8], u64, u32, u32)> {
        let bounds = self.offsets[i] as usize..self.offsets[i + 1] as usize;
        let term = self.term_bytes.get(bounds).unwrap_or_default();
        check_term(i as u64, term)?;
        Ok((term, self.df[i], self.best_count[i], self.best_length[i]))
    }

    fn check_lengths(&self) -> Checked<()> {
        let n = self.df.len();
        if n >= u32::MAX as usize {
            return Err(format!("{n} terms: memory holds fewer than 2^32"));
        }
        if self.offsets.len() != n + 1 || self.offsets[0] != 0 {
            return Err(format!("{n} terms need {} offsets, the first 0", n + 1));
        }
        if self.offsets[n] != self.term_bytes.len() as u64 {
            return Err("the last offset is not the length of term_bytes".into());
        }
        if self.best_count.len() != n || self.best_length.len() != n {
            return Err(format!("{n} terms need as many best_count and best_length"));
        }
        Ok(())
    }
}

/// Counts from arrays that may come from anywhere, with the checks of a file; terms may stand in any order.
///
/// # Errors
/// [`Error::Input`] that says which of them fails, and where; [`Error::OutOfMemory`]; [`Error::Interrupted`].
pub fn counts_from_arrays(
    settings: Settings,
    n_documents: u64,
    arrays: &Arrays,
    work: Work<'_>,
) -> Result<TermCounts> {
    arrays.check_lengths().map_err(Error::Input)?;
    let mut counts = TermCounts::restored(settings, n_documents, None);
    let mut done = 0;
    for i in 0..arrays.df.len() {
        work.advance(&mut done)?;
        let (term, df, count, length) = arrays.get(i).map_err(Error::Input)?;
        let stats = check_stats(i as u64, n_documents, df, count, length).map_err(Error::Input)?;
        if !counts.insert(term, stats)? {
            return Err(Error::Input(format!("term {i} stands twice")));
        }
    }
    Ok(counts)
}
