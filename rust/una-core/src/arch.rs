//! The one room where `unsafe` may live: hints to the machine, which change when things happen and never what.
#![allow(unsafe_code)]

/// Asks for the cache line of `value` ahead of its use. Where the machine has no such hint, nothing happens.
#[inline]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: every x86-64 processor has SSE; a prefetch reads nothing and faults on no address.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast());
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = value;
}

/// `vec![value; length]`, on huge pages where the system has them and the vector is large: a table that is looked up
/// all over its length then misses the processor's cache of page addresses far less often.
pub(crate) fn vec_of<T: Copy>(value: T, length: usize) -> Vec<T> {
    let mut all = Vec::with_capacity(length);
    ask_for_huge_pages(&mut all);
    all.resize(length, value);
    all
}

/// Has the memory of an empty vector backed by huge pages once it is written to.
#[cfg(all(target_os = "linux", not(miri)))]
fn ask_for_huge_pages<T>(empty: &mut Vec<T>) {
    const HUGE: usize = 2 << 20;
    const PAGE: usize = 64 << 10; // the largest common page, so a multiple of whatever this machine has
    let room = empty.spare_capacity_mut();
    let bytes = size_of_val(room);
    if bytes < 2 * HUGE {
        return;
    }
    let start = room.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(PAGE);
    let length = bytes.saturating_sub(before) / PAGE * PAGE;
    // SAFETY: the range lies inside memory that `empty` owns; the advice leaves content and access as they are. What
    // the system answers does not matter.
    unsafe { libc::madvise(start.wrapping_add(before).cast(), length, libc::MADV_HUGEPAGE) };
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn ask_for_huge_pages<T>(_: &mut Vec<T>) {}
