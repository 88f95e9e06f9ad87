//! Terms one after another in one arena, by number.

use crate::arch::prefetch;

/// Terms by their place in a row.
///
/// Invariant: `ends[i]` is where term `i` stops in `bytes`, and term `i + 1` starts there.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    bytes: Vec<u8>,
    ends: Vec<u64>,
}

impl Terms {
    /// No terms yet, and room for `terms` of `bytes` bytes together.
    pub(crate) fn with_capacity(terms: usize, bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(terms) }
    }

    pub(crate) fn push(&mut self, term: &[u8]) {
        self.bytes.extend_from_slice(term);
        self.ends.push(self.bytes.len() as u64);
    }

    /// Makes room for so many terms more, of so many bytes.
    pub(crate) fn reserve(&mut self, terms: usize, bytes: usize) {
        self.bytes.reserve(bytes);
        self.ends.reserve(terms);
    }

    /// Gives memory that is not used back.
    pub(crate) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
        self.ends.shrink_to_fit();
    }

    /// Removes all terms, and keeps the memory for others.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
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

    /// The terms without anything between them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where each term stops in [`Self::bytes`].
    #[must_use]
    pub fn ends(&self) -> &[u64] {
        &self.ends
    }

    /// The bytes of a term.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[must_use]
    pub fn get(&self, index: u32) -> &[u8] {
        let index = index as usize;
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.bytes[start..self.ends[index] as usize]
    }

    /// Has the bytes of a term fetched.
    #[inline]
    pub(crate) fn fetch(&self, index: u32) {
        if let Some(first) = self.get(index).first() {
            prefetch(first);
        }
    }

    /// Has the bounds of a term fetched, which [`Self::fetch`] needs.
    #[inline]
    pub(crate) fn fetch_bounds(&self, index: u32) {
        prefetch(&self.ends[index.saturating_sub(1) as usize]);
        prefetch(&self.ends[index as usize]);
    }
}
