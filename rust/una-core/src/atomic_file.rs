//! Files that are whole or not there, and folders that change places.
//!
//! Whatever is written is written under a name that nobody can guess, made new, and then renamed. The maker of such a
//! name holds a lock on it, which the system lets go of when the process ends, in whatever way. So what a run left that
//! was killed can be told from what another is writing, and the next run in the same folder removes it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use tempfile::{TempDir, TempPath};

use crate::error::{Error, Result};
use crate::threads::lock;

/// What temporary names begin and end with, and the random characters between.
const PREFIX: &str = ".una-fast-";
const SUFFIX: &str = ".tmp";
const RANDOM: usize = 12;

/// Writes a file under a temporary name beside `path`, makes it durable, and puts it in place by renaming.
///
/// A symbolic link stays one; the mode is that of the file replaced, or what the umask leaves of 0666.
///
/// ```
/// use std::io::Error;
/// use una_core::atomic_file::write_atomically;
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
    let mut replacement = Replacement::begin(path)?;
    let answer = write(&mut replacement.file)?;
    replacement.commit()?;
    Ok(answer)
}

/// A file that will take the place of another, or of none. Dropped before that, it goes.
#[derive(Debug)]
pub struct Replacement {
    /// What the caller asked for, and what is replaced: the end of a chain of symbolic links.
    asked: PathBuf,
    target: PathBuf,
    temporary: TempPath,
    /// The temporary file, locked.
    file: File,
    mode: Option<fs::Permissions>,
}

impl Replacement {
    /// A temporary file beside `path`, with its mode; litter in the same folder goes.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses, or something stands there that is no regular file.
    pub fn begin(path: &Path) -> Result<Self> {
        let refused = |e| Error::storage(path, "write", e);
        let target = follow(path).map_err(refused)?;
        let mode = mode_of(&target).map_err(refused)?;
        sweep_once(folder_of(&target));
        let (file, temporary) = temporary_file(folder_of(&target)).map_err(refused)?;
        let replacement = Self { asked: path.to_owned(), target, temporary, file, mode };
        // As closed to others as what it replaces will be, but never closed to its writer.
        replacement.set_mode(true).map_err(refused)?;
        Ok(replacement)
    }

    /// The temporary name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.temporary
    }

    /// Makes the file durable, and puts it in place.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses; what was there then stays as it was.
    pub fn commit(self) -> Result<()> {
        let refused = |e| Error::storage(&self.asked, "write", e);
        self.set_mode(false).map_err(refused)?;
        // In this order: the bytes reach the disk before the name points to them, or a crash could leave the name on an
        // empty file; and the folder after the name, or a crash could bring back the old file after success was told.
        self.file.sync_all().map_err(refused)?;
        self.temporary.persist(&self.target).map_err(|e| refused(e.error))?;
        #[cfg(unix)]
        File::open(folder_of(&self.target)).and_then(|folder| folder.sync_all()).map_err(refused)?;
        Ok(())
    }

    fn set_mode(&self, writable: bool) -> io::Result<()> {
        let Some(mut mode) = self.mode.clone() else { return Ok(()) };
        if writable {
            open_to_owner(&mut mode);
        }
        fs::set_permissions(&self.temporary, mode)
    }
}

/// A folder under a temporary name, which goes with it.
#[derive(Debug)]
pub struct TemporaryFolder {
    folder: TempDir,
    #[expect(dead_code, reason = "the lock, held as long as the folder is there")]
    held: Option<File>,
    owner: u32,
}

impl TemporaryFolder {
    /// A new folder in `place`, or where the system keeps its temporary files; litter there goes. `private` to its owner
    /// or as open as the umask leaves it.
    ///
    /// # Errors
    /// [`Error::Storage`] where the system refuses.
    pub fn new(place: Option<&Path>, private: bool) -> Result<Self> {
        let place = place.map_or_else(std::env::temp_dir, Path::to_owned);
        sweep_once(&place);
        let (folder, held) =
            temporary_folder(&place, private).map_err(|e| Error::storage(&place, "make a folder in", e))?;
        Ok(Self { folder, held, owner: std::process::id() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        // A forked child has a copy of this value, and drops it at its end while the parent still uses the folder.
        if self.owner != std::process::id() {
            self.folder.disable_cleanup(true);
        }
    }
}

/// The temporary files and folders in a folder that nobody holds: those of runs that were killed. With `remove` they go.
///
/// Where the system has no locks on files, none is found.
///
/// # Errors
/// [`Error::Storage`] where the folder cannot be read.
pub fn litter(folder: &Path, remove: bool) -> Result<Vec<PathBuf>> {
    let refused = |e| Error::storage(folder, "read", e);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(refused)? {
        let entry = entry.map_err(refused)?;
        let name = entry.file_name();
        let is_ours = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if is_ours.is_none_or(|random| random.len() != RANDOM) {
            continue;
        }
        // Held while it is removed, so that nobody else takes it for his own; what cannot be opened or locked is not
        // ours to remove.
        let path = entry.path();
        let Ok(Some(_held)) = hold(&path) else { continue };
        let removed = match entry.file_type() {
            _ if !remove => Ok(()),
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&path),
            _ => fs::remove_file(&path),
        };
        if removed.is_ok() {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Removes the litter in a folder, the first time that this process writes there: a folder may hold a million files.
fn sweep_once(folder: &Path) {
    static SWEPT: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let Ok(folder) = folder.canonicalize() else { return };
    if lock(&SWEPT).insert(folder.clone()) {
        let _ = litter(&folder, true); // whoever cannot read the folder may still write there
    }
}

fn builder<'n>() -> tempfile::Builder<'n, 'n> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// Attempts at a temporary name that another takes for litter before it is locked.
const ATTEMPTS: usize = 16;

fn temporary_file(folder: &Path) -> io::Result<(File, TempPath)> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    for _ in 0..ATTEMPTS {
        // Not `tempfile_in`: its files are for the owner alone, and its errors without their number.
        let (file, path) = builder().make_in(folder, |path| options.open(path))?.into_parts();
        if held(&file, &path)? {
            return Ok((file, path));
        }
    }
    Err(io::Error::other("temporary files vanish as soon as they are made"))
}

fn temporary_folder(place: &Path, private: bool) -> io::Result<(TempDir, Option<File>)> {
    let mut builder = builder();
    // Terms are the user's text: the folder is made with its mode, not given it afterwards.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(if private { 0o700 } else { 0o777 }));
    let _ = private;
    for _ in 0..ATTEMPTS {
        let folder = builder.tempdir_in(place)?;
        if let Some(held) = hold(folder.path())? {
            return Ok((folder, Some(held)));
        }
        if cfg!(not(unix)) {
            return Ok((folder, None));
        }
    }
    Err(io::Error::other("temporary folders vanish as soon as they are made"))
}

/// Opens what stands under a temporary name, and locks it; `None` where another holds it, or no system can.
#[cfg(unix)]
fn hold(path: &Path) -> io::Result<Option<File>> {
    use std::os::unix::fs::OpenOptionsExt;
    // Never through a link, which somebody else may have put there, and never waiting for a pipe.
    let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits();
    let file = match File::options().read(true).custom_flags(flags.cast_signed()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    Ok(held(&file, path)?.then_some(file))
}

#[cfg(not(unix))]
fn hold(_: &Path) -> io::Result<Option<File>> {
    Ok(None)
}

/// Locks an open file or folder. Returns false where another holds it, or has removed it from its place meanwhile.
#[cfg(unix)]
fn held(file: &File, path: &Path) -> io::Result<bool> {
    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;
    use std::os::unix::fs::MetadataExt;
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => return Ok(false),
        // A file system without locks: nobody will find that this is litter.
        Err(Errno::NOLCK | Errno::NOTSUP | Errno::NOSYS | Errno::INVAL) => return Ok(true),
        Err(error) => return Err(error.into()),
    }
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn held(_: &File, _: &Path) -> io::Result<bool> {
    Ok(true)
}

#[cfg(unix)]
fn open_to_owner(mode: &mut fs::Permissions) {
    use std::os::unix::fs::PermissionsExt;
    mode.set_mode(mode.mode() | 0o600);
}

#[cfg(not(unix))]
#[allow(clippy::permissions_set_readonly_false, reason = "of a file of ours, until it is in place")]
fn open_to_owner(mode: &mut fs::Permissions) {
    mode.set_readonly(false);
}

/// The mode of a regular file, or `None` where nothing stands.
fn mode_of(target: &Path) -> io::Result<Option<fs::Permissions>> {
    match fs::metadata(target) {
        // A pipe or a device would be replaced by a file of its name, silently for whoever reads from it.
        Ok(old) if !old.is_file() => {
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "it exists and is no regular file"))
        }
        Ok(old) => Ok(Some(old.permissions())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
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

    /// What a killed run leaves: a temporary name that nobody holds.
    fn left_behind(folder: &Path, name: &str) -> PathBuf {
        folder.join(format!("{PREFIX}{name}{SUFFIX}"))
    }

    #[cfg(unix)]
    #[test]
    fn litter_is_what_nobody_holds() {
        let place = tempfile::tempdir().unwrap();
        let (file, folder) =
            (left_behind(place.path(), "aaaaaaaaaaaa"), left_behind(place.path(), "bbbbbbbbbbbb"));
        fs::write(&file, "half").unwrap();
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("part"), "half").unwrap();
        let strangers = [place.path().join(".una-fast-a.tmp"), place.path().join("una-fast-aaaaaaaaaaaa")];
        for path in &strangers {
            fs::write(path, "mine").unwrap();
        }
        std::os::unix::fs::symlink(&strangers[0], left_behind(place.path(), "cccccccccccc")).unwrap();

        let (held, other) =
            (temporary_file(place.path()).unwrap(), temporary_folder(place.path(), true).unwrap());
        assert_eq!(litter(place.path(), false).unwrap(), [file.clone(), folder.clone()]);
        assert!(file.exists());
        assert_eq!(litter(place.path(), true).unwrap(), [file.clone(), folder.clone()]);
        assert!(!file.exists() && !folder.exists());
        assert!(held.1.exists() && other.0.path().exists());
        assert!(strangers.iter().all(|path| path.exists()));
        let path = held.1.keep().unwrap();
        drop(held.0); // as the system does when a process is killed
        assert_eq!(litter(place.path(), true).unwrap(), [path]);
    }

    #[test]
    fn the_first_write_in_a_folder_removes_its_litter() {
        let place = tempfile::tempdir().unwrap();
        let litter = left_behind(place.path(), "aaaaaaaaaaaa");
        fs::write(&litter, "half").unwrap();
        write_atomically(&place.path().join("file"), |out| out.write_all(b"whole")).unwrap();
        assert_eq!(litter.exists(), cfg!(not(unix)));
        assert_eq!(fs::read(place.path().join("file")).unwrap(), b"whole");
    }

    #[cfg(unix)]
    #[test]
    fn what_replaces_a_file_is_as_closed_to_others_from_the_start() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("file");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o440)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let replacement = Replacement::begin(&path).unwrap();
        assert_eq!(mode(replacement.path()), 0o640);
        replacement.commit().unwrap();
        assert_eq!(mode(&path), 0o440);
    }

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
