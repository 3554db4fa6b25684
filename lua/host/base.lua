-- Makes the base that every script environment inherits from: the standard library of Lua 5.1, without anything that could reach another request
-- or stop the core. `pairs`, `next`, `rawget` and `rawset` see through the proxies of changes.lua. Other files add the rest: code.lua, table.lua,
-- math.lua, debug.lua, coroutine.lua, files.lua, package.lua.
-- Arguments: G (the state's real globals), host (host functions by name), shared (changes.lua), to which `bad_argument` and `not_here` are added.
-- Returns: base, host_environment(), share_defaults(metatable, lists).
local G, host, shared = ...

local error, select, type = G.error, G.select, G.type
local getfenv, setfenv, getmetatable, setmetatable = G.getfenv, G.setfenv, G.getmetatable, G.setmetatable
local raw_getmetatable = G.debug.getmetatable
local raw_next, raw_pairs, raw_get, raw_set = G.next, G.pairs, G.rawget, G.rawset
local raw_tostring, unpack = G.tostring, G.unpack
local floor, concat = G.math.floor, G.table.concat
local REAL, behind, change, protect = shared.REAL, shared.unprotected, shared.change, shared.protect

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
        -- Not the table behind it: only the host may have that.
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

-- Libraries ------------------------------------------------------------------------------------------------------------

local function library(real, replace)
    local out = {}

    for name, member in raw_pairs(real) do
        out[name] = member
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

local string_library = library(G.string, host.string)
G.debug.getmetatable("").__index = string_library
G.debug.getmetatable("").__metatable = false
base.string = protect(string_library)

base.os = protect(library(G.os, {
    getenv = host.getenv,
    exit = not_here("os.exit", "it would end the whole server"),
    execute = not_here("os.execute", "it would stop this core; use the module cmd"),
    setlocale = function() return false end,
    setenv = not_here("os.setenv", "the environment belongs to all requests"),
}))

-- Called once, when the state is set up; host functions that walk tables get the same metatable (Call::share_defaults).
local function share_defaults(metatable, lists)
    with_defaults, LISTS = metatable, lists
end

shared.bad_argument, shared.not_here = bad_argument, not_here
shared.is_file, shared.read_file = host.is_file, host.read_file

return base, host_environment, share_defaults
