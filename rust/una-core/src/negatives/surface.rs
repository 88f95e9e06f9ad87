//! The surface of a negative: its tokens joined, or the sentence as written with words exchanged.

use std::borrow::Cow;

use super::byte_buffer::ByteBuffer;
use super::options::Surface;
use super::plan::TokenPlan;
use super::scripts;
use crate::error::{Error, Result};
use crate::table::TermTable;
use crate::terms::index::TermKey;
use crate::text::lowercase::LowerMap;

/// Writes negatives from a table in one surface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renderer<'t> {
    pub(super) table: &'t TermTable,
    pub(super) surface: Surface,
}

impl<'t> Renderer<'t> {
    /// Refuses tokens that stand nowhere in their sentence where a replacement would have to take their place.
    pub(super) fn check_spans(&self, plan: &[TokenPlan<'_>]) -> Result<()> {
        if self.surface == Surface::Reference {
            return Ok(());
        }
        match plan.iter().find(|step| step.token.start == step.token.end) {
            None => Ok(()),
            Some(step) => Err(Error::Input(format!(
                "the token {:?} of the tokenizer {:?} does not stand in the sentence, after the tokens before it: \
                 surface \"preserve\" cannot replace it",
                step.token.text,
                self.table.settings().tokenizer.name(),
            ))),
        }
    }

    /// Appends the negative to `out`; `keys` are those of the tokens.
    pub(super) fn render(
        &self,
        sentence: &str,
        plan: &[TokenPlan<'_>],
        keys: &[TermKey],
        out: &mut ByteBuffer,
    ) {
        match self.surface {
            Surface::Reference => self.render_reference(plan, keys, out),
            Surface::Preserve => self.render_preserve(sentence, plan, out),
        }
    }

    /// The map from offsets in a sentence as tokenised to offsets in it as written.
    pub(super) fn map(&self, sentence: &str) -> LowerMap {
        if self.table.settings().lowercase { LowerMap::new(sentence) } else { LowerMap::default() }
    }

    /// The term of `rank` as it is written in place of `old`.
    pub(super) fn written(&self, rank: u32, old: &str) -> Cow<'t, str> {
        let term = self.table.term(rank);
        match self.surface {
            Surface::Reference => Cow::Borrowed(term),
            Surface::Preserve if self.table.settings().phrases.is_empty() => in_case_of(old, term),
            Surface::Preserve => Cow::Owned(in_case_of_words(old, term)),
        }
    }

    fn render_reference(&self, plan: &[TokenPlan<'_>], keys: &[TermKey], out: &mut ByteBuffer) {
        let terms = self.table.terms();
        for (i, (step, key)) in plan.iter().zip(keys).enumerate() {
            if i > 0 {
                out.push(b' ');
            }
            match step.replacement {
                None => out.extend_short(step.token.text.as_bytes(), key.first_bytes()),
                Some(rank) => {
                    let [start, end] = [0, 1].map(|side| terms.offsets()[rank as usize + side] as usize);
                    out.extend_from_within(terms.bytes(), start, end);
                }
            }
        }
    }

    fn render_preserve(&self, sentence: &str, plan: &[TokenPlan<'_>], out: &mut ByteBuffer) {
        // Tokens were found in the lower-cased text, whose offsets are not those of the text as written: lower case can
        // be longer or shorter. All between two replaced tokens is copied byte for byte.
        let map = self.map(sentence);
        let mut copied = 0;
        for step in plan {
            let Some(rank) = step.replacement else { continue };
            let start = map.original(step.token.start);
            let end = map.original(step.token.end);
            out.extend(&sentence.as_bytes()[copied..start]);
            out.extend(self.written(rank, &sentence[start..end]).as_bytes());
            copied = end;
        }
        out.extend(&sentence.as_bytes()[copied..]);
    }
}

/// `term` in the case of `pattern`, word by word; words beyond the last one of the pattern are in the case of that one.
/// Between words of a script that has no spaces there is none, nor before what is written on to the word before it.
fn in_case_of_words(pattern: &str, term: &str) -> String {
    let (mut patterns, mut case) = (pattern.split_whitespace().map(Case::of), Case::AsIs);
    let mut written = String::new();
    for word in term.split(' ') {
        if is_written_on(word) {
            let case = if case == Case::Capital { Case::AsIs } else { case };
            written.push_str(&case.write(word));
            continue;
        }
        case = patterns.next().unwrap_or(case);
        let edges = written.chars().next_back().zip(word.chars().next());
        if edges
            .is_some_and(|(before, after)| !(scripts::has_no_spaces(before) && scripts::has_no_spaces(after)))
        {
            written.push(' ');
        }
        written.push_str(&case.write(word));
    }
    written
}

/// Returns true for the second half of a contraction, and for signs that close.
fn is_written_on(word: &str) -> bool {
    word == "n't" || word.starts_with(['\'', '’', ',', '.', ';', ':', '!', '?', '%', ')'])
}

/// `term` in the case pattern of `pattern`: all capitals (of two or more letters), a capital first, or as it is.
///
/// ```
/// use una_core::negatives::in_case_of;
///
/// assert_eq!(in_case_of("NATO", "union"), "UNION");
/// assert_eq!(in_case_of("Paris", "rome"), "Rome");
/// assert_eq!(in_case_of("I", "we"), "We");
/// ```
#[must_use]
pub fn in_case_of<'t>(pattern: &str, term: &'t str) -> Cow<'t, str> {
    Case::of(pattern).write(term)
}

/// The case of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// Whatever its letters are.
    AsIs,
    /// A capital first.
    Capital,
    /// Two capitals or more, and nothing else.
    Capitals,
}

impl Case {
    fn of(word: &str) -> Self {
        let mut letters = word.chars().filter(|c| c.is_uppercase() || c.is_lowercase());
        if !letters.next().is_some_and(char::is_uppercase) {
            return Self::AsIs;
        }
        let mut rest = letters.peekable();
        if rest.peek().is_some() && rest.all(char::is_uppercase) { Self::Capitals } else { Self::Capital }
    }

    fn write(self, term: &str) -> Cow<'_, str> {
        match self {
            Self::AsIs => Cow::Borrowed(term),
            Self::Capitals => Cow::Owned(term.to_uppercase()),
            Self::Capital => {
                let mut chars = term.chars();
                let first = chars.next().into_iter().flat_map(char::to_uppercase);
                Cow::Owned(first.chain(chars).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_phrase_take_the_case_of_words() {
        for (pattern, term, written) in [
            ("New York", "los angeles", "Los Angeles"),
            ("New  York", "rio de janeiro", "Rio De Janeiro"),
            ("Machine learning", "neural networks", "Neural networks"),
            ("NATO", "united nations", "UNITED NATIONS"),
            ("Paris", "new york", "New York"),
            ("paris", "new york", "new york"),
            ("machine learning", "word", "word"),
            ("Never look", "ca n't see", "Can't see"),
            ("New York", "ca n't see", "Can't See"),
            ("NATO", "ca n't see", "CAN'T SEE"),
            ("north wind", "south 's wind", "south's wind"),
            ("北京", "上 海", "上海"),
            ("北京", "上 海 x", "上海 x"),
        ] {
            assert_eq!(in_case_of_words(pattern, term), written, "{term} for {pattern}");
        }
    }
}
