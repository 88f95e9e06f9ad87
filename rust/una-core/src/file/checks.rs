//! Checks of what a file says, each by itself.

use crate::tfidf::{Ratio, TermStats};

/// A value that was read, or a sentence that says what is wrong.
pub(super) type Checked<T> = std::result::Result<T, String>;

/// Refuses a term that cannot be one.
pub(super) fn check_term(i: u64, term: &[u8]) -> Checked<()> {
    if term.is_empty() {
        return Err(format!("the offsets of term {i} are out of order or out of bounds"));
    }
    if std::str::from_utf8(term).is_err() {
        return Err(format!("term {i} is not UTF-8"));
    }
    Ok(())
}

/// Statistics from numbers that can be those of a term.
pub(super) fn check_stats(i: u64, n_documents: u64, df: u64, count: u32, length: u32) -> Checked<TermStats> {
    if df == 0 || df > n_documents {
        return Err(format!("df of term {i} is {df}, not in 1 to {n_documents}"));
    }
    let best = Ratio::new(count, length).filter(|ratio| ratio.count() == count);
    let best =
        best.ok_or_else(|| format!("ratio {count}/{length} of term {i} is not in (0, 1] in lowest terms"))?;
    Ok(TermStats { df, best })
}
