//! Sentences into pieces, and pieces into keys.

use crate::arch;
use crate::tokenize::{Position, Tokenizer};

/// 64-bit words of a short and of a long piece.
pub(super) const SHORT: usize = 2;
pub(super) const LONG: usize = 6;

/// A piece of a sentence, and its key if it is short.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    pub(super) key: [u64; SHORT],
    pub(super) hash: u64,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) position: Position,
}

impl Piece {
    #[inline]
    fn new(window: &Window<'_>, start: usize, end: usize, position: Position, lower: bool) -> Self {
        let mut piece = Self { start: start as u32, end: end as u32, position, key: [0; SHORT], hash: 0 };
        if piece.is_short() {
            piece.key = window.key(start, end - start, lower);
            piece.hash = hash(piece.key, piece.shape());
        }
        piece
    }

    /// Length and position in one number that is never zero, but for pieces too long to be kept.
    pub(super) const fn shape(&self) -> u16 {
        ((self.end - self.start) << 3) as u16 | self.position as u16
    }

    pub(super) const fn is_short(&self) -> bool {
        self.end - self.start <= 8 * SHORT as u32
    }
}

/// Cuts a sentence into pieces; calls `seen` with each as soon as it is known. `spaces` is scratch.
#[inline(never)]
pub(super) fn cut(
    sentence: &str,
    lower: bool,
    spaces: &mut Vec<u32>,
    pieces: &mut Vec<Piece>,
    seen: impl Fn(&Piece),
) {
    // Rules look at neighbours, so a piece has the same terms everywhere only where nothing beside it can matter.
    // Spaces part most of a sentence so; its end, where a full stop may be final, and its first piece, where a quote
    // may open, are told apart by their position, which is part of the key.
    let bytes = sentence.as_bytes();
    let tail = Tokenizer::tail(sentence);
    let window = Window::of(bytes);
    let add = |start: usize, end: usize, position: Position, pieces: &mut Vec<Piece>| {
        let piece = Piece::new(&window, start, end, position, lower);
        seen(&piece);
        pieces.push(piece);
    };
    pieces.clear();
    let n_spaces = find_spaces(&bytes[..tail], spaces);
    let mut start = 0;
    for &space in &spaces[..n_spaces] {
        let end = space as usize;
        if start < end {
            let first = start == 0 && !bytes[0].is_ascii_alphanumeric();
            add(start, end, if first { Position::First } else { Position::Middle }, pieces);
        }
        start = end + 1;
    }
    add(tail, bytes.len(), if tail == 0 { Position::Whole } else { Position::Tail }, pieces);
}

/// Writes the offsets of the spaces of a text to the start of `found`, which may be longer; returns their number.
///
/// Of 64 bytes few have more spaces than are written down at a time, so that hardly a branch depends on their number.
#[inline(never)]
fn find_spaces(text: &[u8], found: &mut Vec<u32>) -> usize {
    const AT_A_TIME: usize = 14;
    let mut n_found = 0;
    let mut add = |offset: usize, mut spaces: u64| {
        if found.len() < n_found + 64 + AT_A_TIME {
            found.resize(2 * found.len() + 64 + AT_A_TIME, 0);
        }
        // Always fourteen stores, of which the surplus is overwritten by the next block: whether a block has nine
        // spaces or eleven is what no branch predictor knows.
        let next = n_found + spaces.count_ones() as usize;
        while spaces != 0 {
            for position in &mut found[n_found..n_found + AT_A_TIME] {
                *position = offset as u32 + spaces.trailing_zeros();
                spaces &= spaces.wrapping_sub(1);
            }
            n_found += AT_A_TIME;
        }
        n_found = next;
    };
    let (blocks, rest) = text.as_chunks::<64>();
    for (index, block) in blocks.iter().enumerate() {
        add(64 * index, arch::spaces(block));
    }
    if !rest.is_empty() {
        // The last 64 bytes hold the rest, after what has been seen of them.
        let last = text.last_chunk().map_or_else(
            || {
                let mut padded = [0; 64];
                padded[..rest.len()].copy_from_slice(rest);
                arch::spaces(&padded)
            },
            |last| arch::spaces(last) >> (64 - rest.len()),
        );
        add(64 * blocks.len(), last);
    }
    n_found
}

/// Reads up to 16 bytes anywhere in a text, never beyond its end.
struct Window<'t> {
    bytes: &'t [u8],
    /// The last 16 bytes, and 16 zeros; of a shorter text all, and zeros.
    last: [u8; 32],
}

impl<'t> Window<'t> {
    fn of(bytes: &'t [u8]) -> Self {
        let mut last = [0; 32];
        match bytes.last_chunk::<16>() {
            Some(all) => last[..16].copy_from_slice(all),
            None => last[..bytes.len()].copy_from_slice(bytes),
        }
        Self { bytes, last }
    }

    /// The `length` bytes at `start`, at most 16, as a key: in lower case, as far as they are ASCII, if that is wanted.
    ///
    /// Full lower-casing then makes of them what it makes of the text, so that pieces which differ in the case of ASCII
    /// letters alone may share their terms.
    #[inline]
    fn key(&self, start: usize, length: usize, lower: bool) -> [u64; SHORT] {
        // Sixteen bytes are read wherever the piece starts, and masked to its length in the register. Near the end of
        // the text they are taken from a padded copy of its last bytes instead, since nothing is read beyond a slice
        // here.
        let bytes = self.bytes[start..].first_chunk().unwrap_or_else(|| {
            let into_last = start - self.bytes.len().saturating_sub(16);
            self.last[into_last..].first_chunk().unwrap_or(&[0; 16])
        });
        arch::key(bytes, length, lower)
    }
}

pub(super) fn long_key(piece: &[u8]) -> [u64; LONG] {
    let mut bytes = [0; 8 * LONG];
    bytes[..piece.len()].copy_from_slice(piece);
    let mut key = [0; LONG];
    for (word, bytes) in key.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    key
}

/// A hash that decides where a piece is cached, and nothing else: whoever makes pieces collide gains a slower count at
/// most.
#[inline]
pub(super) fn hash<const WORDS: usize>(key: [u64; WORDS], shape: u16) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    const OTHER: u64 = 0xd1b5_4a32_d192_ed03;
    key.as_chunks::<2>().0.iter().fold(u64::from(shape), |hash, &[a, b]| {
        let product = u128::from(a ^ ODD ^ hash) * u128::from(b ^ OTHER);
        (product as u64) ^ (product >> 64) as u64
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_the_bytes(text in "[ -~é中]{0,40}", start in 0usize..40, length in 0usize..=16) {
            let bytes = text.as_bytes();
            let start = start.min(bytes.len());
            let length = length.min(bytes.len() - start);
            let mut expected = [0; 16];
            expected[..length].copy_from_slice(&bytes[start..start + length]);
            prop_assert_eq!(Window::of(bytes).key(start, length, false), arch::key(&expected, 16, false));
        }

        #[test]
        fn spaces_are_found_wherever_they_are(text in "[a ]{0,200}") {
            let mut found = Vec::new();
            let n_found = find_spaces(text.as_bytes(), &mut found);
            found.truncate(n_found);
            let expected: Vec<_> = (0..).zip(text.bytes()).filter(|&(_, byte)| byte == b' ').map(|(at, _)| at).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
