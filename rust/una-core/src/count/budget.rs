//! How much memory counting may take.

use std::path::Path;
use std::sync::Arc;

use crate::count::run::Folder;
use crate::error::Result;

/// How much memory terms may take, and the folder where they go beyond it.
#[derive(Debug, Clone)]
pub struct Budget {
    bytes: usize,
    folder: Arc<Folder>,
}

impl Budget {
    /// So many bytes of memory, and a new private folder in `place`, or where the system keeps its temporary files.
    /// The folder goes with the last of its users.
    ///
    /// Less than a megabyte a thread makes for many small files and slow work, and is as exact.
    ///
    /// # Errors
    /// [`crate::Error::Storage`] where no folder can be made.
    pub fn new(bytes: usize, place: Option<&Path>) -> Result<Self> {
        Ok(Self { bytes, folder: Arc::new(Folder::new(place)?) })
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) const fn folder(&self) -> &Arc<Folder> {
        &self.folder
    }

    /// The same with so much less memory.
    pub(crate) fn less(&self, bytes: usize) -> Self {
        Self { bytes: self.bytes.saturating_sub(bytes), folder: Arc::clone(&self.folder) }
    }

    /// What each of so many threads may take.
    pub(crate) fn share(&self, threads: usize) -> Self {
        Self { bytes: self.bytes / threads.max(1), folder: Arc::clone(&self.folder) }
    }
}
