//! Sorting what stands for terms, in order of their bytes.
//!
//! A comparison of two terms is two waits for memory. Keys of eight bytes settle most of them; terms whose keys are equal,
//! as those of pairs of words and of names with numbers are, get the next eight as their key, one wait for each.

use super::index::prefix;

/// Bytes of a key.
const KEY: usize = size_of::<u64>();

/// Terms that are as well compared whole.
const FEW: usize = 3;

/// Bytes of terms that become keys: beyond them, terms are compared whole.
const DEEPEST: usize = 8 * KEY;

/// What stands for a term, with room for a key.
pub(crate) trait Keyed {
    fn key(&self) -> u64;
    fn set_key(&mut self, key: u64);
}

/// Sorts entries whose keys are the bytes of their terms from `from` on; up to there, the terms are equal.
pub(crate) fn sort_by_key<'t, E: Keyed>(entries: &mut [E], from: usize, term: &impl Fn(&E) -> &'t [u8]) {
    entries.sort_unstable_by_key(E::key);
    for same in entries.chunk_by_mut(|a, b| a.key() == b.key()) {
        sort_beyond(same, from + KEY, term);
    }
}

/// Sorts entries of one key by the bytes of their terms from `from` on; up to there, the terms are equal, but for zeros at
/// the end of some. The keys are in the end what they were.
pub(crate) fn sort_beyond<'t, E: Keyed>(entries: &mut [E], from: usize, term: &impl Fn(&E) -> &'t [u8]) {
    let [first, _, ..] = &*entries else { return };
    let key = first.key();
    // A key does not tell zeros from the end of a term. So terms that end before `from` are compared whole.
    let are_done = || entries.iter().all(|entry| term(entry).len() <= from);
    if entries.len() <= FEW || from > DEEPEST || are_done() {
        return entries.sort_unstable_by(|a, b| term(a).cmp(term(b)));
    }
    for entry in &mut *entries {
        entry.set_key(term(entry).get(from..).map_or(0, prefix));
    }
    sort_by_key(entries, from, term);
    for entry in entries {
        entry.set_key(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Entry<'t>(u64, &'t [u8]);

    impl Keyed for Entry<'_> {
        fn key(&self) -> u64 {
            self.0
        }

        fn set_key(&mut self, key: u64) {
            self.0 = key;
        }
    }

    proptest! {
        #[test]
        fn terms_that_begin_alike_are_in_order(
            terms in prop::collection::vec(
                ("[ab]{0,3}", "(aaaaaaaa){0,12}", "[ab\0]{0,3}").prop_map(|(a, b, c)| a + &b + &c), 0..200,
            ),
        ) {
            let entries = terms.iter().map(|term| Entry(prefix(term.as_bytes()), term.as_bytes()));
            let mut entries: Vec<_> = entries.collect();
            sort_by_key(&mut entries, 0, &|entry| entry.1);
            let mut expected: Vec<&[u8]> = terms.iter().map(String::as_bytes).collect();
            expected.sort_unstable();
            prop_assert!(entries.iter().all(|entry| entry.0 == prefix(entry.1)), "keys are as they were");
            prop_assert_eq!(entries.iter().map(|entry| entry.1).collect::<Vec<_>>(), expected);
        }
    }
}
