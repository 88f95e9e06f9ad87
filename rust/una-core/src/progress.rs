//! How a caller follows long work, and ends it early.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::{Error, Result};
use crate::text::reader::Progress;

/// Terms between two looks at whether to stop.
const STEP: u64 = 1 << 12;

/// A flag by which a caller asks long work to stop.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks the work to end.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the end was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on unless the end was asked for.
    ///
    /// # Errors
    /// [`Error::Interrupted`].
    pub fn check(&self) -> Result<()> {
        if self.is_requested() {
            return Err(Error::Interrupted);
        }
        Ok(())
    }
}

/// Follows work on terms from outside.
#[derive(Debug, Clone, Copy)]
pub struct Watch<'a> {
    /// Looked at several times a second.
    pub stop: &'a Stop,
    /// Kept up to date; its documents are the terms that went by, once for each time they did.
    pub progress: &'a Progress,
}

impl Watch<'_> {
    /// To be called for each term, with a count that starts at zero.
    #[inline]
    pub(crate) fn tell(&self, done: &mut u64) -> Result<()> {
        *done += 1;
        if done.is_multiple_of(STEP) {
            self.progress.documents.fetch_add(STEP, Ordering::Relaxed);
            self.stop.check()?;
        }
        Ok(())
    }
}

/// Does work that nobody follows.
pub(crate) fn unwatched<T>(work: impl FnOnce(Watch<'_>) -> T) -> T {
    work(Watch { stop: &Stop::default(), progress: &Progress::default() })
}
