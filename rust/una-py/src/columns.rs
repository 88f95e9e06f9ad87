//! String columns and byte streams out of Python, without a Python string for a sentence.

use std::io::{self, Read};
use std::path::PathBuf;

use crossbeam_channel::{Receiver, Sender};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;
use una_core::text::reader::{Block, Column, Offsets, Rows, row_name};

use crate::errors::input_error;

/// Bytes asked of a stream at a time.
const CHUNK: usize = 256 << 10;

#[derive(FromPyObject)]
pub(crate) enum OffsetArray<'py> {
    Narrow(PyReadonlyArray1<'py, i32>),
    Wide(PyReadonlyArray1<'py, i64>),
}

/// Offsets, data, the bitmap of values that are not null, and the bit at which it starts.
pub(crate) type Batch<'py> =
    (OffsetArray<'py>, PyReadonlyArray1<'py, u8>, Option<PyReadonlyArray1<'py, u8>>, usize);

/// The column that a batch is.
pub(crate) fn as_column<'a>((offsets, data, validity, start): &'a Batch<'_>) -> PyResult<Column<'a>> {
    let offsets = match offsets {
        OffsetArray::Narrow(offsets) => Offsets::Narrow(offsets.as_slice()?),
        OffsetArray::Wide(offsets) => Offsets::Wide(offsets.as_slice()?),
    };
    let validity = validity.as_ref().map(|bits| bits.as_slice()).transpose()?;
    Ok(Column { offsets, data: data.as_slice()?, validity: validity.map(|bits| (bits, *start)) })
}

/// Passes batches of columns on in blocks, copied once; `columns` gives names and iterables of batches. Ends early and
/// quietly where `send` answers false.
pub(crate) fn feed_columns(
    columns: &Bound<'_, PyAny>,
    mut send: impl FnMut(Block) -> PyResult<bool>,
) -> PyResult<()> {
    for column in columns.try_iter()? {
        let (name, batches): (Option<PathBuf>, Bound<'_, PyAny>) = column?.extract()?;
        let mut rows = Rows::new(name.as_deref());
        for batch in batches.try_iter()? {
            let batch: Batch<'_> = batch?.extract()?;
            let column = as_column(&batch)?;
            for i in 0..column.len() {
                let value = column.value(i).map_err(|what| {
                    let place = row_name(name.as_deref(), rows.next_row());
                    input_error(columns.py(), &format!("{place}: {what}"))
                })?;
                rows.push(value);
                if rows.is_full() && !send(rows.take())? {
                    return Ok(());
                }
            }
        }
        if !rows.is_empty() && !send(rows.take())? {
            return Ok(());
        }
    }
    Ok(())
}

/// Passes the bytes of a binary file object on, as its `readinto` gives them; ends early and quietly where `send`
/// answers false.
pub(crate) fn feed_bytes(
    stream: &Bound<'_, PyAny>,
    mut send: impl FnMut(Vec<u8>) -> PyResult<bool>,
) -> PyResult<()> {
    let py = stream.py();
    let buffer = PyByteArray::new(py, &vec![0; CHUNK]);
    let read = stream.getattr("readinto")?;
    loop {
        let Some(n) = read.call1((&buffer,))?.extract::<Option<usize>>()? else {
            return Err(input_error(
                py,
                "the stream has no bytes ready: non-blocking streams cannot be read",
            ));
        };
        let mut bytes = buffer.to_vec();
        if n > bytes.len() {
            let message = format!("readinto says that it read {n} bytes into a buffer of {}", bytes.len());
            return Err(input_error(py, &message));
        }
        bytes.truncate(n);
        if n == 0 || !send(bytes)? {
            return Ok(());
        }
    }
}

/// What the thread that feeds hands to those that count. The end is said: a feed cut short by an exception must not be
/// taken for a whole one.
pub(crate) type Fed<T> = Option<T>;

/// Sends an item with the GIL released; false where the other end has hung up, on a fault that it reports itself.
pub(crate) fn send<T: Send>(py: Python<'_>, sender: &Sender<Fed<T>>, item: Fed<T>) -> bool {
    py.detach(|| sender.send(item)).is_ok()
}

/// Calls `each` with every item up to the end.
///
/// # Errors
/// What `each` returns; [`una_core::Error::Interrupted`] where the feed was cut short.
pub(crate) fn drain<T>(
    receiver: &Receiver<Fed<T>>,
    mut each: impl FnMut(T) -> una_core::Result<()>,
) -> una_core::Result<()> {
    for item in receiver {
        match item {
            Some(item) => each(item)?,
            None => return Ok(()),
        }
    }
    Err(una_core::Error::Interrupted)
}

/// The fed bytes as a stream.
pub(crate) struct Chunks {
    receiver: Receiver<Fed<Vec<u8>>>,
    chunk: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl Chunks {
    pub(crate) fn new(receiver: Receiver<Fed<Vec<u8>>>) -> Self {
        Self { receiver, chunk: io::Cursor::default(), ended: false }
    }
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let n = self.chunk.read(buffer)?;
            if n > 0 || self.ended || buffer.is_empty() {
                return Ok(n);
            }
            match self.receiver.recv() {
                Ok(Some(chunk)) => self.chunk = io::Cursor::new(chunk),
                Ok(None) => self.ended = true,
                Err(_) => return Err(io::Error::other("the stream was cut short")),
            }
        }
    }
}
