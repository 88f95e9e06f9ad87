//! A file that is watched while it is read: text that changes under the reader would be counted in part, without a word.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, Result};

/// A file to read from once. Its end is an error where the file is no longer what it was when it was opened.
#[derive(Debug)]
pub struct WatchedFile {
    file: File,
    path: PathBuf,
    /// What it was when it was opened; `None` for what is no regular file, which has neither size nor end.
    at_first: Option<State>,
    taken: u64,
}

/// What tells that a file is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    bytes: u64,
    modified: Option<SystemTime>,
    id: (u64, u64),
}

impl State {
    fn of(file: &Metadata) -> Self {
        #[cfg(unix)]
        let id = (std::os::unix::fs::MetadataExt::dev(file), std::os::unix::fs::MetadataExt::ino(file));
        #[cfg(not(unix))]
        let id = (0, 0);
        Self { bytes: file.len(), modified: file.modified().ok(), id }
    }
}

impl WatchedFile {
    /// Opens a file.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn open(path: &Path) -> Result<Self> {
        let opened = File::open(path).and_then(|file| file.metadata().map(|data| (file, data)));
        let (file, data) = opened.map_err(|e| Error::storage(path, "read", e))?;
        let at_first = data.is_file().then(|| State::of(&data));
        Ok(Self { file, path: path.to_owned(), at_first, taken: 0 })
    }

    /// What has happened to the file, if anything has.
    fn change(&self, at_first: State) -> io::Result<Option<Changed>> {
        let now = State::of(&self.file.metadata()?);
        let taken = self.taken;
        Ok(match fs::metadata(&self.path) {
            Err(_) => Some(Changed::Removed),
            Ok(there) if State::of(&there).id != at_first.id => Some(Changed::Replaced),
            Ok(_) if now.bytes != at_first.bytes => {
                Some(Changed::Size { before: at_first.bytes, now: now.bytes })
            }
            // Files that the system makes up as they are read say that they are empty.
            Ok(_) if taken != now.bytes && now.bytes > 0 => {
                Some(Changed::Size { before: now.bytes, now: taken })
            }
            Ok(_) if now.modified != at_first.modified => Some(Changed::Written),
            Ok(_) => None,
        })
    }
}

impl Read for WatchedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.taken += n as u64;
        if n == 0
            && !buffer.is_empty()
            && let Some(at_first) = self.at_first
            && let Some(change) = self.change(at_first)?
        {
            return Err(io::Error::new(io::ErrorKind::Unsupported, change));
        }
        Ok(n)
    }
}

/// The way in which a file changed while it was read.
#[derive(Debug)]
enum Changed {
    Removed,
    Replaced,
    Size { before: u64, now: u64 },
    Written,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it changed while it was read: ")?;
        match self {
            Self::Removed => f.write_str("it was removed or renamed"),
            Self::Replaced => f.write_str("another file took its place"),
            Self::Size { before, now } => write!(f, "it had {before} bytes, and then {now}"),
            Self::Written => f.write_str("it was written to"),
        }
    }
}

impl std::error::Error for Changed {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::time::Duration;

    /// Reads a file to its end, with something done to it after the first bytes.
    fn read_while(change: impl FnOnce(&Path)) -> io::Result<usize> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        fs::write(&path, [b'x'; 100]).unwrap();
        let mut file = WatchedFile::open(&path).unwrap();
        assert_eq!(file.read(&mut [0; 10]).unwrap(), 10);
        change(&path);
        file.read_to_end(&mut Vec::new())
    }

    #[test]
    fn what_happens_to_a_file_is_told() {
        assert_eq!(read_while(|_| ()).unwrap(), 90);
        let append = |path: &Path| File::options().append(true).open(path).unwrap().write_all(b"y").unwrap();
        let cut = |path: &Path| File::options().write(true).open(path).unwrap().set_len(50).unwrap();
        let touch = |path: &Path| {
            let later = SystemTime::now() + Duration::from_secs(5);
            File::options().write(true).open(path).unwrap().set_modified(later).unwrap();
        };
        for (change, what) in [
            (&append as &dyn Fn(&Path), "it had 100 bytes, and then 101"),
            (&cut, "it had 100 bytes, and then 50"),
            (&touch, "it was written to"),
            (&|path: &Path| fs::remove_file(path).unwrap(), "it was removed or renamed"),
        ] {
            assert!(read_while(change).unwrap_err().to_string().ends_with(what), "{what}");
        }
        #[cfg(unix)]
        {
            let replace = |path: &Path| {
                fs::write(path.with_extension("new"), [b'x'; 100]).unwrap();
                fs::rename(path.with_extension("new"), path).unwrap();
            };
            assert!(read_while(replace).unwrap_err().to_string().ends_with("took its place"));
        }
    }
}
