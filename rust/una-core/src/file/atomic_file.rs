//! Files that are whole or not there, and folders that change places.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{Error, Result};

/// Writes a file under a temporary name beside `path`, makes it durable, and puts it in place by renaming.
///
/// A symbolic link stays one; the mode is that of the file replaced, or what the umask leaves of 0666.
///
/// ```
/// use std::io::Error;
/// use una_core::file::write_atomically;
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("notes");
/// write_atomically(&path, |out| out.write_all(b"whole")).unwrap();
/// let failed = write_atomically(&path, |out| out.write_all(b"half").and(Err(Error::other("disk full"))));
/// assert!(failed.is_err());
/// assert_eq!(std::fs::read(&path)?, b"whole");
/// # Ok::<(), Error>(())
/// ```
///
/// # Errors
/// What the system says; the old file stays and the temporary one goes.
pub fn write_atomically(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    replace(path, |file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out).and_then(|()| out.flush()).map_err(|e| Error::storage(path, "write", e))
    })
}

/// [`write_atomically`], with the file itself to write to.
pub(crate) fn replace<T>(path: &Path, write: impl FnOnce(&mut File) -> Result<T>) -> Result<T> {
    let refused = |e| Error::storage(path, "write", e);
    let target = follow(path).map_err(refused)?;
    let mut temporary = beside(&target).map_err(refused)?;
    let answer = write(temporary.as_file_mut())?;
    put(temporary, &target).map_err(refused)?;
    Ok(answer)
}

/// Gives each of two files or folders the name of the other, in one step, where the system can; says whether it did.
///
/// # Errors
/// What the system says of the paths.
pub fn exchange(path: &Path, other: &Path) -> Result<bool> {
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;
        match renameat_with(CWD, path, CWD, other, RenameFlags::EXCHANGE) {
            Ok(()) => Ok(true),
            // An older kernel; a file system of another kind.
            Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP) => Ok(false),
            Err(error) => Err(Error::storage(path, "exchange", error.into())),
        }
    }
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        let _ = (path, other);
        Ok(false)
    }
}

/// A file of a temporary name in the folder of `target`, with its mode.
fn beside(target: &Path) -> io::Result<NamedTempFile> {
    // A pipe or a device would be replaced by a file of its name, silently for whoever reads from it.
    let old = match fs::metadata(target) {
        Ok(old) if !old.is_file() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no regular file"));
        }
        Ok(old) => Some(old),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // Not `tempfile_in`: its files are for the owner alone, and its errors without their number.
    let mut builder = tempfile::Builder::new();
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    let temporary =
        builder.prefix(".una-fast-").suffix(".tmp").make_in(folder_of(target), |path| options.open(path))?;
    if let Some(old) = old {
        fs::set_permissions(temporary.path(), old.permissions())?;
    }
    Ok(temporary)
}

fn put(temporary: NamedTempFile, target: &Path) -> io::Result<()> {
    // In this order: the bytes reach the disk before the name points to them, or a crash could leave the name on an
    // empty file; and the folder after the name, or a crash could bring back the old file after success was told.
    temporary.as_file().sync_all()?;
    temporary.persist(target).map_err(|e| e.error)?;
    #[cfg(unix)]
    File::open(folder_of(target))?.sync_all()?;
    Ok(())
}

fn folder_of(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The end of a chain of symbolic links, whether or not a file stands there.
fn follow(path: &Path) -> io::Result<PathBuf> {
    // Renaming replaces the link, not what it points to. The limit is that of Linux.
    let mut target = path.to_owned();
    for _ in 0..40 {
        match fs::read_link(&target) {
            Ok(next) => target = target.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(target),
        }
    }
    Err(io::Error::other("too many levels of symbolic links"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_folders_change_places_or_stay() {
        let folder = tempfile::tempdir().unwrap();
        let names = ["a", "b"].map(|name| folder.path().join(name));
        for name in &names {
            fs::create_dir(name).unwrap();
            fs::write(name.join("file"), name.to_str().unwrap()).unwrap();
        }
        let exchanged = exchange(&names[0], &names[1]).unwrap();
        let found = names.each_ref().map(|name| fs::read_to_string(name.join("file")).unwrap());
        let mut expected = names.each_ref().map(|name| name.to_str().unwrap().to_owned());
        if exchanged {
            expected.reverse();
        }
        assert_eq!(found, expected);
        assert!(!cfg!(any(target_os = "linux", target_vendor = "apple")) || exchanged);
        let missing = exchange(&names[0], &folder.path().join("c"));
        assert_eq!(missing.is_err(), exchanged);
    }
}
