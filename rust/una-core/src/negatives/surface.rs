//! The surface of a negative: its tokens joined, or the sentence as written with words exchanged.

use std::borrow::Cow;

use super::byte_buffer::ByteBuffer;
use super::options::Surface;
use super::plan::TokenPlan;
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
            Surface::Preserve => in_case_of(old, term),
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
    let mut letters = pattern.chars().filter(|c| c.is_uppercase() || c.is_lowercase());
    if !letters.next().is_some_and(char::is_uppercase) {
        return Cow::Borrowed(term);
    }
    let mut rest = letters.peekable();
    if rest.peek().is_some() && rest.all(char::is_uppercase) {
        return Cow::Owned(term.to_uppercase());
    }
    let mut chars = term.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    Cow::Owned(first.chain(chars).collect())
}
