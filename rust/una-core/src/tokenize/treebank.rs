//! NLTK's word tokenizer, token for token, without its dozens of rewrites of the whole text.
//!
//! The reference substitutes one regular expression after the other, inserting spaces, and splits at last. No rule
//! looks across whitespace, save that a few ask *which* whitespace stands at their side, and that the final full stop
//! depends on what trails it. So the text is cut at whitespace first, and each chunk is settled on its own. Most hold
//! nothing that any rule acts on, or a few marks each of which is told by its neighbours; the rest go through
//! [`Chunk`].
use super::chunk::{Chunk, Edge};
use super::classes::{self, Classes, Edition};
use super::token::{Position, Scratch, Token};
use crate::text::unicode;

/// Calls `sink` with each token of `text`.
pub(super) fn tokenize<'t>(
    text: &'t str,
    edition: Edition,
    scratch: &mut Scratch,
    mut sink: impl FnMut(Token<'t>),
) {
    let Scratch { marks, words, .. } = scratch;
    words.find(text);
    let source = Source::new(text, Position::Whole, edition);
    let mut position = 0;
    while let Some(start) = skip_space(text, position) {
        let Some(word) = Word::at(text.as_bytes(), start, words.end(start), source.period) else {
            position = source.tokenize_chunk(start, marks, &mut sink);
            continue;
        };
        sink(Token::verbatim(text, start, word.split));
        if word.split < word.end {
            sink(Token::verbatim(text, word.split, word.end));
        }
        position = word.end;
    }
}

/// Calls `sink` with each token of a piece that stands in that place of a text; see [`super::Tokenizer::tail`].
pub(super) fn tokenize_piece<'t>(
    piece: &'t str,
    position: Position,
    edition: Edition,
    marks: &mut Vec<u8>,
    mut sink: impl FnMut(Token<'t>),
) {
    let source = Source::new(piece, position, edition);
    let mut position = 0;
    while let Some(start) = skip_space(piece, position) {
        position = source.tokenize_chunk(start, marks, &mut sink);
    }
}

/// The end of the first token of a piece, if it is a [`Word`] that begins with so many letters and digits; what is left
/// is the second one.
#[inline]
pub(super) fn split_word(piece: &[u8], length: usize, position: Position) -> Option<usize> {
    let word = Word::at(piece, 0, length, position.ends_text().then_some(length))?;
    (word.end == piece.len()).then_some(word.split)
}

/// The text that chunks are cut from.
#[derive(Debug, Clone, Copy)]
struct Source<'t> {
    text: &'t str,
    position: Position,
    edition: Edition,
    /// The offset of the full stop that is split off its word.
    period: Option<usize>,
}

impl<'t> Source<'t> {
    fn new(text: &'t str, position: Position, edition: Edition) -> Self {
        let period = if position.ends_text() { final_period(text, position, edition) } else { None };
        Self { text, position, edition, period }
    }

    /// Calls `sink` with each token of the chunk that starts at `start`, and says where the chunk ends.
    fn tokenize_chunk(&self, start: usize, marks: &mut Vec<u8>, mut sink: impl FnMut(Token<'t>)) -> usize {
        let Self { text, position, edition, period } = *self;
        let scan = Scan::of(text, start);
        let final_dot = if scan.seen & classes::DOT == 0 { None } else { period };
        let period = final_dot.filter(|dot| (start..scan.end).contains(dot));
        if scan.is_clear() {
            self.split_clear_chunk(start, scan, period, sink);
            return scan.end;
        }
        let chunk = Chunk {
            source: text,
            start,
            end: scan.end,
            seen: scan.seen,
            pairs: scan.pairs,
            edition,
            before: Edge::before(text, start, position),
            after: Edge::after(text, scan.end, position),
            period,
        };
        chunk.tokenize(marks, &mut sink);
        scan.end
    }

    /// Calls `sink` with each token of a clear chunk: its marks stand alone, but for a comma or a colon before a digit,
    /// and quotes open at its start or behind a bracket.
    fn split_clear_chunk(
        &self,
        start: usize,
        scan: Scan,
        period: Option<usize>,
        mut sink: impl FnMut(Token<'t>),
    ) {
        let mut token_start = start;
        if scan.seen & classes::MARKS != 0 || period.is_some() {
            for (at, &byte) in (start..).zip(&self.text.as_bytes()[start..scan.end]) {
                let class = classes::OF_BYTE[usize::from(byte)] & classes::MARKS;
                let holds = match class {
                    0 => period != Some(at),
                    classes::COMMA => self.text[at + 1..scan.end].starts_with(unicode::is_digit),
                    _ => false,
                };
                if holds {
                    continue;
                }
                if token_start < at {
                    sink(Token::verbatim(self.text, token_start, at));
                }
                token_start = at + 1;
                sink(match class {
                    classes::QUOTE => Token { text: self.quote(start, at), start: at, end: token_start },
                    _ => Token::verbatim(self.text, at, token_start),
                });
            }
        }
        if token_start < scan.end {
            sink(Token::verbatim(self.text, token_start, scan.end));
        }
    }

    /// The reading of the double quote of a clear chunk.
    fn quote(&self, start: usize, at: usize) -> &'static str {
        let opens = if at == start {
            matches!(Edge::before(self.text, start, self.position), Edge::Text | Edge::Space)
        } else {
            matches!(self.text.as_bytes()[at - 1], b'(' | b'[' | b'{' | b'<')
        };
        if opens { "``" } else { "''" }
    }
}

/// The offset of the full stop that ends the text, which alone is split off its word.
///
/// It is the one of `([^\.])(\.)([\]\)}>"'»”’ ]*)\s*$`, as that stands after the rules for starting quotes. What trails
/// it falls apart by other rules anyway, so its own gap is all that the match leaves behind.
fn final_period(text: &str, position: Position, edition: Edition) -> Option<usize> {
    let closed = text.trim_end_matches(|c| edition.is_space(c));
    let body = closed.trim_end_matches([']', ')', '}', '>', '"', '\'', '»', '”', '’', ' ']);
    let before = body.strip_suffix('.')?;
    let trailing = &closed[body.len()..];
    // A quote after a space opens a quotation: by now it reads ``, and nothing before it is final.
    let opens = trailing.contains(" \"") || trailing.contains(" ''");
    let follows_something = !before.is_empty() || !position.starts_text();
    let found = !opens && follows_something && !before.ends_with('.');
    found.then_some(before.len())
}

/// The first offset from `start` on that holds no whitespace.
fn skip_space(text: &str, start: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut position = start;
    loop {
        let class = classes::OF_BYTE[usize::from(*bytes.get(position)?)];
        if class & classes::SPACE != 0 {
            position += 1;
        } else if class & classes::LEAD != 0 {
            let c = text[position..].chars().next()?;
            if classes::of_char(c) & classes::SPACE == 0 {
                return Some(position);
            }
            position += c.len_utf8();
        } else {
            return Some(position);
        }
    }
}

/// A chunk that is a word of ASCII letters and digits, with at most one mark after it: nearly every one is. What
/// [`Scan`] says of such a chunk is told without looking at its bytes.
#[derive(Debug, Clone, Copy)]
struct Word {
    /// The end of the word's token.
    split: usize,
    /// The offset after the chunk.
    end: usize,
}

impl Word {
    /// The word of which the letters and digits are `start..stem`, if the chunk is one on which no rule acts but that
    /// a comma, a colon or the final full stop is split off.
    #[inline]
    fn at(bytes: &[u8], start: usize, stem: usize, period: Option<usize>) -> Option<Self> {
        if stem == start || may_fall_apart(&bytes[start..stem]) {
            return None;
        }
        let ends_at = |end: usize| matches!(bytes.get(end), None | Some(b' '));
        match bytes.get(stem) {
            None | Some(b' ') => Some(Self { split: stem, end: stem }),
            Some(b',' | b':') if ends_at(stem + 1) => Some(Self { split: stem, end: stem + 1 }),
            Some(b'.') if ends_at(stem + 1) => {
                Some(Self { split: stem + usize::from(period != Some(stem)), end: stem + 1 })
            }
            _ => None,
        }
    }
}

/// Returns true where a word may be a contraction: "cannot", or one of five letters that doubles its third.
#[inline]
fn may_fall_apart(word: &[u8]) -> bool {
    match word {
        [_, _, a, b, _] => a.eq_ignore_ascii_case(b),
        [first, _, b'n' | b'N', _, _, _] => matches!(first, b'c' | b'C'),
        _ => false,
    }
}

/// One look at a chunk: how far it reaches, and what is in it.
#[derive(Debug, Clone, Copy)]
struct Scan {
    /// The offset after the chunk.
    end: usize,
    /// The classes of its characters.
    seen: Classes,
    /// The classes of which two bytes stand side by side.
    pairs: Classes,
}

impl Scan {
    fn of(text: &str, start: usize) -> Self {
        const STOPS: Classes = classes::SPACE | classes::LEAD;
        let bytes = text.as_bytes();
        let mut scan = Self { end: start, seen: 0, pairs: 0 };
        let mut last = 0;
        while let Some(&byte) = bytes.get(scan.end) {
            let mut class = classes::OF_BYTE[usize::from(byte)];
            let mut length = 1;
            if class & STOPS != 0 {
                if class & classes::SPACE != 0 {
                    break;
                }
                let Some(c) = text[scan.end..].chars().next() else {
                    break;
                };
                class = classes::of_char(c);
                length = c.len_utf8();
                if class & classes::SPACE != 0 {
                    break;
                }
            }
            scan.seen |= class;
            scan.pairs |= class & last;
            last = class;
            scan.end += length;
        }
        scan.pairs &= classes::PAIRING;
        scan
    }

    /// Returns true where each mark of the chunk can be told by the characters at its sides.
    const fn is_clear(self) -> bool {
        self.seen & !classes::CLEAR == 0 && self.pairs == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenize::contractions::CONTRACTIONS;

    #[test]
    fn contractions_without_an_apostrophe_are_left_to_the_rules() {
        let words = CONTRACTIONS.map(|contraction| contraction.parts.concat());
        let plain: Vec<_> = words.iter().filter(|word| !word.contains('\'')).collect();
        assert_eq!(plain.len(), 6);
        for word in plain {
            assert!(
                may_fall_apart(word.as_bytes()) && may_fall_apart(word.to_uppercase().as_bytes()),
                "{word}"
            );
        }
    }
}
