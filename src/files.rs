//! Files that are read or written on the spot: regular ones. Opening or reading a FIFO, a terminal
//! or a device may block indefinitely.
//!
//! Called with paths from the configuration and from scripts. A path is opened without waiting
//! (`O_NONBLOCK`) and looked at afterwards, so that nothing can be put in its place in between.

use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file as `options` say. They must not truncate: what is no regular file stays as it was.
///
/// # Errors
/// As those of the system; anything but a regular file is refused with a text that names what it
/// is.
pub fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_if(options, path, |about| about.is_file())
}

/// As [`open`], but the devices of the kernel's memory driver (`/dev/null`, `/dev/zero`,
/// `/dev/full`, `/dev/random`, `/dev/urandom`) are taken, too: they never block.
///
/// # Errors
/// As [`open`].
pub fn open_or_memory_device(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    open_if(options, path, |about| about.is_file() || is_memory_device(about))
}

/// The whole of a regular file of at most `bytes_max` bytes.
///
/// # Errors
/// As [`open`]; more bytes are refused, too.
pub fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = open(OpenOptions::new().read(true), path)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("has more than {bytes_max} bytes"),
        ));
    }
    Ok(bytes)
}

fn open_if(
    options: &mut OpenOptions,
    path: &Path,
    accepts: fn(&Metadata) -> bool,
) -> io::Result<File> {
    let file = match options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path) {
        // The FIFO has no reader, or it is a socket: what it is says more than the error.
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => {
            return Err(std::fs::metadata(path).map_or(error, |about| refusal(about.file_type())));
        }
        opened => opened?,
    };
    let about = file.metadata()?;
    if accepts(&about) { Ok(file) } else { Err(refusal(about.file_type())) }
}

/// Why what is of this type is refused, in words that follow its name.
pub fn refusal(kind: FileType) -> io::Error {
    let what = if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "no regular file"
    };
    io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("is {what}; only regular files can be used here"),
    )
}

/// Major 1 of the character devices (Linux, `Documentation/admin-guide/devices.txt`), without
/// `/dev/mem`, `/dev/port` and `/dev/kmsg`.
fn is_memory_device(about: &Metadata) -> bool {
    let device = about.rdev();
    let (major, minor) = (libc::major(device), libc::minor(device));
    about.file_type().is_char_device() && major == 1 && matches!(minor, 3 | 5 | 7 | 8 | 9)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::fs::write(at("file"), "12345").unwrap();
        std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
        let error = |path: &Path| read(path, 5).map_err(|error| error.to_string());
        assert_eq!(error(&at("file")), Ok(b"12345".to_vec()));
        assert_eq!(read(&at("file"), 4).unwrap_err().to_string(), "has more than 4 bytes");
        for (path, what) in [
            (at("fifo"), "a FIFO"),
            (at("link"), "a FIFO"),
            (at("socket"), "a socket"),
            (folder.path().to_path_buf(), "a directory"),
            ("/dev/zero".into(), "a device"),
            ("/dev/ptmx".into(), "a device"),
        ] {
            assert_eq!(
                error(&path),
                Err(format!("is {what}; only regular files can be used here")),
                "{}",
                path.display()
            );
        }
        let write = open(OpenOptions::new().write(true), &at("fifo")).unwrap_err().to_string();
        assert_eq!(write, "is a FIFO; only regular files can be used here");
        assert_eq!(read(&at("none"), 5).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn devices_that_never_block_are_taken_where_scripts_ask() {
        for (path, taken) in
            [("/dev/null", true), ("/dev/urandom", true), ("/dev/zero", true), ("/dev/ptmx", false)]
        {
            assert_eq!(
                open_or_memory_device(OpenOptions::new().read(true), Path::new(path)).is_ok(),
                taken,
                "{path}"
            );
        }
    }
}
