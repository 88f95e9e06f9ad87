//! An allocator that returns large blocks to the system when they are freed, and has a reserve for the day when the
//! system has nothing left.
//!
//! A Rust program that is refused memory is ended, unless the code that asked can take a refusal. Structures that grow
//! with the input can: they ask by `try_reserve`, and the refusal becomes [`crate::Error::OutOfMemory`]. All the small
//! things that cannot, a message, a channel, a buffer, are served out of the reserve, and from then on every look at
//! [`crate::Stop`] ends the work with the same error.
//!
//! It does so only where it is the program's allocator, as it is in the Python module:
//!
//! ```
//! use una_core::memory::{self, Allocator};
//!
//! #[global_allocator]
//! static ALLOCATOR: Allocator = Allocator;
//!
//! assert!(memory::set_aside(), "before work: there is something to fall back on");
//! assert!(!memory::is_short());
//! let refused = Vec::<u8>::new().try_reserve_exact(1 << 46);
//! assert!(refused.is_err() && !memory::is_short(), "who asks so can be refused");
//! ```
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::collections::TryReserveError;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Bytes from which a block is mapped by itself. The allocator of the C library would keep a large part of what threads
/// have freed, which no limit on memory could then account for.
const LARGE: usize = 2 << 20;

/// Bytes set aside: address space, of which nothing is in memory.
const RESERVE: usize = 32 << 20;

/// The largest block that is served out of the reserve.
const SERVED: usize = RESERVE / 2;

/// The start of the reserve, or null where there is none.
static ASIDE: AtomicPtr<u8> = AtomicPtr::new(null_mut());
static SHORT: AtomicBool = AtomicBool::new(false);

/// Sets the reserve aside again, if it was used or never set. Returns false where the system has not that much.
#[must_use]
pub fn set_aside() -> bool {
    if !ASIDE.load(Ordering::Acquire).is_null() {
        return true;
    }
    let reserve = system::reserve(RESERVE);
    if reserve.is_null() {
        return false;
    }
    let set = ASIDE.compare_exchange(null_mut(), reserve, Ordering::AcqRel, Ordering::Acquire);
    if set.is_err() {
        // SAFETY: another thread was first, and this reserve is known to nobody else.
        unsafe { system::unmap(reserve, RESERVE) };
    }
    SHORT.store(false, Ordering::Relaxed);
    true
}

/// Returns true from the time that the reserve was used until it is set aside again.
#[inline]
#[must_use]
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Bytes that work of any kind on a text takes for each of its bytes.
const A_BYTE: usize = 8;

/// Makes sure that there is memory for work on a text that takes so many bytes for each token: of a text so long that
/// they could not come out of the reserve. Buffers of so many kinds grow with a text that one question for all of them
/// is asked here.
///
/// # Errors
/// There is not.
#[inline]
pub(crate) fn afford(text: &str, a_token: usize) -> Result<(), TryReserveError> {
    let most = text.len().saturating_mul(A_BYTE.saturating_add(a_token));
    if most <= SERVED { Ok(()) } else { afford_long(text, a_token) }
}

#[cold]
fn afford_long(text: &str, a_token: usize) -> Result<(), TryReserveError> {
    // Tokenizers make one or two tokens of letters and digits in a row, and of any other byte at most one.
    let (mut tokens, mut in_word) = (1, false);
    for byte in text.bytes() {
        let word = byte.is_ascii_alphanumeric();
        tokens += usize::from(!word && byte != b' ') + 2 * usize::from(word && !in_word);
        in_word = word;
    }
    Vec::<u8>::new().try_reserve_exact((A_BYTE * text.len()).saturating_add(a_token.saturating_mul(tokens)))
}

/// [`afford`] for terms of up to so many tokens, of which as many may begin at each token as follow it.
///
/// # Errors
/// There is not.
#[inline]
pub(crate) fn afford_ngrams(text: &str, a_term: usize, ngrams: u32) -> Result<(), TryReserveError> {
    afford(text, a_term.saturating_mul((ngrams as usize).min(text.len())))
}

/// Address space that a thread takes: its stack, its buffers, and what allocators put aside for it.
const A_THREAD: usize = 96 << 20;

/// Threads that any work is shared by at most: more would only take memory.
const MOST_THREADS: usize = 256;

/// Of so many threads as many as are of use and there is address space for; fewer do the same.
#[must_use]
pub fn affordable(threads: usize) -> usize {
    let most = threads.min(MOST_THREADS);
    let mut halves = std::iter::successors(Some(most), |&fewer| (fewer > 0).then_some(fewer / 2));
    halves.find(|&fewer| system::has_space(fewer.saturating_mul(A_THREAD))).unwrap_or(0)
}

/// Gives the reserve up for a block of so many bytes. Returns false where that is no help.
#[cold]
fn use_reserve(bytes: usize) -> bool {
    if bytes > SERVED {
        return false;
    }
    let reserve = ASIDE.swap(null_mut(), Ordering::AcqRel);
    if reserve.is_null() {
        return false;
    }
    SHORT.store(true, Ordering::Relaxed);
    // SAFETY: whoever swaps it out is the only one to have it, and nothing lies in it.
    unsafe { system::unmap(reserve, RESERVE) };
    true
}

/// The allocator; see the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocator;

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= system::PAGE
}

/// A block, or null where the system refuses it and the reserve is no help.
fn get(layout: Layout, block: impl Fn() -> *mut u8) -> *mut u8 {
    let got = block();
    if got.is_null() && use_reserve(layout.size()) { block() } else { got }
}

// SAFETY: whether a block is mapped by itself or comes from the system's allocator follows from its layout alone, which
// is the same when it is freed; nothing here unwinds.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return get(layout, || system::map(layout.size()));
        }
        // SAFETY: the caller's promise about `layout` is the one asked for.
        get(layout, || unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return get(layout, || system::map(layout.size())); // a new mapping holds zeros
        }
        // SAFETY: as for `alloc`.
        get(layout, || unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: a block of this layout was mapped by itself, with this length.
            unsafe { system::unmap(block, layout.size()) };
        } else {
            // SAFETY: a block of this layout is the system allocator's.
            unsafe { System.dealloc(block, layout) };
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size` makes a layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        match (is_large(layout), is_large(new)) {
            // SAFETY: the block was mapped by itself with this length; a refusal leaves it as it was.
            (true, true) => get(new, || unsafe { system::remap(block, layout.size(), size) }),
            // SAFETY: the block is the system allocator's; a refusal leaves it as it was.
            (false, false) => get(new, || unsafe { System.realloc(block, layout, size) }),
            _ => {
                // SAFETY: `new` is a layout of at least one byte, and both blocks hold the bytes that are copied.
                unsafe {
                    let moved = self.alloc(new);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod system {
    use std::ptr::null_mut;

    /// The least page of any machine that Linux runs on.
    pub(super) const PAGE: usize = 4096;

    fn mapped(bytes: usize, access: libc::c_int, flags: libc::c_int) -> *mut u8 {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | flags;
        // SAFETY: a new mapping at a place that the system chooses touches nothing that is there.
        let block = unsafe { libc::mmap(null_mut(), bytes, access, flags, -1, 0) };
        if block == libc::MAP_FAILED { null_mut() } else { block.cast() }
    }

    pub(super) fn map(bytes: usize) -> *mut u8 {
        mapped(bytes, libc::PROT_READ | libc::PROT_WRITE, 0)
    }

    /// Address space alone.
    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        mapped(bytes, libc::PROT_NONE, libc::MAP_NORESERVE)
    }

    /// Returns true where there is so much address space.
    pub(super) fn has_space(bytes: usize) -> bool {
        let space = if bytes == 0 { null_mut() } else { reserve(bytes) };
        if !space.is_null() {
            // SAFETY: it was mapped just now, and nothing lies in it.
            unsafe { unmap(space, bytes) };
        }
        bytes == 0 || !space.is_null()
    }

    /// # Safety
    /// The block was mapped with this length, and nobody uses it any more.
    pub(super) unsafe fn unmap(block: *mut u8, bytes: usize) {
        // SAFETY: as promised. It fails for arguments alone that no mapping has.
        unsafe { libc::munmap(block.cast(), bytes) };
    }

    /// # Safety
    /// The block was mapped with this length, and only the caller uses it.
    pub(super) unsafe fn remap(block: *mut u8, bytes: usize, size: usize) -> *mut u8 {
        // SAFETY: as promised.
        let moved = unsafe { libc::mremap(block.cast(), bytes, size, libc::MREMAP_MAYMOVE) };
        if moved == libc::MAP_FAILED { null_mut() } else { moved.cast() }
    }
}

/// Systems where no block is mapped by itself: all come from the system's allocator, and so does the reserve.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod system {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::ptr::null_mut;

    /// No block is aligned so loosely as to be mapped by itself.
    pub(super) const PAGE: usize = 0;

    pub(super) fn map(_: usize) -> *mut u8 {
        null_mut()
    }

    pub(super) fn reserve(bytes: usize) -> *mut u8 {
        Layout::from_size_align(bytes, 1).map_or(null_mut(), |layout| {
            // SAFETY: the layout is of more than no bytes.
            unsafe { System.alloc(layout) } // whose pages are not in memory before they are written to
        })
    }

    /// Always true: such a system says no when a thread is asked for, and takes its time to say how much there is.
    pub(super) const fn has_space(_: usize) -> bool {
        true
    }

    /// # Safety
    /// The block came from [`reserve`] with this length.
    pub(super) unsafe fn unmap(block: *mut u8, bytes: usize) {
        if let Ok(layout) = Layout::from_size_align(bytes, 1) {
            // SAFETY: as promised.
            unsafe { System.dealloc(block, layout) };
        }
    }

    /// # Safety
    /// Never called, since no block is mapped by itself.
    pub(super) unsafe fn remap(_: *mut u8, _: usize, _: usize) -> *mut u8 {
        null_mut()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block of each size filled, moved to each other size, and looked at.
    #[test]
    fn blocks_keep_what_they_hold_when_they_move() {
        let sizes = [1, 100, LARGE - 1, LARGE, LARGE + 5000, 3 * LARGE];
        for from in sizes {
            for to in sizes {
                let layout = |size| Layout::from_size_align(size, 8).unwrap_or(Layout::new::<u64>());
                // SAFETY: blocks are written and read within their size, and freed once, with their last layout.
                unsafe {
                    let block = Allocator.alloc_zeroed(layout(from));
                    assert!(!block.is_null());
                    assert_eq!((*block, *block.add(from - 1)), (0, 0));
                    (*block, *block.add(from - 1)) = (7, 7);
                    let block = Allocator.realloc(block, layout(from), to);
                    assert_eq!(*block, 7);
                    let last = block.add(to - 1);
                    *last = 9;
                    assert_eq!(*last, 9);
                    Allocator.dealloc(block, layout(to));
                }
            }
        }
    }
}
