//! Lines out of a file or stream, block by block as Python asks for them, and the bytes of a file decompressed.

use std::io::{self, Cursor, Read};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use una_core::Error;
use una_core::text::{Aligned, Blocks, Column, Offsets, ReadOptions, WatchedFile, blocks, decoded};

use crate::errors::to_py;
use crate::gil::{short, to_bytes};
use crate::reading::Reading;
use crate::streams::ByteStream;

/// Bytes of a block, so that all threads have something to do with one.
const BLOCK_BYTES: usize = 1 << 20;

/// An exception that reading a Python object raised, kept while it passes through code that knows none.
type Raised = Arc<Mutex<Option<PyErr>>>;

/// The lines of a file or stream, in blocks.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Lines {
    blocks: Mutex<Blocks<'static>>,
    reading: Py<Reading>,
    raised: Raised,
}

#[pymethods]
impl Lines {
    /// Lines of a file.
    #[staticmethod]
    #[pyo3(signature = (path, *, reading))]
    fn of_file(py: Python<'_>, path: PathBuf, reading: Py<Reading>) -> PyResult<Self> {
        let open = || WatchedFile::open(&path).and_then(|file| blocks(file, &path, options(&reading)));
        let opened = py.detach(open).map_err(|e| to_py(&e))?;
        Ok(Self { blocks: Mutex::new(opened), reading, raised: Raised::default() })
    }

    /// Lines of a binary file object.
    #[staticmethod]
    #[pyo3(signature = (stream, *, name, reading))]
    fn of_stream(py: Python<'_>, stream: Py<PyAny>, name: PathBuf, reading: Py<Reading>) -> PyResult<Self> {
        let raised = Raised::default();
        let stream = Pulled { stream, chunk: Cursor::default(), raised: Arc::clone(&raised) };
        let opened = py.detach(|| blocks(stream, &name, options(&reading)));
        Ok(Self { blocks: Mutex::new(opened.map_err(|e| raised_or(&raised, &e))?), reading, raised })
    }

    /// True where the lines are JSON objects.
    #[getter]
    fn json(&self) -> bool {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner).is_json()
    }

    fn __iter__(this: Py<Self>) -> Py<Self> {
        this
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<LineBlock>> {
        let next = || {
            let block = self.blocks.lock().unwrap_or_else(PoisonError::into_inner).next_block()?;
            block.map(|block| Aligned::of(block, &options(&self.reading))).transpose()
        };
        let block = py.detach(next).map_err(|e| raised_or(&self.raised, &e))?;
        Ok(block.map(|aligned| LineBlock { aligned }))
    }
}

fn options(reading: &Py<Reading>) -> ReadOptions<'_> {
    ReadOptions { block_bytes: BLOCK_BYTES, ..reading.get().options() }
}

fn raised_or(raised: &Raised, error: &Error) -> PyErr {
    raised.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_else(|| to_py(error))
}

/// A binary file object, read from whatever thread asks.
struct Pulled {
    stream: Py<PyAny>,
    chunk: Cursor<Vec<u8>>,
    raised: Raised,
}

impl Read for Pulled {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.chunk.read(buffer)?;
        if n > 0 || buffer.is_empty() {
            return Ok(n);
        }
        let next = Python::attach(|py| ByteStream::new(self.stream.bind(py))?.next());
        self.chunk = Cursor::new(next.map_err(|error| {
            *self.raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            io::Error::other("the stream raised an exception")
        })?);
        self.chunk.read(buffer)
    }
}

/// A block of lines, each with its sentence.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct LineBlock {
    aligned: Aligned,
}

/// Offsets, data, the bitmap of values that are not null, and the bit at which it starts.
type Batch<'py> =
    (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u8>>, Option<Bound<'py, PyArray1<u8>>>, usize);

/// The name of a member, and its values as offsets and data.
type Member<'py> = (String, PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, u8>);

#[pymethods]
impl LineBlock {
    fn __len__(&self) -> usize {
        self.aligned.texts().len()
    }

    /// The sentences in Arrow's layout, null where a line has no value.
    #[expect(clippy::cast_possible_wrap, reason = "what is in memory has fewer than 2^63 bytes")]
    fn batch<'py>(&self, py: Python<'py>) -> Batch<'py> {
        let texts = self.aligned.texts();
        let offsets: Vec<i64> = texts.offsets().iter().map(|&offset| offset as i64).collect();
        let mut bits = vec![0u8; texts.len().div_ceil(8)];
        let mut has_null = false;
        for (i, null) in self.aligned.nulls().enumerate() {
            has_null |= null;
            bits[i / 8] |= u8::from(!null) << (i % 8);
        }
        let bits = has_null.then(|| bits.into_pyarray(py));
        (offsets.into_pyarray(py), texts.values().to_vec().into_pyarray(py), bits, 0)
    }

    /// What was made of the sentences, one a line.
    fn lines<'py>(
        &self,
        py: Python<'py>,
        offsets: PyReadonlyArray1<'py, i64>,
        data: PyReadonlyArray1<'py, u8>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let made =
            Column { offsets: Offsets::Wide(offsets.as_slice()?), data: data.as_slice()?, validity: None };
        to_bytes(py, &short(py, |_| self.aligned.lines(made))?)
    }

    /// The objects, each with further members: what was made of its sentence, by their names.
    #[expect(clippy::needless_pass_by_value, reason = "arguments come from Python as values")]
    fn objects<'py>(&self, py: Python<'py>, members: Vec<Member<'py>>) -> PyResult<Bound<'py, PyBytes>> {
        let columns = members.iter().map(|(name, offsets, data)| {
            let (offsets, data) = (Offsets::Wide(offsets.as_slice()?), data.as_slice()?);
            Ok((name.as_str(), Column { offsets, data, validity: None }))
        });
        let columns = columns.collect::<PyResult<Vec<_>>>()?;
        to_bytes(py, &short(py, |_| self.aligned.objects(&columns))?)
    }
}

/// The bytes of a file, decompressed if it is compressed: a binary file object to read from once.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct DecompressedFile {
    path: PathBuf,
    bytes: Mutex<Option<Box<dyn Read + Send>>>,
}

#[pymethods]
impl DecompressedFile {
    #[new]
    #[pyo3(signature = (path, *, reading))]
    fn new(py: Python<'_>, path: PathBuf, reading: &Reading) -> PyResult<Self> {
        let options = reading.options();
        let bytes = short(py, |_| decoded(WatchedFile::open(&path)?, &path, options))?;
        Ok(Self { path, bytes: Mutex::new(Some(bytes)) })
    }

    #[getter]
    fn closed(&self) -> bool {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    fn close(&self) {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn readable(&self) -> bool {
        !self.closed()
    }

    #[staticmethod]
    const fn writable() -> bool {
        false
    }

    #[staticmethod]
    const fn seekable() -> bool {
        false
    }

    /// Up to `size` bytes; fewer at the end only.
    #[pyo3(signature = (size, /))]
    fn read<'py>(&self, py: Python<'py>, size: usize) -> PyResult<Bound<'py, PyBytes>> {
        let read = |_: &_| {
            let mut out = Vec::new();
            if let Some(bytes) = &mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner) {
                una_core::text::read_from(bytes, size as u64, &mut out, &self.path)?;
            }
            Ok(out)
        };
        to_bytes(py, &short(py, read)?)
    }
}
