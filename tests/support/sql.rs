//! A MariaDB and a PostgreSQL of the tests' own, in temporary folders, and scripts that talk to
//! them.
//!
//! Servers that several tests share are started by the first of them and end with the process,
//! however that ends: a shell that waits at a pipe of ours kills them and removes their folder.
//! PostgreSQL refuses to run as root; there it runs as `postgres`.

use super::http::{Answer, Request};
use super::process::free_port;
use super::server::Server;
use super::site::Site;
use super::until;
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A database server, running.
pub struct Database {
    /// What it is started by again.
    command: Vec<String>,
    /// The signal that ends it at once.
    signal: &'static str,
    keeper: Option<Child>,
    pub folder: PathBuf,
    pub port: u16,
}

impl Database {
    /// A MariaDB with the database `mail`, the user `auth` (password `secret`) and root without a
    /// password.
    pub fn mariadb() -> Database {
        Database::mariadb_at(free_port(), MARIADB_SETUP)
    }

    /// One at a given port that runs these statements, one a line, whenever it starts.
    pub fn mariadb_at(port: u16, setup: &str) -> Database {
        let folder = folder("mariadb");
        let data = folder.join("data");
        run(Command::new("mariadb-install-db")
            .args([
                "--no-defaults",
                "--skip-test-db",
                "--auth-root-authentication-method=normal",
                "--user=root",
            ])
            .arg(format!("--datadir={}", data.display())));
        std::fs::write(folder.join("init.sql"), setup).unwrap();
        certificate(&folder);
        let path = |name: &str| folder.join(name).display().to_string();
        let command = [
            "mariadbd".into(),
            "--no-defaults".into(),
            "--user=root".into(),
            format!("--datadir={}", data.display()),
            format!("--socket={}", path("db.sock")),
            format!("--pid-file={}", path("db.pid")),
            format!("--init-file={}", path("init.sql")),
            format!("--ssl-cert={}", path("cert.pem")),
            format!("--ssl-key={}", path("key.pem")),
            format!("--port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--skip-name-resolve".into(),
            "--skip-log-bin".into(),
            "--innodb-flush-log-at-trx-commit=0".into(),
            "--innodb-buffer-pool-size=16M".into(),
            "--performance-schema=OFF".into(),
        ];
        Database { command: command.into(), signal: "KILL", keeper: None, folder, port }.started()
    }

    /// A PostgreSQL with the database `mail` and the users `auth` (SCRAM), `old` (MD5) and `plain`
    /// (clear text), password `secret`.
    pub fn postgres() -> Database {
        let folder = folder("postgres");
        let data = folder.join("data");
        certificate(&folder);
        let is_root = rustix::process::geteuid().is_root();
        if is_root {
            run(Command::new("chown").args(["-R", "postgres"]).arg(&folder));
        }
        let bin = postgres_bin();
        let as_user = |program: &str| -> Vec<String> {
            let program = bin.join(program).display().to_string();
            if is_root {
                ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", &program]
                    .map(str::to_owned)
                    .into()
            } else {
                vec![program]
            }
        };
        let initdb = as_user("initdb");
        run(Command::new(&initdb[0])
            .args(&initdb[1..])
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data));
        let single = as_user("postgres");
        for (database, statements) in [("postgres", POSTGRES_SETUP), ("mail", POSTGRES_TABLES)] {
            let mut command = Command::new(&single[0]);
            command.args(&single[1..]).arg("--single").arg("-D").arg(&data).arg(database);
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
            assert!(child.wait().unwrap().success());
        }
        std::fs::write(data.join("pg_hba.conf"), POSTGRES_ACCESS).unwrap();
        let port = free_port();
        let mut command = as_user("postgres");
        command.extend(["-D".into(), data.display().to_string()]);
        let path = |name: &str| folder.join(name).display().to_string();
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".into(),
            format!("unix_socket_directories={}", folder.display()),
            "ssl=on".into(),
            format!("ssl_cert_file={}", path("cert.pem")),
            format!("ssl_key_file={}", path("key.pem")),
            "fsync=off".into(),
        ] {
            command.extend(["-c".into(), setting]);
        }
        Database { command, signal: "QUIT", keeper: None, folder, port }.started()
    }

    /// Ends it at once, whatever it is doing.
    pub fn stop(&mut self) {
        std::fs::write(self.path("stays"), "").unwrap();
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn started(mut self) -> Database {
        self.start();
        self
    }

    fn start(&mut self) {
        let before = std::fs::metadata(self.path("db.log")).map_or(0, |about| about.len() as usize);
        let log =
            std::fs::File::options().create(true).append(true).open(self.path("db.log")).unwrap();
        let mut command = Command::new("bash");
        command.arg("-c").arg(KEEPER).arg(&self.folder).arg(self.signal).args(&self.command);
        command.process_group(0).stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log);
        self.keeper =
            Some(command.spawn().unwrap_or_else(|error| panic!("cannot start bash: {error}")));
        let is_ready = |log: &str| {
            log.contains("ready for connections") || log.contains("ready to accept connections")
        };
        until("the database to be ready", || {
            let log =
                std::fs::read_to_string(self.path("db.log")).unwrap_or_default().split_off(before);
            let ended =
                self.keeper.as_mut().is_some_and(|keeper| keeper.try_wait().unwrap().is_some());
            assert!(!ended, "the database ended:\n{log}");
            (is_ready(&log) && TcpStream::connect(("127.0.0.1", self.port)).is_ok()).then_some(())
        });
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "---- log of the database ----\n{}----",
                std::fs::read_to_string(self.path("db.log")).unwrap_or_default()
            );
        }
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A server with one hook, whose script is `lua` behind `local db = require("db")`. What its
/// function returns may be anything: hooks must return maps, and so it is put into one.
pub fn script(lua: &str) -> Server {
    script_with(lua, json!({}))
}

/// As [`script`], with settings laid over the configuration.
pub fn script_with(lua: &str, settings: Value) -> Server {
    let site =
        Site::new().file("hook.lua", &format!("local db = require(\"db\")\n{lua}\n{WRAPPER}"));
    let hook = json!({ "http_location": "sql", "http_method": "POST", "script_path": "hook.lua" });
    site.set(json!({ "lua": { "custom_hooks": [hook] } })).set(settings).start()
}

/// Asks the hook, with a body for the script.
pub fn ask(server: &Server, body: &str) -> Value {
    let answer = server.ask(&request(body));
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}\n{}", server.log());
    value(&answer)
}

/// What the hook's function returned.
pub fn value(answer: &Answer) -> Value {
    let text = answer.text();
    let mut whole: Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    whole["result"].take()
}

pub fn request(body: &str) -> Request {
    Request::post("/api/v1/custom/sql", "text/plain", body)
}

/// What the body of a function returns that has `db` and `open(options)`, which opens `address`.
pub fn eval(driver: &str, address: &str, body: &str) -> Value {
    let open = format!(
        "local function open(options) return assert(db.open({driver:?}, [==[{address}]==], options or {{}})) end"
    );
    ask(&script(&format!("{open}\nfunction nauthilus_run_hook()\n{body}\nend")), "")
}

/// What statements say that are run over one shared connection, each list by a request of its own:
/// the first value of each, or the error.
pub fn in_requests(driver: &str, address: &str, requests: &[&[&str]]) -> Vec<Value> {
    let lua = format!(
        r#"
        local http, json = require("nauthilus_http_request"), require("json")
        function nauthilus_run_hook()
            local h = assert(db.open({driver:?}, [==[{address}]==], {{ shared = true, max_connections = 1 }}))
            local out = {{}}
            for place, sql in ipairs(assert(json.decode(http.get_http_request_body()))) do
                local reads = sql:find("^SELECT") or sql:find("^EXECUTE")
                local r, err = h[reads and "query" or "command"](h, sql)
                local row = reads and r and r.rows[1]
                out[place] = err or tostring(row and row[1])
            end
            return out
        end
        "#
    );
    let server = script_with(&lua, json!({ "server": { "workers": 1 } }));
    requests.iter().map(|statements| ask(&server, &json!(statements).to_string())).collect()
}

fn folder(name: &str) -> PathBuf {
    let folder =
        tempfile::Builder::new().prefix(&format!("loligo-{name}-")).tempdir().unwrap().keep();
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
    folder
}

/// A certificate for `localhost`, which is its own authority.
fn certificate(folder: &Path) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(folder.join("cert.pem"), made.cert.pem()).unwrap();
    let key = folder.join("key.pem");
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| {
        panic!("cannot start {command:?}: {error}; tests/run installs what the tests need")
    });
    assert!(
        output.status.success(),
        "{command:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Debian keeps each version's programs in a folder of its own.
fn postgres_bin() -> PathBuf {
    let found = std::fs::read_dir("/usr/lib/postgresql")
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .max();
    found.unwrap_or_default()
}

const WRAPPER: &str = "local run = nauthilus_run_hook function nauthilus_run_hook(...) return { result = run(...) } end";

/// Runs a server in a process group of its own, which is ended as a whole when our end of the pipe
/// closes, and removes its folder unless somebody will come back to it. Arguments: folder, signal,
/// the server's command.
const KEEPER: &str = r#"set -m
signal=$1; shift
"$@" </dev/null &
cat >/dev/null
kill -"$signal" -- -$!
wait
[ -e "$0/stays" ] || rm -rf "$0""#;

const MARIADB_SETUP: &str = "
CREATE DATABASE IF NOT EXISTS mail CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS auth@'%' IDENTIFIED BY 'secret';
CREATE USER IF NOT EXISTS auth@localhost IDENTIFIED BY 'secret';
GRANT ALL ON mail.* TO auth@'%';
GRANT ALL ON mail.* TO auth@localhost;
";

const POSTGRES_SETUP: &str = "CREATE USER auth PASSWORD 'secret'
SET password_encryption = 'md5'; CREATE USER old PASSWORD 'secret'
CREATE USER plain PASSWORD 'secret'
CREATE DATABASE mail OWNER auth
";

const POSTGRES_TABLES: &str = "GRANT ALL ON SCHEMA public TO PUBLIC
";

const POSTGRES_ACCESS: &str = "
local all all scram-sha-256
host all plain all password
host all old all md5
host all all all scram-sha-256
";
