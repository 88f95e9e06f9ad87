//! Tokenizers that are Python code: called here and nowhere else, on the thread that holds the GIL.

use numpy::{IntoPyArray, PyArray1};
use pyo3::PyTraverseError;
use pyo3::PyVisit;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use una_core::count::Batch;
use una_core::ragged::RaggedText;
use una_core::text::lowercase::{LowerMap, lowercase as lower};
use una_core::text::{Block, ReadOptions};
use una_core::tokenize::tokens::{Tokens as CoreTokens, each_term};
use una_core::tokenize::{Scratch, Settings};

use crate::errors::{input_error, to_py};
use crate::gil::{Turns, by_size};
use crate::phrases::Phrases;
use crate::reading::tokenizer;
use crate::strings::{Strings, to_characters};

/// Sentences between two looks at the signals.
const STEP: usize = 64;

/// Tokens that are made objects of between two looks at whether others are to have a turn.
const TOKENS_A_LOOK: usize = 1 << 8;

/// Characters of a sentence that messages show.
const SHOWN: usize = 80;

/// A tokenizer that is Python code, and what it is called.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct CustomTokenizer {
    name: String,
    /// A sentence in, its tokens out.
    texts: Py<PyAny>,
    /// A sentence in, the characters that its tokens cover out; where there is none, tokens are looked for.
    spans: Option<Py<PyAny>>,
}

/// The tokens of sentences.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Tokens {
    core: CoreTokens,
}

impl Tokens {
    /// The tokens, if there are any, checked to be those of `n` sentences.
    pub(crate) fn of<'t>(tokens: Option<&'t Bound<'_, Self>>, n: usize) -> PyResult<Option<&'t CoreTokens>> {
        let Some(tokens) = tokens.map(|tokens| &tokens.get().core) else { return Ok(None) };
        if tokens.len() != n {
            let message = format!("tokens of {} sentences for {n}", tokens.len());
            return Err(to_py(&una_core::Error::Internal(message)));
        }
        Ok(Some(tokens))
    }
}

#[pymethods]
impl CustomTokenizer {
    #[new]
    #[pyo3(signature = (name, *, texts, spans))]
    const fn new(name: String, texts: Py<PyAny>, spans: Option<Py<PyAny>>) -> Self {
        Self { name, texts, spans }
    }

    /// The tokens of sentences, and with `spans` where they stand.
    #[pyo3(signature = (sentences, *, lowercase, spans))]
    fn tokenize(&self, sentences: &Bound<'_, PyAny>, lowercase: bool, spans: bool) -> PyResult<Tokens> {
        let py = sentences.py();
        let strings = Strings::extract(sentences)?;
        let (mut core, mut buffer, mut turns) = (CoreTokens::default(), String::new(), Turns::new());
        for (i, sentence) in strings.as_strs()?.into_iter().enumerate() {
            if i.is_multiple_of(STEP) {
                turns.pause(py)?;
            }
            let text = if lowercase { lower(sentence, &mut buffer) } else { sentence };
            self.cut(py, text, spans, &mut core)?;
        }
        Ok(Tokens { core })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.texts)?;
        visit.call(&self.spans)
    }
}

impl CustomTokenizer {
    /// The sentences of a block, cut. Those before a fault of the block are cut too, since one of them may be at fault
    /// itself, and the first fault by place is the one to report.
    pub(crate) fn batch(
        &self,
        py: Python<'_>,
        block: &Block,
        options: &ReadOptions<'_>,
        lowercase: bool,
        tick: &dyn Fn() -> PyResult<()>,
    ) -> PyResult<Batch> {
        let (mut sentences, mut buffer) = (Vec::new(), String::new());
        let outcome = block.for_each_sentence(options, |sentence| {
            sentences.push(if lowercase { lower(sentence, &mut buffer) } else { sentence }.to_owned());
            Ok(())
        });
        let mut tokens = CoreTokens::default();
        for (i, sentence) in sentences.iter().enumerate() {
            if i.is_multiple_of(STEP) {
                tick()?;
            }
            self.cut(py, sentence, false, &mut tokens)?;
        }
        Ok(Batch::Tokens(tokens, outcome.map_err(|e| to_py(&e))?))
    }

    fn cut(&self, py: Python<'_>, sentence: &str, spans: bool, out: &mut CoreTokens) -> PyResult<()> {
        match &self.spans {
            Some(find) if spans => self.cut_by_spans(&self.call(py, find, sentence)?, sentence, out)?,
            _ => self.cut_by_texts(&self.call(py, &self.texts, sentence)?, sentence, spans, out)?,
        }
        out.end_sentence();
        Ok(())
    }

    /// The answer of a part of the tokenizer; its own exceptions come through, and say which sentence it was.
    fn call<'py>(&self, py: Python<'py>, part: &Py<PyAny>, sentence: &str) -> PyResult<Bound<'py, PyAny>> {
        part.bind(py).call1((PyString::new(py, sentence),)).inspect_err(|error| {
            let note = format!("raised by the tokenizer {:?} for {}", self.name, shown(sentence));
            let _ = error.value(py).call_method1("add_note", (note,)); // the exception itself matters more
        })
    }

    fn cut_by_spans(&self, found: &Bound<'_, PyAny>, sentence: &str, out: &mut CoreTokens) -> PyResult<()> {
        let offsets: Vec<usize> =
            sentence.char_indices().map(|(at, _)| at).chain(std::iter::once(sentence.len())).collect();
        for (start, end) in found.extract::<Vec<(usize, usize)>>()? {
            let bounds = offsets.get(start).zip(offsets.get(end)).filter(|_| start < end);
            if !bounds.is_some_and(|(&start, &end)| out.push_at(sentence, start..end)) {
                return Err(self.refusal(found.py(), "gave an empty token", sentence));
            }
        }
        Ok(())
    }

    fn cut_by_texts(
        &self,
        found: &Bound<'_, PyAny>,
        sentence: &str,
        spans: bool,
        out: &mut CoreTokens,
    ) -> PyResult<()> {
        let py = found.py();
        let Ok(list) = found.cast::<PyList>() else {
            let what = format!("returned {}, not a list of str,", type_name(found));
            return Err(self.refusal(py, &what, sentence));
        };
        for item in list {
            let Ok(token) = item.cast::<PyString>() else {
                let what = format!("gave a token that is {}, not str,", type_name(&item));
                return Err(self.refusal(py, &what, sentence));
            };
            match token.to_str() {
                Err(_) => return Err(self.refusal(py, "gave a token with a lone surrogate", sentence)),
                Ok("") => return Err(self.refusal(py, "gave an empty token", sentence)),
                Ok(token) if token.contains('\0') => {
                    return Err(self.refusal(py, "gave a token with a NUL", sentence));
                }
                Ok(token) if spans => out.push_found(sentence, token),
                Ok(token) => out.push(token),
            }
        }
        Ok(())
    }

    fn refusal(&self, py: Python<'_>, what: &str, sentence: &str) -> PyErr {
        input_error(py, &format!("the tokenizer {:?} {what} for {}", self.name, shown(sentence)))
    }
}

/// The tokens of each sentence, and the characters of the sentence as written that each covers: where they start and
/// where they end, those of all sentences one after another.
type Tokenized<'py> = (Bound<'py, PyList>, Bound<'py, PyArray1<usize>>, Bound<'py, PyArray1<usize>>);

/// The terms of sentences that are few enough to be cut at a stretch.
#[pyfunction]
#[pyo3(signature = (sentences, *, tokenizer, lowercase, phrases=None, tokens=None))]
pub(crate) fn tokenize<'py>(
    sentences: &Bound<'py, PyAny>,
    tokenizer: &str,
    lowercase: bool,
    phrases: Option<Bound<'py, Phrases>>,
    tokens: Option<Bound<'py, Tokens>>,
) -> PyResult<Tokenized<'py>> {
    let (py, phrases) = (sentences.py(), Phrases::of(phrases.as_ref()));
    let settings =
        Settings { tokenizer: self::tokenizer(tokenizer)?, lowercase, phrases, ..Settings::default() };
    let strings = Strings::extract(sentences)?;
    let strs = strings.as_strs()?;
    let given = Tokens::of(tokens.as_ref(), strs.len())?;
    let cut = by_size(py, strs.iter().map(|s| s.len()).sum(), |stop| {
        let (mut cut, mut scratch, mut buffer) = (Cut::default(), Scratch::default(), String::new());
        for (i, sentence) in strs.iter().enumerate() {
            stop.check()?;
            let text = if lowercase { lower(sentence, &mut buffer) } else { sentence };
            let map = if lowercase { LowerMap::new(sentence) } else { LowerMap::default() };
            let mut spans = Vec::new();
            each_term(&settings, given.map(|tokens| tokens.get(i)), text, &mut scratch, |token| {
                cut.texts.push(token.text);
                spans.push((map.original(token.start), map.original(token.end)));
            })?;
            to_characters(sentence, &mut spans);
            cut.starts.extend(spans.iter().map(|&(start, _)| start));
            cut.ends.extend(spans.iter().map(|&(_, end)| end));
            cut.lengths.push(spans.len());
        }
        Ok(cut)
    })?;
    let (found, mut texts, mut turns) = (PyList::empty(py), 0.., Turns::new());
    for &length in &cut.lengths {
        // Not `PyList::empty`, which panics where there is no memory for it.
        let tokens = py.get_type::<PyList>().call0()?.cast_into::<PyList>()?;
        for (n, i) in texts.by_ref().take(length).enumerate() {
            if n.is_multiple_of(TOKENS_A_LOOK) {
                turns.pause(py)?;
            }
            tokens.append(PyString::from_bytes(py, cut.texts.get(i).as_bytes())?)?;
        }
        found.append(tokens)?;
    }
    Ok((found, cut.starts.into_pyarray(py), cut.ends.into_pyarray(py)))
}

/// The tokens of sentences, one after another, and how many each sentence has.
#[derive(Default)]
struct Cut {
    texts: RaggedText,
    starts: Vec<usize>,
    ends: Vec<usize>,
    lengths: Vec<usize>,
}

fn type_name(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or_else(|_| "?".into(), |name| name.to_string())
}

/// A sentence in a message; its start, if it is long.
fn shown(sentence: &str) -> String {
    match sentence.char_indices().nth(SHOWN) {
        None => format!("{sentence:?}"),
        Some((end, _)) => format!("{:?}...", &sentence[..end]),
    }
}
