//! Lower-casing as Python's `str.lower` does it, and the way back from lower-cased offsets to the original text.
//!
//! Both follow the full mapping of Unicode with its one context rule: a capital sigma at the end of a word becomes `ς`.
//!
//! ```
//! use una_core::text::lowercase::{LowerMap, lowercase};
//!
//! let mut buffer = String::new();
//! assert_eq!(lowercase("ΣΊΣΥΦΟΣ", &mut buffer), "σίσυφος");
//!
//! // U+0130 takes two bytes and its lower case three, so what follows it moves.
//! let original = "İzmir Bay";
//! let lowered = lowercase(original, &mut buffer);
//! let map = LowerMap::new(original);
//! let bay = lowered.find("bay").unwrap_or_default();
//! assert_eq!(&original[map.original(bay)..], "Bay");
//! ```

/// The lower case of `text`: `text` itself when nothing changes, else what is written into `buffer`.
///
/// The buffer's former content is dropped. Nothing is allocated once the buffer has grown to the longest text, save
/// for a text that holds a capital sigma.
pub fn lowercase<'t>(text: &'t str, buffer: &'t mut String) -> &'t str {
    let unchanged = unchanged_prefix(text);
    if unchanged == text.len() {
        return text;
    }
    buffer.clear();
    if text.is_ascii() {
        buffer.push_str(text);
        buffer.make_ascii_lowercase();
    } else if text.contains('Σ') {
        // Its form depends on the neighbouring letters: the standard library knows which.
        buffer.push_str(&text.to_lowercase());
    } else {
        let (kept, rest) = text.split_at(unchanged);
        buffer.push_str(kept);
        for c in rest.chars() {
            push_lower(c, buffer);
        }
    }
    buffer
}

/// The number of leading bytes that lower-casing leaves as they are.
fn unchanged_prefix(text: &str) -> usize {
    let ascii = text.bytes().take_while(|b| b.is_ascii() && !b.is_ascii_uppercase()).count();
    text[ascii..]
        .char_indices()
        .find(|&(_, c)| !is_lower_invariant(c))
        .map_or(text.len(), |(offset, _)| ascii + offset)
}

fn push_lower(c: char, buffer: &mut String) {
    if c.is_ascii() {
        buffer.push(c.to_ascii_lowercase());
    } else if is_caseless(c) {
        buffer.push(c);
    } else {
        buffer.extend(c.to_lowercase());
    }
}

fn is_lower_invariant(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_uppercase();
    }
    is_caseless(c) || {
        let mut lower = c.to_lowercase();
        lower.len() == 1 && lower.next() == Some(c)
    }
}

/// The scripts of East Asia, which have no case, settled without a table.
fn is_caseless(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{a63f}' | '\u{ac00}'..='\u{faff}')
}

/// A map from the bytes of a lower-cased text to those of the original.
///
/// Only characters whose lower case has another length are stored, so for nearly every text the map is the identity
/// and holds nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LowerMap {
    /// In order of position, which makes every field increasing.
    shifts: Vec<Shift>,
}

/// One character whose lower case takes another number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Shift {
    lowered_start: usize,
    lowered_end: usize,
    original_end: usize,
}

impl LowerMap {
    /// The map from the lower case of `original` back to `original`.
    #[must_use]
    pub fn new(original: &str) -> Self {
        let mut map = Self::default();
        map.rebuild(original);
        map
    }

    /// Makes this the map of another text, keeping the memory.
    pub fn rebuild(&mut self, original: &str) {
        self.shifts.clear();
        if original.is_ascii() {
            return;
        }
        let mut lowered = 0;
        for (start, c) in original.char_indices() {
            let length: usize = if c.is_ascii() || is_caseless(c) {
                c.len_utf8()
            } else {
                c.to_lowercase().map(char::len_utf8).sum()
            };
            if length != c.len_utf8() {
                self.shifts.push(Shift {
                    lowered_start: lowered,
                    lowered_end: lowered + length,
                    original_end: start + c.len_utf8(),
                });
            }
            lowered += length;
        }
    }

    /// The offset in the original text of the offset `lowered` in its lower case.
    ///
    /// An offset inside the lower case of one character maps to that character's end: the map never decreases, and
    /// spans that do not overlap in the lower case do not overlap in the original.
    #[must_use]
    pub fn original(&self, lowered: usize) -> usize {
        let before = self.shifts.partition_point(|shift| shift.lowered_start < lowered);
        match before.checked_sub(1).and_then(|last| self.shifts.get(last)) {
            None => lowered,
            Some(shift) => shift.original_end + lowered.saturating_sub(shift.lowered_end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn characters() -> impl Iterator<Item = char> {
        (0..=u32::from(char::MAX)).filter_map(char::from_u32)
    }

    #[test]
    fn the_caseless_ranges_hold_no_character_with_a_lower_case() {
        for c in characters().filter(|&c| is_caseless(c)) {
            assert!(c.to_lowercase().eq([c]), "{c:?}");
        }
    }

    #[test]
    fn a_text_with_nothing_to_lower_is_returned_as_it_is() {
        let mut buffer = String::from("kept");
        for text in ["", "plain, text. 42", "été", "한국어 中文", "ß ǆ"] {
            assert_eq!(lowercase(text, &mut buffer), text);
            assert_eq!(buffer, "kept");
        }
    }

    #[test]
    fn sigma_depends_on_its_neighbours() {
        let mut buffer = String::new();
        for (text, lower) in [("ΑΣ", "ας"), ("Σ", "σ"), ("ΑΣΑ", "ασα"), ("ΑΣ.", "ας."), ("ΑΣ'Α", "ασ'α")]
        {
            assert_eq!(lowercase(text, &mut buffer), lower);
        }
    }

    proptest! {
        #[test]
        fn lowercase_agrees_with_the_standard_library(text in "[a-cA-CÉéİıΣΑẞǅⱥȺK中한.' ]{0,12}") {
            let mut buffer = String::new();
            prop_assert_eq!(lowercase(&text, &mut buffer), text.to_lowercase());
        }

        #[test]
        fn the_map_leads_each_character_back_to_its_source(text in "[a-cA-CÉİıΣẞȺK中 ]{0,12}") {
            let map = LowerMap::new(&text);
            let mut lowered = 0;
            for (start, c) in text.char_indices() {
                prop_assert_eq!(map.original(lowered), start);
                let end = lowered + c.to_lowercase().map(char::len_utf8).sum::<usize>();
                for inside in lowered + 1..end {
                    prop_assert!((start + 1..=start + c.len_utf8()).contains(&map.original(inside)));
                }
                lowered = end;
            }
            prop_assert_eq!(map.original(lowered), text.len());
        }
    }
}
