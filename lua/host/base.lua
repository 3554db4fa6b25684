-- Builds the base that every script environment inherits from: the standard library as the specification has it
-- (lua/runtime.md 1), with nothing a script could use to reach another request or to stop the core.
-- Library tables and modules are handed out as proxies that cannot be written; `pairs`, `next`, `rawget` and `rawset` know them.
-- Modules are package.lua's.
-- Arguments: G (the state's real globals), host (host functions by name), PENDING.
-- Returns: base, protect(table), host_environment(), share_defaults(metatable), and what package.lua shares with this file.
local G, host, PENDING = ...

local error, select, type = G.error, G.select, G.type
local getfenv, setfenv, getmetatable, setmetatable = G.getfenv, G.setfenv, G.getmetatable, G.setmetatable
local raw_getmetatable = G.debug.getmetatable
local raw_next, raw_pairs, raw_get, raw_set = G.next, G.pairs, G.rawget, G.rawset
local raw_tostring, raw_load, unpack = G.tostring, G.load, G.unpack
local string, table, io, coroutine = G.string, G.table, G.io, G.coroutine
local floor, concat = G.math.floor, G.table.concat

-- Protected tables ---------------------------------------------------------------------------------------------------

local REAL = setmetatable({}, { __mode = "k" }) -- proxy → the table behind it

local function refuse(_, key)
    error("attempt to change a protected table (field '" .. raw_tostring(key) .. "')", 2)
end

local function protect(real, index)
    local proxy = setmetatable({}, { __index = index or real, __newindex = refuse, __metatable = false })
    REAL[proxy] = real

    return proxy
end

local function bad_argument(position, name, expected, got)
    error("bad argument #" .. position .. " to " .. name .. " (" .. expected .. " expected, got " .. got .. ")", 3)
end

local PACKAGE = {} -- key of an environment's own package table (package.lua)

local base = {
    _VERSION = G._VERSION,
    assert = G.assert,
    error = error,
    getmetatable = getmetatable,
    ipairs = G.ipairs,
    pcall = G.pcall,
    rawequal = G.rawequal,
    select = select,
    setmetatable = setmetatable,
    tonumber = G.tonumber,
    type = type,
    unpack = unpack,
}

-- What an environment shows as its own and what it inherits, in one table: for pairs(_G).
local function everything(env)
    local out = {}

    for key, value in raw_pairs(base) do
        out[key] = value
    end

    for key, value in raw_pairs(env) do
        out[key] = value
    end

    out[PACKAGE] = nil

    return out
end

local function is_environment(t)
    return type(t) == "table" and raw_get(t, "_G") == t
end

local with_defaults = {} -- the metatable of request tables, whose empty fields stand in its __index

local function has_defaults(t)
    return type(t) == "table" and raw_getmetatable(t) == with_defaults
end

-- The next pair of a request table: its own, then the defaults of the fields that it has not.
local function next_field(t, key)
    local value

    if key == nil or raw_get(t, key) ~= nil or with_defaults.__index[key] == nil then
        key, value = raw_next(t, key)

        if key ~= nil then
            return key, value
        end
    end

    repeat
        key, value = raw_next(with_defaults.__index, key)
    until key == nil or raw_get(t, key) == nil

    return key, value
end

function base.pairs(t)
    if is_environment(t) then
        return raw_next, everything(t), nil
    elseif has_defaults(t) then
        return next_field, t, nil
    end

    return raw_pairs(REAL[t] or t)
end

function base.next(t, key)
    if has_defaults(t) then
        return next_field(t, key)
    end

    return raw_next(REAL[t] or t, key)
end

function base.rawget(t, key)
    local value = raw_get(REAL[t] or t, key)

    if value == nil then
        if is_environment(t) then
            return base[key]
        elseif has_defaults(t) then
            return with_defaults.__index[key]
        end
    end

    return value
end

function base.rawset(t, key, value)
    if REAL[t] then
        refuse(t, key)
    end

    return raw_set(t, key, value)
end

-- Environments that are not a request's: the real globals and those of our library files. Scripts neither see nor change them.
local HOST_ENVIRONMENTS = { [G] = true }

local function host_environment()
    local env = setmetatable({}, { __index = base, __metatable = false })
    HOST_ENVIRONMENTS[env] = true

    return env
end

-- `what` as seen from the caller of the function that uses this: a level counts two frames more, that function's and this one's.
local function from_here(what)
    if what == nil then
        return 3
    elseif type(what) == "number" and what > 0 then
        return what + 2
    end

    return what
end

local function environment_of(what)
    local env = getfenv(what)

    return env
end

function base.getfenv(what)
    local env = environment_of(from_here(what))

    if HOST_ENVIRONMENTS[env] then
        return getfenv(0)
    end

    return env
end

function base.setfenv(what, env)
    local target = from_here(what)

    if HOST_ENVIRONMENTS[environment_of(target)] then
        error("the environment of a host function cannot be changed", 2)
    end

    if type(target) == "number" and target > 0 then
        target = target - 1
    end

    local result = setfenv(target, env)

    return result
end

function base.collectgarbage() end

function base.newproxy()
    error("newproxy is not available here", 2)
end

function base.tostring(value)
    if type(value) ~= "number" then
        return raw_tostring(value)
    end

    if value > -1e14 and value < 1e14 and floor(value) == value and value ~= 0 then
        return raw_tostring(value)
    end

    return host.number_text(value)
end

function base.print(...)
    local out = { ... }

    for i = 1, select("#", ...) do
        out[i] = base.tostring(out[i])
    end

    host.write(concat(out, "\t") .. "\n")
end

function base.dynamic_loader(...)
    local name = (...)

    if type(name) ~= "string" and type(name) ~= "number" then
        bad_argument(1, "dynamic_loader", "string", type(name))
    end
end

-- Loading code: text only (bytecode is not checked by LuaJIT), into the environment of the request -----------------------

local function read_all(read)
    local parts = {}

    while true do
        local part = read()

        if part == nil or part == "" then
            return concat(parts)
        end

        parts[#parts + 1] = part
    end
end

local function load_text(text, name)
    local chunk, err = raw_load(text, name, "t")

    if chunk then
        setfenv(chunk, getfenv(0))
    end

    return chunk, err
end

function base.load(source, name)
    if type(source) == "function" then
        source = read_all(source)
    elseif type(source) ~= "string" then
        bad_argument(1, "load", "function", type(source))
    end

    return load_text(source, name or "=(load)")
end

function base.loadstring(source, name)
    if type(source) ~= "string" then
        bad_argument(1, "loadstring", "string", type(source))
    end

    return load_text(source, name or source)
end

local function read_file(path)
    local file, err = io.open(path, "rb")

    if not file then
        return nil, err
    end

    local text = file:read("*a")
    file:close()

    return text
end

function base.loadfile(path)
    local text, err = read_file(path)

    if not text then
        return nil, err
    end

    return load_text(text, "@" .. path)
end

function base.dofile(path)
    local chunk, err = base.loadfile(path)

    if not chunk then
        error(err, 2)
    end

    return chunk()
end

-- LuaJIT says no more of a handler that fails itself.
local function explained(ok, err, ...)
    if not ok and err == "error in error handling" then
        err = err .. ": the handler of xpcall failed itself (it cannot call functions that wait)"
    end

    return ok, err, ...
end

-- What the watchdog raises comes out of its hook, and no hook stops a handler that runs in there: such errors pass it by.
function base.xpcall(f, handler, ...)
    local function handle(err)
        if type(err) == "string" and err:find("context deadline exceeded", 1, true) then
            return err
        end

        return handler(err)
    end

    return explained(G.xpcall(f, type(handler) == "function" and handle or handler, ...))
end

-- Libraries ------------------------------------------------------------------------------------------------------------

local function library(real, leave_out, replace)
    local out = {}

    for name, member in raw_pairs(real) do
        if not leave_out[name] then
            out[name] = member
        end
    end

    for name, member in raw_pairs(replace) do
        out[name] = member
    end

    return out
end

local function not_here(name, instead)
    return function()
        error(name .. " is not available here: " .. instead, 2)
    end
end

local string_library = library(string, {}, host.string)
G.debug.getmetatable("").__index = string_library
G.debug.getmetatable("").__metatable = false
base.string = protect(string_library)

base.table = protect(library(table, { new = true, clear = true, nkeys = true, isarray = true, isempty = true, clone = true }, { getn = table.getn or function(t) return #t end }))
base.math = protect(library(G.math, {}, { mod = G.math.fmod }))

base.os = protect(library(G.os, {}, {
    getenv = host.getenv,
    exit = not_here("os.exit", "it would end the whole server"),
    execute = not_here("os.execute", "it would stop this core; use the module cmd"),
    setlocale = function() return false end,
    setenv = not_here("os.setenv", "the environment belongs to all requests"),
}))

local io_library = library(io, {}, {
    popen = not_here("io.popen", "it would stop this core; use the module cmd"),
    read = not_here("io.read", "the server has no input"),
})

function io_library.write(...)
    for i = 1, select("#", ...) do
        local part = select(i, ...)

        if type(part) ~= "string" and type(part) ~= "number" then
            bad_argument(i, "write", "string", type(part))
        end

        host.write(base.tostring(part))
    end

    return io.stdout
end

base.io = protect(io_library)

local function unavailable_in_debug(name)
    return not_here("debug." .. name, "it could reach other requests")
end

base.debug = protect({
    traceback = G.debug.traceback,
    getinfo = G.debug.getinfo,
    getlocal = G.debug.getlocal,
    getupvalue = unavailable_in_debug("getupvalue"),
    getfenv = base.getfenv,
    getmetatable = getmetatable,
    setfenv = base.setfenv,
    setlocal = unavailable_in_debug("setlocal"),
    setmetatable = unavailable_in_debug("setmetatable"),
    setupvalue = unavailable_in_debug("setupvalue"),
})

-- Coroutines of the script's own: a host function that waits inside one yields PENDING outward, level by level ------------

local raw_resume, raw_yield, raw_create, raw_status = coroutine.resume, coroutine.yield, coroutine.create, coroutine.status
local running = coroutine.running

-- A coroutine inside a coroutine takes some of the thread's own stack, and an overflow there would end the whole server.
local NESTED_MAX = 190 -- as many as C calls may nest in Lua 5.1
local nested = setmetatable({}, { __mode = "k" }) -- coroutine → how deep it runs

local function deeper(co, ...)
    local outer = running()
    local depth = (outer and nested[outer] or 0) + 1

    if depth > NESTED_MAX then
        return false, "C stack overflow"
    end

    nested[co] = depth

    return raw_resume(co, ...)
end

local function outward(co, ok, first, ...)
    if ok and first == PENDING then
        raw_yield(PENDING)

        return outward(co, deeper(co))
    end

    return ok, first, ...
end

local function resume(co, ...)
    if type(co) ~= "thread" then
        bad_argument(1, "resume", "thread", type(co))
    end

    return outward(co, deeper(co, ...))
end

local function checked(ok, ...)
    if not ok then
        error((...), 0)
    end

    return ...
end

local function wrap(f)
    local co = raw_create(f)

    return function(...)
        return checked(resume(co, ...))
    end
end

base.coroutine = protect({
    create = raw_create,
    resume = resume,
    running = coroutine.running,
    status = raw_status,
    wrap = wrap,
    yield = raw_yield,
})

-- The table behind a protected one; anything else is itself.
local function unprotected(t)
    return REAL[t] or t
end

local shared = { PACKAGE = PACKAGE, bad_argument = bad_argument, not_here = not_here, read_file = read_file, unprotected = unprotected }

-- Told once, when the state is set up; host functions that walk tables are told the same one (Call::share_defaults).
local function share_defaults(metatable)
    with_defaults = metatable
end

return base, protect, host_environment, share_defaults, shared
