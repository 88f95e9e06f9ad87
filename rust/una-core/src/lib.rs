//! Exact one-pass TF-IDF over large corpora, and keyed sampling of hard negatives from it (UNA, arXiv 2401.02594).
//!
//! ```
//! use std::sync::Arc;
//! use una_core::{Augmenter, DrawKey, Options, Pruning, Sentence, Settings, TermCounts, TermTable, Work};
//!
//! let sentences = ["The cat slept on the warm stone.", "A dog slept in the garden.", "The stone was warm."];
//! let counts = TermCounts::count_sentences(Settings::default(), sentences, Work::default())?;
//! let table = Arc::new(TermTable::freeze(&counts, Pruning::default(), Work::default())?);
//! assert_eq!(table.term(0), "was");
//!
//! let augmenter = Augmenter::new(Arc::clone(&table), Options::default(), &[])?;
//! let sentence = |i: usize| Sentence::new(sentences[i], DrawKey { row: i as u64, ..DrawKey::default() });
//! let made = augmenter.augment(sentences.len(), sentence, Work::default())?;
//! let negatives: Vec<&str> = made.iter().flat_map(|part| part.iter()).collect();
//! assert_eq!(negatives.len(), 3);
//! # Ok::<(), una_core::Error>(())
//! ```
//!
//! # A map of the crate
//!
//! Each module imports only what stands lower, within the folders too; a test sees to it, and `make house` draws it.
//!
//! | layer | module | what it holds |
//! |---|---|---|
//! | for engines | [`parts`] | counts in parts, each a file, which engines bring together |
//! | out of the table | [`negatives`] | the [`Augmenter`]: which tokens go, what replaces them, as text or as token ids |
//! | | [`mod@file`] | the one file format, for tables and for counts |
//! | | [`transform`] | sentences as rows of TF-IDF |
//! | for scikit-learn | [`document_terms`], [`hashing`], [`weighting`] | documents as rows of counts, by term or by hash; these weighted and normalised |
//! | the table | [`table`] | the [`TermTable`]: terms in order of their highest TF-IDF |
//! | counting | [`count`] | [`TermCounts`]: exact statistics that merge; memory limits, runs on disk |
//! | terms | [`terms`] | the bytes of terms, their ids, and the way from a term to its rank |
//! | words | [`tokenize`] | five tokenizers, and the tokens of any other |
//! | text | [`text`] | files, streams, columns and lists into sentences; lower case; Unicode |
//! | ground | [`tfidf`], [`ragged`], [`progress`], [`error`] | the formulas; lists in one buffer; [`Work`]; [`Error`] |
//! | | [`atomic_file`], [`memory`] | files that are whole or absent; an allocator with a reserve |
//!
//! Nothing outlives a call: threads end with it, and randomness is a function of its key. All that is global is the
//! reserve of [`memory`], and which folders were cleared of what killed runs left. A result depends on its input and
//! its options alone, never on threads, blocks, shards or the order of files.

mod arch;
pub mod atomic_file;
pub mod collocations;
pub mod count;
pub mod document_terms;
pub mod error;
pub mod file;
pub mod hashing;
pub mod memory;
pub mod negatives;
pub mod parts;
pub mod progress;
pub mod ragged;
pub mod table;
pub mod terms;
pub mod text;
pub mod tfidf;
mod threads;
pub mod tokenize;
pub mod transform;
pub mod weighting;

pub use count::{MemoryLimit, Pruning, TermCounts};
pub use error::{Error, Result};
pub use negatives::{Augmenter, DrawKey, Options, Sentence};
pub use progress::{Progress, Stop, Work};
pub use table::TermTable;
pub use tfidf::TermStats;
pub use tokenize::{Phrases, Settings, Tokenizer};
