//! The allocator where the system has no more memory to give: in a process of its own, since it is short for all of it.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, clippy::unwrap_used, missing_docs)]

use una_core::memory::{self, Allocator};
use una_core::{Error, Settings, Stop, TermCounts, Work};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Limits the address space to so many bytes beside what the process has; `None` lifts the limit.
fn limit(bytes: Option<u64>) {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').next().unwrap().parse().unwrap();
    let limit = bytes.map_or(libc::RLIM_INFINITY, |bytes| pages * 4096 + bytes);
    let limit = libc::rlimit { rlim_cur: limit, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: it reads the limit that it is given.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const limit) }, 0);
}

#[test]
fn small_blocks_come_out_of_the_reserve_and_work_ends_with_an_error() {
    assert!(memory::set_aside() && !memory::is_short());
    limit(Some(1 << 20));
    // What asks for memory and can be refused is refused, and nothing more happens.
    assert!(Vec::<u8>::new().try_reserve_exact(64 << 20).is_err());
    assert!(!memory::is_short());

    let mut blocks = Vec::new();
    blocks.try_reserve_exact(1 << 12).unwrap();
    while !memory::is_short() {
        blocks.push(vec![1u8; 64 << 10]);
    }
    assert!(matches!(Stop::default().check(), Err(Error::OutOfMemory)));
    let counted = TermCounts::count_sentences(Settings::default(), ["a b"; 1000], Work::default());
    assert!(matches!(counted, Err(Error::OutOfMemory)));
    limit(Some(0));
    drop(blocks);
    limit(None);

    assert!(memory::set_aside() && !memory::is_short());
    assert!(TermCounts::count_sentences(Settings::default(), ["a b"; 1000], Work::default()).is_ok());
}
