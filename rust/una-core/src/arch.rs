//! Hints to the machine, which change when things happen and never what: with [`crate::memory`], the one room where
//! `unsafe` may live.
#![allow(unsafe_code)]

use std::collections::TryReserveError;

use bytemuck::Zeroable;

use crate::error::Error;

/// Asks for the cache line of `value` ahead of its use. Where the machine has no such hint, nothing happens.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    prefetch_at(std::slice::from_ref(value), 0);
}

/// Asks for the cache line of `values[index]`; where there is no such value, that does no harm.
#[inline]
pub(crate) fn prefetch_at<T>(values: &[T], index: usize) {
    let address = values.as_ptr().wrapping_add(index);
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 processor has SSE; a prefetch reads nothing and faults on no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = address;
}

/// A bit for each byte, set where it is a space: bit `i` stands for byte `i`.
#[inline]
pub(crate) fn spaces(bytes: &[u8; 64]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_mm_cmpeq_epi8, _mm_movemask_epi8, _mm_set1_epi8};
        let (quarters, _) = bytes.as_chunks::<16>();
        quarters.iter().rev().fold(0, |found, &quarter| {
            // SAFETY: every x86-64 processor has SSE2.
            let mask = unsafe {
                _mm_movemask_epi8(_mm_cmpeq_epi8(bytemuck::cast(quarter), _mm_set1_epi8(b' '.cast_signed())))
            };
            found << 16 | u64::from(mask.cast_unsigned())
        })
    }
    #[cfg(not(target_arch = "x86_64"))]
    spaces_portably(bytes)
}

/// The twin of [`spaces`] for machines of any kind.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn spaces_portably(bytes: &[u8; 64]) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().rev().fold(0, |found, &word| {
        let other = u64::from_le_bytes(word) ^ u64::from_le_bytes([b' '; 8]);
        // The highest bit of each byte that is a space; a product brings the eight of them together.
        let highest = !(((other & LOW) + LOW) | other | LOW);
        found << 8 | (highest >> 7).wrapping_mul(GATHER) >> 56
    })
}

/// The first `length` of 16 bytes, zeros after them, as two numbers; with ASCII letters in lower case where `lower`.
#[inline]
pub(crate) fn key(bytes: &[u8; 16], length: usize, lower: bool) -> [u64; 2] {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{
            __m128i, _mm_add_epi8, _mm_and_si128, _mm_cmpgt_epi8, _mm_or_si128, _mm_set1_epi8,
        };
        let all: __m128i = bytemuck::cast(*bytes);
        // SAFETY: every x86-64 processor has SSE2.
        let key = unsafe {
            let key = _mm_and_si128(all, bytemuck::cast(FIRST_BYTES[length]));
            // Moves Z to the largest number with a sign and A to one of the 26 largest.
            let moved = _mm_add_epi8(key, _mm_set1_epi8(0x7f - b'Z'.cast_signed()));
            let capital = _mm_cmpgt_epi8(moved, _mm_set1_epi8(0x7f - 26));
            let case = _mm_set1_epi8(if lower { 0x20 } else { 0 });
            _mm_or_si128(key, _mm_and_si128(capital, case))
        };
        bytemuck::cast(key)
    }
    #[cfg(not(target_arch = "x86_64"))]
    key_portably(bytes, length, lower)
}

/// The twin of [`key`] for machines of any kind.
#[cfg(any(test, not(target_arch = "x86_64")))]
fn key_portably(bytes: &[u8; 16], length: usize, lower: bool) -> [u64; 2] {
    const fn each(byte: u8) -> u128 {
        u128::from_le_bytes([byte; 16])
    }
    let key = u128::from_le_bytes(*bytes) & u128::from_le_bytes(FIRST_BYTES[length]);
    let low = key & each(0x7f);
    let from_a = low + each(0x80 - b'A');
    let beyond_z = low + each(0x7f - b'Z');
    let capital = from_a & !beyond_z & !key & each(0x80);
    let key = if lower { key | capital >> 2 } else { key };
    [key as u64, (key >> 64) as u64]
}

/// Masks of so many bytes.
const FIRST_BYTES: [[u8; 16]; 17] = {
    let mut masks = [[0; 16]; 17];
    let mut length = 1;
    while length <= 16 {
        masks[length] = (u128::MAX >> (128 - 8 * length)).to_le_bytes();
        length += 1;
    }
    masks
};

/// `vec![value; length]`, on huge pages where the system has them and the vector is large: a table that is looked up
/// all over its length then misses the processor's cache of page addresses far less often.
pub(crate) fn vec_of<T: Copy>(value: T, length: usize) -> Result<Vec<T>, TryReserveError> {
    let mut all = Vec::new();
    all.try_reserve_exact(length)?;
    ask_for_huge_pages(&mut all);
    all.resize(length, value);
    Ok(all)
}

/// Zeros, which take memory where they are written to and not before; on huge pages as [`vec_of`].
pub(crate) fn zeros<T: Zeroable>(length: usize) -> Result<Vec<T>, Error> {
    let mut all = bytemuck::allocation::try_zeroed_vec(length).map_err(|()| Error::OutOfMemory)?;
    ask_for_huge_pages(&mut all);
    Ok(all)
}

/// Has the memory of a vector backed by huge pages once it is written to.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask_for_huge_pages<T>(all: &mut Vec<T>) {
    const HUGE: usize = 2 << 20;
    const PAGE: usize = 64 << 10; // the largest common page, so a multiple of whatever this machine has
    let bytes = all.capacity() * size_of::<T>();
    if bytes < 2 * HUGE {
        return;
    }
    let start = all.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(PAGE);
    let length = bytes.saturating_sub(before) / PAGE * PAGE;
    // SAFETY: the range lies inside memory that `all` owns; the advice leaves content and access as they are. What
    // the system answers does not matter.
    unsafe { libc::madvise(start.wrapping_add(before).cast(), length, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask_for_huge_pages<T>(_: &mut Vec<T>) {}

/// Has the allocator give memory that nobody uses back to the system, as far as it can be asked to: it may keep what
/// other threads have left, for which it has no use.
pub(crate) fn give_back_free_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu", not(miri)))]
    // SAFETY: it touches no memory that is in use, and may be called at any time from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_are_the_first_bytes(bytes: [u8; 16], text in "[!-~é]{16}", length in 0usize..=16, lower: bool) {
            let text = *text.as_bytes().first_chunk::<16>().unwrap_or(&[0; 16]);
            for bytes in [bytes, text] {
                let mut expected = [0; 16];
                expected[..length].copy_from_slice(&bytes[..length]);
                if lower {
                    expected.make_ascii_lowercase();
                }
                let expected: [u64; 2] = bytemuck::cast(expected);
                prop_assert_eq!(key(&bytes, length, lower).map(u64::to_le), expected);
                prop_assert_eq!(key_portably(&bytes, length, lower).map(u64::to_le), expected);
            }
        }

        #[test]
        fn spaces_are_spaces(text in prop::collection::vec(prop::sample::select(vec![b' ', b'!', 0, 0x7f, 0x80, 0xa0, 0xff]), 64)) {
            let bytes: [u8; 64] = text.try_into().unwrap_or([0; 64]);
            let expected = (0..64).filter(|&i| bytes[i] == b' ').fold(0, |mask, i| mask | 1u64 << i);
            prop_assert_eq!(spaces(&bytes), expected);
            prop_assert_eq!(spaces_portably(&bytes), expected);
        }
    }
}
