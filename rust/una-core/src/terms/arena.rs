//! The bytes of many terms in one buffer.

use std::collections::TryReserveError;

use crate::arch::prefetch;
use crate::error::Result;
use crate::ragged::Ragged;

/// Terms by number, their bytes one after another.
#[derive(Debug, Clone, Default)]
pub struct TermArena(Ragged<u8>);

impl TermArena {
    /// No terms yet, and room for `terms` of `bytes` bytes together.
    pub(crate) fn with_capacity(terms: usize, bytes: usize) -> std::result::Result<Self, TryReserveError> {
        let mut arena = Self::default();
        arena.0.try_reserve_exact(terms, bytes)?;
        Ok(arena)
    }

    #[inline]
    pub(crate) fn push(&mut self, term: &[u8]) {
        self.0.push(term);
    }

    /// Makes room for so many terms more, of so many bytes, as an arena does that will grow further.
    pub(crate) fn try_reserve(
        &mut self,
        terms: usize,
        bytes: usize,
    ) -> std::result::Result<(), TryReserveError> {
        self.0.try_reserve(terms, bytes)
    }

    /// [`Self::try_reserve`], and no more room than that.
    pub(crate) fn try_reserve_exact(
        &mut self,
        terms: usize,
        bytes: usize,
    ) -> std::result::Result<(), TryReserveError> {
        self.0.try_reserve_exact(terms, bytes)
    }

    /// Gives memory that is not used back.
    pub(crate) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }

    /// Removes the terms from this number on.
    pub(crate) fn truncate(&mut self, terms: usize) {
        self.0.truncate(terms);
    }

    /// Removes all terms, and keeps the memory for others.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Those terms for whose number `kept` is true.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    pub fn kept(&self, kept: &[bool]) -> Result<Self> {
        let numbers =
            (0u32..).zip(kept).take(self.len()).filter(|&(_, &kept)| kept).map(|(number, _)| number);
        let bytes = numbers.clone().map(|number| self.get(number).len()).sum();
        let mut arena = Self::with_capacity(numbers.clone().count(), bytes)?;
        numbers.for_each(|number| arena.push(self.get(number)));
        Ok(arena)
    }

    /// Number of terms.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true where there is no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of all terms, without anything between them.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.values()
    }

    /// The bounds of the terms in [`Self::bytes`]: 0, and the end of each.
    #[must_use]
    pub fn offsets(&self) -> &[u64] {
        self.0.offsets()
    }

    /// The bytes of a term.
    ///
    /// # Panics
    /// If `index` is not below [`Self::len`].
    #[inline]
    #[must_use]
    pub fn get(&self, index: u32) -> &[u8] {
        self.0.get(index as usize)
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
        let offsets = self.offsets();
        prefetch(&offsets[index as usize]);
        prefetch(&offsets[index as usize + 1]);
    }
}
