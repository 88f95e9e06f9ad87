//! Sentences into rows of a sparse matrix: the TF-IDF of each of their terms.

use std::ops::Range;

use crate::error::Result;
use crate::progress::Stop;
use crate::table::TermTable;
use crate::text::lowercase::lowercase;
use crate::threads;
use crate::tokenize::Scratch;
use crate::tokenize::tokens::{Cut, Tokens, each_token};

/// Consecutive rows of a matrix in compressed form; terms by rank, ascending within a row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Where each row stops in `ranks` and `values`.
    pub ends: Vec<u64>,
    /// The terms.
    pub ranks: Vec<u32>,
    /// `ln(1 + c / L) * ln(N / df)`, with `c` and `L` counted over all tokens of the sentence, known or not.
    pub values: Vec<f64>,
}

impl Rows {
    fn append(mut self, mut other: Self) -> Self {
        let before = self.ranks.len() as u64;
        self.ends.extend(other.ends.iter().map(|end| before + end));
        self.ranks.append(&mut other.ranks);
        self.values.append(&mut other.values);
        self
    }
}

/// One row a sentence, made on `threads` threads; terms that the table does not hold are left out. `tokens` are those of
/// the sentences where the table's tokenizer is not of this crate.
///
/// # Errors
/// [`Error::Option`](crate::Error::Option) where tokens are missing; [`Error::Interrupted`](crate::Error::Interrupted)
/// when `stop` asks.
pub fn transform(
    table: &TermTable,
    sentences: &[&str],
    tokens: Option<&Tokens>,
    threads: usize,
    stop: &Stop,
) -> Result<Rows> {
    let made = threads::each(threads::runs(sentences.len(), threads), |run| {
        Weigher::new(table).rows(run, sentences, tokens, stop)
    })?;
    Ok(made.into_iter().reduce(Rows::append).unwrap_or_default())
}

/// A table, and the buffers that one sentence leaves to the next.
struct Weigher<'t> {
    table: &'t TermTable,
    scratch: Scratch,
    lowered: String,
    ranks: Vec<u32>,
}

impl<'t> Weigher<'t> {
    fn new(table: &'t TermTable) -> Self {
        Self { table, scratch: Scratch::default(), lowered: String::new(), ranks: Vec::new() }
    }

    fn rows(
        &mut self,
        run: Range<usize>,
        sentences: &[&str],
        tokens: Option<&Tokens>,
        stop: &Stop,
    ) -> Result<Rows> {
        let mut rows = Rows::default();
        for i in run {
            if i.is_multiple_of(64) {
                stop.check()?;
            }
            self.add(sentences[i], tokens.map(|tokens| tokens.get(i)), &mut rows)?;
        }
        Ok(rows)
    }

    fn add(&mut self, sentence: &str, tokens: Option<Cut<'_>>, rows: &mut Rows) -> Result<()> {
        let Self { table, scratch, lowered, ranks } = self;
        let settings = table.settings();
        let text = if settings.lowercase { lowercase(sentence, lowered) } else { sentence };
        let mut length = 0;
        ranks.clear();
        each_token(&settings.tokenizer, tokens, text, scratch, |token| {
            length += 1;
            ranks.extend(table.rank(token.text));
        })?;
        ranks.sort_unstable();
        for run in ranks.chunk_by(|a, b| a == b) {
            rows.ranks.push(run[0]);
            rows.values.push(table.token_score(Some(run[0]), run.len() as u32, length));
        }
        rows.ends.push(rows.ranks.len() as u64);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::count::{Plan, Settings, TermCounts};
    use crate::table::Pruning;
    use crate::text::reader::{Block, Progress, ReadOptions};
    use crate::tokenize::Tokenizer;
    use proptest::prelude::*;

    fn table(sentences: &[&str]) -> TermTable {
        let settings = Settings { tokenizer: Tokenizer::Whitespace, lowercase: true };
        let (stop, progress) = (Stop::default(), Progress::default());
        let plan =
            Plan { threads: 1, read: ReadOptions::default(), budget: None, stop: &stop, progress: &progress };
        let mut ends = vec![];
        for sentence in sentences {
            ends.push(ends.last().unwrap_or(&0) + sentence.len());
        }
        let block = Block::from_rows(sentences.concat().into_bytes(), ends, 0);
        let counts = TermCounts::count_blocks(settings, &plan, |emit| emit(block)).unwrap();
        TermTable::freeze(&counts, Pruning::default()).unwrap()
    }

    #[test]
    fn unknown_terms_count_for_the_length_alone() {
        let table = table(&["a b", "a c", "b d"]);
        let rows = transform(&table, &["B b x X", "", "x"], None, 1, &Stop::default()).unwrap();
        assert_eq!(rows.ends, [1, 1, 1]);
        assert_eq!(rows.ranks, [table.rank("b").unwrap()]);
        assert!((rows.values[0] - 1.5f64.ln() * (3f64 / 2.0).ln()).abs() < 1e-15);
    }

    proptest! {
        #[test]
        fn threads_are_invisible(
            sentences in prop::collection::vec("[a-d x]{0,6}", 0..9), repeat in 1usize..200, threads in 2usize..6
        ) {
            let table = table(&["a b", "a c", "b d"]);
            let sentences: Vec<&str> = (0..repeat).flat_map(|_| sentences.iter().map(String::as_str)).collect();
            let stop = Stop::default();
            let one = transform(&table, &sentences, None, 1, &stop).unwrap();
            prop_assert_eq!(one.ends.len(), sentences.len());
            prop_assert_eq!(one, transform(&table, &sentences, None, threads, &stop).unwrap());
        }
    }
}
