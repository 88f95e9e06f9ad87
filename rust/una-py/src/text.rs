//! Sentences in and out of Python.

use std::path::PathBuf;

use numpy::{IntoPyArray, PyArray1};
use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyList, PyString};
use una_core::text::lowercase::{self, LowerMap};
use una_core::text::reader::{self, Block, Gaps, Malformed, Progress, ReadOptions, Rows, Shard};
use una_core::tokenize::tokens::each_token;
use una_core::tokenize::{Scratch, Tokenizer};

use crate::errors::{input_error, to_py};
use crate::gil::{Ticker, long};
use crate::py_tokenizer::Tokens;

/// A list of str held by reference, so that the GIL can be released while its text is read.
pub(crate) struct Strings<'py> {
    items: Vec<Bound<'py, PyString>>,
}

impl<'py> Strings<'py> {
    pub(crate) fn extract(sequence: &Bound<'py, PyAny>) -> PyResult<Self> {
        if sequence.is_instance_of::<PyString>() {
            return Err(input_error(sequence.py(), "expected a list of sentences, not a single str"));
        }
        let mut items = Vec::with_capacity(sequence.len().unwrap_or(0));
        for (row, item) in sequence.try_iter()?.enumerate() {
            items.push(as_string(item?, row as u64)?);
        }
        Ok(Self { items })
    }

    /// The text of each, not copied.
    pub(crate) fn as_strs(&self) -> PyResult<Vec<&str>> {
        (0u64..).zip(&self.items).map(|(row, item)| as_str(item, row)).collect()
    }
}

/// Sentences copied out of Python, one after another: none of their objects is needed to read them.
#[derive(Default)]
pub(crate) struct Texts {
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn get(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.ends[i - 1] };
        &self.text[start..self.ends[i]]
    }
}

/// Copies the sentences of a sequence out, some at a time. Each object is looked at once, when it is copied: with the
/// GIL, looking again at an object that has left the cache would cost as much as copying its text.
pub(crate) struct Taker<'py> {
    items: Bound<'py, PyIterator>,
    count: usize,
    taken: usize,
}

impl<'py> Taker<'py> {
    pub(crate) fn new(sequence: &Bound<'py, PyAny>) -> PyResult<Self> {
        if sequence.is_instance_of::<PyString>() {
            return Err(input_error(sequence.py(), "expected a list of sentences, not a single str"));
        }
        Ok(Self { items: sequence.try_iter()?, count: sequence.len()?, taken: 0 })
    }

    /// How many were taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn is_done(&self) -> bool {
        self.taken == self.count
    }

    /// The next sentences: `bytes` of them or a little more, or what is left.
    pub(crate) fn take(&mut self, bytes: usize) -> PyResult<Texts> {
        let mut texts = Texts { text: String::with_capacity(bytes + bytes / 8), ends: Vec::new() };
        while !self.is_done() && texts.text.len() < bytes {
            let Some(item) = self.items.next() else {
                let message = format!("the sequence ended after {} sentences of {}", self.taken, self.count);
                return Err(input_error(self.items.py(), &message));
            };
            let row = self.taken as u64;
            texts.text.push_str(as_str(&as_string(item?, row)?, row)?);
            texts.ends.push(texts.text.len());
            self.taken += 1;
        }
        Ok(texts)
    }
}

fn as_string(item: Bound<'_, PyAny>, row: u64) -> PyResult<Bound<'_, PyString>> {
    item.cast_into::<PyString>().map_err(|error| {
        let item = error.into_inner();
        let found = item.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        input_error(item.py(), &format!("sentence {row}: expected str, found {found}"))
    })
}

fn as_str<'a>(item: &'a Bound<'_, PyString>, row: u64) -> PyResult<&'a str> {
    item.to_str().map_err(|_| {
        let message = format!("sentence {row}: a lone surrogate, which is no Unicode text");
        input_error(item.py(), &message)
    })
}

/// Passes the strings of an iterable on in blocks; ends early and quietly where `send` answers false.
pub(crate) fn feed(
    iterable: &Bound<'_, PyAny>,
    mut send: impl FnMut(Block) -> PyResult<bool>,
) -> PyResult<()> {
    let mut rows = Rows::default();
    for item in iterable.try_iter()? {
        let row = rows.next_row();
        let item = as_string(item?, row)?;
        rows.push(Some(as_str(&item, row)?.as_bytes()));
        if rows.is_full() && !send(rows.take())? {
            return Ok(());
        }
    }
    if !rows.is_empty() {
        send(rows.take())?;
    }
    Ok(())
}

/// How sources are read, checked once for all of them.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Reading {
    malformed: Malformed,
    gaps: Gaps,
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
            gaps: if aligned { Gaps::Refuse } else { Gaps::PassOver },
            max_line_bytes,
            text_field,
            shard: shard.map_err(|e| to_py(&e))?,
        })
    }
}

impl Reading {
    pub(crate) fn options(&self) -> ReadOptions<'_> {
        let Self { malformed, gaps, max_line_bytes, ref text_field, shard } = *self;
        ReadOptions { malformed, gaps, max_line_bytes, text_field, shard, ..ReadOptions::default() }
    }
}

pub(crate) fn tokenizer(name: &str) -> PyResult<Tokenizer> {
    Tokenizer::from_name(name).ok_or_else(|| {
        let names: Vec<_> = Tokenizer::ALL.iter().map(Tokenizer::name).collect();
        to_py(&una_core::Error::Option(format!("tokenizer must be one of {names:?}, not {name:?}")))
    })
}

type Blob<'py> = (Bound<'py, PyArray1<u8>>, Bound<'py, PyArray1<u64>>, u64, u64);

/// The documents of files: their bytes, where each stops, and how many lines were empty and skipped.
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
    let work = |stop: &_| reader::read_sentences(&paths, options, stop, &progress);
    let all = long(py, &Ticker { show: tick }, &progress, work)?;
    Ok((all.bytes.into_pyarray(py), all.ends.into_pyarray(py), all.passed.empty, all.passed.skipped))
}

/// Writes the documents of files to `text`, and where each stops to `ends`: their number, bytes, empty and skipped lines.
#[pyfunction]
#[pyo3(signature = (paths, text, ends, *, reading, tick))]
pub(crate) fn spool(
    py: Python<'_>,
    paths: Vec<PathBuf>,
    text: PathBuf,
    ends: PathBuf,
    reading: &Reading,
    tick: Option<Bound<'_, PyAny>>,
) -> PyResult<(u64, u64, u64, u64)> {
    let options = reading.options();
    let progress = Progress::default();
    let work =
        |stop: &_| una_core::text::mapped_corpus::spool(&paths, options, &text, &ends, stop, &progress);
    let all = long(py, &Ticker { show: tick }, &progress, work)?;
    Ok((all.n_documents, all.n_bytes, all.passed.empty, all.passed.skipped))
}

/// The tokens of one sentence, and the characters of it that each covers.
type Tokenized<'py> = (Bound<'py, PyList>, Vec<(usize, usize)>);

/// The tokens of each sentence, with their spans in characters of the sentence as written.
#[pyfunction]
#[pyo3(signature = (sentences, *, tokenizer, lowercase, tokens=None))]
pub(crate) fn tokenize<'py>(
    sentences: &Bound<'py, PyAny>,
    tokenizer: &str,
    lowercase: bool,
    tokens: Option<Bound<'py, Tokens>>,
) -> PyResult<Vec<Tokenized<'py>>> {
    let py = sentences.py();
    let tokenizer = self::tokenizer(tokenizer)?;
    let (mut scratch, mut buffer) = (Scratch::default(), String::new());
    let strings = Strings::extract(sentences)?;
    let strs = strings.as_strs()?;
    let given = Tokens::of(tokens.as_ref(), strs.len())?;
    let tokenize = |(i, sentence): (usize, &str)| {
        let text = if lowercase { lowercase::lowercase(sentence, &mut buffer) } else { sentence };
        let map = if lowercase { LowerMap::new(sentence) } else { LowerMap::default() };
        let (mut tokens, mut spans) = (Vec::new(), Vec::new());
        let cut = given.map(|tokens| tokens.get(i));
        each_token(&tokenizer, cut, text, &mut scratch, |token| {
            tokens.push(token.text);
            spans.push((map.original(token.start), map.original(token.end)));
        })
        .map_err(|e| to_py(&e))?;
        to_characters(sentence, &mut spans);
        Ok((PyList::new(py, tokens)?, spans))
    };
    strs.into_iter().enumerate().map(tokenize).collect()
}

/// The number of characters before byte `end`.
pub(crate) fn characters(text: &str, end: usize) -> usize {
    text[..end].chars().count()
}

/// Turns rising byte offsets into offsets in characters, in one pass over the text.
fn to_characters(text: &str, spans: &mut [(usize, usize)]) {
    if text.is_ascii() {
        return;
    }
    let (mut byte, mut character) = (0, 0);
    let mut advance = |to: usize| {
        character += characters(&text[byte..], to - byte);
        byte = to;
        character
    };
    for (start, end) in spans {
        *start = advance(*start);
        *end = advance(*end);
    }
}
