//! The documents of files written one after another to disk, where they can be mapped: for corpora larger than memory.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::progress::Stop;
use crate::text::reader::{self, Passed, Progress, ReadOptions};

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spooled {
    /// Number of documents.
    pub n_documents: u64,
    /// Bytes of text.
    pub n_bytes: u64,
    /// Lines that became no document.
    pub passed: Passed,
}

/// Writes the documents of files, as [`reader::read_sentences`] reads them: their bytes to the file `text`, and to the
/// file `ends`, as little-endian `u64`, where each stops.
///
/// # Errors
/// What reading says, and [`Error::Storage`] for a file that cannot be written; what was written stays then.
pub fn spool(
    paths: &[PathBuf],
    options: ReadOptions<'_>,
    text: &Path,
    ends: &Path,
    stop: &Stop,
    progress: &Progress,
) -> Result<Spooled> {
    let (mut text, mut ends) = (Output::create(text)?, Output::create(ends)?);
    let mut all = Spooled::default();
    all.passed = reader::each_sentence(paths, options, stop, progress, |sentence| {
        all.n_documents += 1;
        all.n_bytes += sentence.len() as u64;
        text.write(sentence.as_bytes())?;
        ends.write(&all.n_bytes.to_le_bytes())
    })?;
    text.finish()?;
    ends.finish()?;
    Ok(all)
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
