//! A mapped corpus: the documents of files written one after another to disk, where they can be mapped. For corpora
//! larger than memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::block::Skipped;
use super::options::ReadOptions;
use super::reader::each_sentence;
use crate::error::{Error, Result};
use crate::progress::Work;

/// The size of a mapped corpus.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MappedCorpus {
    /// Number of documents.
    pub n_documents: u64,
    /// Bytes of text.
    pub n_bytes: u64,
    /// Lines that became no document.
    pub skipped: Skipped,
}

/// Writes the documents of files, as [`read_sentences`](super::read_sentences) reads them: their bytes to the file
/// `text`, and to the file `ends`, as little-endian `u64`, the end of each.
///
/// # Errors
/// What reading says, and [`Error::Storage`] for a file that cannot be written; what was written stays then.
pub fn write_mapped_corpus(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    text: &Path,
    ends: &Path,
    work: Work<'_>,
) -> Result<MappedCorpus> {
    let (mut text, mut ends) = (Output::create(text)?, Output::create(ends)?);
    let mut corpus = MappedCorpus::default();
    corpus.skipped = each_sentence(paths, options, work, |sentence| {
        corpus.n_documents += 1;
        corpus.n_bytes += sentence.len() as u64;
        text.write(sentence.as_bytes())?;
        ends.write(&corpus.n_bytes.to_le_bytes())
    })?;
    text.finish()?;
    ends.finish()?;
    Ok(corpus)
}

/// A file under the name that messages give it.
struct Output<'a> {
    path: &'a Path,
    file: BufWriter<File>,
}

impl<'a> Output<'a> {
    fn create(path: &'a Path) -> Result<Self> {
        let file = File::create(path).map_err(|e| Error::storage(path, "write", e))?;
        Ok(Self { path, file: BufWriter::with_capacity(1 << 20, file) })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(|e| Error::storage(self.path, "write", e))
    }

    fn finish(mut self) -> Result<()> {
        self.file.flush().map_err(|e| Error::storage(self.path, "write", e))
    }
}
