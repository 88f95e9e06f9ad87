//! Sentences out of bytes: files and streams (plain, gzip, zstd, bzip2 or xz) become blocks of whole lines, rows of
//! lists and columns become blocks of rows, blocks become sentences.
//!
//! The rules, the same for every source:
//! - a sentence is one line, without its LF or CR LF; the last line needs none;
//! - a byte order mark at the start of a file is dropped;
//! - a line of white space alone is no document, and is counted as empty;
//! - a line of a `.jsonl`, `.ndjson`, `.jsonlines`, `.jl` or `.json` file is a JSON object, and its sentence the string
//!   under one name; null counts as empty;
//! - invalid UTF-8, NUL and, in JSON, surrogates without a partner are errors, or repaired, or skipped, as [`Malformed`]
//!   says.
//!
//! Blocks are cut at line ends, so that any worker can take any block; the size of a block shows in no result.
//!
//! ```
//! use std::path::Path;
//! use una_core::text::{ReadOptions, blocks};
//!
//! let file = b"\xef\xbb\xbfThe cat slept.\r\n\n{\"text\": null}\n".as_slice();
//! let (mut sentences, mut empty) = (Vec::new(), 0);
//! blocks(file, Path::new("cats.txt"), ReadOptions::default())?.for_each(|block| {
//!     let skipped = block.for_each_sentence(&ReadOptions::default(), |sentence| {
//!         sentences.push(sentence.to_owned());
//!         Ok(())
//!     })?;
//!     empty += skipped.empty;
//!     Ok(())
//! })?;
//! // The name says that these are plain lines: only a file of JSON holds objects.
//! assert_eq!(sentences, ["The cat slept.", "{\"text\": null}"]);
//! assert_eq!(empty, 1);
//! # Ok::<(), una_core::Error>(())
//! ```

mod aligned;
mod block;
mod decompress;
mod formats;
mod json;
mod lines;
pub mod lowercase;
mod mapped_corpus;
mod options;
mod reader;
mod rows;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
pub mod unicode;
mod watched;

pub use aligned::Aligned;
pub use block::{Block, Row, RowText, Skipped, row_name};
pub use formats::format_of;
pub use lines::{Blocks, LineBlocks, blocks, decoded, is_json_lines, open, read_from};
pub use mapped_corpus::{MappedCorpus, MappedCorpusWriter};
pub use options::{MAX_WINDOW_BYTES, Malformed, MissingText, ReadOptions, Shard};
pub use reader::{Sentences, each_block};
pub use rows::{Column, Offsets, Rows};
pub use watched::WatchedFile;
