//! The server under test, running.

use super::http::{Answer, Client, Request};
use super::process::Process;
use super::site::{Site, loligo};
use super::until;
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::ExitStatus;
use tempfile::TempDir;

pub struct Server {
    process: Process,
    pub address: SocketAddr,
    /// Dropped after the process.
    site: Site,
}

impl Server {
    pub(super) fn new(process: Process, address: SocketAddr, site: Site) -> Server {
        Server { process, address, site }
    }

    pub fn connect(&self) -> Client {
        Client::tcp(self.address)
    }

    /// The last TCP address that it said to be ready on.
    pub fn last_address(&self) -> SocketAddr {
        let log = self.log();
        let ready = |line: &str| line.strip_prefix("loligo ready on ")?.parse().ok();
        log.lines().rev().find_map(ready).unwrap()
    }

    /// The answer to one request on a connection of its own.
    pub fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request)
    }

    /// The answer to a login at the service `header`.
    pub fn login(&self, user: &str, password: &str) -> Answer {
        self.ask(&Request::login(user, password))
    }

    /// A number on the page of metrics, by its name and labels as they stand there.
    pub fn metric(&self, series: &str) -> f64 {
        let page = self.ask(&Request::get("/metrics")).text();
        let number = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok());
        number.unwrap_or_else(|| panic!("no metric {series} in {page}"))
    }

    /// Waits until a number on the page of metrics is this one.
    pub fn wait_until(&self, series: &str, number: f64) {
        until(&format!("{series} to be {number}"), || {
            (self.metric(series) == number).then_some(())
        });
    }

    /// The process's number.
    pub fn pid(&self) -> i32 {
        self.process.pid().as_raw_nonzero().get()
    }

    /// A file of the server's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.site.path(name)
    }

    /// Writes a file into the server's folder.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// How many files it may have open: the soft and the hard limit.
    pub fn limits_of_files(&self) -> (String, String) {
        let limits = std::fs::read_to_string(format!(
            "/proc/{}/limits",
            self.process.pid().as_raw_nonzero()
        ))
        .unwrap();
        let line = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"))
            .unwrap_or_else(|| panic!("no limit of open files in {limits}"));
        let mut words = line.split_ascii_whitespace().map(str::to_owned);
        (words.next().unwrap(), words.next().unwrap())
    }

    /// Lets it open no more than so many files at a time.
    pub fn limit_files(&self, count: u64) {
        prlimit(
            Some(self.process.pid()),
            Resource::Nofile,
            Rlimit { current: Some(count), maximum: Some(count) },
        )
        .unwrap();
    }

    /// Makes a FIFO that nobody writes to or reads.
    pub fn make_fifo(&self, name: &str) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, self.path(name), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    }

    /// Waits until a script has made a file.
    pub fn wait_for_file(&self, name: &str) {
        let path = self.path(name);
        until(&format!("the file {name}"), || path.exists().then_some(()));
    }

    /// The configuration file of this server as a client needs it: with other settings laid over,
    /// which name the ports that the server chose.
    pub fn config_with(&self, settings: Value) -> PathBuf {
        self.site.file_with("asked.json", settings)
    }

    /// The files that `loligo integrate` makes, in a folder of their own. `arguments` begin with the
    /// client.
    pub fn integrate(&self, settings: Value, arguments: &[&str]) -> TempDir {
        let folder = tempfile::Builder::new().prefix("loligo-integrate-").tempdir().unwrap();
        // Dovecot's processes, which are other users, read from here.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let output = loligo()
            .current_dir(self.path(""))
            .arg("integrate")
            .args(arguments)
            .arg("-c")
            .arg(self.config_with(settings))
            .arg("--into")
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        folder
    }

    /// Its own address, as a setting.
    pub fn address_setting(&self) -> Value {
        json!({ "server": { "address": self.address.to_string() } })
    }

    /// Runs a command of the program that asks this server: what it prints.
    ///
    /// # Panics
    /// It fails.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Value {
        // The server's own configuration leaves the port open.
        let config = self.config_with(self.address_setting());
        let output = loligo()
            .current_dir(self.path(""))
            .arg(name)
            .arg("-c")
            .arg(config)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Runs a command of the program that asks this server: its exit status, and what it prints to
    /// standard output and to standard error.
    pub fn run_command(&self, arguments: &[&str]) -> (i32, String, String) {
        let config = self.config_with(self.address_setting());
        let mut command = loligo();
        command.current_dir(self.path("")).args(arguments).arg("-c").arg(config);
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn wait_for_log(&mut self, text: &str) {
        self.process.wait_for_log(text);
    }

    /// Lays settings over the configuration file; [`Server::reload`] makes them count.
    pub fn change(&mut self, settings: Value) {
        self.site.change(settings);
    }

    /// Has it reload, and waits until it says whether it did: true if so.
    pub fn reload(&mut self) -> bool {
        let count = |log: &str, text: &str| log.matches(text).count();
        let before = self.log();
        self.process.signal(Signal::HUP);
        until("the end of a reload", || {
            let log = self.log();
            let more = |text| count(&log, text) > count(&before, text);
            if more("configuration reloaded") {
                Some(true)
            } else {
                more("configuration reload failed").then_some(false)
            }
        })
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Tells it to stop; [`Server::wait`] waits for the end.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    pub fn wait(&mut self) -> ExitStatus {
        self.process.wait()
    }
}
