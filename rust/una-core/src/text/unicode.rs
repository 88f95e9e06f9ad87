//! Character classes, exactly as Python defines them.
//!
//! The reference tokenizers are regular expressions run by two engines whose classes differ: the standard library's
//! `re`, and the third-party `regex` module. Both are stated here over the general categories of Unicode 18. A
//! character that was assigned after the Unicode version of a given Python may be classified differently there.
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory};

/// Python's `str.isspace`, and `\s` of `re`: Unicode `White_Space` and the four separators U+001C to U+001F.
#[must_use]
pub fn is_space(c: char) -> bool {
    c.is_whitespace() || is_separator(c)
}

/// The information separators U+001C to U+001F: `str.isspace` and `re` call them whitespace, `regex` does not.
#[must_use]
pub fn is_separator(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}')
}

/// `\w` of `re`: letters, numbers of any kind, and the underscore. Combining marks are not part of a word.
#[must_use]
pub fn is_word(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    is_common_letter(c)
        || matches!(c.general_category_group(), GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number)
}

/// `\w` of `regex`, which follows UTS 18: alphabetic characters, marks, decimal digits, connectors, joiners.
#[must_use]
pub fn is_word_uts18(c: char) -> bool {
    use GeneralCategory as G;
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '_';
    }
    is_common_letter(c)
        || match c.general_category() {
            G::UppercaseLetter
            | G::LowercaseLetter
            | G::TitlecaseLetter
            | G::ModifierLetter
            | G::OtherLetter
            | G::NonspacingMark
            | G::SpacingMark
            | G::EnclosingMark
            | G::DecimalNumber
            | G::LetterNumber
            | G::ConnectorPunctuation => true,
            G::Format => matches!(c, '\u{200c}' | '\u{200d}'),
            // The circled letters are alphabetic symbols.
            G::OtherSymbol => c.is_alphabetic(),
            _ => false,
        }
}

/// `\d` of both engines: a decimal digit of any script.
#[must_use]
pub fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { c.general_category() == GeneralCategory::DecimalNumber }
}

/// Han and Hangul, the bulk of Chinese and Korean text, and the accented letters of Latin text, settled without a
/// search through the category table.
fn is_common_letter(c: char) -> bool {
    matches!(c, '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}')
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{24f}')
}

/// Puts U+FFFD in place of each surrogate that stands in `bytes` as a character of three bytes, as Python's
/// "surrogatepass" and JSON's escapes make them; UTF-8 has none.
///
/// ```
/// use una_core::text::unicode::replace_surrogates;
///
/// let mut bytes = b"red \xed\xa0\xbd".to_vec();
/// replace_surrogates(&mut bytes);
/// assert_eq!(bytes, "red \u{fffd}".as_bytes());
/// ```
pub fn replace_surrogates(bytes: &mut [u8]) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(0xed, rest) {
        let (_, here) = std::mem::take(&mut rest).split_at_mut(at);
        if let [lead, second @ 0xa0..=0xbf, third @ 0x80..=0xbf, ..] = here {
            (*lead, *second, *third) = (0xef, 0xbf, 0xbd);
        }
        rest = &mut here[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_engines_differ_on_separators_marks_joiners_and_other_numbers() {
        assert!(is_space('\u{1f}') && !'\u{1f}'.is_whitespace());
        assert!(is_space('\u{85}') && !is_space('\u{200b}'));
        for c in ['\u{301}', '\u{200d}', '\u{24b6}', '\u{203f}'] {
            assert!(!is_word(c) && is_word_uts18(c), "{c:?}");
        }
        assert!(is_word('²') && !is_word_uts18('²'));
        for c in ['_', 'a', '7', 'é', '中', '한', '٣', 'Ⅷ'] {
            assert!(is_word(c) && is_word_uts18(c), "{c:?}");
        }
        for c in ['-', '\'', '€', '—', '\u{200b}', '\u{e000}'] {
            assert!(!is_word(c) && !is_word_uts18(c), "{c:?}");
        }
        assert!(is_digit('٣') && !is_digit('²') && !is_digit('Ⅷ') && !is_digit('a'));
    }

    #[test]
    fn the_shortcut_for_common_letters_holds_letters_only() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            if is_common_letter(c) {
                assert_eq!(c.general_category_group(), GeneralCategoryGroup::Letter, "{c:?}");
            }
        }
    }
}
