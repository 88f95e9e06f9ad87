//! Python binding of `una-core`: extract, release the GIL, call the core, convert.

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments over by value")]

mod augment_call;
mod augmenter;
mod columns;
mod counter;
mod documents;
mod encoder;
mod errors;
mod files;
mod gil;
mod lines;
mod phrases;
mod py_tokenizer;
mod read_ahead;
mod reading;
mod source;
mod streams;
mod strings;
mod table;

use pyo3::prelude::*;
use una_core::memory::Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// The compiled half of `una_fast`. Its classes are wrapped, and documented, by the Python half.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::keep_panics_quiet();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<reading::Reading>()?;
    module.add_class::<py_tokenizer::CustomTokenizer>()?;
    module.add_class::<py_tokenizer::Tokens>()?;
    module.add_class::<phrases::Phrases>()?;
    module.add_class::<source::Source>()?;
    module.add_class::<counter::TermCounter>()?;
    module.add_class::<table::TermTable>()?;
    module.add_class::<documents::Vocabulary>()?;
    module.add_class::<documents::DocumentCounter>()?;
    module.add_class::<documents::HashingCounter>()?;
    module.add_class::<documents::Terms>()?;
    module.add_class::<augmenter::Augmenter>()?;
    module.add_class::<encoder::Encoder>()?;
    module.add_class::<encoder::DrawnWords>()?;
    module.add_class::<encoder::Encoded>()?;
    module.add_class::<lines::Lines>()?;
    module.add_class::<lines::LineBlock>()?;
    module.add_class::<lines::DecompressedFile>()?;
    module.add_class::<files::Replacement>()?;
    module.add_class::<files::TemporaryFolder>()?;
    module.add_function(wrap_pyfunction!(documents::weigh, module)?)?;
    module.add_function(wrap_pyfunction!(files::exchange, module)?)?;
    module.add_function(wrap_pyfunction!(files::litter, module)?)?;
    module.add_function(wrap_pyfunction!(reading::format_of, module)?)?;
    module.add_function(wrap_pyfunction!(reading::read_sentences, module)?)?;
    module.add_function(wrap_pyfunction!(reading::write_mapped_corpus, module)?)?;
    module.add_function(wrap_pyfunction!(py_tokenizer::tokenize, module)?)?;
    Ok(())
}
