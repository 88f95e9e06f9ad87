//! `una_fast._core.Source`: what sentences are counted from, told apart once, at the boundary.

use std::path::PathBuf;

use crossbeam_channel::bounded;
use pyo3::prelude::*;
use una_core::Progress;
use una_core::text::{self, Block, ReadOptions};

use crate::columns::feed_columns;
use crate::read_ahead::read_ahead;
use crate::streams::{Chunks, feed_bytes};
use crate::strings::feed;

/// Lets Python see its signals, and progress be shown.
pub(crate) type Look<'a> = &'a dyn Fn() -> PyResult<()>;

/// Takes blocks one by one; it answers whether to go on.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(Block) -> PyResult<bool>;

/// A source of sentences.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) enum Source {
    /// Text files, to be read one after another.
    #[pyo3(constructor = (paths))]
    Files { paths: Vec<PathBuf> },
    /// An iterable of str.
    #[pyo3(constructor = (sentences))]
    Rows { sentences: Py<PyAny> },
    /// String columns, as an iterable of names and iterables of batches of buffers.
    #[pyo3(constructor = (columns))]
    Columns { columns: Py<PyAny> },
    /// A binary file object of lines.
    #[pyo3(constructor = (stream, *, name))]
    Stream { stream: Py<PyAny>, name: PathBuf },
}

impl Source {
    /// Passes the blocks of the source on, on this thread, which keeps the GIL meanwhile. Bytes become lines on
    /// another.
    pub(crate) fn feed(
        &self,
        py: Python<'_>,
        read: ReadOptions<'_>,
        progress: &Progress,
        look: Look<'_>,
        visit: Visit<'_>,
    ) -> PyResult<()> {
        match self {
            Self::Rows { sentences } => feed(sentences.bind(py), read.malformed, visit),
            Self::Columns { columns } => feed_columns(columns.bind(py), visit),
            Self::Files { paths } => {
                let read_all = |emit: &mut dyn FnMut(Block) -> una_core::Result<()>| {
                    text::each_block(paths, read, progress, emit)
                };
                read_ahead(py, look, visit, read_all, |_| Ok(()))
            }
            Self::Stream { stream, name } => {
                let (sender, receiver) = bounded(4);
                let read_all = move |emit: &mut dyn FnMut(Block) -> una_core::Result<()>| {
                    text::blocks(Chunks::new(receiver), name, read)?.for_each(emit)
                };
                // The closure owns the sender, so that the reader ends where it does.
                read_ahead(py, look, visit, read_all, move |inbox| {
                    feed_bytes(stream.bind(py), |bytes| {
                        look()?;
                        inbox.offer(&sender, Some(bytes))
                    })?;
                    inbox.offer(&sender, None).map(|_| ())
                })
            }
        }
    }
}
