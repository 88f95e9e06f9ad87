//! NLTK's word tokenizer, token for token, without its dozens of rewrites of the whole text.
//!
//! The reference substitutes one regular expression after the other, inserting spaces, and splits at last. No rule
//! looks across whitespace, save that a few ask *which* whitespace stands at their side, and that the final full stop
//! depends on what trails it. So the text is cut at whitespace first, and each chunk is settled on its own. Most hold
//! nothing that any rule acts on and are told by the classes of their bytes; the rest go through [`Chunk`].
use super::chunk::{Chunk, Edge};
use super::classes::{self, Classes};
use super::{Token, chars};

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
            Self::Nltk39 => chars::is_space(c),
            Self::Nltk310 => c.is_whitespace(),
        }
    }
}

/// Calls `sink` with each token of `text`.
pub(super) fn tokenize<'t>(
    text: &'t str,
    edition: Edition,
    marks: &mut Vec<u8>,
    mut sink: impl FnMut(Token<'t>),
) {
    let period = final_period(text, edition);
    let mut position = 0;
    while let Some(start) = skip_space(text, position) {
        let (end, seen) = scan(text, start);
        position = end;
        let chunk_period = period.filter(|period| (start..end).contains(&period.offset));
        let stop = chunk_period.map(|period| period.offset);
        if !simple(text, start, end, seen, stop, &mut sink) {
            let chunk = Chunk {
                source: text,
                start,
                end,
                seen,
                edition,
                before: Edge::before(text, start),
                after: Edge::after(text, end),
                period: stop,
                trails_period: period.is_some_and(|period| period.end == end),
            };
            chunk.tokenize(marks, &mut sink);
        }
    }
}

/// The full stop that ends the text, which alone is split off its word.
#[derive(Debug, Clone, Copy)]
struct FinalPeriod {
    offset: usize,
    /// Where the closing quotes and brackets that trail it end; only whitespace follows.
    end: usize,
}

/// Finds `([^\.])(\.)([\]\)}>"'»”’ ]*)\s*$`, as it stands after the rules for starting quotes.
fn final_period(text: &str, edition: Edition) -> Option<FinalPeriod> {
    let closed = text.trim_end_matches(|c| edition.is_space(c));
    let body = closed.trim_end_matches([']', ')', '}', '>', '"', '\'', '»', '”', '’', ' ']);
    let before = body.strip_suffix('.')?;
    let trailing = &closed[body.len()..];
    // A quote after a space opens a quotation: by now it reads ``, and nothing before it is final.
    let opens = trailing.contains(" \"") || trailing.contains(" ''");
    let found = !opens && !before.is_empty() && !before.ends_with('.');
    found.then_some(FinalPeriod { offset: before.len(), end: closed.len() })
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

/// The end of the chunk that starts at `start`, and the classes of its characters.
fn scan(text: &str, start: usize) -> (usize, Classes) {
    const STOPS: Classes = classes::SPACE | classes::LEAD;
    let bytes = text.as_bytes();
    let mut seen = 0;
    let mut end = start;
    while let Some(&byte) = bytes.get(end) {
        let class = classes::OF_BYTE[usize::from(byte)];
        if class & STOPS == 0 {
            seen |= class;
            end += 1;
            continue;
        }
        if class & classes::SPACE != 0 {
            break;
        }
        let Some(c) = text[end..].chars().next() else {
            break;
        };
        let class = classes::of_char(c);
        if class & classes::SPACE != 0 {
            break;
        }
        seen |= class;
        end += c.len_utf8();
    }
    (end, seen)
}

/// Emits the chunk if it is one token, or one and a comma, colon or final full stop; else emits nothing.
fn simple<'t>(
    text: &'t str,
    start: usize,
    end: usize,
    seen: Classes,
    period: Option<usize>,
    sink: &mut impl FnMut(Token<'t>),
) -> bool {
    const PLAIN: Classes = classes::DOUBLING | classes::DOT | classes::HYPHEN | classes::COMMA;
    if seen & !PLAIN != 0 {
        return false;
    }
    let chunk = &text.as_bytes()[start..end];
    let body = match chunk {
        [body @ .., b',' | b':'] => body,
        [body @ .., b'.'] if period.is_some() => body,
        _ => chunk,
    };
    if seen & classes::COMMA != 0 && !commas_hold(body)
        || seen & (PLAIN ^ classes::COMMA) != 0 && has_pair(body)
    {
        return false;
    }
    let split = start + body.len();
    for (from, to) in [(start, split), (split, end)] {
        if from < to {
            sink(Token::verbatim(text, from, to));
        }
    }
    true
}

/// Whether each comma and colon stays where it is, since a digit follows it.
fn commas_hold(body: &[u8]) -> bool {
    let last_holds = !matches!(body.last(), Some(b',' | b':'));
    last_holds && body.windows(2).all(|pair| !matches!(pair[0], b',' | b':') || pair[1].is_ascii_digit())
}

/// Whether two hyphens, two full stops, or two letters that a contraction doubles stand side by side.
fn has_pair(body: &[u8]) -> bool {
    const PAIRING: Classes = classes::DOUBLING | classes::DOT | classes::HYPHEN;
    body.windows(2)
        .any(|pair| pair[0] | 0x20 == pair[1] | 0x20 && classes::OF_BYTE[usize::from(pair[0])] & PAIRING != 0)
}
