//! Redis servers of the test's own, without persistence: single ones, replicas, sentinels,
//! clusters. Each can be stopped and started again on its port.
//!
//! The program is `redis-server`, or what the environment variable `TEST_REDIS_SERVER` names
//! (`valkey-server`, say).

use super::process::{Process, free_port, spawn_on_free_port};
use super::until;
use redis::{Connection, FromRedisValue};
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

pub struct Redis {
    process: Option<Process>,
    pub port: u16,
    arguments: Vec<String>,
    folder: TempDir,
}

impl Redis {
    pub fn start() -> Redis {
        Redis::with(&[])
    }

    /// One with further arguments, `--name value`.
    pub fn with(arguments: &[&str]) -> Redis {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        let folder = tempfile::Builder::new().prefix("loligo-redis-").tempdir().unwrap();
        let log = folder.path().join("redis.log");
        let (process, port) =
            spawn_on_free_port(&log, |port| command(port, &folder, &arguments), answers);
        Redis { process: Some(process), port, arguments, folder }
    }

    /// One that replicates `master`, and has caught up with it.
    pub fn replica_of(master: &Redis, arguments: &[&str]) -> Redis {
        let port = master.port.to_string();
        let replica = Redis::with(
            &[&["--replicaof", "127.0.0.1", &port, "--repl-diskless-sync-delay", "0"], arguments]
                .concat(),
        );
        until("the replica to be in step", || {
            replica.info("replication").contains("master_link_status:up").then_some(())
        });
        replica
    }

    /// Waits until this replica has heard of everything that was written to `master` so far.
    pub fn catch_up_with(&self, master: &Redis) {
        let offset = |redis: &Redis, field: &str| -> u64 {
            let info = redis.info("replication");
            info.lines().find_map(|line| line.strip_prefix(field)?.parse().ok()).unwrap_or(0)
        };
        let wanted = offset(master, "master_repl_offset:");
        until("the replica to be in step", || {
            (offset(self, "slave_repl_offset:") >= wanted).then_some(())
        });
    }

    /// Kills it; whatever it held is gone.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.restart_until(answers);
    }

    /// Starts it again where it was, up to where it loads what it saved.
    pub fn restart_loading(&mut self) {
        self.restart_until(|port| says(port).is_some_and(|reply| reply.starts_with(b"-LOADIN")));
    }

    fn restart_until(&mut self, is_there: impl Fn(u16) -> bool) {
        let mut command = command(self.port, &self.folder, &self.arguments);
        let mut process = Process::spawn(&mut command, &self.folder.path().join("redis.log"));
        until("Redis to answer again", || {
            assert!(process.ended().is_none(), "redis-server ended");
            is_there(self.port).then_some(())
        });
        self.process = Some(process);
    }

    /// Stops it from running without ending it, as a machine that hangs would.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        self.process.as_ref().unwrap().signal(signal);
    }

    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    fn connect(&self) -> redis::RedisResult<Connection> {
        let connection =
            redis::Client::open(format!("redis://127.0.0.1:{}", self.port))?.get_connection()?;
        connection.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(connection)
    }

    /// The reply to a command, its words separated by blanks.
    ///
    /// # Panics
    /// The reply is an error.
    pub fn ask<T: FromRedisValue>(&self, command: &str) -> T {
        self.try_ask(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    pub fn try_ask<T: FromRedisValue>(&self, command: &str) -> redis::RedisResult<T> {
        let mut words = command.split(' ');
        let mut packed = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            packed.arg(word);
        });
        packed.query(&mut self.connect()?)
    }

    fn info(&self, section: &str) -> String {
        self.try_ask(&format!("INFO {section}")).unwrap_or_default()
    }

    /// How often a command has been called, by anybody.
    pub fn calls(&self, command: &str) -> u64 {
        let prefix = format!("cmdstat_{command}:calls=");
        let stats = self.info("commandstats");
        stats
            .lines()
            .find_map(|line| line.strip_prefix(&prefix)?.split(',').next()?.parse().ok())
            .unwrap_or(0)
    }
}

/// Three sentinels that watch a set named `set`.
pub struct Sentinels(Vec<(Process, u16, TempDir)>);

impl Sentinels {
    /// Waits until they know each other and the master's replica. With `password`, they want it of
    /// whoever asks.
    pub fn watch(master: &Redis, password: &str) -> Sentinels {
        let sentinels = Sentinels((0..3).map(|_| sentinel(master.port, password)).collect());
        until("the sentinels to know each other", || {
            let know = |port: &u16| sentinel_info(*port, password).contains("slaves=1,sentinels=3");
            sentinels.ports().all(|port| know(&port)).then_some(())
        });
        sentinels
    }

    pub fn addresses(&self) -> Vec<String> {
        self.ports().map(|port| format!("127.0.0.1:{port}")).collect()
    }

    fn ports(&self) -> impl Iterator<Item = u16> {
        self.0.iter().map(|(_, port, _)| *port)
    }
}

fn sentinel(master: u16, password: &str) -> (Process, u16, TempDir) {
    let folder = tempfile::Builder::new().prefix("loligo-sentinel-").tempdir().unwrap();
    let file = folder.path().join("sentinel.conf");
    let access = if password.is_empty() {
        String::new()
    } else {
        format!("requirepass {password}\nsentinel sentinel-pass {password}\n")
    };
    let config = format!(
        "bind 127.0.0.1\ndir {}\nsentinel monitor set 127.0.0.1 {master} 2\nsentinel down-after-milliseconds set 500\n\
         sentinel failover-timeout set 2000\nsentinel parallel-syncs set 1\n{access}",
        folder.path().display()
    );
    std::fs::write(&file, config).unwrap();
    let command = |port: u16| {
        let mut command = Command::new(program());
        command.arg(&file).args(["--sentinel", "--port", &port.to_string()]);
        command
    };
    let (process, port) =
        spawn_on_free_port(&folder.path().join("sentinel.log"), command, |port| {
            redis::Client::open(sentinel_url(port, password)).unwrap().get_connection().is_ok()
        });
    (process, port, folder)
}

fn sentinel_info(port: u16, password: &str) -> String {
    let info = || -> redis::RedisResult<String> {
        let mut connection = redis::Client::open(sentinel_url(port, password))?.get_connection()?;
        redis::cmd("INFO").arg("sentinel").query(&mut connection)
    };
    info().unwrap_or_default()
}

fn sentinel_url(port: u16, password: &str) -> String {
    if password.is_empty() {
        format!("redis://127.0.0.1:{port}")
    } else {
        format!("redis://:{password}@127.0.0.1:{port}")
    }
}

/// Three masters of one cluster, each with a third of the slots.
pub struct Cluster(pub Vec<Redis>);

impl Cluster {
    pub fn start() -> Cluster {
        let nodes: Vec<Redis> = (0..3).map(|_| cluster_node()).collect();
        for (number, node) in nodes.iter().enumerate() {
            let (first, last) = (16384 * number / 3, 16384 * (number + 1) / 3 - 1);
            let _: () = node.ask(&format!("CLUSTER ADDSLOTSRANGE {first} {last}"));
            let _: () = node.ask(&format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1));
        }
        for node in nodes.iter().skip(1) {
            let bus: String = node.ask::<Vec<String>>("CONFIG GET cluster-port")[1].clone();
            let _: () = nodes[0].ask(&format!("CLUSTER MEET 127.0.0.1 {} {bus}", node.port));
        }
        let cluster = Cluster(nodes);
        until("the cluster to be whole", || {
            let whole = |node: &Redis| {
                let info: String = node.ask("CLUSTER INFO");
                info.contains("cluster_state:ok")
                    && info.contains("cluster_known_nodes:3")
                    && info.contains("cluster_slots_ok:16384")
            };
            cluster.0.iter().all(whole).then_some(())
        });
        cluster
    }

    pub fn addresses(&self) -> Vec<String> {
        self.0.iter().map(Redis::address).collect()
    }

    /// The number of the node that serves a slot, as it was at the start.
    pub fn of_slot(slot: usize) -> usize {
        (0..3).find(|number| slot < 16384 * (number + 1) / 3).unwrap()
    }
}

fn cluster_node() -> Redis {
    let bus = free_port().to_string();
    // A bus port that was taken meanwhile ends the node, which says so and is started on other
    // ports.
    Redis::with(&[
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        &bus,
        "--cluster-node-timeout",
        "2000",
        "--cluster-require-full-coverage",
        "no",
    ])
}

fn program() -> String {
    std::env::var("TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned())
}

fn command(port: u16, folder: &TempDir, arguments: &[String]) -> Command {
    let mut command = Command::new(program());
    command.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--appendonly",
        "no",
        "--dir",
    ]);
    command.arg(folder.path()).args(arguments);
    command
}

/// Whether there is somebody who speaks Redis, though perhaps not to us.
fn answers(port: u16) -> bool {
    says(port).is_some_and(|reply| &reply == b"+PONG\r\n" || &reply == b"-NOAUTH")
}

/// The start of the reply to PING.
fn says(port: u16) -> Option<[u8; 7]> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.write_all(b"PING\r\n").ok()?;
    let mut reply = [0; 7];
    stream.read_exact(&mut reply).ok()?;
    Some(reply)
}
