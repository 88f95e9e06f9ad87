//! Tokenizers that are not of this crate: all it knows of them is what they are called.

use std::fmt;

/// Bytes that a name may have. Longer ones are for the caller to shorten.
const MOST: usize = 190;

/// The name of a tokenizer outside this crate, with a colon in it, which no tokenizer of this crate has.
///
/// Kept in place, so that settings stay plain values that are copied.
///
/// ```
/// use una_core::Tokenizer;
/// use una_core::tokenize::CustomName;
///
/// let name = CustomName::new("callable:split").unwrap();
/// assert_eq!(Tokenizer::from_name("callable:split"), Some(Tokenizer::Custom(name)));
/// assert_eq!(CustomName::new("split"), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CustomName {
    /// Invariant: the first `length` are UTF-8, the others 0.
    bytes: [u8; MOST],
    length: u8,
}

impl CustomName {
    /// Bytes that a name may have.
    pub const MOST: usize = MOST;

    /// The name, if it is one: with a colon, and of at most [`Self::MOST`] bytes.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut bytes = [0; MOST];
        bytes.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        name.contains(':').then_some(Self { bytes, length: name.len() as u8 })
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // It came in as `&str`, so this never takes the second way.
        std::str::from_utf8(&self.bytes[..usize::from(self.length)]).unwrap_or_default()
    }
}

impl fmt::Debug for CustomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_a_colon_and_an_end() {
        let longest = format!("é:{}", "x".repeat(MOST - 3));
        for name in [":", "callable:nltk.word_tokenize", "pattern:\0", &longest] {
            assert_eq!(CustomName::new(name).unwrap().as_str(), name);
        }
        assert_eq!(CustomName::new(&format!("{longest}x")), None);
        assert_eq!(CustomName::new("word"), None);
        assert_eq!(CustomName::new(""), None);
    }
}
