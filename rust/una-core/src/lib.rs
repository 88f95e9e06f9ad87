//! Exact one-pass TF-IDF over large corpora, and keyed sampling of hard negatives from it.
pub mod casing;
pub mod chars;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
pub mod tokenize;
