//! Terms and their ids: all term bytes in one arena, ids in order of first insertion.

use std::collections::TryReserveError;
use std::hash::{BuildHasher, Hasher};
use std::sync::LazyLock;

use foldhash::fast::FixedState;

use super::arena::TermArena;
use crate::arch::{self, prefetch, prefetch_at};
use crate::error::Result;
use crate::progress::Stop;

/// Terms between two looks at whether to stop.
const STRETCH: usize = 1 << 14;

/// Slots that are fetched ahead while a table grows.
const AHEAD: usize = 16;

/// Keyed anew in each process, so that no text can be made to collide; shared within it, so that tables agree on
/// the partition of a term. Nothing that leaves the process depends on it.
static HASHER: LazyLock<FixedState> = LazyLock::new(|| {
    let entropy = std::collections::hash_map::RandomState::new().hash_one(0u8);
    FixedState::with_seed(entropy)
});

/// The hash of a term, the same for every [`Interner`] of this process.
#[must_use]
pub(crate) fn hash(term: &[u8]) -> u64 {
    let mut hasher = HASHER.build_hasher();
    hasher.write(term);
    hasher.finish()
}

/// A set of terms, each with a dense id.
///
/// ```
/// use una_core::terms::Interner;
///
/// let mut terms = Interner::default();
/// assert_eq!(terms.intern(b"cat"), (0, true));
/// assert_eq!(terms.intern(b"dog"), (1, true));
/// assert_eq!(terms.intern(b"cat"), (0, false));
/// assert_eq!((terms.term(1), terms.get(b"bird")), (&b"dog"[..], None));
/// ```
///
/// A look-up touches three places in memory: a slot, the bounds of the term, its bytes. Whoever has many look-ups
/// before it can have each of the three fetched ahead of time.
#[derive(Debug, Clone, Default)]
pub struct Interner {
    terms: TermArena,
    index: HashSlots,
}

/// A hash table from terms to ids; it holds hashes, not terms.
///
/// Invariant: `hashes[id]` is that of term `id`.
#[derive(Debug, Clone, Default)]
pub(crate) struct HashSlots {
    hashes: Vec<u64>,
    /// Open addressing. Invariant: none, or a power of two of them of which a third at least is free.
    slots: Vec<Slot>,
}

/// A term's place in the table: half of its hash, and its id.
#[derive(Debug, Clone, Copy)]
struct Slot {
    tag: u32,
    id: u32,
}

impl Slot {
    const FREE: Self = Self { tag: 0, id: u32::MAX };

    const fn new(hash: u64, id: u32) -> Self {
        Self { tag: (hash >> 32) as u32, id }
    }

    const fn is_free(self) -> bool {
        self.id == u32::MAX
    }
}

impl Interner {
    /// Number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Returns true where there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// All terms, one after another, in order of id.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.terms.bytes()
    }

    /// The bytes of term `id`.
    ///
    /// # Panics
    /// If `id` is not below [`Self::len`].
    #[must_use]
    pub fn term(&self, id: u32) -> &[u8] {
        self.terms.get(id)
    }

    /// The stored hash of term `id`.
    #[must_use]
    pub fn hash_of(&self, id: u32) -> u64 {
        self.index.hashes[id as usize]
    }

    /// The id of `term`, if it is in the set.
    #[must_use]
    pub fn get(&self, term: &[u8]) -> Option<u32> {
        self.get_hashed(hash(term), term)
    }

    /// [`Self::get`] for a caller that knows `hash(term)`.
    #[must_use]
    pub fn get_hashed(&self, hash: u64, term: &[u8]) -> Option<u32> {
        self.find(hash, term).ok()
    }

    /// The id of `term`, inserted if it is new; and whether it is new.
    pub fn intern(&mut self, term: &[u8]) -> (u32, bool) {
        self.intern_hashed(hash(term), term)
    }

    /// [`Self::intern`] for a caller that knows `hash(term)`.
    pub fn intern_hashed(&mut self, hash: u64, term: &[u8]) -> (u32, bool) {
        if self.index.is_full() {
            // Only for who has not asked before: a refusal of memory ends the program here.
            self.index.grow_for(1).unwrap_or_else(|error| refused(&error));
        }
        match self.find(hash, term) {
            Ok(id) => (id, false),
            Err(free) => {
                self.terms.push(term);
                (self.index.take(free, hash), true)
            }
        }
    }

    /// [`Self::get_hashed`] for a caller that also has a [`Self::guess`].
    #[inline]
    pub(crate) fn get_guessed(&self, guess: Option<u32>, hash: u64, term: &[u8]) -> Option<u32> {
        guess.filter(|&id| self.term(id) == term).or_else(|| self.get_hashed(hash, term))
    }

    /// [`Self::intern_hashed`] for a caller that also has a [`Self::guess`].
    #[inline]
    pub(crate) fn intern_guessed(&mut self, guess: Option<u32>, hash: u64, term: &[u8]) -> (u32, bool) {
        match guess {
            Some(id) if self.term(id) == term => (id, false),
            _ => self.intern_hashed(hash, term),
        }
    }

    /// The terms, and where they are found: for whoever adds terms that are new to both of them.
    pub(crate) const fn halves(&mut self) -> (&mut TermArena, &mut HashSlots) {
        (&mut self.terms, &mut self.index)
    }

    /// Bytes of memory that the set takes once it has held so many terms, of so many bytes.
    pub(crate) fn memory_for(&self, terms: usize, bytes: usize) -> usize {
        let slots = slots_for(terms).max(self.index.slots.len());
        bytes + 2 * terms * size_of::<u64>() + slots * size_of::<Slot>()
    }

    /// Makes room for so many terms, of so many bytes, in memory that takes none before it is used: not in the slots.
    pub(crate) fn try_reserve_exact(
        &mut self,
        terms: usize,
        bytes: usize,
    ) -> std::result::Result<(), TryReserveError> {
        self.terms.try_reserve_exact(terms, bytes)?;
        self.index.hashes.try_reserve_exact(terms)
    }

    /// Makes room for so many terms more, of so many bytes: inserting them then asks for no memory.
    ///
    /// # Errors
    /// The system has not that much.
    pub fn try_reserve(&mut self, terms: usize, bytes: usize) -> std::result::Result<(), TryReserveError> {
        self.terms.try_reserve(terms, bytes)?;
        self.index.try_reserve(terms)
    }

    /// Gives memory that is not used back.
    pub(crate) fn shrink(&mut self) {
        self.terms.shrink();
        self.index.hashes.shrink_to_fit();
    }

    /// Removes the terms from this id on.
    pub(crate) fn truncate(&mut self, terms: usize) {
        if terms < self.len() {
            self.terms.truncate(terms);
            self.index.hashes.truncate(terms);
            self.index.slots.fill(Slot::FREE);
            self.index.find_slots(0);
        }
    }

    /// Removes all terms, and keeps the memory for others.
    pub(crate) fn clear(&mut self) {
        self.terms.clear();
        self.index.hashes.clear();
        self.index.slots.fill(Slot::FREE);
    }

    /// Has the slot fetched at which looking up a term of this hash will start.
    #[inline]
    pub(crate) fn fetch_slot(&self, hash: u64) {
        let HashSlots { slots, .. } = &self.index;
        if let Some(slot) = slots.get(hash as usize & slots.len().wrapping_sub(1)) {
            prefetch(slot);
        }
    }

    /// The id of the term that probably has this hash, if there seems to be one; has its bounds fetched.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> Option<u32> {
        let tag = (hash >> 32) as u32;
        let HashSlots { slots, .. } = &self.index;
        let home = hash as usize & slots.len().wrapping_sub(1);
        // Stops at the end of the slots instead of going round: a guess may be missed, never wrong for the caller, who
        // compares the term. The tag alone is compared here, as the term itself is not in memory yet.
        let mut near = slots.get(home..)?.iter().take_while(|slot| !slot.is_free());
        let slot = near.find(|slot| slot.tag == tag)?;
        self.terms.fetch_bounds(slot.id);
        Some(slot.id)
    }

    /// [`Self::guess`] for terms of all these hashes; has all memory fetched that looking them up needs, so that the
    /// waits for it overlap.
    pub(crate) fn guess_all(
        &self,
        hashes: impl Iterator<Item = u64> + Clone,
        guesses: &mut Vec<Option<u32>>,
    ) {
        for hash in hashes.clone() {
            self.fetch_slot(hash);
        }
        guesses.clear();
        guesses.extend(hashes.map(|hash| self.guess(hash)));
        for &id in guesses.iter().flatten() {
            self.fetch_term(id);
        }
    }

    /// Has the bytes of term `id` fetched.
    #[inline]
    pub(crate) fn fetch_term(&self, id: u32) {
        self.terms.fetch(id);
    }

    /// Has the hash and the bounds of term `id` fetched.
    #[inline]
    pub(crate) fn fetch_key(&self, id: u32) {
        prefetch(&self.index.hashes[id as usize]);
        self.fetch_bounds(id);
    }

    /// Has the bounds of term `id` fetched, which [`Self::fetch_term`] needs.
    #[inline]
    pub(crate) fn fetch_bounds(&self, id: u32) {
        self.terms.fetch_bounds(id);
    }

    /// The id of a term, or else the index of the slot to put it in; the last needs a free slot.
    #[inline]
    fn find(&self, hash: u64, term: &[u8]) -> std::result::Result<u32, usize> {
        self.index.find(hash, |id| self.term(id) == term)
    }
}

impl HashSlots {
    /// Adds so many terms of these hashes, all of them new.
    pub(crate) fn add_new(
        &mut self,
        count: usize,
        mut hashes: impl Iterator<Item = u64>,
        stop: &Stop,
    ) -> Result<()> {
        // All at once: at most one growth, and each slot found without comparing, since all terms are new.
        self.try_reserve(count)?;
        for _ in (0..count).step_by(STRETCH) {
            stop.check()?;
            let first = self.hashes.len();
            self.hashes.extend(hashes.by_ref().take(STRETCH));
            self.find_slots(first);
        }
        Ok(())
    }

    /// Makes room for so many terms more.
    #[inline]
    fn try_reserve(&mut self, terms: usize) -> std::result::Result<(), TryReserveError> {
        self.hashes.try_reserve(terms)?;
        if slots_for(self.hashes.len() + terms) > self.slots.len() { self.grow_for(terms) } else { Ok(()) }
    }

    /// The id of the term of this hash that `is_it`, or else the index of the slot to put it in.
    #[inline]
    fn find(&self, hash: u64, is_it: impl Fn(u32) -> bool) -> std::result::Result<u32, usize> {
        // The low half of a hash says where to look, the high half what to look for, so that terms which meet in a slot
        // are mostly told apart without a look at their bytes.
        let tag = (hash >> 32) as u32;
        let mask = self.slots.len().wrapping_sub(1);
        let mut index = hash as usize & mask;
        while let Some(slot) = self.slots.get(index) {
            if slot.is_free() {
                break;
            }
            if slot.tag == tag && is_it(slot.id) {
                return Ok(slot.id);
            }
            index = (index + 1) & mask;
        }
        Err(index)
    }

    /// Gives the next term a free slot, and returns its id.
    #[inline]
    fn take(&mut self, free: usize, hash: u64) -> u32 {
        let id = self.hashes.len() as u32;
        self.slots[free] = Slot::new(hash, id);
        self.hashes.push(hash);
        id
    }

    /// Returns true where another term would leave less than a third of the slots free.
    #[inline]
    fn is_full(&self) -> bool {
        slots_for(self.hashes.len() + 1) > self.slots.len()
    }

    /// Grows for so many terms more. Where there is no memory for that, the slots are as they were.
    fn grow_for(&mut self, terms: usize) -> std::result::Result<(), TryReserveError> {
        let (size, old) = (slots_for(self.hashes.len() + terms), self.slots.len());
        self.slots = Vec::new(); // the old ones need not be in memory beside the new ones
        let grown = arch::vec_of(Slot::FREE, size);
        let outcome = grown.map(|slots| self.slots = slots);
        if outcome.is_err() {
            // What has just been freed can be had again.
            self.slots = arch::vec_of(Slot::FREE, old).unwrap_or_else(|error| refused(&error));
        }
        self.find_slots(0);
        outcome
    }

    /// Gives each term from this id on a slot.
    fn find_slots(&mut self, first: usize) {
        let mask = self.slots.len().wrapping_sub(1);
        for id in first..self.hashes.len() {
            if let Some(&soon) = self.hashes.get(id + AHEAD) {
                prefetch_at(&self.slots, soon as usize & mask);
            }
            let mut index = self.hashes[id] as usize & mask;
            while !self.slots[index].is_free() {
                index = (index + 1) & mask;
            }
            self.slots[index] = Slot::new(self.hashes[id], id as u32);
        }
    }
}

/// The least power of two of slots of which so many terms leave a third free.
pub(crate) const fn slots_for(terms: usize) -> usize {
    if terms == 0 { 0 } else { (terms + terms / 2 + 2).next_power_of_two() }
}

/// Ends the program as a refusal of memory does where nobody can take it.
#[cold]
fn refused(_: &TryReserveError) -> ! {
    std::alloc::handle_alloc_error(std::alloc::Layout::new::<Slot>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    proptest! {
        #[test]
        fn behaves_as_a_map_from_term_to_first_sight(terms in prop::collection::vec("[a-c]{0,3}", 0..200)) {
            let mut interner = Interner::default();
            let mut model: HashMap<String, u32> = HashMap::new();
            for term in &terms {
                let next = model.len() as u32;
                let expected = *model.entry(term.clone()).or_insert(next);
                prop_assert_eq!(interner.intern(term.as_bytes()), (expected, expected == next));
            }
            prop_assert_eq!(interner.len(), model.len());
            for term in &terms {
                let id = model[term];
                prop_assert_eq!(interner.get(term.as_bytes()), Some(id));
                prop_assert_eq!(interner.term(id), term.as_bytes());
            }
            prop_assert_eq!(interner.get(b"zzzz"), None);
            prop_assert_eq!(interner.bytes().len(), model.keys().map(String::len).sum::<usize>());
        }
    }
}
