//! Sentences that are Python strings, and offsets in characters.

use std::collections::TryReserveError;

use pyo3::prelude::*;
use pyo3::types::{PyIterator, PyString};
use una_core::ragged::RaggedText;
use una_core::text::unicode::replace_surrogates;
use una_core::text::{Block, Malformed, Rows};

use crate::errors::{input_error, to_py};
use crate::gil::Turns;

/// Objects that are looked at before other threads have a turn.
const STEP: usize = 1 << 8;

/// A list of str held by reference, so that the GIL can be released while its text is read.
pub(crate) struct Strings<'py> {
    items: Vec<Bound<'py, PyString>>,
}

impl<'py> Strings<'py> {
    pub(crate) fn extract(sequence: &Bound<'py, PyAny>) -> PyResult<Self> {
        if sequence.is_instance_of::<PyString>() {
            return Err(input_error(sequence.py(), "expected a list of sentences, not a single str"));
        }
        let (mut items, mut turns) = (Vec::new(), Turns::new());
        items.try_reserve_exact(sequence.len().unwrap_or(0)).map_err(out_of_memory)?;
        for (row, item) in sequence.try_iter()?.enumerate() {
            if row.is_multiple_of(STEP) {
                turns.pause(sequence.py())?;
            }
            items.try_reserve(1).map_err(out_of_memory)?;
            items.push(as_string(item?, row as u64)?);
        }
        Ok(Self { items })
    }

    /// The text of each, not copied.
    pub(crate) fn as_strs(&self) -> PyResult<Vec<&str>> {
        let (mut strs, mut turns) = (Vec::new(), Turns::new());
        strs.try_reserve_exact(self.items.len()).map_err(out_of_memory)?;
        for (row, item) in self.items.iter().enumerate() {
            if row.is_multiple_of(STEP) {
                turns.pause(item.py())?;
            }
            strs.push(as_str(item, row as u64)?);
        }
        Ok(strs)
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

    /// Number of sentences taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn is_done(&self) -> bool {
        self.taken == self.count
    }

    /// The next sentences: `bytes` of them or a little more, or what is left.
    pub(crate) fn take(&mut self, bytes: usize) -> PyResult<RaggedText> {
        let mut texts = RaggedText::with_capacity(bytes + bytes / 8);
        while !self.is_done() && texts.text().len() < bytes {
            let Some(item) = self.items.next() else {
                let message = format!("the sequence ended after {} sentences of {}", self.taken, self.count);
                return Err(input_error(self.items.py(), &message));
            };
            let row = self.taken as u64;
            texts.push(as_str(&as_string(item?, row)?, row)?);
            self.taken += 1;
        }
        Ok(texts)
    }
}

fn out_of_memory(refusal: TryReserveError) -> PyErr {
    to_py(&refusal.into())
}

fn as_string(item: Bound<'_, PyAny>, row: u64) -> PyResult<Bound<'_, PyString>> {
    item.cast_into::<PyString>().map_err(|error| {
        let item = error.into_inner();
        let found = item.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string());
        let hint = if found.starts_with("bytes") { ": decode it first" } else { "" };
        input_error(item.py(), &format!("sentence {row}: expected str, found {found}{hint}"))
    })
}

fn as_str<'a>(item: &'a Bound<'_, PyString>, row: u64) -> PyResult<&'a str> {
    item.to_str().map_err(|_| surrogate(item, row))
}

fn surrogate(item: &Bound<'_, PyString>, row: u64) -> PyErr {
    input_error(item.py(), &format!("sentence {row}: a lone surrogate, which is no Unicode text"))
}

/// The bytes of a string that is no Unicode text, surrogates as if they were characters.
fn with_surrogates(item: &Bound<'_, PyString>) -> PyResult<Vec<u8>> {
    item.call_method1("encode", ("utf-8", "surrogatepass"))?.extract()
}

/// Passes the strings of an iterable on in blocks; ends early and quietly where `send` answers false.
pub(crate) fn feed(
    iterable: &Bound<'_, PyAny>,
    malformed: Malformed,
    mut send: impl FnMut(Block) -> PyResult<bool>,
) -> PyResult<()> {
    let mut rows = Rows::default();
    for item in iterable.try_iter()? {
        let row = rows.next_row();
        let item = as_string(item?, row)?;
        match item.to_str() {
            Ok(text) => rows.push(Some(text.as_bytes())).map_err(|e| to_py(&e))?,
            // As bytes that are no UTF-8, which whoever takes the block leaves out or has repaired here.
            Err(_) if malformed != Malformed::Strict => {
                let mut bytes = with_surrogates(&item)?;
                if malformed == Malformed::Replace {
                    replace_surrogates(&mut bytes);
                }
                rows.push(Some(&bytes)).map_err(|e| to_py(&e))?;
            }
            Err(_) => return Err(surrogate(&item, row)),
        }
        if rows.is_full() && !send(rows.take())? {
            return Ok(());
        }
    }
    if !rows.is_empty() {
        send(rows.take())?;
    }
    Ok(())
}

/// The number of characters before byte `end`.
pub(crate) fn characters(text: &str, end: usize) -> usize {
    text[..end].chars().count()
}

/// Turns rising byte offsets into offsets in characters, in one pass over the text.
pub(crate) fn to_characters(text: &str, spans: &mut [(usize, usize)]) {
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
