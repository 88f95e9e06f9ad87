//! One chunk of text without whitespace, and the treebank rules in the order of the reference.
//!
//! Where the reference inserts spaces and copies, the characters stay here and *gaps* are marked between them. A rule
//! that asks for a space finds a gap, or the edge of the chunk. A rule reads the state its predecessors left, from left
//! to right; where it could see its own marks, the comment says why that is harmless or how it is prevented.
use super::classes::{self, Classes, Edition};
use super::contractions::CONTRACTIONS;
use super::token::{Position, Token};
use crate::text::unicode;

/// Whitespace stands before the byte.
const GAP: u8 = 1;
/// The byte belongs to a quote that now reads ` `` `.
const OPENING: u8 = 1 << 1;
/// The byte is a `"` that now reads `''`.
const CLOSING: u8 = 1 << 2;

/// The neighbour of a chunk on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    /// The start or the end of the text.
    Text,
    /// U+0020 itself.
    Space,
    /// U+001C to U+001F, which `regex` does not count as whitespace.
    Separator,
    /// Any other whitespace.
    White,
}

impl Edge {
    /// The neighbour before the offset of a piece in that position.
    pub(super) fn before(piece: &str, start: usize, position: Position) -> Self {
        let outside = if position.starts_text() { Self::Text } else { Self::Space };
        start.checked_sub(1).map_or(outside, |last| Self::of(piece.as_bytes()[last]))
    }

    /// The neighbour at the offset of a piece in that position.
    pub(super) fn after(piece: &str, end: usize, position: Position) -> Self {
        let outside = if position.ends_text() { Self::Text } else { Self::Space };
        piece.as_bytes().get(end).map_or(outside, |&byte| Self::of(byte))
    }

    const fn of(byte: u8) -> Self {
        match byte {
            b' ' => Self::Space,
            0x1c..=0x1f => Self::Separator,
            _ => Self::White,
        }
    }

    /// Returns true where it reads as a space once the reference has padded the text and collapsed all whitespace.
    fn collapses(self, edition: Edition) -> bool {
        edition == Edition::Nltk39 || self != Self::Separator
    }
}

/// A chunk and what the rules may know of its surroundings.
pub(super) struct Chunk<'t> {
    pub(super) source: &'t str,
    pub(super) start: usize,
    pub(super) end: usize,
    /// The classes of its characters.
    pub(super) seen: Classes,
    /// The classes of which two stand side by side.
    pub(super) pairs: Classes,
    pub(super) edition: Edition,
    pub(super) before: Edge,
    pub(super) after: Edge,
    /// The offset in the source of the full stop that ends the text, where it is in this chunk.
    pub(super) period: Option<usize>,
}

impl<'t> Chunk<'t> {
    /// Emits the tokens of the chunk. The marks are scratch: their content is dropped.
    pub(super) fn tokenize(&self, marks: &mut Vec<u8>, sink: &mut impl FnMut(Token<'t>)) {
        marks.clear();
        marks.resize(self.end - self.start + 1, 0);
        let mut rules = Rules {
            chunk: self,
            text: &self.source[self.start..self.end],
            bytes: &self.source.as_bytes()[self.start..self.end],
            marks,
        };
        rules.apply();
        rules.emit(sink);
    }
}

/// The state the rules work on. Offsets are those of the chunk.
struct Rules<'t, 'c> {
    chunk: &'c Chunk<'t>,
    text: &'t str,
    bytes: &'t [u8],
    /// One byte of marks for each byte of the chunk, and one for its end.
    marks: &'c mut [u8],
}

impl<'t> Rules<'t, '_> {
    fn apply(&mut self) {
        let seen = self.chunk.seen;
        let apostrophe = seen & classes::APOSTROPHE != 0;
        if seen & classes::OPENER != 0 {
            self.isolate_openers();
        }
        if seen & (classes::QUOTE | classes::APOSTROPHE) != 0 {
            self.open_quotes();
        }
        if apostrophe {
            self.part_single_quotes();
        }
        self.isolate_period();
        if seen & classes::COMMA != 0 {
            self.isolate_commas();
        }
        if self.chunk.pairs & classes::DOT != 0 {
            self.isolate_ellipses();
        }
        self.isolate_class(classes::ALONE);
        if self.chunk.edition == Edition::Nltk310 {
            self.isolate_class(classes::DASH);
        }
        if apostrophe {
            self.part_quotes_before_space();
        }
        self.isolate_class(classes::ALONE_LATE);
        if self.chunk.pairs & classes::HYPHEN != 0 {
            self.isolate_pairs(b'-');
        }
        self.isolate_class(classes::CLOSER);
        if apostrophe {
            self.isolate_pairs(b'\'');
        }
        if seen & classes::QUOTE != 0 {
            self.close_quotes();
        }
        if apostrophe {
            self.part_short_clitics();
            self.part_long_clitics();
        }
        if self.chunk.pairs & classes::DOUBLING != 0 || apostrophe && self.may_contract() {
            self.part_contractions();
        }
    }

    /// Returns true where an apostrophe stands as in one of the contractions that have one.
    fn may_contract(&self) -> bool {
        let next = |byte: u8| matches!(byte.to_ascii_lowercase(), b'y' | b'n' | b't');
        self.bytes.windows(2).any(|pair| pair[0] == b'\'' && next(pair[1]))
    }

    fn emit(&self, sink: &mut impl FnMut(Token<'t>)) {
        let mut start = 0;
        for end in 1..=self.bytes.len() {
            if end == self.bytes.len() || self.gap(end) {
                sink(self.token(start, end));
                start = end;
            }
        }
    }

    fn token(&self, start: usize, end: usize) -> Token<'t> {
        let text = match self.marks[start] & (OPENING | CLOSING) {
            OPENING => "``",
            CLOSING => "''",
            _ => &self.text[start..end],
        };
        Token { text, start: self.chunk.start + start, end: self.chunk.start + end }
    }

    fn gap(&self, at: usize) -> bool {
        self.marks[at] & GAP != 0
    }

    fn split(&mut self, at: usize) {
        self.marks[at] |= GAP;
    }

    fn isolate(&mut self, start: usize, end: usize) {
        self.split(start);
        self.split(end);
    }

    /// Makes `start..end` a quote that reads otherwise than it is written.
    fn convert(&mut self, start: usize, end: usize, mark: u8) {
        for marks in &mut self.marks[start..end] {
            *marks |= mark;
        }
        self.isolate(start, end);
    }

    /// Returns true where the byte stands here, unless it is a quote that has been converted.
    fn reads(&self, at: usize, byte: u8) -> bool {
        self.bytes.get(at) == Some(&byte) && self.marks[at] & (OPENING | CLOSING) == 0
    }

    fn char_at(&self, at: usize) -> Option<char> {
        self.text[at..].chars().next()
    }

    fn char_before(&self, at: usize) -> Option<char> {
        self.text[..at].chars().next_back()
    }

    /// Returns true where a character that `is_word` accepts follows, with nothing between.
    fn word_follows(&self, at: usize, is_word: impl Fn(char) -> bool) -> bool {
        !self.gap(at) && self.char_at(at).is_some_and(is_word)
    }

    /// Returns true where a space stands at the offset once whitespace is collapsed.
    fn space_at(&self, at: usize) -> bool {
        self.gap(at)
            || at == 0 && self.chunk.before.collapses(self.chunk.edition)
            || at == self.bytes.len() && self.chunk.after.collapses(self.chunk.edition)
    }

    /// Splits off each character of the class, which is one whose members need no context.
    fn isolate_class(&mut self, class: Classes) {
        if self.chunk.seen & class == 0 {
            return;
        }
        let bytes = self.bytes;
        for (at, &byte) in bytes.iter().enumerate() {
            let of_byte = classes::OF_BYTE[usize::from(byte)];
            if of_byte & class != 0 {
                self.isolate(at, at + 1);
            } else if of_byte & classes::LEAD != 0
                && let Some(c) = self.char_at(at)
                && classes::of_char(c) & class != 0
            {
                self.isolate(at, at + c.len_utf8());
            }
        }
    }

    /// Splits off each two of a byte that stand side by side, from the left.
    fn isolate_pairs(&mut self, byte: u8) {
        let mut at = 0;
        while at + 1 < self.bytes.len() {
            let pair = self.reads(at, byte) && self.reads(at + 1, byte) && !self.gap(at + 1);
            if pair {
                self.isolate(at, at + 2);
            }
            at += if pair { 2 } else { 1 };
        }
    }

    /// The opening quotes that need no context. A row of backticks falls into pairs, and a last one if they are odd.
    fn isolate_openers(&mut self) {
        self.isolate_class(classes::OPENER);
        // The class took single backticks; a pair is one token.
        let mut at = 0;
        while at + 1 < self.bytes.len() {
            let pair = self.bytes[at] == b'`' && self.bytes[at + 1] == b'`';
            if pair {
                self.marks[at + 1] &= !GAP;
            }
            at += if pair { 2 } else { 1 };
        }
    }

    /// `^"` and `([ \(\[{<])("|'{2})`: quotes that open by what stands before them.
    fn open_quotes(&mut self) {
        if self.chunk.before == Edge::Text && self.reads(0, b'"') {
            self.convert(0, 1, OPENING);
        }
        let mut at = 0;
        // The gap after a quote that this very rule has just converted is none yet to the rule.
        let mut own_gap = None;
        while at < self.bytes.len() {
            let length = self.quote_length(at);
            if length > 0 && own_gap != Some(at) && self.opens(at) {
                self.convert(at, at + length, OPENING);
                at += length;
                own_gap = Some(at);
            } else {
                at += 1;
            }
        }
    }

    /// The length of the double quote at the offset, written in either way, or zero.
    fn quote_length(&self, at: usize) -> usize {
        if self.reads(at, b'"') {
            1
        } else if self.reads(at, b'\'') && self.reads(at + 1, b'\'') {
            2
        } else {
            0
        }
    }

    fn opens(&self, at: usize) -> bool {
        match at.checked_sub(1) {
            None => self.chunk.before == Edge::Space,
            Some(last) => self.gap(at) || matches!(self.bytes[last], b'(' | b'[' | b'{' | b'<'),
        }
    }

    /// The starting single quote: it leaves its word, save before a clitic.
    fn part_single_quotes(&mut self) {
        for at in 0..self.bytes.len() {
            let parts = self.reads(at, b'\'')
                && match self.chunk.edition {
                    Edition::Nltk39 => self.quotes_one_letter(at),
                    Edition::Nltk310 => self.quotes_a_word(at),
                };
            if parts {
                self.split(at + 1);
            }
        }
    }

    /// `(?i)(\')(?!re|ve|ll|m|t|s|d|n)(\w)\b`: as one letter must follow, only the short clitics can.
    fn quotes_one_letter(&self, at: usize) -> bool {
        let mut after = self.text[at + 1..].chars();
        let clitic = |c: char| matches!(c.to_ascii_lowercase(), 'm' | 't' | 's' | 'd' | 'n' | 'ſ');
        after.next().is_some_and(|c| unicode::is_word(c) && !clitic(c))
            && !after.next().is_some_and(unicode::is_word)
    }

    /// `(?i)(?<!\w)(\')(?!(?:re|ve|ll|m|t|s|d|n)\b)(?=\w)`
    fn quotes_a_word(&self, at: usize) -> bool {
        const CLITICS: [&str; 8] = ["re", "ve", "ll", "m", "t", "s", "d", "n"];
        let word = |c: Option<char>| c.is_some_and(unicode::is_word_uts18);
        let rest = &self.text[at + 1..];
        let clitic =
            |clitic: &str| caseless_prefix(rest, clitic).is_some_and(|end| !word(rest[end..].chars().next()));
        !word(self.char_before(at)) && word(rest.chars().next()) && !CLITICS.iter().any(|c| clitic(c))
    }

    fn isolate_period(&mut self) {
        if let Some(period) = self.chunk.period {
            let at = period - self.chunk.start;
            self.isolate(at, at + 1);
        }
    }

    /// `([:,])([^\d])`, whose match takes the next character with it, then `([:,])$`.
    fn isolate_commas(&mut self) {
        let is_comma = |byte: u8| matches!(byte, b',' | b':');
        let mut at = 0;
        while at < self.bytes.len() {
            let matches = is_comma(self.bytes[at])
                && match self.char_at(at + 1) {
                    Some(next) => !unicode::is_digit(next),
                    None => self.chunk.after != Edge::Text,
                };
            if matches {
                self.isolate(at, at + 1);
            }
            at += if matches { 2 } else { 1 };
        }
        let last = self.bytes.len() - 1;
        if is_comma(self.bytes[last]) && self.ends_line() {
            self.isolate(last, last + 1);
        }
    }

    /// Returns true where `$` holds after the chunk: at the end of the text, or before the line feed that ends it.
    fn ends_line(&self) -> bool {
        matches!(&self.chunk.source.as_bytes()[self.chunk.end..], [] | [b'\n'])
    }

    /// `\.{2,}`
    fn isolate_ellipses(&mut self) {
        let mut at = 0;
        while at < self.bytes.len() {
            let dots = self.bytes[at..].iter().take_while(|&&byte| byte == b'.').count();
            if dots >= 2 {
                self.isolate(at, at + dots);
            }
            at += dots.max(1);
        }
    }

    /// `([^'])' `, which wants U+0020 itself. The gap it makes lies before a quote, where it does not look for one.
    fn part_quotes_before_space(&mut self) {
        let length = self.bytes.len();
        let literal = self.chunk.after == Edge::Space;
        for at in 1..length {
            let spaced = self.gap(at + 1) || at + 1 == length && literal;
            if spaced && self.reads(at, b'\'') && !self.reads(at - 1, b'\'') {
                self.split(at);
            }
        }
    }

    /// `"` wherever it is left.
    fn close_quotes(&mut self) {
        for at in 0..self.bytes.len() {
            if self.reads(at, b'"') {
                self.convert(at, at + 1, CLOSING);
            }
        }
    }

    /// `([^' ])('[sS]|'[mM]|'[dD]|') `
    fn part_short_clitics(&mut self) {
        for at in 1..self.bytes.len() {
            if !self.reads(at, b'\'') || !self.follows_closely(at) {
                continue;
            }
            let letter = matches!(self.bytes.get(at + 1), Some(b's' | b'S' | b'm' | b'M' | b'd' | b'D'));
            let parts = if self.space_at(at + 1) { true } else { letter && self.space_at(at + 2) };
            if parts {
                self.split(at);
            }
        }
    }

    /// `([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) `
    fn part_long_clitics(&mut self) {
        for at in 1..self.bytes.len().saturating_sub(2) {
            let clitic = matches!(
                &self.bytes[at..at + 3],
                b"'ll" | b"'LL" | b"'re" | b"'RE" | b"'ve" | b"'VE" | b"n't" | b"N'T"
            );
            let whole = !self.gap(at + 1) && !self.gap(at + 2) && self.space_at(at + 3);
            if clitic && whole && self.follows_closely(at) {
                self.split(at);
            }
        }
    }

    /// Returns true where something other than a space or a single quote stands right before the offset.
    fn follows_closely(&self, at: usize) -> bool {
        !self.gap(at) && !self.reads(at - 1, b'\'')
    }

    /// The contractions, one after the other, each from left to right.
    fn part_contractions(&mut self) {
        for contraction in &CONTRACTIONS {
            // The gap that a match makes at its end is none yet to the same rule.
            let mut own_gap = None;
            for at in 0..self.bytes.len() {
                if !contraction.may_start(self.bytes[at]) {
                    continue;
                }
                let Some((middle, end)) = self.matches(at, contraction.parts) else {
                    continue;
                };
                let led = if contraction.after_space {
                    self.space_at(at) && own_gap != Some(at)
                } else {
                    self.gap(at) || !self.char_before(at).is_some_and(unicode::is_word)
                };
                let followed = if contraction.before_space {
                    self.gap(end) || end == self.bytes.len()
                } else {
                    !self.word_follows(end, unicode::is_word)
                };
                if led && followed {
                    own_gap = (!self.gap(end)).then_some(end);
                    self.isolate(at, middle);
                    self.split(end);
                }
            }
        }
    }

    /// The ends of the two parts, if both stand here with no gap inside.
    fn matches(&self, at: usize, parts: [&str; 2]) -> Option<(usize, usize)> {
        let middle = at + caseless_prefix(&self.text[at..], parts[0])?;
        let end = middle + caseless_prefix(&self.text[middle..], parts[1])?;
        let whole = (at + 1..end).all(|inside| !self.gap(inside));
        whole.then_some((middle, end))
    }
}

/// The length of the start of `text` that equals `prefix` when case is ignored, as both of Python's engines do it.
///
/// The prefix is of lower-case ASCII. Beyond ASCII, `ſ` equals `s`, and the two Turkish letters equal `i`.
fn caseless_prefix(text: &str, prefix: &str) -> Option<usize> {
    let mut rest = text.chars();
    for wanted in prefix.chars() {
        let equal = match rest.next()? {
            'ſ' => wanted == 's',
            'İ' | 'ı' => wanted == 'i',
            c => c.to_ascii_lowercase() == wanted,
        };
        if !equal {
            return None;
        }
    }
    Some(text.len() - rest.as_str().len())
}
