//! Rows of counts, weighted by column and brought to length 1: what scikit-learn's `TfidfTransformer` does with a matrix.
//!
//! A row is summed up from its first value to its last, as it is there. `weigh_slowly`, in the tests, is the twin.

use crate::error::{Error, Result};
use crate::progress::Work;
use crate::ragged::{cut_stretches, stretches};
use crate::threads;

/// Rows that a thread takes at a time.
const STRETCH: usize = 1 << 13;

/// What a row is divided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Norm {
    /// The sum of its values without their signs.
    L1,
    /// Its Euclidean length.
    L2,
}

impl Norm {
    fn of(self, row: &[f64]) -> f64 {
        match self {
            Self::L1 => row.iter().map(|value| value.abs()).sum(),
            Self::L2 => row.iter().map(|value| value * value).sum::<f64>().sqrt(),
        }
    }
}

/// Weighs a matrix in compressed form, in place: each value times the weight of its column, each row then divided by its
/// norm. A row of zeros stays as it is.
///
/// ```
/// use una_core::Work;
/// use una_core::weighting::{Norm, weigh};
///
/// let mut values = [2.0, 1.0, 5.0];
/// weigh(&mut values, &[0, 1, 1], &[0, 2, 3], Some(&[1.5, 4.0]), Some(Norm::L2), Work::default())?;
/// assert_eq!(values, [0.6, 0.8, 1.0]);
/// # Ok::<(), una_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Input`] where values, columns and offsets do not fit each other, or a column has no weight; values may be
/// weighted in part then. [`Error::Interrupted`].
pub fn weigh(
    values: &mut [f64],
    columns: &[u32],
    offsets: &[u64],
    weights: Option<&[f64]>,
    norm: Option<Norm>,
    work: Work<'_>,
) -> Result<()> {
    let is_whole = offsets.first() == Some(&0) && offsets.last() == Some(&(values.len() as u64));
    if !is_whole || !offsets.is_sorted() || columns.len() != values.len() {
        return Err(Error::Input(
            "values, columns and row bounds of the matrix do not fit each other".into(),
        ));
    }
    let tasks = stretches(offsets, STRETCH).zip(cut_stretches(values, offsets, STRETCH)).collect();
    threads::map(tasks, work.threads, |(rows, values): (&[u64], &mut [f64])| {
        work.stop.check()?;
        let first = rows[0];
        if let Some(weights) = weights {
            let columns = &columns[first as usize..];
            for (value, &column) in values.iter_mut().zip(columns) {
                let weight = weights.get(column as usize);
                *value *= weight.ok_or_else(|| Error::Input(format!("column {column} has no weight")))?;
            }
        }
        let Some(norm) = norm else { return Ok(()) };
        for bounds in rows.windows(2) {
            let row = &mut values[(bounds[0] - first) as usize..(bounds[1] - first) as usize];
            let length = norm.of(row);
            if length != 0.0 {
                for value in row {
                    *value /= length;
                }
            }
        }
        Ok(())
    })?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn weigh_slowly(rows: &[Vec<(u32, f64)>], weights: Option<&[f64]>, norm: Option<Norm>) -> Vec<f64> {
        let mut made = Vec::new();
        for row in rows {
            let weighted: Vec<f64> = row
                .iter()
                .map(|&(column, value)| value * weights.map_or(1.0, |w| w[column as usize]))
                .collect();
            let mut length = 0.0;
            for value in &weighted {
                length += if norm == Some(Norm::L2) { value * value } else { value.abs() };
            }
            let length = if norm == Some(Norm::L2) { length.sqrt() } else { length };
            let divides = norm.is_some() && length != 0.0;
            made.extend(weighted.iter().map(|value| if divides { value / length } else { *value }));
        }
        made
    }

    proptest! {
        #[test]
        fn rows_are_weighted_as_one_by_one(
            rows in prop::collection::vec(prop::collection::vec((0u32..3, -9.0..9.0f64), 0..5), 0..20),
            repeat in prop::sample::select(vec![1usize, 1 << 10]),
            weights in prop::option::of(prop::collection::vec(0.0..9.0f64, 3)),
            norm in prop::sample::select(vec![None, Some(Norm::L1), Some(Norm::L2)]),
            threads in 1usize..4,
        ) {
            let rows: Vec<_> = (0..repeat).flat_map(|_| rows.iter().cloned()).collect();
            let columns: Vec<u32> = rows.iter().flatten().map(|&(column, _)| column).collect();
            let mut values: Vec<f64> = rows.iter().flatten().map(|&(_, value)| value).collect();
            let mut offsets = vec![0];
            offsets.extend(rows.iter().scan(0, |end, row| { *end += row.len() as u64; Some(*end) }));
            weigh(&mut values, &columns, &offsets, weights.as_deref(), norm, Work::on(threads)).unwrap();
            prop_assert_eq!(values, weigh_slowly(&rows, weights.as_deref(), norm));
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let refused = |columns: &[u32], offsets: &[u64]| {
            weigh(&mut [1.0, 1.0], columns, offsets, Some(&[1.0]), None, Work::default())
                .unwrap_err()
                .to_string()
        };
        for (columns, offsets) in
            [(&[0, 0][..], &[][..]), (&[0, 0], &[0, 3]), (&[0, 0], &[0, 2, 1, 2]), (&[0], &[0, 2])]
        {
            assert!(refused(columns, offsets).contains("do not fit"));
        }
        assert!(refused(&[0, 1], &[0, 2]).contains("column 1 has no weight"));
    }
}
