//! Files into blocks, and into the sentences of a whole corpus in memory.

use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::block::{Block, Skipped};
use super::lines::open;
use super::options::ReadOptions;
use crate::error::Result;
use crate::progress::{Progress, Work};
use crate::ragged::Ragged;

/// The documents of files, one after another in memory: for a training loop, which takes them in any order.
#[derive(Debug, Default)]
pub struct Sentences {
    /// The UTF-8 of each of them.
    pub bytes: Ragged<u8>,
    /// Lines that became no document.
    pub skipped: Skipped,
}

/// Reads files whole, by the same rules by which they are counted; on this thread.
///
/// # Errors
/// As counting them.
pub fn read_sentences(paths: &[PathBuf], options: ReadOptions<'_>, work: Work<'_>) -> Result<Sentences> {
    let mut bytes = Ragged::default();
    let skipped = each_sentence(paths, options, work, |sentence| {
        bytes.push(sentence.as_bytes());
        Ok(())
    })?;
    Ok(Sentences { bytes, skipped })
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

/// Calls `visit` for each document of files, in order.
pub(super) fn each_sentence(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    work: Work<'_>,
    mut visit: impl FnMut(&str) -> Result<()>,
) -> Result<Skipped> {
    let mut skipped = Skipped::default();
    each_block(paths, options, work.progress, |block| {
        work.stop.check()?;
        let mut documents = 0;
        skipped.add(block.for_each_sentence(&options, |sentence| {
            documents += 1;
            visit(sentence)
        })?);
        work.progress.documents.fetch_add(documents, Ordering::Relaxed);
        Ok(())
    })?;
    Ok(skipped)
}
