//! A mapped corpus: the documents of a source written one after another to disk, where they can be mapped. For corpora
//! larger than memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::block::{Block, Skipped};
use super::options::ReadOptions;
use crate::error::{Error, Result};

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

/// Writes documents: their bytes to one file, and to another, as little-endian `u64`, the end of each.
pub struct MappedCorpusWriter<'a> {
    text: Output<'a>,
    ends: Output<'a>,
    corpus: MappedCorpus,
}

impl<'a> MappedCorpusWriter<'a> {
    /// A writer of these files, which are made anew.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses.
    pub fn create(text: &'a Path, ends: &'a Path) -> Result<Self> {
        let (text, ends) = (Output::create(text)?, Output::create(ends)?);
        Ok(Self { text, ends, corpus: MappedCorpus::default() })
    }

    /// Writes the documents of a block; returns the number of all so far.
    ///
    /// # Errors
    /// As [`Block::for_each_sentence`], and [`Error::Storage`] where the system refuses; what was written stays then.
    pub fn add(&mut self, block: &Block, options: &ReadOptions<'_>) -> Result<u64> {
        let skipped = block.for_each_sentence(options, |sentence| {
            self.corpus.n_documents += 1;
            self.corpus.n_bytes += sentence.len() as u64;
            self.text.write(sentence.as_bytes())?;
            self.ends.write(&self.corpus.n_bytes.to_le_bytes())
        })?;
        self.corpus.skipped.add(skipped);
        Ok(self.corpus.n_documents)
    }

    /// Ends both files; what they come to.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses.
    pub fn finish(self) -> Result<MappedCorpus> {
        self.text.finish()?;
        self.ends.finish()?;
        Ok(self.corpus)
    }
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
