//! HAProxy that turns away whom a map says to.

use super::http::{Client, Request};
use super::process::{Process, free_port, spawn_on_free_port};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use tempfile::TempDir;

/// Answers 403 to a request whose header `X-Client` names an address that the map blocks until some
/// later time, else 200.
pub struct HaProxy {
    _process: Process,
    port: u16,
    stats_port: u16,
    folder: TempDir,
}

impl HaProxy {
    pub fn start() -> HaProxy {
        let folder = tempfile::Builder::new().prefix("loligo-haproxy-").tempdir().unwrap();
        let path = folder.path().to_str().unwrap().to_owned();
        for map in ["generic.map", "smtp.map"] {
            std::fs::write(folder.path().join(map), "").unwrap();
        }
        let config = folder.path().join("haproxy.cfg");
        let stats_port = Cell::new(0);
        let command = |port: u16| {
            stats_port.set(free_port());
            let text = CONFIG.replace("@FOLDER@", &path).replace("@PORT@", &port.to_string());
            std::fs::write(&config, text.replace("@STATS@", &stats_port.get().to_string()))
                .unwrap();
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(&config);
            command
        };
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let (process, port) =
            spawn_on_free_port(&folder.path().join("haproxy.log"), command, answers);
        HaProxy { _process: process, port, stats_port: stats_port.get(), folder }
    }

    /// `HOST:PORT` of the stats socket.
    pub fn stats(&self) -> String {
        format!("127.0.0.1:{}", self.stats_port)
    }

    /// The file of a map, as HAProxy names it.
    pub fn map(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// What it answers to a client of this address.
    pub fn status_for(&self, client_ip: &str) -> u16 {
        let address = ([127, 0, 0, 1], self.port).into();
        Client::tcp(address).ask(&Request::get("/").header("X-Client", client_ip)).status
    }

    /// The networks in a map.
    pub fn entries(&self, name: &str) -> Vec<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.stats_port)).unwrap();
        stream.write_all(format!("show map {}\n", self.map(name)).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        // An address in memory, the network, the value.
        answer.lines().filter_map(|line| line.split(' ').nth(1).map(str::to_owned)).collect()
    }
}

const CONFIG: &str = "
global
    stats socket ipv4@127.0.0.1:@STATS@ level admin
defaults
    mode http
    timeout connect 20s
    timeout client 20s
    timeout server 20s
frontend test
    bind 127.0.0.1:@PORT@
    http-request set-var(txn.now) date
    http-request return status 403 if { req.hdr_ip(X-Client),map_ip_int(@FOLDER@/generic.map,0),sub(txn.now) gt 0 }
    http-request return status 403 if { req.hdr_ip(X-Client),map_ip_int(@FOLDER@/smtp.map,0),sub(txn.now) gt 0 }
    http-request return status 200
";

/// HAProxy before a server.
pub struct Front {
    _process: Process,
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Front {
    /// `options` are those of the line `server`; `mode`: tcp, or http, where it tells of its client in
    /// `X-Forwarded-For`.
    pub fn start(server: SocketAddr, options: &str, mode: &str) -> Front {
        let folder = tempfile::Builder::new().prefix("loligo-haproxy-").tempdir().unwrap();
        let file = folder.path().join("haproxy.cfg");
        let forwards = if mode == "http" { "option forwardfor" } else { "" };
        let command = |port: u16| {
            let text = FRONT.replace("@PORT@", &port.to_string()).replace("@MODE@", mode);
            let text =
                text.replace("@SERVER@", &server.to_string()).replace("@FORWARDS@", forwards);
            std::fs::write(&file, text.replace("@OPTIONS@", options)).unwrap();
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(&file);
            command
        };
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let (process, port) =
            spawn_on_free_port(&folder.path().join("haproxy.log"), command, answers);
        Front { _process: process, address: ([127, 0, 0, 1], port).into(), _folder: folder }
    }
}

impl Front {
    /// With the configuration `haproxy.cfg` in `folder`, as `loligo integrate haproxy` has written
    /// it. Only its port is changed.
    pub fn printed(folder: TempDir) -> Front {
        let file = folder.path().join("haproxy.cfg");
        let printed = std::fs::read_to_string(&file).unwrap();
        assert!(printed.contains("bind *:9180"), "{printed}");
        let command = |port: u16| {
            let text = printed.replace("bind *:9180", &format!("bind 127.0.0.1:{port}"));
            std::fs::write(&file, text).unwrap();
            let mut command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(&file);
            command
        };
        let answers = |port| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let (process, port) =
            spawn_on_free_port(&folder.path().join("haproxy.log"), command, answers);
        Front { _process: process, address: ([127, 0, 0, 1], port).into(), _folder: folder }
    }
}

const FRONT: &str = "
defaults
    mode @MODE@
    @FORWARDS@
    timeout connect 20s
    timeout client 20s
    timeout server 20s
frontend test
    bind 127.0.0.1:@PORT@
    default_backend loligo
backend loligo
    server loligo @SERVER@ @OPTIONS@
";
