//! Exact one-pass TF-IDF over large corpora, and keyed sampling of hard negatives from it (UNA, arXiv 2401.02594).
//!
//! Text goes through [`reader`], [`casing`] and [`tokenize`] into [`count`]; counts are frozen into a [`table`],
//! which [`artifact`] saves, [`augment`] samples from and [`transform`] weighs sentences by; [`encode`] hands the
//! samples on as token ids.

mod arch;
pub mod artifact;
pub mod augment;
pub mod budget;
pub mod casing;
pub mod chars;
pub mod count;
pub mod encode;
pub mod error;
mod index;
mod memo;
#[cfg(any(test, feature = "naive"))]
pub mod naive;
mod order;
mod part;
pub mod reader;
pub mod replace;
pub mod rng;
mod runs;
mod sequence;
mod share;
pub mod spool;
pub mod stop;
pub mod table;
mod tally;
pub mod terms;
pub mod tfidf;
pub mod tokenize;
pub mod tokens;
pub mod transform;
pub mod vocab;

pub use error::{Error, Result};
