//! Whole files and paths as scripts name them, and the error texts that scripts see. No Lua.
//!
//! Called on helper threads, which may block. Bound: [`FILE_BYTES_MAX`].

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

pub fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// `open x: no such file or directory`: a failed operation on a path as scripts know it.
pub fn path_error(operation: &str, path: &Path, error: &io::Error) -> String {
    format!("{operation} {}: {}", path.display(), crate::upstream::error_text(error))
}

/// The whole of a file. A pipe without writer reads as empty, one with a silent writer fails:
/// nothing here waits for a peer.
///
/// # Errors
/// A text for scripts; also for more than [`FILE_BYTES_MAX`].
pub fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| path_error("read", path, &error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(path_error("read", path, &io::Error::from_raw_os_error(libc::EFBIG)));
    }
    Ok(bytes)
}

/// Writes a file, in place of what it held; a new one gets mode 0644.
///
/// # Errors
/// A text for scripts.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), String> {
    // Not waiting for a reader, should it be a pipe.
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NONBLOCK)
        .open(path);
    let mut file = file.map_err(|error| path_error("open", path, &error))?;
    file.write_all(bytes).map_err(|error| path_error("write", path, &error))
}

/// Opens a file for reading without waiting for anybody.
///
/// # Errors
/// A text for scripts.
pub fn open(path: &Path) -> Result<File, String> {
    let opened = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path);
    opened.map_err(|error| path_error("open", path, &error))
}

/// Largest file that is read as a whole: half of what a Lua state may hold by default, where it
/// ends up.
pub const FILE_BYTES_MAX: u64 = 32 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_operation_and_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing");
        assert_eq!(
            read_file(&missing),
            Err(format!("open {}: no such file or directory", missing.display()))
        );
        assert_eq!(
            read_file(folder.path()),
            Err(format!("read {}: is a directory", folder.path().display()))
        );
    }

    #[test]
    fn a_pipe_and_an_endless_file_end() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        assert_eq!(read_file(&pipe), Ok(Vec::new()));
        assert_eq!(read_file(Path::new("/dev/zero")), Err("read /dev/zero: file too large".into()));
    }
}
