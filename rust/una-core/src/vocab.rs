//! Terms and their ids: all term bytes in one arena, ids in order of first insertion.

use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Keyed anew in each process, so that no text can be made to collide; shared within it, so that tables agree on
/// the partition of a term. Nothing that leaves the process depends on it.
static HASHER: LazyLock<FixedState> = LazyLock::new(|| {
    let entropy = std::collections::hash_map::RandomState::new().hash_one(0u8);
    FixedState::with_seed(entropy)
});

/// The hash of a term, the same for every [`Vocab`] of this process.
#[must_use]
pub fn hash(term: &[u8]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write(term);
    hasher.finish()
}

/// A set of terms, each with a dense id.
///
/// Invariant: `ends[i]` is where term `i` stops in `bytes`, and term `i + 1` starts there.
#[derive(Debug, Clone, Default)]
pub struct Vocab {
    bytes: Vec<u8>,
    ends: Vec<u64>,
    hashes: Vec<u64>,
    ids: HashTable<u32>,
}

impl Vocab {
    /// An empty set with room for `terms` terms of `bytes` bytes together.
    #[must_use]
    pub fn with_capacity(terms: usize, bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::with_capacity(terms),
            hashes: Vec::with_capacity(terms),
            ids: HashTable::with_capacity(terms),
        }
    }

    /// Number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All terms, one after another, in order of id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each term stops in [`Self::bytes`].
    #[must_use]
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// The bytes of term `id`.
    ///
    /// # Panics
    /// If `id` is not below [`Self::len`].
    #[must_use]
    pub fn term(&self, id: u32) -> &[u8] {
        slice(&self.bytes, &self.ends, id)
    }

    /// The stored hash of term `id`.
    #[must_use]
    pub fn hash_of(&self, id: u32) -> u64 {
        self.hashes[id as usize]
    }

    /// The id of `term`, if it is in the set.
    #[must_use]
    pub fn get(&self, term: &[u8]) -> Option<u32> {
        self.get_hashed(hash(term), term)
    }

    /// [`Self::get`] for a caller that knows `hash(term)`.
    #[must_use]
    pub fn get_hashed(&self, hash: u64, term: &[u8]) -> Option<u32> {
        self.ids.find(hash, |&id| self.hashes[id as usize] == hash && self.term(id) == term).copied()
    }

    /// The id of `term`, inserted if it is new; and whether it is new.
    pub fn intern(&mut self, term: &[u8]) -> (u32, bool) {
        self.intern_hashed(hash(term), term)
    }

    /// [`Self::intern`] for a caller that knows `hash(term)`.
    pub fn intern_hashed(&mut self, hash: u64, term: &[u8]) -> (u32, bool) {
        let Self { bytes, ends, hashes, ids } = self;
        let same = |&id: &u32| hashes[id as usize] == hash && slice(bytes, ends, id) == term;
        match ids.entry(hash, same, |&id| hashes[id as usize]) {
            Entry::Occupied(found) => (*found.get(), false),
            Entry::Vacant(free) => {
                let id = ends.len() as u32;
                free.insert(id);
                bytes.extend_from_slice(term);
                ends.push(bytes.len() as u64);
                hashes.push(hash);
                (id, true)
            }
        }
    }
}

fn slice<'a>(bytes: &'a [u8], ends: &[u64], id: u32) -> &'a [u8] {
    let id = id as usize;
    let start = if id == 0 { 0 } else { ends[id - 1] as usize };
    &bytes[start..ends[id] as usize]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_map_from_term_to_first_sight(terms in prop::collection::vec("[a-c]{0,3}", 0..200)) {
            let mut vocab = Vocab::default();
            let mut model: HashMap<String, u32> = HashMap::new();
            for term in &terms {
                let next = model.len() as u32;
                let expected = *model.entry(term.clone()).or_insert(next);
                prop_assert_eq!(vocab.intern(term.as_bytes()), (expected, expected == next));
            }
            prop_assert_eq!(vocab.len(), model.len());
            for term in &terms {
                let id = model[term];
                prop_assert_eq!(vocab.get(term.as_bytes()), Some(id));
                prop_assert_eq!(vocab.term(id), term.as_bytes());
            }
            prop_assert_eq!(vocab.get(b"zzzz"), None);
        }
    }
}
