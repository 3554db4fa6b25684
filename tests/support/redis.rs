//! A `redis-server` of the test's own, without persistence, that can be stopped and started again on its port.

use super::process::{Process, spawn_on_free_port};
use super::until;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use tempfile::TempDir;

pub struct Redis {
    process: Option<Process>,
    pub port: u16,
    folder: TempDir,
}

impl Redis {
    pub fn start() -> Redis {
        let folder = tempfile::Builder::new().prefix("loligo-redis-").tempdir().unwrap();
        let log = folder.path().join("redis.log");
        let (process, port) = spawn_on_free_port(&log, |port| command(port, &folder), answers);
        Redis { process: Some(process), port, folder }
    }

    /// Kills it; whatever it held is gone.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        let mut process = Process::spawn(&mut command(self.port, &self.folder), &self.folder.path().join("redis.log"));
        until("Redis to answer again", || {
            assert!(process.ended().is_none(), "redis-server ended");
            answers(self.port).then_some(())
        });
        self.process = Some(process);
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

fn command(port: u16, folder: &TempDir) -> Command {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"]);
    command.arg(folder.path());
    command
}

fn answers(port: u16) -> bool {
    let ping = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        Ok(&reply == b"+PONG\r\n")
    };
    ping().unwrap_or(false)
}
