//! A site: a temporary folder with a configuration and scripts, and the server run on it.

use super::process::Process;
use super::server::Server;
use super::until;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// What a server will be started on. The configuration is JSON, which the server reads like YAML.
pub struct Site {
    folder: TempDir,
    config: Value,
    environment: Vec<(String, String)>,
}

impl Site {
    /// One worker, one Lua backend that lets everybody in whose password is `right`.
    pub fn new() -> Site {
        let folder = tempfile::Builder::new().prefix("loligo-e2e-").tempdir().unwrap();
        // Dovecot's processes, which are other users, read from here.
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let config = json!({
            "server": { "address": "127.0.0.1:0", "workers": 1, "backends": ["lua"] },
            "lua": {
                "config": { "backend_script_path": "backend.lua" },
                "features": [], "filters": [], "actions": [],
                "search": [{ "protocol": ["default", "imap", "pop3", "smtp", "http", "account-provider"], "cache_name": "" }],
            },
        });
        Site { folder, config, environment: Vec::new() }
            .backend(&backend_that_finds_everybody("", r#"request.password == "right""#))
    }

    /// Lays settings over the configuration: tables are merged, all else is replaced.
    pub fn set(mut self, settings: Value) -> Site {
        lay_over(&mut self.config, settings);
        self
    }

    /// Writes a file into the folder.
    pub fn file(self, path: &str, text: &str) -> Site {
        std::fs::write(self.path(path), text).unwrap();
        self
    }

    pub fn backend(self, lua: &str) -> Site {
        self.file("backend.lua", lua)
    }

    pub fn feature(self, name: &str, lua: &str) -> Site {
        self.set(json!({ "server": { "features": ["lua"] } })).script(
            "features",
            name,
            lua,
            json!({}),
        )
    }

    pub fn filter(self, name: &str, lua: &str) -> Site {
        self.script("filters", name, lua, json!({}))
    }

    /// A hook, found at `/api/v1/custom/NAME` by GET.
    pub fn hook(mut self, name: &str, lua: &str) -> Site {
        let file = format!("{name}.lua");
        let hook = json!({ "http_location": name, "http_method": "GET", "script_path": file });
        let hooks = &mut self.config["lua"]["custom_hooks"];
        match hooks {
            Value::Array(hooks) => hooks.push(hook),
            _ => *hooks = json!([hook]),
        }
        self.file(&file, lua)
    }

    /// A variable of the server's environment.
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Site {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    pub fn post_action(self, name: &str, lua: &str) -> Site {
        self.script("actions", name, lua, json!({ "type": "post" }))
    }

    fn script(mut self, list: &str, name: &str, lua: &str, more: Value) -> Site {
        let mut entry = json!({ "name": name, "script_path": format!("{name}.lua") });
        lay_over(&mut entry, more);
        let Value::Array(entries) = &mut self.config["lua"][list] else {
            panic!("{list} is no list")
        };
        entries.push(entry);
        self.file(&format!("{name}.lua"), lua)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the configuration file: where it is.
    pub fn write_config(&self) -> PathBuf {
        let config = self.path("loligo.json");
        std::fs::write(&config, serde_json::to_string_pretty(&self.config).unwrap()).unwrap();
        config
    }

    /// Starts the server and waits for its ready line.
    pub fn start(self) -> Server {
        let config = self.write_config();
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (process, address) =
            serve(self.folder.path(), &config, &environment, &self.path("server.log"));
        Server::new(process, address, self)
    }

    /// Writes a configuration file with other settings laid over: where it is.
    pub(super) fn file_with(&self, name: &str, settings: Value) -> PathBuf {
        let mut config = self.config.clone();
        lay_over(&mut config, settings);
        std::fs::write(self.path(name), config.to_string()).unwrap();
        self.path(name)
    }

    /// Changes settings of a server that runs on this site; it takes them over when it is told to
    /// reload.
    pub(super) fn change(&mut self, settings: Value) {
        lay_over(&mut self.config, settings);
        std::fs::write(
            self.path("loligo.json"),
            serde_json::to_string_pretty(&self.config).unwrap(),
        )
        .unwrap();
    }
}

/// Runs `loligo serve` in `folder` and waits for the ready line of its first address.
pub fn serve(
    folder: &Path,
    config: &Path,
    environment: &[(&str, &str)],
    log: &Path,
) -> (Process, SocketAddr) {
    let mut command = loligo();
    command.current_dir(folder).args(["serve", "-c"]).arg(config).envs(environment.iter().copied());
    let mut process = Process::spawn(&mut command, log);
    let address = until("the ready line", || {
        let ended = process.ended();
        let ready = process
            .log()
            .lines()
            .find_map(|line| line.strip_prefix("loligo ready on ")?.parse().ok());
        assert!(ready.is_some() || ended.is_none(), "the server ended instead of serving");
        ready
    });
    (process, address)
}

/// The program under test, without settings that the environment of the tests may hold.
pub fn loligo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_loligo"));
    let ours = |name: &str| name.starts_with("LOLIGO_") || name.starts_with("NAUTHILUS_");
    for (name, _) in std::env::vars().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command
}

/// A backend that finds whoever asks, under the name that was typed in, and lets in those of whom
/// the Lua expression `accepts` is true. The Lua code `first` runs before.
pub fn backend_that_finds_everybody(first: &str, accepts: &str) -> String {
    format!(
        r#"
        function nauthilus_backend_verify_password(request)
            {first}
            local result = nauthilus_backend_result.new()
            result:user_found(true)
            result:account_field("account")
            result:attributes({{ account = request.username }})
            result:authenticated({accepts})
            return nauthilus_builtin.BACKEND_RESULT_OK, result
        end
        "#
    )
}

/// Merges tables; anything else replaces.
fn lay_over(below: &mut Value, above: Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}
