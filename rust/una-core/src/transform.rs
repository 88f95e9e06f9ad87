//! Sentences into rows of a sparse matrix: the TF-IDF of each of their terms.

use std::ops::Range;

use crate::error::Result;
use crate::memory;
use crate::progress::{Stop, Work};
use crate::ragged::Ragged;
use crate::table::TermTable;
use crate::text::lowercase::lowercase;
use crate::threads;
use crate::tokenize::Scratch;
use crate::tokenize::tokens::{SentenceTokens, Tokens, each_term};

/// Bytes that a sentence takes for each of its terms.
const A_TERM: usize = 64;

/// Consecutive rows of a matrix in compressed form.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SparseRows {
    /// The terms of each row by rank, ascending.
    pub ranks: Ragged<u32>,
    /// A value for each of them: `ln(1 + c / L) * ln(N / df)`, with `c` and `L` counted over all terms of the
    /// sentence, known or not.
    pub values: Vec<f64>,
}

impl SparseRows {
    fn append(mut self, mut other: Self) -> Result<Self> {
        self.ranks.try_append(&other.ranks)?;
        self.values.try_reserve_exact(other.values.len())?;
        self.values.append(&mut other.values);
        Ok(self)
    }
}

/// One row a sentence, with the terms that the table holds. `tokens` are those of the sentences where the table's
/// tokenizer is not of this crate.
///
/// ```
/// use una_core::transform::transform;
/// use una_core::{Pruning, Settings, TermCounts, TermTable, Work};
///
/// let counts = TermCounts::count_sentences(Settings::default(), ["a cat", "a dog"], Work::default())?;
/// let table = TermTable::freeze(&counts, Pruning::default(), Work::default())?;
/// let rows = transform(&table, &["cat and cat", ""], None, Work::default())?;
/// assert_eq!(rows.ranks.offsets(), [0, 1, 1]);
/// assert_eq!(table.term(rows.ranks.values()[0]), "cat");
/// assert_eq!(rows.values[0], (1.0f64 + 2.0 / 3.0).ln() * 2f64.ln());
/// # Ok::<(), una_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Option`](crate::Error::Option) where tokens are missing; [`Error::Interrupted`](crate::Error::Interrupted).
pub fn transform(
    table: &TermTable,
    sentences: &[&str],
    tokens: Option<&Tokens>,
    work: Work<'_>,
) -> Result<SparseRows> {
    let made = threads::map(threads::split(sentences.len(), work.threads), work.threads, |range| {
        Weigher::new(table).rows(range, sentences, tokens, work.stop)
    })?;
    made.into_iter().try_fold(SparseRows::default(), SparseRows::append)
}

/// A table, and the buffers that one sentence leaves to the next.
struct Weigher<'t> {
    table: &'t TermTable,
    scratch: Scratch,
    lowered: String,
    ranks: Vec<u32>,
    joined: String,
}

impl<'t> Weigher<'t> {
    fn new(table: &'t TermTable) -> Self {
        Self {
            table,
            scratch: Scratch::default(),
            lowered: String::new(),
            ranks: Vec::new(),
            joined: String::new(),
        }
    }

    fn rows(
        &mut self,
        range: Range<usize>,
        sentences: &[&str],
        tokens: Option<&Tokens>,
        stop: &Stop,
    ) -> Result<SparseRows> {
        let mut rows = SparseRows::default();
        for i in range {
            if i.is_multiple_of(64) {
                stop.check()?;
            }
            self.add(sentences[i], tokens.map(|tokens| tokens.get(i)), &mut rows)?;
        }
        Ok(rows)
    }

    fn add(
        &mut self,
        sentence: &str,
        tokens: Option<SentenceTokens<'_>>,
        rows: &mut SparseRows,
    ) -> Result<()> {
        let Self { table, scratch, lowered, ranks, joined } = self;
        let settings = table.settings();
        let ngrams = settings.ngrams as usize;
        memory::afford_ngrams(sentence, A_TERM, settings.ngrams)?;
        let text = if settings.lowercase { lowercase(sentence, lowered) } else { sentence };
        let mut length = 0;
        ranks.clear();
        let mut words = Vec::new();
        each_term(settings, tokens, text, scratch, |token| {
            length += 1;
            ranks.extend(table.rank(token.text));
            if ngrams > 1 {
                words.push(token.text);
            }
        })?;
        for start in 0..words.len() {
            joined.clear();
            joined.push_str(words[start]);
            for word in words[start + 1..].iter().take(ngrams - 1) {
                length += 1;
                joined.extend([" ", *word]);
                ranks.extend(table.rank(joined));
            }
        }
        rows.ranks.try_reserve(1, ranks.len())?;
        rows.values.try_reserve(ranks.len())?;
        ranks.sort_unstable();
        for equal in ranks.chunk_by(|a, b| a == b) {
            rows.ranks.values_mut().push(equal[0]);
            rows.values.push(table.token_score(Some(equal[0]), equal.len() as u32, length));
        }
        rows.ranks.end_list();
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::count::{Pruning, TermCounts};
    use crate::tokenize::{Settings, Tokenizer};
    use proptest::prelude::*;

    fn table(sentences: &[&str]) -> TermTable {
        let settings = Settings { tokenizer: Tokenizer::Whitespace, ..Settings::default() };
        let counts = TermCounts::count_sentences(settings, sentences, Work::default()).unwrap();
        TermTable::freeze(&counts, Pruning::default(), Work::default()).unwrap()
    }

    #[test]
    fn unknown_terms_count_for_the_length_alone() {
        let table = table(&["a b", "a c", "b d"]);
        let rows = transform(&table, &["B b x X", "", "x"], None, Work::default()).unwrap();
        assert_eq!(rows.ranks.offsets(), [0, 1, 1, 1]);
        assert_eq!(rows.ranks.values(), [table.rank("b").unwrap()]);
        assert!((rows.values[0] - 1.5f64.ln() * (3f64 / 2.0).ln()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn threads_are_invisible(
            sentences in prop::collection::vec("[a-d x]{0,6}", 0..9), repeat in 1usize..200, threads in 2usize..6
        ) {
            let table = table(&["a b", "a c", "b d"]);
            let sentences: Vec<&str> = (0..repeat).flat_map(|_| sentences.iter().map(String::as_str)).collect();
            let one = transform(&table, &sentences, None, Work::default()).unwrap();
            prop_assert_eq!(one.ranks.len(), sentences.len());
            prop_assert_eq!(one, transform(&table, &sentences, None, Work::on(threads)).unwrap());
        }
    }
}
