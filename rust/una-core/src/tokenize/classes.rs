//! The classes of bytes that the treebank rules tell apart, and their two editions. A chunk's classes, or-ed together,
//! tell which rules can act on it at all.

use crate::text::unicode;

/// The version of NLTK whose rules are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edition {
    /// 3.9.1, whose patterns run on `re`.
    Nltk39,
    /// 3.10.4, whose patterns run on `regex`, save the contractions.
    Nltk310,
}

impl Edition {
    /// `\s` of the edition's engine.
    pub(super) fn is_space(self, c: char) -> bool {
        match self {
            Self::Nltk39 => unicode::is_space(c),
            Self::Nltk310 => c.is_whitespace(),
        }
    }
}

/// A set of classes.
pub(super) type Classes = u16;

/// ASCII whitespace, as `str.isspace` has it.
pub(super) const SPACE: Classes = 1;
/// The first byte of a character that may be whitespace, a quote or a dash beyond ASCII.
pub(super) const LEAD: Classes = 1 << 1;
/// The full stop.
pub(super) const DOT: Classes = 1 << 2;
/// The hyphen, which acts only when doubled.
pub(super) const HYPHEN: Classes = 1 << 3;
/// The comma and the colon, which stay on a digit that follows.
pub(super) const COMMA: Classes = 1 << 4;
/// The ASCII double quote.
pub(super) const QUOTE: Classes = 1 << 5;
/// Openers of a quotation in any place: the backtick and `«“‘„`.
pub(super) const OPENER: Classes = 1 << 6;
/// Closers of a quotation in any place: `»”’`.
pub(super) const CLOSER: Classes = 1 << 7;
/// Punctuation that stands alone from the start: `;@#$%&?!`.
pub(super) const ALONE: Classes = 1 << 8;
/// Punctuation that is split off after the single quotes: the asterisk and the brackets.
pub(super) const ALONE_LATE: Classes = 1 << 9;
/// The dashes U+2012 to U+2015.
pub(super) const DASH: Classes = 1 << 10;

/// The apostrophe, which is the ASCII single quote.
pub(super) const APOSTROPHE: Classes = 1 << 11;

const N: Classes = 1 << 12;
const M: Classes = 1 << 13;
const T: Classes = 1 << 14;
/// The letters of either case that contractions double: each that has no apostrophe holds `nn`, `mm` or `tt`.
pub(super) const DOUBLING: Classes = N | M | T;
/// Classes that act, or act otherwise, when two of a kind stand side by side.
pub(super) const PAIRING: Classes = DOUBLING | DOT | HYPHEN | COMMA | QUOTE;
/// Classes that are split off, the comma and the colon save before a digit, whatever else the chunk holds, as long as
/// it is [`CLEAR`] and no two that pair stand side by side.
pub(super) const MARKS: Classes = COMMA | QUOTE | ALONE | ALONE_LATE;
/// Classes that do not look beyond their neighbours.
pub(super) const CLEAR: Classes = MARKS | PAIRING;

/// The classes of each byte that starts a character. A byte of no class never acts.
pub(super) const OF_BYTE: [Classes; 256] = table();

const fn table() -> [Classes; 256] {
    let mut table = [0; 256];
    let sets: [(&[u8], Classes); 13] = [
        (b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f ", SPACE),
        // U+0085, U+00A0 and the guillemets; U+1680; General Punctuation; U+3000.
        (b"\xc2\xe1\xe2\xe3", LEAD),
        (b"nN", N),
        (b"mM", M),
        (b"tT", T),
        (b".", DOT),
        (b"-", HYPHEN),
        (b",:", COMMA),
        (b"\"", QUOTE),
        (b"'", APOSTROPHE),
        (b"`", OPENER),
        (b";@#$%&?!", ALONE),
        (b"*()[]{}<>", ALONE_LATE),
    ];
    let mut set = 0;
    while set < sets.len() {
        let (bytes, class) = sets[set];
        let mut i = 0;
        while i < bytes.len() {
            table[bytes[i] as usize] |= class;
            i += 1;
        }
        set += 1;
    }
    table
}

/// The classes of a character beyond ASCII.
pub(super) fn of_char(c: char) -> Classes {
    match c {
        '«' | '“' | '‘' | '„' => OPENER,
        '»' | '”' | '’' => CLOSER,
        '\u{2012}'..='\u{2015}' => DASH,
        c if c.is_whitespace() => SPACE,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::unicode;

    #[test]
    fn every_character_with_a_class_is_found_by_its_first_byte() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            let mut bytes = [0; 4];
            let first = OF_BYTE[usize::from(c.encode_utf8(&mut bytes).as_bytes()[0])];
            if c.is_ascii() {
                assert_eq!(first & SPACE != 0, unicode::is_space(c), "{c:?}");
            } else {
                assert!(first == LEAD || first == 0 && of_char(c) == 0, "{c:?}");
                assert_eq!(of_char(c) & SPACE != 0, unicode::is_space(c), "{c:?}");
            }
        }
    }
}
