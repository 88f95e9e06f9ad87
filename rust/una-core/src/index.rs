//! From a term to its rank with one look at memory for most terms.
//!
//! A slot holds the first eight bytes of its term and its length beside the rank: a term of up to eight bytes, as most
//! words of a text are, is compared within the slot. Only longer ones need a look at their bytes.

use crate::arch::{self, prefetch};
use crate::terms::Terms;
use crate::vocab::hash;

/// A slot of the table; free where `length` is 0, since no term is empty.
#[derive(Debug, Clone, Copy)]
struct Slot {
    prefix: u64,
    rank: u32,
    /// The term's length, or [`u32::MAX`] for whatever is longer than that.
    length: u32,
}

const FREE: Slot = Slot { prefix: 0, rank: 0, length: 0 };

/// A term that is to be looked up: what its slot is compared with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    hash: u64,
    prefix: u64,
    length: u32,
}

impl Key {
    pub(crate) fn new(term: &[u8]) -> Self {
        Self { hash: hash(term), prefix: prefix(term), length: length(term) }
    }
}

fn length(term: &[u8]) -> u32 {
    u32::try_from(term.len()).unwrap_or(u32::MAX)
}

/// The first eight bytes of a term as a number, zeros after a shorter one.
pub(crate) fn prefix(term: &[u8]) -> u64 {
    if let Some((first, _)) = term.split_first_chunk::<8>() {
        return u64::from_be_bytes(*first);
    }
    let mut bytes = [0; 8];
    bytes[..term.len()].copy_from_slice(term);
    u64::from_be_bytes(bytes)
}

/// The ranks of a table's terms by their bytes. Open addressing; a power of two of slots, half of them free at least.
#[derive(Debug, Clone)]
pub(crate) struct TermIndex {
    slots: Vec<Slot>,
}

impl TermIndex {
    /// The index of terms that stand in order of rank.
    ///
    /// # Errors
    /// The rank of a term that stands there before.
    pub(crate) fn new(terms: &Terms) -> Result<Self, u32> {
        let slots = arch::vec_of(FREE, (2 * terms.len()).next_power_of_two());
        let mut index = Self { slots };
        for rank in 0..terms.len() as u32 {
            let term = terms.get(rank);
            let key = Key::new(term);
            let at = index.find(&key, term, terms);
            if index.slots[at].length != 0 {
                return Err(rank);
            }
            index.slots[at] = Slot { prefix: key.prefix, rank, length: key.length };
        }
        Ok(index)
    }

    /// Has the memory fetched that looking up `key` will need. Nothing but time depends on it.
    #[inline]
    pub(crate) fn hint(&self, key: &Key) {
        prefetch(&self.slots[key.hash as usize & (self.slots.len() - 1)]);
    }

    /// The rank of `term`, whose key is `key`.
    #[inline]
    pub(crate) fn get(&self, key: &Key, term: &[u8], terms: &Terms) -> Option<u32> {
        let slot = &self.slots[self.find(key, term, terms)];
        if slot.length == 0 { None } else { Some(slot.rank) }
    }

    /// The slot that holds `term`, or else the free one where it would stand.
    #[inline]
    fn find(&self, key: &Key, term: &[u8], terms: &Terms) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = key.hash as usize & mask;
        loop {
            let slot = &self.slots[at];
            let alike = slot.prefix == key.prefix && slot.length == key.length;
            if slot.length == 0 || alike && (term.len() <= 8 || terms.get(slot.rank) == term) {
                return at;
            }
            at = (at + 1) & mask;
        }
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
        fn finds_what_a_map_finds_and_what_stands_twice(
            terms in prop::collection::vec("[ab\0]{1,12}", 1..200),
            others in prop::collection::vec("[ab\0]{1,12}", 50),
        ) {
            let (mut distinct, mut model) = (Terms::default(), HashMap::new());
            for term in &terms {
                if !model.contains_key(term) {
                    model.insert(term.clone(), distinct.len() as u32);
                    distinct.push(term.as_bytes());
                }
            }
            let index = TermIndex::new(&distinct).unwrap();
            for term in terms.iter().chain(&others) {
                let found = index.get(&Key::new(term.as_bytes()), term.as_bytes(), &distinct);
                prop_assert_eq!(found, model.get(term).copied());
            }
            let first_again = distinct.len() as u32;
            distinct.push(others[0].as_bytes());
            let twice = model.contains_key(&others[0]).then_some(first_again);
            prop_assert_eq!(TermIndex::new(&distinct).err(), twice);
        }
    }
}
