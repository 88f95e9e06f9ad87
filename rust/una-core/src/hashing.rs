//! Documents as rows of hashed terms, for which no vocabulary is kept: scikit-learn's `HashingVectorizer`.
//!
//! Documents are counted a part at a time, so that a term is hashed once for each part that it is in, and what is known of
//! terms is forgotten with the part. `hash_slowly`, in the tests, is the twin.

use crate::document_terms::{Analysis, DocumentCounter};
use crate::error::Result;
use crate::progress::Work;
use crate::ragged::{Ragged, cut_stretches, stretches};
use crate::terms::TermArena;
use crate::threads;

/// Documents whose terms are held at a time.
const PART: usize = 1 << 17;

/// Rows that a thread hashes at a time.
const STRETCH: usize = 1 << 12;

/// How terms become columns.
#[derive(Debug, Clone, Copy)]
pub struct Hashing {
    /// The number of columns, at least 1.
    pub n_features: u32,
    /// True where half of all terms count as negative, so that what falls on one column evens out.
    pub alternate_sign: bool,
}

impl Hashing {
    /// The column of a term, and 1 or -1.
    fn of(self, term: &[u8]) -> (u32, f64) {
        let hash = murmur3(term).cast_signed();
        let sign = if self.alternate_sign && hash < 0 { -1.0 } else { 1.0 };
        (hash.unsigned_abs() % self.n_features.max(1), sign)
    }
}

/// `MurmurHash3` in its form of 32 bits, seed 0.
fn murmur3(bytes: &[u8]) -> u32 {
    let mixed = |word: u32| word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
    let (words, rest) = bytes.as_chunks::<4>();
    let mut hash = words.iter().fold(0u32, |hash, &word| {
        let hash = hash ^ mixed(u32::from_le_bytes(word));
        hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    });
    hash ^= mixed(rest.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)));
    hash ^= bytes.len() as u32;
    hash = (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b);
    hash = (hash ^ hash >> 13).wrapping_mul(0xc2b2_ae35);
    hash ^ hash >> 16
}

/// Counts the terms of documents by their hashes.
///
/// ```
/// use una_core::Work;
/// use una_core::document_terms::Analysis;
/// use una_core::hashing::{Hashing, HashingCounter};
///
/// let hashing = Hashing { n_features: 1 << 20, alternate_sign: true };
/// let mut counter = HashingCounter::new(Analysis::default(), hashing);
/// counter.add(&["The cat and the dog"], Work::default())?;
/// let (columns, values) = counter.finish(Work::default())?;
/// assert_eq!(columns.get(0).len(), 4);
/// assert_eq!(values.iter().map(|value| value.abs()).sum::<f64>(), 5.0);
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug)]
pub struct HashingCounter {
    analysis: Analysis,
    hashing: Hashing,
    /// What counts the part that is not full yet, and of how many documents that is.
    part: (DocumentCounter, usize),
    /// The rows of the parts before.
    columns: Ragged<u32>,
    values: Vec<f64>,
}

impl HashingCounter {
    /// A counter of all terms.
    #[must_use]
    pub fn new(analysis: Analysis, hashing: Hashing) -> Self {
        let part = (DocumentCounter::new(analysis.clone(), None), 0);
        Self { analysis, hashing, part, columns: Ragged::default(), values: Vec::new() }
    }

    /// Counts more documents.
    ///
    /// # Errors
    /// Those of [`DocumentCounter::add`].
    pub fn add(&mut self, mut documents: &[&str], work: Work<'_>) -> Result<()> {
        while !documents.is_empty() {
            let (now, later) = documents.split_at(documents.len().min(PART - self.part.1));
            self.part.0.add(now, work)?;
            self.part.1 += now.len();
            documents = later;
            if self.part.1 == PART {
                self.hash(work)?;
            }
        }
        Ok(())
    }

    /// The columns of each document, ascending, and a value for each of them: how often its terms occur there, those that
    /// count as negative subtracted.
    ///
    /// # Errors
    /// Those of [`DocumentCounter::finish`].
    pub fn finish(mut self, work: Work<'_>) -> Result<(Ragged<u32>, Vec<f64>)> {
        self.hash(work)?;
        Ok((self.columns, self.values))
    }

    /// Hashes the terms of the part, and begins another.
    fn hash(&mut self, work: Work<'_>) -> Result<()> {
        let part = DocumentCounter::new(self.analysis.clone(), None);
        let (counter, _) = std::mem::replace(&mut self.part, (part, 0));
        let (terms, rows) = counter.finish::<f64>(work)?;
        let hashes = hashes(&terms, self.hashing, work)?;
        drop(terms);
        let (mut columns, offsets) = rows.columns.into_parts();
        let mut values = rows.counts;
        let own = cut_stretches(&mut columns, &offsets, STRETCH);
        let places = own.zip(cut_stretches(&mut values, &offsets, STRETCH));
        let tasks = stretches(&offsets, STRETCH).zip(places).collect();
        let lengths = threads::map(tasks, work.threads, |(bounds, (columns, values)): Task<'_>| {
            work.stop.check()?;
            let (mut row, mut lengths) = (Vec::new(), Vec::new());
            for ends in bounds.windows(2) {
                let range = (ends[0] - bounds[0]) as usize..(ends[1] - bounds[0]) as usize;
                let (columns, values) = (&mut columns[range.clone()], &mut values[range]);
                row.clear();
                row.try_reserve(columns.len())?;
                row.extend(columns.iter().zip(&*values).map(|(&column, &count)| {
                    let (column, sign) = hashes[column as usize];
                    (column, sign * count)
                }));
                row.sort_unstable_by_key(|&(column, _)| column);
                let mut length = 0;
                for same in row.chunk_by(|a, b| a.0 == b.0) {
                    columns[length] = same[0].0;
                    values[length] = same.iter().map(|&(_, value)| value).sum();
                    length += 1;
                }
                lengths.push(length);
            }
            Ok(lengths)
        })?;
        self.columns.try_reserve(offsets.len(), columns.len())?;
        self.values.try_reserve(values.len())?;
        for (&start, length) in offsets.iter().zip(lengths.into_iter().flatten()) {
            let range = start as usize..start as usize + length;
            self.columns.push(&columns[range.clone()]);
            self.values.extend_from_slice(&values[range]);
        }
        Ok(())
    }
}

/// Row bounds, and the columns and values between them.
type Task<'r> = (&'r [u64], (&'r mut [u32], &'r mut [f64]));

/// The column and the sign of each term.
fn hashes(terms: &TermArena, hashing: Hashing, work: Work<'_>) -> Result<Vec<(u32, f64)>> {
    let mut hashes = Vec::new();
    hashes.try_reserve_exact(terms.len())?;
    hashes.extend((0..terms.len() as u32).map(|term| hashing.of(terms.get(term))));
    work.stop.check()?;
    Ok(hashes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::tokenize::Tokenizer;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// As scikit-learn's `murmurhash3_bytes_s32` has them.
    #[test]
    fn terms_have_the_hashes_of_the_reference() {
        let expected = [
            ("", 0),
            ("a", 1_009_084_850),
            ("the", -1_132_748_958),
            ("Straße", 1_561_572_846),
            ("una fast", -2_086_678_903),
        ];
        for (term, hash) in expected {
            assert_eq!(murmur3(term.as_bytes()).cast_signed(), hash, "{term}");
        }
    }

    fn hash_slowly(document: &str, hashing: Hashing) -> BTreeMap<u32, f64> {
        let mut row = BTreeMap::new();
        for term in document.split_whitespace() {
            let (column, sign) = hashing.of(term.as_bytes());
            *row.entry(column).or_insert(0.0) += sign;
        }
        row
    }

    proptest! {
        #[test]
        fn rows_are_the_sums_of_what_falls_on_a_column(
            documents in prop::collection::vec("[a-e ]{0,12}", 0..20), repeat in prop::sample::select(vec![1usize, 600]),
            n_features in 1u32..9, alternate_sign: bool, threads in 1usize..4, cut in 0usize..20,
        ) {
            let hashing = Hashing { n_features, alternate_sign };
            let documents: Vec<&str> = (0..repeat).flat_map(|_| documents.iter().map(String::as_str)).collect();
            let analysis = Analysis { tokenizer: Tokenizer::Whitespace, lowercase: false, ..Analysis::default() };
            let mut counter = HashingCounter::new(analysis, hashing);
            let (first, second) = documents.split_at(cut.min(documents.len()));
            counter.add(first, Work::on(threads)).unwrap();
            counter.hash(Work::on(threads)).unwrap();
            counter.add(second, Work::on(threads)).unwrap();
            let (columns, values) = counter.finish(Work::on(threads)).unwrap();
            prop_assert_eq!(columns.len(), documents.len());
            for (i, document) in documents.iter().enumerate() {
                let row = columns.get(i).iter().copied().zip(values[columns.range(i)].iter().copied());
                prop_assert!(row.eq(hash_slowly(document, hashing)));
            }
        }
    }
}
