//! Python binding of `una-core`: extract, go through the one GIL door, convert.
use pyo3::prelude::*;

/// The compiled half of `una_fast`.
#[pymodule]
fn _core(_module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(())
}
