//! Files into blocks, and blocks into the sentences of a whole corpus in memory.

use std::path::PathBuf;

use super::block::{Block, Skipped};
use super::lines::open;
use super::options::ReadOptions;
use crate::error::Result;
use crate::progress::Progress;
use crate::ragged::Ragged;

/// The documents of a source, one after another in memory: for a training loop, which takes them in any order.
///
/// ```
/// use std::path::Path;
/// use una_core::text::{ReadOptions, Sentences, blocks};
///
/// let (file, options) = (b"a cat\n\na dog".as_slice(), ReadOptions::default());
/// let mut sentences = Sentences::default();
/// blocks(file, Path::new("pets.txt"), options)?.for_each(|block| sentences.add(&block, &options))?;
/// assert_eq!(sentences.bytes.get(1), b"a dog");
/// assert_eq!(sentences.skipped.empty, 1);
/// # Ok::<(), una_core::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Sentences {
    /// The UTF-8 of each of them.
    pub bytes: Ragged<u8>,
    /// Lines that became no document.
    pub skipped: Skipped,
}

impl Sentences {
    /// Adds the documents of a block.
    ///
    /// # Errors
    /// As [`Block::for_each_sentence`].
    pub fn add(&mut self, block: &Block, options: &ReadOptions<'_>) -> Result<()> {
        let skipped =
            block.for_each_sentence(options, |sentence| Ok(self.bytes.try_push(sentence.as_bytes())?))?;
        self.skipped.add(skipped);
        Ok(())
    }
}

/// Hands the blocks of files on, one file after another.
///
/// # Errors
/// What reading says; whatever `visit` returns.
pub fn each_block(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    progress: &Progress,
    mut visit: impl FnMut(Block) -> Result<()>,
) -> Result<()> {
    paths.iter().try_for_each(|path| open(path, options, progress)?.for_each(&mut visit))
}
