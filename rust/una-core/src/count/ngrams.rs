//! Terms of several tokens: n-grams, joined by a space as scikit-learn joins them.
//!
//! An n-gram is the n-gram before its last token and that token: two ids. Language repeats itself in pairs too, so that
//! a cache of such pairs spares most of the work of joining, hashing and looking up. `ngrams_slowly`, in the tests, is the
//! twin that joins strings.

use super::unknown::Unknowns;
use crate::arch::{self, prefetch_at};
use crate::error::{Error, Result};
use crate::ragged::Ragged;
use crate::terms::Interner;

/// Pairs that the cache holds, once it has grown: 12 MiB a thread.
const PAIRS: usize = 1 << 20;
/// Pairs that it starts with.
const FIRST_PAIRS: usize = 1 << 10;

/// No term has this id: the n-gram would reach beyond its sentence.
const NONE: u32 = u32::MAX;

/// The tokens that a term may have, from so many to so many. Invariant: `1 <= least <= most`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NgramRange {
    pub(crate) least: u32,
    pub(crate) most: u32,
}

impl NgramRange {
    pub(crate) const fn is_of_tokens_alone(self) -> bool {
        self.most == 1
    }
}

/// Finds the n-grams of sentences whose tokens are known by id.
#[derive(Debug)]
pub(crate) struct Ngrams {
    range: NgramRange,
    pairs: Vec<Pair>,
    /// Most pairs that there may be: a power of two, as their number is.
    limit: usize,
    /// Pairs inserted since the cache last grew.
    inserted: usize,
    /// By position among all tokens, the id of the n-gram that starts there, of the length in hand.
    starting: Vec<u32>,
    longer: Vec<u32>,
    unknown: Unknowns,
    /// The n-grams of each sentence, the shorter ones first.
    found: Ragged<u32>,
}

/// An n-gram, the token after it, and what both make.
#[derive(Debug, Clone, Copy)]
struct Pair {
    left: u32,
    right: u32,
    joined: u32,
}

impl Pair {
    const NOTHING: Self = Self { left: NONE, right: NONE, joined: NONE };
}

impl Ngrams {
    pub(crate) fn new(range: NgramRange) -> Self {
        Self::with_pairs(range, PAIRS)
    }

    /// N-grams whose cache takes at most so many bytes, or hardly any.
    pub(super) fn within(range: NgramRange, bytes: usize) -> Self {
        let pairs = (bytes / size_of::<Pair>()).clamp(1, PAIRS);
        Self::with_pairs(range, 1 << pairs.ilog2())
    }

    fn with_pairs(range: NgramRange, limit: usize) -> Self {
        Self {
            range,
            pairs: vec![Pair::NOTHING; FIRST_PAIRS.min(limit)],
            limit,
            inserted: 0,
            starting: Vec::new(),
            longer: Vec::new(),
            unknown: Unknowns::default(),
            found: Ragged::default(),
        }
    }

    /// The same, with nothing in the cache: for other ids.
    pub(crate) fn emptied(&self) -> Self {
        Self::with_pairs(self.range, self.limit)
    }

    /// Bytes that the cache takes at most.
    pub(super) const fn most_memory(&self) -> usize {
        self.limit * size_of::<Pair>()
    }

    /// Finds the n-grams of sentences, which are then in [`Self::sentences`]; those that are new become terms.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Input`] where a sentence has 2^32 of them.
    pub(crate) fn find(&mut self, tokens: &Ragged<u32>, interner: &mut Interner) -> Result<()> {
        let NgramRange { least, most } = self.range;
        let longest = tokens.iter().map(<[u32]>::len).max().unwrap_or(0);
        let most = longest.min(most as usize);
        self.found.clear();
        self.starting.clear();
        self.starting.try_reserve(tokens.values().len())?;
        self.starting.extend_from_slice(tokens.values());
        // The n-grams of one length at a time, of all sentences together, each sentence's in a row: they come to stand
        // in the order of their lengths only when they are gathered.
        let mut levels = vec![];
        for length in 1..=most {
            if length > 1 {
                self.lengthen(length, tokens, interner)?;
            }
            if length >= least as usize {
                levels.push((length, self.starting.clone()));
            }
        }
        for i in 0..tokens.len() {
            let range = tokens.range(i);
            for (length, ids) in &levels {
                let last = (range.len() + 1).saturating_sub(*length);
                let ids = &ids[range.start..range.start + last];
                self.found.values_mut().try_reserve(ids.len())?;
                self.found.values_mut().extend_from_slice(ids);
            }
            self.found.end_list();
            if u32::try_from(self.found.get(i).len()).is_err() {
                return Err(Error::Input("a sentence has 2^32 terms or more".into()));
            }
        }
        Ok(())
    }

    /// The terms of each sentence.
    pub(crate) const fn sentences(&self) -> &Ragged<u32> {
        &self.found
    }

    /// From the n-grams of `length - 1` tokens to those of `length`.
    fn lengthen(&mut self, length: usize, tokens: &Ragged<u32>, interner: &mut Interner) -> Result<()> {
        let Self { pairs, starting, longer, unknown, .. } = self;
        let words = tokens.values();
        longer.clear();
        longer.try_reserve(words.len())?;
        longer.resize(words.len(), NONE);
        let starts =
            || tokens_ranges(tokens).flat_map(|range| range.start..(range.end + 1).saturating_sub(length));
        for at in starts() {
            prefetch_at(pairs, place(pairs, starting[at], words[at + length - 1]));
        }
        for at in starts() {
            let (left, right) = (starting[at], words[at + length - 1]);
            let pair = pairs[place(pairs, left, right)];
            if (pair.left, pair.right) == (left, right) {
                longer[at] = pair.joined;
            } else {
                unknown.add(&[interner.term(left), b" ", interner.term(right)], at, interner);
            }
        }
        unknown.resolve(interner, |at, _, joined| {
            let (left, right) = (starting[at], words[at + length - 1]);
            let place = place(pairs, left, right);
            pairs[place] = Pair { left, right, joined };
            longer[at] = joined;
            self.inserted += 1;
        })?;
        std::mem::swap(starting, longer);
        self.grow();
        Ok(())
    }

    /// Makes a cache larger that is being filled; what it held is found again soon enough.
    fn grow(&mut self) {
        if self.inserted <= 2 * self.pairs.len() || self.pairs.len() >= self.limit {
            return;
        }
        self.inserted = 0;
        // It can do without, where there is no memory for it.
        if let Ok(pairs) = arch::vec_of(Pair::NOTHING, (4 * self.pairs.len()).min(self.limit)) {
            self.pairs = pairs;
        }
    }
}

fn tokens_ranges(tokens: &Ragged<u32>) -> impl Iterator<Item = std::ops::Range<usize>> {
    (0..tokens.len()).map(|i| tokens.range(i))
}

/// The place of a pair in the cache.
#[inline]
fn place(pairs: &[Pair], left: u32, right: u32) -> usize {
    let pair = u64::from(left) << 32 | u64::from(right);
    let mixed = pair.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ mixed >> 29) as usize & (pairs.len() - 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The twin: strings, joined.
    fn ngrams_slowly(range: NgramRange, tokens: &[String]) -> Vec<String> {
        let lengths = range.least as usize..=range.most as usize;
        lengths.flat_map(|n| tokens.windows(n).map(|tokens| tokens.join(" ")).collect::<Vec<_>>()).collect()
    }

    proptest! {
        /// One pair is all that the smallest cache holds.
        #[test]
        fn ngrams_are_their_tokens_joined(
            batches in prop::collection::vec(
                prop::collection::vec(prop::collection::vec("[a-c]{1,2}", 0..9), 0..5), 1..5),
            least in 1u32..4,
            more in 0u32..3,
            limit in prop::sample::select(vec![1usize, 4, 1 << 12]),
        ) {
            let range = NgramRange { least, most: least + more };
            let (mut ngrams, mut interner) = (Ngrams::with_pairs(range, limit), Interner::default());
            for batch in batches {
                let mut ids = Ragged::default();
                for tokens in &batch {
                    ids.push(&tokens.iter().map(|token| interner.intern(token.as_bytes()).0).collect::<Vec<_>>());
                }
                ngrams.find(&ids, &mut interner).unwrap();
                let text = |&id: &u32| String::from_utf8_lossy(interner.term(id)).into_owned();
                let found: Vec<Vec<_>> = ngrams.sentences().iter().map(|ids| ids.iter().map(text).collect()).collect();
                let expected: Vec<_> = batch.iter().map(|tokens| ngrams_slowly(range, tokens)).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
