//! `una_fast._core.Augmenter`.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use una_core::Error;
use una_core::augment::{Augmenter as Core, Options, Texts, TokenPlan};
use una_core::rng::Place;
use una_core::stop::Stop;

use crate::door::{by_size, short};
use crate::errors::to_py;
use crate::table::TermTable;
use crate::text::Strings;

/// Makes hard negatives.
#[pyclass(frozen, module = "una_fast._core")]
pub(crate) struct Augmenter {
    pub(crate) core: Core,
}

/// One token: text, start and end in characters, rank, score, probability, replacement.
type Explained = (String, usize, usize, Option<u32>, f64, f64, Option<String>);

#[pymethods]
impl Augmenter {
    #[new]
    #[pyo3(signature = (table, *, radius, replace_prob, select, replace, surface, seed))]
    #[allow(clippy::too_many_arguments, reason = "keyword-only options of the public surface")]
    fn new(
        py: Python<'_>,
        table: &TermTable,
        radius: u32,
        replace_prob: f64,
        select: &str,
        replace: &str,
        surface: &str,
        seed: u64,
    ) -> PyResult<Self> {
        let options = || -> Result<Options, Error> {
            Ok(Options {
                radius,
                replace_prob,
                select: select.parse()?,
                replace: replace.parse()?,
                surface: surface.parse()?,
                seed,
            })
        };
        let options = options().map_err(|e| to_py(&e))?;
        let table = table.core.clone();
        Ok(Self { core: short(py, |_| Core::new(table, options))? })
    }

    /// One negative a sentence.
    #[pyo3(signature = (sentences, *, rows, epoch, view, threads))]
    fn augment<'py>(
        &self,
        py: Python<'py>,
        sentences: &Bound<'py, PyAny>,
        rows: Option<PyReadonlyArray1<'py, u64>>,
        epoch: u64,
        view: u32,
        threads: usize,
    ) -> PyResult<Bound<'py, PyList>> {
        let strings = Strings::extract(sentences)?;
        let strs = strings.as_strs()?;
        let rows = rows.as_ref().map(|rows| rows.as_slice()).transpose()?;
        let place = |i: usize| Place { epoch, row: rows.map_or(i as u64, |rows| rows[i]), view };
        let work = |stop: &Stop| self.core.augment(&strs, place, threads, stop);
        let negatives = by_size(py, strs.iter().map(|s| s.len()).sum(), work)?;
        let list = PyList::empty(py);
        for text in negatives.iter().flat_map(Texts::iter) {
            list.append(PyString::new(py, text))?;
        }
        Ok(list)
    }

    /// The fate of every token of a sentence, and the negative.
    #[pyo3(signature = (sentence, *, row, epoch, view))]
    fn explain(&self, sentence: &str, row: u64, epoch: u64, view: u32) -> (Vec<Explained>, String) {
        self.core.explain(sentence, Place { epoch, row, view }, |plan, negative| {
            let tokens = plan.iter().map(|step| self.explained(sentence, step)).collect();
            (tokens, negative.to_owned())
        })
    }
}

impl Augmenter {
    fn explained(&self, sentence: &str, step: &TokenPlan<'_>) -> Explained {
        let old = &sentence[step.token.start..step.token.end];
        let characters = |end: usize| sentence[..end].chars().count();
        (
            step.token.text.to_owned(),
            characters(step.token.start),
            characters(step.token.end),
            step.rank,
            step.score,
            step.probability,
            step.replacement.map(|rank| self.core.written(rank, old).into_owned()),
        )
    }
}
