//! Lists one after another in one buffer, parted by offsets as in Arrow and in a table's file.
//!
//! ```
//! use una_core::ragged::Ragged;
//!
//! let mut lists = Ragged::default();
//! lists.push(&[1, 2, 3]);
//! lists.push(&[]);
//! lists.push(&[4]);
//! assert_eq!(lists.offsets(), [0, 3, 3, 4]);
//! assert_eq!(lists.get(0), [1, 2, 3]);
//! assert_eq!(lists.iter().map(<[_]>::len).collect::<Vec<_>>(), [3, 0, 1]);
//! ```

use std::collections::TryReserveError;
use std::ops::Range;

/// Bounds of lists: one offset more than there are lists, so that no list is an exception.
///
/// Invariant: the first is 0, and none is below the one before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offsets(Vec<u64>);

impl Default for Offsets {
    fn default() -> Self {
        Self(vec![0])
    }
}

impl Offsets {
    /// Offsets of no list, with room for those of `lists`.
    ///
    /// # Errors
    /// The system has not that much memory.
    pub fn try_with_capacity(lists: usize) -> Result<Self, TryReserveError> {
        let mut offsets = Vec::new();
        offsets.try_reserve_exact(lists + 1)?;
        offsets.push(0);
        Ok(Self(offsets))
    }

    /// Number of lists.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// Returns true where there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends a list at `end`, which is not below the end of the one before it.
    #[inline]
    pub fn push(&mut self, end: usize) {
        debug_assert!(self.0.last().is_some_and(|&last| last <= end as u64));
        self.0.push(end as u64);
    }

    /// Ends a list at each of these ends, see [`Self::push`].
    pub(crate) fn extend(&mut self, ends: impl Iterator<Item = usize>) {
        ends.for_each(|end| self.push(end));
    }

    /// The bounds of list `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[inline]
    #[must_use]
    pub fn range(&self, i: usize) -> Range<usize> {
        self.0[i] as usize..self.0[i + 1] as usize
    }

    /// All offsets: 0, and the end of each list.
    #[must_use]
    pub fn as_slice(&self) -> &[u64] {
        &self.0
    }

    /// All offsets, as [`Self::as_slice`] shows them.
    #[must_use]
    pub fn into_vec(self) -> Vec<u64> {
        self.0
    }

    fn clear(&mut self) {
        self.0.truncate(1);
    }
}

/// Lists of values.
///
/// Invariant: the last offset is at most the number of values; what lies beyond it is of the list still open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ragged<T> {
    values: Vec<T>,
    offsets: Offsets,
}

impl<T> Default for Ragged<T> {
    fn default() -> Self {
        Self { values: Vec::new(), offsets: Offsets::default() }
    }
}

impl<T> Ragged<T> {
    /// No list yet, and room for `lists` of `values` values together.
    ///
    /// # Errors
    /// The system has not that much memory.
    pub fn try_with_capacity(lists: usize, values: usize) -> Result<Self, TryReserveError> {
        let mut ragged = Self::default();
        ragged.try_reserve_exact(lists, values)?;
        Ok(ragged)
    }

    /// Lists of these values, parted by offsets the last of which is their number.
    pub(crate) fn from_parts(values: Vec<T>, offsets: Offsets) -> Self {
        debug_assert!(offsets.as_slice().last() == Some(&(values.len() as u64)));
        Self { values, offsets }
    }

    /// Number of lists that have ended.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Returns true where no list has ended.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// List `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> &[T] {
        &self.values[self.range(i)]
    }

    /// The bounds of list `i` among [`Self::values`].
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[inline]
    #[must_use]
    pub fn range(&self, i: usize) -> Range<usize> {
        self.offsets.range(i)
    }

    /// The lists, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[T]> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// The values of all lists, one after another.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The values, to which those of the next list can be added; [`Self::end_list`] ends it.
    #[inline]
    pub fn values_mut(&mut self) -> &mut Vec<T> {
        &mut self.values
    }

    /// The bounds of all lists: 0, and the end of each.
    #[must_use]
    pub fn offsets(&self) -> &[u64] {
        self.offsets.as_slice()
    }

    /// Ends a list whose values were added by [`Self::values_mut`].
    #[inline]
    pub fn end_list(&mut self) {
        self.offsets.push(self.values.len());
    }

    /// Adds a list.
    #[inline]
    pub fn push(&mut self, list: &[T])
    where
        T: Clone,
    {
        self.values.extend_from_slice(list);
        self.end_list();
    }

    /// Adds the lists of another one.
    ///
    /// # Errors
    /// The system has not enough memory; nothing is added then.
    pub fn try_append(&mut self, other: &Self) -> Result<(), TryReserveError>
    where
        T: Clone,
    {
        self.try_reserve_exact(other.len(), other.values.len())?;
        let start = self.values.len() as u64;
        self.values.extend_from_slice(&other.values);
        self.offsets.0.extend(other.offsets()[1..].iter().map(|end| start + end));
        Ok(())
    }

    /// Removes the lists from this number on, and the one still open.
    pub fn truncate(&mut self, lists: usize) {
        self.offsets.0.truncate(lists + 1);
        let end = self.offsets.0.last().map_or(0, |&end| end as usize);
        self.values.truncate(end);
    }

    /// Removes all lists, and keeps the memory for others.
    pub fn clear(&mut self) {
        self.values.clear();
        self.offsets.clear();
    }

    /// Makes room for so many lists more, of so many values together, as a vector does that will grow further.
    ///
    /// # Errors
    /// The system has not that much memory.
    #[inline]
    pub fn try_reserve(&mut self, lists: usize, values: usize) -> Result<(), TryReserveError> {
        self.values.try_reserve(values)?;
        self.offsets.0.try_reserve(lists)
    }

    /// [`Self::try_reserve`], and no more room than that.
    ///
    /// # Errors
    /// As there.
    pub fn try_reserve_exact(&mut self, lists: usize, values: usize) -> Result<(), TryReserveError> {
        self.values.try_reserve_exact(values)?;
        self.offsets.0.try_reserve_exact(lists)
    }

    /// [`Self::push`], where there may be no memory for it.
    ///
    /// # Errors
    /// As [`Self::try_reserve`].
    #[inline]
    pub fn try_push(&mut self, list: &[T]) -> Result<(), TryReserveError>
    where
        T: Clone,
    {
        self.try_reserve(1, list.len())?;
        self.push(list);
        Ok(())
    }

    /// Gives memory that is not used back.
    pub fn shrink_to_fit(&mut self) {
        self.values.shrink_to_fit();
        self.offsets.0.shrink_to_fit();
    }

    /// The values and the offsets.
    #[must_use]
    pub fn into_parts(self) -> (Vec<T>, Vec<u64>) {
        (self.values, self.offsets.into_vec())
    }
}

/// Values in pieces of these lengths, from the first value on.
pub(crate) fn cut<T>(
    mut values: &mut [T],
    lengths: impl Iterator<Item = usize>,
) -> impl Iterator<Item = &mut [T]> {
    lengths.map(move |length| {
        let (piece, others) = std::mem::take(&mut values).split_at_mut(length);
        values = others;
        piece
    })
}

/// Values in pieces, each of so many lists: those of [`stretches`].
pub(crate) fn cut_stretches<'v, T>(
    values: &'v mut [T],
    offsets: &[u64],
    lists: usize,
) -> impl Iterator<Item = &'v mut [T]> {
    cut(values, stretches(offsets, lists).map(|bounds| (bounds[bounds.len() - 1] - bounds[0]) as usize))
}

/// The bounds of so many lists after others; each stretch begins with the bound at which the one before it ends.
pub(crate) fn stretches(offsets: &[u64], lists: usize) -> impl Iterator<Item = &[u64]> {
    let all = offsets.len() - 1;
    (0..all).step_by(lists).map(move |first| &offsets[first..=all.min(first + lists)])
}

/// Texts one after another: a [`Ragged`] of characters.
///
/// ```
/// use una_core::ragged::RaggedText;
///
/// let mut texts = RaggedText::default();
/// texts.push("café");
/// texts.push("");
/// assert_eq!((texts.get(0), texts.len()), ("café", 2));
/// assert_eq!(texts.offsets(), [0, 5, 5], "in bytes");
/// assert_eq!(texts.text(), "café");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RaggedText {
    text: String,
    offsets: Offsets,
}

impl RaggedText {
    /// Texts that stand in `text`, parted at `offsets`; `None` where one of them does not lie within `text`, or stops
    /// within a character.
    #[must_use]
    pub fn new(text: String, offsets: Offsets) -> Option<Self> {
        let fits = offsets.as_slice().iter().all(|&end| text.is_char_boundary(end as usize));
        fits.then_some(Self { text, offsets })
    }

    /// No text yet, and room for so many bytes.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { text: String::with_capacity(bytes), offsets: Offsets::default() }
    }

    /// Number of texts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len()
    }

    /// Returns true where there is no text.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }

    /// Text `i`.
    ///
    /// # Panics
    /// If `i` is not below [`Self::len`].
    #[inline]
    #[must_use]
    pub fn get(&self, i: usize) -> &str {
        &self.text[self.offsets.range(i)]
    }

    /// The texts, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// All texts, without anything between them.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bounds of all texts in [`Self::text`]: 0, and the end of each, in bytes.
    #[must_use]
    pub fn offsets(&self) -> &[u64] {
        self.offsets.as_slice()
    }

    /// Adds a text.
    #[inline]
    pub fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.offsets.push(self.text.len());
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn lists_come_back_as_they_went_in(
            first in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..9),
            second in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..9),
        ) {
            let (mut lists, mut others) = (Ragged::default(), Ragged::try_with_capacity(1, 1).unwrap());
            for list in &first {
                lists.push(list);
            }
            for list in &second {
                others.values_mut().extend(list);
                others.end_list();
            }
            lists.try_append(&others).unwrap();
            prop_assert_eq!(lists.iter().collect::<Vec<_>>(), [first, second].concat());
            lists.clear();
            prop_assert!(lists.is_empty() && lists.values().is_empty() && lists.offsets() == [0]);
        }

        #[test]
        fn texts_are_parted_between_characters(texts in prop::collection::vec("[aé中]{0,4}", 0..9), at in 0usize..9) {
            let mut ragged = RaggedText::default();
            for text in &texts {
                ragged.push(text);
            }
            prop_assert_eq!(ragged.iter().collect::<Vec<_>>(), &texts[..]);
            let ends = texts.iter().scan(0, |end, text| { *end += text.len() as u64; Some(*end) });
            prop_assert_eq!(ragged.offsets(), std::iter::once(0).chain(ends).collect::<Vec<_>>());
            let mut offsets = Offsets::default();
            offsets.push(at);
            let text = ragged.text().to_owned();
            prop_assert_eq!(RaggedText::new(text.clone(), offsets).is_some(), text.is_char_boundary(at));
        }
    }
}
