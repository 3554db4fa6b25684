//! One LuaJIT state: base environment, modules, compiled scripts, coroutines. Made once per worker
//! and epoch, never on the request path.
//!
//! Set-up goes through mlua's safe API; afterwards only `ffi` touches the state. Bounds:
//! [`Limits`].

use crate::config::Finding;
use crate::metrics::{CountBy, LabelId, Space, TimeBy};
use crate::script::entry::{Entry, Load};
use crate::script::ffi::{
    Anchor, Function, HookArm, Memory, Shared, Threads, Waiting, main_state, new_state, push_plain,
    push_waiting,
};
use crate::script::files;
use crate::script::modules::{self, Module};
use crate::script::services::Services;
use crate::script::sources::{Script, ScriptSet};
use crate::script::watchdog::{Registrar, Watch};
use crate::script::{builtin, collect, look, request_table, result, text};
use mlua::{Lua, Table};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

/// A state and everything that belongs to it. Fields are dropped in order: the coroutines and the
/// state before what they point to.
pub struct State {
    pub(super) threads: Threads,
    pub(super) drive: Anchor,
    pub(super) entries: Vec<Anchor>,
    /// One per script of the set.
    pub(super) scripts: Vec<Compiled>,
    findings: Vec<Finding>,
    /// What the metrics count each script by.
    labels: Vec<LabelId>,
    envs: Anchor,
    requests: Anchor,
    slots: RefCell<Slots>,
    /// See [`State::take_spent`].
    spent: Cell<bool>,
    pub(super) limits: Limits,
    pub(super) set: Arc<ScriptSet>,
    /// What environments inherit from.
    #[cfg(test)]
    pub(super) base: Table,
    pub(super) lua: Lua,
    memory: Memory,
    pub(super) shared: Box<Shared>,
    registrar: Registrar,
}

/// A script that compiled.
#[derive(Clone, Copy)]
pub(super) struct Compiled {
    /// Makes its top-level chunk.
    pub factory: Anchor,
    pub load: Load,
}

/// What scripts of one state may use.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of the whole state; 0: none.
    pub memory_bytes: usize,
    /// Uninterrupted computing.
    pub cpu: Duration,
    /// One script run, waiting included.
    pub script: Duration,
    /// The same for a backend, if that is less.
    pub backend: Duration,
}

/// Why a state could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Operator's scripts that do not compile, one line each; `path line:…: text`.
    #[error("{0}")]
    Script(String),
    /// The host's own half failed: a mistake of ours, or no memory.
    #[error("cannot set up the Lua state: {0}")]
    Host(String),
}

impl From<mlua::Error> for SetupError {
    /// As text: what mlua keeps inside its errors cannot leave the thread.
    fn from(error: mlua::Error) -> SetupError {
        SetupError::Host(error.to_string())
    }
}

impl State {
    /// Makes the state and compiles the scripts of `set`.
    ///
    /// # Errors
    /// All scripts that do not compile, whatever their stage; or the host's own half cannot be set
    /// up.
    pub fn build(
        set: Arc<ScriptSet>,
        services: Services,
        package_path: &str,
        limits: Limits,
        registrar: Registrar,
    ) -> Result<State, SetupError> {
        let (memory, lua) =
            new_state().ok_or_else(|| SetupError::Host("not enough memory".into()))?;
        let watch = Arc::new(Watch::default());
        let shared = Shared::new(services, watch.clone());
        let threads = Threads::new(main_state(&lua, &shared)?);
        let setup = Setup { lua: &lua, shared: &shared };
        let base = setup.base(package_path)?;
        setup.modules(&base)?;
        setup.globals(&base)?;
        setup.libraries(&base)?;
        setup.own(&base, &memory)?;
        let (drive, envs, requests, logging, narrow) = setup.drive(&base)?;
        let (scripts, findings) = setup.scripts(&base, &set, &logging, &narrow)?;
        let entries = Entry::ALL
            .iter()
            .map(|entry| Anchor::new(&lua, entry.function()))
            .collect::<Result<_, _>>()?;
        lua.globals()
            .get::<mlua::Function>("collectgarbage")?
            .call::<()>(("setpause", GC_PAUSE_PERCENT))?;
        if limits.memory_bytes > 0 {
            memory.set_limit(limits.memory_bytes);
        }
        registrar.watch(&watch, limits.cpu, Box::new(HookArm::new(&shared)));
        let registry = shared.services.worker.registry();
        let label =
            |script: &Script| registry.label(Space::Script, &[script.stage.name(), &script.name]);
        let labels = set.scripts.iter().map(label).collect();
        let (slots, spent) = (RefCell::default(), Cell::new(false));
        Ok(State {
            threads,
            drive,
            entries,
            scripts,
            findings,
            labels,
            envs,
            requests,
            slots,
            spent,
            limits,
            set,
            #[cfg(test)]
            base: base.table,
            lua,
            memory,
            shared,
            registrar,
        })
    }

    /// Memory that the state holds, in bytes.
    pub fn used_bytes(&self) -> usize {
        self.memory.used()
    }

    /// After an overrun of the memory limit: collects everything that the failed script held, and
    /// notes whether that is enough.
    pub(super) fn recover_memory(&self) {
        // Calling the collector takes a few bytes itself.
        self.memory.set_limit(0);
        // Twice: finalizers of the first cycle free what the second collects. An error means that a
        // finalizer raised.
        let collected = self.lua.gc_collect().and_then(|()| self.lua.gc_collect());
        self.memory.set_limit(self.limits.memory_bytes);
        let recovered = collected.is_ok()
            && (self.limits.memory_bytes == 0 || self.used_bytes() * 2 < self.limits.memory_bytes);
        self.spent.set(!recovered);
    }

    /// Whether the last overrun of the memory limit left more than half of it taken; asking resets
    /// it. Requests would fail again and again, so the worker puts a new state in this one's place.
    pub fn take_spent(&self) -> bool {
        self.spent.get() && self.spent.replace(false)
    }

    /// What the authors of the scripts may have misspelt.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// Whether a script is loaded once and not for every call.
    #[cfg(test)]
    pub fn is_loaded_once(&self, script: usize) -> bool {
        matches!(
            self.scripts.get(script),
            Some(Compiled { load: Load::Once | Load::Projected, .. })
        )
    }

    /// Whether a script gets only the fields that it reads.
    #[cfg(test)]
    pub fn is_narrow(&self, script: usize) -> bool {
        matches!(self.scripts.get(script), Some(Compiled { load: Load::Projected, .. }))
    }

    /// The services that this state's modules use.
    pub fn services(&self) -> &Services {
        &self.shared.services
    }

    /// Counts a run of a script.
    pub(super) fn note_run(&self, script: usize, elapsed: Duration, failed: bool) {
        let label = self.labels.get(script).copied().unwrap_or_default();
        let metrics = &self.shared.services.worker;
        metrics.observe(TimeBy::Script, label, elapsed);
        if failed {
            metrics.count_by(CountBy::ScriptErrors, label);
        }
    }

    pub(super) fn take_slot(&self) -> u32 {
        let mut slots = self.slots.borrow_mut();
        slots.free.pop().unwrap_or_else(|| {
            slots.made += 1;
            slots.made
        })
    }

    /// Lets go of the environment and request table of `slot`. `used`: a script has run in it.
    pub(super) fn release_slot(&self, slot: u32, used: bool) {
        if used {
            self.threads.clear(self.envs, slot);
            self.threads.clear(self.requests, slot);
            self.shared.services.databases.stage_ended(slot);
            self.shared.release(slot);
        }
        self.slots.borrow_mut().free.push(slot);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.registrar.forget(&self.shared.watch);
    }
}

/// Numbers of stages that are under way: indices into the tables of `drive.lua`.
#[derive(Default)]
struct Slots {
    made: u32,
    free: Vec<u32>,
}

/// The steps of [`State::build`].
struct Setup<'a> {
    lua: &'a Lua,
    shared: &'a Shared,
}

/// What `base.lua` and `package.lua` returned.
struct Base {
    table: Table,
    protect: mlua::Function,
    modules: Table,
    libraries: Table,
    compile: mlua::Function,
    examine: mlua::Function,
    look: mlua::Function,
    given: Table,
    host_environment: mlua::Function,
    share_defaults: mlua::Function,
    /// What the files of `lua/host` share with each other.
    between: Table,
    pending: Table,
}

impl Setup<'_> {
    fn base(&self, package_path: &str) -> mlua::Result<Base> {
        let globals = self.lua.globals();
        let host = self.lua.create_table()?;
        for function in modules::support::base::FUNCTIONS.iter().chain(files::FUNCTIONS) {
            host.set(function.name, push_plain(self.lua, self.shared, function)?)?;
        }
        host.set("string", text::library::table(self.lua, self.shared)?)?;
        let global = |name| globals.get::<mlua::Value>(name);
        self.chunk("tables", include_str!("../../lua/host/tables.lua"))?.call::<()>((
            global("table")?,
            global("rawset")?,
            global("select")?,
            global("type")?,
        ))?;
        let settings = self.lua.create_table()?;
        settings.set("path", package_path)?;
        let mut seed = [0; 4];
        if getrandom::fill(&mut seed).is_ok() {
            globals
                .get::<Table>("math")?
                .get::<mlua::Function>("randomseed")?
                .call::<()>(u32::from_ne_bytes(seed))?;
        }
        let pending = self.lua.create_table()?;
        let (table, protect, host_environment, share_defaults, between): (
            Table,
            mlua::Function,
            _,
            _,
            Table,
        ) = self
            .chunk("base", include_str!("../../lua/host/base.lua"))?
            .call((&globals, &host, &pending))?;
        let methods: Table = push_plain(self.lua, self.shared, &files::REGISTER)?.call(())?;
        let io: Table = self
            .chunk("files", include_str!("../../lua/host/files.lua"))?
            .call((host, &between, methods))?;
        table.set("io", protect.call::<Table>(io)?)?;
        let (modules, libraries, bundled, compile, is_host_module): (
            _,
            _,
            Table,
            _,
            mlua::Function,
        ) = self
            .chunk("package", include_str!("../../lua/host/package.lua"))?
            .call((&globals, &table, &between, settings))?;
        let (unprotected, given): (mlua::Function, _) =
            (between.get("unprotected")?, self.lua.create_table()?);
        let examine = self.chunk("alike", include_str!("../../lua/host/alike.lua"))?.call((
            &globals,
            &table,
            is_host_module,
            unprotected,
            &given,
        ))?;
        let look = self.chunk("look", include_str!("../../lua/host/look.lua"))?.call(globals)?;
        for (name, text) in modules::support::bundled::TEXTS {
            bundled.set(*name, *text)?;
        }
        Ok(Base {
            table,
            protect,
            modules,
            libraries,
            compile,
            examine,
            look,
            given,
            host_environment,
            share_defaults,
            between,
            pending,
        })
    }

    /// Tells [`Shared`] how to put in and take out what a stage has to itself.
    fn own(&self, base: &Base, memory: &Memory) -> mlua::Result<()> {
        let apply = Anchor::new(self.lua, base.between.get::<mlua::Function>("apply")?)?;
        let withdraw = Anchor::new(self.lua, base.between.get::<mlua::Function>("withdraw")?)?;
        let records = Anchor::new(self.lua, base.between.get::<Table>("records")?)?;
        self.shared.own.set_lua_half(apply, withdraw, records, memory.limit());
        Ok(())
    }

    fn modules(&self, base: &Base) -> mlua::Result<()> {
        let raw_yield: mlua::Function =
            self.lua.globals().get::<Table>("coroutine")?.get("yield")?;
        let finish = push_waiting(self.lua, self.shared, None)?;
        let waiting: mlua::Function = self
            .chunk("wait", include_str!("../../lua/host/wait.lua"))?
            .call((finish, raw_yield, &base.pending))?;
        for module in modules::MODULES {
            let table = self.module(module, &waiting)?;
            let protected: Table = base.protect.call(table)?;
            for name in module.names {
                base.modules.set(*name, &protected)?;
            }
        }
        Ok(())
    }

    fn module(&self, module: &'static Module, waiting: &mlua::Function) -> mlua::Result<Table> {
        let table = self.lua.create_table()?;
        for function in module.functions {
            table.set(function.name, push_plain(self.lua, self.shared, function)?)?;
        }
        for function in module.waiting {
            table.set(function.name, self.waiting(function, waiting)?)?;
        }
        if let Some(setup) = module.setup {
            push_plain(self.lua, self.shared, setup)?.call::<()>(&table)?;
        }
        if let Some(source) = module.lua {
            self.chunk(module.names[0], source)?.call::<()>((&table, waiting))?;
        }
        Ok(table)
    }

    fn waiting(
        &self,
        function: &'static Waiting,
        waiting: &mlua::Function,
    ) -> mlua::Result<mlua::Function> {
        waiting.call(push_waiting(self.lua, self.shared, Some(function))?)
    }

    /// `nauthilus_builtin`, `nauthilus_backend_result`.
    fn globals(&self, base: &Base) -> mlua::Result<()> {
        push_plain(self.lua, self.shared, &REGISTER_TYPES)?.call::<()>(())?;
        let constants = self.lua.create_table()?;
        for (name, value) in builtin::constants() {
            match value {
                crate::value::Value::Bool(b) => constants.set(name, b)?,
                crate::value::Value::Number(n) => constants.set(name, n)?,
                _ => {}
            }
        }
        constants.set(builtin::BACKEND_RESULT_ERROR, 1)?;
        for function in builtin::FUNCTIONS {
            constants.set(function.name, push_plain(self.lua, self.shared, function)?)?;
        }
        let unknown = self.lua.create_table()?;
        unknown.set("__index", push_plain(self.lua, self.shared, &builtin::UNKNOWN)?)?;
        constants.set_metatable(Some(unknown))?;
        let builtin: Table = base.protect.call(constants)?;
        base.table.set("nauthilus_builtin", &builtin)?;
        base.table.set("nauthilus", &builtin)?;
        let result = self.lua.create_table()?;
        result.set("new", push_plain(self.lua, self.shared, &result::NEW)?)?;
        let result: Table = base.protect.call(result)?;
        base.table.set("nauthilus_backend_result", &result)?;
        base.modules.set("nauthilus_backend_result", result)
    }

    /// Our own library files: loaded once, found after the operator's.
    fn libraries(&self, base: &Base) -> mlua::Result<()> {
        for (name, source) in modules::LIBRARIES {
            let env: Table = base.host_environment.call(())?;
            let library: Table = self
                .lua
                .load(*source)
                .set_name(format!("=[host] {name}"))
                .set_environment(env)
                .call(*name)?;
            base.libraries.set(*name, base.protect.call::<Table>(library)?)?;
        }
        Ok(())
    }

    /// The driver, the tables that hold what slots own, the `logging` table, and the table of
    /// makers of narrow tables.
    fn drive(&self, base: &Base) -> mlua::Result<(Anchor, Anchor, Anchor, Table, Table)> {
        let settings = &self.shared.services.settings;
        let logging = self.lua.create_table()?;
        logging.set("log_format", settings.log_format.as_str())?;
        logging.set("log_level", settings.log_level.as_str())?;
        let logging: Table = base.protect.call(logging)?;
        let fields = push_plain(self.lua, self.shared, &request_table::FIELDS)?;
        let rare = push_plain(self.lua, self.shared, &request_table::RARE)?;
        let setmetatable: mlua::Function = self.lua.globals().get("setmetatable")?;
        let (requests, slot) =
            (self.lua.create_table()?, push_plain(self.lua, self.shared, &request_table::SLOT)?);
        let (make_request, defaults, lists): (mlua::Function, Table, Table) = self
            .chunk("request", &request_table::maker(settings))?
            .call((&logging, fields, rare, setmetatable, &requests, slot))?;
        push_plain(self.lua, self.shared, &request_table::SHARE_DEFAULTS)?.call::<()>(&defaults)?;
        base.share_defaults.call::<()>((defaults, lists))?;
        let collect = push_plain(self.lua, self.shared, &collect::COLLECT)?;
        let missing = push_plain(self.lua, self.shared, &collect::MISSING)?;
        let (drive, envs, narrow): (mlua::Function, Table, Table) = self
            .chunk("drive", include_str!("../../lua/host/drive.lua"))?
            .call((&base.table, make_request, collect, missing, &base.given, &requests))?;
        Ok((
            Anchor::new(self.lua, drive)?,
            Anchor::new(self.lua, envs)?,
            Anchor::new(self.lua, requests)?,
            logging,
            narrow,
        ))
    }

    fn scripts(
        &self,
        base: &Base,
        set: &ScriptSet,
        logging: &Table,
        narrow: &Table,
    ) -> Result<(Vec<Compiled>, Vec<Finding>), SetupError> {
        let some = push_plain(self.lua, self.shared, &request_table::SOME)?;
        let mut out = Vec::with_capacity(set.scripts.len());
        let (mut problems, mut findings) = (Vec::new(), Vec::new());
        for script in &set.scripts {
            let source = self.lua.create_string(&script.source)?;
            let compiled: (Option<mlua::Function>, Option<mlua::LuaString>) =
                base.compile.call((source, script.path.as_str()))?;
            match compiled {
                (Some(factory), _) => {
                    let (named, read) = base.look.call(&factory)?;
                    findings.extend(look::findings(script, named, read)?);
                    let (mut load, fields) = self.examine(base, script, &factory)?;
                    if let Some(maker) = fields.and_then(|names| {
                        request_table::narrow_maker(&self.shared.services.settings, &names)
                    }) {
                        let maker: mlua::Function =
                            self.chunk("request", &maker)?.call((logging, &some))?;
                        narrow.set(&factory, maker)?;
                        load = Load::Projected;
                    }
                    out.push(Compiled { factory: Anchor::new(self.lua, factory)?, load });
                }
                (None, message) => {
                    let message = message.map(|text| text.to_string_lossy()).unwrap_or_default();
                    problems.push(format!("{}: syntax error: {message}", script.path));
                }
            }
        }
        if !problems.is_empty() {
            return Err(SetupError::Script(problems.join("\n")));
        }
        for stage in set.sharing() {
            load_alike(set, stage, &mut out);
        }
        Ok((out, findings))
    }

    /// How a script may be loaded as far as it alone is concerned, and which fields its main entry
    /// function reads.
    fn examine(
        &self,
        base: &Base,
        script: &Script,
        factory: &mlua::Function,
    ) -> mlua::Result<(Load, Option<Vec<String>>)> {
        if script.reuse {
            return Ok((Load::Once, None));
        }
        let entry = Entry::main(script.stage).map(Entry::function);
        let (is_alike, fields) = base.examine.call((factory, entry))?;
        Ok((if is_alike { Load::Once } else { Load::PerCall }, fields))
    }

    /// A chunk of the host's own Lua half.
    fn chunk(&self, name: &str, source: &str) -> mlua::Result<mlua::Function> {
        self.lua.load(source).set_name(format!("=[host] {name}")).into_function()
    }
}

/// Scripts of one stage share an environment and a request table. One of them could leave something
/// there for the others: what is not true of all is true of none.
fn load_alike(set: &ScriptSet, stage: &[usize], scripts: &mut [Compiled]) {
    let load = |at: &usize| scripts.get(*at).map(|compiled| compiled.load);
    let is_reused = |at: &usize| set.scripts.get(*at).is_some_and(|script| script.reuse);
    let one_is_anew = stage.iter().any(|at| load(at) == Some(Load::PerCall));
    let one_is_wide = stage.iter().any(|at| load(at).is_some_and(|load| load != Load::Projected));
    for at in stage.iter().filter(|at| !is_reused(at)) {
        if let Some(compiled) = scripts.get_mut(*at) {
            compiled.load = match compiled.load {
                _ if one_is_anew => Load::PerCall,
                Load::Projected if one_is_wide => Load::Once,
                load => load,
            };
        }
    }
}

/// The collector starts its next cycle when the heap is this many percent of what was left by the
/// last one. A state with all modules holds some 2 MB that are marked in every cycle and never
/// freed: cycles half as often cost half as much, for a few MB.
const GC_PAUSE_PERCENT: u32 = 400;

/// Registers the userdata types that the host itself hands out.
static REGISTER_TYPES: Function = Function {
    name: "register_types",
    body: |call| {
        call.register_type::<result::ResultObject>(result::METHODS);
        Ok(0)
    },
};
