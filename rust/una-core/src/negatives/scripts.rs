//! The scripts that words are written in.

use unicode_script::{Script, UnicodeScript};

/// The number of a term's script: that of its first letter, and one for all terms without letters. Both syllabaries of
/// Japanese are one script.
pub(super) fn number(term: &str) -> u8 {
    let scripts = term.chars().map(|c| c.script());
    let mut letters =
        scripts.filter(|script| !matches!(script, Script::Common | Script::Inherited | Script::Unknown));
    match letters.next().unwrap_or(Script::Common) {
        Script::Katakana => Script::Hiragana as u8,
        script => script as u8,
    }
}

/// Returns true for a character of a script whose words stand side by side.
pub(super) fn has_no_spaces(c: char) -> bool {
    matches!(
        c.script(),
        Script::Han
            | Script::Hiragana
            | Script::Katakana
            | Script::Bopomofo
            | Script::Thai
            | Script::Lao
            | Script::Khmer
            | Script::Myanmar
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_letter_tells_the_script() {
        for (one, other) in [("cat", "'été"), ("3", "…"), ("かな", "カナ"), ("猫", "犬2"), ("кот", "7-й")]
        {
            assert_eq!(number(one), number(other), "{one} {other}");
        }
        let all = ["cat", "3", "かな", "猫", "кот", "고양이", "γάτα", "قطة"].map(number);
        assert!((1..all.len()).all(|i| !all[..i].contains(&all[i])), "{all:?}");
    }
}
