//! The host's half of the library `io`: open files, their methods, standard output and standard
//! error.
//!
//! Reading and writing happen on the spot: what could block is not opened ([`crate::files`]). The
//! Lua half is `lua/host/files.lua`.
//! Bounds: [`READ_BYTES_MAX`], `ffi::FILES_PER_STAGE_MAX`, [`PRINTED_BYTES_MAX`]. A file is closed
//! by its script, or when the stage that opened it has ended.

mod open_file;
#[cfg(test)]
mod tests;

pub use open_file::READ_BYTES_MAX;

use self::open_file::{Format, OpenFile, Target};
use crate::files;
use crate::script::disk;
use crate::script::ffi::{Call, FILES_PER_STAGE_MAX, Fault, Function, Kind, StageFile};
use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

/// What one script run may print. A line of its findings has 200 bytes: 5,000 of them.
pub const PRINTED_BYTES_MAX: usize = 1 << 20;

/// What all scripts of a worker may print in one turn of its loop, which then hands it to the log's
/// writer.
const OUTPUT_BYTES_MAX: usize = 16 << 20;

/// For `lua/host/base.lua` and `lua/host/files.lua`.
pub static FUNCTIONS: &[Function] = &[
    Function { name: "read_file", body: read_file },
    Function { name: "is_file", body: is_file },
    Function { name: "io_open", body: open },
    Function { name: "io_tmpfile", body: temporary },
    Function { name: "io_type", body: kind },
    Function { name: "io_standard", body: standard },
];

/// The methods of files but `lines`, which is the Lua half's.
pub static METHODS: &[Function] = &[
    Function { name: "read", body: read },
    Function { name: "write", body: write },
    Function { name: "seek", body: seek },
    Function { name: "close", body: close },
    Function { name: "flush", body: |call| file(call).map(|_| same(call)) },
    Function { name: "setvbuf", body: |call| file(call).map(|_| same(call)) },
];

/// Registers the type and puts the table of its methods on the stack, for the Lua half to add to.
pub static REGISTER: Function = Function {
    name: "register_files",
    body: |call| {
        call.register_type::<Rc<OpenFile>>(METHODS);
        call.push_type::<Rc<OpenFile>>()?;
        let metatable = call.len();
        call.push_function(&TO_STRING);
        call.set_field(metatable, "__tostring");
        call.push_field(metatable, "__index");
        Ok(1)
    },
};

static TO_STRING: Function = Function {
    name: "tostring",
    body: |call| {
        let text = match file(call)? {
            file if file.is_open() => format!("file ({:p})", call.identity(1)),
            _ => "file (closed)".into(),
        };
        call.push_string(text.as_bytes());
        Ok(1)
    },
};

/// The file that is the first argument.
fn file<'a>(call: &'a Call<'_>) -> Result<&'a Rc<OpenFile>, Fault> {
    let found = call.userdata::<Rc<OpenFile>>(1);
    found.ok_or_else(|| Fault::Argument(1, format!("FILE* expected, got {}", call.kind(1).name())))
}

/// Pushes the file again: methods without another result can be chained.
fn same(call: &Call<'_>) -> i32 {
    call.push_copy(1);
    1
}

/// Pushes nil, the text of an error, and its number.
fn failed(call: &Call<'_>, path: &str, error: &io::Error) -> i32 {
    let number = error.raw_os_error();
    let text = error.to_string();
    let text = number
        .map_or(text.as_str(), |number| text.trim_end_matches(&format!(" (os error {number})")));
    call.nil_and(format!("{path}: {text}"));
    call.push_number(f64::from(number.unwrap_or_default()));
    3
}

/// `read_file(path)`: the whole of a regular file; or nil, the error's text and number.
fn read_file(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.string(1)?;
    match files::read(disk::path(&path), READ_BYTES_MAX) {
        Ok(bytes) => {
            call.push_string(&bytes);
            Ok(1)
        }
        Err(error) => Ok(failed(call, &disk::path(&path).display().to_string(), &error)),
    }
}

/// `is_file(path)`: whether there is something that is not a directory, and can be read if it is a
/// regular file.
fn is_file(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.string(1)?;
    let path = disk::path(&path);
    let found = match std::fs::metadata(path) {
        Ok(about) if about.is_file() => files::open(OpenOptions::new().read(true), path).is_ok(),
        // Reading it says what it is.
        Ok(about) => !about.is_dir(),
        Err(_) => false,
    };
    call.push_bool(found);
    Ok(1)
}

/// `io.open(path [, mode])`.
fn open(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.string(1)?;
    let mode = if call.is_none_or_nil(2) { "r".into() } else { call.text(2)? };
    let update = match mode.trim_end_matches('b') {
        "r" | "w" | "a" => false,
        "r+" | "w+" | "a+" | "rb+" | "wb+" | "ab+" => true,
        _ => return Err(Fault::Argument(2, "invalid mode".into())),
    };
    let kind = mode.bytes().next().unwrap_or(b'r');
    let mut options = OpenOptions::new();
    options
        .read(kind == b'r' || update)
        .write(kind == b'w' || (kind == b'r' && update))
        .append(kind == b'a');
    options.create(kind != b'r').mode(0o666);
    let path = disk::path(&path);
    let opened = files::open_or_memory_device(&mut options, path).and_then(|file| {
        // Now that it is known to be a file.
        if kind == b'w' && file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        Ok(file)
    });
    give(call, path, opened)
}

/// `io.tmpfile()`: a file without a name.
fn temporary(call: &Call<'_>) -> Result<i32, Fault> {
    let folder = std::env::temp_dir();
    let opened = OpenOptions::new()
        .read(true)
        .write(true)
        .mode(0o600)
        .custom_flags(libc::O_TMPFILE)
        .open(&folder);
    give(call, &folder, opened)
}

fn give(call: &Call<'_>, path: &Path, opened: io::Result<File>) -> Result<i32, Fault> {
    let shown = path.display().to_string();
    let opened = match opened {
        Ok(opened) => opened,
        Err(error) => return Ok(failed(call, &shown, &error)),
    };
    if !call.admits_file()? {
        call.nil_and(format!("{shown}: too many open files (at most {FILES_PER_STAGE_MAX} in one stage of a request; close them)"));
        call.push_number(f64::from(libc::EMFILE));
        return Ok(3);
    }
    let file = Rc::new(OpenFile {
        path: shown,
        target: RefCell::new(Target::File(BufReader::new(opened))),
    });
    call.note_file(&file)?;
    call.push_userdata_weighing(file, BUFFER_BYTES)?;
    Ok(1)
}

/// What a [`BufReader`] holds.
const BUFFER_BYTES: usize = 8 << 10;

/// `io.type(value)`: `file`, `closed file` or nil.
fn kind(call: &Call<'_>) -> Result<i32, Fault> {
    call.any(1)?;
    match call.userdata::<Rc<OpenFile>>(1) {
        Some(file) => call.push_string(if file.is_open() { b"file" } else { b"closed file" }),
        None => call.push_nil(),
    }
    Ok(1)
}

/// `io_standard(name)`: one of the three standard files, while the state is set up. There is
/// nothing to read from standard input.
fn standard(call: &Call<'_>) -> Result<i32, Fault> {
    let path = call.text(1)?.into_owned();
    let target = match &*path {
        "stdin" => Target::Input,
        "stderr" => Target::Error,
        _ => Target::Output,
    };
    call.push_userdata(Rc::new(OpenFile { path, target: RefCell::new(target) }))?;
    Ok(1)
}

/// `file:read(…)`: a value for each format, up to the first that finds nothing.
fn read(call: &Call<'_>) -> Result<i32, Fault> {
    let file = file(call)?.clone();
    let mut target = file.target.borrow_mut();
    let Target::File(reader) = &mut *target else {
        return match *target {
            Target::Closed => Err(Fault::message("attempt to use a closed file")),
            _ => Ok(failed(call, &file.path, &io::Error::from_raw_os_error(libc::EBADF))),
        };
    };
    let formats = call.len();
    if formats < 2 {
        return piece(call, reader, Format::Line(false))
            .or_else(|error| Ok(failed(call, &file.path, &error)));
    }
    for at in 2..=formats {
        let format = self::format(call, at)?;
        if let Err(error) = piece(call, reader, format) {
            return Ok(failed(call, &file.path, &error));
        }
        if call.is_none_or_nil(-1) {
            return Ok(at - 1);
        }
    }
    Ok(formats - 1)
}

/// The format that is the argument at `at`.
fn format(call: &Call<'_>, at: i32) -> Result<Format, Fault> {
    if call.kind(at) == Kind::Number {
        return Ok(Format::Bytes(u64::try_from(call.int(at)?).unwrap_or(0)));
    }
    match call.string(at)?.trim_ascii_start().strip_prefix(b"*").unwrap_or(call.bytes(at)).first() {
        Some(b'l') => Ok(Format::Line(false)),
        Some(b'L') => Ok(Format::Line(true)),
        Some(b'a') => Ok(Format::All),
        Some(b'n') => Ok(Format::Number),
        _ => Err(Fault::Argument(at - 1, "invalid format".into())),
    }
}

/// Reads and pushes one value; nil at the end of the file or if there is no number.
fn piece(call: &Call<'_>, reader: &mut BufReader<File>, format: Format) -> io::Result<i32> {
    let is_number = matches!(format, Format::Number);
    match open_file::read(reader, format)? {
        None => call.push_nil(),
        Some(bytes) => call.push_string(&bytes),
    }
    if is_number {
        // By Lua's own rule.
        let number = call.number(-1);
        call.pop(1);
        match number {
            Ok(number) => call.push_number(number),
            Err(_) => call.push_nil(),
        }
    }
    Ok(1)
}

/// `file:write(…)`: strings and numbers.
fn write(call: &Call<'_>) -> Result<i32, Fault> {
    let file = file(call)?.clone();
    let mut target = file.target.borrow_mut();
    if matches!(*target, Target::Closed) {
        return Err(Fault::message("attempt to use a closed file"));
    }
    for at in 2..=call.len() {
        let text = call.string(at).map_err(|fault| match fault {
            Fault::Argument(at, text) => Fault::Argument(at - 1, text),
            other => other,
        })?;
        let written = match &mut *target {
            Target::Output => {
                print(call, &text);
                Ok(())
            }
            Target::Error => open_file::complain(&text),
            Target::File(reader) => open_file::put(reader, &text),
            Target::Input | Target::Closed => Err(io::Error::from_raw_os_error(libc::EBADF)),
        };
        if let Err(error) = written {
            return Ok(failed(call, &file.path, &error));
        }
    }
    Ok(same(call))
}

/// Text for standard output: kept, and handed to the log when the script pauses, so that nothing
/// blocks the loop. What is too much is dropped, with a warning.
pub fn print(call: &Call<'_>, text: &[u8]) {
    let mut output = call.services().outbox.output.borrow_mut();
    let printed = call
        .run()
        .map_or(0, |run| run.printed.replace(run.printed.get().saturating_add(text.len())));
    if printed.saturating_add(text.len()) > PRINTED_BYTES_MAX
        || output.len() + text.len() > OUTPUT_BYTES_MAX
    {
        call.warn_once(&format!(
            "a script printed more than {PRINTED_BYTES_MAX} bytes in one run; the rest is dropped"
        ));
        return;
    }
    output.extend_from_slice(text);
}

/// `file:seek([whence [, offset]])`: the new position.
fn seek(call: &Call<'_>) -> Result<i32, Fault> {
    let file = file(call)?.clone();
    let whence = if call.is_none_or_nil(2) { "cur".into() } else { call.text(2)? };
    let offset = call.opt_int(3)?.unwrap_or(0);
    let to = match &*whence {
        "set" => SeekFrom::Start(u64::try_from(offset).unwrap_or(u64::MAX)),
        "cur" => SeekFrom::Current(offset),
        "end" => SeekFrom::End(offset),
        other => return Err(Fault::Argument(1, format!("invalid option '{other}'"))),
    };
    let mut target = file.target.borrow_mut();
    let moved = match &mut *target {
        Target::File(reader) => reader.seek(to),
        Target::Closed => return Err(Fault::message("attempt to use a closed file")),
        Target::Input | Target::Output | Target::Error => {
            Err(io::Error::from_raw_os_error(libc::ESPIPE))
        }
    };
    match moved {
        Ok(position) => {
            call.push_number(position as f64);
            Ok(1)
        }
        Err(error) => Ok(failed(call, &file.path, &error)),
    }
}

/// `file:close()`.
fn close(call: &Call<'_>) -> Result<i32, Fault> {
    let file = file(call)?;
    if !file.is_open() {
        return Err(Fault::message("attempt to use a closed file"));
    }
    file.close();
    call.push_bool(true);
    Ok(1)
}
