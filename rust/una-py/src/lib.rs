//! Python binding of `una-core`: extract, go through the one GIL door, convert.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod augmenter;
mod batch;
mod columns;
mod counter;
mod encoder;
mod errors;
mod files;
mod gil;
mod py_tokenizer;
mod read_ahead;
mod table;
mod text;

use pyo3::prelude::*;

/// The compiled half of `una_fast`. Its classes are wrapped, and documented, by the Python half.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<text::Reading>()?;
    module.add_class::<py_tokenizer::CustomTokenizer>()?;
    module.add_class::<py_tokenizer::Tokens>()?;
    module.add_class::<counter::TermCounter>()?;
    module.add_class::<table::TermTable>()?;
    module.add_class::<augmenter::Augmenter>()?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<encoder::Drawn>()?;
    module.add_class::<encoder::Encoded>()?;
    module.add_function(wrap_pyfunction!(files::exchange, module)?)?;
    module.add_function(wrap_pyfunction!(text::read_sentences, module)?)?;
    module.add_function(wrap_pyfunction!(text::spool, module)?)?;
    module.add_function(wrap_pyfunction!(text::tokenize, module)?)?;
    Ok(())
}
