//! The terms of counts one after another, in an order that is asked for, wherever they are: what is saved and what is
//! frozen comes out of here, so that neither needs to know of memory and disk.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::count::Stats;
use crate::count::budget::Budget;
use crate::count::run::Run;
use crate::count::sort::{Merge, Order, Sorted};
use crate::count::term_map::{Part, Shelf};
use crate::error::Result;
use crate::progress::Watch;
use crate::table::Pruning;
use crate::terms::index::TermIndex;
use crate::threads;

/// Terms in order, each once.
pub(crate) struct Sequence<'c> {
    from: Origin<'c>,
    n_terms: u64,
    term_bytes: u64,
}

enum Origin<'c> {
    Memory(Sorted<'c>),
    Disk(Merge),
}

impl<'c> Sequence<'c> {
    /// Terms of tables, none of which is in two of them.
    pub(crate) fn of_tables(
        tables: &'c [Part],
        order: Order,
        sieve: &Sieve,
        threads: usize,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let keep = |term: &[u8], stats| sieve.keeps(term, stats);
        let sorted = Sorted::new(tables, order, keep, threads, watch.stop)?;
        let (n_terms, term_bytes) = (sorted.len() as u64, sorted.term_bytes() as u64);
        Ok(Self { from: Origin::Memory(sorted), n_terms, term_bytes })
    }

    /// All terms of a run, in its own order.
    pub(crate) fn of_run(run: &Arc<Run>) -> Result<Self> {
        let merge = Merge::open(std::slice::from_ref(run), Order::Bytes)?;
        Ok(Self { from: Origin::Disk(merge), n_terms: run.n_terms(), term_bytes: run.term_bytes() })
    }

    /// Terms of a run, in another order, sorted on disk.
    pub(crate) fn of_run_sorted(
        run: &Arc<Run>,
        order: Order,
        sieve: &Sieve,
        budget: &Budget,
        watch: Watch<'_>,
    ) -> Result<Self> {
        let mut shelf = Shelf::new(order, Some(budget.clone()));
        Self::of_run(run)?.for_each(watch, |term, stats| {
            if sieve.keeps(term, stats) { shelf.add(term, stats, watch) } else { Ok(()) }
        })?;
        let runs = shelf.into_runs(watch)?;
        let n_terms = runs.iter().map(|run| run.n_terms()).sum();
        let term_bytes = runs.iter().map(|run| run.term_bytes()).sum();
        let merge = Merge::new(runs, order, budget.folder(), watch)?;
        Ok(Self { from: Origin::Disk(merge), n_terms, term_bytes })
    }

    /// Number of terms.
    pub(crate) const fn n_terms(&self) -> u64 {
        self.n_terms
    }

    /// Bytes of all the terms together.
    pub(crate) const fn term_bytes(&self) -> u64 {
        self.term_bytes
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        self,
        watch: Watch<'_>,
        visit: impl FnMut(&[u8], Stats) -> Result<()>,
    ) -> Result<()> {
        match self.from {
            Origin::Memory(sorted) => sorted.for_each(watch, visit),
            Origin::Disk(merge) => merge.for_each(watch, visit),
        }
    }

    /// [`Self::for_each`], with the index of the terms made beside it where they are in memory and there is a thread
    /// for that.
    pub(crate) fn for_each_beside_index(
        self,
        threads: usize,
        watch: Watch<'_>,
        visit: impl FnMut(&[u8], Stats) -> Result<()>,
    ) -> Result<Option<TermIndex>> {
        if let Origin::Memory(sorted) = &self.from
            && threads > 1
        {
            let (index, ()) = threads::both(|| sorted.index(watch.stop), || sorted.for_each(watch, visit))?;
            return Ok(Some(index));
        }
        self.for_each(watch, visit).map(|()| None)
    }
}

/// Which terms stay.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sieve {
    min_df: u64,
    cut: Option<Cut>,
}

/// Where the number of terms is limited: of those that share the lowest document frequency, the last that stays.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    df: u64,
    /// Empty, as no term is, where none of them stays.
    last: Vec<u8>,
}

impl Sieve {
    /// All terms.
    pub(crate) const ALL: Self = Self { min_df: 0, cut: None };

    pub(crate) fn keeps(&self, term: &[u8], stats: Stats) -> bool {
        stats.df >= self.min_df
            && self
                .cut
                .as_ref()
                .is_none_or(|cut| stats.df > cut.df || stats.df == cut.df && term <= cut.last.as_slice())
    }

    pub(crate) fn of_tables(tables: &[Part], pruning: Pruning) -> Self {
        let all = || tables.iter().flat_map(|table| table.terms(0..table.stats.len() as u32));
        let Some(most) = pruning.max_terms else { return Self { min_df: pruning.min_df, cut: None } };
        let mut frequencies = Frequencies::default();
        all().for_each(|(_, _, stats)| frequencies.add(stats));
        let cut = frequencies.cut(pruning.min_df, most).map(|(df, ties)| {
            let tied = all().filter(|(_, _, stats)| stats.df == df).map(|(_, term, _)| term);
            let mut tied: Vec<&[u8]> = if ties == 0 { Vec::new() } else { tied.collect() };
            let last = (ties as usize).checked_sub(1).map(|index| *tied.select_nth_unstable(index).1);
            Cut { df, last: last.unwrap_or_default().to_vec() }
        });
        Self { min_df: pruning.min_df, cut }
    }

    /// For the terms of a run in order of their bytes.
    pub(crate) fn of_run(run: &Arc<Run>, pruning: Pruning, watch: Watch<'_>) -> Result<Self> {
        let Some(most) = pruning.max_terms else { return Ok(Self { min_df: pruning.min_df, cut: None }) };
        let mut frequencies = Frequencies::default();
        Sequence::of_run(run)?.for_each(watch, |_, stats| {
            frequencies.add(stats);
            Ok(())
        })?;
        let Some((df, mut ties)) = frequencies.cut(pruning.min_df, most) else {
            return Ok(Self { min_df: pruning.min_df, cut: None });
        };
        let mut last = Vec::new();
        Sequence::of_run(run)?.for_each(watch, |term, stats| {
            if stats.df == df && ties > 0 {
                ties -= 1;
                last.clear();
                last.extend_from_slice(term);
            }
            Ok(())
        })?;
        Ok(Self { min_df: pruning.min_df, cut: Some(Cut { df, last }) })
    }
}

/// How many terms there are of each document frequency: far fewer numbers than terms, since distinct frequencies of
/// many terms take ever more text.
#[derive(Default)]
struct Frequencies(BTreeMap<u64, u64>);

impl Frequencies {
    fn add(&mut self, stats: Stats) {
        *self.0.entry(stats.df).or_insert(0) += 1;
    }

    /// The document frequency at which only a number of terms stay, and that number; None where all stay.
    fn cut(&self, min_df: u64, most: u64) -> Option<(u64, u64)> {
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
