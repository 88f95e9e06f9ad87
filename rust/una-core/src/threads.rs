//! Threads that end with the call: no pool outlives it, so that a fork leaves nothing dead.
//!
//! Where the system refuses a thread, those that there are do its part.

use std::any::Any;
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Scope, ScopedJoinHandle};

use crate::error::{Error, Result};
use crate::memory;
use crate::progress::Work;

/// Sentences below which a second thread costs more than it gives.
const SENTENCES_A_THREAD: usize = 256;

/// Splits `0..sentences` into ranges of nearly equal length, one a thread: no more than is worth while, at least one.
pub(crate) fn split(sentences: usize, threads: usize) -> Vec<Range<usize>> {
    let threads = threads.clamp(1, sentences / SENTENCES_A_THREAD + 1);
    let length = sentences.div_ceil(threads).max(1);
    (0..sentences.max(1)).step_by(length).map(|start| start..sentences.min(start + length)).collect()
}

/// Splits entries at medians until none of the pieces is longer than `size`: what stands in one of them belongs before all
/// that stands in the next. Pieces can then be sorted side by side, and are in order without being merged.
///
/// Halves are split side by side, so that of n entries no thread goes over more than some 2n, however many pieces there are.
pub(crate) fn split_at_medians<'e, E: Send>(
    entries: &'e mut [E],
    size: usize,
    compare: &(impl Fn(&E, &E) -> Ordering + Sync),
    work: Work<'_>,
) -> Result<Vec<&'e mut [E]>> {
    work.stop.check()?;
    if entries.len() <= size {
        return Ok(vec![entries]);
    }
    let middle = entries.len() / 2;
    entries.select_nth_unstable_by(middle, compare);
    let (before, after) = entries.split_at_mut(middle);
    let half = Work { threads: work.threads / 2, ..work };
    let split = |entries| split_at_medians(entries, size, compare, half);
    let (mut pieces, last) = if work.threads > 1 {
        join(|| split(before), || split(after))?
    } else {
        (split(before)?, split(after)?)
    };
    pieces.extend(last);
    Ok(pieces)
}

/// Does every task on so many threads, this one among them, or as many as the system has to give; returns the answers
/// in the order of the tasks.
pub(crate) fn map<T: Send, R: Send>(
    tasks: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    // Threads take the next task when they are done with one, so that uneven tasks even out, and a thread that the
    // system refused is not missed. The lock is held for a step of an iterator.
    let others = memory::affordable(threads.min(tasks.len()).saturating_sub(1));
    let tasks = Mutex::new(tasks.into_iter().enumerate());
    let next = || lock(&tasks).next();
    let take_part = || std::iter::from_fn(|| next().map(|(at, task)| (at, work(task)))).collect::<Vec<_>>();
    let mut answers = std::thread::scope(|scope| {
        let others: Vec<_> = (0..others).map_while(|_| spawn(scope, take_part)).collect();
        let mut answers = take_part();
        for thread in others {
            answers.extend(thread.join().map_err(panicked)?);
        }
        Ok::<_, Error>(answers)
    })?;
    answers.sort_unstable_by_key(|&(at, _)| at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

/// Does two pieces of work, side by side if the system has a thread to give.
pub(crate) fn join<A: Send, B>(
    first: impl FnOnce() -> Result<A> + Send,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    // To be done wherever it is taken from here.
    let first = Mutex::new(Some(first));
    let do_first = || lock(&first).take().map(|first| first());
    std::thread::scope(|scope| {
        let thread = spawn(scope, do_first);
        let second = second();
        let first = match thread {
            Some(thread) => thread.join().map_err(panicked)?,
            None => do_first(),
        };
        Ok((first.unwrap_or_else(|| Err(Error::Internal("work was lost".into())))?, second?))
    })
}

/// Starts a thread of the scope that does the work. Returns `None` where the system refuses one, or has hardly the
/// memory for it; the work is dropped.
pub(crate) fn spawn<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> Option<ScopedJoinHandle<'scope, T>> {
    if memory::is_short() { None } else { std::thread::Builder::new().spawn_scoped(scope, work).ok() }
}

/// Locks a mutex, even one that a thread has panicked with.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panicked(_: Box<dyn Any + Send>) -> Error {
    Error::Internal("a working thread panicked".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_every_sentence_once_and_in_order() {
        for sentences in [0, 1, 255, 256, 1000, 1025] {
            for threads in [0, 1, 2, 3, 7, 1000] {
                let ranges = split(sentences, threads);
                assert!(!ranges.is_empty() && ranges.len() <= threads.max(1));
                assert!(ranges.into_iter().flatten().eq(0..sentences));
            }
        }
    }

    #[test]
    fn answers_stand_in_order_whatever_the_threads() {
        for threads in 0..5 {
            for n in 0..9 {
                let doubled = map((0..n).collect(), threads, |i: i32| Ok(2 * i)).ok();
                assert_eq!(doubled, Some((0..n).map(|i| 2 * i).collect()));
            }
        }
    }

    #[test]
    fn a_fault_in_one_task_is_the_fault_of_all() {
        let odd = |n: u32| if n % 2 == 1 { Ok(n) } else { Err(Error::Input(format!("{n} is even"))) };
        assert_eq!(map(vec![1, 3, 5], 3, odd).ok(), Some(vec![1, 3, 5]));
        assert!(matches!(map(vec![1, 2, 3], 3, odd), Err(Error::Input(_))));
    }
}
