//! The ASCII letters and digits of a text, found for all its bytes at once.
//!
//! Most of a text is words of these between spaces, on which no rule acts. To see that byte by byte costs a branch or
//! two for each; sixty-four bytes at a time it costs hardly more than reading them.

/// The words of a text: its longest stretches of ASCII letters and digits.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// A bit for each byte, set where it is another one, and set after the last.
    others: Vec<u64>,
}

impl Words {
    /// Looks through another text.
    pub(super) fn find(&mut self, text: &str) {
        let (blocks, rest) = text.as_bytes().as_chunks::<64>();
        let mut last = [b' '; 64];
        last[..rest.len()].copy_from_slice(rest);
        self.others.clear();
        self.others.extend(blocks.iter().map(others));
        self.others.push(others(&last));
        self.others.push(u64::MAX);
    }

    /// The end of the word that holds byte `start` of the text; `start` itself where none does.
    #[inline]
    pub(super) fn end(&self, start: usize) -> usize {
        let mut block = start / 64;
        let mut others = self.others[block] & (u64::MAX << (start % 64));
        while others == 0 {
            block += 1;
            others = self.others[block];
        }
        64 * block + others.trailing_zeros() as usize
    }
}

/// Number of ASCII letters and digits that the bytes begin with.
#[inline]
pub(crate) fn letters_and_digits(bytes: &[u8; 16]) -> usize {
    (others(bytes) | 1 << 16).trailing_zeros() as usize
}

/// A bit for each byte that is no ASCII letter or digit, of 64 at most.
#[inline]
fn others<const N: usize>(block: &[u8; N]) -> u64 {
    /// Moves the lowest bits of eight bytes side by side, into the highest byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let flags = block.map(|byte| u8::from(!byte.is_ascii_alphanumeric()));
    let gathered = |flags: &[u8; 8]| u64::from_le_bytes(*flags).wrapping_mul(GATHER) >> 56;
    flags.as_chunks::<8>().0.iter().rev().fold(0, |bits, flags| bits << 8 | gathered(flags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_end_where_their_bytes_say(text in "[a-zA-Z0-9]{0,150}[ -~\u{e9}]{0,20}[a-z0-9 ]{0,90}") {
            let mut words = Words::default();
            words.find("a longer text, seen before, of which nothing may be left behind when another is looked through");
            words.find(&text);
            for start in 0..=text.len() {
                let plain = text.as_bytes()[start..].iter().take_while(|byte| byte.is_ascii_alphanumeric());
                let length = plain.count();
                prop_assert_eq!(words.end(start), start + length);
                if let Some(bytes) = text.as_bytes()[start..].first_chunk() {
                    prop_assert_eq!(super::letters_and_digits(bytes), length.min(16));
                }
            }
        }
    }
}
