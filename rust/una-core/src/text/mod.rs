//! Sentences out of bytes, and what is asked of their characters.

mod decompress;
mod json;
mod lines;
pub mod lowercase;
pub mod mapped_corpus;
pub mod reader;
mod rows;
pub mod unicode;
