//! A hash table from terms to their statistics, and how two of them become one.

use std::ops::Range;

use crate::arch::prefetch_at;
use crate::error::Result;
use crate::progress::Stop;
use crate::terms::Interner;
use crate::tfidf::TermStats;
use crate::threads;

/// Terms whose memory is fetched together when they are merged.
const AHEAD: usize = 64;

/// Terms between two looks at whether to stop.
const STRETCH: usize = 1 << 14;

/// No term has this id.
const UNKNOWN: u32 = u32::MAX;

/// Bytes a term that sorting takes beside the terms and their statistics. Bringing those up to date takes no more.
const TO_SORT: usize = 24;

/// Bytes of a term that is rather short.
const SHORT_TERM: usize = 6;

/// Terms with their statistics. Invariant: `stats[id]` belongs to `interner.term(id)`. While a thread counts, they lag
/// behind its terms: see [`super::accumulator`].
#[derive(Debug, Clone, Default)]
pub(crate) struct TermMap {
    pub(crate) interner: Interner,
    pub(crate) stats: Vec<TermStats>,
}

/// The way back from [`TermMap::absorb`].
#[derive(Debug, Default)]
pub(crate) struct Undo {
    /// Terms that there were before; nothing was done where it is not known.
    n_terms: Option<usize>,
    /// Statistics as they were, by id, of terms that were there and changed.
    changed: Vec<(u32, TermStats)>,
}

impl TermMap {
    /// An empty table that need not move while it grows to this size. Moving takes more memory than the terms do: what
    /// a table leaves behind lies between what others hold.
    pub(super) fn for_memory(bytes: usize) -> Self {
        // What a term takes: two numbers in the arena and the hashes, about one and a half slots, statistics, sorting,
        // its bytes. Reserved and untouched memory costs nothing on the systems we run on.
        let mut terms = bytes / (3 * size_of::<u64>() + size_of::<TermStats>() + TO_SORT + SHORT_TERM);
        // A limit may be more than the system has to give. Room that cannot be had is no fault, since terms may never
        // need it: less of it will do, and little enough that others find some too.
        while terms > 0 {
            let mut map = Self::default();
            let stats = map.stats.try_reserve_exact(terms);
            if stats.and_then(|()| map.interner.try_reserve_exact(terms, 2 * SHORT_TERM * terms)).is_ok() {
                return map;
            }
            terms /= 4;
        }
        Self::default()
    }

    /// Gives memory that is not used back.
    pub(crate) fn shrink(&mut self) {
        self.interner.shrink();
        self.stats.shrink_to_fit();
    }

    /// Makes room for so many terms more, of so many bytes: adding them then asks for no memory.
    pub(crate) fn try_reserve(&mut self, terms: usize, bytes: usize) -> Result<()> {
        self.stats.try_reserve(terms)?;
        Ok(self.interner.try_reserve(terms, bytes)?)
    }

    pub(crate) fn add(&mut self, hash: u64, term: &[u8], stats: TermStats) -> Result<()> {
        self.try_reserve(1, term.len())?;
        let (id, new) = self.interner.intern_hashed(hash, term);
        if new {
            self.stats.push(stats);
        } else {
            self.stats[id as usize].merge(stats);
        }
        Ok(())
    }

    /// Inserts a term. Returns false, and changes nothing, if it was already there.
    pub(crate) fn insert(&mut self, hash: u64, term: &[u8], stats: TermStats) -> Result<bool> {
        self.try_reserve(1, term.len())?;
        let (_, new) = self.interner.intern_hashed(hash, term);
        if new {
            self.stats.push(stats);
        }
        Ok(new)
    }

    /// Returns true where a term is in no sentence.
    pub(crate) fn holds_uncounted(&self) -> bool {
        self.stats.iter().any(|stats| stats.df == 0)
    }

    /// A map of the other terms.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub(crate) fn counted(&self) -> Result<Self> {
        let mut map = Self::default();
        for (id, stats) in (0..).zip(&self.stats).filter(|(_, stats)| stats.df > 0) {
            map.insert(self.interner.hash_of(id), self.interner.term(id), *stats)?;
        }
        Ok(map)
    }

    /// Adds those terms of `other` whose hash `belongs` accepts. What it does before an error is in `undo`, if there is
    /// one.
    pub(crate) fn absorb(
        &mut self,
        other: &Self,
        stop: &Stop,
        belongs: impl Fn(u64) -> bool,
        mut undo: Option<&mut Undo>,
    ) -> Result<()> {
        let hash = |id| other.interner.hash_of(id);
        let mut ids = (0..other.stats.len() as u32).filter(|&id| belongs(hash(id)));
        if let Some(undo) = undo.as_deref_mut() {
            undo.n_terms.get_or_insert(self.stats.len());
        }
        let (mut batch, mut guesses) = (Vec::with_capacity(AHEAD), Vec::with_capacity(AHEAD));
        // In batches, so that the memory of all their look-ups is on its way before the first is made.
        loop {
            batch.clear();
            batch.extend(ids.by_ref().take(AHEAD));
            if batch.is_empty() {
                return Ok(());
            }
            stop.check()?;
            self.try_reserve(batch.len(), batch.iter().map(|&id| other.interner.term(id).len()).sum())?;
            if let Some(undo) = undo.as_deref_mut() {
                undo.changed.try_reserve(batch.len())?;
            }
            self.interner.guess_all(batch.iter().map(|&id| hash(id)), &mut guesses);
            for (&id, &guess) in batch.iter().zip(&guesses) {
                let (ours, new) = self.interner.intern_guessed(guess, hash(id), other.interner.term(id));
                let theirs = other.stats[id as usize];
                if new {
                    self.stats.push(theirs);
                    continue;
                }
                let stats = &mut self.stats[ours as usize];
                if let Some(undo) = undo.as_deref_mut() {
                    undo.changed.push((ours, *stats));
                }
                stats.merge(theirs);
            }
        }
    }

    /// Takes back what [`Self::absorb`] did.
    pub(crate) fn undo(&mut self, undo: &Undo) {
        let Some(n_terms) = undo.n_terms else { return };
        self.interner.truncate(n_terms);
        self.stats.truncate(n_terms);
        // Backwards, since a term may have changed more than once; those that are gone need nothing.
        for &(id, stats) in undo.changed.iter().rev() {
            if let Some(ours) = self.stats.get_mut(id as usize) {
                *ours = stats;
            }
        }
    }

    /// [`Self::absorb`] of all terms, by two threads, without a way back: each seeks half of them; then one finds places
    /// for those that are new, while the other copies their bytes and brings the statistics up to date.
    pub(crate) fn absorb_on_two(&mut self, other: &Self, stop: &Stop) -> Result<()> {
        // Looking terms up only reads this map, so that two threads share it. Adding writes three things: slots, terms,
        // statistics. The ids of new terms follow from their order alone, so that one thread can place ids in slots
        // while the other copies the terms which those ids will have.
        let (end, seek) = (other.stats.len() as u32, |ids| self.seek(other, ids, stop));
        let (mut known, second) = threads::join(|| seek(0..end / 2), || seek(end / 2..end))?;
        known.try_reserve_exact(second.len())?;
        known.extend(second);
        let new = (0..end).zip(&known).filter(|&(_, &known)| known == UNKNOWN).map(|(id, _)| id);
        let n_new = new.clone().count();
        self.try_reserve(n_new, new.clone().map(|id| other.interner.term(id).len()).sum())?;
        let Self { interner, stats } = self;
        let (terms, slots) = interner.halves();
        let find_slots = || slots.add_new(n_new, new.clone().map(|id| other.interner.hash_of(id)), stop);
        let copy = || {
            for (n, id) in new.clone().enumerate() {
                if n.is_multiple_of(STRETCH) {
                    stop.check()?;
                }
                terms.push(other.interner.term(id));
            }
            merge_stats(stats, &other.stats, &known, stop)
        };
        threads::join(find_slots, copy).map(|_| ())
    }

    /// The ids here of terms that have these ids in `other`, or [`UNKNOWN`].
    fn seek(&self, other: &Self, mut ids: Range<u32>, stop: &Stop) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        found.try_reserve_exact(ids.len())?;
        let mut guesses = Vec::with_capacity(AHEAD);
        while !ids.is_empty() {
            stop.check()?;
            let batch = ids.start..ids.end.min(ids.start + AHEAD as u32);
            self.interner.guess_all(batch.clone().map(|id| other.interner.hash_of(id)), &mut guesses);
            found.extend(batch.clone().zip(&guesses).map(|(id, &guess)| {
                let known =
                    self.interner.get_guessed(guess, other.interner.hash_of(id), other.interner.term(id));
                known.unwrap_or(UNKNOWN)
            }));
            ids.start = batch.end;
        }
        Ok(found)
    }

    /// Every term with its id and its statistics, in order of id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &[u8], TermStats)> {
        (0u32..).zip(&self.stats).map(|(id, &stats)| (id, self.interner.term(id), stats))
    }

    /// Bytes of memory that it takes, sorting included.
    pub(crate) fn memory(&self) -> usize {
        self.memory_for(self.stats.len(), self.interner.bytes().len())
    }

    /// Bytes that it takes once it has held so many terms, of so many bytes.
    pub(super) fn memory_for(&self, terms: usize, bytes: usize) -> usize {
        self.interner.memory_for(terms, bytes) + terms * (size_of::<TermStats>() + TO_SORT)
    }
}

/// Adds statistics of terms that are known by these ids; those of new terms come at the end.
fn merge_stats(stats: &mut Vec<TermStats>, other: &[TermStats], known: &[u32], stop: &Stop) -> Result<()> {
    for (at, &theirs) in other.iter().enumerate() {
        if at.is_multiple_of(STRETCH) {
            stop.check()?;
        }
        if let Some(&soon) = known.get(at + AHEAD) {
            prefetch_at(stats, soon as usize);
        }
        match known[at] {
            UNKNOWN => stats.push(theirs),
            id => stats[id as usize].merge(theirs),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::terms::interner::hash;
    use crate::tfidf::Ratio;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn map_of(terms: &[(String, u64)]) -> TermMap {
        let mut map = TermMap::default();
        for (term, df) in terms {
            let best = Ratio::new(1, *df as u32).unwrap_or(Ratio::NONE);
            map.add(hash(term.as_bytes()), term.as_bytes(), TermStats { df: *df, best }).unwrap();
        }
        map
    }

    fn content(map: &TermMap) -> BTreeMap<&[u8], TermStats> {
        map.iter().map(|(_, term, stats)| (term, stats)).collect()
    }

    proptest! {
        #[test]
        fn two_threads_absorb_what_one_does(
            ours in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
            theirs in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
        ) {
            let stop = Stop::default();
            let (mut one, mut two, theirs) = (map_of(&ours), map_of(&ours), map_of(&theirs));
            one.absorb(&theirs, &stop, |_| true, None).unwrap();
            prop_assert!(two.absorb_on_two(&theirs, &stop).is_ok());
            prop_assert_eq!(content(&one), content(&two));
            prop_assert!(content(&two).keys().all(|term| two.interner.get(term).is_some()));
        }

        #[test]
        fn what_was_absorbed_can_be_taken_back(
            ours in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
            theirs in prop::collection::vec(("[a-c]{1,5}", 1u64..9), 0..300),
        ) {
            let (mut one, theirs) = (map_of(&ours), map_of(&theirs));
            let (before, mut undo) = (one.clone(), Undo::default());
            one.absorb(&theirs, &Stop::default(), |_| true, Some(&mut undo)).unwrap();
            one.undo(&undo);
            prop_assert_eq!(content(&one), content(&before));
            let known = |map: &TermMap, term| map.interner.get(term).is_some();
            prop_assert!(theirs.iter().all(|(_, term, _)| known(&one, term) == known(&before, term)));
        }
    }
}
