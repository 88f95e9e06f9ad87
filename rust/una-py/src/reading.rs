//! Options of reading, and files read whole.

use std::path::PathBuf;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use una_core::text::{self, Malformed, MissingText, ReadOptions, Shard};
use una_core::tokenize::Tokenizer;
use una_core::{Progress, Work};

use crate::errors::to_py;
use crate::gil::{Ticker, long};

/// Options of reading, checked once for all sources.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Reading {
    malformed: Malformed,
    missing: MissingText,
    max_line_bytes: usize,
    text_field: String,
    shard: Shard,
}

#[pymethods]
impl Reading {
    #[new]
    #[pyo3(signature = (*, errors, max_line_bytes, text_field, shard, aligned))]
    fn new(
        errors: &str,
        max_line_bytes: usize,
        text_field: String,
        shard: Option<(u64, u64)>,
        aligned: bool,
    ) -> PyResult<Self> {
        let shard = shard.map_or(Ok(Shard::WHOLE), |(number, count)| Shard::new(number, count));
        Ok(Self {
            malformed: errors.parse().map_err(|e| to_py(&e))?,
            missing: if aligned { MissingText::Refuse } else { MissingText::Skip },
            max_line_bytes,
            text_field,
            shard: shard.map_err(|e| to_py(&e))?,
        })
    }
}

impl Reading {
    pub(crate) fn options(&self) -> ReadOptions<'_> {
        let Self { malformed, missing, max_line_bytes, ref text_field, shard } = *self;
        ReadOptions { malformed, missing, max_line_bytes, text_field, shard, ..ReadOptions::default() }
    }
}

pub(crate) fn tokenizer(name: &str) -> PyResult<Tokenizer> {
    Tokenizer::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Tokenizer::ALL.iter().map(Tokenizer::name).collect();
        to_py(&una_core::Error::Option(format!("tokenizer must be one of {names:?}, not {name:?}")))
    })
}

type Blob<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u64>>, u64, u64);

/// The documents of files: their bytes and offsets (0, and the end of each), and the numbers of empty and malformed
/// lines.
#[pyfunction]
#[pyo3(signature = (paths, *, reading, tick))]
pub(crate) fn read_sentences<'py>(
    py: Python<'py>,
    paths: Vec<PathBuf>,
    reading: &Reading,
    tick: Option<Bound<'py, PyAny>>,
) -> PyResult<Blob<'py>> {
    let options = reading.options();
    let progress = Progress::default();
    let read =
        |stop: &_| text::read_sentences(&paths, options, Work { threads: 1, stop, progress: &progress });
    let all = long(py, &Ticker { show: tick }, &progress, read)?;
    let (bytes, offsets) = all.bytes.into_parts();
    Ok((bytes.into_pyarray(py), offsets.into_pyarray(py), all.skipped.empty, all.skipped.malformed))
}

/// Writes the documents of files to `text`, and the end of each to `ends`. Returns the numbers of documents, of bytes,
/// and of empty and malformed lines.
#[pyfunction]
#[pyo3(signature = (paths, text, ends, *, reading, tick))]
pub(crate) fn write_mapped_corpus(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    text: PathBuf,
    ends: PathBuf,
    reading: &Reading,
    tick: Option<Bound<'_, PyAny>>,
) -> PyResult<(u64, u64, u64, u64)> {
    let options = reading.options();
    let progress = Progress::default();
    let write = |stop: &_| {
        let work = Work { threads: 1, stop, progress: &progress };
        text::write_mapped_corpus(&paths, options, &text, &ends, work)
    };
    let corpus = long(py, &Ticker { show: tick }, &progress, write)?;
    Ok((corpus.n_documents, corpus.n_bytes, corpus.skipped.empty, corpus.skipped.malformed))
}
