//! An index from terms to ranks, with one look at memory for most terms.
//!
//! A slot holds the first eight bytes of its term and its length beside the rank: a term of up to eight bytes, as most
//! words of a text are, is compared within the slot. Only longer ones need a look at their bytes.

use super::arena::TermArena;
use super::interner::{hash, slots_for};
use crate::arch::{self, prefetch};
use crate::error::{Error, Result};
use crate::progress::Stop;

/// Terms whose slots are fetched together while the table is made.
const BATCH: usize = 64;

/// A slot of the table; free where `length` is 0, since no term is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Slot {
    prefix: u64,
    rank: u32,
    /// The term's length, or [`u32::MAX`] for whatever is longer than that.
    length: u32,
}

const FREE: Slot = Slot { prefix: 0, rank: 0, length: 0 };

/// A term that is to be looked up: what its slot is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TermKey {
    hash: u64,
    prefix: u64,
    length: u32,
}

impl TermKey {
    #[inline]
    pub(crate) fn new(term: &[u8]) -> Self {
        Self::of_known(hash(term), prefix(term), term.len())
    }

    /// The key of a term of this [`hash`], [`prefix`] and length.
    #[inline]
    pub(crate) fn of_known(hash: u64, prefix: u64, length: usize) -> Self {
        Self { hash, prefix, length: u32::try_from(length).unwrap_or(u32::MAX) }
    }

    /// [`hash`] of the term.
    pub(crate) const fn hash(&self) -> u64 {
        self.hash
    }

    /// Returns true where the term is no longer than what a slot holds of it.
    pub(crate) const fn is_whole(&self) -> bool {
        self.length <= 8
    }

    /// The term's first eight bytes, zeros after a shorter one.
    pub(crate) const fn first_bytes(&self) -> [u8; 8] {
        self.prefix.to_be_bytes()
    }
}

/// The first eight bytes of a term as a number, zeros after a shorter one.
///
/// A term of four to seven bytes is put together from its first four and its last four, which overlap; copying so few
/// bytes by their number would be a call.
#[inline]
pub(crate) fn prefix(term: &[u8]) -> u64 {
    if let Some(first) = term.first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    if let (Some(first), Some(last)) = (term.first_chunk::<4>(), term.last_chunk::<4>()) {
        let [first, last] = [first, last].map(|bytes| u64::from(u32::from_be_bytes(*bytes)));
        return first << 32 | last << (8 * (8 - term.len()));
    }
    term.iter().fold(0, |bytes, &byte| bytes << 8 | u64::from(byte)) << (8 * (8 - term.len().max(1)))
}

/// The ranks of a table's terms by their bytes. Open addressing; a power of two of slots, a third of them free at
/// least.
#[derive(Debug, Clone)]
pub(crate) struct TermIndex {
    slots: Vec<Slot>,
}

impl TermIndex {
    /// The index of terms that stand in order of rank.
    ///
    /// # Errors
    /// [`Error::Internal`] where a term stands twice; [`Error::OutOfMemory`]; [`Error::Interrupted`].
    pub(crate) fn new(terms: &TermArena, stop: &Stop) -> Result<Self> {
        let keys = (0..terms.len() as u32).map(|rank| TermKey::new(terms.get(rank)));
        Self::of_keys(terms.len(), keys, stop, |index, rank, key| {
            let at = index.find(&key, terms.get(rank), terms);
            if index.slots[at].length != 0 {
                return Err(Error::Internal(format!("term {rank} stands twice")));
            }
            index.slots[at] = Slot { prefix: key.prefix, rank, length: key.length };
            Ok(())
        })
    }

    /// The index of so many terms, all different, whose keys come in order of rank.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; [`Error::Interrupted`].
    pub(crate) fn of_distinct(
        n_terms: usize,
        keys: impl Iterator<Item = TermKey>,
        stop: &Stop,
    ) -> Result<Self> {
        Self::of_keys(n_terms, keys, stop, |index, rank, key| {
            // The terms come out of a map, where each stands once: the first free slot will do, and no term is read.
            let free = index.seek(&key, |_| false);
            index.slots[free] = Slot { prefix: key.prefix, rank, length: key.length };
            Ok(())
        })
    }

    /// The index of so many terms, each of which `put` puts in once its slot is on the way.
    fn of_keys(
        n_terms: usize,
        keys: impl Iterator<Item = TermKey>,
        stop: &Stop,
        mut put: impl FnMut(&mut Self, u32, TermKey) -> Result<()>,
    ) -> Result<Self> {
        let mut index = Self { slots: arch::vec_of(FREE, slots_for(n_terms))? };
        let (mut keys, mut batch) = ((0..).zip(keys), Vec::with_capacity(BATCH));
        loop {
            batch.extend(keys.by_ref().take(BATCH));
            if batch.is_empty() {
                return Ok(index);
            }
            stop.check()?;
            for (_, key) in &batch {
                index.hint(key);
            }
            batch.drain(..).try_for_each(|(rank, key)| put(&mut index, rank, key))?;
        }
    }

    /// Has the memory fetched that looking up `key` will need. Nothing but time depends on it.
    #[inline]
    pub(crate) fn hint(&self, key: &TermKey) {
        prefetch(&self.slots[key.hash as usize & (self.slots.len() - 1)]);
    }

    /// The rank of a term that begins and is as long as the one of `key`: for a whole one its own rank, if it has one.
    /// Where there is none, the table does not hold the term.
    #[inline]
    pub(crate) fn guess(&self, key: &TermKey) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut at = key.hash as usize & mask;
        loop {
            let slot = &self.slots[at];
            if slot.prefix == key.prefix && slot.length == key.length {
                return Some(slot.rank);
            }
            if slot.length == 0 {
                return None;
            }
            at = (at + 1) & mask;
        }
    }

    /// The rank of `term`, whose key is `key`.
    #[inline]
    pub(crate) fn get(&self, key: &TermKey, term: &[u8], terms: &TermArena) -> Option<u32> {
        let slot = &self.slots[self.find(key, term, terms)];
        if slot.length == 0 { None } else { Some(slot.rank) }
    }

    /// The slot that holds `term`, or else the free one where it would stand.
    #[inline]
    fn find(&self, key: &TermKey, term: &[u8], terms: &TermArena) -> usize {
        self.seek(key, |slot| {
            slot.prefix == key.prefix
                && slot.length == key.length
                && (term.len() <= 8 || terms.get(slot.rank) == term)
        })
    }

    /// The first slot from a key's own on that `is_it`, or else the first free one.
    #[inline]
    fn seek(&self, key: &TermKey, is_it: impl Fn(&Slot) -> bool) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = key.hash as usize & mask;
        while self.slots[at].length != 0 && !is_it(&self.slots[at]) {
            at = (at + 1) & mask;
        }
        at
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn prefixes_are_the_first_bytes(term in prop::collection::vec(any::<u8>(), 0..12)) {
            let bytes: Vec<u8> = term.iter().copied().chain([0; 8]).take(8).collect();
            prop_assert_eq!(prefix(&term).to_be_bytes().to_vec(), bytes);
        }

        #[test]
        fn finds_what_a_map_finds_and_what_stands_twice(
            terms in prop::collection::vec("[ab\0]{1,12}", 1..200),
            others in prop::collection::vec("[ab\0]{1,12}", 50),
        ) {
            let (mut distinct, mut model) = (TermArena::default(), HashMap::new());
            for term in &terms {
                if !model.contains_key(term) {
                    model.insert(term.clone(), distinct.len() as u32);
                    distinct.push(term.as_bytes());
                }
            }
            let index = TermIndex::new(&distinct, &Stop::default()).unwrap();
            for term in terms.iter().chain(&others) {
                let known = model.get(term).copied();
                let term = term.as_bytes();
                let key = TermKey::new(term);
                prop_assert_eq!(index.get(&key, term, &distinct), known);
                let guess = index.guess(&key);
                let fits = if key.is_whole() { guess == known } else { guess.is_some() || known.is_none() };
                prop_assert!(fits, "{guess:?} for {known:?}");
            }
            let keys = (0..distinct.len() as u32).map(|rank| TermKey::new(distinct.get(rank)));
            let of_keys = TermIndex::of_distinct(distinct.len(), keys, &Stop::default()).unwrap();
            prop_assert_eq!(of_keys.slots, index.slots);
            let first_again = distinct.len() as u32;
            distinct.push(others[0].as_bytes());
            let twice = model.contains_key(&others[0]).then_some(first_again);
            let refusal = TermIndex::new(&distinct, &Stop::default()).err().map(|error| error.to_string());
            prop_assert_eq!(refusal, twice.map(|rank| format!("internal fault: term {rank} stands twice")));
        }
    }
}
