//! Options of reading, and sources read whole.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use crossbeam_channel::bounded;
use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use una_core::text::{
    self, Block, Malformed, MappedCorpusWriter, MissingText, ReadOptions, Sentences, Shard,
};
use una_core::tokenize::Tokenizer;
use una_core::{Progress, Stop};

use crate::errors::to_py;
use crate::gil::{Ticker, long_beside, short};
use crate::source::Source;
use crate::streams::{drain, send};

/// Options of reading, checked once for all sources.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Reading {
    malformed: Malformed,
    missing: MissingText,
    max_line_bytes: usize,
    json: bool,
    text_field: String,
    max_window_bytes: u64,
    shard: Shard,
}

#[pymethods]
impl Reading {
    #[new]
    #[pyo3(signature = (*, errors, max_line_bytes, json, text_field, max_window_bytes, shard, aligned))]
    fn new(
        errors: &str,
        max_line_bytes: usize,
        json: bool,
        text_field: String,
        max_window_bytes: u64,
        shard: Option<(u64, u64)>,
        aligned: bool,
    ) -> PyResult<Self> {
        let shard = shard.map_or(Ok(Shard::WHOLE), |(number, count)| Shard::new(number, count));
        Ok(Self {
            malformed: errors.parse().map_err(|e| to_py(&e))?,
            missing: if aligned { MissingText::Refuse } else { MissingText::Skip },
            max_line_bytes,
            json,
            text_field,
            max_window_bytes,
            shard: shard.map_err(|e| to_py(&e))?,
        })
    }
}

impl Reading {
    pub(crate) fn options(&self) -> ReadOptions<'_> {
        let Self { malformed, missing, max_line_bytes, json, ref text_field, max_window_bytes, shard } =
            *self;
        ReadOptions {
            malformed,
            missing,
            max_line_bytes,
            json,
            text_field,
            max_window_bytes,
            shard,
            ..ReadOptions::default()
        }
    }
}

pub(crate) fn tokenizer(name: &str) -> PyResult<Tokenizer> {
    Tokenizer::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Tokenizer::ALL.iter().map(Tokenizer::name).collect();
        to_py(&una_core::Error::Option(format!("tokenizer must be one of {names:?}, not {name:?}")))
    })
}

/// Hands the blocks of sources, one after another, to `take` on another thread; it returns the number of documents so
/// far.
fn each_block(
    py: Python<'_>,
    sources: &[Py<Source>],
    reading: &Reading,
    tick: Option<Bound<'_, PyAny>>,
    mut take: impl FnMut(&Block) -> una_core::Result<u64> + Send,
) -> PyResult<()> {
    let (progress, (sender, receiver)) = (Progress::default(), bounded(2));
    let documents = &progress.documents;
    let work = move |stop: &Stop| {
        drain(&receiver, |block: Block| {
            stop.check()?;
            documents.store(take(&block)?, Ordering::Relaxed);
            Ok(())
        })
    };
    let seen = &progress;
    // Each closure owns its end of the channel, so that either thread ends where the other does, by a fault too.
    long_beside(py, &Ticker { show: tick }, seen, work, move |look| {
        for source in sources {
            source.get().feed(py, reading.options(), seen, look, &mut |block| {
                look()?;
                Ok(send(py, &sender, Some(block)))
            })?;
        }
        send(py, &sender, None);
        Ok(())
    })
}

type Blob<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u64>>, u64, u64);

/// The documents of sources: their bytes and offsets (0, and the end of each), and the numbers of rows that are none:
/// empty or null, and malformed.
#[pyfunction]
#[pyo3(signature = (sources, *, reading, tick))]
pub(crate) fn read_sentences<'py>(
    py: Python<'py>,
    sources: Vec<Py<Source>>,
    reading: &Reading,
    tick: Option<Bound<'py, PyAny>>,
) -> PyResult<Blob<'py>> {
    let (mut all, options) = (Sentences::default(), reading.options());
    each_block(py, &sources, reading, tick, |block| {
        all.add(block, &options)?;
        Ok(all.bytes.len() as u64)
    })?;
    let (bytes, offsets) = all.bytes.into_parts();
    let empty = all.skipped.empty + all.skipped.null;
    Ok((bytes.into_pyarray(py), offsets.into_pyarray(py), empty, all.skipped.malformed))
}

/// Writes the documents of sources to `text`, and the end of each to `ends`. Returns the numbers of documents, of bytes,
/// and of rows that are none: empty or null, and malformed.
#[pyfunction]
#[pyo3(signature = (sources, text, ends, *, reading, tick))]
pub(crate) fn write_mapped_corpus(
    py: Python<'_>,
    sources: Vec<Py<Source>>,
    text: PathBuf,
    ends: PathBuf,
    reading: &Reading,
    tick: Option<Bound<'_, PyAny>>,
) -> PyResult<(u64, u64, u64, u64)> {
    let mut writer = MappedCorpusWriter::create(&text, &ends).map_err(|e| to_py(&e))?;
    let options = reading.options();
    each_block(py, &sources, reading, tick, |block| writer.add(block, &options))?;
    let corpus = short(py, |_| writer.finish())?;
    let empty = corpus.skipped.empty + corpus.skipped.null;
    Ok((corpus.n_documents, corpus.n_bytes, empty, corpus.skipped.malformed))
}

/// What a file that starts with these bytes is, where it is no text.
#[pyfunction]
pub(crate) fn format_of(head: &[u8]) -> Option<&'static str> {
    text::format_of(head)
}
