-- Builds the base that every script environment inherits from: the standard library as the specification has it
-- (lua/runtime.md 1), with nothing a script could use to reach another request or to stop the core.
-- Library tables and modules are handed out as proxies; `pairs`, `next`, `rawget`, `rawset` and the library table know them. What a script
-- writes there is its stage's own: see "Changes". Modules are package.lua's, files are files.lua's.
-- Arguments: G (the state's real globals), host (host functions by name), PENDING.
-- Returns: base, protect(table), host_environment(), share_defaults(metatable), and what the other files of the host share with this one.
local G, host, PENDING = ...

local error, select, type = G.error, G.select, G.type
local getfenv, setfenv, getmetatable, setmetatable = G.getfenv, G.setfenv, G.getmetatable, G.setmetatable
local raw_getmetatable = G.debug.getmetatable
local raw_next, raw_pairs, raw_get, raw_set = G.next, G.pairs, G.rawget, G.rawset
local raw_tostring, raw_load, unpack = G.tostring, G.load, G.unpack
local string, table, coroutine = G.string, G.table, G.coroutine
local floor, concat = G.math.floor, G.table.concat
local raw_getinfo, raw_getlocal, raw_sub = G.debug.getinfo, G.debug.getlocal, G.string.sub

-- Protected tables ---------------------------------------------------------------------------------------------------

local REAL = setmetatable({}, { __mode = "k" }) -- proxy → the table behind it
local STAND_INS = {} -- proxy → function that gives the stage's own table, of which the proxy is a view; its REAL stays empty

local function stand_for(proxy, give)
    REAL[proxy], STAND_INS[proxy] = {}, give
end

-- The table behind a protected one; anything else is itself.
local function behind(t)
    local real = REAL[t]

    if real == nil then
        return t
    end

    return STAND_INS[t] and STAND_INS[t]() or real
end

-- What the scripts of one stage of one request have to themselves, by the number of the stage: changes of protected tables, packages, default
-- files, a random generator. The host (script::ffi::own) takes a record away when its stage has ended.
local records = {}

local function known()
    return records[host.stage()]
end

local function own()
    local stage = host.stage()
    local record = records[stage]

    if not record then
        host.record()
        record = { after = {}, before = {}, changes = 0 }
        records[stage] = record
    end

    return record
end

-- Changes: all requests of a state share the table behind a proxy. What a stage writes into it is there while one of its coroutines runs, and
-- is taken out by the host whenever that pauses or ends: for everybody else the table is as it was made.
local NOTHING = {} -- in place of nil
local CHANGES_MAX = 1000 -- of one stage: ten times the largest collection of helpers; their keys leave empty places in the table
local seeded -- the running stage's own random generator

local function change(proxy, key, value)
    local record, real = own(), REAL[proxy]

    if key == nil or key ~= key then
        error("table index is " .. raw_tostring(key), 2)
    elseif STAND_INS[proxy] then
        behind(proxy)[key] = value

        return
    elseif not record.after[real] then
        record.after[real], record.before[real] = {}, {}
    end

    local after, before = record.after[real], record.before[real]

    if after[key] == nil then
        if record.changes >= CHANGES_MAX then
            error("too many fields of library tables were changed (at most " .. CHANGES_MAX .. ")", 2)
        end

        local old = raw_get(real, key)
        record.changes, before[key] = record.changes + 1, old == nil and NOTHING or old
    end

    host.changed()
    after[key] = value == nil and NOTHING or value
    raw_set(real, key, value)
end

local function put(changes)
    for real, fields in raw_next, changes do
        for key, value in raw_next, fields do
            if value == NOTHING then
                value = nil
            end

            raw_set(real, key, value)
        end
    end
end

local function apply(stage)
    local record = records[stage]
    seeded = record.random
    put(record.after)
end

local function withdraw(stage)
    seeded = nil
    put(records[stage].before)
end

local function protect(real)
    local proxy = setmetatable({}, { __index = real, __newindex = change, __metatable = false })
    REAL[proxy] = real

    return proxy
end

local function bad_argument(position, name, expected, got)
    error("bad argument #" .. position .. " to " .. name .. " (" .. expected .. " expected, got " .. got .. ")", 3)
end

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

    return out
end

local function is_environment(t)
    return type(t) == "table" and raw_get(t, "_G") == t
end

local with_defaults = {} -- the metatable of request tables, whose empty fields stand in its __index
local LISTS = {} -- names of their fields that are lists: each request has its own from when it is looked at

local function has_defaults(t)
    return type(t) == "table" and raw_getmetatable(t) == with_defaults
end

-- Gives a request table those of its lists that it has not.
local function complete(t)
    for i = 1, #LISTS do
        if raw_get(t, LISTS[i]) == nil then
            raw_set(t, LISTS[i], {})
        end
    end
end

-- The next pair of a request table: its own, then the defaults of the fields that it has not.
local function next_field(t, key)
    local value

    if key == nil or raw_get(t, key) ~= nil or raw_get(with_defaults.__index, key) == nil then
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
        complete(t)

        return next_field, t, nil
    elseif REAL[t] then
        -- Not what is behind it: nobody but this file may have that.
        return base.next, t, nil
    end

    return raw_pairs(t)
end

function base.next(t, key)
    if has_defaults(t) then
        if key == nil then
            complete(t)
        end

        return next_field(t, key)
    end

    return raw_next(behind(t), key)
end

function base.rawget(t, key)
    local value = raw_get(behind(t), key)

    if value == nil then
        if is_environment(t) then
            return base[key]
        elseif has_defaults(t) then
            return t[key]
        end
    end

    return value
end

function base.rawset(t, key, value)
    if REAL[t] then
        change(t, key, value)

        return t
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
-- A text is no level, although Lua itself takes "3" for one.
local function from_here(what, name)
    if what == nil then
        return 3
    elseif type(what) == "number" then
        what = floor(what)

        return what > 0 and what + 2 or what
    elseif type(what) ~= "function" then
        bad_argument(1, name, "number", type(what))
    end

    return what
end

local function environment_of(what)
    local env = getfenv(what)

    return env
end

function base.getfenv(what)
    local env = environment_of(from_here(what, "getfenv"))

    if HOST_ENVIRONMENTS[env] then
        return getfenv(0)
    end

    return env
end

function base.setfenv(what, env)
    local target = from_here(what, "setfenv")

    if HOST_ENVIRONMENTS[environment_of(target)] then
        error("the environment of a host function cannot be changed", 2)
    elseif REAL[env] then
        error("a library table cannot be an environment", 2)
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

function base.loadfile(path)
    local text, err = host.read_file(path)

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
        if type(err) == "string" and string.find(err, "context deadline exceeded", 1, true) then
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

-- Functions of `table` go past metamethods. Those that read see through a proxy; those that write do so on a copy, of which the differences
-- are the stage's own.
local table_library = { getn = table.getn or function(t) return #t end }

for _, name in raw_pairs({ "concat", "foreach", "foreachi", "maxn" }) do
    local raw = table[name]

    if raw then
        table_library[name] = function(t, ...)
            return raw(REAL[t] and behind(t) or t, ...)
        end
    end
end

local function adopt(proxy, copy, ...)
    local real, gone = behind(proxy), {}

    for key, value in raw_next, copy do
        if raw_get(real, key) ~= value then
            change(proxy, key, value)
        end
    end

    for key in raw_next, real do
        if copy[key] == nil then
            gone[#gone + 1] = key
        end
    end

    for i = 1, #gone do
        change(proxy, gone[i], nil)
    end

    return ...
end

local function copy_of(proxy)
    local copy = {}

    for key, value in raw_next, behind(proxy) do
        copy[key] = value
    end

    return copy
end

for _, name in raw_pairs({ "insert", "remove", "sort" }) do
    local raw = table[name]

    table_library[name] = function(t, ...)
        if REAL[t] then
            local copy = copy_of(t)

            return adopt(t, copy, raw(copy, ...))
        end

        return raw(t, ...)
    end
end

function table_library.move(from, first, last, at, to)
    local target = to == nil and from or to

    if REAL[target] then
        local copy = copy_of(target)

        return adopt(target, copy, table.move(behind(from), first, last, at, copy)) and target
    end

    return table.move(behind(from), first, last, at, to)
end

base.table = protect(library(table, { new = true, clear = true, nkeys = true, isarray = true, isempty = true, clone = true }, table_library))

-- The host has seeded the one generator of the state. A script's own seed makes it a generator of its own: L'Ecuyer's MRG32k3a, whose products
-- are exact in doubles.
local M1, M2 = 4294967087, 4294944443

local function generator(seed)
    local a, b, c, d, e, f

    local function step()
        a, b, c = b, c, (1403580 * b - 810728 * a) % M1
        d, e, f = e, f, (527612 * f - 1370589 * d) % M2

        return (c - f) % M1 / M1
    end

    -- Any number is a seed; of NaN and the infinities the remainder is NaN.
    local low = seed % M2
    low = low == low and floor(low) or 0
    a, b, c, d, e, f = low + 1, floor(seed / M2) % M1, 12345, 12345, low + 1, 12345
    b = b == b and b or 0

    for _ = 1, 10 do
        step()
    end

    return step
end

local raw_random = G.math.random

local function random(...)
    if not seeded then
        return raw_random(...)
    end

    local count, low, high = select("#", ...), ...
    local x = seeded()

    if count == 0 then
        return x
    elseif count == 1 then
        low, high = 1, low
    end

    low, high = tonumber(low), tonumber(high)

    if not low or not high then
        bad_argument(low and 2 or 1, "random", "number", "no number")
    end

    low, high = floor(low), floor(high)

    return low + floor(x * (high - low + 1))
end

local function randomseed(seed)
    local number = tonumber(seed)

    if not number then
        bad_argument(1, "randomseed", "number", type(seed))
    end

    local record = own()
    record.random = generator(number)
    seeded = record.random
    host.changed()
end

base.math = protect(library(G.math, {}, { mod = G.math.fmod, random = random, randomseed = randomseed }))

base.os = protect(library(G.os, {}, {
    getenv = host.getenv,
    exit = not_here("os.exit", "it would end the whole server"),
    execute = not_here("os.execute", "it would stop this core; use the module cmd"),
    setlocale = function() return false end,
    setenv = not_here("os.setenv", "the environment belongs to all requests"),
}))

local function unavailable_in_debug(name)
    return not_here("debug." .. name, "it could reach other requests")
end

-- Whether a function, or what runs at a level, is the host's: a C function, or one of these files.
local function is_host(about)
    return about.what == "C" or raw_sub(about.source, 1, 7) == "=[host]"
end

-- A level as seen from the caller of the function that uses this, by whom it is looked up.
local function level_from_here(level, name)
    if type(level) ~= "number" then
        bad_argument(1, name, "number", type(level))
    end

    level = floor(level)

    return level >= 0 and level + 1 or level
end

-- A level tells all but the function itself where that is the host's: such functions may do what scripts must not.
local function without_host_function(about)
    if about and about.func and is_host(raw_getinfo(about.func, "S")) then
        about.func = nil
    end

    return about
end

local function getinfo(...)
    local thread, what, options = ...

    if type(thread) ~= "thread" then
        what, options = ...

        if type(what) ~= "function" then
            what = level_from_here(what, "getinfo")
        end

        local about = raw_getinfo(what, options or "nSlufL")

        return type(what) == "function" and about or without_host_function(about)
    end

    if type(what) ~= "function" and type(what) ~= "number" then
        bad_argument(2, "getinfo", "number", type(what))
    end

    local about = raw_getinfo(thread, what, options or "nSlufL")

    return type(what) == "function" and about or without_host_function(about)
end

-- The locals of scripts' functions alone.
local function getlocal(...)
    local thread, level, at = ...

    if type(thread) ~= "thread" then
        level, at = ...
        level = level_from_here(level, "getlocal")

        local about = raw_getinfo(level, "S")

        if about and is_host(about) then
            return nil
        end

        local name, value = raw_getlocal(level, at)

        return name, value
    end

    if type(level) ~= "number" then
        bad_argument(2, "getlocal", "number", type(level))
    end

    local about = raw_getinfo(thread, level, "S")

    if about and is_host(about) then
        return nil
    end

    return raw_getlocal(thread, level, at)
end

base.debug = protect({
    traceback = G.debug.traceback,
    getinfo = getinfo,
    getlocal = getlocal,
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

local shared = {
    bad_argument = bad_argument,
    is_file = host.is_file,
    known = known,
    not_here = not_here,
    own = own,
    read_file = host.read_file,
    stand_for = stand_for,
    unprotected = behind,
    -- For the host.
    apply = apply,
    records = records,
    withdraw = withdraw,
}

-- Told once, when the state is set up; host functions that walk tables are told the same one (Call::share_defaults).
local function share_defaults(metatable, lists)
    with_defaults, LISTS = metatable, lists
end

return base, protect, host_environment, share_defaults, shared
