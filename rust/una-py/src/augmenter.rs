//! `una_fast._core.Augmenter`.

use numpy::{IntoPyArray, PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;
use pyo3::types::PyList;
use una_core::Error;
use una_core::negatives::{Augmenter as Core, DrawKey, MaxReplaced, Options, Sentence, Tally, TokenPlan};
use una_core::text::Column;

use crate::augment_call::{AugmentCall, Made, MadeColumn};
use crate::columns;
use crate::errors::to_py;
use crate::gil::short;
use crate::py_tokenizer::Tokens;
use crate::strings::characters;
use crate::table::TermTable;

/// Makes hard negatives.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Augmenter {
    pub(crate) core: Core,
}

/// One token: text, start and end in characters, rank, score, probability, first and last rank of its window,
/// replacement.
type Explained = (String, usize, usize, Option<u32>, f64, f64, (u32, u32), Option<String>);

/// Tokens, replaced, changed, and sentences by percentage replaced.
type Counts = (u64, u64, u64, Vec<u64>);

/// The offsets of large strings, and their bytes.
type Strings<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u8>>);

/// The weights of all sentences, one after another, and their offsets by sentence.
type Weights<'py> = (PyReadonlyArray1<'py, f64>, PyReadonlyArray1<'py, u64>);

#[pymethods]
impl Augmenter {
    #[new]
    #[pyo3(signature = (
        table, *, radius, replace_prob, select, replace, surface, exclude_self, keep_script, max_tokens, max_share, min_score,
        protect, seed
    ))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the public surface")]
    fn new(
        py: Python<'_>,
        table: &TermTable,
        radius: u32,
        replace_prob: f64,
        select: &str,
        replace: &str,
        surface: &str,
        exclude_self: bool,
        keep_script: bool,
        max_tokens: Option<u32>,
        max_share: Option<f64>,
        min_score: f64,
        protect: Vec<Vec<String>>,
        seed: u64,
    ) -> PyResult<Self> {
        let max_replaced = match (max_tokens, max_share) {
            (Some(tokens), _) => MaxReplaced::Tokens(tokens),
            (None, Some(share)) => MaxReplaced::Share(share),
            (None, None) => MaxReplaced::All,
        };
        let options = || -> Result<Options, Error> {
            Ok(Options {
                radius,
                replace_prob,
                select: select.parse()?,
                replace: replace.parse()?,
                surface: surface.parse()?,
                exclude_self,
                keep_script,
                max_replaced,
                min_score,
                seed,
            })
        };
        let options = options().map_err(|e| to_py(&e))?;
        let table = table.core.clone();
        let protect: Vec<Vec<&str>> =
            protect.iter().map(|sequence| sequence.iter().map(String::as_str).collect()).collect();
        Ok(Self { core: short(py, |_| Core::new(table, options, &protect))? })
    }

    /// One negative a sentence.
    #[pyo3(signature = (sentences, *, tokens, rows, epoch, view, weights, threads))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the public surface")]
    fn augment<'py>(
        &self,
        sentences: &Bound<'py, PyAny>,
        tokens: Option<Bound<'py, Tokens>>,
        rows: Option<PyReadonlyArray1<'py, u64>>,
        epoch: u64,
        view: u32,
        weights: Option<Weights<'py>>,
        threads: usize,
    ) -> PyResult<(Bound<'py, PyList>, Counts)> {
        let rows = rows.as_ref().map(|rows| rows.as_slice()).transpose()?;
        let weights = match &weights {
            Some((numbers, offsets)) => Some((numbers.as_slice()?, offsets.as_slice()?)),
            None => None,
        };
        let tokens = Tokens::of(tokens.as_ref(), sentences.len()?)?;
        let call = AugmentCall { augmenter: &self.core, tokens, rows, epoch, view, weights, threads };
        let Made { list, tally } = call.augment(sentences)?;
        Ok((list, counts(&tally)))
    }

    /// One negative for each value of batches of a column.
    #[pyo3(signature = (batches, *, tokens, rows, epoch, view, threads))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the public surface")]
    fn augment_columns<'py>(
        &self,
        py: Python<'py>,
        batches: Vec<columns::ColumnBuffers<'py>>,
        tokens: Option<Bound<'py, Tokens>>,
        rows: Option<PyReadonlyArray1<'py, u64>>,
        epoch: u64,
        view: u32,
        threads: usize,
    ) -> PyResult<(Strings<'py>, Counts)> {
        let rows = rows.as_ref().map(|rows| rows.as_slice()).transpose()?;
        let columns = batches.iter().map(columns::as_column).collect::<PyResult<Vec<_>>>()?;
        let tokens = Tokens::of(tokens.as_ref(), columns.iter().map(Column::len).sum())?;
        let call = AugmentCall { augmenter: &self.core, tokens, rows, epoch, view, weights: None, threads };
        let MadeColumn { offsets, data, tally } = call.augment_columns(py, &columns)?;
        Ok(((offsets.into_pyarray(py), data.into_pyarray(py)), counts(&tally)))
    }

    /// The fate of every token of a sentence, and the negative.
    #[pyo3(signature = (sentence, *, tokens, row, epoch, view, weights))]
    fn explain(
        &self,
        sentence: &str,
        tokens: Option<Bound<'_, Tokens>>,
        row: u64,
        epoch: u64,
        view: u32,
        weights: Option<PyReadonlyArray1<'_, f64>>,
    ) -> PyResult<(Vec<Explained>, String)> {
        let weights = weights.as_ref().map(|weights| weights.as_slice()).transpose()?;
        let tokens = Tokens::of(tokens.as_ref(), 1)?.map(|tokens| tokens.get(0));
        let keyed = Sentence { text: sentence, key: DrawKey { epoch, row, view }, weights, tokens };
        let convert = |plan: &[TokenPlan<'_>], negative: &str| {
            let tokens = plan.iter().map(|step| self.explained(sentence, step)).collect();
            (tokens, negative.to_owned())
        };
        self.core.explain(&keyed, convert).map_err(|e| to_py(&e))
    }
}

fn counts(tally: &Tally) -> Counts {
    (tally.tokens, tally.replaced, tally.changed, tally.by_percent.to_vec())
}

impl Augmenter {
    fn explained(&self, sentence: &str, step: &TokenPlan<'_>) -> Explained {
        let window = self.core.window(step);
        let old = &sentence[step.token.start..step.token.end];
        (
            step.token.text.to_owned(),
            characters(sentence, step.token.start),
            characters(sentence, step.token.end),
            step.rank,
            step.score,
            step.probability,
            (window.start, window.end - 1),
            step.replacement.map(|rank| self.core.written(rank, old).into_owned()),
        )
    }
}
