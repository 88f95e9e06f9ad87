//! Byte streams out of Python, and what feeds the threads that count.

use std::io::{self, Read};

use crossbeam_channel::{Receiver, Sender};
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::errors::input_error;

/// Bytes asked of a stream at a time.
const CHUNK: usize = 256 << 10;

/// A binary file object of Python.
pub(crate) struct ByteStream<'py> {
    read: Bound<'py, PyAny>,
    buffer: Bound<'py, PyByteArray>,
}

impl<'py> ByteStream<'py> {
    pub(crate) fn new(stream: &Bound<'py, PyAny>) -> PyResult<Self> {
        let buffer = PyByteArray::new(stream.py(), &vec![0; CHUNK]);
        Ok(Self { read: stream.getattr("readinto")?, buffer })
    }

    /// The next bytes, as `readinto` gives them; none at the end.
    pub(crate) fn next(&self) -> PyResult<Vec<u8>> {
        let py = self.read.py();
        let Some(n) = self.read.call1((&self.buffer,))?.extract::<Option<usize>>()? else {
            return Err(input_error(
                py,
                "the stream has no bytes ready: non-blocking streams cannot be read",
            ));
        };
        let mut bytes = self.buffer.to_vec();
        if n > bytes.len() {
            let message = format!("readinto says that it read {n} bytes into a buffer of {}", bytes.len());
            return Err(input_error(py, &message));
        }
        bytes.truncate(n);
        Ok(bytes)
    }
}

/// Passes the bytes of a binary file object on; ends early and quietly where `send` answers false.
pub(crate) fn feed_bytes(
    stream: &Bound<'_, PyAny>,
    mut send: impl FnMut(Vec<u8>) -> PyResult<bool>,
) -> PyResult<()> {
    let stream = ByteStream::new(stream)?;
    loop {
        let bytes = stream.next()?;
        if bytes.is_empty() || !send(bytes)? {
            return Ok(());
        }
    }
}

/// An item that the feeding thread hands to those that count. The end is said: a feed cut short by an exception must
/// not be taken for a whole one.
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
