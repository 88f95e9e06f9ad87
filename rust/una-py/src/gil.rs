//! The one place where the GIL is released.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, bounded};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use una_core::progress::{Progress, Stop, Work};
use una_core::{Error, memory};

use crate::errors::{caught, no_thread, to_py};

/// Bytes of text up to which a call is too short for a thread that watches for Ctrl-C.
pub(crate) const SHORT_BYTES: usize = 1 << 18;

/// Time between two looks of the main thread: for Ctrl-C, and to show progress.
pub(crate) const STEP: Duration = Duration::from_millis(50);

/// Shows progress: a Python callable that takes bytes and sentences done so far, or nothing.
pub(crate) struct Ticker<'py> {
    pub(crate) show: Option<Bound<'py, PyAny>>,
}

impl Ticker<'_> {
    pub(crate) fn tick(&self, py: Python<'_>, progress: &Progress) -> PyResult<()> {
        py.check_signals()?;
        self.show(progress)
    }

    fn show(&self, progress: &Progress) -> PyResult<()> {
        use std::sync::atomic::Ordering::Relaxed;
        if let Some(show) = &self.show {
            show.call1((progress.bytes.load(Relaxed), progress.documents.load(Relaxed)))?;
        }
        Ok(())
    }
}

/// The turns that work which needs the GIL leaves to other Python threads.
pub(crate) struct Turns {
    last: Instant,
}

/// Time between two turns. Not less: who waits for the GIL asks for it after 5 ms in which it was not let go, and gets it
/// for certain only where it has asked.
const TURN: Duration = Duration::from_millis(10);

impl Turns {
    pub(crate) fn new() -> Self {
        Self { last: Instant::now() }
    }

    /// Lets others have their turn if it is time, and Python see its signals: to be called between steps of work that
    /// take far less than a turn.
    pub(crate) fn pause(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.last.elapsed() < TURN {
            return Ok(());
        }
        py.detach(|| {});
        self.last = Instant::now();
        py.check_signals()
    }
}

/// Bytes as Python has them.
pub(crate) fn to_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
}

/// A copy of values, made without the GIL.
pub(crate) fn copied<T: Copy + Send + Sync>(py: Python<'_>, values: &[T]) -> PyResult<Vec<T>> {
    short(py, |_| {
        let mut copy = Vec::new();
        copy.try_reserve_exact(values.len())?;
        copy.extend_from_slice(values);
        Ok(copy)
    })
}

/// Work too short for a thread of its own: the GIL is released, nothing else.
pub(crate) fn short<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Stop) -> Result<T, Error> + Send,
) -> PyResult<T> {
    py.detach(|| guarded(work, &Stop::default())).map_err(|e| to_py(&e))
}

/// Work on so many bytes of text: short or long.
pub(crate) fn by_size<T: Send>(
    py: Python<'_>,
    bytes: usize,
    work: impl FnOnce(&Stop) -> Result<T, Error> + Send,
) -> PyResult<T> {
    if bytes <= SHORT_BYTES {
        return short(py, work);
    }
    interruptible(py, |context| work(context.stop))
}

/// Long work: on a thread of its own, while this one waits in short steps in which Python sees its signals and progress
/// is shown. An exception there asks the work to stop, waits for it to end, and is raised. Once the work has ended,
/// signals are left for Python to see: what has been done is not to look as if it had not.
///
/// Where the system refuses a thread, the work is done on this one, and signals wait for its end.
pub(crate) fn long<'py, T: Send>(
    py: Python<'py>,
    ticker: &Ticker<'py>,
    progress: &Progress,
    work: impl FnOnce(&Stop) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let work = Mutex::new(Some(work));
    let do_it = |stop: &Stop| match work.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(work) => work(stop),
        None => Err(Error::Internal("work was lost".into())),
    };
    if let Some(done) = on_another_thread(py, ticker, progress, do_it, |_| Ok(()))? {
        return done.map_err(|e| to_py(&e));
    }
    let done = short(py, do_it)?;
    ticker.show(progress)?;
    Ok(done)
}

/// [`long`] work, on one thread, of which no progress is shown.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    work: impl FnOnce(Work<'_>) -> Result<T, Error> + Send,
) -> PyResult<T> {
    let all = |stop: &Stop| work(Work { stop, ..Work::default() });
    long(py, &Ticker { show: None }, &Progress::default(), all)
}

/// [`long`] work that needs what this thread does `meanwhile`, with the GIL.
///
/// # Errors
/// What either says; that the system refuses a thread.
pub(crate) fn long_beside<'py, T: Send>(
    py: Python<'py>,
    ticker: &Ticker<'py>,
    progress: &Progress,
    work: impl FnOnce(&Stop) -> Result<T, Error> + Send,
    meanwhile: impl FnOnce(&dyn Fn() -> PyResult<()>) -> PyResult<()>,
) -> PyResult<T> {
    let done = on_another_thread(py, ticker, progress, work, meanwhile)?;
    done.ok_or_else(|| no_thread(py))?.map_err(|e| to_py(&e))
}

/// Does long work while this thread does something `meanwhile`. Returns `None` where the system refuses a thread.
fn on_another_thread<'py, T: Send>(
    py: Python<'py>,
    ticker: &Ticker<'py>,
    progress: &Progress,
    work: impl FnOnce(&Stop) -> Result<T, Error> + Send,
    meanwhile: impl FnOnce(&dyn Fn() -> PyResult<()>) -> PyResult<()>,
) -> PyResult<Option<Result<T, Error>>> {
    let stop = Stop::default();
    let (sender, receiver) = bounded(1);
    std::thread::scope(|scope| {
        let stop = &stop;
        let work = move || {
            // The receiver outlives this thread, so that sending cannot fail.
            let _ = sender.send(guarded(work, stop));
        };
        if std::thread::Builder::new().spawn_scoped(scope, work).is_err() {
            return Ok(None);
        }
        let wait = || -> PyResult<Result<T, Error>> {
            meanwhile(&|| ticker.tick(py, progress))?;
            loop {
                match py.detach(|| receiver.recv_timeout(STEP)) {
                    Ok(result) => {
                        ticker.show(progress)?;
                        return Ok(result);
                    }
                    Err(RecvTimeoutError::Timeout) => ticker.tick(py, progress)?,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Ok(Err(Error::Internal("a working thread vanished".into())));
                    }
                }
            }
        };
        let outcome = wait();
        if outcome.is_err() {
            stop.request();
            let _ = py.detach(|| receiver.recv());
        }
        outcome.map(Some)
    })
}

/// Runs `work`, with memory set aside for when it runs out; a panic becomes an error.
pub(crate) fn guarded<T>(work: impl FnOnce(&Stop) -> Result<T, Error>, stop: &Stop) -> Result<T, Error> {
    if !memory::set_aside() {
        return Err(Error::OutOfMemory);
    }
    catch_unwind(AssertUnwindSafe(|| work(stop))).unwrap_or_else(|_| Err(caught()))
}
