//! The scripts of terms, for replacements that keep to the script of the word.

use std::ops::Range;

use unicode_script::{Script, UnicodeScript};

use crate::table::TermTable;

/// The terms of a table by script.
#[derive(Debug, Clone)]
pub(super) struct Scripts {
    /// By the number of a script, the ranks of its terms, rising.
    ranks: Vec<Vec<u32>>,
}

impl Scripts {
    pub(super) fn of(table: &TermTable) -> Self {
        let mut ranks = vec![Vec::new(); usize::from(u8::MAX) + 1];
        for rank in 0..table.len() as u32 {
            ranks[usize::from(number(&String::from_utf8_lossy(table.terms().get(rank))))].push(rank);
        }
        Self { ranks }
    }

    /// The ranks of the terms of script `script`.
    pub(super) fn ranks(&self, script: u8) -> &[u32] {
        &self.ranks[usize::from(script)]
    }

    /// The part of [`Self::ranks`] that lies within these ranks.
    pub(super) fn within(&self, script: u8, window: &Range<u32>) -> Range<u32> {
        let place = |rank: u32| self.ranks(script).partition_point(|&other| other < rank) as u32;
        place(window.start)..place(window.end)
    }
}

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
