//! Child processes: started with their output in a file, ended on drop.

use super::until;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// A running program. It leads a process group of its own, so that its children end with it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with nothing to read and both outputs appended to the file `log`.
    pub fn spawn(command: &mut Command, log: &Path) -> Process {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = File::options().create(true).append(true).open(log).unwrap();
        let errors = output.try_clone().unwrap();
        let child =
            command.stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0).spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("cannot start {name}: {error}; tests/run installs what the tests need")
        });
        Process { name, child, log: log.to_owned() }
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its log holds `text`.
    pub fn wait_for_log(&mut self, text: &str) {
        until(&format!("{text:?} in the log of {}", self.name), || {
            let found = self.log().contains(text);
            assert!(
                found || self.ended().is_none(),
                "{} ended without {text:?} in its log",
                self.name
            );
            found.then_some(())
        });
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        until(&format!("the end of {}", self.name), || self.child.try_wait().unwrap())
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whatever is left of the group; errors say that nothing is.
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("---- log of {} ----\n{}----", self.name, self.log());
        }
    }
}

/// Starts a program that cannot choose a port by itself and waits until it `answers` there.
///
/// Between our look for a free port and the program's use of it somebody else may take it. Then the
/// program ends, saying so, and the next port is tried; any other end is a failure.
pub fn spawn_on_free_port(
    log: &Path,
    command: impl Fn(u16) -> Command,
    answers: impl Fn(u16) -> bool,
) -> (Process, u16) {
    loop {
        let port = free_port();
        let mut process = Process::spawn(&mut command(port), log);
        let outcome =
            until(&format!("{} to answer on port {port}", process.name), || {
                match process.ended() {
                    Some(status) => Some(Err(status)),
                    None => answers(port).then_some(Ok(())),
                }
            });
        match outcome {
            Ok(()) => return (process, port),
            Err(_) if process.log().contains("in use") => {}
            Err(status) => panic!("{} ended with {status}", process.name),
        }
    }
}

/// A port of the loopback address that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).unwrap().port()
}
