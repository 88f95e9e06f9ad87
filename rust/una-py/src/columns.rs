//! String columns out of Python, without a Python string for a sentence.

use std::path::PathBuf;

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use una_core::text::{Block, Column, Offsets, Rows, row_name};

use crate::errors::{input_error, to_py};

#[derive(FromPyObject)]
pub(crate) enum OffsetArray<'py> {
    Narrow(PyReadonlyArray1<'py, i32>),
    Wide(PyReadonlyArray1<'py, i64>),
}

/// Offsets, data, the bitmap of values that are not null, and the bit at which it starts.
pub(crate) type ColumnBuffers<'py> =
    (OffsetArray<'py>, PyReadonlyArray1<'py, u8>, Option<PyReadonlyArray1<'py, u8>>, usize);

/// The column that a batch is.
pub(crate) fn as_column<'a>((offsets, data, validity, start): &'a ColumnBuffers<'_>) -> PyResult<Column<'a>> {
    let offsets = match offsets {
        OffsetArray::Narrow(offsets) => Offsets::Narrow(offsets.as_slice()?),
        OffsetArray::Wide(offsets) => Offsets::Wide(offsets.as_slice()?),
    };
    let validity = validity.as_ref().map(|bits| bits.as_slice()).transpose()?;
    Ok(Column { offsets, data: data.as_slice()?, validity: validity.map(|bits| (bits, *start)) })
}

/// Passes batches of columns on in blocks, copied once; `columns` gives names and iterables of batches. Ends early and
/// quietly where `send` answers false.
pub(crate) fn feed_columns(
    columns: &Bound<'_, PyAny>,
    mut send: impl FnMut(Block) -> PyResult<bool>,
) -> PyResult<()> {
    for column in columns.try_iter()? {
        let (name, batches): (Option<PathBuf>, Bound<'_, PyAny>) = column?.extract()?;
        let mut rows = Rows::new(name.as_deref());
        for batch in batches.try_iter()? {
            let batch: ColumnBuffers<'_> = batch?.extract()?;
            let column = as_column(&batch)?;
            for i in 0..column.len() {
                let value = column.value(i).map_err(|what| {
                    let place = row_name(name.as_deref(), rows.next_row());
                    input_error(columns.py(), &format!("{place}: {what}"))
                })?;
                rows.push(value).map_err(|e| to_py(&e))?;
                if rows.is_full() && !send(rows.take())? {
                    return Ok(());
                }
            }
        }
        if !rows.is_empty() && !send(rows.take())? {
            return Ok(());
        }
    }
    Ok(())
}
