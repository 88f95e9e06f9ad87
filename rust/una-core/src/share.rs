//! Work shared out among threads that end with the call: no pool outlives it, so that a fork leaves nothing dead.

use std::ops::Range;

use crate::error::{Error, Result};

/// Sentences below which a second thread costs more than it gives.
const SENTENCES_A_THREAD: usize = 256;

/// `0..sentences` in runs of nearly equal length, one a thread; never more than is worth while, and at least one.
pub(crate) fn runs(sentences: usize, threads: usize) -> Vec<Range<usize>> {
    let threads = threads.clamp(1, sentences / SENTENCES_A_THREAD + 1);
    let share = sentences.div_ceil(threads).max(1);
    (0..sentences.max(1)).step_by(share).map(|start| start..sentences.min(start + share)).collect()
}

/// Does every task, each on a thread of its own (a single one on this), and returns the answers in order.
pub(crate) fn each<T: Send, R: Send>(tasks: Vec<T>, work: impl Fn(T) -> Result<R> + Sync) -> Result<Vec<R>> {
    if tasks.len() == 1 {
        return tasks.into_iter().map(work).collect();
    }
    std::thread::scope(|scope| {
        let work = &work;
        let running: Vec<_> = tasks.into_iter().map(|task| scope.spawn(move || work(task))).collect();
        running
            .into_iter()
            .map(|thread| {
                thread.join().unwrap_or_else(|_| Err(Error::Internal("a working thread panicked".into())))
            })
            .collect()
    })
}

/// Does two pieces of work side by side.
pub(crate) fn both<A: Send, B>(
    first: impl FnOnce() -> Result<A> + Send,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    std::thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join().unwrap_or_else(|_| Err(Error::Internal("a working thread panicked".into())));
        Ok((first?, second?))
    })
}

/// Does every task on so many threads, each taking a share of nearly equal length, and returns the answers in order.
pub(crate) fn each_on<T: Send, R: Send>(
    tasks: Vec<T>,
    threads: usize,
    work: impl Fn(T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let share = tasks.len().div_ceil(threads.max(1)).max(1);
    let mut tasks = tasks.into_iter();
    let shares = std::iter::from_fn(|| Some(tasks.by_ref().take(share).collect::<Vec<_>>()));
    let shares = shares.take_while(|share| !share.is_empty()).collect();
    let answers = each(shares, |share: Vec<T>| share.into_iter().map(&work).collect::<Result<Vec<R>>>())?;
    Ok(answers.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_every_sentence_once_and_in_order() {
        for sentences in [0, 1, 255, 256, 1000, 1025] {
            for threads in [0, 1, 2, 3, 7, 1000] {
                let runs = runs(sentences, threads);
                assert!(!runs.is_empty() && runs.len() <= threads.max(1));
                assert!(runs.into_iter().flatten().eq(0..sentences));
            }
        }
    }

    #[test]
    fn answers_stand_in_order_whatever_the_threads() {
        for threads in 0..5 {
            for n in 0..9 {
                let doubled = each_on((0..n).collect(), threads, |i: i32| Ok(2 * i)).ok();
                assert_eq!(doubled, Some((0..n).map(|i| 2 * i).collect()));
            }
        }
    }

    #[test]
    fn a_fault_in_one_task_is_the_fault_of_all() {
        let odd = |n: u32| if n % 2 == 1 { Ok(n) } else { Err(Error::Input(format!("{n} is even"))) };
        assert_eq!(each(vec![1, 3, 5], odd).ok(), Some(vec![1, 3, 5]));
        assert!(matches!(each(vec![1, 2, 3], odd), Err(Error::Input(_))));
    }
}
