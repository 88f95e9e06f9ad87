//! The words that fall apart, in the order of the reference.

/// A contraction, matched whatever its case, at the bounds of a word.
pub(super) struct Contraction {
    /// The two tokens it falls into, in lower case.
    pub(super) parts: [&'static str; 2],
    /// It must follow a space; else a bound of a word will do.
    pub(super) after_space: bool,
    /// It must precede whitespace; else a bound of a word will do.
    pub(super) before_space: bool,
}

impl Contraction {
    const fn of(head: &'static str, tail: &'static str) -> Self {
        Self { parts: [head, tail], after_space: false, before_space: false }
    }

    /// Returns true where a character with this first byte can be its first. No head starts with `i` or `s`, the two
    /// letters that equal others beyond ASCII.
    pub(super) fn may_start(&self, byte: u8) -> bool {
        self.parts[0].as_bytes().first() == Some(&byte.to_ascii_lowercase())
    }
}

pub(super) const CONTRACTIONS: [Contraction; 10] = [
    Contraction::of("can", "not"),
    Contraction::of("d", "'ye"),
    Contraction::of("gim", "me"),
    Contraction::of("gon", "na"),
    Contraction::of("got", "ta"),
    Contraction::of("lem", "me"),
    Contraction::of("more", "'n"),
    Contraction { before_space: true, ..Contraction::of("wan", "na") },
    Contraction { after_space: true, ..Contraction::of("'t", "is") },
    Contraction { after_space: true, ..Contraction::of("'t", "was") },
];
