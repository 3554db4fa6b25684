//! `lua`: the operator's scripts, and which backend answers which protocols.

use crate::config::check::{
    any, at_most, between, existing_file, existing_files, if_given, milliseconds, minutes,
    one_word, seconds,
};
use crate::config::choice::{ActionType, HookMethod};
use crate::config::keys::{Both, Keys, Section};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Default)]
pub struct Lua {
    /// In the order in which they run; only if `lua` is among `server.features`.
    pub features: Vec<LuaFeature>,
    /// In the order in which they run.
    pub filters: Vec<LuaFilter>,
    /// A type may occur many times.
    pub actions: Vec<LuaAction>,
    /// A pair of location and method may occur once; a later one replaces it.
    pub custom_hooks: Vec<LuaHook>,
    pub config: LuaConfig,
    /// Further backends: `lua(NAME)` in `server.backends`.
    pub optional_lua_backends: BTreeMap<String, OptionalLuaBackend>,
    pub search: Vec<LuaSearch>,
}

impl Lua {
    /// The optional backend that `server.backends` names. Files for the original may spell it in
    /// another case.
    pub fn optional_backend(&self, name: &str) -> Option<&OptionalLuaBackend> {
        let folded = || {
            self.optional_lua_backends
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, backend)| backend)
        };
        self.optional_lua_backends.get(name).or_else(folded)
    }

    /// The first search entry of a backend (none: the default one) that lists the protocol.
    pub fn search_for(&self, backend_name: Option<&str>, protocol: &str) -> Option<&LuaSearch> {
        self.search.iter().find(|search| {
            search.backend_name.as_deref() == backend_name
                && search.protocol.iter().any(|p| p == protocol)
        })
    }
}

impl Section for Lua {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.sections("features", &mut self.features);
        keys.sections("filters", &mut self.filters);
        keys.sections("actions", &mut self.actions);
        keys.sections("custom_hooks", &mut self.custom_hooks);
        keys.section("config", &mut self.config);
        keys.named_sections("optional_lua_backends", &mut self.optional_lua_backends);
        keys.sections("search", &mut self.search);
    }
}

/// For which logins a feature or filter runs. If none is given: for all with a password; else for
/// those given only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct When {
    pub when_authenticated: bool,
    pub when_unauthenticated: bool,
    pub when_no_auth: bool,
}

impl Default for When {
    fn default() -> When {
        When { when_authenticated: true, when_unauthenticated: true, when_no_auth: false }
    }
}

impl When {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        if keys.gives_any(&["when_authenticated", "when_unauthenticated", "when_no_auth"]) {
            *self = When {
                when_authenticated: false,
                when_unauthenticated: false,
                when_no_auth: false,
            };
        }
        keys.value("when_authenticated", &mut self.when_authenticated);
        keys.value("when_unauthenticated", &mut self.when_unauthenticated);
        keys.value("when_no_auth", &mut self.when_no_auth);
    }
}

/// Defines `nauthilus_call_feature`.
#[derive(Clone, Debug, Default)]
pub struct LuaFeature {
    pub name: String,
    pub script_path: PathBuf,
    pub when: When,
    /// Run the chunk once per Lua state instead of once per call.
    pub reuse: bool,
}

impl Section for LuaFeature {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, any);
        keys.required("script_path", &mut self.script_path, existing_file);
        self.when.keys(keys);
        keys.value("reuse", &mut self.reuse);
    }
}

/// Defines `nauthilus_call_filter`.
#[derive(Clone, Debug)]
pub struct LuaFilter {
    pub name: String,
    pub script_path: PathBuf,
    /// Unlike a feature's, it holds for look-ups too if nothing is given: filters decide about
    /// recipients.
    pub when: When,
    pub reuse: bool,
    /// Whether its ACCEPT turns a failed password login of a found user into a success.
    pub override_rejection: bool,
}

impl Default for LuaFilter {
    fn default() -> LuaFilter {
        LuaFilter {
            name: String::new(),
            script_path: PathBuf::new(),
            when: When { when_no_auth: true, ..When::default() },
            reuse: false,
            override_rejection: false,
        }
    }
}

impl Section for LuaFilter {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("name", &mut self.name, any);
        keys.required("script_path", &mut self.script_path, existing_file);
        self.when.keys(keys);
        keys.value("reuse", &mut self.reuse);
        keys.value("override_rejection", &mut self.override_rejection);
    }
}

/// Defines `nauthilus_call_action`.
#[derive(Clone, Debug, Default)]
pub struct LuaAction {
    /// The key `type`: when it runs.
    pub kind: ActionType,
    pub name: String,
    pub script_path: PathBuf,
    pub reuse: bool,
}

impl Section for LuaAction {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("type", &mut self.kind, any);
        keys.required("name", &mut self.name, any);
        keys.required("script_path", &mut self.script_path, existing_file);
        keys.value("reuse", &mut self.reuse);
    }
}

/// Defines `nauthilus_run_hook`; answers at `/api/v1/custom/<location>`.
#[derive(Clone, Debug, Default)]
pub struct LuaHook {
    /// Without leading slashes.
    pub http_location: String,
    pub http_method: HookMethod,
    /// Of a body for which the script sets none. None: `application/json` for what it returns,
    /// `text/plain` for what it writes.
    pub content_type: Option<String>,
    pub script_path: PathBuf,
    /// A caller with a token needs one of these; none: any caller will do. Also spelt `scopes`.
    pub roles: Vec<String>,
    pub reuse: bool,
}

impl Section for LuaHook {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("http_location", &mut self.http_location, one_word);
        self.http_location = self.http_location.trim_start_matches('/').to_owned();
        keys.required("http_method", &mut self.http_method, any);
        keys.checked("content_type", &mut self.content_type, if_given(one_word));
        keys.required("script_path", &mut self.script_path, existing_file);
        keys.alias("scopes", "roles", Both::Join);
        keys.value("roles", &mut self.roles);
        keys.value("reuse", &mut self.reuse);
    }
}

/// `lua.config`: the default backend, and what all states share.
#[derive(Clone, Debug)]
pub struct LuaConfig {
    /// The default backend; needed as soon as `server.backends` has `lua`.
    pub backend_script_path: Option<PathBuf>,
    /// Run once at start and after a reload, in order.
    pub init_script_paths: Vec<PathBuf>,
    /// Lua templates separated by `;`, appended to `package.path`.
    pub package_path: String,
    /// Bytes that one Lua state may hold.
    pub memory_limit: usize,
    /// Of what the scripts of one request keep outside of Lua: context, custom log, answer.
    pub request_memory: usize,
    /// How long a script may compute without waiting.
    pub cpu_limit: Duration,
    /// Run the chunk of the default backend once per Lua state instead of once per call.
    pub reuse: bool,
    /// Script runs of the default backend at once. Without effect: coroutines need no pool.
    pub backend_number_of_workers: u32,
    /// Actions at once.
    pub action_number_of_workers: u32,
    /// Requests waiting for a backend; 0: no limit.
    pub queue_length: u32,
    pub feature_vm_pool_size: u32,
    pub filter_vm_pool_size: u32,
    pub hook_vm_pool_size: u32,
    /// Size of the network that stands for a client address; 0: the address itself.
    pub ip_scoping_v6_cidr: u8,
    pub ip_scoping_v4_cidr: u8,
}

impl Default for LuaConfig {
    fn default() -> LuaConfig {
        LuaConfig {
            backend_script_path: None,
            init_script_paths: Vec::new(),
            package_path: String::new(),
            memory_limit: 64 * MIB,
            request_memory: 16 * MIB,
            cpu_limit: seconds(1),
            reuse: false,
            backend_number_of_workers: 10,
            action_number_of_workers: 10,
            queue_length: 0,
            feature_vm_pool_size: 0,
            filter_vm_pool_size: 0,
            hook_vm_pool_size: 0,
            ip_scoping_v6_cidr: 0,
            ip_scoping_v4_cidr: 0,
        }
    }
}

impl Section for LuaConfig {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.alias("script_path", "backend_script_path", Both::Refuse);
        keys.checked("backend_script_path", &mut self.backend_script_path, if_given(existing_file));
        keys.alias("init_script_path", "init_script_paths", Both::Join);
        keys.checked("init_script_paths", &mut self.init_script_paths, existing_files);
        keys.value("package_path", &mut self.package_path);
        keys.or_default("memory_limit", &mut self.memory_limit, between(MIB, 2048 * MIB));
        keys.or_default("request_memory", &mut self.request_memory, between(MIB, 2048 * MIB));
        keys.or_default("cpu_limit", &mut self.cpu_limit, between(milliseconds(1), minutes(1)));
        keys.value("reuse", &mut self.reuse);
        keys.alias("number_of_workers", "backend_number_of_workers", Both::Newer);
        keys.or_default(
            "backend_number_of_workers",
            &mut self.backend_number_of_workers,
            at_most(WORKERS_MAX),
        );
        keys.or_default(
            "action_number_of_workers",
            &mut self.action_number_of_workers,
            at_most(WORKERS_MAX),
        );
        keys.value("queue_length", &mut self.queue_length);
        keys.or_default(
            "feature_vm_pool_size",
            &mut self.feature_vm_pool_size,
            at_most(WORKERS_MAX),
        );
        keys.or_default("filter_vm_pool_size", &mut self.filter_vm_pool_size, at_most(WORKERS_MAX));
        keys.or_default("hook_vm_pool_size", &mut self.hook_vm_pool_size, at_most(WORKERS_MAX));
        keys.or_default("ip_scoping_v6_cidr", &mut self.ip_scoping_v6_cidr, at_most(128));
        keys.or_default("ip_scoping_v4_cidr", &mut self.ip_scoping_v4_cidr, at_most(32));
        keys.left_out("callback_script_path", "it was replaced by lua.custom_hooks");
    }
}

/// `lua.optional_lua_backends.<name>`
#[derive(Clone, Debug, Default)]
pub struct OptionalLuaBackend {
    /// Needed as soon as `server.backends` names this backend.
    pub backend_script_path: Option<PathBuf>,
    pub reuse: bool,
    /// 0: the default. Without effect, as in `lua.config`.
    pub backend_number_of_workers: u32,
    pub queue_length: u32,
}

impl Section for OptionalLuaBackend {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.alias("script_path", "backend_script_path", Both::Refuse);
        keys.checked("backend_script_path", &mut self.backend_script_path, if_given(existing_file));
        keys.value("reuse", &mut self.reuse);
        keys.alias("number_of_workers", "backend_number_of_workers", Both::Newer);
        keys.or_default(
            "backend_number_of_workers",
            &mut self.backend_number_of_workers,
            at_most(WORKERS_MAX),
        );
        keys.value("queue_length", &mut self.queue_length);
        for key in SHARED_KEYS {
            keys.left_out(key, "it belongs in lua.config");
        }
    }
}

/// Keys of `lua.config` that the original reads, without effect, in an optional backend too.
const SHARED_KEYS: [&str; 6] = [
    "action_number_of_workers",
    "feature_vm_pool_size",
    "filter_vm_pool_size",
    "hook_vm_pool_size",
    "ip_scoping_v6_cidr",
    "ip_scoping_v4_cidr",
];

/// Which protocols a backend answers.
#[derive(Clone, Debug, Default)]
pub struct LuaSearch {
    pub protocol: Vec<String>,
    /// Name space of the Redis cache; empty: the default one.
    pub cache_name: String,
    /// None: the default backend.
    pub backend_name: Option<String>,
}

impl Section for LuaSearch {
    fn keys(&mut self, keys: &mut Keys<'_>) {
        keys.required("protocol", &mut self.protocol, any);
        keys.checked("cache_name", &mut self.cache_name, one_word);
        keys.checked("backend_name", &mut self.backend_name, if_given(one_word));
    }
}

const MIB: usize = 1024 * 1024;

/// As in the original.
const WORKERS_MAX: u32 = 1_000_000;
