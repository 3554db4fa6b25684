//! Changing a user file: locked against other changes, replaced as a whole, never half written.
//!
//! The lock is on the file itself. Since a change puts a new file in its place, a process that has
//! waited for the lock looks whether the file is still the one under this name, and begins again if
//! not. The new file gets mode and owner of the old one before it takes its name.
//! Bounds: [`FILE_BYTES_MAX`], [`WAIT_MAX`].

use crate::files;
use crate::password::user_file::UserFile;
use std::fs::{File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A change in progress: it holds the lock, so no other change runs at the same time.
pub struct Edit {
    pub users: UserFile,
    /// The file itself, where a symbolic link leads to.
    path: PathBuf,
    /// The lock ends with it.
    old: File,
}

impl Edit {
    /// What is in the file.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<UserFile, String> {
        files::read(path, FILE_BYTES_MAX)
            .map(|bytes| UserFile::parse(&bytes))
            .map_err(|error| about(path, error))
    }

    /// Locks the file and reads it. With `create` a file that is missing is made.
    ///
    /// # Errors
    /// It cannot be opened or read, or another process holds the lock for [`WAIT_MAX`].
    pub fn begin(path: &Path, create: bool) -> Result<Edit, String> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let old = files::open(
                OpenOptions::new().read(true).write(true).create(create).mode(NEW_MODE),
                path,
            )
            .map_err(|error| about(path, error))?;
            lock(&old, deadline).map_err(|error| about(path, error))?;
            let path = std::fs::canonicalize(path).map_err(|error| about(path, error))?;
            if !is_at(&old, &path).map_err(|error| about(&path, error))? {
                continue;
            }
            let mut bytes = Vec::new();
            (&old)
                .take(FILE_BYTES_MAX + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| about(&path, error))?;
            if bytes.len() as u64 > FILE_BYTES_MAX {
                return Err(about(&path, format!("has more than {FILE_BYTES_MAX} bytes")));
            }
            return Ok(Edit { users: UserFile::parse(&bytes), path, old });
        }
    }

    /// Puts the changed file in the place of the old one. After an error the old one is untouched.
    ///
    /// # Errors
    /// The new file cannot be written, or cannot have owner and mode of the old one.
    pub fn commit(self) -> Result<(), String> {
        self.replace().map_err(|error| about(&self.path, error))
    }

    fn replace(&self) -> io::Result<()> {
        let folder = self.path.parent().ok_or_else(|| io::Error::other("has no folder"))?;
        let old = self.old.metadata()?;
        let mut new = Temporary::beside(&self.path)?;
        new.file.write_all(&self.users.bytes())?;
        let is = new.file.metadata()?;
        if (is.uid(), is.gid()) != (old.uid(), old.gid()) {
            fchown(&new.file, Some(old.uid()), Some(old.gid())).map_err(|error| {
                io::Error::other(format!(
                    "the new file cannot have the owner and group of the old one: {error}; run \
                     this command as its owner, or as root"
                ))
            })?;
        }
        // After the owner, whose change takes set-ID bits away; while it was written, the file was
        // readable by its maker only.
        new.file.set_permissions(Permissions::from_mode(old.mode() & 0o7777))?;
        new.file.sync_all()?;
        std::fs::rename(&new.path, &self.path)?;
        new.is_kept = true;
        // The name is on disk, too, when the command ends.
        File::open(folder)?.sync_all()
    }
}

/// A file that is removed again unless it is kept.
struct Temporary {
    file: File,
    path: PathBuf,
    is_kept: bool,
}

impl Temporary {
    fn beside(path: &Path) -> io::Result<Temporary> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}.new", hex::encode(random)));
        let path = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(&path)?;
        Ok(Temporary { file, path, is_kept: false })
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Waits for the lock, in short steps: the system's own wait has no end.
fn lock(file: &File, deadline: Instant) -> io::Result<()> {
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                return Err(io::Error::other("is being changed by another process"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(STEP),
        }
    }
}

/// Whether the open file is the one of this name.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(named) => Ok((open.dev(), open.ino()) == (named.dev(), named.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn about(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// A million users have some 150 MiB; a file of that size is no place for them.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// A change takes milliseconds: passwords are asked for before.
const WAIT_MAX: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(10);

/// Password hashes are for the owner only, until the owner decides otherwise.
const NEW_MODE: u32 = 0o600;
