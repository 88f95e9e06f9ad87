//! The kinds of terms, for replacements that are of the kind of what they replace: phrases for phrases and words for
//! words, and terms of the same script where that is wanted.

use std::ops::Range;

use super::scripts;
use crate::table::TermTable;

/// Two for each script.
const KINDS: usize = 2 << 8;

/// The terms of a table by kind.
#[derive(Debug, Clone)]
pub(super) struct Kinds {
    by_script: bool,
    by_length: bool,
    /// By kind, the ranks of its terms, rising.
    ranks: Vec<Vec<u32>>,
}

impl Kinds {
    /// None where all terms are of one kind.
    pub(super) fn of(table: &TermTable, by_script: bool) -> Option<Self> {
        let by_length = !table.settings().phrases.is_empty();
        let mut kinds = Self { by_script, by_length, ranks: vec![Vec::new(); KINDS] };
        if !by_script && !by_length {
            return None;
        }
        for rank in 0..table.len() as u32 {
            let kind = kinds.number(table.term(rank));
            kinds.ranks[kind].push(rank);
        }
        Some(kinds)
    }

    /// The number of a term's kind.
    pub(super) fn number(&self, term: &str) -> usize {
        let script = if self.by_script { scripts::number(term) } else { 0 };
        usize::from(script) << 1 | usize::from(self.by_length && term.contains(' '))
    }

    /// The ranks of the terms of a kind.
    pub(super) fn ranks(&self, kind: usize) -> &[u32] {
        &self.ranks[kind]
    }

    /// The part of [`Self::ranks`] that lies within these ranks.
    pub(super) fn within(&self, kind: usize, window: &Range<u32>) -> Range<u32> {
        let place = |rank: u32| self.ranks(kind).partition_point(|&other| other < rank) as u32;
        place(window.start)..place(window.end)
    }
}
