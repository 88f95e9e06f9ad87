//! A buffer for bytes written one short piece after another.

use std::collections::TryReserveError;

/// Bytes that are copied at once.
const STRIDE: usize = 16;

/// Bytes by which the buffer grows, beside what is written.
const AHEAD: usize = 4096;

/// A buffer that is written ahead: a short piece is copied as a whole number of bytes that the machine moves at once,
/// and what was too much is written over by the next. Copying by the number of bytes is a call for each piece.
///
/// Invariant: `len + STRIDE` bytes are there, of which the first `len` count.
#[derive(Debug)]
pub(super) struct ByteBuffer {
    bytes: Vec<u8>,
    len: usize,
}

impl Default for ByteBuffer {
    fn default() -> Self {
        Self { bytes: vec![0; STRIDE], len: 0 }
    }
}

impl ByteBuffer {
    /// Bytes written so far.
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Makes room for the negatives of sentences of so many bytes. They are rarely as long as that; for what goes beyond
    /// it there is no more memory to be asked for in good time.
    pub(super) fn try_reserve(&mut self, bytes: usize) -> Result<(), TryReserveError> {
        self.bytes.try_reserve(4 * bytes + AHEAD)
    }

    /// Writes one byte.
    #[inline]
    pub(super) fn push(&mut self, byte: u8) {
        self.bytes[self.len] = byte;
        self.advance(1);
    }

    /// Writes a piece.
    pub(super) fn extend(&mut self, piece: &[u8]) {
        self.make_room(piece.len());
        self.bytes[self.len..self.len + piece.len()].copy_from_slice(piece);
        self.advance(piece.len());
    }

    /// Writes a piece whose first eight bytes are `first`, zeros after a shorter one.
    #[inline]
    pub(super) fn extend_short(&mut self, piece: &[u8], first: [u8; 8]) {
        if piece.len() > first.len() {
            return self.extend_long(piece);
        }
        if let Some(room) = self.bytes[self.len..].first_chunk_mut() {
            *room = first;
        }
        self.advance(piece.len());
    }

    /// Writes `all[start..end]`.
    #[inline]
    pub(super) fn extend_from_within(&mut self, all: &[u8], start: usize, end: usize) {
        match (all[start..].first_chunk::<STRIDE>(), self.bytes[self.len..].first_chunk_mut::<STRIDE>()) {
            (Some(piece), Some(room)) if end - start <= STRIDE => {
                *room = *piece;
                self.advance(end - start);
            }
            _ => self.extend(&all[start..end]),
        }
    }

    /// Writes a piece of nine bytes or more.
    fn extend_long(&mut self, piece: &[u8]) {
        match (piece.first_chunk::<8>(), piece.last_chunk::<8>()) {
            (Some(first), Some(last)) if piece.len() <= STRIDE => {
                let room = &mut self.bytes[self.len..self.len + STRIDE];
                room[..8].copy_from_slice(first);
                room[piece.len() - 8..piece.len()].copy_from_slice(last);
                self.advance(piece.len());
            }
            _ => self.extend(piece),
        }
    }

    /// The bytes written.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.len += bytes;
        self.make_room(0);
    }

    /// Makes room for so many bytes, and for what is copied beyond them.
    #[inline]
    fn make_room(&mut self, bytes: usize) {
        if self.bytes.len() < self.len + bytes + STRIDE {
            self.bytes.resize(self.len + bytes + AHEAD, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::index::TermKey;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn holds_what_was_written(pieces in prop::collection::vec((0u8..3, "[a-e]{0,40}"), 0..60)) {
            let (mut buffer, mut expected) = (ByteBuffer::default(), Vec::new());
            for (way, piece) in &pieces {
                let bytes = piece.as_bytes();
                match way {
                    0 => buffer.extend_short(bytes, TermKey::new(bytes).first_bytes()),
                    1 => buffer.extend_from_within(format!("xy{piece}{}", "z".repeat(piece.len())).as_bytes(), 2, 2 + piece.len()),
                    _ => {
                        buffer.push(b'-');
                        buffer.extend(bytes);
                        expected.push(b'-');
                    }
                }
                expected.extend_from_slice(bytes);
                prop_assert_eq!(buffer.len(), expected.len());
            }
            prop_assert_eq!(buffer.into_bytes(), expected);
        }
    }
}
