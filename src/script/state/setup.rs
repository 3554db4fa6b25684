//! The steps of [`State::build`](super::State::build): the base environment, modules, the driver,
//! the operator's scripts. All through mlua's safe API.

use super::{Compiled, SetupError};
use crate::config::Finding;
use crate::script::entry::{Entry, Load};
use crate::script::ffi::{Anchor, Function, Memory, Shared, Waiting, push_plain, push_waiting};
use crate::script::files;
use crate::script::modules::{self, Module};
use crate::script::sources::{Script, ScriptSet};
use crate::script::{builtin, collect, look, request_table, result, text};
use mlua::{Lua, Table};

/// The steps of [`State::build`].
pub(super) struct Setup<'a> {
    pub lua: &'a Lua,
    pub shared: &'a Shared,
}

/// What the Lua half of the base returned.
pub(super) struct Base {
    pub table: Table,
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
    pub fn base(&self, package_path: &str) -> mlua::Result<Base> {
        let globals = self.lua.globals();
        let host = self.lua.create_table()?;
        for function in modules::support::base::FUNCTIONS.iter().chain(files::FUNCTIONS) {
            host.set(function.name, push_plain(self.lua, self.shared, function)?)?;
        }
        host.set("string", text::library::table(self.lua, self.shared)?)?;
        self.seed(&globals)?;
        let between: Table = self
            .chunk("changes", include_str!("../../../lua/host/changes.lua"))?
            .call((&globals, &host))?;
        let protect: mlua::Function = between.get("protect")?;
        let (table, host_environment, share_defaults): (Table, _, _) = self
            .chunk("base", include_str!("../../../lua/host/base.lua"))?
            .call((&globals, &host, &between))?;
        let pending = self.lua.create_table()?;
        self.library_tables(&globals, &host, &table, &between, &pending)?;
        let settings = self.lua.create_table()?;
        settings.set("path", package_path)?;
        let (modules, libraries, bundled, compile, is_host_module): (
            _,
            _,
            Table,
            _,
            mlua::Function,
        ) = self
            .chunk("package", include_str!("../../../lua/host/package.lua"))?
            .call((&globals, &table, &between, settings))?;
        for (name, text) in modules::support::bundled::TEXTS {
            bundled.set(*name, *text)?;
        }
        let unprotected: mlua::Function = between.get("unprotected")?;
        let given = self.lua.create_table()?;
        let examine = self
            .chunk("purity", include_str!("../../../lua/host/purity.lua"))?
            .call((&globals, &table, is_host_module, unprotected, &given))?;
        let look = self.chunk("look", include_str!("../../../lua/host/look.lua"))?.call(globals)?;
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

    /// Seeds the random generator that all scripts of the state share.
    fn seed(&self, globals: &Table) -> mlua::Result<()> {
        let mut seed = [0; 4];
        if getrandom::fill(&mut seed).is_ok() {
            globals
                .get::<Table>("math")?
                .get::<mlua::Function>("randomseed")?
                .call::<()>(u32::from_ne_bytes(seed))?;
        }
        Ok(())
    }

    /// The parts of the base that have files of their own.
    fn library_tables(
        &self,
        globals: &Table,
        host: &Table,
        base: &Table,
        between: &Table,
        pending: &Table,
    ) -> mlua::Result<()> {
        self.chunk("code", include_str!("../../../lua/host/code.lua"))?
            .call::<()>((globals, host, base, between))?;
        let table: Table = self
            .chunk("table", include_str!("../../../lua/host/table.lua"))?
            .call((globals, between))?;
        let math: Table = self
            .chunk("math", include_str!("../../../lua/host/math.lua"))?
            .call((globals, host, between))?;
        let debug: Table = self
            .chunk("debug", include_str!("../../../lua/host/debug.lua"))?
            .call((globals, base, between))?;
        let coroutine: Table = self
            .chunk("coroutine", include_str!("../../../lua/host/coroutine.lua"))?
            .call((globals, pending, between))?;
        let methods: Table = push_plain(self.lua, self.shared, &files::REGISTER)?.call(())?;
        let io: Table = self
            .chunk("files", include_str!("../../../lua/host/files.lua"))?
            .call((host, between, methods))?;
        let protect: mlua::Function = between.get("protect")?;
        for (name, library) in [
            ("table", table),
            ("math", math),
            ("debug", debug),
            ("coroutine", coroutine),
            ("io", io),
        ] {
            base.set(name, protect.call::<Table>(library)?)?;
        }
        Ok(())
    }

    /// Tells [`Shared`] how to apply and withdraw the changes of a stage.
    pub fn own(&self, base: &Base, memory: &Memory) -> mlua::Result<()> {
        let apply = Anchor::new(self.lua, base.between.get::<mlua::Function>("apply")?)?;
        let withdraw = Anchor::new(self.lua, base.between.get::<mlua::Function>("withdraw")?)?;
        let records = Anchor::new(self.lua, base.between.get::<Table>("records")?)?;
        self.shared.own.set_lua_half(apply, withdraw, records, memory.limit());
        Ok(())
    }

    pub fn modules(&self, base: &Base) -> mlua::Result<()> {
        let raw_yield: mlua::Function =
            self.lua.globals().get::<Table>("coroutine")?.get("yield")?;
        let finish = push_waiting(self.lua, self.shared, None)?;
        let waiting: mlua::Function = self
            .chunk("wait", include_str!("../../../lua/host/wait.lua"))?
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
            let name = module.names.first().copied().unwrap_or_default();
            self.chunk(name, source)?.call::<()>((&table, waiting))?;
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
    pub fn globals(&self, base: &Base) -> mlua::Result<()> {
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
    pub fn libraries(&self, base: &Base) -> mlua::Result<()> {
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
    /// makers of projected tables.
    pub fn drive(&self, base: &Base) -> mlua::Result<(Anchor, Anchor, Anchor, Table, Table)> {
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
        let (drive, envs, projected): (mlua::Function, Table, Table) = self
            .chunk("drive", include_str!("../../../lua/host/drive.lua"))?
            .call((&base.table, make_request, collect, missing, &base.given, &requests))?;
        Ok((
            Anchor::new(self.lua, drive)?,
            Anchor::new(self.lua, envs)?,
            Anchor::new(self.lua, requests)?,
            logging,
            projected,
        ))
    }

    pub fn scripts(
        &self,
        base: &Base,
        set: &ScriptSet,
        logging: &Table,
        projected: &Table,
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
                        request_table::projected_maker(&self.shared.services.settings, &names)
                    }) {
                        let maker: mlua::Function =
                            self.chunk("request", &maker)?.call((logging, &some))?;
                        projected.set(&factory, maker)?;
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
            unify_loads(set, stage, &mut out);
        }
        Ok((out, findings))
    }

    /// How a script may be loaded, apart from the others of its stage; and which fields its main
    /// entry function reads.
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
        let (is_pure, fields) = base.examine.call((factory, entry))?;
        Ok((if is_pure { Load::Once } else { Load::PerCall }, fields))
    }

    /// A chunk of the host's own Lua half.
    fn chunk(&self, name: &str, source: &str) -> mlua::Result<mlua::Function> {
        self.lua.load(source).set_name(format!("=[host] {name}")).into_function()
    }
}

/// Scripts of one stage share an environment and a request table, and one of them could leave
/// something there for the others. So all of them are loaded once, or none; the same holds for
/// projected request tables.
fn unify_loads(set: &ScriptSet, stage: &[usize], scripts: &mut [Compiled]) {
    let load = |at: &usize| scripts.get(*at).map(|compiled| compiled.load);
    let is_reused = |at: &usize| set.scripts.get(*at).is_some_and(|script| script.reuse);
    let one_is_per_call = stage.iter().any(|at| load(at) == Some(Load::PerCall));
    let one_is_whole = stage.iter().any(|at| load(at).is_some_and(|load| load != Load::Projected));
    for at in stage.iter().filter(|at| !is_reused(at)) {
        if let Some(compiled) = scripts.get_mut(*at) {
            compiled.load = match compiled.load {
                _ if one_is_per_call => Load::PerCall,
                Load::Projected if one_is_whole => Load::Once,
                load => load,
            };
        }
    }
}

/// Registers the userdata types that the host itself hands out.
static REGISTER_TYPES: Function = Function {
    name: "register_types",
    body: |call| {
        call.register_type::<result::ResultObject>(result::METHODS);
        Ok(0)
    },
};
