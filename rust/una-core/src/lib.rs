//! Exact one-pass TF-IDF over large corpora, and keyed sampling of hard negatives from it (UNA, arXiv 2401.02594).
//!
//! Text goes through [`text`] and [`tokenize`] into [`count`]; counts are frozen into a [`table`], which [`file`]
//! saves, [`negatives`] samples from and [`transform`] weighs sentences by.

mod arch;
pub mod count;
pub mod error;
pub mod file;
pub mod negatives;
pub mod progress;
pub mod ragged;
pub mod table;
pub mod terms;
pub mod text;
pub mod tfidf;
mod threads;
pub mod tokenize;
pub mod transform;

pub use count::{MemoryLimit, Pruning, TermCounts};
pub use error::{Error, Result};
pub use negatives::{Augmenter, DrawKey, Options, Sentence};
pub use progress::{Progress, Stop, Work};
pub use table::TermTable;
pub use tfidf::TermStats;
pub use tokenize::{Settings, Tokenizer};
