//! `cmd`: commands of the shell.
//!
//! A command runs below a helper thread, in a process group of its own, and the whole group is
//! killed when its time is over or its request is gone: the waiting script holds the one end of a
//! pipe whose other end is watched along with the child. Bounds: [`OUTPUT_BYTES_MAX`] per stream.
//! Rules: `lua/modules/cmd.md`.

use crate::script::ffi::{Call, Fault, Kind, Start, Waiting};
use crate::script::modules::Module;
use crate::script::modules::support::work;
use crate::upstream::error_text;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use std::fs::File;
use std::io::{self, PipeReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub static MODULE: Module = Module {
    names: &["cmd"],
    functions: &[],
    waiting: &[Waiting { name: "exec", start: exec }],
    setup: None,
    lua: None,
};

/// `exec(command[, seconds])` → `{status, stdout, stderr}`.
fn exec(call: &Call<'_>) -> Result<Start, Fault> {
    let command = call.text(1)?.into_owned();
    let seconds = match call.kind(2) {
        Kind::None | Kind::Nil => DEFAULT_SECONDS,
        Kind::String => return Err(Fault::Argument(2, "number expected, got string".into())),
        _ => u64::try_from(call.int(2)?).unwrap_or(0),
    };
    let (gone, waits) =
        io::pipe().map_err(|error| Fault::Message(format!("pipe: {}", error_text(&error))))?;
    let work = move || run(&command, Duration::from_secs(seconds), &gone);
    Ok(work::on_helper(work, move |call, done| {
        drop(waits);
        match work::flat(done) {
            Ok(finished) => Ok(push(call, &finished)),
            Err(error) => Ok(call.nil_and(error)),
        }
    }))
}

fn push(call: &Call<'_>, finished: &Finished) -> i32 {
    call.push_table(0, 3);
    let table = call.len();
    call.push_number(f64::from(finished.status));
    call.set_field(table, "status");
    call.push_string(&finished.stdout);
    call.set_field(table, "stdout");
    call.push_string(&finished.stderr);
    call.set_field(table, "stderr");
    1
}

/// What is left of a command.
#[derive(Debug)]
struct Finished {
    /// -1 if a signal ended it.
    status: i32,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// Why there is no result. The texts are what scripts see.
#[derive(Debug, thiserror::Error)]
enum Unfinished {
    #[error("execute timeout")]
    Timeout,
    /// The request is gone.
    #[error("context deadline exceeded")]
    Gone,
    #[error("output is larger than {} bytes", OUTPUT_BYTES_MAX)]
    TooMuch,
    #[error("{}", error_text(.0))]
    System(#[from] io::Error),
}

/// Runs a command to its end. Blocks. `gone` reports a hang-up when the request is gone.
fn run(command: &str, limit: Duration, gone: &PipeReader) -> Result<Finished, Unfinished> {
    let until = Instant::now().checked_add(limit);
    let mut group = Group::spawn(command)?;
    let exit = group.exit()?;
    let mut stdout = Stream::new(group.0.stdout.take().map(OwnedFd::from));
    let mut stderr = Stream::new(group.0.stderr.take().map(OwnedFd::from));
    let mut has_exited = false;
    while !has_exited || stdout.source.is_some() || stderr.source.is_some() {
        let left =
            until.map_or(Duration::MAX, |until| until.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(Unfinished::Timeout);
        }
        let mut watched = vec![PollFd::new(gone, PollFlags::IN)];
        watched.extend(
            stdout
                .source
                .iter()
                .chain(&stderr.source)
                .map(|source| PollFd::new(source, PollFlags::IN)),
        );
        if !has_exited {
            watched.push(PollFd::new(&exit, PollFlags::IN));
        }
        match poll(&mut watched, Timespec::try_from(left).ok().as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(io::Error::from(error).into()),
        }
        let mut events = watched
            .iter()
            .map(|watched| !watched.revents().is_empty())
            .collect::<Vec<_>>()
            .into_iter();
        if events.next() == Some(true) {
            return Err(Unfinished::Gone);
        }
        for stream in [&mut stdout, &mut stderr] {
            if stream.source.is_some() && events.next() == Some(true) {
                stream.read()?;
            }
        }
        has_exited |= events.next() == Some(true);
    }
    let status = group.0.wait()?.code().unwrap_or(-1);
    Ok(Finished { status, stdout: stdout.bytes, stderr: stderr.bytes })
}

/// A child that leads a process group. Dropping it kills the group.
struct Group(Child);

impl Group {
    fn spawn(command: &str) -> io::Result<Group> {
        let mut shell = Command::new("sh");
        shell
            .arg("-c")
            .arg(command)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        shell.spawn().map(Group)
    }

    fn pid(&self) -> io::Result<Pid> {
        i32::try_from(self.0.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("no process id"))
    }

    /// Readable once the child has ended.
    fn exit(&self) -> io::Result<OwnedFd> {
        Ok(pidfd_open(self.pid()?, PidfdFlags::empty())?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // While the child has not been waited for, its process number is not reused.
        if let Ok(None) = self.0.try_wait()
            && let Ok(pid) = self.pid()
        {
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// One of the child's two outputs.
struct Stream {
    /// None at the end.
    source: Option<File>,
    bytes: Vec<u8>,
}

impl Stream {
    fn new(source: Option<OwnedFd>) -> Stream {
        Stream { source: source.map(File::from), bytes: Vec::new() }
    }

    /// Takes what is there.
    fn read(&mut self) -> Result<(), Unfinished> {
        let Some(source) = &mut self.source else { return Ok(()) };
        let mut piece = [0; 16 << 10];
        match source.read(&mut piece) {
            Ok(0) => self.source = None,
            Ok(len) => self.bytes.extend_from_slice(piece.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        if self.bytes.len() > OUTPUT_BYTES_MAX { Err(Unfinished::TooMuch) } else { Ok(()) }
    }
}

const DEFAULT_SECONDS: u64 = 10;

/// Of each of the two streams: an eighth of what a Lua state may hold by default.
const OUTPUT_BYTES_MAX: usize = 8 << 20;

#[cfg(test)]
mod tests;
