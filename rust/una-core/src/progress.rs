//! The means of long work: threads to do it on, a flag that ends it early, and figures that tell how far it is.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::memory;

/// Terms between two looks at whether to stop.
const STEP: u64 = 1 << 12;

/// A flag by which a caller asks long work to stop.
///
/// ```
/// use una_core::{Error, Settings, Stop, TermCounts, Work};
///
/// let stop = Stop::default();
/// stop.request(); // from another thread, or a signal handler
/// let work = Work { stop: &stop, ..Work::on(2) };
/// let counted = TermCounts::count_sentences(Settings::default(), ["a", "b"], work);
/// assert!(matches!(counted, Err(Error::Interrupted)));
/// ```
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks the work to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Returns true once the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on unless the end was asked for, or memory has run short.
    ///
    /// # Errors
    /// [`Error::Interrupted`]; [`Error::OutOfMemory`], see [`crate::memory`].
    pub fn check(&self) -> Result<()> {
        match () {
            () if self.is_requested() => Err(Error::Interrupted),
            () if memory::is_short() => Err(Error::OutOfMemory),
            () => Ok(()),
        }
    }
}

/// Figures that tell how far work has come; shared with the caller, who shows them.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes taken from the files so far, compressed ones where a file is compressed.
    pub bytes: AtomicU64,
    /// Sentences counted so far; in work on terms, the terms that went by, once for each time they did.
    pub documents: AtomicU64,
}

/// The threads and the followers of a piece of work. Nothing of it shows in the result.
#[derive(Debug, Clone, Copy)]
pub struct Work<'a> {
    /// Threads that share the work; where the system refuses some, the others do it.
    pub threads: usize,
    /// The flag that ends the work, looked at several times a second.
    pub stop: &'a Stop,
    /// The figures kept up to date meanwhile.
    pub progress: &'a Progress,
}

// What nobody follows still needs something to point at. Adding to the figures that nobody sees costs one shared cache
// line per several thousand terms.
static NEVER: Stop = Stop(AtomicBool::new(false));
static UNSEEN: Progress = Progress { bytes: AtomicU64::new(0), documents: AtomicU64::new(0) };

impl Work<'static> {
    /// Work on so many threads that nobody follows.
    #[must_use]
    pub const fn on(threads: usize) -> Self {
        Self { threads, stop: &NEVER, progress: &UNSEEN }
    }
}

impl Default for Work<'static> {
    /// Work on one thread that nobody follows.
    fn default() -> Self {
        Self::on(1)
    }
}

impl Work<'_> {
    /// The same work without figures: for what would count a sentence or a term once more.
    pub(crate) const fn unseen(self) -> Self {
        Self { progress: &UNSEEN, ..self }
    }

    /// The same work on one thread.
    pub(crate) const fn alone(self) -> Self {
        Self { threads: 1, ..self }
    }

    /// Counts a term that went by; `done` starts at zero.
    #[inline]
    pub(crate) fn advance(&self, done: &mut u64) -> Result<()> {
        *done += 1;
        if done.is_multiple_of(STEP) {
            self.progress.documents.fetch_add(STEP, Ordering::Relaxed);
            self.stop.check()?;
        }
        Ok(())
    }
}
