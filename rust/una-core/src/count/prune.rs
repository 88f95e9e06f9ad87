//! Pruning: the terms that a table keeps, by document frequency and number.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::run::Run;
use super::spill::SortedTerms;
use super::term_map::TermMap;
use crate::error::Result;
use crate::progress::Work;
use crate::tfidf::TermStats;

/// The terms of counts that a table keeps.
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

/// A [`Pruning`] made a question about one term, once it is known how frequent the others are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PruneFilter {
    min_df: u64,
    cutoff: Option<DfCutoff>,
}

/// The end of the terms that stay where their number is limited: of those that share the lowest document frequency,
/// the last that stays.
#[derive(Debug, PartialEq, Eq)]
struct DfCutoff {
    df: u64,
    /// Empty, as no term is, where none of them stays.
    last: Vec<u8>,
}

impl PruneFilter {
    /// Returns true for a term that stays.
    pub(crate) fn keeps(&self, term: &[u8], stats: TermStats) -> bool {
        stats.df >= self.min_df
            && self.cutoff.as_ref().is_none_or(|cutoff| {
                stats.df > cutoff.df || stats.df == cutoff.df && term <= cutoff.last.as_slice()
            })
    }

    /// The filter for the terms of maps, none of which is in two of them.
    pub(crate) fn of_maps(maps: &[TermMap], pruning: Pruning) -> Self {
        let all = || maps.iter().flat_map(TermMap::iter);
        let Some(most) = pruning.max_terms else { return Self { min_df: pruning.min_df, cutoff: None } };
        let mut frequencies = Frequencies::default();
        all().for_each(|(_, _, stats)| frequencies.add(stats));
        let cutoff = frequencies.cutoff(pruning.min_df, most).map(|(df, ties)| {
            let tied = all().filter(|(_, _, stats)| stats.df == df).map(|(_, term, _)| term);
            let mut tied: Vec<&[u8]> = if ties == 0 { Vec::new() } else { tied.collect() };
            let last = (ties as usize).checked_sub(1).map(|index| *tied.select_nth_unstable(index).1);
            DfCutoff { df, last: last.unwrap_or_default().to_vec() }
        });
        Self { min_df: pruning.min_df, cutoff }
    }

    /// The filter for the terms of a run in order of their bytes.
    pub(crate) fn of_run(run: &Arc<Run>, pruning: Pruning, work: Work<'_>) -> Result<Self> {
        let Some(most) = pruning.max_terms else { return Ok(Self { min_df: pruning.min_df, cutoff: None }) };
        // Two readings instead of a sort: the first finds the frequency at which the limit cuts, the second the last of
        // the terms of that frequency that stay, which are met in order of their bytes.
        let mut frequencies = Frequencies::default();
        SortedTerms::of_run(run)?.for_each(work, |_, stats| {
            frequencies.add(stats);
            Ok(())
        })?;
        let Some((df, mut ties)) = frequencies.cutoff(pruning.min_df, most) else {
            return Ok(Self { min_df: pruning.min_df, cutoff: None });
        };
        let mut last = Vec::new();
        SortedTerms::of_run(run)?.for_each(work, |term, stats| {
            if stats.df == df && ties > 0 {
                ties -= 1;
                last.clear();
                last.extend_from_slice(term);
            }
            Ok(())
        })?;
        Ok(Self { min_df: pruning.min_df, cutoff: Some(DfCutoff { df, last }) })
    }
}

/// Number of terms of each document frequency: far fewer numbers than terms, since distinct frequencies of
/// many terms take ever more text.
#[derive(Default)]
struct Frequencies(BTreeMap<u64, u64>);

impl Frequencies {
    fn add(&mut self, stats: TermStats) {
        *self.0.entry(stats.df).or_insert(0) += 1;
    }

    /// The document frequency at which only a number of terms stay, and that number; `None` where all stay.
    fn cutoff(&self, min_df: u64, most: u64) -> Option<(u64, u64)> {
        let mut left = most;
        for (&df, &terms) in self.0.range(min_df..).rev() {
            match left.checked_sub(terms) {
                Some(rest) => left = rest,
                None => return Some((df, left)),
            }
        }
        None
    }
}
