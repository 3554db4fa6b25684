//! An open file of a script: reading, writing and standard error, without Lua.
//!
//! Bounds: [`READ_BYTES_MAX`], [`NUMBER_BYTES_MAX`].

use crate::script::disk;
use crate::script::ffi::StageFile;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};

/// Largest piece that one call of `read` gives: half of what a Lua state may hold by default, where
/// it ends up.
pub const READ_BYTES_MAX: u64 = disk::FILE_BYTES_MAX;

/// A file of a script.
pub struct OpenFile {
    /// As it was asked for, for messages.
    pub path: String,
    pub target: RefCell<Target>,
}

pub enum Target {
    File(BufReader<File>),
    Input,
    Output,
    Error,
    Closed,
}

impl StageFile for OpenFile {
    fn is_open(&self) -> bool {
        !matches!(*self.target.borrow(), Target::Closed)
    }

    /// Closes it; standard output and standard error stay.
    fn close(&self) {
        let mut target = self.target.borrow_mut();
        if matches!(*target, Target::File(_)) {
            *target = Target::Closed;
        }
    }
}

/// What `read` is asked for.
pub enum Format {
    /// A line, with its end or without.
    Line(bool),
    All,
    Number,
    Bytes(u64),
}

/// Reads one value: its bytes, or the text of a number. `None` at the end of the file.
///
/// # Errors
/// Those of the file; EFBIG for more than [`READ_BYTES_MAX`].
pub fn read(reader: &mut BufReader<File>, format: Format) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let limit = READ_BYTES_MAX + 1;
    let found = match format {
        Format::Line(with_end) => {
            let found = reader.take(limit).read_until(b'\n', &mut bytes)? > 0;
            if !with_end && bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            found
        }
        Format::All => reader.take(limit).read_to_end(&mut bytes).map(|_| true)?,
        Format::Bytes(0) => !reader.fill_buf()?.is_empty(),
        Format::Bytes(count) => reader.take(count.min(limit)).read_to_end(&mut bytes)? > 0,
        Format::Number => return number(reader).map(Some),
    };
    if bytes.len() as u64 > READ_BYTES_MAX {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(found.then_some(bytes))
}

/// The text of the number that comes next, after white space; it may be none.
fn number(reader: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // White space of any length, but no more than may be read at once.
    for _ in 0..READ_BYTES_MAX {
        match reader.fill_buf()?.first() {
            Some(blank) if blank.is_ascii_whitespace() && text.is_empty() => reader.consume(1),
            Some(byte)
                if (byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
                    && text.len() < NUMBER_BYTES_MAX =>
            {
                text.push(*byte);
                reader.consume(1);
            }
            _ => break,
        }
    }
    Ok(text)
}

/// As the standard library of Lua has it.
const NUMBER_BYTES_MAX: usize = 200;

/// Writes at the position where the script is.
///
/// # Errors
/// Those of the file.
pub fn put(reader: &mut BufReader<File>, text: &[u8]) -> io::Result<()> {
    let ahead = reader.buffer().len();
    if ahead > 0 {
        // The buffer was read ahead of the script: go back to where the script is.
        reader.get_mut().seek(SeekFrom::Current(-i64::try_from(ahead).unwrap_or(0)))?;
        reader.consume(ahead);
    }
    reader.get_mut().write_all(text)
}

/// Writes to standard error as much as it takes without waiting; the rest is dropped.
///
/// # Errors
/// Those of standard error.
pub fn complain(text: &[u8]) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut stderr = io::stderr().lock();
    // A pipe that is ready takes this much at once (POSIX: PIPE_BUF).
    for part in text.chunks(4096) {
        let ready = {
            let mut fds = [PollFd::new(&stderr, PollFlags::OUT)];
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?
        };
        if ready == 0 {
            break;
        }
        stderr.write_all(part)?;
    }
    Ok(())
}
