//! `una_fast._core.Encoder`.

use numpy::{PyReadonlyArray1, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use una_core::negatives::token_ids::{
    DrawnWords as CoreDrawn, Encoded as CoreEncoded, Encoder as Core, EncoderBuilder, Template,
};
use una_core::negatives::{DrawKey, ProbeContext};
use una_core::progress::{Stop, Work};

use crate::augmenter::Augmenter;
use crate::errors::to_py;
use crate::gil::{Turns, by_size, short};
use crate::py_tokenizer::Tokens;
use crate::strings::Strings;

/// Terms shown to the tokenizer at a time: few calls, and no more than some MB of its answers alive.
const TERMS_A_CALL: usize = 8 << 10;

/// Makes the ids of hard negatives. `tokenize` is always the same callable: texts in, their ids out, without special
/// tokens, truncation or padding.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Encoder {
    core: Core,
}

#[pymethods]
impl Encoder {
    #[new]
    #[pyo3(signature = (augmenter, tokenize, *, prefix, suffix, pad_id, max_length, cache))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only parts of a template")]
    fn new(
        py: Python<'_>,
        augmenter: &Augmenter,
        tokenize: &Bound<'_, PyAny>,
        prefix: Vec<u32>,
        suffix: Vec<u32>,
        pad_id: u32,
        max_length: usize,
        cache: usize,
    ) -> PyResult<Self> {
        let template = Template::new(prefix, suffix, pad_id, max_length).map_err(|e| to_py(&e))?;
        let [alone, twice] = ids(tokenize, ProbeContext::texts().to_vec())?.try_into().unwrap_or_default();
        let context = ProbeContext::new(&alone, &twice).map_err(|e| to_py(&e))?;
        let mut turns = Turns::new();
        let mut builder = EncoderBuilder::new(augmenter.core.clone(), context);
        loop {
            let texts = builder.texts(TERMS_A_CALL);
            if texts.is_empty() {
                return Ok(Self { core: short(py, |_| builder.finish(template, cache))? });
            }
            turns.pause(py)?;
            let ids = ids(tokenize, texts)?;
            short(py, |_| builder.learn(&ids))?;
        }
    }

    /// The ranks of the terms whose ids depend on their neighbours.
    fn irregular_terms(&self) -> Vec<u32> {
        self.core.irregular_terms().to_vec()
    }

    /// The words of one negative a sentence.
    #[pyo3(signature = (sentences, *, tokens, rows, epoch, view, threads))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the public surface")]
    fn draw<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        tokens: Option<Bound<'py, Tokens>>,
        rows: Option<PyReadonlyArray1<'py, u64>>,
        epoch: u64,
        view: u32,
        threads: usize,
    ) -> PyResult<DrawnWords> {
        let strings = Strings::extract(sentences)?;
        let strs = strings.as_strs()?;
        let rows = rows.as_ref().map(|rows| rows.as_slice()).transpose()?;
        let tokens = Tokens::of(tokens.as_ref(), strs.len())?;
        let key = |i: usize| DrawKey { epoch, row: rows.map_or(i as u64, |rows| rows[i]), view };
        let draw = |stop: &Stop| self.core.draw(&strs, tokens, key, Work { stop, ..Work::on(threads) });
        Ok(DrawnWords { core: by_size(py, strs.iter().map(|s| s.len()).sum(), draw)? })
    }

    /// Given words instead of drawn ones.
    fn compose(&self, py: Python<'_>, rows: Vec<Vec<String>>) -> PyResult<DrawnWords> {
        Ok(DrawnWords { core: short(py, |_| Ok(self.core.compose(&rows)))? })
    }

    /// Asks the tokenizer for what is not known, which mostly is nothing, and puts the ids together.
    fn assemble(
        &self,
        py: Python<'_>,
        drawn: &mut DrawnWords,
        tokenize: &Bound<'_, PyAny>,
    ) -> PyResult<Encoded> {
        let drawn = &mut drawn.core;
        let texts = drawn.texts();
        if !texts.is_empty() {
            let ids = ids(tokenize, texts)?;
            short(py, |_| self.core.learn(drawn, &ids))?;
        }
        let irregular = short(py, |_| Ok(self.core.irregular(drawn)))?;
        let (rows, texts): (Vec<_>, Vec<_>) = irregular.into_iter().unzip();
        let ids = if texts.is_empty() { Vec::new() } else { ids(tokenize, texts)? };
        let whole: Vec<_> = rows.into_iter().zip(ids).collect();
        Ok(Encoded { core: short(py, |_| self.core.assemble(drawn, &whole))? })
    }
}

fn ids(tokenize: &Bound<'_, PyAny>, texts: Vec<String>) -> PyResult<Vec<Vec<u32>>> {
    tokenize.call1((texts,))?.extract()
}

/// The words of negatives.
#[pyclass(module = "una_fast._core")]
pub(crate) struct DrawnWords {
    core: CoreDrawn,
}

/// The ids of negatives, not yet padded.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Encoded {
    core: CoreEncoded,
}

#[pymethods]
impl Encoded {
    fn __len__(&self) -> usize {
        self.core.rows()
    }

    /// The number of ids of the longest row, special tokens included.
    #[getter]
    fn longest(&self) -> usize {
        self.core.longest()
    }

    /// Writes the padded ids and the attention mask.
    fn fill<'py>(
        &self,
        py: Python<'py>,
        mut input_ids: PyReadwriteArray2<'py, i64>,
        mut attention_mask: PyReadwriteArray2<'py, i64>,
    ) -> PyResult<()> {
        let width = input_ids.shape()[1];
        let (ids, mask) = (input_ids.as_slice_mut()?, attention_mask.as_slice_mut()?);
        short(py, |_| self.core.fill(width, ids, mask))
    }
}
