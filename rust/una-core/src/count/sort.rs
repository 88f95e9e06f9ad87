//! Terms in order, by their bytes or as a table ranks them: hash tables in memory sorted.

use std::cmp::Ordering;
use std::sync::Arc;

use super::run::{Run, RunWriter, SpillDir};
use super::term_map::TermMap;
use crate::arch::prefetch;
use crate::error::Result;
use crate::progress::{Stop, Work};
use crate::terms::index::{TermIndex, TermKey, prefix};
use crate::terms::order::{Keyed, sort_beyond};
use crate::tfidf::{Idf, TermStats, score};
use crate::threads::{self, split_at_medians};

/// Terms that are sorted at a stretch: the longest time in which nobody looks whether to stop.
const STRETCH: usize = 1 << 19;

/// Terms for which another thread is worth its start.
const WORTH_A_THREAD: usize = 1 << 14;

/// Terms whose memory is fetched ahead.
const AHEAD: usize = 16;

/// An order of terms.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Order {
    /// The lesser term, by its bytes.
    Bytes,
    /// The lower of so many parts, then the lesser term: see [`part_of`].
    Part(u32),
    /// The higher score in a corpus, then the lesser term: see [`crate::tfidf::table_order`].
    Score(Idf),
}

/// A key that settles most comparisons without a look at the terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    /// The score, inverted so that it rises; or the number of a part; or nothing.
    rank: u64,
    /// The first bytes of the term.
    prefix: u64,
}

impl SortKey {
    /// The key of a term that has not been looked at.
    pub(super) const NONE: Self = Self { rank: 0, prefix: 0 };

    /// In the order of the keys.
    fn number(self) -> u128 {
        u128::from(self.rank) << 64 | u128::from(self.prefix)
    }
}

impl Order {
    pub(super) fn key(self, term: &[u8], stats: TermStats) -> SortKey {
        let rank = match self {
            Self::Bytes => 0,
            Self::Part(parts) => u64::from(part_of(term, parts)),
            // The bits of floats that are not negative are in the order of the floats.
            Self::Score(idf) => !score(idf.of(stats.df), stats.best).to_bits(),
        };
        SortKey { rank, prefix: prefix(term) }
    }
}

/// The number of the part that a term belongs to, of so many: the same in every process and on every machine, where
/// [`super::partition`] is one process's own.
pub(crate) fn part_of(term: &[u8], parts: u32) -> u32 {
    crc32fast::hash(term) % parts
}

/// A term by its map and id, and its key.
#[derive(Debug, Clone, Copy)]
struct Entry {
    key: SortKey,
    map: u32,
    id: u32,
}

impl Entry {
    fn term(self, maps: &[TermMap]) -> &[u8] {
        maps[self.map as usize].interner.term(self.id)
    }

    fn stats(self, maps: &[TermMap]) -> TermStats {
        maps[self.map as usize].stats[self.id as usize]
    }

    fn compare(&self, other: &Self, maps: &[TermMap]) -> Ordering {
        self.key.cmp(&other.key).then_with(|| self.term(maps).cmp(other.term(maps)))
    }
}

impl Keyed for Entry {
    fn key(&self) -> u64 {
        self.key.prefix
    }

    fn set_key(&mut self, key: u64) {
        self.key.prefix = key;
    }
}

/// Terms of tables in memory, in order. No term is in two of the tables.
#[derive(Debug)]
pub(crate) struct Sorted<'m> {
    maps: &'m [TermMap],
    entries: Vec<Entry>,
    term_bytes: usize,
}

impl<'m> Sorted<'m> {
    /// Sorts those terms that `keep` accepts.
    pub(crate) fn new(
        maps: &'m [TermMap],
        order: Order,
        keep: impl Fn(&[u8], TermStats) -> bool,
        work: Work<'_>,
    ) -> Result<Self> {
        // A comparison of two terms is two waits for memory. So each entry gets a key of two numbers, the score and the
        // first eight bytes, which settles nearly all comparisons: the keys are made in one walk, side by side.
        let mut sorted = Self::unsorted(maps, keep, work.stop)?;
        let entries = sorted.entries.as_mut_slice();
        let size = entries.len().div_ceil(work.threads.max(1)).clamp(WORTH_A_THREAD, STRETCH);
        threads::map(entries.chunks_mut(size).collect(), work.threads, |piece: &mut [Entry]| {
            work.stop.check()?;
            for entry in piece {
                entry.key = order.key(entry.term(maps), entry.stats(maps));
            }
            Ok(())
        })?;
        // Then the entries are split at medians into pieces that follow one another, and threads sort the pieces.
        // Merging sorted pieces afterwards would move every entry once more, on one thread. A piece is also the longest
        // stretch between two looks at whether to stop.
        let compare = |a: &Entry, b: &Entry| a.compare(b, maps);
        let pieces = split_at_medians(entries, size, &compare, work)?;
        threads::map(pieces, work.threads, |piece| {
            work.stop.check()?;
            sort(piece, maps);
            Ok(())
        })?;
        Ok(sorted)
    }

    /// The terms that `keep` accepts, without keys yet.
    fn unsorted(maps: &'m [TermMap], keep: impl Fn(&[u8], TermStats) -> bool, stop: &Stop) -> Result<Self> {
        let n_terms = maps.iter().map(|map| map.stats.len()).sum();
        let (mut entries, mut term_bytes) = (Vec::new(), 0);
        entries.try_reserve_exact(n_terms)?;
        for (index, map) in (0..).zip(maps) {
            for (id, term, stats) in map.iter() {
                if id.is_multiple_of(STRETCH as u32) {
                    stop.check()?;
                }
                if keep(term, stats) {
                    entries.push(Entry { key: SortKey::NONE, map: index, id });
                    term_bytes += term.len();
                }
            }
        }
        Ok(Self { maps, entries, term_bytes })
    }

    /// Number of terms.
    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of all the terms together.
    pub(crate) const fn term_bytes(&self) -> usize {
        self.term_bytes
    }

    /// Hands the terms on, in order.
    pub(crate) fn for_each(
        &self,
        work: Work<'_>,
        mut visit: impl FnMut(&[u8], TermStats) -> Result<()>,
    ) -> Result<()> {
        let mut done = 0;
        for (at, entry) in self.entries.iter().enumerate() {
            work.advance(&mut done)?;
            self.fetch_beyond(at);
            visit(entry.term(self.maps), entry.stats(self.maps))?;
        }
        Ok(())
    }

    /// The index from each term to its place.
    pub(crate) fn index(&self, stop: &Stop) -> Result<TermIndex> {
        let keys = self.entries.iter().enumerate().map(|(at, entry)| {
            if let Some(later) = self.entries.get(at + AHEAD) {
                self.maps[later.map as usize].interner.fetch_key(later.id);
            }
            let interner = &self.maps[entry.map as usize].interner;
            TermKey::of_known(interner.hash_of(entry.id), entry.key.prefix, interner.term(entry.id).len())
        });
        TermIndex::of_distinct(self.len(), keys, stop)
    }

    /// Has the memory fetched of terms that come a little later than entry `at`.
    #[inline]
    fn fetch_beyond(&self, at: usize) {
        if let Some(later) = self.entries.get(at + 2 * AHEAD) {
            let map = &self.maps[later.map as usize];
            map.interner.fetch_bounds(later.id);
            prefetch(&map.stats[later.id as usize]);
        }
        if let Some(soon) = self.entries.get(at + AHEAD) {
            self.maps[soon.map as usize].interner.fetch_term(soon.id);
        }
    }

    /// Writes the terms to a run.
    pub(crate) fn write(&self, dir: &Arc<SpillDir>, work: Work<'_>) -> Result<Arc<Run>> {
        let mut out = RunWriter::new(dir)?;
        self.for_each(work, |term, stats| out.push(term, stats))?;
        out.finish()
    }
}

/// Sorts by key first, a comparison of two numbers, and then the few of equal keys by what follows in their terms.
fn sort(entries: &mut [Entry], maps: &[TermMap]) {
    entries.sort_unstable_by_key(|entry| entry.key.number());
    for equal in entries.chunk_by_mut(|a, b| a.key == b.key) {
        sort_beyond(equal, size_of::<u64>(), &|entry| entry.term(maps));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::terms::interner::hash;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn pieces_follow_one_another(
            terms in prop::collection::btree_set("[ab]{1,12}", 0..100), size in 1usize..40, threads in 1usize..5,
        ) {
            let mut map = TermMap::default();
            for term in &terms {
                map.add(hash(term.as_bytes()), term.as_bytes(), TermStats::NONE).unwrap();
            }
            let maps = [map];
            let key = |term: &String| Order::Bytes.key(term.as_bytes(), TermStats::NONE);
            let entries = (0..).zip(&terms).map(|(id, term)| Entry { key: key(term), map: 0, id });
            let mut entries: Vec<_> = entries.collect();
            entries.reverse();
            let compare = |a: &Entry, b: &Entry| a.compare(b, &maps);
            let pieces = split_at_medians(&mut entries, size, &compare, Work::on(threads)).unwrap();
            prop_assert!(pieces.iter().all(|piece| piece.len() <= size));
            for piece in pieces {
                piece.sort_unstable_by_key(|entry| entry.term(&maps));
            }
            let found: Vec<_> = entries.iter().map(|entry| entry.id).collect();
            prop_assert_eq!(found, (0..terms.len() as u32).collect::<Vec<_>>());
        }
    }
}
