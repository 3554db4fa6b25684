//! Scripts that wait for everything there is and are given up, by their clients, by their own time
//! or by the request's: nothing of theirs stays.
//!
//! A thousand at a time on one worker, each in one of the kinds of wait that a script has, against
//! services that never answer; several rounds. After each, the connections, files and operations
//! are as many as before, and memory does not grow from round to round.

use crate::support::redis::Redis;
use crate::support::{PATIENCE, Request, Server, Site, until};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const AT_ONCE: usize = 1000;

/// After a first one, which fills what is kept on purpose: idle coroutines, buffers, threads.
const ROUNDS: usize = 3;

/// Waits in one of the kinds, and whatever comes of that, goes on waiting.
const WAITS: &str = r#"
local cmd, db, dns, http = require("cmd"), require("db"), require("nauthilus_dns"), require("glua_http")
local ldap, mail, misc, password = require("nauthilus_ldap"), require("nauthilus_mail"), require("nauthilus_misc"), require("nauthilus_password")
local query, redis, tcp, time = require("nauthilus_http_request"), require("nauthilus_redis"), require("tcp"), require("time")

local function connection()
    local open = assert(tcp.open("@SILENT@", 3600))
    open.readTimeout, open.writeTimeout = 3600, 3600
    return open
end

local function rows(driver, address, options)
    return assert(db.open(driver, address, options or {})):query("SELECT 1")
end

local kinds = {
    sleep = function() time.sleep(3600) end,
    delay = function() return misc.wait_random(3600000, 3600001) end,
    redis = function() return redis.redis_get("default", "key") end,
    pipeline = function() return redis.redis_pipeline("default", "write", { { "set", "key", "1" }, { "get", "key" } }) end,
    dns = function(name) return dns.resolve(name .. ".example.") end,
    http = function() return http.get("http://@SILENT@/", { timeout = "3600s" }) end,
    batch = function() return http.request_batch({ { "GET", "http://@SILENT@/1" }, { "GET", "http://@SILENT@/2" } }) end,
    tls = function() return http.get("https://@SILENT@/", { timeout = "3600s" }) end,
    open = function() return tcp.open("@FULL@", 3600) end,
    read = function() return connection():read() end,
    write = function()
        local open = connection()
        while true do open:write(string.rep("x", 1048576)) end
    end,
    mail = function()
        return mail.send_mail({ server = "127.0.0.1", port = @PORT@, from = "a@example.org", to = { "b@example.org" }, subject = "", body = "" })
    end,
    ldap = function()
        return ldap.ldap_search({ pool_name = "default", session = "", basedn = "o=x", filter = "(uid=x)", scope = "sub", attributes = { "uid" } })
    end,
    mysql = function() return rows("mysql", "user:password@tcp(@SILENT@)/mail") end,
    postgres = function() return rows("postgres", "postgres://user:password@@SILENT@/mail?sslmode=disable") end,
    line = function()
        return rows("postgres", "postgres://user:password@@SILENT@/line?sslmode=disable", { shared = true, max_connections = 1 })
    end,
    hash = function() return password.compare_passwords("@HASH@", "wrong") end,
    command = function() return cmd.exec("exec sleep 3600", 3600) end,
}

function nauthilus_run_hook()
    local kind = query.get_http_query_param("kind")
    print("begins " .. kind)
    local _, result, err = pcall(kinds[kind], query.get_http_query_param("name"))
    print("goes on after " .. kind, result, err)
    time.sleep(3600)
end
"#;

const KINDS: [&str; 18] = [
    "sleep", "delay", "redis", "pipeline", "dns", "http", "batch", "tls", "open", "read", "write",
    "mail", "ldap", "mysql", "postgres", "line", "hash", "command",
];

/// Makes garbage, so that the collector goes round.
const CHURN: &str = r#"
function nauthilus_run_hook()
    local garbage = {}
    for i = 1, 5000 do garbage[i % 10] = { i } end
    return {}
end
"#;

/// Of these no more than [`FEW`]: password checks take their turns on one thread, and who cannot
/// write on has filled megabytes of the kernel's.
const COSTLY: [&str; 2] = ["hash", "write"];
const FEW: usize = 8;

/// Takes a tenth of a second or more.
const HASH_COST: u32 = 11;

/// Services that let everybody connect and then neither read nor say anything.
struct Silence {
    tcp: SocketAddr,
    /// Takes no connection any more: its queue is full.
    full: SocketAddr,
    dns: UdpSocket,
    /// What it has taken.
    held: Arc<Mutex<Vec<TcpStream>>>,
    _queue: (Socket, Vec<TcpStream>),
}

impl Silence {
    fn new() -> Silence {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Little is taken in, so that who writes must wait.
        SockRef::from(&listener).set_recv_buffer_size(4096).unwrap();
        let (tcp, held) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<_>>>::default());
        let holder = held.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                holder.lock().unwrap().push(stream);
            }
        });
        let queue = full_queue();
        let full = queue.0.local_addr().unwrap().as_socket().unwrap();
        Silence { tcp, full, dns: UdpSocket::bind("127.0.0.1:0").unwrap(), held, _queue: queue }
    }

    /// Lets go of all connections.
    fn forget(&self) {
        self.held.lock().unwrap().clear();
    }
}

/// A listener that accepts nobody, and connections that fill its queue.
fn full_queue() -> (Socket, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
    let waiting = std::iter::from_fn(connect).collect();
    (listener, waiting)
}

/// The server, and all that it waits for in vain.
struct Bench {
    server: Server,
    silence: Silence,
    redis: Redis,
    rounds: usize,
}

/// What is counted.
#[derive(Debug)]
struct Counts {
    requests: f64,
    clients: f64,
    upstream: f64,
    waits: f64,
    files: f64,
}

impl Bench {
    fn new(timeouts: Value) -> Bench {
        allow_many_files();
        let (silence, redis) = (Silence::new(), Redis::start());
        let script = WAITS
            .replace("@SILENT@", &silence.tcp.to_string())
            .replace("@PORT@", &silence.tcp.port().to_string())
            .replace("@FULL@", &silence.full.to_string())
            .replace("@HASH@", &bcrypt::hash("right", HASH_COST).unwrap());
        let settings = json!({
            "server": {
                "timeouts": timeouts,
                "redis": { "read_timeout": "60s", "write_timeout": "60s", "master": { "address": redis.address() } },
                "dns": { "resolver": silence.dns.local_addr().unwrap().to_string(), "timeout": "30s" },
            },
            "ldap": { "config": { "server_uri": [format!("ldap://{}", silence.tcp)], "lookup_pool_only": true, "lookup_pool_size": 4,
                "retry_max": 0, "connect_abort_timeout": "10m", "bind_timeout": "10m", "search_timeout": "10m" } },
        });
        let server = Site::new().set(settings).hook("wait", &script).hook("churn", CHURN).start();
        Bench { server, silence, redis, rounds: 0 }
    }

    /// Sends all requests of a round, whose Redis hangs from now on.
    fn begin(&mut self) -> Vec<TcpStream> {
        until("Redis", || {
            (self.server.metric("loligo_redis_up{pool_name=\"default\"}") == 1.0).then_some(())
        });
        self.redis.freeze();
        self.rounds += 1;
        (0..AT_ONCE).map(|number| self.send(KINDS[number % KINDS.len()], number)).collect()
    }

    fn send(&self, kind: &str, number: usize) -> TcpStream {
        let kind =
            if COSTLY.contains(&kind) && number / KINDS.len() >= FEW { "sleep" } else { kind };
        let request = Request::get(&format!(
            "/api/v1/custom/wait?kind={kind}&name=r{}n{number}",
            self.rounds
        ));
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(&request.bytes()).unwrap();
        stream
    }

    /// Waits until all of a round wait, and sees that some wait in each kind.
    fn wait_until_all_wait(&self) {
        let begun = |log: &str, kind: &str| log.matches(&format!("begins {kind}\n")).count();
        until("all scripts to wait", || {
            let log = self.server.log();
            let all: usize = KINDS.iter().map(|kind| begun(&log, kind)).sum();
            (all == self.rounds * AT_ONCE && self.counts().requests == AT_ONCE as f64).then_some(())
        });
        let log = self.server.log();
        for kind in KINDS {
            let gone_on = log.matches(&format!("goes on after {kind}\t")).count();
            assert!(gone_on < begun(&log, kind), "no script waits in {kind}");
        }
    }

    fn counts(&self) -> Counts {
        Counts {
            requests: self.server.metric("server_concurrent_requests"),
            clients: self.server.metric("loligo_connections_open"),
            upstream: self.server.metric("loligo_upstream_connections_open"),
            waits: self.server.metric("loligo_waits"),
            files: self.server.metric("process_open_fds"),
        }
    }

    /// Waits until no more is counted than before the round, whoever asks for the counts among it.
    fn wait_until_as(&self, before: &Counts) {
        until(&format!("nothing to be left: {before:?}, not {:?}", self.counts()), || {
            let now = self.counts();
            let same = now.requests <= before.requests
                && now.clients <= before.clients
                && now.upstream <= before.upstream;
            (same && now.waits <= before.waits && now.files <= before.files).then_some(())
        });
        // Late answers are for nobody.
        self.silence.forget();
        self.redis.thaw();
        until("Redis's late answers", || {
            (self.server.metric("loligo_redis_in_flight{pool_name=\"default\"}") == 0.0)
                .then_some(())
        });
    }

    /// Memory of the Lua state without its garbage, and of the process, in bytes.
    fn memory(&self) -> (f64, f64) {
        let (mut lua, mut all) = (f64::MAX, f64::MAX);
        for _ in 0..CHURNS {
            assert_eq!(self.server.ask(&Request::get("/api/v1/custom/churn")).status, 200);
            lua = lua.min(self.server.metric("loligo_lua_memory_bytes{worker=\"0\"}"));
            all = all.min(self.server.metric("process_resident_memory_bytes"));
        }
        (lua, all)
    }

    /// Rounds that `give_up` ends, before and after which everything is counted.
    fn run(mut self, mut give_up: impl FnMut(&Bench, Vec<TcpStream>)) {
        let mut memory = Vec::new();
        for _ in 0..=ROUNDS {
            // What the first round has opened for good (to Redis, a thread's pipe) is open before
            // the second.
            let files = if memory.is_empty() { f64::MAX } else { self.counts().files };
            let before =
                Counts { requests: 0.0, clients: 1.0, upstream: 0.0, waits: STANDING_TASKS, files };
            let clients = self.begin();
            give_up(&self, clients);
            self.wait_until_as(&before);
            memory.push(self.memory());
        }
        let ((lua_first, first), (lua_last, last)) = (memory[0], memory[ROUNDS]);
        assert!(lua_last - lua_first < LUA_LEAK_BYTES, "the Lua state grows: {memory:?}");
        assert!(last - first < LEAK_BYTES, "the process grows: {memory:?}");
    }
}

/// What the background worker has under way at any time waits, too.
const STANDING_TASKS: f64 = 4.0;

/// Together they make several times what the state holds.
const CHURNS: usize = 200;

/// What all rounds after the first would leave in the Lua state if each request left no more than a
/// table or two; a coroutine is a thousand bytes.
const LUA_LEAK_BYTES: f64 = (ROUNDS * AT_ONCE * 256) as f64;

/// The same for the process, if each request left no more than its task; the allocator keeps some
/// ten megabytes more one time than another.
const LEAK_BYTES: f64 = (ROUNDS * AT_ONCE * 8192) as f64;

/// Clients, the server's ends of them, and what it waits for: more files than many systems give a
/// process that does not ask for them.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    assert!(
        maximum.is_none_or(|most| most >= FILES),
        "the tests need {FILES} open files (ulimit -Hn)"
    );
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum }).unwrap();
}

/// Three tests may run at a time, each with a thousand clients and as many connections of the
/// server to [`Silence`].
const FILES: u64 = 8192;

#[test]
fn of_clients_that_leave() {
    Bench::new(
        json!({ "request": "10m", "lua_script": "10m", "redis_read": "10m", "redis_write": "10m" }),
    )
    .run(|bench, clients| {
        bench.wait_until_all_wait();
        // A reset: who merely sends no more may still wait for the answer.
        for client in &clients {
            SockRef::from(client).set_linger(Some(Duration::ZERO)).unwrap();
        }
        drop(clients);
    });
}

#[test]
fn of_scripts_whose_time_is_over() {
    let timeouts =
        json!({ "request": "10m", "lua_script": "2s", "redis_read": "10m", "redis_write": "10m" });
    Bench::new(timeouts).run(|_, clients| all_are_answered(clients));
}

#[test]
fn of_requests_whose_time_is_over() {
    let timeouts =
        json!({ "request": "2s", "lua_script": "10m", "redis_read": "10m", "redis_write": "10m" });
    Bench::new(timeouts).run(|_, clients| all_are_answered(clients));
}

fn all_are_answered(clients: Vec<TcpStream>) {
    for mut client in clients {
        let mut answer = [0; 12];
        client.read_exact(&mut answer).unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 "), "{}", answer.escape_ascii());
    }
}
